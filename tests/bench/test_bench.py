import json
import stat
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from isp_ns.bench.files import digest, photo_size, speed_file
from isp_ns.bench.inputs import Samples
from isp_ns.bench.peak import convolution_peak, neural_macs
from isp_ns.bench.pipelines import measure_pipelines, node_shares
from isp_ns.bench.run import Options, bench
from isp_ns.bench.schema import check
from isp_ns.bench.stages import measure_stages
from isp_ns.bench.statistic import spread
from isp_ns.cli.main import cli
from isp_ns.core.errors import SettingsError
from isp_ns.core.graph import Graph, node
from isp_ns.core.registry import all_specs
from isp_ns.core.trace import Trace
from isp_ns.nets.counters import raw_path_macs
from isp_ns.nets.space import build_space

DCRAW = """#!/bin/sh
shift 2
for photo in "$@"; do cp "$photo" "$photo.tiff"; done
"""


def quiet(_: str) -> None: ...


def test_the_photo_has_the_size_of_the_contest():
    assert photo_size(24) == (4000, 6000)
    height, width = photo_size(0.3)
    assert height * width == pytest.approx(0.3e6, rel=0.02)
    with pytest.raises(ValueError, match="too few"):
        photo_size(0.0001)


def test_the_photo_is_uncompressed_16_bit_and_always_the_same(tmp_path):
    import tifffile

    digests = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = speed_file(tmp_path / name, (64, 96), 3)
        assert path == speed_file(tmp_path / name, (64, 96), 3)
        assert [entry.name for entry in (tmp_path / name).iterdir()] == [path.name]
        digests.add(digest(path))
    assert len(digests) == 1
    with tifffile.TiffFile(path) as tiff:
        page = max(tiff.pages[0].pages or tiff.pages, key=lambda each: each.size)
        assert page.compression == 1
        assert page.bitspersample == 16
        assert page.shape == (64, 96)


def test_every_stage_is_measured_or_left_out_for_a_reason():
    # Other tests may have registered stages of their own by now.
    shipped = [name for name, spec in all_specs().items() if spec.function.__module__.startswith("isp_ns.")]
    rows = measure_stages((64, 96), runs=1, tell=quiet, names=shipped)
    assert [row.name for row in rows] == shipped
    assert not [row for row in rows if row.status == "failed"]
    for row in rows:
        assert row.ns_per_pixel is not None if row.status == "done" else row.reason
    by_name = {row.name: row for row in rows}
    # One float32 plane out for one pixel in, halos aside.
    assert by_name["raw.gains"].bytes_per_pixel == 4.0


def test_measuring_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    measure_stages((32, 48), runs=1, tell=quiet, names=["raw.gains"])
    assert torch.get_num_threads() == before


def test_statistics_come_from_the_stage_that_measures_them():
    samples = Samples((64, 96))
    exposure = all_specs()["tone.auto_exposure"]
    assert samples.of(exposure.inputs[1][1], exposure.name).numel() == 1


def test_the_peak_counts_multiply_accumulates():
    row = convolution_peak(torch.float32, "cpu", threads=1, runs=1)
    assert row.precision == "float32"
    assert 0.1 < row.gmac_per_s.median < 1e5


def test_shares_of_nodes_and_of_the_peak():
    traces = []
    for scale in (1.0, 2.0, 3.0):
        trace = Trace()
        trace.add("level", "raw.black_level", 5.0 * scale, 100, (1, 8, 8))
        trace.add("net", "neural.encode", 15.0 * scale, 200, (1, 8, 8))
        traces.append(trace)
    peak = convolution_peak(torch.float32, "cpu", threads=1, runs=1)
    peak = type(peak)(precision="float32", device="cpu", threads=1, shape=(1, 1, 1, 1), gmac_per_s=spread([80.0]))
    level, net = node_shares(traces, {"net": 10_000.0}, 60_000, [peak])
    assert (level.ms, net.ms) == (10.0, 30.0)
    assert (level.share, net.share) == (0.25, 0.75)
    assert level.gmac_per_s is None
    # 10 kMAC for each of 60 000 pixels in 30 ms are 20 milliards a second, a quarter of 80.
    assert net.gmac_per_s == pytest.approx(20.0)
    assert net.share_of_peak == {"float32": pytest.approx(0.25)}


