"""Simulated cameras: what is known of them must be found in what they record."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from isp_ns import content
from isp_ns.core.errors import MetadataError
from isp_ns.data.simulate import Shooting, camera_matrices, camera_meta, expose, simulate
from isp_ns.io.profile import Profile, load_profile
from isp_ns.ops.dng_colour import camera_to_space
from isp_ns.ops.temperature import cct_to_xy

CAMERAS = content.names("calibration/profiles")
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def grey(level: float, size: tuple[int, int] = (64, 64)) -> torch.Tensor:
    return torch.full((3, *size), level)


def sites(frame, black):
    """(letter, linear values) of the four places of the mosaic, the black level of each taken off."""
    cell = torch.tensor(black).repeat(2 // len(black), 2 // len(black[0]))
    for colour, row, column in frame.cfa.planes():
        counts = frame.data[0, row::2, column::2].double()
        yield "RGB"[colour], (counts - cell[row, column]) / (frame.meta.white[0] - cell[row, column])


def test_there_are_cameras_and_the_invented_ones_say_so():
    assert len(CAMERAS) >= 4
    for name in CAMERAS:
        assert load_profile(name).fictitious == name.startswith("fictitious")
        assert load_profile(name).provenance["procedure"]


def test_a_simulated_photograph_never_passes_for_a_real_one():
    for name in CAMERAS:
        assert any(word in camera_meta(name).model for word in ("simulated", "Fictitious"))


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_black_is_at_the_black_level_and_strong_light_at_white(camera, pattern):
    clean = Shooting(noise=False, exposure_ev=4.0)
    dark = simulate(grey(0.0), camera, cfa=pattern, shooting=clean).frame
    bright = simulate(grey(1.0), camera, cfa=pattern, shooting=clean).frame
    assert dark.cfa == pattern
    assert bright.data.unique().tolist() == [int(bright.meta.white[0])]
    for _, values in sites(dark, dark.meta.black):
        assert values.abs().max() == 0


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_grey_card_has_the_colour_of_the_neutral_at_every_place(camera, pattern):
    linear = Shooting(noise=False, space="linear-srgb")
    shot = simulate(grey(0.5), camera, cfa=pattern, shooting=linear)
    neutral = shot.frame.meta.as_shot_neutral
    for colour in range(3):
        assert torch.allclose(shot.camera_rgb[colour], torch.tensor(0.5 * neutral[colour]), atol=1e-5)
    if shot.frame.meta.gain_maps:
        return
    for letter, values in sites(shot.frame, shot.frame.meta.black):
        expected = 0.5 * neutral["RGB".index(letter)]
        assert (values - expected).abs().max() <= 0.51 / (shot.frame.meta.white[0] - 520)


# The other library's iteration does not end for matrices that differ as much as those of the GoPro in warm light.
LIGHTS = [(c, k) for c in CAMERAS for k in (2856.0, 5000.0, 6504.0) if (c, k) != ("gopro-hero6-black", 2856.0)]


@pytest.mark.parametrize(("camera", "cct_k"), LIGHTS)
def test_the_neutral_tells_the_light_by_another_librarys_arithmetic(camera, cct_k):
    colour_hdri = pytest.importorskip("colour_hdri")
    meta = camera_meta(camera, shooting=Shooting(cct_k=cct_k, tint=0.0))
    sets = sorted(meta.calibrations, key=lambda each: each.cct_k)
    white = colour_hdri.camera_neutral_to_xy(
        np.array(meta.as_shot_neutral),
        sets[0].cct_k,
        sets[-1].cct_k if len(sets) > 1 else sets[0].cct_k + 1,
        np.array(sets[0].color_matrix),
        np.array(sets[-1].color_matrix),
        np.identity(3),
        np.identity(3),
        np.ones(3),
    )
    # The other library finds temperatures by another formula, which moves the mixture of two matrices a little.
    assert white == pytest.approx(cct_to_xy(cct_k), abs=2e-3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_balance_and_matrix_lead_back_to_the_light(camera):
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    shooting = Shooting(cct_k=4000.0, exposure_ev=-1.0, headroom_ev=0.5)
    shot = simulate(picture, camera, shooting=shooting)
    meta = shot.frame.meta
    neutral = torch.tensor(meta.as_shot_neutral).view(3, 1, 1)
    matrix = camera_to_space("srgb", meta.as_shot_neutral, meta.calibrations).matrix.float()
    developed = (matrix @ (shot.camera_rgb / neutral).flatten(1)).view_as(picture) * 2**meta.baseline_exposure_ev
    assert torch.allclose(developed, shot.linear_rgb, atol=1e-5)
    seen = (shot.camera_rgb > 1e-6).all(dim=0)
    light = torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    assert seen.float().mean() > 0.5
    assert torch.allclose(shot.linear_rgb[:, seen] * 2, light[:, seen], atol=1e-5)


@pytest.mark.parametrize("photons", [False, True])
@pytest.mark.parametrize("iso", [50, 100, 800, 6400])
@pytest.mark.parametrize("camera", CAMERAS)
def test_noise_has_the_variance_of_the_profile(camera, iso, photons):
    profile = load_profile(camera)
    linear = Shooting(space="linear-srgb", photons=photons)
    flat = Profile(profile.make, profile.model, profile.levels, profile.noise, profile.matrices)
    for level in (0.05, 0.4):
        frame = simulate(grey(level, (256, 256)), flat, iso=iso, seed=iso, shooting=linear).frame
        model = profile.noise_at(iso)
        for letter, values in sites(frame, frame.meta.black):
            i = "RGB".index(letter)
            x = level * frame.meta.as_shot_neutral[i]
            variance = model.scale[i] * x + model.offset[i]
            if x < 5 * math.sqrt(variance) or x > 1 - 5 * math.sqrt(variance):
                continue
            count = values.numel()
            assert values.mean().item() == pytest.approx(x, abs=5 * math.sqrt(variance / count))
            spread = variance * math.sqrt(2 / count + model.scale[i] / (variance * count))
            assert values.var().item() == pytest.approx(variance, abs=5 * spread)


def test_read_noise_goes_below_black():
    frame = simulate(grey(0.0, (128, 128)), "fictitious-full-frame", iso=6400).frame
    for _, values in sites(frame, frame.meta.black):
        assert values.mean().item() == pytest.approx(0.0, abs=5 * math.sqrt(2.6e-6 / 4096))
        assert (values < 0).double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_gain_maps_even_the_lens_shading_out():
    size = (48, 64)
    linear = Shooting(space="linear-srgb", noise=False)
    frame = simulate(grey(0.9, size), "fictitious-phone", cfa="GBRG", shooting=linear).frame
    corner, centre = frame.data[0, 0, 0].item() - 64, frame.data[0, 24, 32].item() - 64
    assert math.log2(centre / corner) == pytest.approx(1.2, abs=0.15)
    assert len(frame.meta.gain_maps) == 4
    for gain_map in frame.meta.gain_maps:
        top, left, bottom, right = gain_map.area
        rows, columns = np.arange(top, bottom, 2), np.arange(left, right, 2)
        grid = gain_map.gains[:, :, 0].numpy()
        axes = [np.arange(n) * s for n, s in zip(grid.shape, gain_map.spacing, strict=True)]
        places = np.stack(np.meshgrid((rows + 0.5) / size[0], (columns + 0.5) / size[1], indexing="ij"), axis=-1)
        gains = RegularGridInterpolator(axes, grid)(places)
        even = (frame.data[0, rows][:, columns].numpy().astype(float) - 64) * gains
        assert np.ptp(even) <= 1.01 * gains.max()


def test_rows_handed_out_one_by_one_give_the_same_counts_as_a_whole_picture():
    picture = torch.rand(3, 600, 40, generator=torch.Generator().manual_seed(2))
    shot = simulate(picture, "fictitious-phone", iso=400, cfa="BGGR", seed=5)
    meta = camera_meta("fictitious-phone", iso=400, cfa="BGGR")
    exposed = expose(lambda top, bottom: picture[:, top:bottom], (600, 40), meta, seed=5)
    assert torch.equal(exposed.data, shot.frame.data)
    assert exposed.meta.as_shot_neutral == shot.frame.meta.as_shot_neutral


def test_the_seed_is_all_that_chance_depends_on():
    picture = torch.rand(3, 32, 32)
    first, again, other = (simulate(picture, iso=1600, seed=seed).frame.data for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_highlights_clip_when_they_are_brightened():
    ramp = torch.linspace(0, 1, 64).expand(3, 8, 64).contiguous()
    white = load_profile("fictitious-full-frame").levels_at(100).white[0]
    shares = [
        (simulate(ramp, shooting=Shooting(noise=False, highlight_ev=ev)).frame.data.double() >= white).double().mean()
        for ev in (0.0, 2.0)
    ]
    assert shares[0] < 0.02
    assert shares[1] > shares[0] + 0.05


def test_every_value_says_where_it_came_from():
    meta = camera_meta("fictitious-phone", iso=200)
    assert meta.source["black"] == meta.source["noise"] == meta.source["calibrations"] == "profile"
    assert meta.source["as_shot_neutral"] == meta.source["cfa"] == "user"


def test_matrices_for_training_keep_grey_grey():
    assert torch.allclose(camera_matrices().sum(dim=2), torch.ones(len(CAMERAS), 3), atol=1e-5)


def test_an_unknown_camera_is_refused_with_the_names_that_exist():
    with pytest.raises(FileNotFoundError, match="fictitious-phone"):
        simulate(grey(0.5), "fictitous-phone")


def test_a_profile_without_colour_is_refused():
    with pytest.raises(MetadataError, match="levels and matrices"):
        simulate(grey(0.5), Profile("Maker", "Model"))


@pytest.mark.parametrize("bad", [{"orientation": 9}, {"space": "adobe"}])
def test_impossible_shootings_are_refused(bad):
    with pytest.raises(ValueError, match=r"orientation|RGB space"):
        Shooting(**bad)


def test_a_picture_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        simulate(torch.rand(1, 8, 8))
