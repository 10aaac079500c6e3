"""Geometric stages: the part of the frame that the maker shows."""

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Box, Meta
from isp_ns.core.ports import Picture, Same
from isp_ns.core.reach import Footprint, Params, Placement
from isp_ns.core.stage import stage

__all__ = ["default_crop"]


def _crop_box(meta: Meta, size: tuple[int, int]) -> Box:
    """The default crop in whole pixels, or the whole image where there is none or it does not fit."""
    height, width = size
    if meta.default_crop is None:
        return 0, 0, height, width
    top, left, bottom, right = (round(edge) for edge in meta.default_crop)
    fits = 0 <= top < bottom <= height and 0 <= left < right <= width
    return (top, left, bottom, right) if fits else (0, 0, height, width)


def _place_crop(meta: Meta, size: tuple[int, int], _: Params) -> Placement:
    top, left, bottom, right = _crop_box(meta, size)
    return Placement(
        (bottom - top, right - left),
        lambda box: (box[0] + top, box[1] + left, box[2] + top, box[3] + left),
        meta.with_values("stage", default_crop=None),
    )


@stage("geometry.default_crop", reach=Footprint(_place_crop))
def default_crop(picture: Picture, *, box: Box | None = None) -> Same:
    """Cut off the border that the maker does not show.

    Source: DNG 1.4, tags DefaultCropOrigin (50719) and DefaultCropSize (50720).
    """
    frame: Frame = picture.with_meta(default_crop=None)
    if box is not None:
        return frame
    top, left, bottom, right = _crop_box(picture.meta, picture.size)
    return frame.with_data(frame.data[:, top:bottom, left:right], full_size=(bottom - top, right - left))
