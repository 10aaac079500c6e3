"""What holds for every stage of the library, found through the registry: a new stage is tested by existing."""

import dataclasses
import inspect

import pytest
import torch
from sample_frames import sample, value_for

from isp_ns.core.document import graph_from_yaml, graph_to_yaml
from isp_ns.core.frame import Features, Frame
from isp_ns.core.graph import Graph, node
from isp_ns.core.reach import WHOLE
from isp_ns.core.registry import all_specs

SPECS = {name: spec for name, spec in all_specs().items() if spec.function.__module__.startswith("isp_ns.")}
NEURAL = "neural."


def graph_of(name: str, **parameters) -> Graph:
    spec = SPECS[name]
    inputs = {f"in{i}": port.kinds[0] for i, (_, port) in enumerate(spec.inputs)}
    return Graph(inputs, {"node": node(name, *inputs, **required(name), **parameters)}, {"out": "node"})


def exact(name: str) -> dict:
    """Parameters for arithmetic that hides nothing: a processor may round a bf16 sum by the size of the tile."""
    return {"precision": "fp32"} if any(p.name == "precision" for p in SPECS[name].parameters) else {}


def required(name: str) -> dict:
    """Parameters to test a stage with: those without a default, and those that a sample frame cannot satisfy."""
    given = {"missing": "skip"} if name == "geometry.lens" else {}
    return given | {p.name: value_for(name, p) for p in SPECS[name].parameters if p.required}


def inputs_of(name: str, **options) -> dict:
    return {f"in{i}": sample(port, name, **options) for i, (_, port) in enumerate(SPECS[name].inputs)}


def tensors(value) -> list[torch.Tensor]:
    if isinstance(value, Features):
        return [value.b, value.t]
    return [value.data if isinstance(value, Frame) else value]


def assert_same(one, other, name: str) -> None:
    tolerance = 1e-3 if name.startswith(NEURAL) else 1e-5
    for a, b in zip(tensors(one), tensors(other), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.dtype.is_floating_point:
            scale = max(float(a.abs().max()), 1.0)
            assert float((a - b).abs().max()) <= tolerance * scale, name
        else:
            assert int((a.int() - b.int()).abs().max()) <= 1, name


@pytest.mark.parametrize("name", SPECS)
def test_input_is_left_untouched_and_results_repeat(name):
    inputs = inputs_of(name)
    before = {key: [t.clone() for t in tensors(value)] for key, value in inputs.items()}
    first = graph_of(name).run(**inputs)["out"]
    again = graph_of(name).run(**inputs)["out"]
    for key, copies in before.items():
        assert all(torch.equal(a, b) for a, b in zip(copies, tensors(inputs[key]), strict=True)), (
            f"{name} changed {key}"
        )
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(again), strict=True))
    assert all(torch.isfinite(t.float()).all() for t in tensors(first))


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if s.reach is not WHOLE])
def test_tiled_equals_whole(name):
    graph, inputs = graph_of(name, **exact(name)), inputs_of(name)
    whole = graph.run(**inputs, tile_px=4096)["out"]
    assert_same(graph.run(**inputs, tile_px=40)["out"], whole, name)


@pytest.mark.parametrize(
    "name", [n for n, s in SPECS.items() if any(p.kinds[0] in ("sensor", "mosaic") for _, p in s.inputs)]
)
def test_all_cfa_phases_and_odd_crops_give_finite_results_of_the_right_size(name):
    graph = graph_of(name)
    for pattern in ("RGGB", "BGGR", "GRBG", "GBRG"):
        inputs = inputs_of(name, pattern=pattern, size=(63, 77), origin=(1, 3))
        result = graph.run(**inputs)["out"]
        assert all(torch.isfinite(t.float()).all() for t in tensors(result))
        if isinstance(result, Frame) and not SPECS[name].inputs[0][1].is_value:
            assert result.data.dim() == 3


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if any(p.kinds[0] == "mosaic" for _, p in s.inputs)])
def test_the_same_scene_through_a_shifted_crop_gives_the_same_interior(name):
    """A crop moves origin and phase and nothing else; only stages that see the whole image may differ.

    Denoisers of the mosaic work on 2×2 cells, so for them the crop starts at even pixels.
    """
    spec = SPECS[name]
    if (
        spec.output.is_value
        or spec.reach is WHOLE
        or spec.output.kind == "features"
        or not hasattr(spec.reach, "halo_px")
    ):
        pytest.skip("a value of the whole image, or on a grid of its own")
    graph, inputs = graph_of(name), inputs_of(name, size=(160, 176))
    whole = graph.run(**inputs)["out"]
    margin = 2 * (spec.reach.halo_px(spec.bind(required(name))[0]) + 2)
    top, left = (4, 6) if name.startswith("denoise.") else (3, 5)
    parts = {k: v.crop((top, left, 160, 176)) if isinstance(v, Frame) else v for k, v in inputs.items()}
    part = graph.run(**parts)["out"]
    inner = (top + margin, left + margin, 160 - margin, 176 - margin)
    if inner[0] < inner[2] and inner[1] < inner[3]:
        assert_same(part.crop(inner), whole.crop(inner), name)


@pytest.mark.parametrize("name", SPECS)
def test_yaml_round_trip(name):
    graph = graph_of(name)
    assert graph_from_yaml(graph_to_yaml(graph)) == graph


@pytest.mark.parametrize("name", SPECS)
def test_docstring_names_every_parameter(name):
    spec = SPECS[name]
    assert spec.summary.endswith("."), f"{name}: the first line of the docstring is a sentence"
    for declared in spec.parameters:
        assert f"{declared.name}:" in spec.doc, f"{name}: {declared.name} is not in the docstring"
    assert inspect.cleandoc(spec.doc)
    assert dataclasses.is_dataclass(spec)
