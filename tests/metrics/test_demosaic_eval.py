import json
import warnings

import numpy as np
import pytest
import torch

from isp_ns.metrics import cpsnr, ssim
from isp_ns.metrics.demosaic_eval import evaluate, noisy_mosaic
from isp_ns.ops import cfa
from isp_ns.ops.demosaic import METHODS


def pictures(count=2, size=(41, 50)):
    generator = torch.Generator().manual_seed(4)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for _ in range(count)]


def without_sigma(method):
    return lambda mosaic, pattern, sigma: method(mosaic, pattern)


def test_rows_hold_the_means_of_the_scores_by_hand():
    images = pictures()
    result = evaluate({"bilinear": without_sigma(METHODS["bilinear"])}, images)
    expected = []
    for image in images:
        truth = image[:, :40].float() / 255
        rgb = METHODS["bilinear"](cfa.mosaic(truth, "RGGB"), "RGGB")
        stored = (rgb.double().clamp(0, 1) * 255).round() / 255
        expected.append((cpsnr(rgb, truth), cpsnr(rgb, truth, crop=8), ssim(stored, truth)))
    (row,) = result["rows"]
    assert (row["method"], row["sigma"], row["images"]) == ("bilinear", 0.0, 2)
    got = [row["cpsnr_db"], row["cpsnr_db_crop8"], row["ssim"]]
    np.testing.assert_allclose(got, np.mean(expected, axis=0), atol=1e-6)


def test_the_result_is_json_with_its_protocol():
    result = evaluate({name: without_sigma(METHODS[name]) for name in ("bilinear", "malvar")}, pictures(1), [0, 5])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["schema"] == 1
    assert {"domain", "range", "crop_px", "clip", "rounding", "seed"} <= set(result["protocol"])
    keys = [(row["method"], row["sigma"]) for row in result["rows"]]
    assert keys == [("bilinear", 0.0), ("malvar", 0.0), ("bilinear", 5.0), ("malvar", 5.0)]


def test_noise_is_added_unclipped_with_the_index_as_seed_and_told_to_the_method():
    seen = []

    def method(mosaic, pattern, sigma):
        seen.append((mosaic, pattern, sigma))
        return mosaic.expand(3, -1, -1)

    black = [torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)]
    evaluate({"none": method}, black, [51.0], pattern="GBRG")
    for index, (mosaic, pattern, sigma) in enumerate(seen):
        assert pattern == "GBRG"
        assert sigma == pytest.approx(0.2)
        assert torch.equal(mosaic, noisy_mosaic(black[index], "GBRG", 51.0, index))
        assert float(mosaic.std()) == pytest.approx(0.2, rel=0.05)
        assert float(mosaic.min()) < -0.4
    assert not torch.equal(seen[0][0], seen[1][0])


def test_perfect_results_and_bad_calls():
    flat = [torch.full((3, 20, 20), 0.2)]
    (row,) = evaluate({"flat": lambda mosaic, pattern, sigma: torch.full((3, 20, 20), 51 / 255)}, flat)["rows"]
    assert row["cpsnr_db"] is None or row["cpsnr_db"] > 100
    with pytest.raises(ValueError, match="at least one image"):
        evaluate({"bilinear": without_sigma(METHODS["bilinear"])}, [])
    with pytest.raises(ValueError, match="at least one method"):
        evaluate({}, flat)
    with pytest.raises(ValueError, match="0 or more"):
        evaluate({"bilinear": without_sigma(METHODS["bilinear"])}, flat, [-1])
    with pytest.raises(ValueError, match="not a Bayer pattern"):
        evaluate({"bilinear": without_sigma(METHODS["bilinear"])}, flat, pattern="RGBW")


@pytest.mark.parametrize("number", [4, 19])
def test_scores_on_photographs_are_those_of_colour_demosaicing(shared_data, number):
    """The library's own results through the same protocol, inside a border of 8 pixels."""
    import imageio.v3 as iio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour_demosaicing as library
    pixels = iio.imread(shared_data / "images" / "test" / "kodak24" / f"kodim{number:02}.png")[:240, 100:400]
    names = {"bilinear": "bilinear", "malvar": "Malvar2004", "menon": "Menon2007"}

    def theirs(name):
        function = getattr(library, f"demosaicing_CFA_Bayer_{names[name]}")
        return lambda mosaic, pattern, sigma: torch.from_numpy(function(mosaic[0].numpy(), pattern)).permute(2, 0, 1)

    methods = {name: without_sigma(METHODS[name]) for name in names}
    methods |= {f"library {name}": theirs(name) for name in names}
    rows = evaluate(methods, [torch.from_numpy(np.array(pixels)).permute(2, 0, 1)])["rows"]
    inner = {row["method"]: row["cpsnr_db_crop8"] for row in rows}
    for name in names:
        assert inner[name] == pytest.approx(inner[f"library {name}"], abs=0.05)
