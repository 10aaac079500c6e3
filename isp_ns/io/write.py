"""Results out: `write_image` for JPEG, PNG, TIFF, EXR and DNG.

A file is there in full or not at all; pixels are turned upright once and say so; the ICC profile is that of the
pixels; what is known of the shot travels along.
"""

import contextlib
import logging
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Literal, Union

import numpy as np
import torch

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.io.atomic import atomic_file
from isp_ns.io.dngwrite import write_dng
from isp_ns.io.exiftool import ExifTool
from isp_ns.io.exifwrite import (
    JPEG_EXIF,
    JPEG_IFD0,
    ORIENTATION,
    ExifData,
    carried_exif,
    meta_exif,
    pack_exif,
    short_tag,
)
from isp_ns.io.exr import write_exr
from isp_ns.io.icc import icc_profile
from isp_ns.io.jpeg import encode_jpeg
from isp_ns.io.pixels import as_planes, interleave, upright
from isp_ns.io.png import encode_png
from isp_ns.io.tiffwrite import write_tiff
from isp_ns.ops.spaces import SPACES

__all__ = ["FORMATS", "gather_exif", "write_image"]

FORMATS = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".exr": "exr",
    ".dng": "dng",
}
"""Formats by extension."""

BitDepth = Literal[8, 16, "16f", "32f"]
PathArg = Union[str, "PathLike[str]"]
_DEPTHS: dict[str, tuple[BitDepth, ...]] = {
    "jpeg": (8,),
    "png": (8, 16),
    "tiff": (8, 16, "32f"),
    "exr": ("16f", "32f"),
    "dng": (16,),
}
_DTYPES: dict[BitDepth, type[np.generic]] = {8: np.uint8, 16: np.uint16, "16f": np.float16, "32f": np.float32}
SOFTWARE = "isp_ns"
_log = logging.getLogger(__name__)


def write_image(
    path: PathArg,
    frame: Frame,
    *,
    format: str | None = None,
    quality: int = 95,
    subsampling: str = "444",
    bit_depth: BitDepth | None = None,
    compression: str | int | None = None,
    icc: bool = True,
    exif: bool | ExifData = True,
    source: PathArg | None = None,
    exiftool: ExifTool | None = None,
    orientation: Literal["apply", "keep"] = "apply",
) -> Path:
    """Write a frame as a file of the kind that its extension names.

    The file appears complete under its name or not at all.

    Args:
        path: Where to; .jpg, .png, .tif, .exr or .dng. An existing file is replaced.
        frame: (3, H, W) or (1, H, W): float in 0..1, encoded for `meta.space`, or uint8 or uint16. EXR takes any
            range; DNG takes linear frames and counts.
        format: "jpeg", "png", "tiff", "exr" or "dng", for a path whose extension does not tell.
        quality: Of JPEG, 1 to 100.
        subsampling: Of JPEG: "444", "422" or "420".
        bit_depth: 8, 16, "16f" or "32f", as the format allows. By default 8 for JPEG, 16f for EXR; for PNG and
            TIFF what the frame has, 16 for float frames, 32f in TIFF for one channel without an RGB space (depth).
        compression: Of TIFF: "none" (default), "deflate", "lzw" or "zstd"; of PNG a level of zlib, 0..9.
        icc: Embed the profile of `meta.space`. Frames without a space have none.
        exif: Write what is known of the shot; or the tags to write, as `gather_exif` gave them.
        source: The file that the picture was made from: it is never overwritten, and its metadata is carried over.
        exiftool: A resident process that carries over more (XMP, maker-note values) than this library reads.
        orientation: "apply" turns the pixels upright and writes Orientation 1; "keep" leaves both as they are. A DNG
            always keeps them, as the places of its mosaic demand.

    Returns:
        The path.

    Raises:
        OutputError: if the options contradict each other or the format, the frame does not fit it, the output is the
            source, or the file cannot be written.
        MissingExtraError: if the format needs a package that is not installed.
    """
    target = Path(path)
    kind = _kind(target, format)
    depth = _depth(target, kind, frame, bit_depth)
    if source is not None:
        _refuse_overwriting_source(target, Path(source))
    if orientation not in ("apply", "keep"):
        raise OutputError(f"orientation is 'apply' or 'keep', not {orientation!r}")
    space = _space(target, frame)
    profile = icc_profile(space, grey=frame.data.shape[0] == 1) if icc and space else b""
    planes, left = as_planes(frame.data), frame.meta.orientation
    if kind != "dng" and orientation == "apply":
        planes, left = upright(planes, left), 1
    tags = exif if isinstance(exif, ExifData) else _tags(frame, source, exiftool) if exif else None
    tags = _finished(tags, frame, kind, left, planes.shape[1:])
    with atomic_file(target) as part:
        if kind == "dng":
            write_dng(part, frame, tags)
        elif kind == "exr":
            write_exr(part, planes, frame.meta, half=depth == "16f", software=SOFTWARE)
        elif kind == "tiff":
            named = "none" if compression is None else str(compression)
            write_tiff(part, interleave(planes, _DTYPES[depth]), exif=tags, icc=profile, compression=named)
        elif kind == "jpeg":
            if compression is not None:
                raise OutputError("JPEG has a quality, not a compression")
            block = pack_exif(tags)
            part.write_bytes(
                encode_jpeg(planes, quality=quality, subsampling=subsampling, exif=block, xmp=tags.xmp, icc=profile)
            )
        else:
            pixels, level = interleave(planes, _DTYPES[depth]), _png_level(compression)
            part.write_bytes(encode_png(pixels, level=level, exif=pack_exif(tags), xmp=tags.xmp, icc=profile))
    return target


