"""The result document: its schema, and the tables made of it."""

import copy
import json
from dataclasses import asdict

import pytest

from isp_ns.bench.meter import Measurement
from isp_ns.bench.processes import pair_row
from isp_ns.bench.rows import NodeShare, OutputsRow, PairRow, PeakRow, PipelineRow, StageRow
from isp_ns.bench.schema import SCHEMA, check, problems
from isp_ns.bench.statistic import spread
from isp_ns.bench.table import markdown, plain, verdict
from isp_ns.core.errors import IspError


def run(wall_s: float) -> Measurement:
    return Measurement(wall_s, 2 * wall_s, 300_000_000, 200_000_000, 0.25, 0, "")


def rows() -> list:
    node = NodeShare(
        node="net", stage="neural.encode", ms=20.0, share=0.8, bytes=1000, kmac_per_pixel=9.5, gmac_per_s=40.0,
        share_of_peak={"float32": 0.5},
    )  # fmt: skip
    plain_node = NodeShare(node="level", stage="raw.black_level", ms=5.0, share=0.2, bytes=2000)
    return [
        StageRow(
            name="raw.gains", status="done", input="mosaic", size=(64, 96), tile_px=512,
            ns_per_pixel=spread([1.0, 2.0, 3.0]),
            cpu_ns_per_pixel=spread([1.0]), bytes_per_pixel=4.0, other_cpu_share=0.01,
        ),
        StageRow(name="lab.own", status="skipped", reason="needs the parameter strength"),
        PeakRow(precision="float32", device="cpu", threads=1, shape=(1, 64, 128, 128), gmac_per_s=spread([80.0])),
        PipelineRow(
            name="neural", status="done", threads=2, size=(64, 96), seconds=spread([0.5]),
            cpu_s=spread([0.9]), megapixels_per_s=spread([12.0]), peak_rss_bytes=5_000_000, nodes=(plain_node, node),
        ),
        pair_row("classic", "darktable", 8, [run(2.8), run(2.8)], [run(2.0), run(2.0)]),
        pair_row("fast", "dcraw_emu", 8, [run(1.0), run(1.0)], [run(2.0), run(2.0)]),
        pair_row("fast", None, 1, [run(1.0)], []),
        PairRow(name="fast", rival="rawtherapee", status="skipped", reason="rawtherapee-cli is not installed"),
        *(
            OutputsRow(
                name=name, status="done", heads="nyu-lite", outputs=("image", "depth", "labels"), size=(480, 640),
                parameters=parameters, kmac_per_pixel=kmac, gmac=0.3072 * kmac, ms=spread(ms), seconds=spread([0.5]),
                heads_share=share,
            )
            for name, parameters, kmac, ms, share in (
                ("image + depth + labels", 1000, 12.0, [30.0, 90.0], None),
                ("three nets", 4000, 40.0, [50.0, 150.0], None),
                ("heads on a photo", 1000, 10.0, [700.0], 0.034),
            )
        ),
        OutputsRow(name="heads on a photo", status="failed", reason="the photo is too small"),
    ]  # fmt: skip


@pytest.fixture
def document() -> dict:
    protocol = {
        "date": "2024-01-01T00:00:00+00:00", "seed": 0, "size": [64, 96], "device": "cpu", "batch": 8,
        "runs": {"stages": 3}, "warm_ups": {"stages": 2}, "statistic": "median", "pairing": "A B", "memory": "tree",
        "photo": {"name": "speed.dng", "bytes": 10, "sha256": "0" * 64},
        "machine": {
            "cpu": "Some CPU", "cores": 2, "flags": ["avx512f"], "memory_bytes": 2**34, "gpu": None, "system": "Linux",
            "python": "3.12", "torch": "2.9", "isp_ns": "0.1.0", "commit": None,
        },
        "programs": [{"name": "darktable", "version": "4.2.1", "settings": "default export"}],
        "missing": {"rawtherapee": "rawtherapee-cli is not installed"},
        "load": {"stages": {"load_average": [0.1, 0.2, 0.3], "busy_share": 0.4}},
        "warnings": ["stages: the machine was not idle"],
    }  # fmt: skip
    return json.loads(json.dumps({"schema": 1, "protocol": protocol, "rows": [asdict(row) for row in rows()]}))


def test_a_result_fits_the_schema(document):
    assert problems(document) == []
    check(document)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("schema",), 2, "schema"),
        (("protocol", "seed"), "zero", "seed"),
        (("protocol", "machine", "cores"), None, "cores"),
        (("protocol", "surprise"), 1, "surprise"),
        (("rows", 0, "status"), "fine", "status"),
        (("rows", 0, "ns_per_pixel", "median"), -1.0, "median"),
        (("rows", 0, "ns_per_pixel", "values"), [], "empty"),
        (("rows", 3, "nodes", 0, "share"), 1.5, "share"),
        (("rows", 4, "ours", "wall_s"), None, "wall_s"),
        (("rows", 4, "photos"), True, "photos"),
    ],
)
def test_the_schema_names_every_departure(document, path, value, says):
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found = problems(changed)
    assert len(found) == 1
    assert says in found[0]
    with pytest.raises(IspError, match=says):
        check(changed)


@pytest.mark.parametrize(("path", "name"), [(("protocol",), "machine"), (("rows", 0), "ns_per_pixel")])
def test_the_schema_wants_every_member(document, path, name):
    place = document
    for step in path:
        place = place[step]
    del place[name]
    assert any(f"lacks {name}" in text for text in problems(document))


def test_the_schema_is_plain_json():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.4, 1.4], "1.40 [1.40–1.40] slower"),
        ([0.62, 0.62], "0.62 [0.62–0.62] faster"),
        ([1.0, 1.0], "1.00 [1.00–1.00] even"),
        ([0.5, 1.2, 3.0], "1.20 [0.85–2.10] slower (within the spread)"),
    ],
)
def test_a_ratio_above_one_is_called_slower(values, words):
    assert verdict(asdict(spread(values))) == words


@pytest.mark.parametrize("form", [plain, markdown])
def test_tables_tell_wins_losses_and_what_is_left_out(document, form):
    lines = form(document).splitlines()

    def line(*words: str) -> str:
        found = [text for text in lines if all(word in text for word in words)]
        assert found, words
        return found[0]

    assert "1.40 [1.40–1.40] slower" in line("classic", "darktable", "slower")
    assert "0.50 [0.50–0.50] faster" in line("fast", "dcraw_emu", "faster")
    # Seconds per photo of a batch of 8.
    assert "0.350" in line("classic", "darktable", "slower")
    assert "is not installed" in line("fast beside rawtherapee")
    assert "needs the parameter strength" in line("lab.own: skipped")
    # A quarter of the parameters, 12 of 40 kMAC, and 30 of 50 as 90 of 150 milliseconds.
    shares = [cell.strip() for cell in line("one pass / three nets").replace("|", "  ").split("  ") if cell.strip()]
    assert shares[1:6] == ["0.25", "0.30", "0.30", "0.60", "0.60–0.60"]
    assert "3.4%" in line("640×480", "0.500", "nyu-lite")
    assert line("heads on a photo: failed, the photo is too small")
    assert "50%" in line("net", "neural.encode")
    assert line("load average 0.10 0.20 0.30", "40%")
    assert line("the machine was not idle")
    assert line("4.2.1", "default export")
