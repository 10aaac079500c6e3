"""Mosaics in FITS files, as astronomy and industrial cameras write them.

Source: FITS 4.0 (IAU, 2018); the keywords BAYERPAT, XBAYROFF, YBAYROFF and ROWORDER as capture programs write them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from isp_ns.core.errors import DecodeError, MissingExtraError, UnsupportedSensorError
from isp_ns.io.camerafile import check_size
from isp_ns.io.decoded import NO_BALANCE, NO_MATRIX, Allocate, Decoded, DecodeOptions, Facts

__all__ = ["decode_fits"]

_MIRRORED_TOP_BOTTOM = 4


def decode_fits(path: Path, options: DecodeOptions, allocate: Allocate) -> Decoded:
    """Read the primary image of a FITS file as a mosaic (with BAYERPAT) or as a monochrome frame.

    Raises:
        MissingExtraError: if astropy is not installed.
        DecodeError: if the file is damaged or holds no two-dimensional image of 16-bit counts.
        UnsupportedSensorError: for a CFA that is not Bayer, or when a LibRaw rendering is asked for.
    """
    try:
        from astropy.io import fits
    except ImportError as error:
        raise MissingExtraError("astropy", "fits", f"reading {path.name}") from error
    if options.render is not None:
        raise UnsupportedSensorError(f"{path.name}: LibRaw cannot render FITS files")
    try:
        with fits.open(path, memmap=False) as units:
            header = units[0].header
            _check_header(path, header, options.max_pixels)
            return _decode(path, header, units[0].data, options, allocate)
    except (OSError, ValueError, TypeError) as error:
        raise DecodeError(
            f"{path.name}: astropy could not read it ({error}); the file is damaged or cut short"
        ) from error


def _check_header(path: Path, header: Any, max_pixels: int) -> None:
    if header.get("NAXIS") != 2 or header.get("BITPIX") not in (8, 16):
        raise DecodeError(
            f"{path.name}: its primary image has {header.get('NAXIS')} axes of {header.get('BITPIX')} bits; only "
            "two-dimensional frames of 8 or 16-bit counts are read"
        )
    check_size(path.name, int(header["NAXIS2"]), int(header["NAXIS1"]), max_pixels)


def _decode(path: Path, header: Any, data: Any, options: DecodeOptions, allocate: Allocate) -> Decoded:
    counts = np.asarray(data)
    if counts.min() < 0 or counts.max() > 65535:
        raise DecodeError(f"{path.name}: counts from {counts.min()} to {counts.max()} do not fit 16 unsigned bits")
    facts = Facts()
    kind = "mono"
    pattern = str(header.get("BAYERPAT", "")).strip().upper()
    if pattern and pattern != "NONE":
        facts.set("exif", cfa=_shifted(path, pattern, header))
        kind = "bayer"
    bits = 8 if header["BITPIX"] == 8 else 16
    facts.set(
        "exif",
        white=(float(2**bits - 1),),
        model=str(header.get("INSTRUME", "")).strip() or None,
        exposure_s=_number(header, "EXPTIME") or _number(header, "EXPOSURE"),
        datetime=str(header.get("DATE-OBS", ""))[:19].replace("-", ":").replace("T", " ") or None,
        orientation=_MIRRORED_TOP_BOTTOM if str(header.get("ROWORDER", "")).strip().upper() == "BOTTOM-UP" else 1,
    )
    if kind == "bayer":
        facts.default(NO_MATRIX, "calibrations", "camera_to_srgb")
        facts.default(NO_BALANCE, "as_shot_neutral")
    pixels = None
    if options.pixels:
        pixels = allocate((1, *counts.shape))
        pixels[0] = counts
    return Decoded(path, kind, counts.shape, pixels, facts.values, facts.sources, tuple(facts.notes))


def _shifted(path: Path, pattern: str, header: Any) -> str:
    """The pattern at the first stored pixel, moved by the offsets of the header."""
    if pattern not in ("RGGB", "BGGR", "GRBG", "GBRG"):
        raise UnsupportedSensorError(f"{path.name}: the mosaic {pattern} of its BAYERPAT is not supported")
    y, x = int(_number(header, "YBAYROFF") or 0), int(_number(header, "XBAYROFF") or 0)
    return "".join(pattern[2 * ((row + y) % 2) + (column + x) % 2] for row in (0, 1) for column in (0, 1))


def _number(header: Any, name: str) -> float | None:
    """A header value as a number, None when it is absent or not above zero."""
    value = header.get(name)
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
