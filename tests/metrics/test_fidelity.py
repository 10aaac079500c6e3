import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from isp_ns.core.frame import Frame
from isp_ns.metrics import cpsnr, psnr
from isp_ns.metrics.images import image_pair, round_to_bits


def pair(size=(20, 24), seed=0):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(3, *size, generator=generator)
    return truth + 0.03 * torch.randn(3, *size, generator=generator), truth


@pytest.mark.parametrize("data_range", [1.0, 2.5])
def test_psnr_is_that_of_scikit_image(data_range):
    test, truth = pair()
    expected = peak_signal_noise_ratio(truth.numpy().astype(float), test.numpy().astype(float), data_range=data_range)
    assert psnr(test, truth, data_range=data_range) == pytest.approx(expected, abs=1e-9)


def test_a_known_error_has_the_known_value():
    flat = torch.full((3, 8, 8), 0.5)
    assert psnr(flat + 0.1, flat) == pytest.approx(20.0, abs=1e-5)
    assert psnr(flat, flat) == math.inf


def test_crop_leaves_the_border_out():
    test, truth = pair()
    test[:, :2] += 1
    test[..., -2:] -= 1
    assert psnr(test, truth, crop=2) == pytest.approx(psnr(test[:, 2:-2, 2:-2], truth[:, 2:-2, 2:-2]))


def test_integers_frames_and_floats_share_one_scale():
    counts = torch.randint(0, 256, (3, 9, 11), dtype=torch.uint8)
    other = torch.rand(3, 9, 11)
    expected = psnr(counts.float() / 255, other)
    assert psnr(counts, other) == pytest.approx(expected, abs=1e-5)
    assert psnr(Frame(counts), Frame(other)) == pytest.approx(expected, abs=1e-5)


def test_cpsnr_clips_and_rounds_what_it_scores():
    test, truth = pair()
    stored = np.round(np.clip(test.numpy().astype(float), 0, 1) * 255) / 255
    expected = peak_signal_noise_ratio(truth.numpy().astype(float), stored, data_range=1)
    assert cpsnr(test, truth) == pytest.approx(expected, abs=1e-6)
    assert cpsnr(test, truth, bits=None) == pytest.approx(psnr(test.clamp(0, 1), truth))
    assert torch.equal(round_to_bits(torch.tensor([-1.0, 0.3, 2.0]), 1), torch.tensor([0.0, 0.0, 1.0]))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))
    with pytest.raises(ValueError, match="leaves nothing"):
        psnr(torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), crop=2)
    with pytest.raises(ValueError, match=r"\(C, H, W\)"):
        image_pair(torch.zeros(4, 4), torch.zeros(4, 4))
    with pytest.raises(ValueError, match="three channels"):
        cpsnr(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="data_range"):
        psnr(torch.zeros(3, 4, 4), torch.ones(3, 4, 4), data_range=0)
