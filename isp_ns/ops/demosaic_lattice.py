"""A mosaic as three aligned lattices, on which directional demosaicking is a handful of passes over quarter planes.

In RGGB phase the red and blue samples are one lattice of sites, (2, h, w) with red first. To the right of every site
lies a green sample, and so below it: red has Gr at its right, blue has the Gb of the next column. Storing these greens
with the site they follow makes the geometry the same for both colours, and the vertical problem is the horizontal one
on transposed lattices:

    right[k, i, j] lies between sites[k, i, j] and sites[k, i, j + 1]
    below[k, i, j] lies between sites[k, i, j] and sites[k, i + 1, j]
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Lattice", "join_cells", "opposite_of_below", "opposite_of_right", "split_lattice", "window"]


class Lattice(NamedTuple):
    """The samples of a mosaic: `sites`, `right` and `below`, each (2, h, w) with the red lattice first."""

    sites: Tensor
    right: Tensor
    below: Tensor


def split_lattice(mosaic: Tensor) -> Lattice:
    """The lattices of an RGGB mosaic.

    Args:
        mosaic: (1, H, W) in phase RGGB, sides even and at least 4. The last two rows and columns only complete the
            last sites.

    Returns:
        Three (2, H/2 - 1, W/2 - 1) tensors.

    Source: none; index arithmetic.
    """
    m = mosaic[0]
    return Lattice(
        torch.stack([m[0:-2:2, 0:-2:2], m[1:-2:2, 1:-2:2]]),
        torch.stack([m[0:-2:2, 1:-2:2], m[1:-2:2, 2::2]]),
        torch.stack([m[1:-2:2, 0:-2:2], m[2::2, 1:-2:2]]),
    )


def window(x: Tensor, size: tuple[int, int], dy: int = 0, dx: int = 0) -> Tensor:
    """The part of `size` (rows, columns) at the centre of the last two axes, moved by (dy, dx); a view.

    Lattice arrays lose the same number of rows or columns on both sides with each step, so that equal offsets from
    the centre are the same site.

    Source: none; index arithmetic.
    """
    top = (x.shape[-2] - size[0]) // 2 + dy
    left = (x.shape[-1] - size[1]) // 2 + dx
    return x[..., top : top + size[0], left : left + size[1]]


def opposite_of_right(below: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Values stored at `below` positions as seen from the `right` positions of the other colour.

    The sample at the right of red (Gr) is the one below the blue of the row before; the sample at the right of blue
    (Gb) is the one below the red of the next column.

    Returns:
        Two views of `size`: for the right of red and for the right of blue.

    Source: none; index arithmetic.
    """
    return window(below[1], size, -1, 0), window(below[0], size, 0, 1)


def opposite_of_below(right: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Values stored at `right` positions as seen from the `below` positions of the other colour.

    Returns:
        Two views of `size`: for below red and for below blue.

    Source: none; index arithmetic.
    """
    return window(right[1], size, 0, -1), window(right[0], size, 1, 0)


def join_cells(channels: Sequence[Sequence[Tensor]]) -> Tensor:
    """An image from the planes of its 2×2 cells.

    Args:
        channels: for each channel, its four (h, w) planes in reading order; float32 or float64.

    Returns:
        (C, 2 h, 2 w). Not differentiable: columns are paired as complex numbers into one buffer, ten times as fast
        as `pixel_shuffle`.

    Source: none; index arithmetic.
    """
    plane = channels[0][0]
    height, width = plane.shape
    paired = torch.complex128 if plane.dtype == torch.float64 else torch.complex64
    out = torch.empty(len(channels), height, 2, width, dtype=paired, device=plane.device)
    for rows, planes in zip(out, channels, strict=True):
        torch.complex(planes[0], planes[1], out=rows[:, 0])
        torch.complex(planes[2], planes[3], out=rows[:, 1])
    return torch.view_as_real(out).reshape(len(channels), 2 * height, 2 * width)
