"""Where pictures differ: maps of colour difference, and the places worth looking at."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.core.meta import Box
from isp_ns.metrics.colour_difference import cielab, delta_e_2000

__all__ = ["MAP_TOP", "coloured", "difference_map", "disagreement_map", "map_step", "most_different"]

MAP_TOP = 10.0
"""ΔE at the bright end of a map's scale."""

MAP_PIXELS = 2_500_000
"""Maps of larger pictures leave out rows and columns."""

STRIP_ROWS = 128
"""Rows at work at a time: double-precision CIELAB of a large photo would take gigabytes."""

_ANCHORS = (
    (13, 12, 27),
    (43, 28, 92),
    (107, 33, 120),
    (172, 50, 107),
    (226, 87, 77),
    (247, 152, 72),
    (252, 214, 130),
    (255, 252, 230),
)
"""Colours of the scale, dark to bright with evenly rising lightness."""


def map_step(size: tuple[int, int]) -> int:
    """Every how many pixels of a row and column a map looks at: 1 up to `MAP_PIXELS`, more for larger pictures.

    Source: none; pixels are left out, not averaged, because averages would hide noise.
    """
    return max(1, math.ceil(math.sqrt(size[0] * size[1] / MAP_PIXELS)))


def difference_map(test: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 difference by pixel.

    Args:
        test: (3, H, W) encoded for sRGB.
        reference: (3, H, W).

    Returns:
        (H, W) float32.

    Source: Sharma, Wu, Dalal (2005).
    """
    rows = [
        delta_e_2000(cielab(test[:, top : top + STRIP_ROWS]), cielab(reference[:, top : top + STRIP_ROWS])).float()
        for top in range(0, test.shape[1], STRIP_ROWS)
    ]
    return torch.cat(rows)


def disagreement_map(images: Sequence[Tensor]) -> Tensor:
    """How far renderings are from each other: root-mean-square CIELAB distance from their mean, by pixel.

    Args:
        images: (3, H, W) encoded for sRGB, two or more.

    Returns:
        (H, W) float32; zeros for fewer than two.

    Source: CIE 15:2004, section 8.2.1, for the distance.
    """
    rows = []
    for top in range(0, images[0].shape[1], STRIP_ROWS):
        lab = torch.stack([cielab(image[:, top : top + STRIP_ROWS]) for image in images])
        rows.append((lab - lab.mean(0)).square().sum(1).mean(0).sqrt().float())
    return torch.cat(rows)


def coloured(values: Tensor, top: float = MAP_TOP) -> Tensor:
    """A map as a picture.

    Args:
        values: (H, W), 0 and above.
        top: the value at the bright end; larger ones look the same.

    Returns:
        (3, H, W) uint8.

    Source: none; eight colours of rising lightness, interpolated.
    """
    anchors = torch.tensor(_ANCHORS, dtype=torch.float32)
    place = (values.float() / top).nan_to_num().clamp(0.0, 1.0) * (len(_ANCHORS) - 1)
    low = place.floor().clamp(max=len(_ANCHORS) - 2)
    share = (place - low)[..., None]
    colour = anchors[low.long()] * (1 - share) + anchors[low.long() + 1] * share
    return colour.round().to(torch.uint8).movedim(-1, 0)


def most_different(values: Tensor, size_px: int, most: int, border_px: int = 8) -> list[Box]:
    """The windows with the greatest mean of a map, the greatest first.

    Args:
        values: (H, W).
        size_px: side of a window, less where the map is smaller.
        most: how many windows to find; their middles are at least one and a half sides apart.
        border_px: distance to the sides of the map, where pipelines follow different rules.

    Returns:
        Boxes; fewer where there is no room.

    Source: none; greedy choice of maxima.
    """
    height, width = values.shape
    border = border_px if min(height, width) >= size_px + 2 * border_px else 0
    size = min(size_px, height, width)
    inner = values[border : height - border, border : width - border]
    step = max(1, size // 16)
    score = F.avg_pool2d(inner[None, None].float(), size, step)[0, 0].clone()
    reach = -(-3 * size // (2 * step))
    boxes: list[Box] = []
    while len(boxes) < most and bool((score >= 0).any()):
        row, column = divmod(int(score.argmax()), score.shape[1])
        top, left = row * step + border, column * step + border
        boxes.append((top, left, top + size, left + size))
        score[max(0, row - reach + 1) : row + reach, max(0, column - reach + 1) : column + reach] = -1.0
    return boxes
