"""Decodes one file of any supported kind to counts and facts, without torch.

The way of a file: its first bytes say what it is; tags that LibRaw drops are read; what cannot be rendered right is
refused by name before any memory is taken; then the pixels come straight from the file where they are stored plainly,
else from LibRaw.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.camerafile import (
    check_size,
    libraw_facts,
    libraw_name,
    mosaic_kind,
    open_libraw,
    render,
    rendering_matrix,
)
from isp_ns.io.decoded import NO_BALANCE, NO_MATRIX, Allocate, Decoded, DecodeOptions, Facts
from isp_ns.io.dngtags import (
    LOSSY_JPEG,
    UNCOMPRESSED,
    RawImage,
    check_layout,
    colour_facts,
    find_raw_image,
    is_dng,
    level_facts,
)
from isp_ns.io.exifread import find_exif, shot_facts
from isp_ns.io.formats import RAW_EXTENSIONS, read_head, sniff
from isp_ns.io.layout import RawLayout
from isp_ns.io.opcodes import Corrections, parse_opcodes
from isp_ns.io.tiff import EXIF_IFD, TiffFile, read_tiff

__all__ = ["decode_file", "plain_memory"]

_VC5, _JPEG_XL = 9, 52546
_MAP_POLYNOMIAL = 8
_NIKON_HE = {13: "High Efficiency", 14: "High Efficiency*"}
_SHOT_FIELDS = (
    "make",
    "model",
    "lens",
    "iso",
    "exposure_s",
    "aperture",
    "focal_mm",
    "focal_35mm",
    "distance_m",
    "datetime",
    "gps",
    "orientation",
)
"""Fields of `Meta` that stay true of a rendering."""

_WITH_HEADER = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".mef", ".mrw", ".nef", ".orf"}
    | {".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srw", ".x3f"}
)
"""Formats that begin with bytes that `sniff` knows: what does not is damaged or something else."""

_GUESSED_BY_SIZE = frozenset({".raw", ".bin", ".dat", ".data", ".bayer", ""})


def plain_memory(shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """An ordinary uint16 array to decode into."""
    return np.empty(shape, np.uint16)


def decode_file(path: Path, options: DecodeOptions | None = None, allocate: Allocate = plain_memory) -> Decoded:
    """Decode a raw file.

    Args:
        path: The file.
        options: How; the defaults decode counts.
        allocate: Gives the memory that the pixels go to.

    Returns:
        Counts (or LibRaw's rendering) and every value that is known about them, with its source.

    Raises:
        DecodeError: if the file is damaged, too large or not a raw file.
        UnsupportedSensorError: if its sensor or codec is one that is not rendered right; the message names it.
    """
    started = time.perf_counter()
    options = options or DecodeOptions()
    decoded = _decode(path, options, allocate)
    notes = decoded.notes
    if options.raw is not None and decoded.sources.get("white") != options.raw.source:
        notes += ("the raw layout is not used: the file says itself what it is",)
    return replace(decoded, notes=notes, seconds=time.perf_counter() - started)


def _decode(path: Path, options: DecodeOptions, allocate: Allocate) -> Decoded:
    kind = sniff(read_head(path))
    if kind in ("jpeg", "png", "webp"):
        raise DecodeError(f"{path.name}: this is a {kind.upper()} image, not a raw file; `read_image` reads it")
    if kind == "fits":
        from isp_ns.io.fits import decode_fits

        return decode_fits(path, options, allocate)
    if kind == "foveon" and options.render is None:
        raise UnsupportedSensorError(f"{path.name}: a Foveon sensor (X3F) is not supported; use the libraw renderer")
    if kind == "":
        layout = options.raw or RawLayout.from_name(path)
        if layout is not None:
            return _decode_headerless(path, layout, options, allocate)
        suffix = path.suffix.lower()
        if suffix in _GUESSED_BY_SIZE | _WITH_HEADER or suffix not in RAW_EXTENSIONS:
            raise DecodeError(
                f"{path.name}: no camera's header was found in it{_damaged(suffix)}. If it is a headerless mosaic, "
                "give its layout, for example --raw 1920x1080:10:RGGB "
                "(WIDTHxHEIGHT:bits:CFA[:black[:white[:endian]]]); never guessed"
            )
    return _decode_camera(path, options, allocate)


def _damaged(suffix: str) -> str:
    return f": it is damaged, or no {suffix[1:].upper()} file" if suffix in _WITH_HEADER else ""


def _decode_headerless(path: Path, layout: RawLayout, options: DecodeOptions, allocate: Allocate) -> Decoded:
    """A headerless mosaic by the layout that the user or its name gave."""
    if options.render is not None:
        raise UnsupportedSensorError(f"{path.name}: LibRaw cannot render a headerless file; it would guess its levels")
    check_size(path.name, layout.height, layout.width, options.max_pixels)
    stored = layout.counts(path)
    pixels = None
    if options.pixels:
        pixels = allocate((1, layout.height, layout.width))
        pixels[:] = stored
    facts = Facts()
    facts.set(layout.source, black=((layout.black,),), white=(layout.saturation,))
    mono = layout.cfa == "MONO"
    if not mono:
        facts.set(layout.source, cfa=layout.cfa)
    return _finish(path, "mono" if mono else "bayer", (layout.height, layout.width), pixels, facts)


def _decode_camera(path: Path, options: DecodeOptions, allocate: Allocate) -> Decoded:
    """A camera file: TIFF-like or not, DNG or not."""
    facts = Facts()
    with path.open("rb") as file:
        tiff = read_tiff(file)
        shot_facts(facts, find_exif(file, tiff))
    if tiff is not None and is_dng(tiff):
        return _decode_dng(path, tiff, facts, options, allocate)
    _refuse_nikon_he(path, tiff)
    with open_libraw(path, options.max_pixels) as raw:
        if options.render is not None:
            return _render(path, raw, facts, options.render, allocate)
        kind, cfa = mosaic_kind(path.name, raw, is_dng=False)
        libraw_facts(facts, raw, cfa)
        counts = raw.raw_image_visible
        pixels = None
        if options.pixels:
            pixels = allocate((1, *counts.shape))
            pixels[0] = counts
        if cfa:
            facts.set("libraw", cfa=cfa)
        size = counts.shape
        if options.pixels and kind == "bayer" and not {"calibrations", "camera_to_srgb"} & set(facts.values):
            rendering_matrix(facts, raw)
        return _finish(path, kind, size, pixels, facts)


def _refuse_nikon_he(path: Path, tiff: TiffFile | None) -> None:
    """Nikon's High Efficiency codecs, by NEFCompression (0x93) in the maker note, a TIFF block of its own."""
    note = tiff.first.child(EXIF_IFD).blob(37500) if tiff is not None else b""
    if not note.startswith(b"Nikon\0\2"):
        return
    inner = read_tiff(note[10:])
    code = inner.first.integer(0x93) if inner is not None else 0
    if code in _NIKON_HE:
        raise UnsupportedSensorError(
            f"{path.name}: Nikon {_NIKON_HE[code]} compression is not decoded by {libraw_name()}; convert the file "
            "with Adobe DNG Converter, or shoot with lossless compression"
        )


def _decode_dng(path: Path, tiff: TiffFile, facts: Facts, options: DecodeOptions, allocate: Allocate) -> Decoded:
    """A DNG: levels, colour, geometry and corrections from its tags, cut to ActiveArea exactly."""
    image = find_raw_image(tiff)
    if image is None:
        hint = f" ({tiff.damage[0]})" if tiff.damage else ""
        raise DecodeError(f"{path.name}: this DNG has no raw image in it{hint}; it is cut short or damaged")
    _refuse_codec(path, image)
    check_layout(image, path.name)
    check_size(path.name, image.height, image.width, options.max_pixels)
    _check_extent(path, image, tiff.size)
    mosaic = not image.linear
    facts.set("dng", orientation=_orientation(image))
    colour_facts(facts, image.first, mosaic)
    lift = level_facts(facts, image)
    _check_levels(path, facts)
    if options.render is not None:
        with open_libraw(path, options.max_pixels) as raw:
            return _render(path, raw, facts, options.render, allocate, image)
    kind = _dng_kind(path, image)
    pixels = _dng_pixels(path, image, facts, options, allocate)
    if kind == "bayer":
        facts.set("dng", cfa=image.cfa)
    if pixels is not None and any(lift):
        pixels += np.asarray(lift, np.uint16)[:, None, None]
    corrections = _corrections(path, image, "" if kind != "bayer" else image.cfa)
    facts.set("dng", **corrections.fields(pixels[0] if pixels is not None else None))
    facts.notes += corrections.notes
    top, left, bottom, right = image.active
    return _finish(path, kind, (bottom - top, right - left), pixels, facts)


def _dng_kind(path: Path, image: RawImage) -> str:
    if image.linear:
        if image.samples not in (1, 3):
            raise UnsupportedSensorError(f"{path.name}: a linear DNG of {image.samples} planes is not supported")
        return "mono" if image.samples == 1 else "linear"
    if image.cfa_size == (6, 6):
        return "xtrans"
    if image.cfa in ("RGGB", "BGGR", "GRBG", "GBRG"):
        return "bayer"
    rows, columns = image.cfa_size
    raise UnsupportedSensorError(f"{path.name}: a sensor with the {rows}x{columns} mosaic {image.cfa} is not supported")


def _check_levels(path: Path, facts: Facts) -> None:
    """Refuse levels that leave no range between black and white."""
    black = facts.values.get("black", ((0.0,),))
    lowest, highest = min(map(min, black)), max(map(max, black))
    white = min(facts.values.get("white", (65535.0,)))
    if not 0 <= lowest <= highest < white:
        raise DecodeError(
            f"{path.name}: its black level ({highest:g}) is not below its white level ({white:g}); the file is damaged"
        )


def _orientation(image: RawImage) -> int | None:
    """The Orientation tag of the first directory, when it is one of the eight."""
    value = image.first.integer(274)
    return value if 1 <= value <= 8 else None


def _refuse_codec(path: Path, image: RawImage) -> None:
    """Codecs that LibRaw as rawpy ships it does not have."""
    if image.compression == _VC5:
        raise UnsupportedSensorError(
            f"{path.name}: its pixels are compressed with VC-5 (GoPro GPR), which {libraw_name()} does not decode; "
            "convert it to DNG with GoPro's gpr_tools (-i in.GPR -o out.DNG)"
        )
    if image.compression == _JPEG_XL:
        raise UnsupportedSensorError(
            f"{path.name}: its pixels are compressed with JPEG XL (DNG 1.7), which {libraw_name()} does not decode "
            "here; convert it with Adobe DNG Converter without JPEG XL, or set the phone to plain ProRAW"
        )


def _check_extent(path: Path, image: RawImage, size: int) -> None:
    """Refuse a DNG whose pixel data ends beyond the file."""
    offsets = image.ifd.numbers(273) or image.ifd.numbers(324)
    counts = image.ifd.numbers(279) or image.ifd.numbers(325)
    if not offsets or len(offsets) != len(counts):
        raise DecodeError(f"{path.name}: the table of its pixel data is missing; the file is cut short or damaged")
    end = int(max(offset + count for offset, count in zip(offsets, counts, strict=True)))
    if end > size:
        raise DecodeError(
            f"{path.name}: cut short: its pixel data ends at byte {end}, the file has {size} bytes; copy it again"
        )


def _corrections(path: Path, image: RawImage, cfa: str) -> Corrections:
    """The opcode lists; MapPolynomial of a lossy DNG is part of its codec and LibRaw has applied it."""
    corrections = Corrections(path.name, image.active, cfa)
    applied = frozenset({_MAP_POLYNOMIAL}) if image.compression == LOSSY_JPEG else frozenset()
    for stage, tag in ((1, 51008), (2, 51009), (3, 51022)):
        corrections.add(parse_opcodes(image.ifd.blob(tag), path.name), stage, applied)
    return corrections


def _dng_pixels(path: Path, image: RawImage, facts: Facts, options: DecodeOptions, allocate: Allocate) -> Any:
    """The pixels of ActiveArea as (C, H, W), None when not wanted; LibRaw's facts fill what the tags leave open."""
    complete = "calibrations" in facts.values and (
        "as_shot_neutral" in facts.values or "as_shot_white_xy" in facts.values
    )
    plain = complete and not image.rescaled and (not options.pixels or _stored_plainly(image))
    if plain:
        return _copy(_mapped(path, image), image, allocate) if options.pixels else None
    with open_libraw(path, options.max_pixels) as raw:
        libraw_facts(facts, raw, "" if image.linear else image.cfa, shot=False)
        full = raw.raw_image
        if full.shape[:2] != (image.height, image.width):
            raise DecodeError(
                f"{path.name}: LibRaw reads {full.shape[1]}x{full.shape[0]} pixels where the tags declare "
                f"{image.width}x{image.height}; the file contradicts itself"
            )
        return _copy(full, image, allocate) if options.pixels else None


def _copy(full: NDArray[np.uint16], image: RawImage, allocate: Allocate) -> NDArray[np.uint16]:
    """The active area of a full frame (H, W) or (H, W, planes), plane after plane."""
    top, left, bottom, right = image.active
    planes = image.samples if full.ndim == 3 else 1
    pixels = allocate((planes, bottom - top, right - left))
    for plane in range(planes):
        pixels[plane] = full[top:bottom, left:right, plane] if full.ndim == 3 else full[top:bottom, left:right]
    return pixels


def _stored_plainly(image: RawImage) -> bool:
    """Whether the pixels lie in the file as rows of 16-bit counts, strip after strip, with no table to apply."""
    ifd = image.ifd
    offsets, counts = ifd.numbers(273), ifd.numbers(279)
    ends = (
        [offset + count for offset, count in zip(offsets, counts, strict=True)] if len(offsets) == len(counts) else []
    )
    return (
        image.compression == UNCOMPRESSED
        and image.bits == 16
        and not image.is_float
        and ifd.integer(284, 1) == 1
        and 50712 not in ifd.tags
        and bool(ends)
        and list(offsets[1:]) == ends[:-1]
        and sum(counts) == image.height * image.width * image.samples * 2
    )


def _mapped(path: Path, image: RawImage) -> NDArray[np.uint16]:
    """The full frame of a plainly stored image, mapped from the file."""
    tag = image.ifd.tags[273]
    shape = (image.height, image.width) if image.samples == 1 else (image.height, image.width, image.samples)
    return np.memmap(path, f"{tag.order}u2", "r", int(image.ifd.numbers(273)[0]), shape)


def _render(
    path: Path, raw: Any, facts: Facts, algorithm: str, allocate: Allocate, image: RawImage | None = None
) -> Decoded:
    """LibRaw's rendering: the crop that the file asks for is applied, its orientation is left to be applied."""
    libraw_facts(facts, raw, "", shot=image is None)
    rendered = render(raw, algorithm, "as_shot_neutral" in facts.values or "as_shot_white_xy" in facts.values)
    picture = _cropped(rendered, raw.sizes, facts.values.get("default_crop"), image)
    pixels = allocate((3, *picture.shape[:2]))
    for plane in range(3):
        pixels[plane] = picture[:, :, plane if picture.shape[2] == 3 else 0]
    shot = Facts()
    for name in _SHOT_FIELDS:
        shot.set(facts.sources.get(name, ""), **{name: facts.values.get(name)})
    shot.set("libraw", space="srgb")
    return Decoded(path, "display", picture.shape[:2], pixels, shot.values, shot.sources)


def _cropped(rendered: NDArray[np.uint16], sizes: Any, crop: Any, image: RawImage | None) -> NDArray[np.uint16]:
    """The part of LibRaw's picture that the file wants to be seen.

    The crop counts from ActiveArea, the picture from LibRaw's margins, and LibRaw has stretched pixels that are not
    square.
    """
    top, left, bottom, right = crop or (0.0, 0.0, float(sizes.height), float(sizes.width))
    y, x = (image.active[0] - sizes.top_margin, image.active[1] - sizes.left_margin) if image is not None else (0, 0)
    down, across = rendered.shape[0] / sizes.height, rendered.shape[1] / sizes.width
    rows = slice(max(round((top + y) * down), 0), round((bottom + y) * down))
    columns = slice(max(round((left + x) * across), 0), round((right + x) * across))
    return rendered[rows, columns]


def _finish(path: Path, kind: str, size: tuple[int, int], pixels: Any, facts: Facts) -> Decoded:
    """The result, with a remark for everything that had to be assumed."""
    if kind in ("bayer", "linear", "xtrans"):
        facts.default(NO_MATRIX, "calibrations", "camera_to_srgb")
        facts.default(NO_BALANCE, "as_shot_neutral", "as_shot_white_xy")
    return Decoded(path, kind, size, pixels, facts.values, facts.sources, tuple(facts.notes))
