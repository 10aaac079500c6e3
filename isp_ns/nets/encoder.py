"""Encoders into the neural space: from a Bayer mosaic and from RGB, with one trunk."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.layers import Conv, ResBlock

__all__ = ["PACKED_RGB", "RawEncoder", "RgbEncoder", "malvar_packed"]

PACKED_RGB = 12
"""The first channels of z_b: packed R, G and B of a first estimate of the picture, 4 pixels each."""

_CROSS_G = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_ROW = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_DIAGONAL = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))


def _kernel(plane: int, row: int, column: int) -> Tensor:
    """The 5×5 kernel that gives colour `plane` at position (row, column) of an RGGB cell."""
    here = ((0, 1), (1, 2))[row][column]
    if here == plane:
        return F.pad(torch.ones(1, 1), (2, 2, 2, 2))
    if plane == 1:
        return torch.tensor(_CROSS_G) / 8
    if here != 1:
        return torch.tensor(_DIAGONAL) / 8
    along_row = (plane == 0) == (row == 0)
    kernel = torch.tensor(_ROW) / 8
    return kernel if along_row else kernel.T


def malvar_packed() -> Tensor:
    """Malvar's 5×5 demosaic of an RGGB mosaic as one 3×3 convolution, weight (12, 4, 3, 3), of packed channels.

    Source: Malvar, He, Cutler 2004, "High-quality linear interpolation for demosaicing of Bayer-patterned
    color images".
    """
    weight = torch.zeros(PACKED_RGB, 4, 3, 3)
    for out in range(PACKED_RGB):
        plane, row, column = out // 4, out // 2 % 2, out % 2
        kernel = _kernel(plane, row, column)
        for y in range(5):
            for x in range(5):
                top, left = row + y - 2, column + x - 2
                weight[out, 2 * (top % 2) + left % 2, top // 2 + 1, left // 2 + 1] += kernel[y, x]
    return weight


class _Trunk(nn.Module):
    """Packed pixels to features at half and quarter resolution, with plain convolutions only.

    Args:
        packed: packed channels in, 4 (mosaic) or 12 (RGB).
        width_b: channels at H/2.
        z_b: channels of z_b.
        z_t: channels at H/4 and of z_t.
        blocks_b: residual blocks at H/2.
        blocks_t: residual blocks at H/4.
    """

    def __init__(self, packed: int, width_b: int, z_b: int, z_t: int, blocks_b: int, blocks_t: int) -> None:
        super().__init__()
        self.stem = Conv(packed, width_b, packed_in=packed)
        self.fine = nn.Sequential(*(ResBlock(width_b) for _ in range(blocks_b)))
        self.down = Conv(width_b, z_t, 2)
        self.coarse = nn.Sequential(*(ResBlock(z_t) for _ in range(blocks_t)))
        self.tap = Conv(width_b, z_b, 1, packed_out=PACKED_RGB)
        with torch.no_grad():
            self.tap.weight[:PACKED_RGB] = 0
            self.tap.bias.zero_()  # type: ignore[union-attr]

    def forward(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, packed, h, w) to the learned part of z_b (B, z_b, h, w) and to z_t (B, z_t, h/2, w/2)."""
        fine = self.fine(F.relu_(self.stem(packed.to(self.stem.weight.dtype))))
        return self.tap(fine), self.coarse(F.relu_(self.down(fine)))


def _add_base(tap: Tensor, base: Tensor) -> Tensor:
    """Add the packed picture to the first channels, in fp32: bf16 has too few bits for a picture."""
    z_b = tap.float()
    z_b[:, :PACKED_RGB] += base
    return z_b


class RawEncoder(nn.Module):
    """E_raw: an RGGB mosaic into the space. z_b starts from a linear demosaic, one convolution of packed channels.

    Args: as the trunk's; the linear demosaic starts as Malvar's and is trained.

    Source: Shared Neural Space (arXiv 2509.20481) for the two scales; Malvar et al. 2004 for the linear part.
    """

    def __init__(self, width_b: int, z_b: int, z_t: int, blocks_b: int, blocks_t: int) -> None:
        super().__init__()
        self.trunk = _Trunk(4, width_b, z_b, z_t, blocks_b, blocks_t)
        self.linear = Conv(4, PACKED_RGB, packed_in=4, packed_out=PACKED_RGB, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(malvar_packed())

    def forward(self, mosaic: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded mosaic (B, 1, H, W) to z_b (B, z_b, H/2, W/2), fp32, and z_t (B, z_t, H/4, W/4).

        H and W are multiples of 4.
        """
        packed = F.pixel_unshuffle(mosaic, 2).contiguous(memory_format=torch.channels_last)
        tap, z_t = self.trunk(packed)
        with torch.autocast(mosaic.device.type, enabled=False):
            base = self.linear(packed.float())
        return _add_base(tap, base), z_t


class RgbEncoder(nn.Module):
    """E_rgb: an RGB picture into the space. z_b starts from the packed picture itself.

    Args: as the trunk's.

    Source: Shared Neural Space (arXiv 2509.20481).
    """

    def __init__(self, width_b: int, z_b: int, z_t: int, blocks_b: int, blocks_t: int) -> None:
        super().__init__()
        self.trunk = _Trunk(PACKED_RGB, width_b, z_b, z_t, blocks_b, blocks_t)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded RGB (B, 3, H, W) to z_b (B, z_b, H/2, W/2), fp32, and z_t (B, z_t, H/4, W/4).

        H and W are multiples of 4.
        """
        packed = F.pixel_unshuffle(rgb, 2).contiguous(memory_format=torch.channels_last)
        tap, z_t = self.trunk(packed)
        return _add_base(tap, packed.float()), z_t
