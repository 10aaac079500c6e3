"""The noise of finished pictures: what is of one colour is texture, what is not may be noise."""

import math

import pytest
import skimage.data
import torch

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.io.estimates import with_estimates
from isp_ns.ops.filters import gaussian_blur
from isp_ns.ops.transfer import decode

GREY = 0.18


def _sigma(picture):
    """The estimated noise at a grey of 18 %, linear."""
    noise = with_estimates(Frame(picture.clamp(0, 1), Meta(space="linear-srgb"))).meta.noise
    return max(math.sqrt(scale * GREY + offset) for scale, offset in noise)


def _noise(channels, sigma, size=(384, 512)):
    return sigma * torch.randn(channels, *size, generator=torch.Generator().manual_seed(channels))


@pytest.fixture
def paint():
    """A coloured, smooth picture of medium brightness."""
    coarse = torch.rand(3, 384, 512, generator=torch.Generator().manual_seed(7))
    return 0.18 + 4 * (gaussian_blur(coarse, 24.0) - 0.5)


def test_texture_of_one_colour_is_not_noise(paint):
    tints = torch.tensor([1.1, 1.0, 0.95]).view(3, 1, 1)
    assert _sigma(paint + _noise(1, 0.02) * tints) < 0.005


def test_noise_of_all_colours_is_found(paint):
    assert _sigma(paint + _noise(3, 0.02)) == pytest.approx(0.02, rel=0.1)


def test_a_grey_picture_has_no_colours_to_tell_by(paint):
    grey = (paint[:1] + _noise(1, 0.02)).expand(3, -1, -1)
    assert _sigma(grey) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_noise_on_a_photograph(sigma):
    photo = decode(torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1) / 255, "srgb")
    noisy = photo + sigma * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    assert _sigma(noisy) == pytest.approx(sigma, rel=0.15)
