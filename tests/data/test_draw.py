"""Random cameras: the published laws, and batches that agree with their own truth."""

import math

import pytest
import torch

from isp_ns.data import draw
from isp_ns.data.simulate import camera_matrices, simulate
from isp_ns.data.unprocess import mosaic, spread


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_follows_the_law_of_brooks():
    scale, offset = draw.draw_noise(20_000, generator())
    log_scale, log_offset = scale.log().flatten().double(), offset.log().flatten().double()
    assert scale.min() >= 1e-4
    assert scale.max() <= 0.012
    # Evenly spread logarithms have this mean.
    assert log_scale.mean().item() == pytest.approx((math.log(1e-4) + math.log(0.012)) / 2, abs=0.05)
    slope = torch.cov(torch.stack([log_scale, log_offset]))[0, 1] / log_scale.var()
    rest = log_offset - 2.18 * log_scale
    assert slope.item() == pytest.approx(2.18, abs=0.02)
    assert rest.mean().item() == pytest.approx(1.20, abs=0.02)
    assert rest.std().item() == pytest.approx(0.26, abs=0.01)


@pytest.mark.parametrize(("light", "low", "high"), [("low", 0.05, 0.4), ("normal", 1, 1), ("over", 3.5, 5)])
def test_light_is_that_of_the_published_recipe(light, low, high):
    factors = draw.draw_light(1000, generator(), light)
    assert low <= factors.min() <= factors.max() <= high
    assert factors.mean().item() == pytest.approx((low + high) / 2, abs=0.1)


def test_an_unknown_light_is_refused():
    with pytest.raises(ValueError, match="low, normal, over"):
        draw.draw_light(1, generator(), "moon")


def test_mixed_cameras_keep_grey_grey():
    mixed = draw.draw_colour(16, camera_matrices(), generator())
    assert torch.allclose(mixed.sum(dim=2), torch.ones(16, 3), atol=1e-6)
    assert (mixed[0] - mixed[1]).abs().max() > 1e-3


def test_a_batch_agrees_with_its_truth():
    pictures = torch.rand(2, 3, 64, 64, generator=generator(5))
    batch = draw.raw_batch(pictures, camera_matrices(), generator(1), pattern="GRBG", light="low")
    back = torch.linalg.solve(batch.matrix, (batch.camera_rgb / batch.neutral[:, :, None, None]).flatten(2))
    exposure = back.view_as(pictures).sum(dim=(1, 2, 3)) / batch.linear_rgb.sum(dim=(1, 2, 3))
    assert (exposure > 0.05).all()
    assert (exposure < 0.4).all()
    expected = exposure.view(-1, 1, 1, 1) * batch.linear_rgb
    assert torch.allclose(back.view_as(pictures), expected, atol=1e-5)
    clean = mosaic(batch.camera_rgb, "GRBG")
    scale, offset = (spread(value, "GRBG", (64, 64)) for value in (batch.scale, batch.offset))
    whitened = (batch.mosaic - clean) / (scale * clean + offset).sqrt()
    assert whitened.std().item() == pytest.approx(1.0, abs=0.04)
    assert batch.mosaic.min() < 0 or clean.min() > 0.01
    assert batch.mosaic.max() <= 1


def test_a_batch_repeats_with_its_generator():
    pictures, matrices = torch.rand(2, 3, 16, 16), camera_matrices()
    first, again, other = (draw.raw_batch(pictures, matrices, generator(seed)).mosaic for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_and_shots_stay_on_their_device():
    pictures = torch.rand(2, 3, 16, 16, device="cuda")
    batch = draw.raw_batch(pictures, camera_matrices(), torch.Generator("cuda").manual_seed(0))
    assert {value.device.type for value in vars(batch).values()} == {"cuda"}
    shot = simulate(pictures[0], "fictitious-phone", iso=400)
    assert shot.frame.data.device.type == shot.camera_rgb.device.type == "cuda"
