"""Pictures of a test scene: its mosaic, depth and labels in colours, pixels without a truth hatched."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isp_ns.core.frame import Frame
from isp_ns.data.labelled import IGNORED
from isp_ns.io.maps import Colour, depth_colours, depth_range
from isp_ns.metrics.depth import DepthScore
from isp_ns.ops.cfa import colour_masks
from isp_ns.ops.transfer import encode

__all__ = ["HATCH_GREYS", "depth_picture", "depth_scale", "label_picture", "measured", "mosaic_picture"]

HATCH_GREYS = (112, 152)
"""The two 8-bit greys of the stripes over pixels without a truth."""

_HATCHES = 48
"""Stripes along the long side of a picture."""

_BRIGHT_SHARE = 0.95
_TINT = 0.5


def mosaic_picture(mosaic: Frame) -> NDArray[Any]:
    """A mosaic for the eye: tinted by its filters, so bright that 5 % of its pixels are at the screen's white.

    Args:
        mosaic: (1, H, W), linear, black 0.

    Returns:
        (H, W, 3) uint8.

    Source: our own.
    """
    white = max(float(np.quantile(mosaic.data.numpy(), _BRIGHT_SHARE)), 1e-4)
    shown = encode((mosaic.data / white).clamp(0, 1), "srgb")
    tint = (1 - _TINT) + _TINT * colour_masks(mosaic.cfa, *mosaic.size).float()
    return _bytes((shown * tint * 255).round())


def depth_scale(depth_m: Tensor, truth_m: Tensor | None) -> tuple[float, float]:
    """The nearest and farthest metres of one scale for found and true depth.

    Args:
        depth_m: found, any shape.
        truth_m: measured, 0 where it is unknown; None where nothing is.

    Source: see `isp_ns.io.maps.depth_range`.
    """
    ranges = [depth_range(depth_m.numpy())]
    if truth_m is not None and measured(truth_m).any():
        ranges.append(depth_range(truth_m[measured(truth_m)].numpy()))
    return min(near for near, _ in ranges), max(far for _, far in ranges)


def measured(truth_m: Tensor) -> Tensor:
    """Where a depth counts, as `isp_ns.metrics.depth.DepthScore` counts.

    Source: Eigen et al. 2014.
    """
    return (truth_m >= DepthScore.nearest_m) & (truth_m <= DepthScore.farthest_m)


def depth_picture(depth_m: Tensor, scale: tuple[float, float]) -> NDArray[Any]:
    """Depth in colours, what is not measured hatched.

    Args:
        depth_m: (1, H, W).
        scale: nearest and farthest metres of the colours.

    Returns:
        (H, W, 3) uint8.

    Source: see `isp_ns.io.maps.depth_colours`.
    """
    return _hatched(depth_colours(depth_m[0].numpy(), *scale), ~measured(depth_m)[0].numpy())


def label_picture(labels: Tensor, colours: Sequence[Colour]) -> NDArray[Any]:
    """Labels in the colours of their classes, 255 hatched.

    Args:
        labels: (1, H, W) integers.
        colours: of the classes.

    Returns:
        (H, W, 3) uint8.

    Source: the table of classes.
    """
    classes = labels[0].numpy().astype(np.int64)
    unknown = classes == IGNORED
    return _hatched(np.array(colours, np.uint8)[np.where(unknown, 0, classes)], unknown)


def _hatched(pixels: NDArray[Any], where: NDArray[Any]) -> NDArray[Any]:
    """Pixels (H, W, 3) with diagonal stripes where there is nothing to show."""
    diagonal = np.add.outer(np.arange(where.shape[0]), np.arange(where.shape[1]))
    stripe_px = max(2, max(where.shape) // _HATCHES // 2)
    grey = np.array(HATCH_GREYS, np.uint8)[diagonal // stripe_px % 2]
    return np.where(where[..., None], grey[..., None], pixels)


def _bytes(values: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(values.to(torch.uint8).permute(1, 2, 0).numpy())
