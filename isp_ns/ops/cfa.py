"""Bayer mosaics as tensors: masks, sampling, packing, and one phase for all.

A pattern is the reading-order string of the 2×2 cell at the first pixel, "RGGB" for example; the string itself is the
index table, so no function branches on it. Sizes may be odd unless said.
"""

from functools import lru_cache

import torch
from torch import Tensor

from isp_ns.ops.filters import pad_mirror

__all__ = [
    "cell_planes",
    "check_mosaic",
    "colour_cell",
    "colour_index",
    "colour_masks",
    "mosaic",
    "pack",
    "shift_pattern",
    "to_rggb",
    "unpack",
]

_CHANNELS = "RGB"


@lru_cache(maxsize=8)
def colour_cell(pattern: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The channel (0 = R, 1 = G, 2 = B) at each position of the 2×2 cell.

    Args:
        pattern: four letters in reading order; one R, one B, and two G on a diagonal.

    Returns:
        ((top left, top right), (bottom left, bottom right)).

    Raises:
        ValueError: if the letters are not a Bayer pattern.

    Source: Bayer, US patent 3971065 (1976); DNG 1.4, CFAPattern.
    """
    letters = pattern.upper()
    if sorted(letters) != ["B", "G", "G", "R"] or (letters[0] == "G") != (letters[3] == "G"):
        raise ValueError(f"{pattern!r} is not a Bayer pattern; use RGGB, BGGR, GRBG or GBRG in reading order")
    a, b, c, d = (_CHANNELS.index(letter) for letter in letters)
    return (a, b), (c, d)


@lru_cache(maxsize=8)
def cell_planes(pattern: str) -> tuple[tuple[int, int], ...]:
    """(row, column) in the 2×2 cell of R, of G beside R, of G beside B, and of B.

    Raises:
        ValueError: if `pattern` is not a Bayer pattern.

    Source: the order R, Gr, Gb, B of the packed raw images of the learned-ISP literature (Chen et al. 2018).
    """
    cell = colour_cell(pattern)
    (red,) = ((y, x) for y in (0, 1) for x in (0, 1) if cell[y][x] == 0)
    row, column = red
    return red, (row, 1 - column), (1 - row, column), (1 - row, 1 - column)


def shift_pattern(pattern: str, dy: int, dx: int) -> str:
    """The pattern as it starts at pixel (dy, dx); negative offsets are pixels before the first.

    Raises:
        ValueError: if `pattern` is not a Bayer pattern.

    Source: DNG 1.4, CFAPattern: the pattern repeats over the image.
    """
    cell = colour_cell(pattern)
    return "".join(_CHANNELS[cell[(y + dy) % 2][(x + dx) % 2]] for y in (0, 1) for x in (0, 1))


def colour_index(pattern: str, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The channel that each pixel samples: (height, width) int64 with 0 = R, 1 = G, 2 = B.

    Raises:
        ValueError: if `pattern` is not a Bayer pattern.

    Source: Bayer, US patent 3971065 (1976).
    """
    cell = torch.tensor(colour_cell(pattern), device=device)
    return cell.repeat(-(-height // 2), -(-width // 2))[:height, :width]


def colour_masks(pattern: str, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Where each channel is sampled: (3, height, width) bool, exactly one true per pixel.

    Raises:
        ValueError: if `pattern` is not a Bayer pattern.

    Source: Bayer, US patent 3971065 (1976).
    """
    channels = torch.arange(3, device=device)[:, None, None]
    return colour_index(pattern, height, width, device)[None] == channels


def mosaic(rgb: Tensor, pattern: str) -> Tensor:
    """Sample an RGB image through a Bayer colour filter array.

    Args:
        rgb: (3, H, W), any range and type.
        pattern: the 2×2 cell at the first pixel.

    Returns:
        (1, H, W), the same range and type.

    Raises:
        ValueError: if `rgb` has not three channels or `pattern` is not a Bayer pattern.

    Source: Bayer, US patent 3971065 (1976).
    """
    if rgb.dim() != 3 or rgb.shape[0] != 3:
        raise ValueError(f"an RGB image is (3, H, W), got a tensor of shape {tuple(rgb.shape)}")
    index = colour_index(pattern, rgb.shape[1], rgb.shape[2], rgb.device)
    return rgb.gather(0, index[None])


def check_mosaic(image: Tensor) -> tuple[int, int]:
    """Height and width of a mosaic that can be demosaicked.

    Args:
        image: (1, H, W), H and W at least 2.

    Raises:
        ValueError: on another shape. One row or column holds two of the three colours at most, and mirroring it
            cannot keep the phase.

    Source: none; an input check.
    """
    if image.dim() != 3 or image.shape[0] != 1:
        raise ValueError(f"a mosaic is (1, H, W), got a tensor of shape {tuple(image.shape)}")
    height, width = image.shape[1:]
    if min(height, width) < 2:
        raise ValueError(
            f"a mosaic of {height}×{width} pixels does not hold all three colours; give it at least 2×2 pixels"
        )
    return height, width


def pack(image: Tensor, pattern: str) -> Tensor:
    """The four colour planes of a mosaic, in the canonical order R, Gr, Gb, B whatever the pattern.

    Args:
        image: (1, H, W), H and W even.
        pattern: the 2×2 cell at the first pixel.

    Returns:
        (4, H/2, W/2).

    Raises:
        ValueError: if a side is odd (use `to_rggb` first) or `pattern` is not a Bayer pattern.

    Source: Chen et al., "Learning to See in the Dark" (2018), the packed raw input.
    """
    height, width = check_mosaic(image)
    if height % 2 or width % 2:
        raise ValueError(f"a mosaic of {height}×{width} pixels cannot be packed; bring it to even sides first")
    return torch.stack([image[0, y::2, x::2] for y, x in cell_planes(pattern)])


def unpack(planes: Tensor, pattern: str) -> Tensor:
    """The mosaic whose `pack` is `planes`.

    Args:
        planes: (4, H, W) in the order R, Gr, Gb, B.
        pattern: the 2×2 cell that the mosaic shall have at its first pixel.

    Returns:
        (1, 2 H, 2 W).

    Raises:
        ValueError: if there are not four planes or `pattern` is not a Bayer pattern.

    Source: Chen et al., "Learning to See in the Dark" (2018), the packed raw input.
    """
    if planes.dim() != 3 or planes.shape[0] != 4:
        raise ValueError(f"a packed mosaic is (4, H, W), got a tensor of shape {tuple(planes.shape)}")
    out = planes.new_empty(1, 2 * planes.shape[1], 2 * planes.shape[2])
    for plane, (y, x) in zip(planes, cell_planes(pattern), strict=True):
        out[0, y::2, x::2] = plane
    return out


def to_rggb(image: Tensor, pattern: str, margin: int = 0) -> tuple[Tensor, tuple[int, int]]:
    """Extend a mosaic to even sides and the phase RGGB, by mirroring about its outermost samples.

    The mirror does not repeat the edge sample, so every colour stays on its own sites. A result of the same size is
    cropped back as `result[:, top : top + H, left : left + W]`.

    Args:
        image: (1, H, W), H and W at least 2.
        pattern: the 2×2 cell at the first pixel.
        margin: even number of pixels to add on each side at least.

    Returns:
        The extended mosaic and (top, left), where the first pixel went.

    Raises:
        ValueError: if `image` is not a mosaic of 2×2 pixels or more, `margin` is odd or negative, or `pattern` is not
            a Bayer pattern.

    Source: Liu et al., "Learning Raw Image Denoising with Bayer Pattern Unification" (2019).
    """
    height, width = check_mosaic(image)
    if margin % 2 or margin < 0:
        raise ValueError(f"the margin must be even and not negative, got {margin}")
    (row, column), *_ = cell_planes(pattern)
    top, left = margin + row, margin + column
    bottom, right = margin + (height + row) % 2, margin + (width + column) % 2
    return pad_mirror(image, (top, bottom, left, right)), (top, left)
