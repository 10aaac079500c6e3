"""The neural stages in a pipeline: no seams, no grid, pictures by E_rgb, and warnings outside their domain."""

import contextlib
import logging

import pytest
import torch
from sample_frames import meta, photograph, sample

import isp_ns
from isp_ns.core.frame import Frame
from isp_ns.core.ports import Port
from isp_ns.io.estimates import with_estimates
from isp_ns.io.pipelines import load_patch, load_pipeline
from isp_ns.io.read import read_image
from isp_ns.nets.reach import SpaceReach
from isp_ns.stages import neural
from isp_ns.stages.neural_weights import space_of

NODES = ("features", "clean", "rgb")


def _in(precision, graph=None):
    graph = graph or load_pipeline("neural")
    for name in NODES:
        graph = graph.replace(name, precision=precision)
    return graph


def _seam(tile_px=48):
    """Largest difference between an image in tiles and the whole, of scene-linear camera RGB."""
    raw = sample(Port("sensor"), "neural", size=(168, 232))
    whole, tiled = (_in("fp32").run(raw=raw, want=["rgb"], tile_px=side)["rgb"].data for side in (512, tile_px))
    return float((whole - tiled).abs().max())


def test_tiles_leave_no_seam():
    assert _seam() < 1e-3


@pytest.mark.parametrize("short", [SpaceReach(0, 12, 8), SpaceReach(28, 0, 8), SpaceReach(28, 12, 0)])
def test_a_halo_that_is_too_small_would_be_seen(monkeypatch, short):
    monkeypatch.setattr(neural, "reach_of", lambda spec: short)
    assert _seam() > 1e-3


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_flat_areas_show_no_grid(pattern, precision):
    generator = torch.Generator().manual_seed(3)
    about = meta(pattern)
    neutral = torch.tensor(about.as_shot_neutral)[["RGB".index(letter) for letter in pattern]].view(2, 2)
    light = 0.2 * neutral.repeat(96, 96)
    noisy = light + torch.sqrt(4e-4 * light) * torch.randn(192, 192, generator=generator)
    raw = Frame((noisy[None] * 15000 + 512).to(torch.uint16), about.with_values("dng", gain_maps=()))
    rgb = _in(precision).run(raw=raw, want=["rgb"])["rgb"].data[:, 16:-16, 16:-16]
    cells = torch.stack([rgb[:, y::2, x::2].mean((1, 2)) for y in (0, 1) for x in (0, 1)])
    # Below half a level of 255 at this brightness, where a level is 0.0034 of linear light.
    assert float((cells.amax(0) - cells.amin(0)).max()) < 0.0017
    assert float((rgb.mean((1, 2)) - rgb.mean()).abs().max()) < 0.004


def test_a_finished_picture_is_denoised_and_keeps_its_colours():
    clean = photograph(192, 256) ** (1 / 2.2)
    generator = torch.Generator().manual_seed(0)
    noisy = clean + 10 / 255 * torch.randn(clean.shape, generator=generator)
    graph = load_pipeline("classic").patch(load_patch("rgb"))
    frame = with_estimates(Frame(noisy.clamp(0, 1), isp_ns.Meta(space="srgb")))
    image = graph.run(raw=frame)["image"].data / 255
    assert isp_ns.psnr(image, clean) > isp_ns.psnr(noisy.clamp(0, 1), clean) + 2
    assert float((image - clean).mean((1, 2)).abs().max()) < 0.004


def test_a_clean_picture_stays_as_it_is():
    clean = photograph(192, 256) ** (1 / 2.2)
    graph = load_pipeline("classic").patch(load_patch("rgb")).replace("clean", strength=0.0)
    image = graph.run(raw=Frame(clean, isp_ns.Meta(space="srgb")))["image"].data / 255
    assert isp_ns.psnr(image, clean) > 50


@pytest.mark.parametrize(
    ("noise", "words"),
    [(None, "unknown"), (((0.5, 1e-2),) * 3, "strongest"), (((1e-3, 1e-6),) * 3, "")],
)
def test_noise_outside_the_training_is_told(caplog, noise, words):
    raw = sample(Port("sensor"), "neural").with_meta(noise=noise)
    with caplog.at_level(logging.WARNING, "isp_ns"):
        load_pipeline("neural").run(raw=raw, tile_px=64)
    told = [record.getMessage() for record in caplog.records]
    assert [words in text for text in told] == [True] * bool(words)


def test_noise_is_told_once_for_a_part_of_the_sensor(caplog):
    raw = sample(Port("sensor"), "neural").with_meta(noise=None)
    part = raw.crop((8, 8, *raw.size))
    with caplog.at_level(logging.WARNING, "isp_ns"):
        load_pipeline("neural").run(raw=part, tile_px=64)
    assert len([record for record in caplog.records if "unknown" in record.getMessage()]) == 1


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "BGGR"])
def test_a_picture_forgets_the_mosaic_that_it_was_made_of(pattern):
    rgb = photograph(96, 128)
    plain, made = (Frame(rgb, about) for about in (isp_ns.Meta(), meta(pattern)))
    one, other = (
        neural.decode_rgb(neural.encode_rgb(frame, precision="fp32"), precision="fp32").data for frame in (plain, made)
    )
    assert torch.equal(one, other)


def test_texture_of_a_finished_picture_stays(shared_data):
    frame = read_image(shared_data / "images/test/kodak24/kodim13.png")
    graph = load_pipeline("classic").patch(load_patch("rgb"))
    image = graph.run(raw=with_estimates(frame))["image"].data / 255
    assert isp_ns.psnr(image, frame.data) > 46


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_the_networks_follow_the_picture_to_its_device(monkeypatch, precision):
    """The device "meta" has shapes only, and like a GPU refuses tensors of another device."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    mosaic = torch.empty(1, 1, 34, 50, device="meta")
    with torch.no_grad():
        for pattern in ("RGGB", "GRBG"):
            space = space_of("ns-lite", precision, mosaic.device)
            z = space.denoise(*space.encode(mosaic, pattern=pattern), [(1e-3, 1e-6)] * 3, pattern=pattern)
            rgb = space.decode(*z, size=(34, 50), pattern=pattern)
            assert (rgb.shape, rgb.device.type) == ((1, 3, 34, 50), "meta")
            assert space.encode_rgb(rgb)[1].device.type == "meta"


@pytest.mark.parametrize("height", [9, 10, 13, 17, 18])
def test_features_of_a_low_picture_can_be_tapped_in_tiles(height):
    raw = sample(Port("sensor"), "neural", size=(height, 203))
    whole, tiled = (_in("fp32").run(raw=raw, want=["features"], tile_px=side)["features"] for side in (512, 64))
    assert whole.b.shape == tiled.b.shape
    assert whole.t.shape == tiled.t.shape
    assert float((whole.b - tiled.b).abs().max()) < 1e-3
