"""Hot and dead pixels of a mosaic: found against neighbours of their own colour, replaced along the smoothest line.

A pixel is suspect when it lies beyond the second greatest (or second least) of its eight neighbours of the same colour
by more than noise and local contrast explain; the second, so that two defects side by side do not hide one another.
What tells a suspect from a star or a fleck of texture is the other colours: light falls on the pixels around it as
well, a defect sits alone or with one other.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from isp_ns.ops.filters import pad_mirror
from isp_ns.ops.noise import NoisePairs

__all__ = ["HALO", "correct_defects", "detect_defects", "replace_defects"]

HALO = 6
"""Pixels around a tile that the correction of its pixels depends on: 4 to detect, 2 to replace."""

_RUN = 64
_Pick = Callable[..., Tensor]
_Sites = tuple[tuple[int, int], ...]
_NEAREST: _Sites = ((-1, 0), (0, -1), (0, 1), (1, 0))
_RING: _Sites = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)
_ISOLATED_SHARE = 0.16
"""Of a suspect's excess: what its second most conspicuous neighbour may show. A star of σ = 0.6 px shows 0.25."""
_ISOLATED_SIGMA = 2.5
"""Noise below which a neighbour never counts as conspicuous, in standard deviations."""


def detect_defects(mosaic: Tensor, noise: NoisePairs, *, threshold_sigma: float = 6.0, contrast: float = 0.7) -> Tensor:
    """Find hot and dead pixels, single or in pairs.

    Args:
        mosaic: (1, H, W) linear, black 0, white 1.
        noise: (scale, offset) pairs of the noise model; the noisiest colour sets the threshold.
        threshold_sigma: how far beyond its neighbours a defect lies, in standard deviations of the noise.
        contrast: how far beyond them it lies besides, as a share of their own spread; higher spares more texture.

    Returns:
        (N, 2) rows and columns, int64.

    Source: impulse detection by order statistics, as the ROAD statistic of Garnett et al. 2005, IEEE TIP 14(11), with
    the second extremum in place of a sum of ranked differences.
    """
    scale, offset = max(s for s, _ in noise), max(o for _, o in noise)
    low, high = _second_extrema(mosaic)
    excess = torch.maximum(mosaic - high, low - mosaic).sub_(high, alpha=contrast).add_(low, alpha=contrast)
    allowed = threshold_sigma**2
    beyond = excess.clamp_(min=0).square_().sub_(high.clamp_(min=0), alpha=allowed * scale)
    suspects = _points_above(beyond[0], allowed * offset)
    return _stand_alone(mosaic, suspects, scale, offset) if len(suspects) else suspects


