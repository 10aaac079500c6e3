"""Classical denoising stages, driven by the noise model of the metadata: on the mosaic, or on linear RGB."""

from typing import Annotated

import torch

from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb, Mosaic
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import denoise_nlm, denoise_wavelet
from isp_ns.ops.denoise_chroma import chroma_halo, smooth_chroma
from isp_ns.stages.raw import noise_of

__all__ = ["bilateral", "chroma", "nlm", "wavelet", "wavelet_rgb"]

Strength = Annotated[float, Between(0, 20)]
Levels = Annotated[int, Between(1, 6)]


@stage("denoise.wavelet", reach=Local(halo=lambda p: 2 * denoise_wavelet.shrink_halo(p["levels"]) + 2, align=2))
def wavelet(raw: Mosaic, *, luma: Strength = 1.5, chroma: Strength = 2.5, levels: Levels = 3) -> Mosaic:
    """Wavelet shrinkage of the stabilised mosaic, luma and colour differences apart.

    Args:
        raw: linear mosaic.
        luma: strength on luma; 2 has the least squared error.
        chroma: strength on the differences of colour.
        levels: scales treated; each doubles the size of the coarsest grain removed.

    Source: see `isp_ns.ops.denoise_wavelet.shrink_mosaic`.
    """
    data = denoise_wavelet.shrink_mosaic(raw.data, raw.cfa, noise_of(raw.meta), luma=luma, chroma=chroma, levels=levels)
    return raw.with_data(data)


@stage("denoise.wavelet_rgb", reach=Local(halo=lambda p: denoise_wavelet.shrink_halo(p["levels"])))
def wavelet_rgb(rgb: LinearRgb, *, luma: Strength = 1.5, chroma: Strength = 2.5, levels: Levels = 4) -> LinearRgb:
    """Wavelet shrinkage of stabilised RGB, luma and colour differences apart.

    Args:
        rgb: linear RGB.
        luma: strength on luma.
        chroma: strength on the differences of colour.
        levels: scales treated.

    Source: see `isp_ns.ops.denoise_wavelet.shrink_rgb`.
    """
    data = denoise_wavelet.shrink_rgb(rgb.data, noise_of(rgb.meta), luma=luma, chroma=chroma, levels=levels)
    return rgb.with_data(data)


@stage("denoise.nlm", reach=Local(halo=lambda p: 2 * denoise_nlm.nlm_halo(p["search_px"], 1) + 2, align=2))
def nlm(raw: Mosaic, *, strength: Strength = 0.8, search_px: Annotated[int, Between(1, 10)] = 4) -> Mosaic:
    """Non-local means of the stabilised mosaic: the best classical denoiser here, and slow.

    Args:
        raw: linear mosaic.
        strength: width of the weights, in noise.
        search_px: half side of the search window, in pixels of one colour plane.

    Source: Buades, Coll and Morel (2005); see `isp_ns.ops.denoise_nlm.nlm_mosaic`.
    """
    data = denoise_nlm.nlm_mosaic(raw.data, raw.cfa, noise_of(raw.meta), strength=strength, search_px=search_px)
    return raw.with_data(data)


@stage("denoise.bilateral", reach=Local(halo=lambda p: 2 * p["radius_px"] + 2, align=2))
def bilateral(
    raw: Mosaic,
    *,
    sigma_range: Strength = 2.0,
    sigma_px: Annotated[float, Between(0.3, 10)] = 1.5,
    radius_px: Annotated[int, Between(1, 10)] = 3,
) -> Mosaic:
    """Bilateral filter of the stabilised mosaic.

    Args:
        raw: linear mosaic.
        sigma_range: width of the weights in value, in noise.
        sigma_px: width of the weights in distance, in pixels of one colour plane.
        radius_px: half side of the window, in pixels of one colour plane.

    Source: Tomasi and Manduchi (1998); see `isp_ns.ops.denoise_nlm.bilateral_mosaic`.
    """
    data = denoise_nlm.bilateral_mosaic(
        raw.data, raw.cfa, noise_of(raw.meta), sigma_range=sigma_range, sigma_px=sigma_px, radius_px=radius_px
    )
    return raw.with_data(data)


@stage("denoise.chroma", reach=Local(halo=lambda p: chroma_halo(p["radius_px"]), align=2))
def chroma(rgb: LinearRgb, *, strength: Strength = 2.0, radius_px: Annotated[int, Between(1, 32)] = 6) -> LinearRgb:
    """Smooth blotches of colour along the edges of luma, and leave luma as it is.

    Args:
        rgb: linear RGB.
        strength: by how much the variance of chroma noise is overstated.
        radius_px: half side of the windows; the largest blotch removed.

    Source: see `isp_ns.ops.denoise_chroma.smooth_chroma`.
    """
    red, green, blue = rgb.data
    if torch.equal(red, green) and torch.equal(green, blue):
        # A monochrome picture has no colour to smooth, and rounding must not give it any.
        return rgb
    return rgb.with_data(smooth_chroma(rgb.data, noise_of(rgb.meta), strength=strength, radius_px=radius_px))
