"""Tone stages: exposure, contrast, colourfulness and the view transform, on linear RGB."""

from typing import Annotated

from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb, Stats
from isp_ns.core.stage import stage
from isp_ns.ops import colour as colour_ops
from isp_ns.ops import tone
from isp_ns.ops.local_tone import local_exposure

__all__ = ["auto_exposure", "contrast", "exposure", "filmic", "local", "saturation", "vibrance"]


@stage("tone.exposure")
def exposure(rgb: LinearRgb, *, gain_ev: Annotated[float, Between(-10, 10)] = 0.0) -> LinearRgb:
    """Scale linear light.

    Args:
        rgb: linear RGB.
        gain_ev: exposure to add, in EV.
    """
    return rgb.with_data(tone.exposure(rgb.data, gain_ev))


@stage("tone.auto_exposure")
def auto_exposure(rgb: LinearRgb, measured_ev: Stats) -> LinearRgb:
    """Scale linear light by the exposure that `measure.exposure` found."""
    return rgb.with_data(tone.exposure(rgb.data, float(measured_ev[0])))


@stage("tone.contrast")
def contrast(rgb: LinearRgb, *, amount: Annotated[float, Between(0.2, 5)] = 1.1) -> LinearRgb:
    """Raise or lower contrast about mid-grey, chromaticity kept.

    Args:
        rgb: linear RGB.
        amount: slope in a log-log plot; 1 changes nothing.
    """
    return rgb.with_data(tone.contrast(rgb.data, amount))


@stage("tone.saturation")
def saturation(rgb: LinearRgb, *, amount: Annotated[float, Between(0, 4)] = 1.1) -> LinearRgb:
    """Scale the distance of colours from grey, luminance kept.

    Args:
        rgb: linear RGB.
        amount: 0 is grey, 1 changes nothing.

    Source: Haeberli, "Matrix Operations for Image Processing" (1993).
    """
    return rgb.with_data(colour_ops.saturation(rgb.data, amount, rgb.meta.space or "linear-srgb"))


@stage("tone.vibrance")
def vibrance(rgb: LinearRgb, *, amount: Annotated[float, Between(-1, 2)] = 0.2) -> LinearRgb:
    """Make pale colours more colourful and leave vivid ones nearly as they are.

    Args:
        rgb: linear RGB.
        amount: 0 changes nothing.
    """
    return rgb.with_data(colour_ops.vibrance(rgb.data, amount, rgb.meta.space or "linear-srgb"))


@stage("tone.filmic")
def filmic(
    rgb: LinearRgb,
    *,
    contrast: Annotated[float, Between(0.5, 3)] = 1.0,
    white_ev: Annotated[float, Between(2.5, 12)] = 3.5,
    black_ev: Annotated[float, Between(-16, -4)] = -10.0,
    shoulder: Annotated[float, Between(1, 10)] = 4.0,
) -> LinearRgb:
    """View transform: scene light to display light with a soft shoulder and toe, mid-grey and hue kept.

    Args:
        rgb: linear scene light.
        contrast: slope at mid-grey in a log-log plot.
        white_ev: where display white lies, in EV above mid-grey.
        black_ev: where the toe halves the light, in EV from mid-grey.
        shoulder: hardness of the shoulder.

    Source: see `isp_ns.ops.tone.view_transform`.
    """
    data = tone.view_transform(rgb.data, contrast=contrast, white_ev=white_ev, black_ev=black_ev, shoulder=shoulder)
    return rgb.with_data(data)


@stage("tone.local")
def local(
    rgb: LinearRgb, grid: Stats, *, strength: Annotated[float, Between(0, 1)] = 0.3, limit_ev: float = 2.0
) -> LinearRgb:
    """Local tone mapping: bring bright and dark regions nearer to mid-grey and leave their detail.

    Args:
        rgb: linear RGB.
        grid: what `measure.local_tone` found.
        strength: the part of a region's distance to grey in EV that is taken away.
        limit_ev: largest change of exposure either way, in EV.

    Source: Durand and Dorsey (2002) on the bilateral grid of Chen et al. (2007); see `isp_ns.ops.local_tone`.
    """
    data = local_exposure(
        rgb.data,
        grid,
        strength=strength,
        limit_ev=limit_ev,
        origin=rgb.origin,
        full_size=rgb.full_size,
        space=rgb.meta.space or "linear-srgb",
    )
    return rgb.with_data(data)
