"""The space as a whole: phases, sizes, tiles, zero noise, and what it costs."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn import functional as F

from isp_ns.nets.counters import macs_per_pixel, parameters, raw_path_macs, receptive_field
from isp_ns.nets.encoder import PACKED_RGB, malvar_packed
from isp_ns.nets.layers import Conv
from isp_ns.nets.space import SPECS, NeuralSpace, SpaceSpec, build_space, pad_to_cells

PATTERNS = {"RGGB": (), "GRBG": (3,), "GBRG": (2,), "BGGR": (2, 3)}
NOISE = ((1e-3, 1e-5),) * 3


@pytest.fixture(scope="module")
def space():
    torch.manual_seed(0)
    space = NeuralSpace(SpaceSpec(16, 24, 16, 1, 1, 1, 1, 8, 16), "test")
    with torch.no_grad():
        for module in space.modules():
            if isinstance(module, Conv) and not module.weight.any():
                torch.nn.init.normal_(module.weight, std=0.05)
    return space.eval().requires_grad_(False)


def render(space, mosaic, pattern="RGGB", noise=NOISE, encoding="sqrt"):
    z = space.encode(mosaic, pattern=pattern, encoding=encoding)
    z = space.denoise(*z, noise, pattern=pattern, encoding=encoding)
    return space.decode(*z, size=tuple(mosaic.shape[-2:]), pattern=pattern, encoding=encoding)


def test_shapes_of_the_two_scales(space):
    z_b, z_t = space.encode(torch.rand(2, 1, 24, 32))
    assert z_b.shape == (2, 16, 12, 16)
    assert z_t.shape == (2, 24, 6, 8)
    assert [t.shape for t in space.encode_rgb(torch.rand(2, 3, 24, 32))] == [z_b.shape, z_t.shape]


def test_threads_that_ask_at_once_share_one_twin():
    space = build_space("ns-base").eval().requires_grad_(False)
    with ThreadPoolExecutor(8) as pool:
        twins = list(pool.map(space.oriented, ["GRBG", "GBRG", "BGGR"] * 16))
    assert len({id(twin) for twin in twins}) == 3


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_every_phase_is_the_mirrored_picture(space, pattern):
    mosaic = torch.rand(1, 1, 24, 32)
    dims = PATTERNS[pattern]
    expected = render(space, mosaic.flip(dims)).flip(dims)
    assert torch.allclose(render(space, mosaic, pattern), expected, atol=1e-5)


@pytest.mark.parametrize("pattern", list(PATTERNS))
@pytest.mark.parametrize("size", [(21, 30), (22, 33), (23, 31)])
def test_odd_sizes_keep_their_phase(space, pattern, size):
    """A picture cut at odd sizes must equal the whole one away from the cut."""
    mosaic = torch.rand(1, 1, 96, 96)
    whole = render(space, mosaic, pattern)
    rows, columns = 64 + size[0] % 4, 64 + size[1] % 4
    part = render(space, mosaic[..., :rows, :columns], pattern)
    assert part.shape == (1, 3, rows, columns)
    assert torch.allclose(part[..., :20, :20], whole[..., :20, :20], atol=1e-5)


def test_padding_mirrors_about_the_edge_sample():
    x = torch.arange(42.0).view(1, 1, 6, 7)
    padded = pad_to_cells(x)
    assert padded.shape == (1, 1, 8, 8)
    assert torch.equal(padded[..., 6, :7], x[..., 4, :])
    with pytest.raises(ValueError, match="3×8"):
        pad_to_cells(torch.zeros(1, 1, 3, 8))


def test_without_noise_the_denoiser_is_the_identity(space):
    z_b, z_t = space.encode(torch.rand(1, 1, 16, 16))
    same = space.denoiser(z_b, z_t, torch.zeros(1, 3, 4, 4))
    assert torch.equal(same[0], z_b)
    assert torch.equal(same[1], z_t)
    off = space.denoise(z_b, z_t, NOISE, strength=0.0)
    assert torch.equal(off[0], z_b)
    on = space.denoise(z_b, z_t, NOISE)
    assert not torch.equal(on[0], z_b)


def test_without_noise_a_denoiser_that_looks_far_is_the_identity():
    far = NeuralSpace(dataclasses.replace(SPECS["ns-lite"], denoise_far=8), "far").eval()
    for conv in (far.denoiser.far.second, far.denoiser.leave_b, far.denoiser.leave_t):
        torch.nn.init.normal_(conv.weight)
    z_b, z_t = far.encode(torch.rand(1, 1, 16, 16))
    same = far.denoiser(z_b, z_t, torch.zeros(1, 3, 4, 4))
    assert torch.equal(same[0], z_b)
    assert torch.equal(same[1], z_t)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_tiles_with_the_documented_halo_equal_the_whole(space, pattern):
    halo = receptive_field(space)
    mosaic = torch.rand(1, 1, 160, 200)
    whole = render(space, mosaic, pattern)
    for top, left in ((0, 0), (64, 96), (128, 160)):
        y, x = max(0, top - halo), max(0, left - halo)
        tile = render(space, mosaic[..., y : top + 32 + halo, x : left + 40 + halo], pattern)
        inner = tile[..., top - y : top - y + 32, left - x : left - x + 40]
        assert torch.allclose(inner, whole[..., top : top + 32, left : left + 40], atol=1e-5)


def test_a_smaller_halo_leaves_a_seam(space):
    halo = receptive_field(space) - 8
    mosaic = torch.rand(1, 1, 160, 160)
    whole = render(space, mosaic)
    tile = render(space, mosaic[..., 64 - halo :, :])
    assert not torch.equal(tile[..., halo, :], whole[..., 64, :])


def test_the_decoder_reads_the_space_only(space):
    z_b, z_t = space.encode(torch.rand(1, 1, 16, 16))
    assert torch.equal(space.decode(z_b, z_t, size=(15, 13)), space.decode(z_b, z_t, size=(16, 16))[..., :15, :13])


def test_fresh_weights_are_malvar():
    """On a grey ramp the linear demosaic is exact inside, and so is a network that has learned nothing."""
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    fresh = build_space("ns-lite").eval().requires_grad_(False)
    rgb = render(fresh, ramp, noise=((0.0, 0.0),) * 3, encoding="identity")
    assert torch.allclose(rgb[..., 4:-4, 4:-4], ramp.expand(1, 3, 32, 32)[..., 4:-4, 4:-4], atol=1e-6)


def test_malvar_keeps_what_was_measured():
    mosaic = torch.rand(1, 1, 16, 16)
    rgb = F.pixel_shuffle(F.conv2d(F.pixel_unshuffle(mosaic, 2), malvar_packed(), padding=1), 2)
    assert torch.equal(rgb[0, 0, 0::2, 0::2], mosaic[0, 0, 0::2, 0::2])
    assert torch.equal(rgb[0, 1, 0::2, 1::2], mosaic[0, 0, 0::2, 1::2])
    assert torch.equal(rgb[0, 2, 1::2, 1::2], mosaic[0, 0, 1::2, 1::2])


def test_malvar_against_another_library():
    import warnings

    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        demosaicing = pytest.importorskip("colour_demosaicing")
    mosaic = np.random.default_rng(0).random((24, 24))
    expected = demosaicing.demosaicing_CFA_Bayer_Malvar2004(mosaic, "RGGB")
    packed = F.pixel_unshuffle(torch.tensor(mosaic, dtype=torch.float32)[None, None], 2)
    rgb = F.pixel_shuffle(F.conv2d(packed, malvar_packed(), padding=1), 2)[0].permute(1, 2, 0).numpy()
    assert np.allclose(rgb[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize(("name", "kmac", "most"), [("ns-lite", 20, 250_000), ("ns-base", 80, 800_000)])
def test_budgets(name, kmac, most):
    space = build_space(name)
    assert raw_path_macs(space)["raw_path"] <= kmac * 1000
    assert parameters(space) <= most
    assert SPECS["ns-base"].z_b == SPECS["ns-base"].z_t == 64
    assert PACKED_RGB == 12


def test_macs_of_a_known_convolution():
    conv = Conv(4, 8)
    assert macs_per_pixel(lambda: conv(torch.zeros(1, 4, 10, 10)), [conv], 100) == 9 * 4 * 8


def test_unknown_names_are_refused(space):
    with pytest.raises(ValueError, match="ns-lite"):
        build_space("ns-huge")
    with pytest.raises(ValueError, match="XTRANS"):
        space.encode(torch.zeros(1, 1, 8, 8), pattern="XTRANS")
