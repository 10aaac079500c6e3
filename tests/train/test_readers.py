"""Readers: what heads read is mirrored exactly, has the same size for every input, and repeats by seed."""

import pytest
import torch

from isp_ns.nets.layers import channels_last
from isp_ns.nets.pooling import mirror_cells, pack_cells, pool_features
from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train.perception_recipe import INPUTS, Cameras
from isp_ns.train.readers import SpaceReader, build_reader, fixed_camera, take

CHANNELS = 16 + 24


@pytest.fixture(scope="module")
def space():
    torch.manual_seed(0)
    return channels_last(NeuralSpace(SpaceSpec(16, 24, 16, 1, 1, 1, 1, 8, 8), "tiny")).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def picture():
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, (48, 64), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_has_the_same_grid_and_channels(space, picture, name):
    reader = build_reader(name, space, Cameras())
    first, again = (reader.read(picture, torch.Generator().manual_seed(5)) for _ in range(2))
    assert reader.channels == CHANNELS
    assert first.shape == (1, CHANNELS, 120, 160)
    assert torch.equal(first, again)
    assert torch.equal(mirror_cells(mirror_cells(pack_cells(first))), pack_cells(first))


def test_mirrored_features_are_features_of_the_mirrored_mosaic(space, picture):
    """A mosaic of 64 columns that begins with RGGB, mirrored, begins with GRBG."""
    reader = SpaceReader(space, Cameras())
    raw = take(picture, fixed_camera(0.0), reader._matrices, torch.Generator().manual_seed(0))

    def pooled(mosaic, pattern):
        return pack_cells(pool_features(*space.encode(mosaic, pattern=pattern), size_px=(48, 64), space=space))

    mirrored = pooled(raw.balanced.flip(-1), "GRBG")
    assert torch.allclose(mirror_cells(pooled(raw.balanced, "RGGB")), mirrored, atol=1e-4)


@pytest.mark.parametrize("name", ["rendered", "demosaic"])
def test_rgb_inputs_show_the_picture_and_its_mirror_image(space, name):
    half = torch.full((1, 3, 48, 64), 0.1)
    half[..., 32:] = 0.7
    reader = build_reader(name, space, fixed_camera(0.0))
    pooled = reader.read(half, torch.Generator().manual_seed(0))
    assert pooled[:, :12, 20:100, 100:150].mean() > pooled[:, :12, 20:100, 10:60].mean() + 0.2
    assert not pooled[:, 12:].any()
    other = reader.read(half.flip(-1), torch.Generator().manual_seed(0))
    inner = (slice(None), slice(0, 48), slice(10, 50), slice(5, 30))
    assert torch.allclose(mirror_cells(pack_cells(pooled))[inner], pack_cells(other)[inner], atol=0.02)


def test_cameras_take_what_they_are_told(picture):
    matrices = torch.eye(3)[None]
    clean = take(picture, fixed_camera(0.0), matrices, torch.Generator().manual_seed(0))
    noisy = take(picture, fixed_camera(0.01), matrices, torch.Generator().manual_seed(0))
    dark = take(picture, fixed_camera(0.0, exposure_ev=-2.2), matrices, torch.Generator().manual_seed(0))
    assert (noisy.mosaic - clean.mosaic).std() > 0.02
    # 2.2 stops of a gamma of 2.2 halve the encoded value.
    assert 0.15 < float(dark.mosaic.mean() / clean.mosaic.mean()) < 0.25
    assert noisy.noise[0][0] == pytest.approx(0.01)
    gain = 1 / float(noisy.neutral[0])
    assert noisy.balanced_noise[0] == pytest.approx((0.01 * gain, noisy.noise[0][1] * gain**2))


def test_white_balance_can_be_wrong(picture):
    matrices = torch.eye(3)[None]
    right, wrong = (
        take(picture, Cameras(balance_error=error), matrices, torch.Generator().manual_seed(0)) for error in (0.0, 0.2)
    )
    ratio = wrong.neutral / right.neutral
    assert ratio[1] == 1
    assert ratio[0] != 1
    assert bool(((ratio > 1 / 1.2) & (ratio < 1.2)).all())
