"""Camera files by LibRaw: pixels and what it knows about them, without torch.

Source: LibRaw 0.22 and rawpy 0.28 (behaviour of `raw_image`, `raw_pattern`, the level and colour properties).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.decoded import Facts, matrix3, positive
from isp_ns.io.dngtags import normal_neutral

__all__ = ["ALGORITHMS", "libraw_facts", "libraw_name", "mosaic_kind", "open_libraw", "render", "rendering_matrix"]

ALGORITHMS = ("AHD", "AAHD", "DCB", "DHT", "VNG", "PPG", "LINEAR")
"""LibRaw's demosaicing methods that `render_libraw` offers; on X-Trans, AHD and better are its 3-pass Markesteijn."""

EXIF_OF_FLIP = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8, 90: 6, 180: 3, 270: 8}
"""EXIF orientation by LibRaw's flip code (or angle)."""

_D65_K = 6504.0


def libraw_name() -> str:
    """The LibRaw in use, for messages: "LibRaw 0.22.2"."""
    import rawpy

    return "LibRaw " + ".".join(str(part) for part in rawpy.libraw_version)


@contextmanager
def open_libraw(path: Path, max_pixels: int) -> Iterator[Any]:
    """A camera file opened by LibRaw, not yet unpacked, closed at the end.

    LibRaw's errors inside the block become `DecodeError`.

    Raises:
        DecodeError: if the file cannot be read, or declares more than `max_pixels`.
    """
    import rawpy

    try:
        with rawpy.RawPy() as raw:
            try:
                raw.open_file(str(path))
            except UnicodeEncodeError:
                with path.open("rb") as file:
                    raw.open_buffer(file)
            check_size(path.name, raw.sizes.raw_height, raw.sizes.raw_width, max_pixels)
            yield raw
    except rawpy.LibRawFileUnsupportedError as error:
        raise DecodeError(
            f"{path.name}: {libraw_name()} does not recognise it ({_words(error)}). Either the file is cut short or "
            "damaged (compare its size with the original), or the camera is newer than this LibRaw (update rawpy), or "
            "it is not a camera file"
        ) from error
    except _memory_errors() as error:
        raise DecodeError(
            f"{path.name}: {libraw_name()} needs more memory than it may use ({_words(error)})"
        ) from error
    except rawpy.LibRawError as error:
        raise DecodeError(
            f"{path.name}: {libraw_name()} could not decode it ({_words(error)}). The file is probably cut short or "
            "damaged: copy it from the camera's card again"
        ) from error


def _memory_errors() -> tuple[type[Exception], ...]:
    """What is raised when LibRaw cannot have the memory that it asks for."""
    import rawpy

    return rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError, rawpy.LibRawMemPoolOverflowError, MemoryError


def _words(error: BaseException) -> str:
    """The text of an error; rawpy gives bytes."""
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error) or type(error).__name__


def check_size(name: str, height: int, width: int, max_pixels: int) -> None:
    """Refuse a frame that is too large, before memory is taken for it.

    Raises:
        DecodeError: naming the size and the limit.
    """
    if height < 1 or width < 1:
        raise DecodeError(f"{name}: declares a picture of {width}x{height} pixels; the file is damaged")
    if height * width > max_pixels:
        raise DecodeError(
            f"{name}: declares {width}x{height} pixels ({height * width / 1e6:.0f} MP), more than the limit of "
            f"{max_pixels / 1e6:.0f} MP; if the file is genuine, raise max_pixels (--max-megapixels)"
        )


