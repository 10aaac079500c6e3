"""Geometric stages: the maker's crop, square pixels, lens distortion, size; on a linear or a finished picture."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from isp_ns.core.errors import MetadataError, MissingExtraError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Box, Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import Picture, Same
from isp_ns.core.reach import Footprint, Params, Placement
from isp_ns.core.stage import stage
from isp_ns.ops.resize import Kernel, aspect_size, resize_footprint, resize_tile
from isp_ns.ops.warp import footprint, rectilinear_coordinates, resample

__all__ = ["default_crop", "lens", "pixel_aspect", "resize", "warp"]

Size = tuple[int, int]


def _crop_box(meta: Meta, size: Size) -> Box:
    """The default crop in whole pixels, or the whole image where there is none or it does not fit."""
    height, width = size
    if meta.default_crop is None:
        return 0, 0, height, width
    top, left, bottom, right = (round(edge) for edge in meta.default_crop)
    fits = 0 <= top < bottom <= height and 0 <= left < right <= width
    return (top, left, bottom, right) if fits else (0, 0, height, width)


def _place_crop(meta: Meta, size: Size, _: Params) -> Placement:
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


def _is_labels(picture: Frame) -> bool:
    """Whether pixels are class numbers, which must not be mixed: one plane of integers."""
    return len(picture.data) == 1 and not picture.data.dtype.is_floating_point


def _nearest(picture: Frame, out_size: Size, target: Box) -> Tensor:
    """The pixels of `target` at `out_size`, each a copy of the nearest one."""
    rows, columns = (
        ((torch.arange(target[axis], target[axis + 2]) + 0.5) * picture.full_size[axis] / out_size[axis]).long()
        - picture.origin[axis]
        for axis in (0, 1)
    )
    return picture.data[:, rows[:, None], columns]


def _resized(picture: Frame, out_size: Size, box: Box | None, kernel: Kernel) -> Frame:
    """The pixels of `box` of the picture at `out_size`; integer pictures stay integers."""
    if out_size == picture.full_size:
        return picture
    target = box or (0, 0, *out_size)
    if _is_labels(picture):
        return picture.with_data(_nearest(picture, out_size, target), origin=target[:2], full_size=out_size)
    data = resize_tile(picture.data.float(), picture.box, target, picture.full_size, out_size, kernel)
    if not picture.data.dtype.is_floating_point:
        top = torch.iinfo(picture.data.dtype).max
        data = data.round_().clamp_(0, top).to(picture.data.dtype)
    return picture.with_data(data, origin=target[:2], full_size=out_size)


def _placed(meta: Meta, size: Size, out_size: Size, kernel: Kernel) -> Placement:
    if out_size == size:
        return Placement(size, lambda box: box, meta)
    return Placement(out_size, lambda box: resize_footprint(box, size, out_size, kernel), meta)


def _place_aspect(meta: Meta, size: Size, _: Params) -> Placement:
    out_size = aspect_size(size, meta.pixel_aspect)
    return _placed(meta.with_values("stage", pixel_aspect=1.0), size, out_size, "lanczos")


@stage("geometry.pixel_aspect", reach=Footprint(_place_aspect))
def pixel_aspect(picture: Picture, *, box: Box | None = None) -> Same:
    """Make pixels square, by stretching the axis in which they are long.

    Source: DNG 1.4, tag DefaultScale (50718).
    """
    out_size = aspect_size(picture.full_size, picture.meta.pixel_aspect)
    return _resized(picture, out_size, box, "lanczos").with_meta(pixel_aspect=1.0)


def _target(size: Size, long_side_px: int) -> Size:
    factor = long_side_px / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _place_resize(meta: Meta, size: Size, params: Params) -> Placement:
    return _placed(meta, size, _target(size, params["long_side_px"]), params["kernel"])


@stage("geometry.resize", reach=Footprint(_place_resize))
def resize(
    picture: Picture,
    *,
    long_side_px: Annotated[int, Between(1, 200_000)] = 2048,
    kernel: Literal["area", "bilinear", "bicubic", "lanczos"] = "lanczos",
    box: Box | None = None,
) -> Same:
    """Resize to a length of the longer side, without aliasing.

    Args:
        picture: linear light resizes best.
        long_side_px: longer side of the result.
        kernel: the filter; "area" is the mean over the area of an output pixel.

    Source: see `isp_ns.ops.resize`.
    """
    return _resized(picture, _target(picture.full_size, long_side_px), box, kernel)


Coordinates = Callable[[Box], Tensor]


def _warp_coordinates(meta: Meta, size: Size) -> Coordinates | None:
    warp_of = meta.warp
    if warp_of is None:
        return None
    return lambda box: rectilinear_coordinates(box, size, warp_of.coefficients, warp_of.centre)


def _warped(picture: Frame, coordinates: Coordinates | None, box: Box | None) -> Frame:
    if coordinates is None:
        return picture
    target = box or (0, 0, *picture.full_size)
    places = coordinates(target)
    planes = places if len(places) in (1, len(picture.data)) else places[1:2]
    mode = "nearest" if _is_labels(picture) else "bicubic" if picture.data.dtype.is_floating_point else "bilinear"
    data = resample(picture.data.float(), planes, picture.origin, mode=mode)
    return picture.with_data(data.to(picture.data.dtype), origin=target[:2])


def _placed_by(meta: Meta, size: Size, coordinates: Coordinates | None) -> Placement:
    if coordinates is None:
        return Placement(size, lambda box: box, meta)
    return Placement(size, lambda box: footprint(coordinates(box), size), meta)


@stage("geometry.warp", reach=Footprint(lambda meta, size, _: _placed_by(meta, size, _warp_coordinates(meta, size))))
def warp(picture: Picture, *, box: Box | None = None) -> Same:
    """Correct the lens distortion and lateral colour that a DNG describes.

    Source: DNG 1.4, chapter 7, WarpRectilinear in OpcodeList3.
    """
    return _warped(picture, _warp_coordinates(picture.meta, picture.full_size), box)


@dataclass(frozen=True)
class _Shot:
    """What Lensfun is asked with."""

    make: str
    model: str
    lens: str
    focal_mm: float
    aperture: float
    distance_m: float


def _place_lens(meta: Meta, size: Size, params: Params) -> Placement:
    return _placed_by(meta, size, _lens_coordinates(meta, size, params["missing"]))


@stage("geometry.lens", reach=Footprint(_place_lens))
def lens(picture: Picture, *, missing: Literal["error", "skip"] = "error", box: Box | None = None) -> Same:
    """Correct lens distortion with Lensfun's database, by camera, lens and focal length.

    Lensfun counts coordinates in single precision from the corner of each tile, so tiles agree with the whole to about
    1e-4 pixels, not to the last digit.

    Args:
        picture: the whole frame, not yet cropped or turned.
        missing: what to do where Lensfun does not know the lens.

    Raises:
        MissingExtraError: without the package lensfunpy.
        MetadataError: if the lens is not known and `missing` is "error".

    Source: Lensfun (lensfun.github.io), distortion models poly3, poly5 and ptlens.
    """
    return _warped(picture, _lens_coordinates(picture.meta, picture.full_size, missing), box)


def _lens_coordinates(meta: Meta, size: Size, missing: str) -> Coordinates | None:
    shot = _Shot(
        meta.make or "",
        meta.model or "",
        meta.lens or "",
        meta.focal_mm or 0.0,
        meta.aperture or 8.0,
        meta.distance_m or 1000.0,
    )
    modifier = _modifier(shot, size)
    if modifier is None:
        if missing == "skip":
            return None
        raise MetadataError(
            f"Lensfun does not know the lens {shot.lens or '(no name)'} on {shot.make} {shot.model} at "
            f"{shot.focal_mm} mm; set missing: skip to leave such pictures as they are"
        )

    def coordinates(box: Box) -> Tensor:
        top, left, bottom, right = box
        places = modifier.apply_geometry_distortion(left, top, right - left, bottom - top)
        return torch.from_numpy(places[..., ::-1].copy()).permute(2, 0, 1)[None].double()

    return coordinates


@functools.lru_cache(maxsize=8)
def _modifier(shot: _Shot, size: Size) -> Any:
    try:
        import lensfunpy
    except ImportError:
        raise MissingExtraError("lensfunpy", "lens", "lens correction") from None
    database = lensfunpy.Database()
    cameras = database.find_cameras(shot.make, shot.model)
    lenses = database.find_lenses(cameras[0], lens=shot.lens) if cameras and shot.lens else []
    if not lenses or not shot.focal_mm:
        return None
    modifier = lensfunpy.Modifier(lenses[0], cameras[0].crop_factor, size[1], size[0])
    modifier.initialize(shot.focal_mm, shot.aperture, shot.distance_m)
    return modifier