def _points_above(plane: Tensor, threshold: float) -> Tensor:
    """Rows and columns of the few values above a threshold: (N, 2). Runs without any are passed over whole."""
    flat = plane.flatten()
    whole = len(flat) // _RUN * _RUN
    runs = flat[:whole].view(-1, _RUN)
    hits = (runs.amax(1) > threshold).nonzero()[:, 0]
    places = (runs.index_select(0, hits) > threshold).nonzero()
    tail = (flat[whole:] > threshold).nonzero()[:, 0] + whole
    index = torch.cat([hits[places[:, 0]] * _RUN + places[:, 1], tail])
    return torch.stack([index // plane.shape[1], index % plane.shape[1]], 1)


def _second_extrema(mosaic: Tensor) -> tuple[Tensor, Tensor]:
    """Second least and second greatest of the eight neighbours of the same colour, by merging sorted pairs."""
    padded = pad_mirror(mosaic, 2)
    left, right, middle = padded[..., :-4], padded[..., 4:], padded[..., 2:-2]
    least, most = torch.minimum(left, right), torch.maximum(left, right)
    low = _second_of(torch.minimum, torch.maximum, least, most, middle)
    high = _second_of(torch.maximum, torch.minimum, most, least, middle)
    return low, high


def _second_of(pick: _Pick, other: _Pick, first: Tensor, second: Tensor, middle: Tensor) -> Tensor:
    """Second extremum over the ring of rows −2, 0, 2, given the sorted outer columns; `pick` is the extremum."""
    row_first = pick(first, middle)
    row_second = pick(second, other(first, middle))
    up, down = row_first[..., :-4, :], row_first[..., 4:, :]
    ring_second = pick(other(up, down), pick(row_second[..., :-4, :], row_second[..., 4:, :]))
    ring_first = pick(up, down)
    first, second = first[..., 2:-2, :], second[..., 2:-2, :]
    return pick(other(ring_first, first, out=ring_first), pick(ring_second, second, out=ring_second))


def _gather(plane: Tensor, points: Tensor, offsets: Sequence[tuple[int, int]], halo: int) -> Tensor:
    """Values at `points` + each offset of a plane that was padded by `halo`: (N, len(offsets))."""
    width = plane.shape[-1]
    base = (points[:, 0] + halo) * width + points[:, 1] + halo
    steps = torch.tensor([dy * width + dx for dy, dx in offsets], device=plane.device)
    index = base[:, None] + steps
    return plane.reshape(-1).index_select(0, index.flatten()).view(index.shape)


def _stand_alone(mosaic: Tensor, suspects: Tensor, scale: float, offset: float) -> Tensor:
    """The suspects that have no conspicuous neighbour, or just one that is a lone suspect like them: (M, 2)."""
    padded = pad_mirror(mosaic, 3)[0]
    # Two conspicuous neighbours clear a suspect, and most of the cleared have them among the nearest four.
    for sites in (_NEAREST, _RING):
        beyond = _beyond(padded, suspects, sites, scale, offset)
        apart = (beyond > 0).sum(1) <= 1
        suspects, beyond = suspects[apart], beyond[apart]
    most, where = beyond.max(1)
    lone = torch.zeros(mosaic.shape[-2:], dtype=torch.bool, device=mosaic.device)
    lone[suspects[:, 0], suspects[:, 1]] = True
    partner = suspects + torch.tensor(_RING, device=suspects.device)[where]
    inside = ((partner >= 0) & (partner < partner.new_tensor(lone.shape))).all(1)
    partner = partner * inside[:, None]
    return suspects[(most <= 0) | (inside & lone[partner[:, 0], partner[:, 1]])]


def _beyond(padded: Tensor, suspects: Tensor, sites: _Sites, scale: float, offset: float) -> Tensor:
    """By how much neighbours are more conspicuous than they may be next to a defect: (N, number of sites).

    `padded` is the plane with a margin of 3 pixels; the excess of a pixel is counted in the direction of the suspect's.
    """
    cross = ((0, 0), (0, -2), (0, 2), (-2, 0), (2, 0))
    offsets = [(y + dy, x + dx) for y, x in ((0, 0), *sites) for dy, dx in cross]
    values = _gather(padded, suspects, offsets, 3).view(-1, len(sites) + 1, len(cross))
    cross_values = values[..., 1:]
    around = (cross_values.sum(-1) - cross_values.amax(-1) - cross_values.amin(-1)).mul_(0.5)
    excess = values[..., 0] - around
    excess = excess * excess[:, :1].sign()
    sigma = (around * scale + offset).clamp_(min=0).sqrt_()
    limit = torch.maximum(_ISOLATED_SHARE * excess[:, :1], _ISOLATED_SIGMA * sigma[:, 1:])
    return excess[:, 1:] - limit


_LINES = ((0, 2), (2, 0), (2, 2), (2, -2), (1, 1), (1, -1))
"""(rows, columns) from a pixel to one of its own colour; the last two, between rows, are for green only."""
_ENDS = tuple((sign * dy, sign * dx) for dy, dx in _LINES for sign in (-1, 1))
_BETWEEN = tuple((y // 2, x // 2) if 2 in (abs(y), abs(x)) else (y, x) for y, x in _ENDS)


def replace_defects(mosaic: Tensor, points: Tensor, pattern: str) -> Tensor:
    """Replace pixels by the mean of two of their own colour, across the line along which the picture changes least.

    Args:
        mosaic: (1, H, W).
        points: (N, 2) rows and columns of the defects in the tile; those outside it are passed over. Defects do not
            serve in the replacement of one another, so that dead rows and columns may be listed too.
        pattern: four letters of the CFA at the first pixel.

    Returns:
        (1, H, W), the input itself if there is nothing to replace.

    Source: directional interpolation along the least gradient, as in Hamilton and Adams 1997, US patent 5,629,734
    (expired), applied to one pixel.
    """
    height, width = mosaic.shape[-2:]
    inside = ((points >= 0) & (points < points.new_tensor([height, width]))).all(1)
    points = points[inside]
    if not len(points):
        return mosaic
    rows, columns = points.unbind(1)
    green = torch.tensor([letter == "G" for letter in pattern], device=mosaic.device)
    allowed = torch.ones(len(points), len(_LINES), dtype=torch.bool, device=mosaic.device)
    allowed[:, -2:] = green[2 * (rows % 2) + columns % 2, None]
    out = mosaic.clone()
    out[0, rows, columns] = float("nan")
    found = _along_lines(out, points, allowed)
    out[0, rows, columns] = torch.where(found.isnan(), mosaic[0, rows, columns], found)
    return out


def _along_lines(mosaic: Tensor, points: Tensor, allowed: Tensor) -> Tensor:
    """Mean of the pair on the line of least change, or of all sound pixels, or NaN: (N,). Defects are NaN."""
    values = _gather(pad_mirror(mosaic, 2)[0], points, _ENDS + _BETWEEN, 2)
    pair, near = values.view(-1, 2, len(_LINES), 2).unbind(1)
    change = (pair[..., 0] - pair[..., 1]).abs_().nan_to_num_(nan=float("inf"))
    change += (near[..., 0] - near[..., 1]).abs_().nan_to_num_(nan=0.0)
    best, line = change.masked_fill_(~allowed, float("inf")).min(1)
    paired = pair.mean(-1).gather(1, line[:, None])[:, 0]
    mean = pair.masked_fill(~allowed[..., None], float("nan")).flatten(1).nanmean(1)
    return torch.where(best.isfinite(), paired, mean)


def correct_defects(
    mosaic: Tensor,
    pattern: str,
    noise: NoisePairs,
    *,
    listed: Tensor | None = None,
    origin: tuple[int, int] = (0, 0),
    threshold_sigma: float = 6.0,
    contrast: float = 0.7,
) -> Tensor:
    """Detect defects, add those that are known, and replace them all; halo `HALO`.

    Args:
        mosaic: (1, H, W) linear, black 0, white 1.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs of the noise model.
        listed: (N, 2) rows and columns of known defects in the full frame.
        origin: (row, column) of the first pixel in the full frame.
        threshold_sigma: see `detect_defects`; infinite to correct the listed ones only.
        contrast: see `detect_defects`.

    Returns:
        (1, H, W), the input itself if there is nothing to replace.

    Source: see `detect_defects` and `replace_defects`.
    """
    points = torch.empty(0, 2, dtype=torch.int64, device=mosaic.device)
    if listed is not None:
        points = listed.to(points) - points.new_tensor(origin)
        mosaic = replace_defects(mosaic, points, pattern)
    if threshold_sigma == float("inf"):
        return mosaic
    found = detect_defects(mosaic, noise, threshold_sigma=threshold_sigma, contrast=contrast)
    return replace_defects(mosaic, torch.cat([points, found]), pattern) if len(found) else mosaic