def mosaic_kind(name: str, raw: Any, is_dng: bool) -> tuple[str, str]:
    """The kind of an opened file and its CFA at the visible frame's first pixel.

    Returns:
        ("bayer", letters), ("xtrans", ""), ("mono", "") or ("linear", "").

    Raises:
        UnsupportedSensorError: naming a sensor that is none of these.
    """
    pattern = raw.raw_pattern
    if pattern is None:
        if is_dng and raw.num_colors == 3:
            return "linear", ""
        raise UnsupportedSensorError(
            f"{name}: a reduced-size sRAW (or a {raw.num_colors}-colour file without a mosaic) has been processed "
            "in the camera in ways that it does not tell; shoot full RAW, or use the libraw renderer"
        )
    if raw.num_colors == 1:
        return "mono", ""
    colours = raw.color_desc.decode("ascii", "replace")
    size = pattern.shape[0]
    rolled = np.roll(pattern, (-(raw.sizes.top_margin % size), -(raw.sizes.left_margin % size)), (0, 1))
    letters = "".join(colours[index] if index < len(colours) else "?" for index in rolled.ravel())
    if size == 6 and set(letters) == set("RGB"):
        return "xtrans", ""
    if letters in ("RGGB", "BGGR", "GRBG", "GBRG"):
        return "bayer", letters
    shown = letters if len(letters) <= 16 else f"{colours}, {size}x{size}"
    raise UnsupportedSensorError(
        f"{name}: a sensor with the {size}x{size} mosaic {shown} is not supported; use the libraw renderer"
    )


def libraw_facts(facts: Facts, raw: Any, cfa: str, *, shot: bool = True) -> None:
    """Note what LibRaw knows, where nothing better is known yet. Call after unpacking and before any rendering.

    `shot` False leaves the exposure out: LibRaw turns the blank values of a DNG's own EXIF into made-up ones.
    """
    sizes = raw.sizes
    facts.missing("libraw", orientation=EXIF_OF_FLIP.get(sizes.flip, 1))
    if positive([sizes.pixel_aspect]) and abs(sizes.pixel_aspect - 1) > 1e-3:
        facts.missing("libraw", pixel_aspect=float(sizes.pixel_aspect))
    if shot:
        _shot(facts, raw)
        facts.missing("libraw", default_crop=_inset(sizes))
    _levels(facts, raw, cfa)
    _colour(facts, raw)


def _shot(facts: Facts, raw: Any) -> None:
    """Exposure, lens and date."""
    other = raw.other
    dated = other.timestamp is not None and other.timestamp.year > 1970
    facts.missing(
        "libraw",
        iso=_known(other.iso_speed),
        exposure_s=_known(other.shutter_speed),
        aperture=_known(other.aperture),
        focal_mm=_known(other.focal_length),
        lens=getattr(getattr(raw, "lens", None), "model", None) or None,
        datetime=other.timestamp.strftime("%Y:%m:%d %H:%M:%S") if dated else None,
    )


def _known(value: float) -> float | None:
    """A measured value, None for LibRaw's 0."""
    return float(value) if positive([value]) else None


def _inset(sizes: Any) -> tuple[float, float, float, float] | None:
    """The camera's own crop as (top, left, bottom, right) of the visible frame; None when absent or implausible."""
    top, left = sizes.crop_top_margin - sizes.top_margin, sizes.crop_left_margin - sizes.left_margin
    height, width = sizes.crop_height, sizes.crop_width
    inside = top >= 0 and left >= 0 and top + height <= sizes.height and left + width <= sizes.width
    if (
        not inside
        or 2 * height < sizes.height
        or 2 * width < sizes.width
        or (height, width) == (sizes.height, sizes.width)
    ):
        return None
    return float(top), float(left), float(top + height), float(left + width)


def _levels(facts: Facts, raw: Any, cfa: str) -> None:
    """Black by place from LibRaw's black by colour index (R, G1, B, G2), and white, by channel where it is known."""
    by_index = [float(value) for value in raw.black_level_per_channel]
    black: tuple[tuple[float, ...], ...] = ((by_index[0],),)
    if cfa and raw.raw_pattern is not None:
        pattern = raw.raw_pattern
        rolled = np.roll(pattern, (-(raw.sizes.top_margin % 2), -(raw.sizes.left_margin % 2)), (0, 1))[:2, :2]
        black = tuple(tuple(by_index[index] for index in row) for row in rolled)
    highest = max(max(row) for row in black)
    white = float(raw.white_level)
    if not highest < white <= 65535:
        facts.notes.append(f"the white level {white:.0f} is impossible above a black of {highest:.0f}; 65535 is used")
        white = 65535.0
    channels = [float(value) for value in raw.camera_white_level_per_channel or ()]
    whites: tuple[float, ...] = (white,)
    if len(channels) == 4 and all(0.5 * white < value <= white for value in channels) and len(set(channels)) > 1:
        whites = (channels[0], min(channels[1], channels[3]), channels[2])
    if "black" not in facts.values:
        facts.set("libraw", black=black, white=whites)


