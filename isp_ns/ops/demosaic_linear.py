"""Demosaicking by fixed filters: bilinear, and the gradient-corrected filters of Malvar, He and Cutler.

Both are one convolution with stride 2 from the mosaic to the twelve values of a 2×2 cell (three channels at four
positions), so all four phases and every device run the same code. Differentiable.
"""

from collections.abc import Mapping
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.ops.cfa import check_mosaic, colour_cell
from isp_ns.ops.filters import pad_mirror

__all__ = ["BILINEAR_HALO", "BILINEAR_KERNELS", "MALVAR_HALO", "MALVAR_KERNELS", "bilinear", "malvar"]

Kernel = tuple[tuple[float, ...], ...]

BILINEAR_HALO = 1
"""Pixels around a tile that `bilinear` looks at."""

MALVAR_HALO = 2
"""Pixels around a tile that `malvar` looks at."""

BILINEAR_KERNELS: Mapping[str, Kernel] = {
    "green": ((0, 1 / 4, 0), (1 / 4, 0, 1 / 4), (0, 1 / 4, 0)),
    "row": ((0, 0, 0), (1 / 2, 0, 1 / 2), (0, 0, 0)),
    "diagonal": ((1 / 4, 0, 1 / 4), (0, 0, 0), (1 / 4, 0, 1 / 4)),
}
"""Means of the nearest samples: green at red and blue; red and blue at the green of their own row, and at each other.

Source: Longere et al., "Perceptual assessment of demosaicing algorithm performance" (2002), section II-A.
"""

MALVAR_KERNELS: Mapping[str, Kernel] = {
    "green": (
        (0, 0, -1 / 8, 0, 0),
        (0, 0, 2 / 8, 0, 0),
        (-1 / 8, 2 / 8, 4 / 8, 2 / 8, -1 / 8),
        (0, 0, 2 / 8, 0, 0),
        (0, 0, -1 / 8, 0, 0),
    ),
    "row": (
        (0, 0, 1 / 16, 0, 0),
        (0, -1 / 8, 0, -1 / 8, 0),
        (-1 / 8, 4 / 8, 5 / 8, 4 / 8, -1 / 8),
        (0, -1 / 8, 0, -1 / 8, 0),
        (0, 0, 1 / 16, 0, 0),
    ),
    "diagonal": (
        (0, 0, -3 / 16, 0, 0),
        (0, 2 / 8, 0, 2 / 8, 0),
        (-3 / 16, 0, 6 / 8, 0, -3 / 16),
        (0, 2 / 8, 0, 2 / 8, 0),
        (0, 0, -3 / 16, 0, 0),
    ),
}
"""The same three cases with the gradient corrections α = 1/2, β = 5/8, γ = 3/4.

Source: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images"
(ICASSP 2004), figure 2.
"""


def bilinear(mosaic: Tensor, pattern: str) -> Tensor:
    """Demosaic by the mean of the nearest samples of each channel.

    Args:
        mosaic: (1, H, W) linear or encoded values of any range; H and W at least 2, odd sizes included.
        pattern: the 2×2 cell at the first pixel, "RGGB" for example.

    Returns:
        (3, H, W) unclipped, the mosaic's own samples kept as they are.

    Raises:
        ValueError: if `mosaic` or `pattern` is not what is said above.

    Source: Longere et al., "Perceptual assessment of demosaicing algorithm performance" (2002), section II-A.
    """
    return _filter(mosaic, pattern, "bilinear", BILINEAR_HALO)


def malvar(mosaic: Tensor, pattern: str) -> Tensor:
    """Demosaic by bilinear interpolation corrected with the Laplacian of the channel known at each pixel.

    Args:
        mosaic: (1, H, W) white-balanced values of any range; H and W at least 2, odd sizes included.
        pattern: the 2×2 cell at the first pixel, "RGGB" for example.

    Returns:
        (3, H, W) unclipped, the mosaic's own samples kept as they are.

    Raises:
        ValueError: if `mosaic` or `pattern` is not what is said above.

    Source: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images"
    (ICASSP 2004).
    """
    return _filter(mosaic, pattern, "malvar", MALVAR_HALO)


def _filter(mosaic: Tensor, pattern: str, family: str, radius: int) -> Tensor:
    height, width = check_mosaic(mosaic)
    bank = _filter_bank(family, pattern.upper(), mosaic.dtype, mosaic.device)
    padded = pad_mirror(mosaic, (radius, radius + height % 2, radius, radius + width % 2))
    cells = F.conv2d(padded[None], bank, stride=2)[0]
    return _merge_cells(cells.reshape(3, 2, 2, *cells.shape[1:]))[:, :height, :width]


def _merge_cells(cells: Tensor) -> Tensor:
    """(3, 2, 2, H, W) → (3, 2 H, 2 W). Pairing columns as complex numbers is ten times faster than pixel_shuffle."""
    even, odd = (cells[:, :, column].transpose(1, 2) for column in (0, 1))
    pairs = torch.view_as_real(torch.complex(even, odd))
    return pairs.reshape(3, 2 * cells.shape[-2], 2 * cells.shape[-1])


@lru_cache(maxsize=64)
def _filter_bank(family: str, pattern: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(12, 1, K + 1, K + 1): the K×K kernels of three channels at four positions, each moved to its position."""
    kernels = {"bilinear": BILINEAR_KERNELS, "malvar": MALVAR_KERNELS}[family]
    size = len(kernels["green"])
    with torch.inference_mode(False):
        bank = torch.zeros(3, 2, 2, size + 1, size + 1, dtype=torch.float64)
        for channel in range(3):
            for y in (0, 1):
                for x in (0, 1):
                    bank[channel, y, x, y : y + size, x : x + size] = _kernel(kernels, pattern, channel, y, x)
        return bank.reshape(12, 1, size + 1, size + 1).to(device=device, dtype=dtype)


def _kernel(kernels: Mapping[str, Kernel], pattern: str, channel: int, y: int, x: int) -> Tensor:
    """The kernel that gives `channel` at position (y, x) of the cell."""
    cell = colour_cell(pattern)
    green = torch.tensor(kernels["green"], dtype=torch.float64)
    if cell[y][x] == channel:
        identity = torch.zeros_like(green)
        identity[len(green) // 2, len(green) // 2] = 1
        return identity
    if channel == 1:
        return green
    if cell[y][x] != 1:
        return torch.tensor(kernels["diagonal"], dtype=torch.float64)
    row = torch.tensor(kernels["row"], dtype=torch.float64)
    return row if channel in cell[y] else row.T
