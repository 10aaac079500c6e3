"""From frames to the arrays that encoders take: turned upright, rounded, interleaved, in strips on several threads."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["as_planes", "each_strip", "interleave", "interleave_strip", "upright"]

_STRIP_ROWS = 256
_MAX_THREADS = 8
_CACHED_ROWS = 16
"""Rows that are converted at a time: few enough to stay in a core's cache from one step to the next."""


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads that convert and encode strips; started when first used."""
    return ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS), thread_name_prefix="isp_ns-write")


def each_strip(work: Callable[[int, int], Any], height: int, rows: int = _STRIP_ROWS) -> Iterator[Any]:
    """The results of `work(top, bottom)` for strips of `rows` rows, in order, computed on several threads."""
    return _threads().map(lambda top: work(top, min(top + rows, height)), range(0, height, rows))


def upright(planes: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of (C, H, W) pixels, turned so that an image of this EXIF orientation is seen upright.

    Args:
        planes: Any type.
        orientation: EXIF orientation, 1 to 8.

    Returns:
        (C, H, W), or (C, W, H) for orientations 5 to 8; nothing is copied.

    Raises:
        ValueError: if the orientation is not one of the eight.

    Source: EXIF 2.32, tag Orientation: the sides of the picture that row 0 and column 0 stand for.
    """
    if orientation not in range(1, 9):
        raise ValueError(f"EXIF orientation is 1 to 8, not {orientation}")
    if orientation >= 5:
        planes = planes.swapaxes(1, 2)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return planes[:, rows, columns]


def interleave_strip(planes: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """(C, h, W) to contiguous (h, W, C) of `dtype`.

    Floats become integers as round(clip(x, 0, 1) · maximum), NaN becomes 0; 8 and 16-bit integers are scaled to each
    other so that the maxima meet; to float they become 0..1. Other types are only cast.
    """
    channels, height, width = planes.shape
    result = np.empty((height, width, channels), dtype)
    for top in range(0, height, _CACHED_ROWS):
        for channel in range(channels):
            rows = slice(top, top + _CACHED_ROWS)
            result[rows, :, channel] = _cast(planes[channel, rows], dtype)
    return result


def _cast(plane: NDArray[Any], dtype: type[Any]) -> NDArray[Any]:
    """One plane as `dtype`; see `interleave_strip`."""
    to_integer, from_integer = np.issubdtype(dtype, np.integer), np.issubdtype(plane.dtype, np.integer)
    if to_integer and not from_integer:
        scaled = np.fmax(plane, 0.0, dtype=np.float32)
        np.minimum(scaled, 1.0, out=scaled)
        scaled *= np.float32(np.iinfo(dtype).max)
        return np.asarray(np.rint(scaled, out=scaled), dtype=dtype)
    if from_integer and not to_integer:
        return np.asarray(plane.astype(np.float32) / np.float32(np.iinfo(plane.dtype).max), dtype=dtype)
    if plane.dtype == np.uint8 and dtype is np.uint16:
        return plane.astype(np.uint16) * np.uint16(257)
    if plane.dtype == np.uint16 and dtype is np.uint8:
        return ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.asarray(plane, dtype=dtype)


def interleave(planes: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """Whole (C, H, W) planes as a contiguous (H, W, C) array; see `interleave_strip`."""
    channels, height, width = planes.shape
    result = np.empty((height, width, channels), dtype)

    def work(top: int, bottom: int) -> None:
        result[top:bottom] = interleave_strip(planes[:, top:bottom], dtype)

    for _ in each_strip(work, height):
        pass
    return result


def as_planes(data: Tensor) -> NDArray[Any]:
    """The (C, H, W) array behind a tensor; bfloat16 and half become float32, other devices are copied from."""
    data = data.detach()
    if data.dtype in (torch.bfloat16, torch.float16, torch.float64):
        data = data.to(torch.float32)
    array: NDArray[Any] = data.cpu().numpy()
    return array
