"""What is measured about a space, against values known without it."""

import pytest
import torch

from isp_ns.nets.cards import load_space
from isp_ns.nets.space import NeuralSpace, SpaceSpec, build_space
from isp_ns.train.degrade import mosaic_rggb
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


def test_shipped_weights_reach_their_card(shared_data):
    """One Kodak picture must score near the mean on the card, and well above a linear demosaic."""
    try:
        space, card = load_space("ns-lite")
    except ValueError:
        pytest.skip("no weights of ns-lite are shipped")
    rgb = load_rgb8(sorted((shared_data / "images" / "test" / "kodak24").glob("*.png"))[0]).float() / 255
    (row,) = measure_demosaic(space, [rgb], (0,))["rows"]
    (linear,) = measure_demosaic(build_space("ns-lite").eval(), [rgb], (0,))["rows"]
    assert row["cpsnr_db"] > linear["cpsnr_db"] + 3
    assert abs(row["cpsnr_db"] - card.measured["kodak24"]["rows"][0]["cpsnr_db"]) < 6
    assert mosaic_rggb(rgb[None]).shape[1] == 1
