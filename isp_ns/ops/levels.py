"""From stored counts to linear values with black at 0 and white at 1. Nothing is clipped. Halo 0.

The order is that of the DNG specification: look-up table, black level, scale (DNG 1.4, chapter 5, "Mapping Raw Values
to Linear Reference Values"), but for its last step, the clip, which is left to a later stage, and with each colour
scaled by its own white − black, so that a saturated neutral stays neutral.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["linearise", "normalise"]


def linearise(counts: Tensor, table: Tensor) -> Tensor:
    """Look stored counts up in a linearisation table; counts beyond it take its last entry.

    Args:
        counts: (C, H, W), uint16 or another integer type, at least 0.
        table: (N,) linear counts by stored count.

    Returns:
        (C, H, W) float32 linear counts.

    Raises:
        ValueError: if the table is empty or not one-dimensional.

    Source: DNG 1.4, tag LinearizationTable (50712).
    """
    if table.dim() != 1 or not len(table):
        raise ValueError(f"a linearisation table is a list of counts, got shape {tuple(table.shape)}")
    index = counts.flatten().to(torch.int32).clamp_(max=len(table) - 1)
    return table.to(counts.device, torch.float32).index_select(0, index).reshape(counts.shape)


def normalise(
    counts: Tensor,
    *,
    black: Sequence[Sequence[float]],
    white: Sequence[float],
    pattern: str | None = None,
    origin: tuple[int, int] = (0, 0),
    black_rows: Tensor | None = None,
    black_columns: Tensor | None = None,
) -> Tensor:
    """Subtract the black level and scale so that each colour saturates at 1.

    Args:
        counts: (1, H, W) mosaic or (C, H, W) planes, uint16 counts or linear counts in floating point.
        black: pattern of black levels in counts that repeats from the full frame's pixel (0, 0).
        white: saturation in counts: one value, or one for each of R, G, B.
        pattern: four letters of the CFA at the first pixel of `counts`; None for planes, which are R, G, B in order.
        origin: (row, column) of the first pixel in the full frame.
        black_rows: (full height,) further black by row, in counts.
        black_columns: (full width,) further black by column, in counts.

    Returns:
        float32 of the shape of `counts`, black 0, white 1, unclipped.

    Raises:
        ValueError: if white has neither one value nor three, or is not above black.

    Source: DNG 1.4, tags BlackLevel, BlackLevelDeltaH, BlackLevelDeltaV and WhiteLevel (50714 to 50717).
    """
    if len(white) not in (1, 3):
        raise ValueError(f"white has {len(white)} values; give one, or one for each of R, G, B")
    out = counts.to(torch.float32, copy=True)
    top, left = origin
    if black_rows is not None:
        out.sub_(black_rows[top : top + out.shape[1]].to(out)[:, None])
    if black_columns is not None:
        out.sub_(black_columns[left : left + out.shape[2]].to(out))
    lines = math.lcm(len(black), 2 if pattern else 1)
    for channel in range(out.shape[0]):
        for row in range(min(lines, out.shape[1])):
            blacks = black[(top + row) % len(black)]
            colours = _row_colours(pattern, channel, row)
            columns = range(math.lcm(len(blacks), len(colours)))
            low = [blacks[(left + x) % len(blacks)] for x in columns]
            high = [white[colours[x % len(colours)] % len(white)] for x in columns]
            _scale_rows(out[channel, row::lines], low, high)
    return out


def _row_colours(pattern: str | None, channel: int, row: int) -> tuple[int, ...]:
    """Index in "RGB" of each site of one period of a row."""
    if pattern is None:
        return (channel % 3,)
    return tuple("RGB".index(letter) for letter in pattern[2 * (row % 2) :][:2])


def _scale_rows(rows: Tensor, black: Sequence[float], white: Sequence[float]) -> None:
    """Map black to 0 and white to 1, in place, on rows of like pattern, given by one period."""
    if any(high <= low for low, high in zip(black, white, strict=True)):
        raise ValueError(f"white level {min(white)} is not above black level {max(black)}; check both")
    scale = [1.0 / (high - low) for low, high in zip(black, white, strict=True)]
    if len(set(black)) == len(set(scale)) == 1:
        rows.sub_(black[0]).mul_(scale[0])
        return
    repeats = -(-rows.shape[-1] // len(black))
    low, factor = (rows.new_tensor(v).repeat(repeats)[: rows.shape[-1]] for v in (black, scale))
    rows.sub_(low).mul_(factor)
