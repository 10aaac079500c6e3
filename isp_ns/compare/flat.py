"""Finding flat blocks of a picture, and reading them."""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from isp_ns.ops.filters import gaussian_blur

__all__ = ["BLOCK_PX", "Blocks", "Flatness", "flat_blocks", "without_plane"]

BLOCK_PX = 16
SHARE = 0.05
"""Share of the blocks that counts as flat."""

LEAST_BLOCKS = 4
USABLE = (0.04, 0.96)
"""Encoded range that no channel of a block may leave: beyond it noise is clipped."""


class Flatness(Enum):
    """How flatness is judged: the truth by its own values, a noisy picture by what a blur leaves of it."""

    OF_TRUTH = 0.0
    OF_NOISY = 2.0


@dataclass(frozen=True, eq=False)
class Blocks:
    """Some blocks of a picture: their numbers in reading order among all blocks."""

    index: Tensor

    def of(self, image: Tensor) -> Tensor:
        """(C, N, pixels) of these blocks in (C, H, W)."""
        return _all_blocks(image)[:, self.index]

    def __len__(self) -> int:
        return int(self.index.numel())


def flat_blocks(image: Tensor, flatness: Flatness, levels: tuple[float, float] = (0.0, 1.0)) -> Blocks:
    """The flattest twentieth of a picture's blocks, without those that are nearly black or white.

    Args:
        image: (3, H, W) encoded, 0..1.
        flatness: whether the picture is free of noise or not. A noisy one is judged after a blur, so that the blocks
            chosen are those without texture, not those that happen to have the least noise.
        levels: only blocks whose mean lies in this range, the upper end excluded.

    Returns:
        No blocks if the picture is too small or has none in range.

    Source: none; the usual choice of homogeneous blocks for noise estimation, e.g. Olsen, "Estimation of noise in
    images: an evaluation" (1993).
    """
    if min(image.shape[1:]) < BLOCK_PX:
        return Blocks(torch.empty(0, dtype=torch.int64))
    judged = image if flatness is Flatness.OF_TRUTH else gaussian_blur(image, flatness.value)
    blocks = _all_blocks(judged)
    level = blocks.mean((0, -1))
    in_range = ((blocks > USABLE[0]) & (blocks < USABLE[1])).all(-1).all(0)
    in_range &= (level >= levels[0]) & (level < levels[1])
    unrest = without_plane(blocks).square().mean(-1).sum(0)
    candidates = in_range.nonzero()[:, 0]
    count = min(max(LEAST_BLOCKS, round(SHARE * len(candidates))), len(candidates))
    return Blocks(candidates[unrest[candidates].argsort()[:count]].sort().values)


def without_plane(blocks: Tensor) -> Tensor:
    """Blocks less the least-squares plane of each.

    Args:
        blocks: (C, N, pixels) as `Blocks.of` gives them.

    Source: least squares; rows and columns of a block are orthogonal, so each slope is found by itself.
    """
    place = torch.arange(BLOCK_PX, dtype=blocks.dtype) - (BLOCK_PX - 1) / 2
    down, across = place.repeat_interleave(BLOCK_PX), place.repeat(BLOCK_PX)
    result = blocks - blocks.mean(-1, keepdim=True)
    for direction in (down, across):
        slope = (blocks * direction).sum(-1, keepdim=True) / direction.square().sum()
        result = result - slope * direction
    return result


def _all_blocks(image: Tensor) -> Tensor:
    """(C, N, pixels): the picture as blocks in reading order; what is left at the right and below is not used."""
    channels, height, width = image.shape
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    cut = image[:, : rows * BLOCK_PX, : columns * BLOCK_PX]
    split = cut.reshape(channels, rows, BLOCK_PX, columns, BLOCK_PX).transpose(2, 3)
    return split.reshape(channels, rows * columns, BLOCK_PX * BLOCK_PX)
