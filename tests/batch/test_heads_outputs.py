"""Depth and labels beside the photo, from one run."""

import numpy as np
import pytest
import tifffile
from batch_files import dng, photos
from PIL import Image
from random_heads import CLASSES, save_random_heads

import isp_ns
from isp_ns.io.pipelines import load_patch, load_pipeline
from isp_ns.nets import cards
from isp_ns.stages import neural_weights


@pytest.fixture(autouse=True)
def heads(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("weights")
    save_random_heads(folder)
    monkeypatch.setattr(cards, "weights_folder", lambda: folder)
    for cached in (neural_weights.heads_card, neural_weights.heads_of, neural_weights.space_card):
        cached.cache_clear()
    yield
    for cached in (neural_weights.heads_card, neural_weights.heads_of, neural_weights.space_card):
        cached.cache_clear()


@pytest.fixture
def pipeline():
    return load_pipeline("classic").patch(load_patch("neural")).patch(load_patch("perception"))


def _process(tmp_path, pipeline, outputs, **values):
    dng(tmp_path / "in" / "a.dng", size=(120, 176), **values)
    return isp_ns.process(tmp_path / "in", tmp_path / "out", pipeline, outputs=outputs)


def test_photo_depth_and_labels_with_previews(tmp_path, pipeline):
    report = _process(tmp_path, pipeline, ("image", "depth", "labels"), focal_35mm=28.0, orientation=6)
    assert report.records[0].status == "done", report.records[0].reason
    names = ["a.jpg", "a_depth.tif", "a_depth_preview.jpg", "a_labels.png", "a_labels_overlay.jpg"]
    assert photos(tmp_path / "out") == names
    out = tmp_path / "out"
    with Image.open(out / "a.jpg") as photo, Image.open(out / "a_labels.png") as labels:
        assert photo.size == labels.size == (120, 176)
        assert labels.mode == "P"
        assert labels.getpalette()[:6] == [*CLASSES[0]["colour"], *CLASSES[1]["colour"]]
        assert np.asarray(labels).max() < 13
        assert labels.text["Classes"].splitlines()[1] == "1 class 1"
    depth = tifffile.imread(out / "a_depth.tif")
    assert depth.shape == (176, 120)
    assert depth.dtype == np.float32
    with Image.open(out / "a_depth_preview.jpg") as preview:
        assert preview.width == 120
        assert preview.height > 176


def test_millimetres_are_the_metres(tmp_path, pipeline):
    _process(tmp_path, pipeline, ("depth", "depth_mm"), focal_35mm=28.0)
    metres = tifffile.imread(tmp_path / "out" / "a_depth.tif")
    with Image.open(tmp_path / "out" / "a_depth_mm.png") as stored:
        assert np.abs(np.asarray(stored).astype(float) - 1000 * metres).max() <= 0.51


def test_without_a_focal_length_depth_is_relative_and_said_so(tmp_path, pipeline):
    report = _process(tmp_path, pipeline, ("depth",))
    assert any("depth is relative" in warning for warning in report.records[0].warnings)
    refused = isp_ns.process(tmp_path / "in", tmp_path / "mm", pipeline, outputs=("depth_mm",))
    assert "no millimetres" in refused.records[0].reason


def test_a_second_run_rewrites_nothing(tmp_path, pipeline):
    _process(tmp_path, pipeline, ("image", "labels"), focal_35mm=28.0)
    again = isp_ns.process(tmp_path / "in", tmp_path / "out", pipeline, outputs=("image", "labels"))
    assert again.records[0].status == "skipped"


def test_a_pipeline_without_depth_says_so(tmp_path):
    with pytest.raises(isp_ns.IspError, match="no output depth"):
        _process(tmp_path, load_pipeline("classic"), ("depth",))


def test_a_patch_of_the_look_leaves_depth_where_it_is(tmp_path):
    dng(tmp_path / "in" / "a.dng", size=(120, 176))
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", outputs=("depth",), patch=("local_tone",))
    assert report.records[0].status == "done", report.records[0].reason
    assert (tmp_path / "out" / "a_depth.tif").is_file()


def test_a_file_without_a_mosaic_says_why_it_has_no_depth(tmp_path):
    dng(tmp_path / "in" / "a.dng", size=(120, 176), kind="linear")
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", outputs=("image", "depth"))
    assert report.records[0].status == "unsupported"
    assert "perception does not fit there" in report.records[0].reason
