"""The sensor that training simulates."""

import pytest
import torch

from isp_ns.nets.encoding import decode_light
from isp_ns.train.degrade import augment_colour, awgn_batch, camera_batch, clean_batch, film_scan, mosaic_rggb, turn


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def test_mosaic_takes_rggb():
    rgb = torch.arange(48.0).view(1, 3, 4, 4)
    mosaic = mosaic_rggb(rgb)[0, 0]
    assert mosaic[0, 0] == rgb[0, 0, 0, 0]
    assert mosaic[0, 1] == rgb[0, 1, 0, 1]
    assert mosaic[1, 0] == rgb[0, 1, 1, 0]
    assert mosaic[3, 3] == rgb[0, 2, 3, 3]


def test_colours_stay_in_range_and_a_share_of_none_changes_nothing(rng):
    rgb = torch.rand(16, 3, 8, 8)
    assert torch.equal(augment_colour(rgb, rng, 0.0), rgb)
    changed = augment_colour(rgb, rng, 1.0)
    assert not torch.equal(changed, rgb)
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_share_of_the_pictures_gets_grain_of_film(rng):
    grey = torch.full((64, 3, 32, 32), 0.5)
    assert torch.equal(film_scan(grey, rng, 0.0), grey)
    some = (film_scan(grey, rng, 0.5) != grey).flatten(1).any(1).float().mean()
    assert 0.3 < some < 0.7
    grain = (film_scan(grey, rng, 1.0) - grey)[..., 4:-4, 4:-4] * 255
    assert abs(float(grain.mean())) < 0.05
    deviation = grain[:, 1].std((1, 2))
    # σ of 0.5 to 4, of which green loses a little where colour is halved.
    assert deviation.min() > 0.3
    assert deviation.max() < 4.5


def test_scanned_film_has_detail_in_luma_and_none_in_colour(rng):
    row = torch.tensor([0.3, 0.7]).repeat(32)
    stripes = row.view(1, 1, 1, 64).expand(64, 3, 64, 64)
    scanned = film_scan(stripes, rng, 1.0)
    assert torch.allclose(scanned.mean((2, 3)), stripes.mean((2, 3)), atol=0.01)
    assert (scanned.diff(dim=3).abs().mean((1, 2, 3)) > 0.35).all()
    # Red against blue, column by column: gone in the three of four pictures whose colour is halved, kept in the others.
    opposed = torch.stack([row, torch.full((64,), 0.5), 1 - row]).view(1, 3, 1, 64).expand(64, 3, 64, 64)
    colour = film_scan(opposed, rng, 1.0)[..., 4:-4, 4:-4]
    swing = (colour[:, 0] - colour[:, 2]).diff(dim=2).abs().mean((1, 2))
    assert ((swing < 0.1) | (swing > 0.7)).all()
    assert 0.55 < float((swing < 0.1).float().mean()) < 0.95


def test_turns_are_the_eight_symmetries(rng):
    x = torch.arange(16.0).view(1, 1, 4, 4)
    seen = {tuple(turn(x, rng).flatten().tolist()) for _ in range(200)}
    assert len(seen) == 8


def test_clean_batches_have_no_noise():
    rgb = torch.rand(2, 3, 16, 16)
    batch = clean_batch(rgb)
    assert torch.equal(batch.mosaic, mosaic_rggb(rgb))
    assert batch.noise.shape == (2, 3, 4, 4)
    assert not batch.noise.any()
    assert not batch.sigma.any()


def test_gaussian_noise_has_its_sigma(rng):
    batch = awgn_batch(torch.full((32, 3, 64, 64), 0.5), rng, 20 / 255)
    measured = (batch.mosaic - 0.5).std((1, 2, 3))
    assert torch.allclose(measured, batch.sigma, rtol=0.06)
    assert (batch.noise[:, 0, 0, 0] / batch.sigma - 1).abs().max() <= 0.1 + 1e-5
    assert batch.mosaic.min() < 0.5 - 20 / 255


def test_camera_noise_follows_its_model(rng):
    grey = torch.full((64, 3, 64, 64), 0.6)
    batch, scale, offset = camera_batch(grey, rng)
    told = scale[:, 1] > 0
    assert told.float().mean() > 0.85
    green_noisy = decode_light(batch.mosaic[:, :, 0::2, 1::2], "sqrt")
    green = decode_light(batch.target[:, 1:2, 0::2, 1::2], "sqrt")
    level = green.mean((1, 2, 3))
    unclipped = told & (level < 0.7)
    variance = (green_noisy - green).square().mean((1, 2, 3))
    model = scale[:, 1] * level + offset[:, 1]
    ratio = (variance / model)[unclipped]
    assert ratio.min() > 0.7
    assert ratio.max() < 1.45


def test_values_below_black_are_kept(rng):
    batch, _, _ = camera_batch(torch.zeros(16, 3, 32, 32), rng)
    assert batch.mosaic.min() < 0
    assert abs(float(decode_light(batch.mosaic, "sqrt").mean())) < 1e-3
