import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

from isp_ns.metrics import ms_ssim, ssim
from isp_ns.metrics.structure import MS_SSIM_WEIGHTS


def pair(size, noise=0.05, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(size[0])[:, None] / 9, torch.arange(size[1]) / 7
    truth = 0.5 + 0.4 * torch.stack([torch.sin(rows + k) * torch.cos(columns - k) for k in range(3)])
    return truth + noise * torch.randn(3, *size, generator=generator), truth


@pytest.mark.parametrize("data_range", [1.0, 0.5])
@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_ssim_is_that_of_scikit_image(noise, data_range):
    test, truth = pair((40, 53), noise)
    expected = structural_similarity(
        truth.double().numpy(),
        test.double().numpy(),
        data_range=data_range,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(test, truth, data_range=data_range) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_score_one_and_small_ones_are_refused():
    test, truth = pair((180, 180))
    assert ssim(truth, truth) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim(truth, truth) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim(test, truth) < 1
    with pytest.raises(ValueError, match="11×11"):
        ssim(test[:, :10], truth[:, :10])
    with pytest.raises(ValueError, match="11×11"):
        ms_ssim(test[:, :100], truth[:, :100])


def window_statistics(a, b):
    """The definition of the 2003 paper with a two-dimensional window, in numpy."""
    axis = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(axis, axis) / np.outer(axis, axis).sum()

    def mean(image):
        return convolve2d(image, window, mode="valid")

    mu_a, mu_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mu_a**2, mean(b * b) - mu_b**2, mean(a * b) - mu_a * mu_b
    luminance = (2 * mu_a * mu_b + 1e-4) / (mu_a**2 + mu_b**2 + 1e-4)
    return luminance, (2 * cov + 9e-4) / (var_a + var_b + 9e-4)


def test_ms_ssim_follows_its_definition():
    test, truth = pair((190, 201), 0.2)
    scores = []
    for a, b in zip(test.double().numpy(), truth.double().numpy(), strict=True):
        score = 1.0
        for scale, weight in enumerate(MS_SSIM_WEIGHTS):
            luminance, contrast = window_statistics(a, b)
            score *= (luminance * contrast if scale == 4 else contrast).mean() ** weight
            a, b = (
                image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
                .reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2)
                .mean((1, 3))
                for image in (a, b)
            )
        scores.append(score)
    assert ms_ssim(test, truth) == pytest.approx(np.mean(scores), abs=1e-9)
    assert sum(MS_SSIM_WEIGHTS) == pytest.approx(1.0, abs=1e-3)
