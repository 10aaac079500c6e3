"""The measures of a comparison equal those of independent libraries on the same arrays."""

import math
import warnings

import numpy as np
import pytest
import skimage.data
import skimage.metrics
import torch

from isp_ns.compare import colorchecker
from isp_ns.compare.align import display_srgb
from isp_ns.compare.areas import WHOLE_PIXELS, cut, measured_boxes
from isp_ns.compare.blind import flat_noise, without_truth
from isp_ns.compare.colorchecker import chart_delta_e, chart_differences
from isp_ns.compare.differences import coloured, difference_map, disagreement_map, most_different
from isp_ns.compare.flat import Flatness, flat_blocks
from isp_ns.compare.truth_measures import against_truth, noise_by_patch, pooled_psnr
from isp_ns.io.raw import render_libraw
from isp_ns.ops.transfer import decode, encode

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import torchmetrics.functional.image as torch_image
    except ImportError:
        torch_image = None
    import colour


@pytest.fixture(scope="module")
def pair():
    """A noisy and a clean picture of 200 by 220 pixels, with the box that is measured."""
    truth = torch.from_numpy(skimage.data.astronaut()[:200, 100:320] / 255.0).permute(2, 0, 1).float()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(7))
    return (truth + 0.03 * noise).clamp(0, 1), truth, measured_boxes((200, 220), 8)


def arrays(pair):
    return [cut(image, pair[2][0]).permute(1, 2, 0).double().numpy() for image in pair[:2]]


def test_psnr_and_ssim_are_those_of_scikit_image(pair):
    test, truth = arrays(pair)
    found = against_truth(*pair)
    assert found["psnr_db"] == pytest.approx(skimage.metrics.peak_signal_noise_ratio(truth, test, data_range=1.0))
    expected = skimage.metrics.structural_similarity(
        truth, test, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert found["ssim"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(torch_image is None, reason="torchmetrics is not installed")
def test_psnr_ssim_and_ms_ssim_are_those_of_torchmetrics(pair):
    test, truth = (torch.from_numpy(each).permute(2, 0, 1)[None] for each in arrays(pair))
    found = against_truth(*pair)
    expected = torch_image.peak_signal_noise_ratio(test, truth, data_range=1.0)
    assert found["psnr_db"] == pytest.approx(float(expected), rel=1e-6)
    _, places = torch_image.structural_similarity_index_measure(test, truth, data_range=1.0, return_full_image=True)
    # torchmetrics also averages over the border where its window hangs over the edge.
    assert found["ssim"] == pytest.approx(float(places[..., 5:-5, 5:-5].mean()), abs=1e-6)
    expected = torch_image.multiscale_structural_similarity_index_measure(test, truth, data_range=1.0)
    assert found["ms_ssim"] == pytest.approx(float(expected), abs=1e-4)


def test_colour_difference_and_its_map_are_those_of_colour_science(pair):
    labs = [colour.XYZ_to_Lab(colour.sRGB_to_XYZ(each), colour.CCS_ILLUMINANTS[
        "CIE 1931 2 Degree Standard Observer"]["D65"]) for each in arrays(pair)]  # fmt: skip
    expected = colour.delta_E(*labs, method="CIE 2000")
    assert against_truth(*pair)["delta_e_2000"] == pytest.approx(expected.mean(), rel=2e-3)
    found = cut(difference_map(pair[0], pair[1])[None], pair[2][0])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=0.1)


def test_windows_of_a_large_picture_are_scored_together():
    size = (1400, 1600)
    assert size[0] * size[1] > WHOLE_PIXELS
    boxes = measured_boxes(size, 8)
    assert len(boxes) == 16
    assert min(box[0] for box in boxes) == min(box[1] for box in boxes) == 8
    assert max(box[2] for box in boxes) == 1392
    assert max(box[3] for box in boxes) == 1592
    test, truth = torch.rand(3, *size), torch.rand(3, *size)
    parts = [[cut(image, box).numpy() for box in boxes] for image in (test, truth)]
    expected = skimage.metrics.peak_signal_noise_ratio(np.stack(parts[1]), np.stack(parts[0]), data_range=1.0)
    assert pooled_psnr(test, truth, boxes) == pytest.approx(expected, rel=1e-5)


def test_equal_pictures_have_no_psnr_and_no_differences(pair):
    found = against_truth(pair[1], pair[1], pair[2])
    assert found["psnr_db"] is None
    assert found["ssim"] == pytest.approx(1.0)
    assert found["delta_e_2000"] == found["zipper"] == found["false_colour"] == found["noise_255"] == 0.0


def test_small_pictures_leave_out_what_needs_room():
    image = torch.rand(3, 40, 40)
    found = against_truth(image, image * 0.9, measured_boxes((40, 40), 2))
    assert found["ms_ssim"] is None
    assert found["ssim"] is not None


def test_noise_by_patch_is_the_noise_that_was_added():
    steps = torch.linspace(0.1, 0.9, 9).repeat_interleave(32)
    truth = steps.expand(3, 256, 288).contiguous()
    sigma = 0.01 + 0.02 * truth
    test = truth + 0.05 + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(8))
    found = noise_by_patch(test, truth, measured_boxes((256, 288), 0))
    assert len(found) == 6
    for level in found:
        assert level.sigma_255 == pytest.approx(255 * (0.01 + 0.02 * level.level), rel=0.06)


