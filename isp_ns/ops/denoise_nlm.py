"""Non-local means and the bilateral filter on planes of unit noise: means over alike neighbours.

Both walk over half of the offsets of a search window. For each the squared difference of the shifted planes, box
filtered for patches, gives the weights of a whole image at once, and each weight serves a pixel and its partner.
"""

import math
from functools import partial

import torch
from torch import Tensor

from isp_ns.ops.denoise import NEGLIGIBLE_SIGMA, denoise_mosaic_with, denoise_rgb_with, is_negligible
from isp_ns.ops.filters import pad_mirror
from isp_ns.ops.noise import NoisePairs

__all__ = [
    "bilateral_mosaic",
    "bilateral_planes",
    "bilateral_rgb",
    "nlm_halo",
    "nlm_mosaic",
    "nlm_planes",
    "nlm_rgb",
]


def nlm_halo(search_px: int, patch_px: int = 0) -> int:
    """Pixels of a plane around a tile that the means depend on; a mosaic needs twice as many, plus 2.

    Args:
        search_px: half side of the search window.
        patch_px: half side of the patches, 0 for the bilateral filter.

    Source: none.
    """
    return search_px + patch_px


def _half_offsets(radius: int) -> list[tuple[int, int]]:
    """One of each pair of opposite offsets within a square."""
    span = range(-radius, radius + 1)
    return [(dy, dx) for dy in range(radius + 1) for dx in span if dy > 0 or dx > 0]


def _window_sum(flat: Tensor, width: int, step: int) -> Tensor:
    """Sums of `width` values `step` apart of a flat image; shorter by (width − 1)·step."""
    length = len(flat) - (width - 1) * step
    total = flat[:length] + flat[step : step + length]
    for k in range(2, width):
        total.add_(flat[k * step : k * step + length])
    return total


def _mean_of_alike(
    planes: Tensor, search_px: int, patch_px: int, *, slope: float, floor: float, sigma_px: float
) -> Tensor:
    """Weighted mean of each pixel, with weight 1, and its neighbours within `search_px`.

    A weight is exp2(−slope · max(d² − floor, 0)), d² summed over planes and patch, times a Gaussian of the distance.
    Shifts are done on flattened rows: what wraps from one row into the next stays in the mirrored border.
    """
    halo = search_px + patch_px
    padded = pad_mirror(planes, halo)
    count, height, width = padded.shape
    flat, change = padded.view(count, -1), torch.zeros(count, height * width, dtype=planes.dtype, device=planes.device)
    total = torch.ones_like(flat[0])
    buffer, inset, side = torch.empty_like(flat), patch_px * (width + 1), 2 * patch_px + 1
    for dy, dx in _half_offsets(search_px):
        shift = dy * width + dx
        length = height * width - shift
        difference = torch.sub(flat[:, shift:], flat[:, :length], out=buffer[:, :length])
        weight = difference[0] * difference[0]
        for plane in difference[1:]:
            weight.addcmul_(plane, plane)
        if patch_px:
            weight = _window_sum(_window_sum(weight, side, width), side, 1)
        weight.sub_(floor).clamp_(min=0).mul_(-slope)
        weight.sub_((dy * dy + dx * dx) / (2.0 * math.log(2.0) * sigma_px**2)).exp2_()
        difference = difference[:, inset : length - inset].mul_(weight)
        change[:, inset : length - inset].add_(difference)
        change[:, inset + shift : length + shift - inset].sub_(difference)
        total[inset : length - inset].add_(weight)
        total[inset + shift : length + shift - inset].add_(weight)
    means = change.div_(total).view(count, height, width)
    return means[:, halo : height - halo, halo : width - halo] + planes


def bilateral_planes(planes: Tensor, *, sigma_range: float = 2.0, sigma_px: float = 1.5, radius_px: int = 3) -> Tensor:
    """Bilateral filter of planes of unit white noise, with the weights of all planes together; halo `radius_px`.

    Args:
        planes: (C, h, w) with noise of standard deviation 1.
        sigma_range: difference per plane, in standard deviations of the noise, at which weight falls to 0.61.
        sigma_px: standard deviation of the spatial weight in pixels.
        radius_px: half side of the window in pixels.

    Returns:
        (C, h, w).

    Source: Tomasi and Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998.
    """
    slope = 1.0 / (2.0 * sigma_range**2 * len(planes) * math.log(2.0))
    return _mean_of_alike(planes, radius_px, 0, slope=slope, floor=0.0, sigma_px=sigma_px)


