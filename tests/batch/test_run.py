"""Batches of real files: every file comes to something, and nothing is left half done."""

import csv
import json
import subprocess
import threading
from pathlib import Path

import batch_files
import numpy as np
import pytest
import tifffile
from batch_files import dng, photos
from PIL import Image

import isp_ns
from isp_ns.batch.memory import Budget, available_bytes, declared_pixels
from isp_ns.core.document import graph_from_yaml
from isp_ns.core.errors import GraphError, OutputError, SettingsError
from isp_ns.io.exiftool import exiftool_path

QUICK = graph_from_yaml(batch_files.SLOW_YAML).replace("slow", seconds=0.0)


class Ear:
    """Remembers what a batch tells."""

    def __init__(self) -> None:
        self.records, self.notes, self.details, self.total = [], [], [], None

    def begin(self, total):
        self.total = total

    def settle(self, record):
        self.records.append(record)

    def note(self, text):
        self.notes.append(text)

    def detail(self, text):
        self.details.append(text)

    def end(self, report):
        self.report = report


def test_five_lines_of_python_develop_a_folder(tmp_path):
    for number in range(3):
        dng(tmp_path / "in" / f"{number}.dng", seed=number)
    ear = Ear()
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", QUICK, listener=ear)
    assert photos(tmp_path / "out") == ["0.jpg", "1.jpg", "2.jpg"]
    assert [record.status for record in report.records] == ["done"] * 3
    assert (ear.total, len(ear.records), ear.report) == (3, 3, report)
    assert set(report.records[0].seconds) == {"decode", "compute", "write"}
    with Image.open(tmp_path / "out" / "0.jpg") as photo:
        assert photo.size == (64, 48)


def test_a_second_run_rewrites_nothing(tmp_path):
    dng(tmp_path / "a.dng")
    isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK)
    before = (tmp_path / "out" / "a.jpg").stat()
    report = isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK)
    assert report.records[0].status == "skipped"
    assert (tmp_path / "out" / "a.jpg").stat().st_mtime_ns == before.st_mtime_ns
    changed = isp_ns.process(
        tmp_path / "a.dng", tmp_path / "out", QUICK.replace("encode", space="rec2020"), on_exists="if-changed"
    )
    assert changed.records[0].status == "done"


