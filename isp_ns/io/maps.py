"""Depth and label maps for people and programs: colours with a scale, overlays with a legend, indexed PNG."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isp_ns.core.frame import Frame
from isp_ns.io.atomic import atomic_file
from isp_ns.io.pixels import as_planes, upright

__all__ = [
    "DEPTH_COLOURS",
    "Colour",
    "depth_colours",
    "depth_millimetres",
    "depth_preview",
    "depth_range",
    "labels_overlay",
    "write_labels",
]

Colour = tuple[int, int, int]

PREVIEW_LONG_PX = 2048
"""Long side of previews, at most."""

DEPTH_COLOURS: tuple[Colour, ...] = (
    (68, 1, 84), (72, 40, 120), (62, 74, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (109, 205, 89), (180, 222, 44), (253, 231, 37),
)  # fmt: skip
"""Even steps of the colours of depth, far to near. Source: Smith and van der Walt 2015, viridis, released as CC0."""

_BAR_SHARE = 0.09
_FARTHEST_SHARE = 0.99
_NEAREST = 1e-3
_INK, _PAPER = (20, 20, 20), (245, 245, 245)


def depth_millimetres(depth: Frame) -> Frame:
    """Depth in metres as whole millimetres, 16 bits; what is farther than 65.5 m is 65535.

    Raises:
        ValueError: for relative depth, which has no millimetres.

    Source: the coding of depth cameras and of the datasets made with them.
    """
    if depth.meta.depth_unit == "relative":
        raise ValueError("relative depth has no millimetres; it is written as a float TIFF")
    stored = (depth.data * 1000).round_().clamp_(0, 65535).to(torch.int32)
    return depth.with_data(stored.to(torch.uint16))


def depth_range(depth: NDArray[Any]) -> tuple[float, float]:
    """The nearest and farthest depth that colours tell apart: all but the last 1 % on either side.

    Args:
        depth: any shape, at least one value.

    Source: our own.
    """
    near, far = (float(np.quantile(depth, share)) for share in (1 - _FARTHEST_SHARE, _FARTHEST_SHARE))
    near = max(near, _NEAREST)
    return near, max(far, near * 1.01)


def depth_colours(depth: NDArray[Any], near: float, far: float) -> NDArray[Any]:
    """Depth in colours, yellow at `near` and dark blue at `far`, evenly spaced in its logarithm.

    Args:
        depth: any shape.
        near, far: the ends of the scale, in the unit of `depth`, from above 0.

    Returns:
        uint8, the shape with three channels at the end.

    Source: viridis.
    """
    share = (np.log(far) - np.log(np.maximum(depth, _NEAREST))) / (np.log(far) - np.log(near))
    return _colours(np.clip(share, 0, 1))


def depth_preview(depth: Frame) -> Frame:
    """Depth in colours, near yellow and far blue, upright, with a scale below.

    Args:
        depth: (1, H, W).

    Returns:
        A display frame, uint8, at most 2048 pixels long.

    Source: viridis; evenly spaced in the logarithm of depth.
    """
    planes = _shown(depth)[..., 0].astype(np.float32)
    near, far = depth_range(planes)
    picture = depth_colours(planes, near, far)
    unit = "m" if depth.meta.depth_unit == "m" else "× median"
    return _display(np.vstack([picture, _depth_bar(picture.shape[1], picture.shape[0], near, far, unit)]), depth)


def labels_overlay(photo: Frame, labels: Frame, names: Sequence[str], colours: Sequence[Colour]) -> Frame:
    """A photo tinted by class, upright, with a legend of the classes that occur, most frequent first.

    Args:
        photo: (3, H, W), encoded for display.
        labels: (1, H, W) class numbers.
        names: of the classes.
        colours: of the classes, 8-bit sRGB.

    Source: our own.
    """
    classes = _shown(labels)[..., 0].astype(np.int64)
    picture = _shown(photo)
    if not np.issubdtype(picture.dtype, np.floating):
        picture = picture / np.float32(np.iinfo(picture.dtype).max)
    tint = np.array([*colours, (0, 0, 0)], np.float32)[np.minimum(classes, len(colours))]
    blend = (0.5 * np.clip(picture, 0, 1) * 255 + 0.5 * tint).astype(np.uint8)
    counts = np.bincount(classes.ravel(), minlength=len(names))[: len(names)]
    seen = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]
    entries = [(f"{names[label]} {100 * counts[label] / classes.size:.0f} %", colours[label]) for label in seen]
    return _display(np.vstack([blend, _legend(blend.shape[1], blend.shape[0], entries)]), photo)


def write_labels(
    path: Path, labels: Frame, names: Sequence[str], colours: Sequence[Colour], orientation: str = "apply"
) -> None:
    """Write class numbers as an indexed PNG whose palette has the colours of the classes, and their names as text.

    Args:
        path: where to.
        labels: (1, H, W) uint8.
        names: of the classes.
        colours: of the classes.
        orientation: "apply" turns the map upright.

    Source: Portable Network Graphics (third edition, W3C 2025), clauses 11.2.2 and 11.3.3.4.
    """
    planes = as_planes(labels.data)
    pixels = upright(planes, labels.meta.orientation if orientation == "apply" else 1)[0].astype(np.uint8)
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], 1)
    palette = bytes(np.array(colours, np.uint8).ravel())
    text = b"Classes\0\0\0\0\0" + "\n".join(f"{i} {name}" for i, name in enumerate(names)).encode()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"iTXt", text),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    ]
    packed = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    with atomic_file(path) as part:
        part.write_bytes(b"\x89PNG\r\n\x1a\n" + packed)


def _shown(frame: Frame) -> NDArray[Any]:
    """(h, w, C) pixels, upright, every n-th of them so that the long side fits."""
    planes = upright(as_planes(frame.data), frame.meta.orientation)
    step = -(-max(planes.shape[1:]) // PREVIEW_LONG_PX)
    return np.ascontiguousarray(planes[:, ::step, ::step].transpose(1, 2, 0))


def _colours(share: NDArray[Any]) -> NDArray[Any]:
    """Shares 0..1 to colours of the map, uint8."""
    stops = np.linspace(0, 1, len(DEPTH_COLOURS))
    channels = [np.interp(share, stops, [colour[c] for colour in DEPTH_COLOURS]) for c in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


@cache
def _font(size_px: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size_px)


def _canvas(width: int, height: int) -> tuple[Any, Any]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), _PAPER)
    return image, ImageDraw.Draw(image)


def _depth_bar(width: int, height: int, near: float, far: float, unit: str) -> NDArray[Any]:
    """A strip with the colour map and six depths below it."""
    strip = max(24, round(_BAR_SHARE * height))
    image, draw = _canvas(width, strip)
    margin, bar = round(0.08 * width), strip * 2 // 5
    share = np.linspace(1, 0, max(2, width - 2 * margin))[None].repeat(bar, 0)
    pixels = np.array(image)
    pixels[strip // 10 : strip // 10 + bar, margin : margin + share.shape[1]] = _colours(share)
    image, draw = _from(pixels)
    for place in np.linspace(0, 1, 6):
        value = float(np.exp(np.log(near) + place * (np.log(far) - np.log(near))))
        text = f"{value:.3g} {unit}"
        at = (margin + place * (width - 2 * margin), strip // 10 + bar + strip // 12)
        draw.text(at, text, fill=_INK, font=_font(max(9, strip // 4)), anchor="ma")
    return np.array(image)


def _from(pixels: NDArray[Any]) -> tuple[Any, Any]:
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    return image, ImageDraw.Draw(image)


def _legend(width: int, height: int, entries: Sequence[tuple[str, Colour]]) -> NDArray[Any]:
    """Rows of colour patches with their names."""
    size = max(10, round(0.028 * height))
    font, gap = _font(size), size // 2
    lines: list[list[tuple[float, str, Colour]]] = [[]]
    left = float(gap)
    for text, colour in entries:
        needed = size + gap + font.getlength(text) + 2 * gap
        if left + needed > width and lines[-1]:
            lines.append([])
            left = float(gap)
        lines[-1].append((left, text, colour))
        left += needed
    image, draw = _canvas(width, len(lines) * (size + gap) + gap)
    for row, line in enumerate(lines):
        top = gap + row * (size + gap)
        for place, text, colour in line:
            draw.rectangle((place, top, place + size, top + size), fill=colour, outline=_INK)
            draw.text((place + size + gap, top + size / 2), text, fill=_INK, font=font, anchor="lm")
    return np.array(image)


def _display(pixels: NDArray[Any], like: Frame) -> Frame:
    meta = replace(like.meta, orientation=1).with_values("stage", space="srgb")
    return Frame(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), meta)
