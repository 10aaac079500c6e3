"""What a network costs, computed from its modules: parameters, MACs per pixel, reach."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isp_ns.nets.space import NeuralSpace

__all__ = ["macs_per_pixel", "parameters", "raw_path_macs", "receptive_field"]


def parameters(module: nn.Module) -> int:
    """Number of trainable values.

    Source: definition.
    """
    return sum(p.numel() for p in module.parameters())


def macs_per_pixel(run: Callable[[], object], modules: list[nn.Module], pixels: int) -> float:
    """Multiply-accumulates of all convolutions that `run` executes, per image pixel.

    Args:
        run: calls the modules once.
        modules: where to look for convolutions.
        pixels: image pixels of that call.

    Source: definition; biases, additions and activations are not counted.
    """
    total = 0

    def count(conv: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(conv, nn.Conv2d):
            total += output[0].numel() * conv.weight[0].numel()

    convs = [m for root in modules for m in root.modules() if isinstance(m, nn.Conv2d)]
    handles = [conv.register_forward_hook(count) for conv in convs]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return total / pixels


def raw_path_macs(space: NeuralSpace, side: int = 64) -> dict[str, float]:
    """MACs per raw pixel of E_raw, denoise and D_rgb as a photo is processed, and of E_rgb beside them.

    Args:
        space: the space.
        side: side in pixels of the probe, a multiple of 4; the result does not depend on it.

    Source: definition.
    """
    device = next(space.parameters()).device
    mosaic, rgb = torch.zeros(1, 1, side, side, device=device), torch.zeros(1, 3, side, side, device=device)
    with torch.no_grad():
        z_b, z_t = space.e_raw(mosaic)
    maps = torch.ones(1, 3, side // 4, side // 4, device=device)
    runs: dict[str, tuple[Callable[[], object], nn.Module]] = {
        "encode": (lambda: space.e_raw(mosaic), space.e_raw),
        "denoise": (lambda: space.denoiser(z_b, z_t, maps), space.denoiser),
        "decode": (lambda: space.d_rgb(z_b, z_t), space.d_rgb),
        "encode_rgb": (lambda: space.e_rgb(rgb), space.e_rgb),
    }
    macs = {name: macs_per_pixel(run, [module], side * side) for name, (run, module) in runs.items()}
    macs["raw_path"] = macs["encode"] + macs["denoise"] + macs["decode"]
    return macs


def receptive_field(space: NeuralSpace, side: int = 192) -> int:
    """How many pixels of context a pixel of the photo depends on, on each side: the halo of a tile.

    A NaN at one pixel of the mosaic reaches every output pixel that may depend on it, whatever the weights are.

    Args:
        space: the space, E_raw, denoise with its noise estimate, and D_rgb together.
        side: side in pixels of the probe, a multiple of 4.

    Returns:
        The reach in pixels, rounded up to a multiple of 4.

    Raises:
        ValueError: if the probe is too small to hold the whole field.

    Source: definition.
    """
    centre, reach = side // 2, 0
    device = next(space.parameters()).device
    for shift in range(4):
        mosaic = torch.zeros(1, 1, side, side, device=device)
        mosaic[..., centre + shift, centre + shift] = torch.nan
        with torch.no_grad():
            z_b, z_t = space.denoise(*space.encode(mosaic), ((1.0, 1.0),) * 3)
            rgb = space.decode(z_b, z_t, size=(side, side))
        touched = rgb[0].isnan().any(0).any(0).nonzero().flatten()
        first, last = int(touched[0]), int(touched[-1])
        if first == 0 or last == side - 1:
            raise ValueError(f"a probe of {side} pixels is smaller than the receptive field; use a larger one")
        reach = max(reach, centre + shift - first, last - centre - shift)
    return -(-reach // 4) * 4
