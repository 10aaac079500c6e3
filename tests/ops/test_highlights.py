import pytest
import torch

from isp_ns.ops.highlights import (
    HIGHLIGHT_HALO_PX,
    clip_highlights,
    reconstruct_highlights,
    reconstruct_mosaic_highlights,
)
from isp_ns.ops.white_balance import apply_gains

CLIP = (2.0, 1.0, 1.6)
PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]


def saturated(rgb, clip=CLIP):
    """What a sensor with these clip levels records of balanced light."""
    return torch.minimum(rgb, torch.tensor(clip)[:, None, None])


def mosaic_of(rgb, pattern):
    out = torch.empty(1, *rgb.shape[1:])
    for i, letter in enumerate(pattern):
        out[0, i // 2 :: 2, i % 2 :: 2] = rgb["RGB".index(letter), i // 2 :: 2, i % 2 :: 2]
    return out


def neutral_ramp(height=48, width=256, top=4.0):
    return torch.linspace(0.05, top, width).expand(3, height, width).contiguous()


def spots(seed=0, count=12, size=96):
    """Coloured lamps with soft rims on a dark ground."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    rgb = torch.full((3, size, size), 0.03)
    for _ in range(count):
        cy, cx, radius, *colour = torch.rand(6, generator=generator).tolist()
        blob = torch.exp(-((y - cy * size) ** 2 + (x - cx * size) ** 2) / (2 * (2 + 8 * radius) ** 2))
        rgb += 5 * torch.tensor(colour)[:, None, None] * blob
    return rgb


def test_clipping_is_level():
    saturated_white = torch.tensor(CLIP)[:, None, None].expand(3, 4, 4)
    assert torch.equal(clip_highlights(saturated_white, CLIP), torch.ones(3, 4, 4))
    dark = torch.rand(3, 4, 4) * 0.85
    assert torch.equal(clip_highlights(dark, CLIP), dark)


def test_a_neutral_ramp_stays_neutral_and_keeps_rising():
    light = neutral_ramp()
    out = reconstruct_highlights(saturated(light), CLIP)
    torch.testing.assert_close(out, light.clamp(max=2.0), rtol=0, atol=5e-3)
    assert (out.amax(0) - out.amin(0)).max() < 5e-3
    assert out[1, 20].diff().min() > -2e-3


def test_the_ramp_is_pink_without_reconstruction():
    clipped = saturated(neutral_ramp())
    assert (clipped.amax(0) - clipped.amin(0)).max() > 0.9


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_neutral_ramp_stays_neutral_on_a_mosaic(pattern):
    light = neutral_ramp()
    out = reconstruct_mosaic_highlights(mosaic_of(saturated(light), pattern), pattern, CLIP)
    torch.testing.assert_close(out, mosaic_of(light.clamp(max=2.0), pattern), rtol=0, atol=0.03)


def test_a_fully_clipped_image_is_white():
    out = reconstruct_highlights(torch.tensor(CLIP)[:, None, None].expand(3, 40, 40).contiguous(), CLIP)
    torch.testing.assert_close(out, torch.full((3, 40, 40), 2.0))
    out = reconstruct_mosaic_highlights(apply_gains(torch.ones(1, 40, 40), "GRBG", CLIP), "GRBG", CLIP)
    torch.testing.assert_close(out, torch.full((1, 40, 40), 2.0))


@pytest.mark.parametrize("seed", range(3))
def test_lamps_get_no_magenta(seed):
    recorded = saturated(spots(seed))
    out = reconstruct_highlights(recorded, CLIP)
    green_is_clipped = recorded[1] >= 1.0
    assert green_is_clipped.any()
    assert bool((out[1] >= torch.minimum(recorded[0], recorded[2]) - 1e-5)[green_is_clipped].all())
    everything_is_clipped = (recorded >= torch.tensor(CLIP)[:, None, None]).all(0)
    spread = (out.amax(0) - out.amin(0))[everything_is_clipped]
    assert spread.numel() == 0 or spread.max() < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_the_result_lies_between_the_record_and_its_highest_channel(seed):
    recorded = saturated(spots(seed))
    out = reconstruct_highlights(recorded, CLIP)
    assert bool((out >= recorded - 1e-5).all())
    assert bool((out <= recorded.amax(0) + 1e-5).all())


def test_ratios_of_the_surroundings_rebuild_a_coloured_object():
    """A warm object brightens until green clips: green goes on from the ratios that it had before."""
    chroma = torch.tensor([1.3, 1.0, 0.7])[:, None, None]
    light = chroma * torch.linspace(0.5, 1.4, 60).expand(1, 40, 60)
    out = reconstruct_highlights(saturated(light), CLIP)
    error = (out[1] / light[1] - 1).abs()[:, :40]
    assert error.max() < 0.04
    assert (saturated(light)[1] / light[1] - 1).abs()[:, :40].max() > 0.08


def test_nothing_clipped_changes_nothing():
    dark = torch.rand(3, 32, 32) * 0.85
    assert reconstruct_highlights(dark, CLIP) is dark
    mosaic = torch.rand(1, 32, 32) * 0.85
    assert reconstruct_mosaic_highlights(mosaic, "RGGB", CLIP) is mosaic


def test_unclipped_values_are_kept_and_input_is_not_touched():
    recorded = saturated(spots())
    before = recorded.clone()
    out = reconstruct_highlights(recorded, CLIP)
    assert torch.equal(recorded, before)
    below = recorded < 0.8 * torch.tensor(CLIP)[:, None, None]
    assert torch.equal(out[below], recorded[below])
    mosaic = mosaic_of(recorded, "RGGB")
    lift = reconstruct_mosaic_highlights(mosaic, "RGGB", CLIP) - mosaic
    assert torch.equal(mosaic, mosaic_of(before, "RGGB"))
    fill = mosaic / mosaic_of(torch.tensor(CLIP)[:, None, None].expand_as(recorded), "RGGB")
    dark_cells = torch.nn.functional.max_pool2d(fill, 2) < 0.8
    assert torch.nn.functional.max_pool2d(lift.abs(), 2)[dark_cells].max() == 0
    assert lift.max() > 0.5


@pytest.mark.parametrize("corner", [(0, 0), (20, 34), (40, 8)])
def test_tiles_with_their_halo_give_the_whole(corner):
    generator = torch.Generator().manual_seed(3)
    recorded = saturated(spots() + torch.rand(3, 96, 96, generator=generator))
    top, left = corner
    halo = HIGHLIGHT_HALO_PX
    y, x = max(top - halo, 0), max(left - halo, 0)
    crop = (slice(y, top + 32 + halo), slice(x, left + 32 + halo))
    inner = (..., slice(top - y, top - y + 32), slice(left - x, left - x + 32))
    whole = reconstruct_highlights(recorded, CLIP)[:, top : top + 32, left : left + 32]
    torch.testing.assert_close(reconstruct_highlights(recorded[:, *crop], CLIP)[inner], whole, rtol=1e-5, atol=1e-6)
    mosaic = mosaic_of(recorded, "GBRG")
    whole = reconstruct_mosaic_highlights(mosaic, "GBRG", CLIP)[:, top : top + 32, left : left + 32]
    tile = reconstruct_mosaic_highlights(mosaic[:, *crop], "GBRG", CLIP)[inner]
    torch.testing.assert_close(tile, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 35), (2, 3)])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_size(size, pattern):
    mosaic = apply_gains(torch.ones(1, *size), pattern, CLIP)
    out = reconstruct_mosaic_highlights(mosaic, pattern, CLIP)
    assert out.shape == mosaic.shape
    assert bool((out >= mosaic - 1e-6).all())
    rgb = torch.tensor(CLIP)[:, None, None].expand(3, *size).contiguous()
    torch.testing.assert_close(reconstruct_highlights(rgb, CLIP), torch.full_like(rgb, 2.0))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="three clip levels"):
        reconstruct_highlights(torch.ones(1, 8, 8), CLIP)
