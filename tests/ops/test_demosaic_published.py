"""Each method against an independent implementation, and the filters against their papers."""

import warnings

import numpy as np
import pytest
import torch

from isp_ns.ops import cfa
from isp_ns.ops.demosaic import bilinear, malvar, menon, mlri
from isp_ns.ops.demosaic_linear import BILINEAR_KERNELS, MALVAR_KERNELS

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
INTERIOR = 12
"""Pixels left out: the library repeats the edge sample or takes zero beyond it."""


@pytest.fixture(scope="module")
def library():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour_demosaicing
    return colour_demosaicing


def counts(height, width, seed=1):
    """Integers, exact in float32 as in the library's float64, so that both decide ties alike."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, height, width), generator=generator).float()


def inner(image):
    return np.asarray(image)[INTERIOR:-INTERIOR, INTERIOR:-INTERIOR]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("ours", "name"), [(bilinear, "bilinear"), (malvar, "Malvar2004"), (menon, "Menon2007")])
def test_equals_colour_demosaicing_inside(library, ours, name, pattern):
    mosaic = counts(47, 60)
    expected = getattr(library, f"demosaicing_CFA_Bayer_{name}")(mosaic[0].double().numpy(), pattern)
    result = ours(mosaic, pattern).permute(1, 2, 0)
    np.testing.assert_allclose(inner(result) / 255, inner(expected) / 255, atol=1e-6)


def test_menon_without_refining_equals_colour_demosaicing(library):
    mosaic = counts(41, 38, seed=2)
    expected = library.demosaicing_CFA_Bayer_Menon2007(mosaic[0].double().numpy(), "GBRG", refining_step=False)
    np.testing.assert_allclose(inner(menon(mosaic, "GBRG", refine=False).permute(1, 2, 0)), inner(expected), atol=1e-3)


@pytest.mark.parametrize("kernels", [BILINEAR_KERNELS, MALVAR_KERNELS], ids=["bilinear", "malvar"])
@pytest.mark.parametrize("case", ["green", "row", "diagonal"])
def test_kernels_sum_to_one_and_are_symmetric(kernels, case):
    kernel = torch.tensor(kernels[case], dtype=torch.float64)
    assert float(kernel.sum()) == 1.0
    assert torch.equal(kernel, kernel.flip(0))
    assert torch.equal(kernel, kernel.flip(1))
    if case != "row":
        assert torch.equal(kernel, kernel.T)


@pytest.mark.parametrize("method", [malvar, menon, mlri])
def test_grey_detail_in_one_direction_is_found(method):
    """A grey ramp along the rows has constant colour differences: methods that use them reproduce it inside."""
    grey = torch.linspace(0, 1, 60).square().expand(3, 50, 60)
    rgb = method(cfa.mosaic(grey, "RGGB"), "RGGB")
    torch.testing.assert_close(rgb[:, 16:-16, 16:-16], grey[:, 16:-16, 16:-16], atol=3e-4, rtol=0)


@pytest.mark.parametrize("method", [menon, mlri])
@pytest.mark.parametrize("transpose", [False, True])
def test_direction_is_chosen_along_grey_stripes(method, transpose):
    """Stripes of period 3 pixels fool every isotropic filter; along the stripes there is nothing to interpolate."""
    stripes = (torch.arange(60) % 3 == 0).float()[:, None].expand(3, 60, 60)
    truth = stripes.mT if transpose else stripes
    rgb = method(cfa.mosaic(truth, "RGGB"), "RGGB")[:, 16:-16, 16:-16]
    green_error = (rgb[1] - truth[1, 16:-16, 16:-16]).abs().max()
    assert green_error < 0.02
    assert (malvar(cfa.mosaic(truth, "RGGB"), "RGGB")[1] - truth[1])[16:-16, 16:-16].abs().max() > 0.2


def test_mlri_follows_a_colour_slope_where_differences_fail():
    """Where red is a steep multiple of green, colour differences carry the detail; the local model does not."""
    green = 0.3 + 0.2 * torch.sin(torch.arange(80) * 0.5)[None, :] * torch.sin(torch.arange(70) * 0.4)[:, None]
    truth = torch.stack([3 * green - 0.4, green, 0.2 * green + 0.1])
    mosaic = cfa.mosaic(truth, "RGGB")
    error = {f.__name__: float((f(mosaic, "RGGB") - truth)[:, 16:-16, 16:-16].square().mean()) for f in (menon, mlri)}
    assert error["mlri"] < 0.4 * error["menon"]
