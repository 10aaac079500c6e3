"""Cutting tiles out of frames and features, and putting results together."""

import math
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from isp_ns.core.frame import Features, Frame
from isp_ns.core.meta import Box

__all__ = ["Assembly", "cut", "scaled"]

Pixels = Frame | Features


def cut(value: Pixels, covers: Box, wanted: Box) -> Pixels:
    """The part `wanted` of a value that covers `covers`; boxes in one coordinate system, whatever its origin."""
    if wanted == covers:
        return value
    y, x = value.origin[0] - covers[0], value.origin[1] - covers[1]
    return value.crop((wanted[0] + y, wanted[1] + x, wanted[2] + y, wanted[3] + x))


def scaled(value: Pixels, source: Pixels, scale: Fraction) -> Pixels:
    """A stage's output with the origin and full size that its change of `scale` gives it."""
    if scale == 1:
        return value
    origin = (math.floor(source.origin[0] * scale), math.floor(source.origin[1] * scale))
    full = (math.ceil(source.full_size[0] * scale), math.ceil(source.full_size[1] * scale))
    return replace(value, origin=origin, full_size=full)


class Assembly:
    """A whole image that grows tile by tile. Tiles may arrive from several threads, each in its own box."""

    def __init__(self, first: Pixels, box: Box, size: tuple[int, int]) -> None:
        self._first = first
        self._origin = (first.origin[0] - box[0], first.origin[1] - box[1])
        self._size = size
        if isinstance(first, Features):
            self._planes = [(2, _like(first.b, size, 2)), (4, _like(first.t, size, 4))]
        else:
            self._planes = [(1, _like(first.data, size, 1))]

    def paste(self, tile: Pixels, box: Box) -> None:
        """Put `tile` at `box`, in coordinates of the assembled image."""
        tensors = [tile.b, tile.t] if isinstance(tile, Features) else [tile.data]
        for (step, plane), tensor in zip(self._planes, tensors, strict=True):
            top, left = box[0] // step, box[1] // step
            plane[:, top : top + tensor.shape[-2], left : left + tensor.shape[-1]] = tensor

    def value(self) -> Pixels:
        """The assembled image."""
        if isinstance(self._first, Features):
            (_, b), (_, t) = self._planes
            return replace(self._first, b=b, t=t, origin=self._origin, extent=self._size)
        return replace(self._first, data=self._planes[0][1], origin=self._origin)


def _like(tensor: Tensor, size: tuple[int, int], step: int) -> Tensor:
    height, width = (-(-n // step) for n in size)
    channels = tensor.shape[0]
    if channels == 3 and not tensor.dtype.is_floating_point:
        # Finished pictures go to encoders that want interleaved pixels: lay them out so from the start.
        return torch.empty((height, width, channels), dtype=tensor.dtype, device=tensor.device).permute(2, 0, 1)
    return torch.empty((channels, height, width), dtype=tensor.dtype, device=tensor.device)
