"""What can stand where a pipeline's name does."""

import pytest
import skimage.data
import torch

from isp_ns.compare.renderers import GraphRenderer, LibrawRenderer, graph_of, neutral, unique_names
from isp_ns.core.errors import SettingsError, UnsupportedSensorError
from isp_ns.core.graph import Graph, node
from isp_ns.data.simulate import simulate
from isp_ns.io.decode import DecodePool
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.raw import read_raw, render_libraw
from isp_ns.io.write import write_image


@pytest.fixture(scope="module")
def pool():
    with DecodePool() as pool:
        yield pool


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    picture = torch.from_numpy(skimage.data.astronaut()[:96, 100:228] / 255.0).permute(2, 0, 1).float()
    path = tmp_path_factory.mktemp("raw") / "a.dng"
    write_image(path, simulate(picture, iso=100).frame)
    return path


def toned():
    return Graph(
        {"raw": "sensor"},
        {
            "level": node("raw.black_level", "raw"),
            "awb": node("measure.as_shot", "level"),
            "wb": node("raw.gains", "level", "awb"),
            "rgb": node("demosaic.malvar", "wb"),
            "ccm": node("colour.camera_to_linear", "rgb", space="linear-srgb"),
            "curve": node("tone.filmic", "ccm"),
            "more": node("tone.contrast", "curve", amount=1.5),
            "encode": node("encode.display", "more"),
        },
        {"image": "encode"},
    )


def test_neutral_leaves_out_tone_stages_and_keeps_the_rest():
    plain = neutral(toned())
    assert list(plain.nodes) == ["level", "awb", "wb", "rgb", "ccm", "encode"]
    assert plain.nodes["encode"].inputs == ("ccm",)
    fast = load_pipeline("fast").only("image")
    if not any(here.stage.startswith("tone.") for here in fast.nodes.values()):
        assert neutral(fast) is fast


def test_a_pipeline_renders_its_own_picture_in_16_bits_and_tells_its_cost(raw, pool):
    renderer = GraphRenderer("own", toned(), pool, look="own")
    rendering = renderer.render(raw)
    expected = toned().replace("encode", bit_depth=16).run(raw=read_raw(raw))["image"]
    assert torch.equal(rendering.frame.data.int(), expected.data.int())
    assert {cost.node for cost in rendering.nodes} == set(toned().nodes)
    assert rendering.decode_ms > 0
    assert rendering.render_ms > 0
    assert rendering.peak_bytes > 100e6
    assert "left out: curve, more" in GraphRenderer("plain", toned(), pool).settings


def test_libraw_renders_as_render_libraw_does(raw, pool):
    rendering = LibrawRenderer("libraw", "VNG", pool).render(raw)
    assert torch.equal(rendering.frame.data, render_libraw(raw, algorithm="VNG").data)
    assert 10e6 < rendering.peak_bytes < 500e6
    with pytest.raises(SettingsError, match="libraw:AHD"):
        LibrawRenderer("libraw", "NONE", pool)


def test_a_file_of_another_kind_is_refused_by_name(raw, pool, tmp_path):
    frame = read_raw(raw)
    mono = frame.with_meta(cfa=None)
    write_image(tmp_path / "mono.dng", mono)
    with pytest.raises(UnsupportedSensorError, match="monochrome"):
        GraphRenderer("fast", load_pipeline("fast"), pool).render(tmp_path / "mono.dng")


def test_graphs_are_named_by_pipeline_and_patches(tmp_path):
    assert graph_of("fast")[0] == "fast"
    own = tmp_path / "mine.yaml"
    own.write_text("schema: 1\nextends: fast\n")
    patch = tmp_path / "soft.yaml"
    patch.write_text("schema: 1\nnodes:\n  rgb: {stage: demosaic.bilinear, in: highlights}\n")
    name, graph = graph_of(f"{own}+{patch}")
    assert name == "mine+soft"
    assert graph.nodes["rgb"].stage == "demosaic.bilinear"
    with pytest.raises(SettingsError, match=r"fastt.*libraw, darktable, rawtherapee"):
        graph_of("fastt")


def test_a_pipeline_must_take_a_file_and_make_an_image(pool):
    graph = toned()
    two = Graph(graph.inputs, graph.nodes, {"photo": "encode", "light": "ccm"})
    with pytest.raises(SettingsError, match="none is called image"):
        GraphRenderer("two", two, pool)
    assert unique_names(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
