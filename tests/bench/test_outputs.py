"""Three outputs from one pass beside three nets, with heads of random weights on the shipped space."""

import functools
import json

import pytest
import torch
from click.testing import CliRunner
from random_heads import save_random_heads

from isp_ns.bench import outputs
from isp_ns.bench.files import speed_file
from isp_ns.bench.outputs import ON_PHOTO, ONE_PASS, OUTPUTS, THREE_NETS, measure_outputs
from isp_ns.bench.run import Options
from isp_ns.bench.run import bench as run_bench
from isp_ns.bench.schema import check
from isp_ns.bench.table import plain
from isp_ns.cli.main import cli
from isp_ns.nets.cards import load_perception, load_space
from isp_ns.nets.counters import macs_per_pixel, parameters, raw_path_macs

SIZE = (96, 128)


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_random_heads(folder)
    return str(folder / "nyu-lite.safetensors")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return speed_file(tmp_path_factory.mktemp("photo"), (160, 240), 0)


@pytest.fixture(scope="module")
def rows(heads, photo):
    found = measure_outputs(heads, lambda: photo, runs=2, device="cpu", tell=quiet, size=SIZE)
    return {row.name: row for row in found}


def test_there_is_a_row_for_each_output_for_one_pass_for_three_nets_and_for_the_photo(rows):
    assert list(rows) == [*OUTPUTS, ONE_PASS, THREE_NETS, ON_PHOTO]
    assert {row.status for row in rows.values()} == {"done"}
    assert rows["depth"].outputs == ("depth",)
    assert rows[ONE_PASS].outputs == OUTPUTS
    assert (rows[ONE_PASS].size, rows[ON_PHOTO].size) == (SIZE, (160, 240))
    assert {row.heads for row in rows.values()} == {"nyu-lite"}


def test_each_net_has_the_parameters_of_what_it_runs(rows, heads):
    space, net = load_space("ns-lite")[0], load_perception(heads)[0]
    features = parameters(space.e_raw) + parameters(space.denoiser)
    trunk, decoder = parameters(net.trunk), {task: parameters(net.decoder(task)) for task in net.tasks}
    image = features + parameters(space.d_rgb)
    assert rows["image"].parameters == image
    assert rows["depth"].parameters == features + trunk + decoder["depth"]
    assert rows["labels"].parameters == features + trunk + decoder["labels"]
    assert rows[ONE_PASS].parameters == image + trunk + sum(decoder.values())


def _with(heads):
    return outputs._with_heads(heads).only(*OUTPUTS)


def test_each_net_has_the_multiply_accumulates_of_what_it_runs(rows, heads):
    """Heads of a 96 by 128 picture read 120 by 160 cells, four of them packed into one, and its mirror image's."""
    macs, net = raw_path_macs(load_space("ns-lite")[0]), load_perception(heads)[0]
    pixels, probe = SIZE[0] * SIZE[1], torch.zeros(1, net.spec.inputs, 60, 80)
    trunk = macs_per_pixel(lambda: net.trunk(probe), [net], pixels) * 2
    # A 1×1 convolution from 8 channels to the outputs.
    decoder = {task: 2 * 8 * wide * 60 * 80 / pixels for task, wide in (("depth", 2), ("labels", 13))}
    features = macs["encode"] + macs["denoise"]
    per_pixel = {name: 1e3 * row.kmac_per_pixel for name, row in rows.items()}
    assert per_pixel["image"] == pytest.approx(macs["raw_path"])
    assert per_pixel["depth"] == pytest.approx(features + trunk + decoder["depth"])
    assert per_pixel["labels"] == pytest.approx(features + trunk + decoder["labels"])
    assert per_pixel[ONE_PASS] == pytest.approx(macs["raw_path"] + trunk + sum(decoder.values()))
    # A photo above 640 pixels enters the encoder a second time, 480 by 640 pixels of it.
    twice = outputs._head_macs(_with(heads), (4800, 6400)) * 4800 * 6400
    assert twice == pytest.approx((trunk + sum(decoder.values())) * pixels + macs["encode"] * 480 * 640, rel=1e-6)
    assert rows["image"].gmac == pytest.approx(macs["raw_path"] * pixels / 1e9)