def gather_exif(frame: Frame, source: PathArg | None = None, exiftool: ExifTool | None = None) -> ExifData:
    """The tags that `write_image` would write: collect them while the pixels are still being computed.

    Args:
        frame: Gives the metadata; its pixels are not looked at.
        source: The file whose metadata is carried over.
        exiftool: Carries over more than this library reads.
    """
    return _tags(frame, source, exiftool)


def _kind(target: Path, given: str | None) -> str:
    kind = given or FORMATS.get(target.suffix.lower())
    if kind not in _DEPTHS:
        raise OutputError(
            f"{target.name}: cannot write {given or target.suffix or 'without an extension'}; use {', '.join(FORMATS)}"
        )
    return kind


def _depth(target: Path, kind: str, frame: Frame, given: BitDepth | None) -> BitDepth:
    """The bit depth to write; a contradiction is an error."""
    channels = frame.data.shape[0]
    if channels not in (1, 3):
        raise OutputError(f"{target.name}: an image has 1 or 3 channels, this frame has {channels}")
    if given is not None and given not in _DEPTHS[kind]:
        allowed = ", ".join(str(depth) for depth in _DEPTHS[kind])
        raise OutputError(f"{target.name}: {kind.upper()} has a bit depth of {allowed}, not {given}")
    values = channels == 1 and frame.meta.space is None and frame.data.is_floating_point()
    if given is None:
        given = _DEPTHS[kind][0]
        if kind in ("png", "tiff"):
            small = frame.data.dtype == torch.uint8 or (_labels(frame) and int(frame.data.max()) < 256)
            given = "32f" if values and kind == "tiff" else 8 if small else 16
    if values and given in (8, 16) and kind != "dng" and float(frame.data.max()) > 1.0:
        raise OutputError(
            f"{target.name}: values up to {float(frame.data.max()):.4g} do not fit 0..1; write a float TIFF or an EXR"
        )
    if given in (8, 16) and _labels(frame):
        low, high = int(frame.data.min()), int(frame.data.max())
        if low < 0 or high >= 2**given:
            raise OutputError(f"{target.name}: numbers from {low} to {high} do not fit {given} bits")
    return given


def _labels(frame: Frame) -> bool:
    """Whether the values are wide integers, which are stored as they are and not scaled."""
    return frame.data.dtype in (torch.int16, torch.int32, torch.int64)


def _space(target: Path, frame: Frame) -> str | None:
    """The RGB space of the frame, None when it has none."""
    space = frame.meta.space
    if space is not None and space not in SPACES:
        raise OutputError(
            f"{target.name}: there is no RGB space {space!r}; the frame's meta.space is one of {', '.join(SPACES)}"
        )
    return space


def _refuse_overwriting_source(target: Path, source: Path) -> None:
    same = target.resolve() == source.resolve()
    with contextlib.suppress(OSError):
        same = same or target.samefile(source)
    if same:
        raise OutputError(f"{target}: the output would replace its own source; write to another folder or name")


def _tags(frame: Frame, source: PathArg | None, exiftool: ExifTool | None) -> ExifData:
    """The shot's tags: of the source by exiftool, by this library, and of the frame's metadata, in this order."""
    own = meta_exif(frame.meta, software=SOFTWARE)
    if source is None:
        return own
    with contextlib.suppress(OSError):
        own = carried_exif(Path(source)).over(own)
    if exiftool is not None:
        try:
            own = exiftool.carry(Path(source)).over(own)
        except OutputError as error:
            _log.warning("%s: only its basic metadata is carried over (%s)", source, error)
    return own


def _finished(tags: ExifData | None, frame: Frame, kind: str, orientation: int, size: tuple[int, ...]) -> ExifData:
    """The tags, None for none, with those that describe the pixels as they are written."""
    turned = {ORIENTATION: short_tag(orientation)}
    if tags is None:
        return ExifData(turned if orientation != 1 else {})
    described = meta_exif(frame.meta, software=SOFTWARE, size=(size[0], size[1]))
    ifd0 = {**tags.ifd0, **turned, 305: described.ifd0[305], **(JPEG_IFD0 if kind == "jpeg" else {})}
    in_stream = kind in ("jpeg", "png")
    exif = {**tags.exif, **{number: described.exif[number] for number in (36864, 40960, 40961)}}
    exif.update({number: described.exif[number] for number in (40962, 40963) if in_stream})
    exif.update(JPEG_EXIF if in_stream else {})
    return replace(tags, ifd0=ifd0, exif=exif)


def _png_level(compression: str | int | None) -> int | None:
    if compression is None:
        return None
    if not str(compression).isdigit():
        raise OutputError(f"PNG compression is a level of 0..9, not {compression!r}")
    return int(compression)
