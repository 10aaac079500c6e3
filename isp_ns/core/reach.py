"""Reach: how far a stage looks. The stage states it; the runner alone decides on tiles and order.

Four forms:
    Local      an output pixel needs input pixels within `halo`
    Reduce     one value from all pixels, gathered tile by tile
    Footprint  geometry: an output box needs some other box of the input
    WHOLE      all pixels at once; the graph is cut here
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import Tensor

from isp_ns.core.meta import Box, Meta

__all__ = ["WHOLE", "Footprint", "Local", "Placement", "Reach", "Reduce", "Whole"]

Params = Mapping[str, Any]
Halo = int | Callable[[Params], int]


def _halo_px(halo: Halo, params: Params) -> int:
    return halo(params) if callable(halo) else halo


@dataclass(frozen=True)
class Local:
    """A stage whose output at a pixel depends on input within `halo` pixels.

    The stage returns as many pixels as it got (times `scale`); the runner gives it the halo and cuts it off again.
    `halo` may be a function of the parameters. Input boxes start at multiples of `align` and are a multiple of
    `width_multiple` pixels wide where the image is wide enough. A local stage with a value as output reads metadata
    only.
    """

    halo: Halo = 0
    align: int = 1
    scale: Fraction = Fraction(1)
    width_multiple: int = 1

    def halo_px(self, params: Params) -> int:
        """The halo in input pixels for these parameters."""
        return _halo_px(self.halo, params)

    def out_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the output for an input of `size`."""
        return math.ceil(size[0] * self.scale), math.ceil(size[1] * self.scale)

    def in_box(self, box: Box, size: tuple[int, int], params: Params) -> Box:
        """The input that output `box` needs: scaled back, grown by the halo and aligned, within `size`."""
        halo = self.halo_px(params)
        low = [math.floor(v / self.scale) - halo for v in box[:2]]
        high = [math.ceil(v / self.scale) + halo for v in box[2:]]
        top, left = (max(0, v // self.align * self.align) for v in low)
        bottom, right = (min(n, -(-v // self.align) * self.align) for v, n in zip(high, size, strict=True))
        width = -(-(right - left) // self.width_multiple) * self.width_multiple
        right = min(size[1], left + width)
        return top, max(0, (right - width) // self.align * self.align), bottom, right

    def out_box(self, box: Box, size: tuple[int, int]) -> Box:
        """The output that input `box` gives, within the output's own `size`."""
        top, left, bottom, right = (v * self.scale for v in box)
        return (
            math.floor(top),
            math.floor(left),
            min(size[0], math.ceil(bottom)),
            min(size[1], math.ceil(right)),
        )


@dataclass(frozen=True)
class Reduce:
    """A stage that turns each tile into a partial value; `merge` joins two, `finish(value, params)` ends.

    The partial of a tile counts the pixels of its own box alone: a stage with a `halo` takes a keyword `box`. It is a
    tensor, or anything with tensor `data` that `merge` and `finish` understand: all of them are kept until the end.
    Merging goes in tile order, so that the result does not depend on the number of threads.
    """

    merge: Callable[[Any, Any], Any] = Tensor.add
    finish: Callable[[Any, Params], Tensor] = lambda value, _: value
    halo: Halo = 0
    align: int = 2

    def halo_px(self, params: Params) -> int:
        """The halo in input pixels for these parameters."""
        return _halo_px(self.halo, params)


@dataclass(frozen=True)
class Placement:
    """Where the output of a geometric stage lies: its `size`, and the input box that an output box needs.

    `meta` is the metadata that later geometric stages see (for example with the crop taken away).
    """

    size: tuple[int, int]
    in_box: Callable[[Box], Box]
    meta: Meta


@dataclass(frozen=True)
class Footprint:
    """A geometric stage. `place(meta, size, params)` is asked once per run; the stage takes a keyword `box`.

    The stage gets the input box that its placement asked for and returns exactly the pixels of `box`, which is in
    coordinates of the output; `box` None means the whole output.
    """

    place: Callable[[Meta, tuple[int, int], Params], Placement]


class Whole:
    """The type of `WHOLE`."""

    def __repr__(self) -> str:
        return "WHOLE"


WHOLE = Whole()
"""All pixels at once: the runner hands over the whole image and cuts the graph before and after."""

Reach = Local | Reduce | Footprint | Whole
