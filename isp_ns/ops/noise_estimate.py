"""Blind estimate of a sensor's noise from one mosaic.

Blocks of each colour plane whose fine and coarse high-pass energies agree hold little but noise; a histogram of their
variance by level is the statistic, which adds over tiles and over photographs. The lower part of each level's
histogram, compared with what a block variance scatters by itself, gives one point of the line
variance = scale · x + offset.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "BLOCK_PX",
    "LEVELS",
    "VARIANCES",
    "colour_ratios",
    "limited_by_colour",
    "noise_from_statistics",
    "noise_statistics",
]

BLOCK_PX = 32
"""Side of a block in mosaic pixels: 16 samples of each colour plane."""

LEVELS = 40
"""Bins of the mean level, evenly spaced in the square root of the level from 0 to 1."""

VARIANCES = 320
"""Bins of the block variance, eight to the octave from 2⁻⁴⁰ to 1."""

_SATURATED = 0.97
_COARSE_OVER_FINE = 1.6
"""Greatest ratio of coarse to fine variance of a flat block; for white noise it is 1 with a scatter of 0.4."""
_TIED = 0.2
"""Greatest share of a block's samples that may equal its least one before it counts as clipped at black."""
_FREEDOM = 58.0
"""Degrees of freedom of the variance of a flat block, by simulation of white noise through this very selection."""
_SELECTION_BIAS = 1.017
"""Mean of the variance of the flat blocks over that of the noise, by the same simulation."""
_TRUNCATION = 1.0
"""Block variances above this multiple of the expected one, that is its upper half, may be texture: left out."""
_PRIOR_BLOCKS = 400.0
"""Weight, in blocks, with which a colour is drawn to the line of all three: one converter serves them all."""
_LEAST_BLOCKS = 20
_ROUNDS = 60
_QUIET_SHARE = 0.3
"""Share of the blocks of a picture in which differences of colour are taken to be free of texture."""
_QUIET_RATIO = 0.9
"""The quantile at that share of the variance of noise in blocks, over its mean."""
_CORRELATION = 1.5
"""How many times more variance noise may have than its differences of colour show: demosaickers make the colours of
a pixel alike. Three camera files, demosaicked and stored as PNG and JPEG, had 1.2 to 2.9, texture included; with 2
instead of 1.5 the texture of kodim13 is smoothed 1.3 dB more."""


