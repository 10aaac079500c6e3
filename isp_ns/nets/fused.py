"""Denoiser and decoder as processors like them: the same sums as their modules, in fewer passes over memory.

A convolution of few channels takes less time than writing its result and reading it again, so that oneDNN adds and
rectifies while it convolves. Elsewhere than on a processor with oneDNN the modules themselves run.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.decoder import RgbDecoder
from isp_ns.nets.denoise import SpaceDenoiser, level_and_gate, told
from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import Conv
from isp_ns.nets.space import NeuralSpace

__all__ = ["FusedDecoder", "FusedDenoiser", "fused"]


def _can_fuse(x: Tensor, dtype: torch.dtype) -> bool:
    """Whether features on this device can be convolved in this type by the operators below, which have no gradient."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise_"):
        return False
    # Without instructions for it they refuse bf16, where the modules are merely slow.
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _geometry(conv: Conv) -> tuple[list[int], list[int], list[int], int]:
    return [int(p) for p in conv.padding], list(conv.stride), list(conv.dilation), conv.groups


def _relu(x: Tensor, conv: Conv) -> Tensor:
    """relu(conv(x))."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *_geometry(conv), "relu", [], "")
    return out


def _add_relu_(onto: Tensor, x: Tensor, conv: Conv) -> Tensor:
    """relu(onto + conv(x)), in place of `onto`."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise_(
        onto, x, conv.weight, conv.bias, *_geometry(conv), "add", 1.0, "relu", [], None
    )
    return out


def _added(onto: Tensor, x: Tensor, conv: Conv) -> Tensor:
    """onto + conv(x) in the type of `onto`; the convolution has no bias."""
    weight = conv.weight.to(onto.dtype)
    out: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
        x.to(onto.dtype), onto, weight, None, *_geometry(conv), "add", 1.0, None, [], None
    )
    return out


class FusedDenoiser(nn.Module):
    """A trained denoiser; takes and returns what `isp_ns.nets.denoise.SpaceDenoiser` does.

    Args:
        source: the denoiser.
    """

    def __init__(self, source: SpaceDenoiser) -> None:
        super().__init__()
        self.source = source

    def forward(self, z_b: Tensor, z_t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Denoise the features; shapes as of the source."""
        source = self.source
        dtype = source.enter_b.weight.dtype
        if not _can_fuse(z_b, dtype):
            whole: tuple[Tensor, Tensor] = source(z_b, z_t, noise)
            return whole
        told_b, told_t = told(noise, dtype)
        hidden_t = source.hidden_t(z_t, told_t)
        level, gate = level_and_gate(told_b, source.enter_b.out_channels)
        hidden_b = _add_relu_(source.enter_b(z_b.to(dtype)), level, source.level_b) * gate
        return _added(z_b, hidden_b, source.leave_b), source.leave_t(hidden_t).to(z_t.dtype).add_(z_t)


class FusedDecoder(nn.Module):
    """A trained decoder; takes and returns what `isp_ns.nets.decoder.RgbDecoder` does.

    Args:
        source: the decoder.
    """

    def __init__(self, source: RgbDecoder) -> None:
        super().__init__()
        self.source = source

    def forward(self, z_b: Tensor, z_t: Tensor) -> Tensor:
        """Features to encoded RGB; shapes as of the source."""
        source = self.source
        dtype = source.merge.weight.dtype
        if not _can_fuse(z_b, dtype):
            whole: Tensor = source(z_b, z_t)
            return whole
        x = _add_relu_(_doubled(z_t.to(dtype), source.up), z_b.to(dtype), source.merge)
        for conv in source.refine:
            x = _relu(x, cast(Conv, conv))
        return _unpacked_sum(source.head(x), z_b[:, :PACKED_RGB])


def _doubled(z_t: Tensor, up: Conv) -> Tensor:
    """`pixel_shuffle(up(z_t), 2)`, with channels in an order in which those of a pixel move as one."""
    channels = up.out_channels // 4
    weight = up.weight.view(channels, 2, 2, -1).permute(1, 2, 0, 3).reshape(up.out_channels, -1, 1, 1)
    bias = None if up.bias is None else up.bias.view(channels, 2, 2).permute(1, 2, 0).reshape(-1)
    rows = F.conv2d(z_t, weight.contiguous(memory_format=torch.channels_last), bias).permute(0, 2, 3, 1)
    batch, height, width, _ = rows.shape
    cells = rows.reshape(batch, height, width, 2, 2, channels).permute(0, 1, 3, 2, 4, 5)
    return cells.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _unpacked_sum(residual: Tensor, base: Tensor) -> Tensor:
    """`unpack(residual + base)` in fp32. Two neighbours in a row are moved as one value of 64 bits."""
    batch, channels, height, width = base.shape
    total = residual.float().add_(base).permute(0, 2, 3, 1).contiguous()
    pairs = total.view(torch.int64).view(batch, height, width, channels // 4, 2).permute(0, 3, 1, 4, 2)
    return pairs.contiguous().view(torch.float32).view(batch, channels // 4, 2 * height, 2 * width)


def fused(space: NeuralSpace) -> NeuralSpace:
    """A copy that denoises and decodes in fewer passes.

    Args:
        space: in fp32 or bf16, which is not trained any more.

    Source: operator fusion of oneDNN, post-ops.
    """
    twin = copy.deepcopy(space)
    twin.clear_oriented()
    twin.denoiser = FusedDenoiser(twin.denoiser)  # type: ignore[assignment]
    twin.d_rgb = FusedDecoder(twin.d_rgb)  # type: ignore[assignment]
    return twin
