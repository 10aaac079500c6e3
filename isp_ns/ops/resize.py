"""Change of size with antialiasing, as a footprint operation: an output box tells which input box it reads.

Each axis is a banded matrix of filter weights, built in float64 from positions in the full images, so that tiles get
exactly the weights of the whole; samples beyond the border are mirrored into it. Axes are done in short runs, so that
the band and not the whole matrix is multiplied.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

__all__ = ["KERNELS", "Kernel", "aspect_size", "resize", "resize_footprint", "resize_tile"]

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]
Box = tuple[int, int, int, int]

_RUN = 32
"""Output samples per matrix product: long enough to be worth a call, short against the band it multiplies."""


def _area(x: Tensor) -> Tensor:
    return (x.abs() <= 0.5).double()


def _bilinear(x: Tensor) -> Tensor:
    return (1.0 - x.abs()).clamp_(min=0)


def _bicubic(x: Tensor) -> Tensor:
    """Keys's kernel with a = −1/2."""
    x = x.abs()
    inner = (1.5 * x - 2.5) * x * x + 1.0
    outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


KERNELS: dict[Kernel, tuple[Callable[[Tensor], Tensor], float]] = {
    "area": (_area, 0.5),
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}
"""Kernel and half width in samples of the coarser grid. "area" is the exact mean over the output pixel's area.

Source: bicubic, Keys 1981, IEEE TASSP 29(6); Lanczos, Duchon 1979, J. Applied Meteorology 18(8), three lobes.
"""


def aspect_size(size: tuple[int, int], pixel_aspect: float) -> tuple[int, int]:
    """The size of an image whose pixels have been made square by stretching, never shrinking, one axis.

    Args:
        size: (height, width).
        pixel_aspect: width of a pixel over its height.

    Returns:
        (height, width).

    Raises:
        ValueError: if the aspect is not above 0.

    Source: DNG 1.4, tag DefaultScale (50718).
    """
    if not pixel_aspect > 0:
        raise ValueError(f"pixel aspect {pixel_aspect} is not above 0")
    height, width = size
    if pixel_aspect >= 1:
        return height, max(1, round(width * pixel_aspect))
    return max(1, round(height / pixel_aspect)), width


def _reach(in_size: int, out_size: int, kernel: Kernel) -> float:
    """Half width of the filter in input samples."""
    return KERNELS[kernel][1] * max(in_size / out_size, 1.0) + (0.5 if kernel == "area" else 0.0)


def _span(start: int, stop: int, in_size: int, out_size: int, kernel: Kernel) -> tuple[int, int]:
    """Input samples that the output samples start..stop read; all of them when mirroring would leave the span."""
    if in_size == out_size:
        return start, stop
    scale, reach = in_size / out_size, _reach(in_size, out_size, kernel)
    low = math.floor((start + 0.5) * scale - 0.5 - reach)
    high = math.ceil((stop - 0.5) * scale - 0.5 + reach) + 1
    if low < 0:
        high = max(high, -low + 1)
    if high > in_size:
        low = min(low, 2 * in_size - 1 - high)
    return max(0, low), min(in_size, high)


def resize_footprint(
    out_box: Box, in_size: tuple[int, int], out_size: tuple[int, int], kernel: Kernel = "lanczos"
) -> Box:
    """The box of the full input that `resize_tile` needs for a box of the full output.

    Args:
        out_box: (top, left, bottom, right) in the full output.
        in_size: (height, width) of the full input.
        out_size: (height, width) of the full output.
        kernel: see `KERNELS`.

    Returns:
        (top, left, bottom, right) in the full input.

    Source: none.
    """
    top, bottom = _span(out_box[0], out_box[2], in_size[0], out_size[0], kernel)
    left, right = _span(out_box[1], out_box[3], in_size[1], out_size[1], kernel)
    return top, left, bottom, right


def _weights(outputs: range, in_size: int, out_size: int, kernel: Kernel) -> tuple[int, Tensor]:
    """First input sample read, and the (outputs, inputs) weights of a run, rows summing to 1."""
    scale, reach = in_size / out_size, _reach(in_size, out_size, kernel)
    centres = (torch.tensor(outputs, dtype=torch.float64) + 0.5) * scale - 0.5
    low, high = math.floor(float(centres[0]) - reach), math.ceil(float(centres[-1]) + reach) + 1
    taps = torch.arange(low, high, dtype=torch.float64)
    if kernel == "area":
        half = 0.5 * max(scale, 1.0)
        ends = torch.minimum(centres[:, None] + half, taps + 0.5) - torch.maximum(centres[:, None] - half, taps - 0.5)
        weights = ends.clamp_(min=0)
    else:
        weights = KERNELS[kernel][0]((taps - centres[:, None]) / max(scale, 1.0))
    weights /= weights.sum(1, keepdim=True)
    period = max(2 * (in_size - 1), 1)
    folded = taps.long().remainder(period)
    folded = torch.minimum(folded, (period - folded).remainder(period)) if in_size > 1 else torch.zeros_like(folded)
    first, last = int(folded.min()), int(folded.max())
    dense = torch.zeros(len(outputs), last - first + 1, dtype=torch.float64)
    return first, dense.index_add_(1, folded - first, weights)


def _resize_axis(
    image: Tensor, axis: int, start: int, outputs: range, in_size: int, out_size: int, kernel: Kernel
) -> Tensor:
    """Resize one axis (-2 or -1) of a tile whose first sample along it is `start` of the full input."""
    if in_size == out_size:
        return image.narrow(axis, outputs.start - start, len(outputs))
    parts = []
    for begin in range(outputs.start, outputs.stop, _RUN):
        first, weights = _weights(range(begin, min(begin + _RUN, outputs.stop)), in_size, out_size, kernel)
        part = image.narrow(axis, first - start, weights.shape[1])
        weights = weights.to(image)
        parts.append(weights @ part if axis == -2 else part @ weights.T)
    return torch.cat(parts, axis)


def resize_tile(
    image: Tensor,
    in_box: Box,
    out_box: Box,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    kernel: Kernel = "lanczos",
) -> Tensor:
    """Compute a box of the resized image from the box of the input that `resize_footprint` named.

    Args:
        image: (C, h, w) pixels of `in_box`.
        in_box: (top, left, bottom, right) in the full input.
        out_box: (top, left, bottom, right) in the full output.
        in_size: (height, width) of the full input.
        out_size: (height, width) of the full output.
        kernel: see `KERNELS`; widened by the factor of reduction, so that nothing aliases.

    Returns:
        (C, bottom − top, right − left) of `out_box`.

    Source: see `KERNELS`.
    """
    rows, columns = range(out_box[0], out_box[2]), range(out_box[1], out_box[3])
    tall = _resize_axis(image, -2, in_box[0], rows, in_size[0], out_size[0], kernel)
    return _resize_axis(tall, -1, in_box[1], columns, in_size[1], out_size[1], kernel)


def resize(image: Tensor, out_size: tuple[int, int], kernel: Kernel = "lanczos") -> Tensor:
    """Resize a whole image.

    Args:
        image: (C, H, W).
        out_size: (height, width), each at least 1.
        kernel: see `KERNELS`.

    Returns:
        (C, height, width).

    Raises:
        ValueError: if a side of `out_size` is below 1.

    Source: see `KERNELS`.
    """
    if min(out_size) < 1:
        raise ValueError(f"cannot resize to {out_size}: each side needs at least one pixel")
    in_size = (image.shape[-2], image.shape[-1])
    return resize_tile(image, (0, 0, *in_size), (0, 0, *out_size), in_size, out_size, kernel)
