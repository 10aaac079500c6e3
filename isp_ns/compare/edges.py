"""Sharpness by slanted edges: finding straight edges in a picture, and the spatial frequency response across them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.core.meta import Box
from isp_ns.ops.filters import gaussian_blur

__all__ = ["Edge", "EdgeResponse", "edge_response", "find_edges"]

WINDOW_PX = 40
STEP_PX = 20
OVERSAMPLING = 4
CANDIDATES = 240

LEAST_SLANT_DEG, MOST_SLANT_DEG = 1.5, 20.0
LEAST_STEP = 0.12
"""Least step of linear luminance over an edge."""

MOST_UNREST = 0.08
"""Most that either side of an edge may vary, as a share of the step."""

MOST_BEND_PX = 0.5
"""Most that the edge's place may deviate from a straight line, root mean square."""


@dataclass(frozen=True)
class Edge:
    """A straight edge: the box around it, and whether it runs more across the picture than down."""

    box: Box
    lying: bool


@dataclass(frozen=True)
class EdgeResponse:
    """The response across an edge.

    Attributes:
        mtf50: spatial frequency where the response falls to a half, cycles per pixel.
        slant_deg: the edge's angle to the pixel grid.
        step: of linear luminance.
        bend_px: root-mean-square distance of the edge from a line.
        unrest: the larger standard deviation of both sides, as a share of the step.
    """

    mtf50: float
    slant_deg: float
    step: float
    bend_px: float
    unrest: float


def find_edges(luminance: Tensor, most: int = 3) -> list[Edge]:
    """The cleanest straight slanted edges of a picture.

    Args:
        luminance: (H, W) linear luminance.
        most: how many to give.

    Returns:
        Edges that do not overlap, cleanest first; none if the picture has none that serves.

    Source: ISO 12233:2017, annex D, for what an edge must be like; none for the search.
    """
    found: list[tuple[float, Edge]] = []
    for edge in _candidates(luminance):
        response = edge_response(luminance, edge)
        if response is not None and _serves(response):
            found.append((response.unrest + 0.1 * response.bend_px, edge))
    chosen: list[Edge] = []
    for _, edge in sorted(found, key=lambda each: each[0]):
        if len(chosen) < most and not any(_overlap(edge.box, other.box) for other in chosen):
            chosen.append(edge)
    return chosen


def edge_response(luminance: Tensor, edge: Edge) -> EdgeResponse | None:
    """The spatial frequency response across a slanted edge.

    Each line's edge is located by the centroid of its derivative, a straight line is fitted through them, the pixels
    are projected along it into bins of a quarter pixel, and the derivative of that edge profile is transformed.

    Args:
        luminance: (H, W) linear luminance.
        edge: where.

    Returns:
        The response; None where there is no single edge in the box.

    Source: ISO 12233:2017, annex D (edge-based spatial frequency response).
    """
    top, left, bottom, right = edge.box
    part = luminance[top:bottom, left:right].double()
    lines = part.T if edge.lying else part
    step = float(lines[:, -4:].mean() - lines[:, :4].mean())
    if abs(step) < 1e-3:
        return None
    lines = lines if step > 0 else lines.flip(1)
    slope, places = _edge_line(lines)
    fitted = places.mean() + slope * _centred(len(lines))
    if not bool(((fitted > 3) & (fitted < lines.shape[1] - 4)).all()):
        return None
    profile = _profile(lines, fitted, slope)
    mtf50 = _mtf50(profile) if profile is not None else None
    if mtf50 is None:
        return None
    distance = torch.arange(lines.shape[1], dtype=torch.float64)[None] - fitted[:, None]
    sides = [lines[distance < -6], lines[distance > 6]]
    unrest = max(float(side.std()) if side.numel() > 8 else math.inf for side in sides) / abs(step)
    bend = float((places - fitted).square().mean().sqrt())
    return EdgeResponse(mtf50, math.degrees(math.atan(abs(float(slope)))), abs(step), bend, unrest)


def _serves(response: EdgeResponse) -> bool:
    return (
        LEAST_SLANT_DEG <= response.slant_deg <= MOST_SLANT_DEG
        and response.step >= LEAST_STEP
        and response.bend_px <= MOST_BEND_PX
        and response.unrest <= MOST_UNREST
    )


def _centred(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64) - (count - 1) / 2


def _edge_line(lines: Tensor) -> tuple[Tensor, Tensor]:
    """Slope of the edge in pixels per line, and its place in every line: two rounds, the second looking near it."""
    derivative = lines[:, 1:] - lines[:, :-1]
    at = torch.arange(derivative.shape[1], dtype=torch.float64) + 0.5
    centre = torch.full((len(lines),), float(lines.shape[1] / 2 - 0.5), dtype=torch.float64)
    slope = torch.zeros((), dtype=torch.float64)
    places = centre
    for width in (derivative.shape[1], 16):
        near = ((at[None] - centre[:, None]).abs() / (width / 2)).clamp(max=1.0)
        # A Hamming window that follows the edge keeps noise far from it out of the centroid.
        weight = (0.54 + 0.46 * torch.cos(math.pi * near)) * (near < 1)
        weighted = derivative * weight
        mass = weighted.sum(1)
        usable = torch.where(mass.abs() > 1e-9, mass, torch.full_like(mass, math.inf))
        places = torch.where(mass.abs() > 1e-9, (weighted * at).sum(1) / usable, centre)
        index = _centred(len(lines))
        slope = (index * (places - places.mean())).sum() / index.square().sum()
        centre = places.mean() + slope * index
    return slope, places


