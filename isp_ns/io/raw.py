"""Raw files in: `read_raw` for counts, `inspect_raw` for metadata, `render_libraw` for LibRaw's own picture."""

import logging
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Union

from isp_ns.core.frame import Frame
from isp_ns.io.camerafile import ALGORITHMS
from isp_ns.io.decoded import DEFAULT_MAX_PIXELS, Decoded, DecodeOptions
from isp_ns.io.estimates import with_estimates
from isp_ns.io.frames import to_frame
from isp_ns.io.layout import RawLayout
from isp_ns.io.profile import Profile, load_profile, merge_profile
from isp_ns.io.rawfile import decode_file

if TYPE_CHECKING:
    from isp_ns.io.decode import DecodePool

__all__ = ["inspect_raw", "read_raw", "render_libraw"]

_log = logging.getLogger(__name__)

PathArg = Union[str, "PathLike[str]"]


def read_raw(
    path: PathArg,
    *,
    profile: Profile | PathArg | None = None,
    raw: RawLayout | str | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    pool: "DecodePool | None" = None,
) -> Frame:
    """Read a raw file: counts as stored, and all that is known about them.

    Args:
        path: A camera file, a DNG, a FITS mosaic, or a headerless mosaic.
        profile: A camera profile, or the path of one, whose values win over the file's.
        raw: The layout of a headerless mosaic, for example "1920x1080:10:RGGB"; not used for files with a header.
        max_pixels: Larger frames are refused before memory is taken for them.
        pool: Decode in a process of this pool, so that a file that crashes the decoder cannot hurt this one.

    Returns:
        uint16 counts, (1, H, W) of a mosaic or monochrome sensor (`meta.cfa` tells) or (3, H, W) of a linear DNG.
        `meta.source` tells where each value came from.

    Raises:
        DecodeError: if the file is damaged, cut short, too large or no raw file.
        UnsupportedSensorError: if its sensor or codec is not supported; the message names it.
        MetadataError: if the profile is wrong.

    Source: DNG 1.4, chapters 4 to 7, for what the values mean.
    """
    layout = RawLayout.parse(raw) if isinstance(raw, str) else raw
    options = DecodeOptions(raw=layout, max_pixels=max_pixels)
    decoded = _decode(Path(path), options, pool)
    for note in decoded.notes:
        _log.warning("%s: %s", decoded.path.name, note)
    frame = to_frame(decoded)
    if profile is not None:
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        frame = Frame(frame.data, merge_profile(frame.meta, loaded))
    return with_estimates(frame)


def inspect_raw(path: PathArg, *, raw: RawLayout | str | None = None, pool: "DecodePool | None" = None) -> Decoded:
    """Read a raw file without keeping its pixels: kind, size, metadata with sources, and remarks.

    Raises:
        DecodeError: as `read_raw`; an X-Trans file is described, not refused.
    """
    layout = RawLayout.parse(raw) if isinstance(raw, str) else raw
    return _decode(Path(path), DecodeOptions(raw=layout, pixels=False), pool)


def render_libraw(
    path: PathArg, *, algorithm: str = "AHD", max_pixels: int = DEFAULT_MAX_PIXELS, pool: "DecodePool | None" = None
) -> Frame:
    """LibRaw's own rendering: the baseline to compare with, and the way to see X-Trans files.

    Camera white balance, no automatic brightening, no content-dependent white level, clipped highlights, 16 bits, the
    sRGB curve: the same scene gives the same numbers whatever else is in it.

    Args:
        path: A camera file or DNG.
        algorithm: LibRaw's demosaic: AHD, AAHD, DCB, DHT, VNG, PPG or LINEAR; X-Trans has its own.
        max_pixels: Larger frames are refused.
        pool: Render in a process of this pool.

    Returns:
        (3, H, W) float32 in 0..1, `meta.space` "srgb", cropped as the file asks, orientation still to be applied.

    Raises:
        DecodeError: if LibRaw cannot read the file.
        ValueError: if the algorithm is not offered.

    Source: LibRaw 0.22, `dcraw_process`.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"LibRaw's demosaic {algorithm!r} is not offered; choose one of {', '.join(ALGORITHMS)}")
    return to_frame(_decode(Path(path), DecodeOptions(max_pixels=max_pixels, render=algorithm), pool))


def _decode(path: Path, options: DecodeOptions, pool: "DecodePool | None") -> Decoded:
    """Decode here, or in a process of `pool`."""
    return decode_file(path, options) if pool is None else pool.submit(path, options).result()
