"""Graphs: all faults found when built, edits that make new graphs, and YAML that reads back equal."""

import core_stages  # noqa: F401  (registers the probe stages)
import pytest

from isp_ns.core.document import graph_from_yaml, graph_to_yaml, patch_from_yaml
from isp_ns.core.errors import GraphError
from isp_ns.core.graph import Graph, Patch, node

GOOD = """
schema: 1
inputs: {raw: sensor}
nodes:
  level: {stage: probe.level, white_dn: 50}
  blur:  {stage: probe.blur}
  gains: {stage: probe.iso_gains, in: level}
  rgb:   {stage: probe.to_rgb, in: [blur, gains]}
outputs: {image: rgb}
"""


def good() -> Graph:
    return graph_from_yaml(GOOD)


def test_left_out_inputs_are_the_node_before():
    graph = good()
    assert graph.nodes["level"].inputs == ("raw",)
    assert graph.nodes["blur"].inputs == ("level",)
    assert graph.order(["gains"]) == ("level", "gains")


def test_yaml_round_trip_is_equality():
    assert graph_from_yaml(graph_to_yaml(good())) == good()


def test_every_fault_is_reported_at_once_with_its_line():
    text = """
schema: 1
colour: red
inputs: {raw: sensr}
nodes:
  level: {stage: probe.levle}
  blur:  {stage: probe.blur, in: level, radius_px: 90}
  soft:  {stage: probe.blur, in: blur, radius: 3}
  rgb:   {stage: probe.to_rgb, in: [blur, blur]}
  rgb:   {stage: probe.to_rgb, in: [blur]}
outputs: {image: rbg}
"""
    with pytest.raises(GraphError) as caught:
        graph_from_yaml(text, where="look.yaml")
    message = str(caught.value)
    assert message.startswith("look.yaml has ")
    for part in (
        "line 3: unknown key 'colour'",
        "line 4: input raw is of unknown kind 'sensr'; did you mean sensor?",
        "line 6: node level: no stage 'probe.levle'; did you mean probe.level?",
        "line 7: node blur: radius_px lies between 0 and 64, not at 90",
        "line 8: node soft: probe.blur has no parameter radius; did you mean radius_px?",
        "line 10: rgb appears twice",
        "line 10: node rgb: probe.to_rgb takes 2 inputs (raw (mosaic), gains (gains)), got 1",
        "line 11: output image shows 'rbg'; did you mean rgb?",
    ):
        assert part in message


def test_wires_of_the_wrong_kind_name_both_ends():
    with pytest.raises(GraphError, match=r"input raw of probe\.blur takes mosaic, but raw gives sensor"):
        Graph({"raw": "sensor"}, {"blur": node("probe.blur", "raw")}, {"image": "blur"})
    with pytest.raises(GraphError, match="takes features of b, but features gives features of a"):
        Graph(
            {"raw": "mosaic"},
            {"features": node("probe.encode", "raw"), "head": node("probe.head", "features", weights="b")},
            {"image": "head"},
        )


def test_circles_are_found():
    with pytest.raises(GraphError, match="node one is part of a circle"):
        Graph({"raw": "mosaic"}, {"one": node("probe.blur", "two"), "two": node("probe.blur", "one")}, {"image": "two"})


def test_patches_replace_merge_and_drop():
    patch = patch_from_yaml("""
schema: 1
nodes:
  level: {white_dn: 10}
  flip:  {stage: probe.flip, in: blur}
  rgb:   {stage: probe.to_rgb, in: [flip, gains]}
  gains: {stage: probe.iso_gains, in: level}
outputs: {flat: flip}
""")
    graph = good().patch(patch)
    assert graph.nodes["level"].params == {"white_dn": 10}
    assert graph.nodes["rgb"].inputs == ("flip", "gains")
    assert graph.outputs == {"image": "rgb", "flat": "flip"}
    assert good().nodes["level"].params == {"white_dn": 50}
    with pytest.raises(GraphError, match="input raw comes from 'blur'"):
        good().patch(Patch(nodes={"blur": None}))
    with pytest.raises(GraphError, match="did you mean level"):
        good().replace("levl", white_dn=3)


def test_extends_and_only():
    child = graph_from_yaml(
        "schema: 1\nextends: base\npatches: [brighter]\nnodes: {blur: {radius_px: 4}}\n",
        load_graph=lambda name: good(),
        load_patch=lambda name: Patch(nodes={"level": {"white_dn": 5.0}}),
    )
    assert child.nodes["level"].params == {"white_dn": 5.0}
    assert child.nodes["blur"].params == {"radius_px": 4}
    two = good().patch(Patch(outputs={"soft": "blur"}))
    assert list(two.only("soft").nodes) == ["level", "blur"]


@pytest.mark.parametrize(
    "text", ["- a\n- b", "schema: 2", "{", "!!python/object/apply:os.getcwd []", "schema: 1\nnodes: 3"]
)
def test_documents_that_are_no_graphs_are_refused(text):
    with pytest.raises(GraphError):
        graph_from_yaml(text)
