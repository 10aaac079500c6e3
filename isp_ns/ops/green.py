"""Green equilibration: evens out the two greens of a Bayer cell, which crosstalk and readout make unequal.

Demosaicing takes a difference between the greens of red rows and of blue rows for detail and draws a maze. Half of the
local mean difference is taken from the one and given to the other, so that their mean stays.
"""

import torch
from torch import Tensor

from isp_ns.ops.filters import box_mean, pad_mirror
from isp_ns.ops.noise import NoisePairs

__all__ = ["equilibrate_green", "green_halo"]


def green_halo(radius_px: int = 4) -> int:
    """Pixels around a tile that the equilibration of its pixels depends on.

    Args:
        radius_px: as in `equilibrate_green`.

    Source: none; two pixels for the diagonal neighbours besides the window.
    """
    return 2 * (radius_px // 2) + 2


def equilibrate_green(
    mosaic: Tensor, pattern: str, noise: NoisePairs, *, radius_px: int = 4, limit: float = 0.04
) -> Tensor:
    """Take half of the local mean difference of the greens from the greater and give it to the lesser.

    Args:
        mosaic: (1, H, W) linear.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs; differences beyond 3 standard deviations and beyond `limit` count as detail.
        radius_px: half side of the averaging window in pixels.
        limit: greatest imbalance taken for one, as a share of the level.

    Returns:
        (1, H, W); red and blue as they were.

    Source: none; mean of the differences to the four diagonal greens, clipped so that detail does not enter it.
    """
    sites = [divmod(i, 2) for i, letter in enumerate(pattern) if letter == "G"]
    if min(mosaic.shape[-2:]) < 2:
        return mosaic
    padded = pad_mirror(mosaic, 2)
    out = mosaic.clone()
    for row, column in sites:
        out[:, row::2, column::2].sub_(_imbalance(padded, row, column, noise, radius_px, limit), alpha=0.5)
    return out


def _imbalance(padded: Tensor, row: int, column: int, noise: NoisePairs, radius_px: int, limit: float) -> Tensor:
    """Local mean excess of the greens at (row, column) of the cell over the greens on their diagonals."""
    height, width = padded.shape[-2] - 4, padded.shape[-1] - 4

    def site(dy: int, dx: int) -> Tensor:
        return padded[:, 2 + row + dy : 2 + dy + height : 2, 2 + column + dx : 2 + dx + width : 2]

    own = site(0, 0)
    others = site(-1, -1).add(site(-1, 1)).add_(site(1, -1)).add_(site(1, 1)).mul_(0.25)
    scale, offset = max(s for s, _ in noise), max(o for _, o in noise)
    level = others.clamp(min=0)
    bound = (level * (9.0 * scale)).add_(9.0 * offset).sqrt_().add_(level, alpha=limit)
    excess = torch.minimum((own - others), bound)
    torch.maximum(excess, bound.neg_(), out=excess)
    return box_mean(excess, radius_px // 2)
