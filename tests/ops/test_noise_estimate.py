import math

import numpy as np
import pytest
import torch

from isp_ns.ops import noise
from isp_ns.ops.noise_estimate import noise_from_statistics, noise_statistics

CAMERAS = {
    "iso800": ((2e-4, 2e-6), (2e-4, 2e-6), (2e-4, 2e-6)),
    "iso6400": ((1.6e-3, 3e-5), (1.4e-3, 2.7e-5), (1.7e-3, 3.2e-5)),
    "iso51200": ((8e-3, 4e-4), (8e-3, 3.6e-4), (8e-3, 4.4e-4)),
}


def photograph(name="coffee"):
    """A bundled photograph as an unbalanced linear mosaic, GRBG, shrunk so that its own noise is gone."""
    data = pytest.importorskip("skimage.data")
    display = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[:, :400, :600] / 255.0
    linear = torch.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    return linear * torch.tensor([0.5, 0.9, 0.65])[:, None, None]


def mosaic_of(rgb, pattern):
    out = torch.empty(1, *rgb.shape[1:])
    for i, letter in enumerate(pattern):
        site = (slice(i // 2, None, 2), slice(i % 2, None, 2))
        out[0][site] = rgb["RGB".index(letter)][site]
    return out


def sigma_ratios(estimate, truth, levels=(0.05, 0.18, 0.5)):
    return [
        math.sqrt((s * x + o) / (scale * x + offset))
        for (s, o), (scale, offset) in zip(estimate, truth, strict=True)
        for x in levels
    ]


@pytest.mark.parametrize("camera", ["iso6400", "iso51200"])
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_simulated_camera_is_found_within_fifteen_percent(camera, name):
    clean = mosaic_of(photograph(name), "GRBG")
    noisy = noise.add_noise(clean, CAMERAS[camera], pattern="GRBG", generator=torch.Generator().manual_seed(3))
    estimate = noise_from_statistics(noise_statistics(noisy, "GRBG"))
    assert sigma_ratios(estimate, CAMERAS[camera]) == pytest.approx([1.0] * 9, abs=0.15)


@pytest.mark.parametrize("camera", list(CAMERAS))
@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_a_gradient_gives_both_parameters(camera, pattern):
    ramp = torch.linspace(0.0, 0.8, 800).square().expand(1, 640, 800).clone()
    noisy = noise.add_noise(ramp, CAMERAS[camera], pattern=pattern, generator=torch.Generator().manual_seed(0))
    estimate = noise_from_statistics(noise_statistics(noisy, pattern))
    for (scale, offset), (true_scale, true_offset) in zip(estimate, CAMERAS[camera], strict=True):
        assert scale == pytest.approx(true_scale, rel=0.15)
        assert offset == pytest.approx(true_offset, rel=0.3)


def test_statistics_of_tiles_add_to_those_of_the_whole():
    noisy = noise.add_noise(torch.full((1, 128, 192), 0.2), CAMERAS["iso800"], pattern="RGGB")
    parts = sum(noise_statistics(noisy[:, y : y + 64, x : x + 96], "RGGB") for y in (0, 64) for x in (0, 96))
    assert torch.equal(parts, noise_statistics(noisy, "RGGB"))


def test_saturated_and_clipped_blocks_are_left_out():
    noisy = noise.add_noise(torch.full((1, 128, 128), 0.0), CAMERAS["iso6400"], pattern="RGGB").clamp(min=0)
    assert noise_statistics(noisy, "RGGB").sum() == 0
    assert noise_statistics(torch.ones(1, 128, 128), "RGGB").sum() == 0
    with pytest.raises(ValueError, match="flat blocks"):
        noise_from_statistics(noise_statistics(noisy, "RGGB"))


def test_a_sparse_sample_of_blocks_agrees():
    clean = torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(0)).repeat_interleave(32, 1)
    clean = clean.repeat_interleave(32, 2) * 0.8
    noisy = noise.add_noise(clean, CAMERAS["iso6400"], pattern="RGGB", generator=torch.Generator().manual_seed(0))
    sparse = noise_from_statistics(noise_statistics(noisy, "RGGB", every=3))
    np.testing.assert_allclose(sigma_ratios(sparse, CAMERAS["iso6400"]), 1.0, atol=0.12)


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (31, 200)])
def test_any_size_is_taken(size):
    assert noise_statistics(torch.rand(1, *size), "RGGB").shape[0] == 3
