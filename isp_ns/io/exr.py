"""OpenEXR files: linear half or float, with the primaries and what is known of the shot.

Source: OpenEXR 3, "Standard Attributes" (chromaticities, expTime, aperture, isoSpeed, capDate, latitude, …).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isp_ns.core.errors import MissingExtraError
from isp_ns.core.meta import Meta
from isp_ns.io.pixels import interleave
from isp_ns.ops.spaces import SPACES
from isp_ns.ops.transfer import decode

__all__ = ["write_exr"]


def write_exr(path: Path, planes: NDArray[Any], meta: Meta, *, half: bool = True, software: str = "isp_ns") -> None:
    """Write (3, H, W) or (1, H, W) pixels as a zip-compressed scan-line EXR.

    EXR is linear by definition: pixels that are encoded for a display are decoded with the curve of their space.
    One channel is luminance, "Y", when it has an RGB space, else "Z": depth and the like.

    Args:
        path: The file to make.
        planes: Float, or unsigned integers that become 0..1.
        meta: Its `space` gives the primaries.
        half: 16-bit floats, else 32-bit.
        software: For the attribute of that name.

    Raises:
        MissingExtraError: if OpenEXR is not installed.
    """
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingExtraError("OpenEXR", "exr", f"writing {path.name}") from error
    pixels = _linear(planes, meta.space, np.float16 if half else np.float32)
    name = "RGB" if pixels.shape[2] == 3 else ("Y" if meta.space else "Z")
    channels = {name: pixels if name == "RGB" else np.ascontiguousarray(pixels[:, :, 0])}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **_attributes(meta, software)}
    if OpenEXR.global_thread_count() == 0:
        OpenEXR.set_global_thread_count(min(os.cpu_count() or 1, 8))
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def _linear(planes: NDArray[Any], space: str | None, dtype: type[np.generic]) -> NDArray[Any]:
    """(C, H, W) planes as linear (H, W, C), one plane after the other."""
    pixels = np.empty((*planes.shape[1:], planes.shape[0]), dtype)
    for channel in range(planes.shape[0]):
        values = torch.from_numpy(interleave(planes[channel : channel + 1], np.float32))
        pixels[:, :, channel] = (decode(values, space) if space in SPACES else values).numpy()[:, :, 0]
    return pixels


def _attributes(meta: Meta, software: str) -> dict[str, Any]:
    """The standard attributes that are known."""
    place = meta.gps or {}
    found: dict[str, Any] = {
        "software": software,
        "cameraMake": meta.make,
        "cameraModel": meta.model,
        "lensModel": meta.lens,
        "capDate": meta.datetime,
        "expTime": meta.exposure_s,
        "aperture": meta.aperture,
        "isoSpeed": meta.iso,
        "nominalFocalLength": meta.focal_mm,
        "latitude": place.get("latitude_deg"),
        "longitude": place.get("longitude_deg"),
        "altitude": place.get("altitude_m"),
    }
    if meta.space in SPACES:
        space = SPACES[meta.space]
        found["chromaticities"] = tuple(value for xy in (*space.primaries_xy, space.white_xy) for value in xy)
    return {name: value for name, value in found.items() if value is not None}
