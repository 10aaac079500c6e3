"""The decoder from the space against its twin from the mosaic."""

import json

import torch
from sample_frames import photograph

from isp_ns.nets.counters import parameters
from isp_ns.nets.space import build_space
from isp_ns.ops.cfa import mosaic
from isp_ns.ops.demosaic import METHODS
from isp_ns.train.decoder_against_pixels import PixelDecoder, compare_decoders
from isp_ns.train.decoder_against_pixels import _twin as twin
from isp_ns.train.run import run_recipe


def test_the_pixel_decoder_starts_as_malvar_2004():
    samples = mosaic(photograph(64, 96), "RGGB")
    with torch.no_grad():
        found = PixelDecoder(16, 1, 16)(samples[None])[0]
    expected = METHODS["malvar"](samples, "RGGB")
    assert torch.allclose(found[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], atol=1e-5)


def test_twins_have_as_many_parameters():
    for name in ("ns-lite", "ns-base"):
        space = build_space(name)
        assert abs(parameters(twin(space)) / parameters(space.d_rgb) - 1) < 0.03


def test_the_study_scores_both(job, tmp_path):
    path, data = job
    trainer = run_recipe(path, tmp_path / "run", steps=2, data=data)
    document = compare_decoders(trainer, tmp_path / "study.json", 0.3)
    assert json.loads((tmp_path / "study.json").read_text()) == document
    assert [row["method"] for row in document["rows"]] == ["space", "pixels"]
    assert all(row["cpsnr_db"] > 20 for row in document["rows"])
    assert min(document["steps"].values()) > 0
    assert document["bytes_read_per_pixel"]["pixels"] == 2.0