def test_neural_nodes_have_the_multiply_accumulates_of_their_networks(monkeypatch):
    space = build_space("ns-lite")
    monkeypatch.setattr("isp_ns.bench.peak.load_space", lambda name: ({"ns-lite": space}[name], None))
    parts = {"features": "neural.encode", "clean": "neural.denoise", "rgb": "neural.decode", "tone": "tone.filmic"}
    nodes = {name: SimpleNamespace(stage=stage, values={"weights": "ns-lite"}) for name, stage in parts.items()}
    macs = neural_macs(SimpleNamespace(nodes=nodes))
    assert set(macs) == {"features", "clean", "rgb"}
    assert sum(macs.values()) == pytest.approx(raw_path_macs(space)["raw_path"])


def test_a_pipeline_that_cannot_run_is_named_and_the_others_are_measured(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("schema: 1\ninputs: {raw: sensor}\nnodes: {it: {stage: tone.filmic}}\noutputs: {image: it}\n")
    photo = speed_file(tmp_path, (64, 96), 0)
    rows = measure_pipelines([str(broken), "fast"], photo, runs=1, device="cpu", peaks=[], tell=quiet)
    assert [row.status for row in rows] == ["failed", "done"]
    assert "takes linear_rgb" in rows[0].reason


def test_a_classical_pipeline_has_no_multiply_accumulates_to_count():
    graph = Graph({"raw": "sensor"}, {"level": node("raw.black_level", "raw")}, {"out": "level"})
    assert neural_macs(graph) == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(stages=("demosaic.malvr",)), "did you mean demosaic.malvar"),
        (Options(against=("lightroom",)), "no rival is called lightroom"),
        (Options(groups=("everything",)), "nothing is called everything"),
        (Options(megapixels=1e-5), "too few"),
    ],
)
def test_what_is_not_there_is_found_before_anything_is_measured(options, says):
    with pytest.raises(SettingsError, match=says):
        bench(options)


def test_a_pipeline_that_is_not_there_ends_the_command():
    done = CliRunner().invoke(cli, ["bench", "--pipelines", "clasic"])
    assert done.exit_code == 2
    assert "did you mean classic" in done.output


def test_a_tiny_benchmark_runs_from_end_to_end(tmp_path, monkeypatch):
    """Stages, pipelines and processes, with a rival that copies files, another that is not installed, and a batch."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dcraw_emu").write_text(DCRAW)
    (programs / "dcraw_emu").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr("isp_ns.bench.programs.RIVALS", _without("darktable-cli"))
    options = ["--megapixels", "0.3", "--runs", "1", "--batch", "2", "--work", str(tmp_path / "work")]
    options += [word for group in ("stages", "pipelines", "processes") for word in ("--only", group)]
    options += ["--stages", "raw.black_level,demosaic.malvar", "--pipelines", "fast"]
    options += ["--against", "dcraw_emu,darktable", "--json", str(tmp_path / "result.json"), "--quiet"]
    done = CliRunner().invoke(cli, ["bench", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "result.json").read_text())
    check(document)
    rows = {(row["group"], row["name"], row.get("rival"), row.get("photos")): row for row in document["rows"]}
    for photos in (1, 2):
        assert rows["processes", "fast", "dcraw_emu", photos]["ratios"]["wall"]["median"] > 1
        assert rows["processes", "fast", "darktable", photos]["status"] == "skipped"
    fast = rows["pipelines", "fast", None, None]
    assert fast["megapixels_per_s"]["median"] > 0
    assert sum(each["share"] for each in fast["nodes"]) == pytest.approx(1.0)
    assert "slower" in done.output
    assert "no-darktable-cli is not installed" in done.output
    assert [path.suffix for path in (tmp_path / "work").iterdir()] == [".dng"]


def _without(executable: str):
    from dataclasses import replace

    from isp_ns.bench.programs import RIVALS

    return {
        name: replace(rival, executable=f"no-{executable}") if rival.executable == executable else rival
        for name, rival in RIVALS.items()
    }
