"""Coarser arithmetic: when bf16 is worth it, how a space is converted, and checks that nothing visible is lost."""

import copy
from pathlib import Path

import torch

from isp_ns.nets.layers import Conv, channels_last
from isp_ns.nets.space import NeuralSpace

__all__ = ["bf16_is_fast", "clean_loss_db", "gradient_steps", "to_bf16"]


def bf16_is_fast(device: torch.device | str = "cpu") -> bool:
    """Whether bf16 convolutions run on native instructions: AVX512-BF16 or AMX on processors, all recent GPUs.

    Source: the flags of /proc/cpuinfo; CUDA's own answer.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return kind == "cpu" and ("avx512_bf16" in flags or "amx_bf16" in flags)


def to_bf16(space: NeuralSpace) -> NeuralSpace:
    """A copy whose learned branches run in bf16; the linear demosaic, z_b and the picture itself stay fp32.

    A picture in bf16 would have 8 bits of mantissa and bands in its gradients; the residuals of the networks are
    small, so their rounding is too.

    Args:
        space: a trained space in fp32.

    Source: our own split, see `clean_loss_db`.
    """
    twin = copy.deepcopy(space)
    twin.clear_oriented()
    for name, module in twin.named_modules():
        if isinstance(module, Conv) and name != "e_raw.linear":
            module.to(torch.bfloat16)
    return channels_last(twin)


def _clean_psnr_db(space: NeuralSpace, rgb: torch.Tensor, mosaic: torch.Tensor) -> torch.Tensor:
    z_b, z_t = space.encode(mosaic, encoding="identity")
    out = space.decode(z_b, z_t, size=(rgb.shape[-2], rgb.shape[-1]), encoding="identity")
    return -10 * torch.log10((out - rgb).square().mean((1, 2, 3)))


@torch.no_grad()
def clean_loss_db(space: NeuralSpace, twin: NeuralSpace, rgb: torch.Tensor) -> float:
    """How many dB of PSNR a coarser twin costs on noise-free RGGB mosaics of these pictures, mean over the batch.

    Args:
        space: a trained space in fp32.
        twin: the same in bf16 or int8.
        rgb: (B, 3, H, W) gamma-coded in 0..1, even sides.

    Source: definition; no rounding of the outputs.
    """
    mosaic = rgb[:, 1:2].clone()
    mosaic[..., 0::2, 0::2] = rgb[:, 0:1, 0::2, 0::2]
    mosaic[..., 1::2, 1::2] = rgb[:, 2:3, 1::2, 1::2]
    exact, rounded = (_clean_psnr_db(net, rgb, mosaic) for net in (space, twin))
    return float((exact - rounded).mean())


@torch.no_grad()
def gradient_steps(twin: NeuralSpace, width: int = 1024) -> float:
    """Largest step between neighbours of a grey gradient rendered by a twin, relative to the gradient's own step.

    Without banding it is near 1; a picture held in bf16 gives 4 and more at this width.

    Args:
        twin: a space in bf16 or int8.
        width: pixels from 0.25 to 1, a multiple of 4.

    Source: definition.
    """
    ramp = torch.linspace(0.25, 1, width).expand(1, 1, 32, width)
    z_b, z_t = twin.encode(ramp, encoding="identity")
    rgb = twin.decode(z_b, z_t, size=(32, width), encoding="identity")
    steps = rgb[0, :, 8:-8, 32:-32].mean(1).diff(dim=-1)
    return float(steps.abs().max() * (width - 1) / 0.75)
