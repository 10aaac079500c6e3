"""Demosaicking: the methods by name, how far each looks, and the companding that linear data wants.

Every method is `method(mosaic, pattern) -> rgb`: (1, H, W) and a reading-order pattern to (3, H, W), any of the four
phases, any size from 2×2, unclipped, and exact on a flat colour up to the border.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from isp_ns.ops.demosaic_linear import BILINEAR_HALO, MALVAR_HALO, bilinear, malvar
from isp_ns.ops.demosaic_menon import MENON_HALO, menon
from isp_ns.ops.demosaic_mlri import MLRI_HALO, mlri

__all__ = [
    "BILINEAR_HALO",
    "HALOS",
    "MALVAR_HALO",
    "MENON_HALO",
    "METHODS",
    "MLRI_HALO",
    "Demosaic",
    "bilinear",
    "companded",
    "compress",
    "expand",
    "malvar",
    "menon",
    "mlri",
]

Demosaic = Callable[[Tensor, str], Tensor]
"""A mosaic (1, H, W) and its pattern to an image (3, H, W)."""

METHODS: Mapping[str, Demosaic] = {"bilinear": bilinear, "malvar": malvar, "menon": menon, "mlri": mlri}
"""The methods, fastest first."""

HALOS: Mapping[str, int] = {
    "bilinear": BILINEAR_HALO,
    "malvar": MALVAR_HALO,
    "menon": MENON_HALO,
    "mlri": MLRI_HALO,
}
"""Pixels around a tile that each method looks at: a tile cut with them equals the same part of the whole."""

TOE = 0.01
"""Linear values well below this stay linear under `compress`, so that noise around black keeps its mean."""


def companded(method: Demosaic, mosaic: Tensor, pattern: str, toe: float = TOE) -> Tensor:
    """Demosaic linear data in a square-root scale, where steps of equal size look equal.

    Interpolating linear light lets bright sides of edges bleed into dark ones. On three linear photographs without
    noise the square root gained `mlri` 0.3 dB in linear light and 1.6 dB after sRGB encoding, `malvar` 0.0 and 2.9 dB.
    In noise the mean of the result falls by less than 2 % of the noise's standard deviation.

    Args:
        method: one of `METHODS`, or any of the same shape.
        mosaic: (1, H, W) float, linear, white near 1, white-balanced; negative values are fine.
        pattern: the 2×2 cell at the first pixel, "RGGB" for example.
        toe: where the scale passes from linear to square root, in linear light.

    Returns:
        (3, H, W), linear and unclipped. The mosaic's own samples return to within rounding.

    Raises:
        ValueError: if `toe` is not positive, or the method refuses `mosaic` or `pattern`.

    Source: the square root as variance stabiliser of photon noise, Anscombe (1948); the measurement is our own.
    """
    return expand(method(compress(mosaic, toe), pattern), toe)


def compress(linear: Tensor, toe: float = TOE) -> Tensor:
    """sign(x) · (√(|x| + toe) − √toe): the square root with a linear toe, odd and smooth.

    Args:
        linear: any shape, any range, float.
        toe: in the unit of `linear`, positive.

    Raises:
        ValueError: if `toe` is not positive.

    Source: Anscombe (1948), made odd so that values below black are kept.
    """
    root = _root(toe)
    return linear / linear.abs().add_(toe).sqrt_().add_(root)


def expand(compressed: Tensor, toe: float = TOE) -> Tensor:
    """The inverse of `compress`: y · (|y| + 2 √toe).

    Raises:
        ValueError: if `toe` is not positive.

    Source: algebra on `compress`.
    """
    root = _root(toe)
    return compressed.abs().add_(2 * root).mul_(compressed)


def _root(toe: float) -> float:
    if not toe > 0:
        raise ValueError(f"the toe of the square-root scale must be positive, got {toe}")
    return float(toe**0.5)
