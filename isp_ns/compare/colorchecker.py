"""Colours of a ColorChecker in the scene, found by colour-checker-detection where that package is installed."""

import contextlib
import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isp_ns.metrics.colour_difference import delta_e_2000
from isp_ns.ops.spaces import D50_XY, D65_XY, adaptation_matrix, rgb_to_xyz_matrix, white_xyz
from isp_ns.ops.transfer import decode

__all__ = ["MISSING", "chart_delta_e", "chart_differences", "is_available"]

PACKAGE = "colour_checker_detection"
CHART = "ColorChecker24 - After November 2014"
NEUTRALS = slice(18, 23)
"""The grey patches but the black one, which flare rules."""

MISSING = "ColorChecker: not looked for, colour-checker-detection is not installed (pip install 'isp-ns[chart]')"
"""What is told where the package is not there."""


def is_available() -> bool:
    """Whether charts can be found."""
    return importlib.util.find_spec(PACKAGE) is not None


def chart_differences(images: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean ΔE2000 of the 24 patches of a ColorChecker, by pipeline.

    Args:
        images: (3, H, W) encoded for sRGB by pipeline, all of one size.

    Returns:
        Nothing where there is no chart, more than one, or no package to find it with.

    Source: colour-checker-detection (segmentation) for finding it; `chart_delta_e`.
    """
    if not is_available():
        return {}
    mean = torch.stack(list(images.values())).mean(0)
    with _quiet():
        corners = _corners(mean)
        if corners is None:
            return {}
        return {name: chart_delta_e(_swatches(image, corners)) for name, image in images.items()}


def _corners(image: Tensor) -> Any | None:
    """The chart's corners, in the finder's own scale, in the order that makes its patches fit best."""
    found = importlib.import_module(PACKAGE).detect_colour_checkers_segmentation(_array(image), additional_data=True)
    if len(found) != 1:
        return None
    turns = [np.roll(found[0].quadrilateral, turn, 0) for turn in range(4)]
    return min(turns, key=lambda corners: chart_delta_e(_swatches(image, corners)))


def _swatches(image: Tensor, corners: Any) -> Tensor:
    """(24, 3) linear sRGB of the patches. Without reference values the finder leaves the chart as the corners say."""
    sample = importlib.import_module(f"{PACKAGE}.detection").extractor_segmentation
    return torch.from_numpy(sample(_array(decode(image, "srgb")), [corners], reference_values=None)[0]).double()


def chart_delta_e(swatches: Tensor) -> float:
    """Mean ΔE2000 of the patches of a ColorChecker after one gain that fits the greys.

    Args:
        swatches: (24, 3) linear sRGB in the chart's order.

    Returns:
        ΔE00 in CIELAB under D50.

    Source: the patches' xyY "ColorChecker24 - After November 2014" as colour-science prints them; Bradford adaptation.
    """
    reference = _reference_xyz()
    to_d50 = adaptation_matrix(D65_XY, D50_XY) @ rgb_to_xyz_matrix("srgb")
    measured = swatches.double() @ to_d50.T
    ratio = reference[NEUTRALS, 1] / measured[NEUTRALS, 1].clamp(min=1e-6)
    measured = measured * ratio.median()
    return float(delta_e_2000(_lab_d50(measured), _lab_d50(reference)).mean())


def _reference_xyz() -> Tensor:
    """(24, 3) XYZ of the patches, Y = 1 for white, under D50."""
    with _quiet():
        import colour

        chart = colour.CCS_COLOURCHECKERS[CHART]
        values = colour.xyY_to_XYZ(list(chart.data.values()))
    return torch.from_numpy(values).double()


def _lab_d50(xyz: Tensor) -> Tensor:
    """(3, N) CIELAB of (N, 3) XYZ relative to D50."""
    with _quiet():
        import colour

        lab = colour.XYZ_to_Lab(xyz.numpy(), colour.XYZ_to_xy(white_xyz(D50_XY).numpy()))
    return torch.from_numpy(lab).double().T


def _array(image: Tensor) -> Any:
    return image.movedim(0, -1).double().numpy()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without colour-science's remarks on its own optional packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
