"""From stored counts to linear values with black at 0 and white at 1. Nothing is clipped. Halo 0.

The order is that of the DNG specification: look-up table, black level, scale (DNG 1.4, chapter 5, "Mapping Raw Values
to Linear Reference Values"), but for its last step, the clip, which is left to a later stage, and with each colour
scaled by its own white − black, so that a saturated neutral stays neutral.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["linearise", "normalise", "site_values"]


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


def site_values(pattern: Sequence[Sequence[float]], origin: tuple[int, int], width: int, row: int) -> tuple[float, ...]:
    """One row of a repeating pattern as it falls on a tile.

    Args:
        pattern: rows of values that repeat in both directions from the full frame's pixel (0, 0).
        origin: (row, column) of the tile's first pixel in the full frame.
        width: values wanted.
        row: row of the tile.

    Returns:
        `width` values.

    Source: DNG 1.4, tag BlackLevelRepeatDim (50713).
    """
    line = pattern[(origin[0] + row) % len(pattern)]
    start = origin[1] % len(line)
    repeats = -(-(start + width) // len(line))
    return (tuple(line) * repeats)[start : start + width]


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
            colours = _colours(pattern, channel, row, out.shape[2])
            blacks = site_values(black, origin, out.shape[2], row)
            saturation = [white[colour % len(white)] for colour in colours]
            _scale_line(out[channel, row::lines], blacks, saturation)
    return out


def _colours(pattern: str | None, channel: int, row: int, width: int) -> Sequence[int]:
    """Index in "RGB" of each site of one row."""
    if pattern is None:
        return [channel % 3] * width
    pair = ["RGB".index(letter) for letter in pattern[2 * (row % 2) :][:2]]
    return (pair * (width // 2 + 1))[:width]


def _scale_line(rows: Tensor, black: Sequence[float], white: Sequence[float]) -> None:
    """Map black to 0 and white to 1, in place, on rows of like pattern."""
    low = torch.tensor(black, dtype=torch.float64)
    span = torch.tensor(white, dtype=torch.float64) - low
    if bool((span <= 0).any()):
        raise ValueError(f"white level {min(white)} is not above black level {max(black)}; check both")
    rows.sub_(low.to(rows)).mul_((1.0 / span).to(rows))
