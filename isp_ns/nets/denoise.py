"""The denoiser: from the space to the space, told how much noise there is at every cell."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import Conv

__all__ = ["SpaceDenoiser"]

_CONDITION_GAIN = 10.0
_HALF_GATE = 2 / 255


class SpaceDenoiser(nn.Module):
    """A residual on z_b and z_t, gated by the noise level: without noise it is the identity, exactly.

    The gate at noise level n (standard deviation in the encoded domain) is n / (n + 2/255).

    Args:
        z_b: channels of z_b.
        z_t: channels of z_t.
        width_b: hidden channels at H/2.
        width_t: hidden channels at H/4.

    Source: noise-level conditioning after FFDNet (Zhang et al. 2018); the gate is our own.
    """

    def __init__(self, z_b: int, z_t: int, width_b: int, width_t: int) -> None:
        super().__init__()
        self.enter_t = Conv(z_t, width_t)
        self.level_t = Conv(3, width_t, 1, bias=False)
        self.leave_t = Conv(width_t, z_t, bias=False).zero_()
        self.enter_b = Conv(z_b, width_b, packed_in=PACKED_RGB)
        self.level_b = Conv(3, width_b, 1, bias=False)
        self.leave_b = Conv(width_b, z_b, 1, packed_out=PACKED_RGB, bias=False).zero_()

    def forward(self, z_b: Tensor, z_t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Denoise the features.

        Args:
            z_b: (B, z_b, H/2, W/2).
            z_t: (B, z_t, H/4, W/4).
            noise: (B, 3, H/4, W/4) standard deviations of R, G, B in the encoded domain, ≥ 0.

        Returns:
            z_b and z_t of the same shapes.
        """
        dtype = self.enter_b.weight.dtype
        gate = noise.mean(1, keepdim=True)
        told = torch.cat([(noise * _CONDITION_GAIN).clamp_(max=2), gate / (gate + _HALF_GATE)], 1)
        told_t = told.contiguous(memory_format=torch.channels_last)
        told_b = F.interpolate(told_t, scale_factor=2, mode="bilinear", align_corners=False).to(dtype)
        hidden_t = _gated(self.enter_t(z_t.to(dtype)), self.level_t, told_t.to(dtype))
        hidden_b = _gated(self.enter_b(z_b.to(dtype)), self.level_b, told_b)
        # Sums of two types are slow: the residuals are brought to the type of the features first.
        return self.leave_b(hidden_b).to(z_b.dtype).add_(z_b), self.leave_t(hidden_t).to(z_t.dtype).add_(z_t)


def _gated(hidden: Tensor, level: Conv, told: Tensor) -> Tensor:
    """`relu(hidden + level(noise)) · gate`; `told` holds the noise of R, G, B and the gate.

    All operands are made channels last: adding and multiplying across layouts costs more than the convolutions.
    """
    noise = told[:, :3].contiguous(memory_format=torch.channels_last)
    gate = told[:, 3:].expand(-1, hidden.shape[1], -1, -1).contiguous(memory_format=torch.channels_last)
    return F.relu_(hidden.add_(level(noise))) * gate
