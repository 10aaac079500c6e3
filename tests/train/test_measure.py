"""What is measured about a space, against values known without it."""

import pytest
import torch

from isp_ns.nets.cards import load_space
from isp_ns.nets.space import NeuralSpace, SpaceSpec, build_space
from isp_ns.train.measure import measure_demosaic, measure_space, moire_pictures
from isp_ns.train.patches import load_rgb8
from isp_ns.train.validate import Holdout, saturate, validate

PICTURE = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255


def test_saturation_pushes_colours_apart():
    vivid = saturate(PICTURE)
    assert (vivid.amax(0) - vivid.amin(0)).mean() > (PICTURE.amax(0) - PICTURE.amin(0)).mean()
    grey = PICTURE[:1].expand(3, -1, -1)
    assert torch.allclose(saturate(grey), grey, atol=1e-6)


def test_fresh_weights_score_as_malvar():
    """Malvar on Kodak is known to be about 35 dB; on a picture without detail it is far above."""
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4), size=64, mode="bicubic")[0].clamp(0.1, 0.9)
    space = build_space("ns-lite").eval()
    rows = measure_demosaic(space, [smooth], (0, 10))["rows"]
    assert rows[0]["cpsnr_db_crop8"] > 40
    assert rows[0]["ssim"] > 0.9
    assert 24 < rows[1]["cpsnr_db_crop8"] < 30
    with pytest.raises(ValueError, match="image"):
        measure_demosaic(space, [])


def test_a_silent_space_is_lossless_and_near():
    space = NeuralSpace(SpaceSpec(16, 16, 16, 1, 1, 1, 1, 8, 8), "test").eval().requires_grad_(False)
    numbers = measure_space(space, [PICTURE])
    assert numbers["autoencoder_psnr_db"] > 100
    assert 0 <= numbers["z_b_distance"] <= 4


def test_chirps_stay_below_nyquist():
    (picture, *_) = moire_pictures(3, 128, seed=0)
    assert picture.shape == (3, 128, 128)
    assert torch.equal(picture, moire_pictures(1, 128, seed=0)[0])
    mixed = (picture - picture.mean((1, 2), keepdim=True))[1]
    spectrum = torch.fft.rfft2(mixed).abs().square()
    assert spectrum[:, 50:].sum() < 0.05 * spectrum.sum()


def test_validation_names_its_numbers():
    space = build_space("ns-lite").eval()
    scores = validate(space, Holdout([(PICTURE * 255).byte()]))
    assert set(scores) == {"clean_db", "saturated_db", "sigma10_db", "autoencoder_db"}


@pytest.mark.parametrize(("name", "measured_db"), [("ns-lite", (40.76, 41.44)), ("ns-base", (41.97, 42.33))])
def test_shipped_weights_are_as_good_as_when_they_were_measured(shared_data, name, measured_db):
    """On kodim01 and kodim19, where Menon 2007 has 36.53 and 39.85 dB."""
    space, _ = load_space(name)
    for number, expected_db in zip((1, 19), measured_db, strict=True):
        rgb = load_rgb8(shared_data / f"images/test/kodak24/kodim{number:02}.png").float() / 255
        (row,) = measure_demosaic(space, [rgb], (0,))["rows"]
        assert row["cpsnr_db"] == pytest.approx(expected_db, abs=0.1)