def nlm_planes(planes: Tensor, *, strength: float = 0.8, search_px: int = 5, patch_px: int = 1) -> Tensor:
    """Non-local means of planes of unit white noise, with the patches of all planes together; halo `nlm_halo`.

    Args:
        planes: (C, h, w) with noise of standard deviation 1.
        strength: root mean square difference of patches, beyond that of noise and in its units, at which weight falls
            to 1/e.
        search_px: half side of the search window in pixels.
        patch_px: half side of the patches in pixels.

    Returns:
        (C, h, w).

    Source: Buades, Coll and Morel, CVPR 2005, with the noise-corrected distance of IPOL 2011, by shifts and box
    filters as in Darbon et al., ISBI 2008.
    """
    count = len(planes) * (2 * patch_px + 1) ** 2
    slope = 1.0 / (strength**2 * count * math.log(2.0))
    return _mean_of_alike(planes, search_px, patch_px, slope=slope, floor=2.0 * count, sigma_px=math.inf)


def bilateral_mosaic(
    mosaic: Tensor,
    pattern: str,
    noise: NoisePairs,
    *,
    sigma_range: float = 2.0,
    sigma_px: float = 1.5,
    radius_px: int = 3,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Bilateral filter of the variance-stabilised phases of a mosaic; halo 2·radius_px + 2, align 2.

    Args:
        mosaic: (1, H, W) linear, black 0, unclipped below black.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs of the noise model.
        sigma_range: see `bilateral_planes`.
        sigma_px: in pixels of a phase, two of the mosaic.
        radius_px: in pixels of a phase.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (1, H, W).

    Source: see `bilateral_planes`.
    """
    if is_negligible(noise, negligible_sigma):
        return mosaic
    smooth = partial(bilateral_planes, sigma_range=sigma_range, sigma_px=sigma_px, radius_px=radius_px)
    return denoise_mosaic_with(mosaic, pattern, noise, smooth)


def bilateral_rgb(
    image: Tensor,
    noise: NoisePairs,
    *,
    sigma_range: float = 2.0,
    sigma_px: float = 1.5,
    radius_px: int = 3,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Bilateral filter of a variance-stabilised RGB image with white noise; halo `radius_px`.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of the noise model.
        sigma_range: see `bilateral_planes`.
        sigma_px: see `bilateral_planes`.
        radius_px: see `bilateral_planes`.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (3, H, W).

    Source: see `bilateral_planes`.
    """
    if is_negligible(noise, negligible_sigma):
        return image
    smooth = partial(bilateral_planes, sigma_range=sigma_range, sigma_px=sigma_px, radius_px=radius_px)
    return denoise_rgb_with(image, noise, smooth)


def nlm_mosaic(
    mosaic: Tensor,
    pattern: str,
    noise: NoisePairs,
    *,
    strength: float = 0.8,
    search_px: int = 4,
    patch_px: int = 1,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Non-local means of the variance-stabilised phases of a mosaic; align 2.

    The halo is 2·`nlm_halo(search_px, patch_px)` + 2.

    Args:
        mosaic: (1, H, W) linear, black 0, unclipped below black.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs of the noise model.
        strength: see `nlm_planes`.
        search_px: in pixels of a phase, two of the mosaic.
        patch_px: in pixels of a phase.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (1, H, W).

    Source: see `nlm_planes`.
    """
    if is_negligible(noise, negligible_sigma):
        return mosaic
    smooth = partial(nlm_planes, strength=strength, search_px=search_px, patch_px=patch_px)
    return denoise_mosaic_with(mosaic, pattern, noise, smooth)


def nlm_rgb(
    image: Tensor,
    noise: NoisePairs,
    *,
    strength: float = 0.8,
    search_px: int = 5,
    patch_px: int = 1,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Non-local means of a variance-stabilised RGB image with white noise; halo `nlm_halo(search_px, patch_px)`.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of the noise model.
        strength: see `nlm_planes`.
        search_px: see `nlm_planes`.
        patch_px: see `nlm_planes`.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (3, H, W).

    Source: see `nlm_planes`.
    """
    if is_negligible(noise, negligible_sigma):
        return image
    smooth = partial(nlm_planes, strength=strength, search_px=search_px, patch_px=patch_px)
    return denoise_rgb_with(image, noise, smooth)