def _colour(facts: Facts, raw: Any) -> None:
    """White balance and matrices."""
    balance = [float(value) for value in raw.camera_whitebalance]
    if positive(balance[:3]) and len(set(balance[:3])) > 1 and "as_shot_white_xy" not in facts.values:
        facts.missing("libraw", as_shot_neutral=normal_neutral(tuple(1 / value for value in balance[:3])))
    daylight = [float(value) for value in raw.daylight_whitebalance]
    if positive(daylight[:3]) and len(set(daylight[:3])) > 1:
        facts.missing("libraw", daylight_neutral=normal_neutral(tuple(1 / value for value in daylight[:3])))
    if "calibrations" in facts.values:
        return
    to_camera = matrix3(np.asarray(raw.rgb_xyz_matrix, dtype=np.float64)[:3].ravel().tolist())
    if to_camera is not None:
        facts.set("libraw", calibrations=({"cct_k": _D65_K, "color_matrix": to_camera},))
    to_srgb = matrix3(np.asarray(raw.color_matrix, dtype=np.float64)[:, :3].ravel().tolist())
    if to_srgb is not None and all(abs(sum(row) - 1) < 0.02 for row in to_srgb):
        facts.set("libraw", camera_to_srgb=to_srgb)


def rendering_matrix(facts: Facts, raw: Any) -> None:
    """Note the matrix that LibRaw renders an old camera with but does not tell, found by rendering twice.

    Both renderings are linear and of half size, one in camera RGB, one in sRGB; the matrix between them is exact but
    for rounding. Call it last: rendering changes what LibRaw says of the mosaic.
    """
    import rawpy

    linear = {"half_size": True, "gamma": (1, 1), "output_bps": 16, "no_auto_bright": True, "adjust_maximum_thr": 0.0}
    spaces = (rawpy.ColorSpace.raw, rawpy.ColorSpace.sRGB)
    camera, srgb = (
        raw.postprocess(output_color=space, user_wb=[1.0] * 4, user_flip=0, **linear).reshape(-1, 3)[::7]
        for space in spaces
    )
    inside = (srgb.min(1) > 64) & (srgb.max(1) < 65000) & (camera.max(1) < 65000)
    if inside.sum() < 100:
        return
    fitted = np.linalg.lstsq(camera[inside].astype(np.float64), srgb[inside].astype(np.float64), rcond=None)[0].T
    if np.allclose(fitted.sum(1), 1.0, atol=0.01) and not np.allclose(fitted, np.eye(3), atol=0.01):
        rows = fitted / fitted.sum(1, keepdims=True)
        facts.set("libraw", camera_to_srgb=matrix3(rows.ravel().tolist()))


def render(raw: Any, algorithm: str, usable_balance: bool) -> NDArray[np.uint16]:
    """LibRaw's own rendering to sRGB as (H, W, 3) uint16, not rotated, its scale independent of the content.

    Camera white balance (LibRaw's automatic one where the file has none), no automatic brightening, the white level
    as it is, highlights clipped, the sRGB curve.

    Raises:
        ValueError: if the algorithm is not one of `ALGORITHMS`.
    """
    import rawpy

    if algorithm not in ALGORITHMS:
        raise ValueError(f"LibRaw's demosaic {algorithm!r} is not offered; choose one of {', '.join(ALGORITHMS)}")
    image: NDArray[np.uint16] = raw.postprocess(
        demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm],
        use_camera_wb=usable_balance,
        use_auto_wb=not usable_balance,
        no_auto_bright=True,
        adjust_maximum_thr=0.0,
        output_bps=16,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=(2.4, 12.92),
        highlight_mode=rawpy.HighlightMode.Clip,
        user_flip=0,
    )
    return image