def _profile(lines: Tensor, fitted: Tensor, slope: Tensor) -> Tensor | None:
    """The edge profile in bins of a quarter pixel, measured square to the edge; None where bins stay empty."""
    across = 1.0 / torch.sqrt(1.0 + slope * slope)
    distance = (torch.arange(lines.shape[1], dtype=torch.float64)[None] - fitted[:, None]) * across
    reach = float(torch.minimum(-distance[:, 0].max(), distance[:, -1].min()))
    half = int(min(reach, 16.0) * OVERSAMPLING)
    index = (distance * OVERSAMPLING).round().long() + half
    inside = (index >= 0) & (index <= 2 * half)
    sums = torch.zeros(2 * half + 1, dtype=torch.float64).index_add_(0, index[inside], lines[inside])
    counts = torch.zeros_like(sums).index_add_(0, index[inside], torch.ones_like(lines[inside]))
    if half < 16 or bool((counts == 0).any()):
        return None
    return sums / counts


def _mtf50(profile: Tensor) -> float | None:
    """Frequency of half response of an edge profile, cycles per pixel; None where it never falls that low."""
    spread = (profile[2:] - profile[:-2]) / 2
    centre = int(spread.abs().argmax())
    half = min(centre, len(spread) - 1 - centre)
    spread = spread[centre - half : centre + half + 1]
    if half < 8 or float(spread.sum()) <= 0:
        return None
    response = torch.fft.rfft(spread * torch.hamming_window(len(spread), periodic=False, dtype=torch.float64)).abs()
    cycles = torch.arange(len(response), dtype=torch.float64) * OVERSAMPLING / len(spread)
    # The difference over two bins is itself a filter, sin(x) / x; undo it.
    phase = (2 * math.pi * cycles / OVERSAMPLING).clamp(min=1e-9)
    response = response / response[0] / (torch.sin(phase) / phase).clamp(min=0.1)
    below = (response < 0.5).nonzero()
    if not len(below) or int(below[0]) == 0 or float(cycles[int(below[0])]) > 1.0:
        return None
    k = int(below[0])
    share = (response[k - 1] - 0.5) / (response[k - 1] - response[k])
    return float(cycles[k - 1] + share * (cycles[k] - cycles[k - 1]))


def _candidates(luminance: Tensor) -> Iterator[Edge]:
    """Windows whose gradients have one direction, strongest first."""
    if min(luminance.shape) < WINDOW_PX + 4:
        return
    smooth = gaussian_blur(luminance[None], 1.0)[0]
    across, down = (smooth[1:-1, 2:] - smooth[1:-1, :-2]) / 2, (smooth[2:, 1:-1] - smooth[:-2, 1:-1]) / 2
    moments = torch.stack([across.square(), down.square(), across * down])[None]
    xx, yy, xy = F.avg_pool2d(moments, WINDOW_PX, STEP_PX)[0]
    difference = torch.hypot(xx - yy, 2 * xy)
    coherence = difference / (xx + yy).clamp(min=1e-12)
    strength = torch.where(coherence > 0.85, xx + yy, torch.zeros_like(xx))
    order = strength.flatten().argsort(descending=True)[:CANDIDATES].tolist()
    for place in order:
        row, column = divmod(place, strength.shape[1])
        if float(strength[row, column]) <= 0:
            return
        top, left = row * STEP_PX + 1, column * STEP_PX + 1
        lying = bool(yy[row, column] > xx[row, column])
        box = _centred_box(luminance.shape, (top, left), smooth, lying)
        yield Edge(box, lying)


def _centred_box(size: torch.Size, corner: tuple[int, int], smooth: Tensor, lying: bool) -> Box:
    """The window moved across the edge so that the edge is in its middle."""
    top, left = corner
    part = smooth[top : top + WINDOW_PX, left : left + WINDOW_PX]
    slope = (part[1:] - part[:-1]).abs().mean(1) if lying else (part[:, 1:] - part[:, :-1]).abs().mean(0)
    weight = slope.square()
    place = float((weight * torch.arange(len(weight))).sum() / weight.sum().clamp(min=1e-12))
    shift = round(place - WINDOW_PX / 2 + 0.5)
    top, left = (top + shift, left) if lying else (top, left + shift)
    top, left = max(0, min(top, size[0] - WINDOW_PX)), max(0, min(left, size[1] - WINDOW_PX))
    return top, left, top + WINDOW_PX, left + WINDOW_PX


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
