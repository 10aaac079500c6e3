"""How transforms act on the space, and the meter."""

import pytest
import torch
from torch.nn import functional as F

from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train.equivariance import TRANSFORMS, draw_transform, equivariance_meter, transform_space


@pytest.fixture(scope="module")
def pixels_only():
    """A space whose learned parts are silent: z_b holds the pixels, and the decoder gives them back."""
    space = NeuralSpace(SpaceSpec(16, 16, 16, 1, 1, 1, 1, 8, 8), "test")
    return space.eval().requires_grad_(False)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_sizes_agree_on_all_grids(name):
    z_b, z_t = transform_space(torch.rand(1, 16, 16, 24), torch.rand(1, 8, 8, 12), TRANSFORMS[name])
    pixels = TRANSFORMS[name].apply(torch.rand(1, 3, 32, 48), 1)
    assert pixels.shape[-2:] == (2 * z_b.shape[-2], 2 * z_b.shape[-1])
    assert pixels.shape[-2:] == (4 * z_t.shape[-2], 4 * z_t.shape[-1])


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_packed_channels_move_as_pixels(name, pixels_only):
    rgb = torch.rand(1, 3, 32, 48)
    z_b, _ = transform_space(*pixels_only.e_rgb(rgb), TRANSFORMS[name])
    assert torch.allclose(F.pixel_shuffle(z_b[:, :12], 2), TRANSFORMS[name].apply(rgb, 1), atol=1e-6)


def test_all_channels_follow_the_content():
    """A bright spot lands at the same place on every grid."""
    picture = torch.zeros(1, 1, 64, 64)
    picture[..., 8:16, 40:48] = 1
    grids = {1: picture, 2: F.avg_pool2d(picture, 2), 4: F.avg_pool2d(picture, 4)}
    for transform in TRANSFORMS.values():
        moved = transform.apply(grids[1], 1)
        for cell in (2, 4):
            assert torch.allclose(transform.apply(grids[cell], cell), F.avg_pool2d(moved, cell), atol=0.6)
            centre = transform.apply(grids[cell], cell)
            mass = centre.sum((0, 1))
            rows = (mass.sum(1) * (torch.arange(mass.shape[0]) + 0.5)).sum() / mass.sum() * cell
            true = moved.sum((0, 1))
            expected = (true.sum(1) * (torch.arange(true.shape[0]) + 0.5)).sum() / true.sum()
            assert rows == pytest.approx(float(expected), abs=0.3)


def test_a_pixel_space_is_perfectly_equivariant(pixels_only):
    scores = equivariance_meter(pixels_only, torch.rand(2, 3, 32, 32))
    assert set(scores) == set(TRANSFORMS)
    assert min(scores.values()) > 100


def test_the_meter_sees_a_network_that_is_not():
    torch.manual_seed(0)
    space = NeuralSpace(SpaceSpec(16, 16, 16, 1, 1, 1, 1, 8, 8), "test").eval().requires_grad_(False)
    torch.nn.init.normal_(space.d_rgb.head.weight, std=0.1)
    assert max(equivariance_meter(space, torch.rand(2, 3, 32, 32)).values()) < 60


def test_draws_repeat_with_the_generator():
    names = [[draw_transform(torch.Generator().manual_seed(s)).name for s in range(40)] for _ in range(2)]
    assert names[0] == names[1]
    assert len(set(names[0])) > 5