def test_noise_in_flat_places_needs_no_truth_and_ignores_shading_and_texture():
    y, x = torch.meshgrid(torch.linspace(0.3, 0.6, 256), torch.linspace(0, 0.1, 256), indexing="ij")
    clean = (y + x).expand(3, -1, -1).clone()
    clean[:, :, 128:] += 0.1 * torch.sin(torch.arange(128) * 0.7)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(10))
    noisy = clean + 0.02 * noise
    luma, chroma = flat_noise(noisy, [(0, 0, 256, 256)], [flat_blocks(noisy, Flatness.OF_NOISY)])
    weights = np.array([0.2126, 0.7152, 0.0722])
    blue, red = (np.eye(3)[2] - weights) / 1.8556, (np.eye(3)[0] - weights) / 1.5748
    assert luma == pytest.approx(255 * 0.02 * math.sqrt((weights**2).sum()), rel=0.08)
    assert chroma == pytest.approx(255 * 0.02 * math.sqrt((blue**2).sum() + (red**2).sum()), rel=0.08)


def test_pictures_without_flat_places_or_edges_have_none_of_these_numbers():
    black = torch.zeros(3, 64, 64)
    found = without_truth({"a": black, "b": black}, [(0, 0, 64, 64)])
    assert found["a"] == {"noise_luma_255": None, "noise_chroma_255": None, "mtf50": None, "edges": 0}


def test_chart_colours_are_judged_as_colour_science_does():
    chart = colour.CCS_COLOURCHECKERS["ColorChecker24 - After November 2014"]
    xyz = colour.xyY_to_XYZ(list(chart.data.values()))
    linear = colour.XYZ_to_RGB(xyz, "sRGB", chart.illuminant, "Bradford")
    assert chart_delta_e(torch.from_numpy(linear)) < 0.1
    assert chart_delta_e(torch.from_numpy(0.4 * linear)) < 0.1
    wrong = linear * np.array([1.15, 1.0, 0.9])
    white = colour.xy_to_XYZ(chart.illuminant)
    back = colour.RGB_to_XYZ(wrong, "sRGB", chart.illuminant, "Bradford")
    back *= np.median(xyz[18:23, 1] / back[18:23, 1])
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D50"]
    labs = [colour.XYZ_to_Lab(each, white) for each in (back, xyz)]
    expected = colour.delta_E(*labs, method="CIE 2000").mean()
    assert chart_delta_e(torch.from_numpy(wrong)) == pytest.approx(expected, rel=0.02)


def test_a_chart_in_a_photograph_is_found_and_judged(shared_data):
    pytest.importorskip("colour_checker_detection")
    path = shared_data / "raw" / "canon550d_colorchecker" / "colorchart.dng"
    image = display_srgb(render_libraw(path))
    # The file's balance is for daylight and the light on the chart is warm: its white patch says how warm.
    cooled = encode(decode(image, "srgb") * torch.tensor([1.0, 2.3, 3.7])[:, None, None], "srgb").clamp(0, 1)
    found = chart_differences({"as shot": image, "balanced": cooled})
    assert 10 < found["as shot"] < 20
    assert found["balanced"] < 6


def test_without_the_package_no_chart_is_looked_for(monkeypatch):
    monkeypatch.setattr(colorchecker, "PACKAGE", "no_such_package")
    assert chart_differences({"a": torch.rand(3, 64, 64)}) == {}


def test_disagreement_is_the_distance_from_the_mean():
    grey = torch.full((3, 40, 40), 0.5)
    assert float(disagreement_map([grey, grey]).max()) == pytest.approx(0.0, abs=1e-6)
    brighter = grey.clone()
    brighter[:, 10:20, 10:20] = 0.6
    labs = [colour.XYZ_to_Lab(colour.sRGB_to_XYZ(np.full(3, value))) for value in (0.5, 0.6)]
    found = disagreement_map([grey, brighter])
    assert float(found[15, 15]) == pytest.approx(abs(labs[1][0] - labs[0][0]) / 2, rel=1e-3)
    assert float(found[5, 5]) == pytest.approx(0.0, abs=1e-6)


def test_the_places_that_differ_most_are_found_and_lie_apart():
    values = torch.zeros(300, 400)
    values[40:100, 60:120] = 5.0
    values[200:260, 300:360] = 8.0
    values[0, :] = 1000.0
    boxes = most_different(values, 64, 3)
    assert boxes[0][0] < 204
    assert boxes[0][2] > 256
    assert boxes[1][1] < 64
    assert boxes[1][3] > 116
    for i, one in enumerate(boxes):
        assert all(max(abs(one[0] - other[0]), abs(one[1] - other[1])) >= 96 for other in boxes[:i])
    assert most_different(torch.rand(30, 40), 64, 2)[0] == (0, 0, 30, 30) or len(most_different(torch.rand(30, 40), 64, 2)) == 1  # noqa: E501  # fmt: skip


def test_map_colours_rise_in_lightness_and_saturate():
    scale = coloured(torch.linspace(0, 10, 64)[None])[:, 0].double() / 255
    lightness = (scale * torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)[:, None]).sum(0)
    assert bool((lightness.diff() > 0).all())
    assert torch.equal(coloured(torch.tensor([[10.0]])), coloured(torch.tensor([[1e9]])))
