"""Sharpness by slanted edges, against edges whose response is known in closed form."""

import math

import pytest
import torch

from isp_ns.compare.edges import edge_response, find_edges
from isp_ns.ops.filters import gaussian_blur


def gaussian_edge(slant_deg, sigma_px, *, lying=False, noise=0.0, size=160):
    """An ideal edge blurred by a Gaussian: the error function of the distance to a line."""
    y, x = torch.meshgrid(torch.arange(size).double(), torch.arange(size).double(), indexing="ij")
    angle = math.radians(slant_deg)
    distance = (x - size / 2) * math.cos(angle) + (y - size / 2) * math.sin(angle)
    image = 0.1 + 0.6 * 0.5 * (1 + torch.erf(distance / (sigma_px * math.sqrt(2))))
    image = image + noise * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    return (image.T if lying else image).float()


def gaussian_mtf50(sigma_px):
    """Where exp(-2 (pi sigma f)²) is a half."""
    return math.sqrt(math.log(2) / 2) / (math.pi * sigma_px)


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize(("slant_deg", "sigma_px"), [(5, 0.6), (-8, 1.0), (3, 1.5), (12, 1.0)])
def test_mtf50_of_gaussian_edges_is_that_of_the_closed_form(slant_deg, sigma_px, lying):
    image = gaussian_edge(slant_deg, sigma_px, lying=lying, noise=0.003)
    edges = find_edges(image)
    assert edges
    assert all(edge.lying == lying for edge in edges)
    for edge in edges:
        response = edge_response(image, edge)
        assert response.mtf50 == pytest.approx(gaussian_mtf50(sigma_px), rel=0.07)
        assert response.slant_deg == pytest.approx(abs(slant_deg), abs=0.5)


def test_dark_on_the_right_measures_as_dark_on_the_left():
    image = gaussian_edge(6, 1.0)
    edge = find_edges(image)[0]
    assert edge_response(image, edge).mtf50 == pytest.approx(edge_response(0.8 - image, edge).mtf50, rel=1e-3)


def test_a_blur_lowers_the_response_by_what_the_blur_passes():
    image = gaussian_edge(5, 0.8)
    edge = find_edges(image)[0]
    blurred = gaussian_blur(image[None], 1.2)[0]
    expected = gaussian_mtf50(math.hypot(0.8, 1.2))
    assert edge_response(blurred, edge).mtf50 == pytest.approx(expected, rel=0.07)


def test_no_edges_are_found_in_noise_ramps_or_upright_edges():
    noise = torch.rand(160, 160, generator=torch.Generator().manual_seed(2))
    ramp = torch.linspace(0, 1, 160).expand(160, 160)
    upright = gaussian_edge(0, 1.0)
    assert find_edges(noise) == find_edges(ramp) == find_edges(upright) == find_edges(torch.rand(20, 20)) == []


def test_no_response_where_there_is_no_edge():
    from isp_ns.compare.edges import Edge

    assert edge_response(torch.full((60, 60), 0.5), Edge((5, 5, 45, 45), lying=False)) is None
