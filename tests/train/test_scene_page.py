"""A page of test scenes: its rows, colours, hatching and legends, names that are markup, folders that are not ours."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from webdriver import browser

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, Meta
from isp_ns.data.labelled import IGNORED, Sample, load_label_table
from isp_ns.train.scene_page import ScenePage
from isp_ns.train.scene_pictures import HATCH_GREYS, depth_picture, depth_scale, label_picture, mosaic_picture

EVIL = "<img src=x>"
TABLE = load_label_table("nyu13")
HEIGHT, WIDTH = 24, 32
RESULT = {
    "schema": 1,
    "protocol": {
        "dataset": "nyuv2",
        "split": "test",
        "camera": "<b>phone</b>",
        "iso": 1600.0,
        "weights": "nyu-lite",
        "images": 9,
        "images_of_split": 654,
        "pixels": {"depth": "all & more"},
    },
    "rel": 0.125,
    "delta1": 0.875,
    "miou": 0.5,
    "pixel_accuracy": 0.625,
    "iou": {"bed": 0.25, "tv": None},
}


def found(depth=2.0, label=4, tasks=("depth", "labels")):
    """A run of the pipeline that says one depth and one class."""
    size = (1, HEIGHT, WIDTH)
    maps = {
        "depth": Frame(torch.full(size, depth)),
        "labels": Frame(torch.full(size, label, dtype=torch.uint8)),
    }
    raw = {"level": Frame(torch.rand(size), Meta(cfa=Cfa("RGGB"))), "image": Frame(torch.rand(3, HEIGHT, WIDTH))}
    return raw | {task: maps[task] for task in tasks}


def sample(name="0001", depth=4.0, label=4, unknown=False):
    """A picture with one depth and one class, the left half of both unknown if wanted."""
    true_depth = torch.full((1, HEIGHT, WIDTH), depth)
    labels = torch.full((1, HEIGHT, WIDTH), label)
    if unknown:
        true_depth[..., : WIDTH // 2], labels[..., : WIDTH // 2] = 0, IGNORED
    return Sample(torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8), true_depth, labels, 50.0, name)


def page(folder, *scenes):
    """The text of a page of samples and what was found."""
    made = ScenePage(folder, TABLE)
    for each in scenes:
        made.add(*each)
    return made.finish(RESULT).read_text(encoding="utf-8")


def test_a_row_for_each_scene_with_its_pictures(tmp_path):
    text = page(tmp_path / "p", (sample(), found()), (sample(), found(label=5)), (sample(), found()))
    assert text.count("<article") == 3
    pictures = re.findall(r'<img src="([^"]+)" width="(\d+)" height="(\d+)"', text)
    names = ["raw.png", "photo.jpg", "depth.png", "true-depth.png", "labels.png", "true-labels.png"]
    assert [name for name, _, _ in pictures] == [f"pictures/{n}-{name}" for n in (1, 2, 3) for name in names]
    for name, width, height in pictures:
        with Image.open(tmp_path / "p" / name) as image:
            assert image.size == (int(width), int(height)) == (WIDTH, HEIGHT)
    assert len(re.findall('alt="[^"]+"', text)) == len(pictures)


def test_numbers_of_a_scene_and_of_all(tmp_path):
    """2 m where 4 are true is an abs rel of 0.5; half of the classes are right."""
    half = sample(label=5)
    half.labels[:, HEIGHT // 2 :] = 4
    text = page(tmp_path / "p", (half, found()))
    overall, scene = text.split("<article")
    assert "abs rel</dt><dd>0.125" in overall
    assert "pixel accuracy</dt><dd>62.5%" in overall
    assert "<dt>tv</dt><dd>–</dd>" in overall
    assert "split test" in overall
    assert "ISO 1600" in overall
    assert "9 of 654 pictures scored, 1 shown" in overall
    assert "abs rel</dt><dd>0.500" in scene
    assert "pixel accuracy</dt><dd>50.0%" in scene
    assert f"{TABLE.names[4]}<small>100%, true 50%</small>" in scene
    assert "no truth" not in text


def test_names_are_text_never_markup(tmp_path):
    text = page(tmp_path / "p", (sample(EVIL), found()))
    assert EVIL not in text
    assert "1 · &lt;img src=x&gt;" in text
    assert 'alt="RAW of &lt;img src=x&gt;"' in text
    assert "<b>phone" not in text
    assert "all &amp; more" in text
    assert "<script" not in text
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")


def test_a_truth_that_is_not_there_has_no_column(tmp_path):
    blind = Sample(sample().image, None, sample().labels, None, "street")
    text = page(tmp_path / "p", (blind, found(tasks=("labels",))))
    assert re.findall("<figcaption>([^<]+)<", text) == ["RAW", "Photo", "Labels", "True labels"]
    assert "Depth in colours" not in text
    text = page(tmp_path / "p", (sample(), found(tasks=("depth",))))
    assert re.findall("<figcaption>([^<]+)<", text) == ["RAW", "Photo", "Depth", "True depth"]


def test_unknown_pixels_are_hatched_and_said_so(tmp_path):
    text = page(tmp_path / "p", (sample(unknown=True), found()))
    assert "no truth: unknown in the dataset, not scored" in text
    for name, known in (("labels", TABLE.colours[4]), ("depth", None)):
        with Image.open(tmp_path / "p" / "pictures" / f"1-true-{name}.png") as image:
            pixels = np.array(image)
        assert {tuple(p) for p in pixels[:, : WIDTH // 2].reshape(-1, 3)} == {(g, g, g) for g in HATCH_GREYS}
        right = {tuple(int(v) for v in p) for p in pixels[:, WIDTH // 2 :].reshape(-1, 3)}
        assert right == {known} if known else len(right) == 1


def test_nothing_is_scored_without_any_truth(tmp_path):
    dark = sample(depth=0.0, label=IGNORED)
    scene = page(tmp_path / "p", (dark, found())).split("<article")[1]
    assert "abs rel" not in scene
    assert "no truth" in scene


def test_found_and_true_depth_share_a_scale(tmp_path):
    """2 m is at the near end, yellow, and 8 m at the far end; half of the logarithm lies at 4 m."""
    text = page(tmp_path / "p", (sample(depth=8.0), found(depth=2.0)))
    marks = re.findall(r"<text[^>]*>([^<]+)</text>", text)
    assert [float(mark.removesuffix(" m")) for mark in marks] == pytest.approx([2, 2.83, 4, 5.66, 8], rel=0.02)
    assert depth_scale(torch.full((1, 4, 4), 2.0), torch.tensor([[[0.0, 8.0]]])) == pytest.approx((2, 8), rel=0.02)
    near, far = (depth_picture(torch.full((1, 2, 2), metres), (2, 8))[0, 0].tolist() for metres in (2.0, 8.0))
    assert (near, far) == ([253, 231, 37], [68, 1, 84])


def test_labels_have_the_colours_of_the_table():
    labels = torch.arange(13)[None, None]
    assert [tuple(colour) for colour in label_picture(labels, TABLE.colours)[0].tolist()] == list(TABLE.colours)


def test_the_mosaic_is_bright_and_tinted():
    flat = Frame(torch.full((1, 4, 4), 0.01), Meta(cfa=Cfa("GRBG")))
    pixels = mosaic_picture(flat)
    assert pixels.max() == 255
    brightest = pixels[:2, :2].reshape(4, 3)
    assert [int(p.argmax()) for p in brightest] == [1, 0, 2, 1]
    assert not mosaic_picture(Frame(torch.zeros(1, 4, 4), flat.meta)).any()


def test_a_page_replaces_an_earlier_one_and_nothing_else(tmp_path):
    page(tmp_path / "p", (sample(), found()), (sample(), found()))
    text = page(tmp_path / "p", (sample(), found()))
    assert text.count("<article") == 1
    parts = {"index.html", "pictures", "base.css", "scenes.css"}
    assert {path.name for path in (tmp_path / "p").iterdir()} == parts
    assert len(list((tmp_path / "p" / "pictures").iterdir())) == 6
    (tmp_path / "p" / "mine.txt").touch()
    with pytest.raises(OutputError, match="no earlier page of scenes"):
        ScenePage(tmp_path / "p", TABLE)


def test_an_earlier_page_stays_until_there_is_a_new_scene(tmp_path):
    before = page(tmp_path / "p", (sample(), found()))
    ScenePage(tmp_path / "p", TABLE)
    assert (tmp_path / "p" / "index.html").read_text(encoding="utf-8") == before


def test_folders_that_are_not_ours_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file; give a folder to --page"):
        ScenePage(tmp_path / "file", TABLE)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").touch()
    with pytest.raises(OutputError, match="no earlier page of scenes"):
        ScenePage(tmp_path / "site", TABLE)
    with pytest.raises(OutputError, match="cannot be written there"):
        page(tmp_path / "file" / "p", (sample(), found()))


def test_the_page_in_a_browser_on_a_phone(tmp_path):
    """All pictures load, nothing complains, and only the rows scroll sideways."""
    page(tmp_path / "p", (sample(EVIL, unknown=True), found()), (sample("a & b"), found()))
    with browser() as shown:
        screen = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True}
        shown.devtools("Emulation.setDeviceMetricsOverride", **screen)
        shown.open(tmp_path / "p" / "index.html")
        shown.run("document.querySelectorAll('img').forEach((i) => { i.loading = 'eager' })")
        loaded = "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
        for _ in range(50):
            if shown.run(loaded):
                break
        assert shown.run(loaded)
        assert shown.run("return document.documentElement.scrollWidth") == 360
        assert shown.run("const r = document.querySelector('.row'); return r.scrollWidth > r.clientWidth")
        assert EVIL in shown.text("h2")
        assert shown.complaints() == []