def test_three_nets_are_the_sum_of_each_alone_run_by_run(rows):
    alone, three = [rows[name] for name in OUTPUTS], rows[THREE_NETS]
    for name in ("parameters", "kmac_per_pixel", "gmac"):
        assert getattr(three, name) == pytest.approx(sum(getattr(row, name) for row in alone))
    for name in ("ms", "seconds"):
        values = [getattr(row, name).values for row in alone]
        assert getattr(three, name).values == pytest.approx([sum(runs) for runs in zip(*values, strict=True)])
        assert len(getattr(three, name).values) == 2


def test_the_share_of_heads_is_that_of_the_nodes_the_image_does_not_need(heads, photo, monkeypatch):
    """40 of 100 milliseconds by hand: pooling and what comes after it, wherever its family."""
    from isp_ns.core.trace import Trace

    trace = Trace()
    for name, stage, ms in (
        ("level", "raw.black_level", 20.0), ("features", "neural.encode", 30.0), ("encode", "encode.display", 10.0),
        ("pooled", "neural.pool", 16.0), ("context", "neural.context", 4.0), ("far", "neural.depth", 8.0),
        ("far_warp", "geometry.warp", 2.0), ("labels", "geometry.pixel_aspect", 10.0),
    ):  # fmt: skip
        trace.add(name, stage, ms, 0, (1,))
    monkeypatch.setattr(outputs, "timed_run", lambda *_: (0.5, 0.5, trace))
    row = measure_outputs(heads, lambda: photo, runs=3, device="cpu", tell=quiet, size=SIZE)[-1]
    assert row.heads_share == pytest.approx(0.4)
    assert row.ms.values == (58.0,) * 3
    assert row.seconds.median == 0.5


def test_usual_heads_that_do_not_ship_are_left_out_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(outputs, "shipped_cards", dict)
    (row,) = measure_outputs("nyu-lite", _no_photo, runs=1, device="cpu", tell=quiet)
    assert (row.status, row.reason) == ("skipped", "the heads nyu-lite do not ship with this installation")


def test_heads_without_one_of_the_outputs_fail_by_name(tmp_path):
    save_random_heads(tmp_path, "deep", {"depth": None})
    (row,) = measure_outputs(str(tmp_path / "deep.safetensors"), _no_photo, runs=1, device="cpu", tell=quiet)
    assert row.status == "failed"
    assert "have no labels; they have depth" in row.reason


def test_a_photo_that_cannot_be_read_leaves_the_nets_measured(heads, tmp_path):
    broken = tmp_path / "broken.dng"
    broken.write_bytes(b"II*\0")
    found = measure_outputs(heads, lambda: broken, runs=1, device="cpu", tell=quiet, size=(16, 32))
    assert [row.status for row in found] == ["done"] * 5 + ["failed"]
    assert found[-1].name == ON_PHOTO
    assert "broken.dng" in found[-1].reason


def _no_photo():
    pytest.fail("no photo is needed")


def test_the_table_shows_the_share_of_one_pass_and_that_of_the_heads(heads, monkeypatch, tmp_path):
    monkeypatch.setattr(outputs, "measure_outputs", functools.partial(measure_outputs, size=SIZE))
    options = Options(groups=("outputs",), heads=heads, runs=1, megapixels=0.04, work=tmp_path)
    document = run_bench(options)
    check(document)
    lines = plain(document).splitlines()
    (share,) = (line for line in lines if line.startswith("  one pass / three nets"))
    one, three = (next(r for r in document["rows"] if r["name"] == name) for name in (ONE_PASS, THREE_NETS))
    expected = [f"{one[name] / three[name]:.2f}" for name in ("parameters", "kmac_per_pixel", "gmac")]
    assert share.split()[5:8] == expected
    assert share.split()[8] == f"{one['ms']['median'] / three['ms']['median']:.2f}"
    assert any("Depth and labels of a photo" in line for line in lines)
    assert any(f"{document['rows'][-1]['heads_share']:.1%}" in line for line in lines)


def test_heads_that_are_not_there_end_the_command_with_a_failure(tmp_path):
    options = ["--only", "outputs", "--heads", str(tmp_path / "none.safetensors"), "--runs", "1", "--quiet"]
    done = CliRunner().invoke(cli, ["bench", *options, "--json", str(tmp_path / "result.json")])
    assert done.exit_code == 1
    assert "failed" in done.output
    assert "none.yaml" in json.loads((tmp_path / "result.json").read_text())["rows"][0]["reason"]