def noise_statistics(mosaic: Tensor, pattern: str, *, every: int = 1) -> Tensor:
    """Histogram of local variance by level and colour; add those of tiles to get that of the whole.

    Args:
        mosaic: (1, H, W) linear, black 0, white 1, unclipped below black.
        pattern: four letters of the CFA at the first pixel.
        every: use every n-th block in both directions, for speed.

    Returns:
        (3, LEVELS, VARIANCES) counts of blocks of R, G, B.

    Source: the flat-block method of Foi et al. 2008, IEEE TIP 17(10), section IV, with the residual kernel of
    Immerkær 1996, CVIU 64(2), and a two-scale test of flatness.
    """
    histogram = mosaic.new_zeros(3, LEVELS, VARIANCES)
    for i, letter in enumerate(pattern):
        blocks = _blocks(mosaic[0, i // 2 :: 2, i % 2 :: 2], every)
        if not len(blocks):
            continue
        level, variance = _flat_blocks(blocks)
        row = (level.clamp_(0, 1).sqrt_() * LEVELS).long().clamp_(max=LEVELS - 1)
        column = ((variance.log2_() + 40.0) * 8.0).long().clamp_(0, VARIANCES - 1)
        flat = histogram["RGB".index(letter)].view(-1)
        flat.index_add_(0, row * VARIANCES + column, flat.new_ones(len(row)))
    return histogram


def colour_ratios(rgb: Tensor, noise: Sequence[tuple[float, float]]) -> Tensor:
    """Variance of R − G and B − G in blocks of a picture, over what a noise model expects there.

    Texture is mostly of one colour, noise is not: where the least of these are far below 1, the model is of texture.

    Args:
        rgb: (3, H, W) linear.
        noise: (scale, offset) for R, G, B.

    Returns:
        (N,) ratios of the blocks that are not clipped; none where the picture is grey.

    Source: none; the residual is that of `noise_statistics`, on every second pixel.
    """
    found = [rgb.new_empty(0)]
    for y, x in itertools.product((0, 1), (0, 1)):
        red, green, blue = (_blocks(plane[y::2, x::2], 1) for plane in rgb)
        least, most = (torch.stack([f(c.flatten(1), 1) for c in (red, green, blue)]) for f in (torch.amin, torch.amax))
        open_ended = (least.amin(0) > 0) & (most.amax(0) < _SATURATED)
        expected = [s * c.mean((1, 2)) + o for (s, o), c in zip(noise, (red, green, blue), strict=True)]
        for colour, plane in ((0, red), (2, blue)):
            difference = plane - green
            ratio = _residual_variance(difference) / (expected[colour] + expected[1]).clamp_(min=1e-12)
            found.append(ratio[open_ended & (difference != 0).any(2).any(1)])
    return torch.cat(found)


def limited_by_colour(noise: Sequence[tuple[float, float]], ratios: Tensor) -> tuple[tuple[float, float], ...]:
    """A noise model scaled down to what differences of colour allow, or as it is where they tell nothing.

    Args:
        noise: (scale, offset) for R, G, B.
        ratios: of `colour_ratios`, of all windows.

    Source: none; measured on Kodak-24 and on camera files.
    """
    if len(ratios) < _LEAST_BLOCKS:
        return tuple((scale, offset) for scale, offset in noise)
    quiet = float(ratios.kthvalue(1 + int(_QUIET_SHARE * (len(ratios) - 1))).values)
    factor = min(1.0, _CORRELATION * quiet / _QUIET_RATIO)
    return tuple((factor * scale, factor * offset) for scale, offset in noise)


def _blocks(plane: Tensor, every: int) -> Tensor:
    side = BLOCK_PX // 2
    if min(plane.shape) < side:
        return plane.new_empty(0, side, side)
    return plane.unfold(0, side, side * every).unfold(1, side, side * every).reshape(-1, side, side)


def _flat_blocks(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Mean level and noise variance of the (N, side, side) blocks that show no structure and no clipping."""
    fine = _residual_variance(blocks)
    halves = blocks[:, ::2] + blocks[:, 1::2]
    coarse = _residual_variance((halves[:, :, ::2] + halves[:, :, 1::2]).mul_(0.5))
    flat = blocks.flatten(1)
    tied = (flat == flat.amin(1, keepdim=True)).float().mean(1)
    keep = (coarse < _COARSE_OVER_FINE * fine) & (flat.amax(1) < _SATURATED) & (tied < _TIED) & (fine > 0)
    return flat[keep].mean(1), fine[keep]


def _residual_variance(blocks: Tensor) -> Tensor:
    """Variance of white noise in each block, by the kernel [1, −2, 1]ᵀ·[1, −2, 1], which no straight edge excites."""
    rows = blocks[:, :-2] + blocks[:, 2:]
    rows.sub_(blocks[:, 1:-1], alpha=2.0)
    out = rows[:, :, :-2] + rows[:, :, 2:]
    out.sub_(rows[:, :, 1:-1], alpha=2.0)
    return out.square_().mean((1, 2)).mul_(1.0 / 36.0)


def noise_from_statistics(histogram: Tensor) -> tuple[tuple[float, float], ...]:
    """Fit the noise model to the added statistics of `noise_statistics`.

    Args:
        histogram: (3, LEVELS, VARIANCES).

    Returns:
        (scale, offset) for R, G, B.

    Raises:
        ValueError: if there are fewer flat blocks than a fit needs.

    Source: iterated truncated mean of gamma-distributed block variances, after Foi et al. 2008, section IV.
    """
    counts = histogram.double()
    total = int(counts.sum())
    if total < _LEAST_BLOCKS:
        raise ValueError(f"only {total} flat blocks: too few to estimate noise; state the noise model instead")
    pooled = _fit(counts.sum(0))
    pairs = []
    for colour in counts:
        blocks = float(colour.sum())
        own = _fit(colour) if blocks else pooled
        trust = blocks / (blocks + _PRIOR_BLOCKS)
        pairs.append(tuple(trust * a + (1.0 - trust) * b for a, b in zip(own, pooled, strict=True)))
    return tuple((scale, offset) for scale, offset in pairs)


def _variance_axis(like: Tensor) -> Tensor:
    return torch.exp2((torch.arange(VARIANCES, dtype=like.dtype, device=like.device) + 0.5) / 8.0 - 40.0)


def _fit(counts: Tensor) -> tuple[float, float]:
    """Line through the truncated means of the variance at each level, truncated by the last line found."""
    steps = torch.arange(LEVELS, dtype=counts.dtype, device=counts.device)
    levels = ((steps + 0.5) / LEVELS).square()
    variances = _variance_axis(counts)
    low = _quantiles(counts, variances, 0.2)
    line = _fit_line(levels, low, counts.sum(-1) / low.square())
    for _ in range(_ROUNDS):
        model = (line[0] * levels + line[1]).clamp_(min=float(variances[0]))
        kept = counts * (variances < _TRUNCATION * _SELECTION_BIAS * model[:, None])
        blocks = kept.sum(-1)
        if not float(blocks.sum()):
            break
        means = (kept @ variances) / (blocks.clamp(min=1.0) * _truncated_mean())
        line = _fit_line(levels, means, blocks / model.square())
    return line


def _truncated_mean() -> float:
    """Mean of the variances of flat blocks below the truncation, for noise of variance 1."""
    shape = torch.tensor(_FREEDOM / 2, dtype=torch.float64)
    below = torch.special.gammainc(shape, shape * _TRUNCATION)
    return _SELECTION_BIAS * float(torch.special.gammainc(shape + 1, shape * _TRUNCATION) / below)


def _quantiles(counts: Tensor, variances: Tensor, share: float) -> Tensor:
    """Variance below which `share` of the blocks of each level lie: (LEVELS,)."""
    running = counts.cumsum(-1)
    index = (running < share * running[:, -1:]).sum(-1).clamp_(max=VARIANCES - 1)
    return variances[index]


def _fit_line(x: Tensor, y: Tensor, weights: Tensor) -> tuple[float, float]:
    """Weighted least squares for y = scale · x + offset with neither below 0."""
    w = weights
    sw, sx, sy, sxx, sxy = (float(v.sum()) for v in (w, w * x, w * y, w * x * x, w * x * y))
    determinant = sw * sxx - sx * sx
    scale = (sw * sxy - sx * sy) / determinant if determinant > 1e-12 * sw * sxx else 0.0
    offset = (sy - scale * sx) / sw
    if scale < 0:
        return 0.0, sy / sw
    return (sxy / sxx, 0.0) if offset < 0 else (scale, offset)
