"""The decoder of the neural space: features to RGB. It reads the space and nothing else."""

from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import Conv, unpack

__all__ = ["RgbDecoder"]


class RgbDecoder(nn.Module):
    """D_rgb: both scales meet at half resolution; twelve channels there are the picture, packed.

    Args:
        width_b: channels at H/2.
        z_b: channels of z_b.
        z_t: channels of z_t.
        convs: 3×3 convolutions at H/2 after the first one.
        width: channels of those.

    Source: Shared Neural Space (arXiv 2509.20481); sub-pixel head: Shi et al. 2016.
    """

    def __init__(self, width_b: int, z_b: int, z_t: int, convs: int, width: int) -> None:
        super().__init__()
        self.up = Conv(z_t, 4 * width_b, 1, packed_out=4 * width_b)
        self.merge = Conv(z_b, width_b, packed_in=PACKED_RGB)
        self.refine = nn.ModuleList(Conv(width if at else width_b, width) for at in range(convs))
        self.head = Conv(width if convs else width_b, PACKED_RGB, packed_out=PACKED_RGB).zero_()

    def forward(self, z_b: Tensor, z_t: Tensor) -> Tensor:
        """z_b (B, z_b, H/2, W/2) and z_t (B, z_t, H/4, W/4) to encoded RGB (B, 3, H, W), fp32."""
        dtype = self.merge.weight.dtype
        x = F.relu_(self.merge(z_b.to(dtype)).add_(F.pixel_shuffle(self.up(z_t.to(dtype)), 2)))
        for conv in self.refine:
            x = F.relu_(conv(x))
        return unpack(self.head(x) + z_b[:, :PACKED_RGB])
