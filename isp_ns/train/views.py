"""Views of labelled pictures: a random box at a random size, so that heads learn every resolution, crop and aspect.

All randomness comes from the generator that is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.train.dense_losses import IGNORED

__all__ = ["Aspect", "View", "draw_index", "draw_view", "jitter_colour", "view_picture", "view_truth", "whole_view"]

Aspect = tuple[int, int]
"""Width to height in smallest terms, such as (4, 3)."""

_CELL = 4
"""Mosaics are coded in cells of this many pixels; sizes are multiples of it."""


@dataclass(frozen=True)
class View:
    """A part of a picture at some size.

    Attributes:
        box: top, left, height and width in pixels of the picture.
        size: height and width in pixels that the box is brought to.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]


def draw_index(weights: Sequence[float], rng: Generator) -> int:
    """An index drawn by weights."""
    return int(torch.multinomial(torch.tensor(weights, dtype=torch.float64), 1, generator=rng))


def _uniform(rng: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def draw_view(
    size: tuple[int, int], aspect: Aspect, rng: Generator, *, zoom: float = 1.0, scales: Mapping[float, float]
) -> View:
    """A random box of the given aspect, and a size for it.

    The size is a whole multiple of the aspect, so that all views of one aspect have the same grid.

    Args:
        size: height and width of the picture in pixels.
        aspect: width to height.
        rng: the source of randomness.
        zoom: the largest box is shrunk by a factor drawn evenly from 1 to this.
        scales: size of the result over that of the box, and how often.

    Returns:
        The view; at scale 1 pixels stay what they are.

    Raises:
        ValueError: if the picture is too small for the aspect.

    Source: scale crops as in Liu, Johns, Davison 2019 (arXiv 1803.10704), with sizes and aspects of our own.
    """
    unit = (aspect[1] * _CELL, aspect[0] * _CELL)
    largest = min(size[0] // unit[0], size[1] // unit[1])
    if largest < 1:
        raise ValueError(f"a picture of {size[1]}×{size[0]} pixels is too small for an aspect of {aspect}")
    inner = max(1, round(largest / _uniform(rng, 1.0, zoom)))
    scale = list(scales)[draw_index(list(scales.values()), rng)]
    outer = max(1, round(inner * scale))
    height, width = unit[0] * inner, unit[1] * inner
    top = int(torch.randint(size[0] - height + 1, (), generator=rng))
    left = int(torch.randint(size[1] - width + 1, (), generator=rng))
    return View((top, left, height, width), (unit[0] * outer, unit[1] * outer))


def whole_view(size: tuple[int, int], scale: float = 1.0) -> View:
    """All of a picture; at another scale its sides are rounded to whole cells."""
    if scale == 1.0:
        return View((0, 0, *size), size)
    height, width = (max(1, round(side * scale / _CELL)) * _CELL for side in size)
    return View((0, 0, *size), (height, width))


def _cut(picture: Tensor, view: View) -> Tensor:
    top, left, height, width = view.box
    return picture[..., top : top + height, left : left + width]


def view_picture(image: Tensor, view: View) -> Tensor:
    """A uint8 (3, H, W) picture through a view: float (3, h, w) in 0..1, averaged where it shrinks."""
    cut = _cut(image, view)[None].float() / 255
    if (cut.shape[-2], cut.shape[-1]) == view.size:
        return cut[0]
    return F.interpolate(cut, view.size, mode="bilinear", antialias=True, align_corners=False)[0].clamp_(0, 1)


def view_truth(depth: Tensor | None, labels: Tensor | None, view: View, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The truth of a view on a grid, by the nearest pixel: nothing is mixed across edges.

    Args:
        depth: (1, H, W) metres, 0 where unknown, or None.
        labels: (1, H, W) labels, or None.
        view: of the picture.
        grid: rows and columns.

    Returns:
        Depth (1, rows, columns), 0 where unknown, and labels (1, rows, columns) uint8, `IGNORED` where unknown.
    """
    far = torch.zeros(1, *grid) if depth is None else _nearest(_cut(depth, view), grid)
    if labels is None:
        return far, torch.full((1, *grid), IGNORED, dtype=torch.uint8)
    return far, _nearest(_cut(labels, view), grid).to(torch.uint8)


def _nearest(values: Tensor, grid: tuple[int, int]) -> Tensor:
    return F.interpolate(values[None].float(), grid, mode="nearest-exact")[0]


def jitter_colour(image: Tensor, rng: Generator, amount: float) -> Tensor:
    """A picture under another light: brightness, saturation and a tint change together.

    Args:
        image: (3, h, w) gamma-coded in 0..1.
        rng: the source of randomness.
        amount: 0 changes nothing; 1 is up to one stop, 40 % of saturation and 8 % of tint.

    Returns:
        (3, h, w) in 0..1.

    Source: colour jitter as in image classification; a stop is a factor of 2^(1/2.2) of gamma-coded values.
    """
    if amount == 0:
        return image
    gain = 2.0 ** (amount * _uniform(rng, -1.0, 1.0) / 2.2)
    saturation = 1 + amount * _uniform(rng, -0.4, 0.4)
    tint = 1 + 0.08 * amount * (2 * torch.rand(3, 1, 1, generator=rng) - 1)
    grey = image.mean(0, keepdim=True)
    moved: Tensor = torch.lerp(grey.expand_as(image), image, saturation) * (gain * tint)
    return moved.clamp_(0, 1)
