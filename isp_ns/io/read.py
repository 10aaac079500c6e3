"""Rendered images in: JPEG, PNG, TIFF and WebP, with their RGB space, orientation and what they say of the shot."""

import io
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, Union

import numpy as np
import torch
from numpy.typing import NDArray

from isp_ns.core.errors import DecodeError
from isp_ns.core.frame import Frame
from isp_ns.io.camerafile import check_size
from isp_ns.io.decoded import DEFAULT_MAX_PIXELS, Facts, to_meta
from isp_ns.io.exifread import find_exif, shot_facts
from isp_ns.io.formats import read_head, sniff
from isp_ns.io.icc import recognise_icc
from isp_ns.io.tiff import TiffFile, read_tiff

__all__ = ["read_image"]

PathArg = Union[str, "PathLike[str]"]
_ICC_TAG = 34675


def read_image(path: PathArg, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Frame:
    """Read a rendered image.

    Args:
        path: A JPEG, PNG, TIFF (8 or 16-bit integers, or floats) or WebP file.
        max_pixels: Larger images are refused before memory is taken for them.

    Returns:
        (3, H, W) float32, encoded for `meta.space`; integers become 0..1, floats stay as they are. Grey images have
        three equal planes, transparency is dropped. `meta.space` is that of the ICC profile when it is one of
        `isp_ns.ops.spaces.SPACES`, else "srgb" with the source "default". Nothing is rotated: `meta.orientation` is
        still to be applied.

    Raises:
        DecodeError: if the file is damaged, too large or not an image of these kinds.

    Source: EXIF 2.32; ICC.1:2022.
    """
    file_path = Path(path)
    kind = sniff(read_head(file_path))
    facts = Facts()
    with file_path.open("rb") as file:
        tiff = read_tiff(file) if kind == "tiff" else None
        block = find_exif(file, tiff)
    shot_facts(facts, block)
    orientation = block.ifd0.integer(274) if block is not None else 0
    if 1 <= orientation <= 8:
        facts.set("exif", orientation=orientation)
    if kind == "tiff" and tiff is not None:
        pixels, profile = _read_tiff_pixels(file_path, tiff, max_pixels)
    elif kind in ("jpeg", "png", "webp"):
        pixels, profile = _read_pillow(file_path, kind, max_pixels)
    else:
        raise DecodeError(f"{file_path.name}: not a JPEG, PNG, TIFF or WebP image; raw files are read by `read_raw`")
    space = recognise_icc(profile) if profile else None
    facts.set("exif" if space else "default", space=space or "srgb")
    facts.set("exif", white=(1.0,))
    return Frame(_to_tensor(pixels), to_meta(facts.values, facts.sources))


def _to_tensor(pixels: NDArray[Any]) -> torch.Tensor:
    """(H, W) or (H, W, C) pixels as (3, H, W) float32."""
    colour = (
        pixels[:, :, :3]
        if pixels.ndim == 3 and pixels.shape[2] >= 3
        else pixels.reshape(*pixels.shape[:2], -1)[:, :, :1]
    )
    planes = np.empty((3, *colour.shape[:2]), np.float32)
    for plane in range(3):
        planes[plane] = colour[:, :, plane if colour.shape[2] == 3 else 0]
    if np.issubdtype(pixels.dtype, np.integer):
        planes /= np.float32(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(planes)


def _read_pillow(path: Path, kind: str, max_pixels: int) -> tuple[NDArray[Any], bytes]:
    """8-bit images by Pillow, 16-bit PNG by imagecodecs; and the ICC profile."""
    from PIL import Image

    try:
        # Pillow warns of damaged EXIF and of large images; the first is read elsewhere, the second is checked here.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            check_size(path.name, opened.height, opened.width, max_pixels)
            profile = opened.info.get("icc_profile") or b""
            if kind == "png" and _png_bits(path) == 16:
                import imagecodecs

                return np.asarray(imagecodecs.png_decode(path.read_bytes())), profile
            mode = "L" if opened.mode in ("1", "L", "LA") else "RGB"
            return np.asarray(opened.convert(mode)), profile
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        raise DecodeError(
            f"{path.name}: this {kind.upper()} could not be read ({error}); it is damaged or cut short"
        ) from error


def _png_bits(path: Path) -> int:
    """Bits per sample of a PNG, from its header."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _read_tiff_pixels(path: Path, tiff: TiffFile, max_pixels: int) -> tuple[NDArray[Any], bytes]:
    """The first page of a TIFF by tifffile; and its ICC profile."""
    import tifffile

    first = tiff.first
    check_size(path.name, first.integer(257), first.integer(256), max_pixels)
    try:
        with tifffile.TiffFile(io.BytesIO(path.read_bytes())) as opened:
            page = opened.pages.first
            photometric = getattr(page.photometric, "name", str(page.photometric))
            if photometric not in ("MINISBLACK", "RGB", "YCBCR"):
                raise DecodeError(
                    f"{path.name}: a TIFF of {photometric} pixels is not a rendered image that is read here"
                )
            pixels = page.asarray()
    except (tifffile.TiffFileError, ValueError, OSError, RuntimeError, KeyError, IndexError, TypeError) as error:
        raise DecodeError(f"{path.name}: this TIFF could not be read ({error}); it is damaged or cut short") from error
    if page.planarconfig == 2 and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.dtype not in (np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.float64) or pixels.ndim not in (
        2,
        3,
    ):
        raise DecodeError(f"{path.name}: TIFF pixels of type {pixels.dtype} and shape {pixels.shape} are not read")
    return pixels, first.blob(_ICC_TAG)
