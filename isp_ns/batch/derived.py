"""Outputs that are made of others: previews of depth and labels, and depth in millimetres."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isp_ns.core.frame import Frame
    from isp_ns.core.graph import Graph
    from isp_ns.io.maps import Colour

__all__ = ["HEADS_PATCH", "Classes", "class_table", "derive", "needs_heads", "nodes_for", "with_companions"]

SOURCES: Mapping[str, tuple[str, ...]] = {
    "depth_preview": ("depth",),
    "depth_mm": ("depth",),
    "labels_overlay": ("image", "labels"),
}
"""What each derived output is made of."""

COMPANIONS: Mapping[str, tuple[str, ...]] = {"depth": ("depth_preview",), "labels": ("labels_overlay",)}
"""Derived outputs that come with another one."""

HEADS_PATCH = "perception"
"""The patch that makes depth and labels when no pipeline is named."""

Classes = tuple[Sequence[str], Sequence["Colour"]]
"""Names and colours of the classes of a label map."""


def with_companions(outputs: Sequence[str]) -> tuple[str, ...]:
    """The outputs with those that come along, each once."""
    every = [name for output in outputs for name in (output, *COMPANIONS.get(output, ()))]
    return tuple(dict.fromkeys(every))


def nodes_for(outputs: Sequence[str]) -> tuple[str, ...]:
    """The outputs of the pipeline that `outputs` are or are made of, each once."""
    return tuple(dict.fromkeys(node for name in outputs for node in SOURCES.get(name, (name,))))


def needs_heads(outputs: Sequence[str]) -> bool:
    """Whether depth or labels are asked for."""
    return bool({"depth", "labels"} & set(nodes_for(outputs)))


def class_table(graph: "Graph") -> Classes | None:
    """Names and colours of the classes that a pipeline finds, None if it finds none."""
    from isp_ns.stages.neural_weights import heads_card

    for node in graph.nodes.values():
        if node.stage == "neural.segment":
            classes = heads_card(str(node.values["weights"])).domain["classes"]
            return [each["name"] for each in classes], [tuple(each["colour"]) for each in classes]
    return None


def derive(name: str, frames: "Mapping[str, Frame]", classes: Classes | None) -> "Frame":
    """Make a derived output.

    Args:
        name: a key of `SOURCES`.
        frames: what it is made of, by output name.
        classes: of the label map.

    Raises:
        UnsupportedSensorError: for millimetres where the focal length is unknown.
    """
    from isp_ns.core.errors import UnsupportedSensorError
    from isp_ns.io.maps import depth_millimetres, depth_preview, labels_overlay

    if name == "depth_preview":
        return depth_preview(frames["depth"])
    if name == "labels_overlay":
        names, colours = classes or ((), ())
        return labels_overlay(frames["image"], frames["labels"], names, colours)
    try:
        return depth_millimetres(frames["depth"])
    except ValueError:
        raise UnsupportedSensorError(
            "the focal length is unknown, so depth has no millimetres; leave depth_mm out, depth is written relative"
        ) from None