def test_bad_files_cost_only_themselves(tmp_path):
    folder = tmp_path / "in"
    good = dng(folder / "b.dng").read_bytes()
    (folder / "a.dng").write_bytes(good[:300])
    (folder / "c.dng").write_bytes(good[: len(good) // 2])
    (folder / "d.nef").write_bytes(b"not a photo at all")
    (folder / "e.dng").write_bytes(b"")
    (folder / "f.txt").write_bytes(b"text")
    dng(folder / "g.dng")
    report = isp_ns.process(folder, tmp_path / "out", QUICK)
    assert [record.status for record in report.records] == ["failed", "done", "failed", "failed", "failed", "done", "ignored"]  # noqa: E501  # fmt: skip
    assert report.exit_code == 1
    assert photos(tmp_path / "out") == ["b.jpg", "g.jpg"]
    assert all(record.reason for record in report.records if record.status == "failed")


def test_a_fault_of_a_stage_is_one_files_record_with_the_place(tmp_path):
    from isp_ns.core.graph import Patch, node

    dng(tmp_path / "a.dng")
    broken = QUICK.patch(Patch({"slow": node("probe.fails", "encode")}))
    ear = Ear()
    report = isp_ns.process(tmp_path / "a.dng", tmp_path / "out", broken, listener=ear)
    assert report.records[0].status == "failed"
    assert "KeyError" in report.records[0].reason
    assert "node slow" in report.records[0].reason
    assert "Traceback" in ear.details[-1]
    assert photos(tmp_path / "out") == []


def test_a_named_pipeline_refuses_what_it_cannot_take(tmp_path):
    dng(tmp_path / "in" / "a.dng", kind="mono")
    dng(tmp_path / "in" / "b.dng", kind="linear")
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", QUICK)
    assert [(record.status, record.kind) for record in report.records] == [("unsupported", "mono"), ("unsupported", "linear")]  # noqa: E501  # fmt: skip
    assert report.exit_code == 3
    assert "monochrome" in report.records[0].reason
    assert "Bayer" in report.records[0].reason


def test_finished_images_go_to_pipelines_that_take_them(tmp_path):
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    refused = isp_ns.process(tmp_path / "a.png", tmp_path / "out", QUICK)
    assert (refused.records[0].status, refused.records[0].kind) == ("unsupported", "rgb")
    from isp_ns.core.graph import Graph, node

    passed = Graph({"rgb": "display_rgb"}, {"image": node("probe.slow", "rgb")}, {"image": "image"})
    report = isp_ns.process(tmp_path / "a.png", tmp_path / "out", passed, format="png")
    assert report.records[0].status == "done"
    with Image.open(tmp_path / "out" / "a.png") as photo:
        assert np.asarray(photo).tolist() == np.full((20, 30, 3), 90).tolist()


def test_formats_and_depths(tmp_path):
    dng(tmp_path / "a.dng", orientation=6)
    for form, depth in (("png", "16"), ("tiff", "32f"), ("jpeg", "8"), ("exr", "16f")):
        report = isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, format=form, bit_depth=depth)
        assert report.records[0].status == "done", report.records[0].reason
    with Image.open(tmp_path / "out" / "a.jpg") as photo:
        assert photo.size == (48, 64)
    assert tifffile.imread(tmp_path / "out" / "a.tif").dtype == np.float32


def test_a_dng_holds_camera_rgb_without_white_balance(tmp_path):
    source = dng(tmp_path / "a.dng")
    report = isp_ns.process(source, tmp_path / "out", QUICK, format="dng")
    assert report.records[0].status == "done", report.records[0].reason
    original, result = isp_ns.read_raw(source), isp_ns.read_raw(tmp_path / "out" / "a.dng")
    assert result.data.shape[0] == 3
    assert result.meta.as_shot_neutral == pytest.approx(original.meta.as_shot_neutral, abs=1e-3)
    black, white = result.meta.black[0][0], result.meta.white[0]
    red = (result.data[0, ::2, ::2].float() - black) / (white - black)
    expected = (original.data[0, ::2, ::2].float() - 512) / (16383 - 512)
    assert red.sub(expected).abs().max() < 1e-3


def test_a_matrix_and_a_profile_by_hand(tmp_path):
    dng(tmp_path / "a.dng")
    results = []
    own = {"matrix": f"dcp:{tmp_path / 'a.dng'}"}
    by_hand = {"matrix": "1,0,0,0,1,0,0,0,1"}
    for options in ({}, {"matrix": "none"}, by_hand, {"profile": "gopro-hero6-black"}, own):
        how = {"format": "png", "on_exists": "overwrite", **options}
        report = isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, **how)
        assert report.records[0].status == "done", report.records[0].reason
        with Image.open(tmp_path / "out" / "a.png") as photo:
            results.append(np.asarray(photo).astype(int))
    plain, none, identity, profile, own_matrices = results
    assert np.array_equal(plain, own_matrices)
    assert np.abs(none - identity).max() <= 1
    assert np.abs(plain - identity).max() > 5
    assert np.abs(plain - profile).max() > 5


def test_mistakes_in_graph_settings_and_places_stop_the_batch(tmp_path):
    dng(tmp_path / "a.dng")
    (tmp_path / "bad.yaml").write_text("schema: 1\ninputs: {raw: sensor}\nnodes: {a: {stage: no.such}}\noutputs: {}\n")
    with pytest.raises(GraphError, match=r"no\.such"):
        isp_ns.process(tmp_path / "a.dng", tmp_path / "out", tmp_path / "bad.yaml")
    with pytest.raises(GraphError, match="did you mean"):
        isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, set={"encode.spce": "srgb"})
    with pytest.raises(SettingsError, match="no output depth"):
        isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, outputs="image,depth")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be used"):
        isp_ns.process(tmp_path / "a.dng", tmp_path / "file" / "out", QUICK)
    with pytest.raises(SettingsError, match="no setting qualty"):
        isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, qualty=3)


