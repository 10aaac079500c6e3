"""The values that travel on the wires of a graph: frames of pixels and features of a neural space."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from isp_ns.core.meta import Box, Cfa, Meta

__all__ = ["Features", "Frame"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image, or a tile of one, and what its numbers mean.

    `data` is (C, H, W): float32, linear with black = 0 and white = 1 and unclipped between stages, or uint16 counts
    on the `sensor` ports. `origin` (row, column) is where the tile starts in the full image of `full_size`
    (height, width); a whole image starts at (0, 0).
    """

    data: Tensor
    meta: Meta = field(default_factory=Meta)
    origin: tuple[int, int] = (0, 0)
    full_size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.data.dim() != 3:
            raise ValueError(f"a frame is (C, H, W), got a tensor of shape {tuple(self.data.shape)}")
        if self.full_size == (0, 0):
            object.__setattr__(self, "full_size", self.size)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.data.shape[-2], self.data.shape[-1]

    @property
    def box(self) -> Box:
        """The part of the full image that this frame covers."""
        (top, left), (height, width) = self.origin, self.size
        return top, left, top + height, left + width

    @property
    def cfa(self) -> Cfa:
        """The Bayer pattern at this frame's own first pixel. Raises ValueError on a frame without one."""
        if self.meta.cfa is None:
            raise ValueError("this frame has no colour filter array")
        return self.meta.cfa.phase(*self.origin)

    def crop(self, box: Box) -> "Frame":
        """The part inside `box`, given in coordinates of the full image; origin and CFA phase follow."""
        top, left, bottom, right = box
        y, x = self.origin
        if top < y or left < x or bottom > y + self.size[0] or right > x + self.size[1]:
            raise ValueError(f"box {box} is outside the frame, which covers {self.box}")
        data = self.data[:, top - y : bottom - y, left - x : right - x]
        return replace(self, data=data, origin=(top, left))

    def with_data(self, data: Tensor, **changes: Any) -> "Frame":
        """This frame with other pixels on the same grid, and any other field changed by name."""
        return replace(self, data=data, **changes)

    def with_meta(self, source: str = "stage", **values: Any) -> "Frame":
        """This frame with metadata fields replaced, their source noted."""
        return replace(self, meta=self.meta.with_values(source, **values))


@dataclass(frozen=True, eq=False)
class Features:
    """The neural space of an image: `b` (C_b, H/2, W/2) for detail and `t` (C_t, H/4, W/4) for structure.

    Sizes, origin and boxes are in pixels of the image, multiples of 4 but at the image's own end, where the grids
    are rounded up. `space_id` names the encoder family whose heads understand these numbers.
    """

    b: Tensor
    t: Tensor
    space_id: str
    meta: Meta = field(default_factory=Meta)
    origin: tuple[int, int] = (0, 0)
    extent: tuple[int, int] = (0, 0)
    full_size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.extent == (0, 0):
            object.__setattr__(self, "extent", (4 * self.t.shape[-2], 4 * self.t.shape[-1]))
        if self.full_size == (0, 0):
            object.__setattr__(self, "full_size", self.extent)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in image pixels."""
        return self.extent

    @property
    def box(self) -> Box:
        """The part of the full image that these features cover, in image pixels."""
        (top, left), (height, width) = self.origin, self.extent
        return top, left, top + height, left + width

    def crop(self, box: Box) -> "Features":
        """The part inside `box`, in pixels of the full image, multiples of 4 from this value's own origin."""
        top, left, bottom, right = box
        y, x = self.origin
        if (top - y) % 4 or (left - x) % 4:
            raise ValueError(f"features are cropped at multiples of 4 pixels from {self.origin}, not at {box}")
        rows, cols = slice(top - y, bottom - y), slice(left - x, right - x)
        return replace(
            self,
            b=self.b[:, rows.start // 2 : -(-rows.stop // 2), cols.start // 2 : -(-cols.stop // 2)],
            t=self.t[:, rows.start // 4 : -(-rows.stop // 4), cols.start // 4 : -(-cols.stop // 4)],
            origin=(top, left),
            extent=(bottom - top, right - left),
        )
