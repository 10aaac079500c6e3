"""Runs: the same numbers however the image is cut, each node once, nothing computed that nobody wants."""

import core_stages
import pytest
import torch
from core_stages import ramp

from isp_ns.core.errors import StageError
from isp_ns.core.frame import Features, Frame
from isp_ns.core.graph import Graph, node
from isp_ns.core.meta import Cfa, Meta

SENSOR = {"raw": "sensor"}


def frame(height=61, width=83, **meta) -> Frame:
    return Frame(ramp(height, width), Meta(cfa=Cfa("GRBG"), iso=2.0, **meta))


def test_local_halos_add_up_across_tiles():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "one": node("probe.blur", "level", radius_px=3),
            "two": node("probe.blur", "one", radius_px=2),
        },
        {"image": "two"},
    )
    raw = frame()
    by_hand = core_stages.blur(core_stages.blur(core_stages.level(raw), radius_px=3), radius_px=2)
    for tile_px in (16, 24, 512):
        run = graph.run(raw=raw, tile_px=tile_px)
        torch.testing.assert_close(run["image"].data, by_hand.data, rtol=1e-5, atol=1e-6)
    assert run.trace["level"].calls == 1


def test_reduce_counts_each_pixel_once_and_its_value_reaches_every_tile():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "blur": node("probe.blur", "level"),
            "mean": node("probe.mean", "blur"),
            "zero": node("probe.subtract", "blur", "mean"),
        },
        {"image": "zero"},
    )
    raw = frame()
    run = graph.run(raw=raw, tile_px=16, want=["image", "mean"])
    blurred = core_stages.blur(core_stages.level(raw))
    assert run["mean"].item() == pytest.approx(blurred.data.double().mean().item(), rel=1e-6)
    torch.testing.assert_close(run["image"].data, blurred.data - run["mean"].float(), rtol=1e-5, atol=1e-6)
    assert run.trace.passes == 2
    assert core_stages.mean(blurred).item() == pytest.approx(run["mean"].item(), rel=1e-6)


def test_metadata_values_need_no_pass_of_their_own():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "gains": node("probe.iso_gains", "level"),
            "rgb": node("probe.to_rgb", "level", "gains"),
        },
        {"image": "rgb"},
    )
    run = graph.run(raw=frame(), tile_px=16, want=["image", "gains"])
    assert run.trace.passes == 1
    torch.testing.assert_close(run["gains"], torch.full((3,), 2.0))
    torch.testing.assert_close(run["image"].data[1:2], ramp(61, 83) / 50)
    torch.testing.assert_close(graph.run(raw=frame(), want=["gains"])["gains"], torch.full((3,), 2.0))


def test_only_wanted_nodes_run_and_shared_ones_run_once():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "one": node("probe.blur", "level"),
            "two": node("probe.blur", "level", radius_px=2),
            "never": node("probe.flip", "level"),
        },
        {"one": "one", "two": "two", "never": "never"},
    )
    run = graph.run(raw=frame(), want=["one", "two"], tile_px=512)
    assert "never" not in run.trace
    assert run.trace["level"].calls == 1
    torch.testing.assert_close(run["never"].data, (ramp(61, 83) / 100).flip(-1))


def test_whole_stages_cut_the_graph():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "flip": node("probe.flip", "level"),
            "blur": node("probe.blur", "flip"),
        },
        {"image": "blur"},
    )
    run = graph.run(raw=frame(), tile_px=16)
    by_hand = core_stages.blur(core_stages.flip(core_stages.level(frame())))
    torch.testing.assert_close(run["image"].data, by_hand.data, rtol=1e-5, atol=1e-6)
    assert run.trace["flip"].calls == 1


def test_graph_is_cut_where_halos_would_recompute_too_much():
    nodes = {"level": node("probe.level", "raw")}
    previous = "level"
    for i in range(4):
        nodes[f"blur{i}"] = node("probe.blur", previous, radius_px=40)
        previous = f"blur{i}"
    graph = Graph(SENSOR, nodes, {"image": previous})
    raw = frame(300, 280)
    run = graph.run(raw=raw)
    assert run.trace.passes > 1
    whole = core_stages.level(raw)
    for _ in range(4):
        whole = core_stages.blur(whole, radius_px=40)
    torch.testing.assert_close(run["image"].data, whole.data, rtol=1e-4, atol=1e-5)


def test_footprints_and_changes_of_scale_keep_their_place():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "trim": node("probe.trim", "level"),
            "blur": node("probe.blur", "trim"),
            "half": node("probe.half", "blur"),
        },
        {"image": "half", "trim": "trim"},
    )
    raw = frame()
    run = graph.run(raw=raw, tile_px=16)
    trimmed = core_stages.trim(core_stages.level(raw))
    assert run["trim"].full_size == run["trim"].size == (55, 73)
    torch.testing.assert_close(run["trim"].data, trimmed.data)
    torch.testing.assert_close(run["image"].data, core_stages.half(core_stages.blur(trimmed)).data)


def test_features_are_cut_and_joined_on_both_grids():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "features": node("probe.encode", "level"),
            "head": node("probe.head", "features"),
        },
        {"features": "features", "image": "head"},
    )
    raw = frame()
    run = graph.run(raw=raw, tile_px=16)
    whole = core_stages.encode(core_stages.level(raw))
    assert isinstance(run["features"], Features)
    torch.testing.assert_close(run["features"].b, whole.b)
    torch.testing.assert_close(run["features"].t, whole.t)
    assert run["features"].size == (61, 83)
    torch.testing.assert_close(run["image"].data, core_stages.head(whole).data)


def test_a_run_on_a_crop_knows_where_it_is_on_the_sensor():
    graph = Graph(
        SENSOR,
        {"level": node("probe.level", "raw"), "where": node("probe.position", "level")},
        {"image": "where"},
    )
    part = frame().crop((11, 13, 52, 70))
    result = graph.run(raw=part, tile_px=16)["image"]
    assert result.data[0, 0, 0] == 11_013
    assert result.data[0, -1, -1] == 51_069
    assert result.origin == (11, 13)
    assert result.cfa == "GBRG"


def test_errors_name_the_node_and_what_is_missing():
    graph = Graph(
        SENSOR,
        {
            "level": node("probe.level", "raw"),
            "gains": node("probe.iso_gains", "level"),
            "rgb": node("probe.to_rgb", "level", "gains"),
        },
        {"image": "rgb"},
    )
    with pytest.raises(StageError, match="input raw is missing"):
        graph.run()
    with pytest.raises(StageError, match="did you mean raw"):
        graph.run(raww=frame(), raw=frame())
    with pytest.raises(StageError, match="nothing is called imag; did you mean image"):
        graph.run(raw=frame(), want=["imag"])
    with pytest.raises(TypeError) as caught:
        graph.run(raw=Frame(ramp(8, 8), Meta(iso="x")))
    assert caught.value.__notes__ == ["in node gains (probe.iso_gains)"]
