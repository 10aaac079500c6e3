"""Stages for clipped highlights, between white balance and the colour matrix."""

from isp_ns.core.ports import CameraRgb, Mosaic
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import highlights

__all__ = ["clip", "clip_mosaic", "reconstruct", "reconstruct_mosaic"]


def _clip_levels(white: tuple[float, ...]) -> tuple[float, float, float]:
    """Saturation of R, G and B in balanced values."""
    return (white[0], white[0], white[0]) if len(white) == 1 else (white[0], white[1], white[2])


@stage("highlight.clip")
def clip(rgb: CameraRgb) -> CameraRgb:
    """Clip all channels at the lowest saturation level, so that blown areas are neutral.

    Source: see `isp_ns.ops.highlights.clip_highlights`.
    """
    return rgb.with_data(highlights.clip_highlights(rgb.data, rgb.meta.white))


@stage("highlight.clip_mosaic")
def clip_mosaic(raw: Mosaic) -> Mosaic:
    """Clip the balanced mosaic at the lowest saturation level, so that blown areas are neutral.

    Source: see `isp_ns.ops.highlights.clip_highlights`.
    """
    return raw.with_data(highlights.clip_highlights(raw.data, raw.meta.white))


@stage("highlight.reconstruct", reach=Local(halo=highlights.HIGHLIGHT_HALO_PX))
def reconstruct(rgb: CameraRgb) -> CameraRgb:
    """Rebuild clipped channels from those that did not clip, running into neutral white.

    Source: see `isp_ns.ops.highlights.reconstruct_highlights`.
    """
    return rgb.with_data(highlights.reconstruct_highlights(rgb.data, _clip_levels(rgb.meta.white)))


@stage("highlight.reconstruct_mosaic", reach=Local(halo=highlights.HIGHLIGHT_HALO_PX, align=2))
def reconstruct_mosaic(raw: Mosaic) -> Mosaic:
    """Rebuild clipped samples of the balanced mosaic from the colours that did not clip.

    Source: see `isp_ns.ops.highlights.reconstruct_mosaic_highlights`.
    """
    levels = _clip_levels(raw.meta.white)
    return raw.with_data(highlights.reconstruct_mosaic_highlights(raw.data, raw.cfa, levels))