def test_fail_fast_stops_at_the_first_failure(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dng").write_bytes(b"nothing")
    for name in "bcdefg":
        dng(tmp_path / "in" / f"{name}.dng")
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", QUICK, fail_fast=True)
    assert (report.exit_code, report.stopped) == (1, True)
    assert len(report.records) < 7


def test_files_that_declare_too_much_are_refused(tmp_path):
    dng(tmp_path / "a.dng", size=(200, 200))
    report = isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, max_megapixels=0.02)
    assert report.records[0].status == "failed"
    assert "MP" in report.records[0].reason


def test_reports_as_json_and_csv(tmp_path):
    dng(tmp_path / "a.dng", as_shot_neutral=None)
    (tmp_path / "b.dng").write_bytes(b"")
    report = isp_ns.process([tmp_path / "a.dng", tmp_path / "b.dng"], tmp_path / "out", QUICK)
    report.write(tmp_path / "r" / "report.json")
    found = json.loads((tmp_path / "r" / "report.json").read_text())
    assert found["schema"] == 1
    assert found["counts"]["done"] == found["counts"]["failed"] == 1
    assert found["files"][0]["pipeline"] == "graph"
    assert any("white balance" in warning for warning in found["files"][0]["warnings"])
    report.write(tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["done", "failed"]
    assert (rows[0]["height"], rows[0]["width"]) == ("48", "64")


def test_names_from_the_files_metadata(tmp_path):
    dng(tmp_path / "a.dng", model="X/1", datetime="2024:05:06 07:08:09")
    isp_ns.process(tmp_path / "a.dng", tmp_path / "out", QUICK, name="{date:%Y}/{camera}_{iso}.{ext}")
    assert photos(tmp_path / "out") == ["2024/X_1_800.jpg"]


def test_a_budget_lets_one_go_however_large_and_others_wait():
    budget = Budget(100)
    assert budget.take("large", 500)
    assert not budget.take("small", 1)
    budget.give_back("large")
    assert budget.take("small", 60)
    assert not budget.take("other", 60)
    budget.hold("small", 30)
    assert budget.take("other", 60)
    assert budget.used_bytes == 90


def test_what_a_file_declares(tmp_path):
    assert declared_pixels(dng(tmp_path / "a.dng", size=(100, 120))) == 12000
    (tmp_path / "b.cr3").write_bytes(bytes(5000))
    assert declared_pixels(tmp_path / "b.cr3") == 5000
    assert declared_pixels(tmp_path / "gone") == 0
    assert available_bytes() > 1 << 26


def test_few_images_are_in_flight_at_a_time(tmp_path, monkeypatch):
    from isp_ns.batch.run import _Batch

    for number in range(8):
        dng(tmp_path / "in" / f"{number}.dng", seed=number)
    most, lock, feed = [], threading.Lock(), _Batch._feed

    def counted(batch):
        feed(batch)
        with lock:
            most.append(len(batch.budget._used))

    monkeypatch.setattr(_Batch, "_feed", counted)
    isp_ns.process(tmp_path / "in", tmp_path / "out", QUICK, jobs=2)
    assert len(photos(tmp_path / "out")) == 8
    assert max(most) <= 4


def test_x_trans_is_for_the_renderer_and_refused_by_a_pipeline(tmp_path, shared_data: Path):
    source = shared_data / "raw" / "layouts" / "gopro6_xtrans_14bit.dng"
    report = isp_ns.process(source, tmp_path / "out", "libraw")
    assert (report.records[0].status, report.records[0].pipeline) == ("done", "libraw")
    report = isp_ns.process(source, tmp_path / "out2", QUICK)
    assert report.records[0].status == "unsupported"


@pytest.mark.skipif(exiftool_path() is None, reason="exiftool is not installed")
def test_what_exiftool_knows_of_the_shot_is_carried_over(tmp_path, exiftool):
    source = dng(tmp_path / "a.dng")
    subprocess.run(["exiftool", "-q", "-XMP-xmp:Rating=4", "-Artist=Somebody", str(source)], check=True)
    report = isp_ns.process(source, tmp_path / "out", QUICK)
    said = subprocess.run(
        ["exiftool", "-s3", "-XMP-xmp:Rating", "-Artist", "-ISO", "-Orientation#", report.records[0].outputs[0]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["4", "Somebody", "800", "1"]
