"""Tone: exposure, contrast, the view transform and the measure behind automatic exposure.

A view transform takes scene light, which has no upper end, to display light in 0..1; the encoding of the display
(`transfer.encode`) comes after it. Tensors are (3, H, W) or (B, 3, H, W), linear, with white = 1.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from isp_ns.ops.colour import luminance

__all__ = [
    "GREY",
    "apply_curve",
    "contrast",
    "exposure",
    "exposure_ev",
    "exposure_stats",
    "view_curve",
    "view_transform",
]

GREY = 0.18
"""Linear value of a mid-grey card."""

Curve = Callable[[Tensor], Tensor]

_DARKEST_EV, _BRIGHTEST_EV, _BINS_PER_EV = -16, 8, 16


def exposure(rgb: Tensor, ev: float) -> Tensor:
    """Scale linear light by 2^`ev`; any shape.

    Source: none; definition of the exposure value.
    """
    scaled: Tensor = rgb * 2.0**ev
    return scaled


def contrast(rgb: Tensor, amount: float, *, grey: float = GREY) -> Tensor:
    """Raise or lower contrast about a grey that stays: grey · (x / grey)^amount, by the luminance ratio.

    Args:
        rgb: (..., 3, H, W) linear; pixels of no luminance stay as they are.
        amount: Slope in a log-log plot; 1 changes nothing.
        grey: The linear value that keeps its brightness.

    Returns:
        The same shape, with the chromaticity of every pixel kept.

    Source: none; a power law about a fixed point.
    """
    ratio = luminance(rgb).clamp_(min=1e-9).div_(grey)
    return rgb * ratio.log2_().mul_(amount - 1.0).exp2_()


def view_curve(
    *,
    contrast: float = 1.0,
    white_ev: float = 3.5,
    black_ev: float = -10.0,
    shoulder: float = 4.0,
    grey: float = GREY,
    grey_out: float = GREY,
) -> Curve:
    """The tone curve of `view_transform`, from scene light to display light.

    A power law of slope `contrast` through grey, with a soft shoulder y / (1 + (y/m)^s)^(1/s) that ends at white
    and a parabolic toe y² / (y + t). The constants are solved so that grey maps to `grey_out` and white to 1.

    Args:
        contrast: Slope at grey in a log-log plot, before shoulder and toe; 1 is that of a plain rendering.
        white_ev: Scene light that becomes display white, in EV above grey; 2.47 is scene 1.0.
        black_ev: Where the toe halves the light, in EV from grey; more negative is a shorter toe.
        shoulder: Hardness of the shoulder: 1 bends all of the curve, 4 is close to clipping.
        grey: Scene light of mid grey.
        grey_out: Display light of mid grey.

    Returns:
        A function of a tensor of any shape; increasing, 0 at and below 0, at most 1.

    Raises:
        ValueError: if a parameter is outside its range.

    Source: the shoulder generalises Reinhard et al., "Photographic Tone Reproduction for Digital Images" (2002),
    equations 3 and 4, and Schlick (1994); toe and parameters in the manner of Hable, "Filmic Tonemapping with
    Piecewise Power Curves" (2017).
    """
    if not (contrast > 0 and shoulder > 0 and white_ev > 0 and black_ev < 0 and 0 < grey_out < 1 and grey > 0):
        raise ValueError(
            "a view curve needs contrast, shoulder, white_ev and grey above 0, black_ev below 0 and grey_out in 0..1; "
            f"got {contrast=}, {shoulder=}, {white_ev=}, {black_ev=}, {grey=}, {grey_out=}"
        )
    toe = grey_out * 2.0**black_ev
    bent = grey_out / (1.0 + toe)
    before_toe = 0.5 * (bent + math.sqrt(bent * bent + 4.0 * bent * toe))
    span = 2.0 ** (white_ev * contrast * shoulder)
    grey_power = before_toe**shoulder
    start = (grey_power * (1.0 - 1.0 / span) / (1.0 - grey_power)) ** (1.0 / shoulder)
    bend = 1.0 - 1.0 / (start**shoulder * span)
    gain, white = start ** (1.0 / contrast) / grey, grey * 2.0**white_ev

    def curve(light: Tensor) -> Tensor:
        level = _power(light.clamp(0.0, white).mul_(gain), contrast)
        y = _power(_power(level, shoulder).mul(bend).add_(1.0), -1.0 / shoulder).mul_(level)
        return y.square().mul_(1.0 + toe).div_(y.add_(toe)).clamp_(max=1.0)

    return curve


def _power(base: Tensor, exponent: float) -> Tensor:
    """base^exponent for base ≥ 0; the exponents of the default curve cost a tenth of a general power."""
    if exponent == 1.0:
        return base
    if exponent in (2.0, 4.0):
        return base.square() if exponent == 2.0 else base.square().square_()
    if exponent in (-0.5, -0.25):
        return base.rsqrt() if exponent == -0.5 else base.sqrt().rsqrt_()
    return base.log2().mul_(exponent).exp2_()


def apply_curve(rgb: Tensor, curve: Curve) -> Tensor:
    """Apply a tone curve to colours without turning their hue.

    The curve is applied to the largest and the smallest channel; the middle one keeps its place between them. That
    keeps the hue of HSV, lets colours pale towards white as they near it, and leaves nothing outside the range of
    the curve but by rounding.

    Args:
        rgb: (..., 3, H, W) linear.
        curve: An increasing function of a tensor.

    Returns:
        The same shape.

    Source: the tone operator of Adobe's DNG SDK (reference of the rendering in DNG 1.4, chapter 6).
    """
    ends = torch.stack((rgb.amin(-3), rgb.amax(-3)), dim=-3)
    bottom, top = ends.unbind(-3)
    low, high = curve(ends).unbind(-3)
    slope = (high - low).div_((top - bottom).clamp_(min=1e-9))
    return torch.addcmul(low.unsqueeze(-3), rgb - bottom.unsqueeze(-3), slope.unsqueeze(-3))


def view_transform(
    rgb: Tensor,
    *,
    contrast: float = 1.0,
    white_ev: float = 3.5,
    black_ev: float = -10.0,
    shoulder: float = 4.0,
    grey: float = GREY,
    grey_out: float = GREY,
) -> Tensor:
    """Scene light to display light: `view_curve` on colours by `apply_curve`.

    Args:
        rgb: (..., 3, H, W) linear RGB of the display's primaries, not clipped.
        contrast: See `view_curve`, as for the others.
        white_ev: EV above grey of display white.
        black_ev: EV from grey at which the toe halves the light.
        shoulder: Hardness of the shoulder.
        grey: Scene light of mid grey.
        grey_out: Display light of mid grey.

    Returns:
        The same shape, linear display light in 0..1, hue kept; still to be encoded.

    Raises:
        ValueError: as `view_curve`.

    Source: as `view_curve` and `apply_curve`.
    """
    curve = view_curve(
        contrast=contrast, white_ev=white_ev, black_ev=black_ev, shoulder=shoulder, grey=grey, grey_out=grey_out
    )
    return apply_curve(rgb, curve)


def exposure_stats(rgb: Tensor, space: str = "srgb") -> Tensor:
    """Histogram of log luminance; those of the tiles of an image add up to that of the image.

    Args:
        rgb: (3, H, W) linear; black pixels count as 16 EV below 1.
        space: RGB space of the pixels, for the luminance weights.

    Returns:
        (384,) float64 counts, in bins of 1/16 EV from -16 to 8 EV relative to 1.

    Source: none; histogram.
    """
    light = luminance(rgb, space).clamp_(2.0**_DARKEST_EV, 2.0**_BRIGHTEST_EV)
    bins = (_BRIGHTEST_EV - _DARKEST_EV) * _BINS_PER_EV
    index = light.log2_().sub_(_DARKEST_EV).mul_(_BINS_PER_EV).to(torch.int32).clamp_(0, bins - 1)
    return torch.bincount(index.flatten(), minlength=bins).double()


def exposure_ev(
    stats: Tensor,
    *,
    key: float = GREY,
    highlight_ev: float = 2.5,
    highlight_fraction: float = 0.01,
    limit_ev: float = 4.0,
) -> float:
    """Exposure that brings the geometric mean of an image to `key` and keeps its highlights in check.

    Args:
        stats: Sum of `exposure_stats`.
        key: Where the mean goes.
        highlight_ev: The highlights may be raised to this many EV above `key`, no further.
        highlight_fraction: The part of the pixels that counts as highlights and may exceed that.
        limit_ev: Largest change either way.

    Returns:
        Exposure in EV for `exposure`; 0 for statistics without pixels.

    Source: Reinhard et al., "Photographic Tone Reproduction for Digital Images" (2002), equations 1 and 2.
    """
    total = float(stats.sum())
    if total <= 0.0:
        return 0.0
    bins_ev = _DARKEST_EV + (torch.arange(len(stats), dtype=torch.float64) + 0.5) / _BINS_PER_EV
    mean_ev = float((stats * bins_ev).sum()) / total
    above = stats.flip(0).cumsum(0).flip(0)
    highlights = float(bins_ev[int((above > highlight_fraction * total).sum()) - 1])
    target_ev = math.log2(key)
    return max(-limit_ev, min(limit_ev, target_ev - mean_ev, target_ev + highlight_ev - highlights))
