"""Names, values and files as they should not be: said plainly, and nothing is lost or guessed."""

import json
import os
from pathlib import Path

import batch_files
import numpy as np
import pytest
import tifffile
import torch
from batch_files import dng
from click.testing import CliRunner, Result
from PIL import Image

from isp_ns.cli.main import cli
from isp_ns.core.errors import MetadataError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, Meta
from isp_ns.io.exifwrite import ExifData, ascii_tag
from isp_ns.io.tiffwrite import write_tiff
from isp_ns.stages.measure import daylight


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(batch_files.SLOW_YAML.replace("seconds: 0.3", "seconds: 0.0"))
    return path


def test_text_in_metadata_may_be_any_language(tmp_path):
    text = "© 2026 Jürgen 写真"
    path = tmp_path / "a.tif"
    exif = ExifData({33432: ascii_tag(text), 305: ascii_tag(text)})
    write_tiff(path, np.zeros((8, 8, 3), np.uint8), exif=exif, icc=b"", compression="none")
    with tifffile.TiffFile(path) as file:
        for tag in (33432, 305):
            assert file.pages[0].tags[tag].value == text


@pytest.mark.skipif(os.name != "posix", reason="names are text here")
def test_a_name_that_is_no_unicode_is_a_name(tmp_path, quick):
    name = os.fsdecode(b"bad\xffname.dng")
    try:
        dng(tmp_path / "in" / name)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    logs = ["--report", tmp_path / "r.json", "--log-file", tmp_path / "l.txt", "--log-json", tmp_path / "l.json"]
    made = call("process", tmp_path / "in", "-o", tmp_path / "out", "-p", quick, *logs)
    assert made.exit_code == 0, made.output
    assert [path.name for path in (tmp_path / "out").glob("*.jpg")] == [name.replace(".dng", ".jpg")]
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["done"] == 1
    again = call("process", tmp_path / "in", "-o", tmp_path / "out", "-p", quick, "--on-exists", "if-changed")
    assert "1 skipped" in again.stderr


def test_a_name_without_room_for_a_suffix_costs_one_file(tmp_path, quick):
    dng(tmp_path / "in" / "a.dng")
    dng(tmp_path / "in" / f"{'x' * 250}.dng")
    made = call("process", tmp_path / "in", "-o", tmp_path / "out", "-p", quick)
    assert "Traceback" not in made.output
    assert (tmp_path / "out" / "a.jpg").is_file()


@pytest.mark.parametrize("name", ["a.cr2", "a.nef", "a.dng"])
def test_rubbish_under_the_name_of_a_camera_file_is_not_guessed_at(tmp_path, quick, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(786432))
    made = call("process", tmp_path / name, "-o", tmp_path / "out", "-p", quick)
    assert made.exit_code == 1
    assert f"it is damaged, or no {name[2:].upper()} file" in made.stderr


def test_a_white_balance_that_cannot_be_had_is_said(tmp_path):
    path = dng(tmp_path / "a.dng")
    made = call("process", path, "-o", tmp_path / "out", "-p", "fast", "--wb", "box:99999,0,10,10")
    assert made.exit_code == 1
    assert "row 99999" in made.stderr or "column 99999" in made.stderr
    with pytest.raises(MetadataError, match="colour matrix"):
        daylight(Frame(torch.zeros(1, 8, 8), Meta(cfa=Cfa("RGGB"))))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--outputs", ""],
        ["--outputs", ","],
        ["-o", ""],
        ["--report", "a.dng/r.json"],
        ["--report", "."],
        ["-p", "a.dng.yaml"],
    ],
)
def test_mistakes_are_told_before_anything_is_done(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    dng(tmp_path / "a.dng")
    (tmp_path / "a.dng.yaml").write_bytes(b"schema: 1 # caf\xe9")
    made = call("process", "a.dng", "-o", "out", *arguments)
    assert made.exit_code == 2, made.output
    assert "Traceback" not in made.output
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.jpg"))


def test_an_exponent_makes_a_number(tmp_path):
    path = dng(tmp_path / "a.dng")
    shown = call("process", path, "--print-config", "--set", "rgb.amount=1e-1").output
    assert '"rgb.amount": 0.1}' in shown


def test_a_camera_never_replaces_a_file_by_a_simulation(tmp_path):
    Image.new("RGB", (32, 32), (90, 120, 60)).save(tmp_path / "IMG_1.png")
    (tmp_path / "IMG_1.dng").write_bytes(b"the original")
    refused = call("synth", tmp_path / "IMG_1.png", "-o", tmp_path)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "IMG_1.dng").read_bytes() == b"the original"
    assert call("synth", tmp_path / "IMG_1.png", "-o", tmp_path, "--overwrite").exit_code == 0
    assert (tmp_path / "IMG_1.dng").stat().st_size > 1000


def test_a_slider_of_bayer_files_does_not_fail_the_others(tmp_path):
    for kind in ("bayer", "linear", "mono"):
        dng(tmp_path / "in" / f"{kind}.dng", kind=kind)
    made = call("process", tmp_path / "in", "-o", tmp_path / "out", "--set", "clean.strength=0.5")
    assert made.exit_code == 0, made.output
    assert made.stderr.count("--set has no effect: there is no node clean") == 2
    wrong = call("process", tmp_path / "in" / "mono.dng", "-o", tmp_path / "out2", "--set", "claen.strength=0.5")
    assert wrong.exit_code != 0


def test_what_the_user_gives_is_not_told_to_be_missing(shared_data, tmp_path):
    (path,) = shared_data.rglob("DC0009L.KDC")
    bare, told = (
        call("process", path, "-o", tmp_path / name, "-p", "fast", *more).stderr
        for name, more in (("bare", []), ("told", ["--wb", "gains:2,1,1.5"]))
    )
    assert "no usable white balance" in bare
    assert "warning" not in told
