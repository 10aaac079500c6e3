"""A pipeline in two halves: from the sensor to linear light, and from there to the display picture."""

from dataclasses import dataclass, replace
from typing import Any

from isp_ns.core.errors import SettingsError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph

__all__ = ["Halves", "split"]

RENDERING_FAMILIES = ("tone.", "detail.", "geometry.", "encode.")
"""Stages of these families make a picture out of light; what comes before them reconstructs the light."""

_LIGHT = "light"


@dataclass(frozen=True)
class Halves:
    """A pipeline that can also render light that it has not reconstructed itself.

    Attributes:
        graph: the whole pipeline, with the one output "image".
        light: the node that gives linear light.
        rendering: from that light to the picture.
    """

    graph: Graph
    light: str
    rendering: Graph

    def develop(self, raw: Frame, workers: int | None = None) -> tuple[Frame, Frame]:
        """The linear light and the display picture of a sensor frame.

        Args:
            raw: (1, H, W) counts.
            workers: tiles at work at a time; one per processor when None.

        Raises:
            IspError: what the stages raise.
        """
        (name,) = self.graph.inputs
        inputs: dict[str, Any] = {name: raw}
        run = self.graph.run(want=[self.light, "image"], workers=workers, **inputs)
        return run[self.light], run["image"]

    def render(self, light: Frame, workers: int | None = None) -> Frame:
        """The display picture of linear light, through the stages that `develop` uses.

        Args:
            light: (3, H, W) linear RGB.
            workers: tiles at work at a time.

        Raises:
            IspError: what the stages raise.
        """
        inputs: dict[str, Any] = {_LIGHT: light}
        picture: Frame = self.rendering.run(workers=workers, **inputs)["image"]
        return picture


def split(name: str, graph: Graph) -> Halves:
    """Divide a pipeline before the first stage of tone, detail, geometry or encoding on the way to its image.

    Args:
        name: of the pipeline, for messages.
        graph: a pipeline with one input, a mosaic, and an output "image".

    Raises:
        SettingsError: if the pipeline is not of that shape, or its rendering reads more than the light.
    """
    if "image" not in graph.outputs or list(graph.inputs.values()) != ["sensor"]:
        raise SettingsError(f"pipeline {name}: it must have one input, a mosaic (sensor), and an output image")
    graph = graph.only("image")
    light = _light(graph)
    kinds = graph.port(light).kind, graph.port(graph.outputs["image"]).kind
    if kinds != ("linear_rgb", "display_rgb"):
        raise SettingsError(
            f"pipeline {name}: it makes {kinds[1]} of {kinds[0]}; it must encode linear RGB for display"
        )
    downstream = _between(graph, light)
    outside = {s for n in downstream for s in graph.nodes[n].inputs} & set(graph.inputs)
    if outside:
        raise SettingsError(f"pipeline {name}: its rendering reads {', '.join(sorted(outside))} beside {light}")
    nodes = {
        n: replace(graph.nodes[n], inputs=tuple(_LIGHT if s == light else s for s in graph.nodes[n].inputs))
        for n in downstream
    }
    return Halves(graph, light, Graph({_LIGHT: "linear_rgb"}, nodes, graph.outputs))


def _light(graph: Graph) -> str:
    """What the first rendering stage on the way to the image reads; the image itself where there is none."""
    here = light = graph.outputs["image"]
    while here in graph.nodes:
        source = graph.nodes[here].inputs[0]
        if graph.nodes[here].stage.startswith(RENDERING_FAMILIES):
            light = source
        here = source
    return light


def _between(graph: Graph, light: str) -> list[str]:
    """The nodes that the image needs once the light is given."""
    found: dict[str, None] = {}
    waiting = [graph.outputs["image"]]
    while waiting:
        name = waiting.pop()
        if name != light and name in graph.nodes and name not in found:
            found[name] = None
            waiting += graph.nodes[name].inputs
    return [name for name in graph.nodes if name in found]
