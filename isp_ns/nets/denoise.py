"""The denoiser: from the space to the space, told how much noise there is at every cell."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import Conv

__all__ = ["FarBlock", "SpaceDenoiser", "level_and_gate", "told"]

_CONDITION_GAIN = 10.0
_HALF_GATE = 2 / 255
_DILATIONS = (2, 3)


class SpaceDenoiser(nn.Module):
    """A residual on z_b and z_t, gated by the noise level: without noise it is the identity, exactly.

    The gate at noise level n (standard deviation in the encoded domain) is n / (n + 2/255).

    Args:
        z_b: channels of z_b.
        z_t: channels of z_t.
        width_b: hidden channels at H/2.
        width_t: hidden channels at H/4.
        far: channels there between two dilated convolutions, which see noise that is coarser; 0 leaves them out.

    Source: noise-level conditioning after FFDNet (Zhang et al. 2018); dilation after IRCNN (Zhang et al. 2017, arXiv
        1704.03264); the gate is our own.
    """

    def __init__(self, z_b: int, z_t: int, width_b: int, width_t: int, far: int = 0) -> None:
        super().__init__()
        self.enter_t = Conv(z_t, width_t)
        self.level_t = Conv(3, width_t, 1, bias=False)
        self.far = FarBlock(width_t, far) if far else nn.Identity()
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
        told_b, told_t = told(noise, dtype)
        hidden_t = self.hidden_t(z_t, told_t)
        level, gate = level_and_gate(told_b, self.enter_b.out_channels)
        hidden_b = F.relu_(self.enter_b(z_b.to(dtype)).add_(self.level_b(level))) * gate
        # Sums of two types are slow: the residuals are brought to the type of the features first.
        return self.leave_b(hidden_b).to(z_b.dtype).add_(z_b), self.leave_t(hidden_t).to(z_t.dtype).add_(z_t)

    def hidden_t(self, z_t: Tensor, told_t: Tensor) -> Tensor:
        """The hidden channels at H/4, from z_t and what `told` says there."""
        level, gate = level_and_gate(told_t, self.enter_t.out_channels)
        hidden = F.relu_(self.enter_t(z_t.to(told_t.dtype)).add_(self.level_t(level)))
        far: Tensor = self.far(hidden * gate)
        return far


def told(noise: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What the hidden layers are told of noise (B, 3, h, w) at twice its size and at its own.

    Four channels: the standard deviations of R, G, B, scaled and limited, and the gate.
    """
    mean = noise.mean(1, keepdim=True)
    maps = torch.cat([(noise * _CONDITION_GAIN).clamp_(max=2), mean / (mean + _HALF_GATE)], 1)
    maps = maps.contiguous(memory_format=torch.channels_last)
    doubled = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled.to(dtype), maps.to(dtype)


def level_and_gate(maps: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The noise of R, G, B, and the gate for that many channels, of maps from `told`.

    Both are channels last, as what they meet: adding and multiplying across layouts costs more than the convolutions.
    """
    level = maps[:, :3].contiguous(memory_format=torch.channels_last)
    return level, maps[:, 3:].expand(-1, channels, -1, -1).contiguous(memory_format=torch.channels_last)


class FarBlock(nn.Module):
    """`x + conv(relu(conv(x)))` with convolutions of dilation 2 and 3 and no bias, so that zero stays zero.

    Args:
        width: channels in and out.
        far: channels between.

    Source: residual blocks (He et al. 2016) of dilated convolutions (Zhang et al. 2017, arXiv 1704.03264).
    """

    def __init__(self, width: int, far: int) -> None:
        super().__init__()
        self.first = Conv(width, far, bias=False, dilation=_DILATIONS[0])
        self.second = Conv(far, width, bias=False, dilation=_DILATIONS[1]).zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same shape."""
        out: Tensor = self.second(F.relu_(self.first(x))).add_(x)
        return out
