"""Inputs for measuring stages one by one: a photograph by a simulated camera, at every point of a pipeline."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from isp_ns.bench.files import panels
from isp_ns.core.frame import Features, Frame
from isp_ns.core.graph import Graph, node
from isp_ns.core.meta import Meta, WarpRectilinear
from isp_ns.core.ports import Port
from isp_ns.core.registry import all_specs, find_spec
from isp_ns.data.simulate import Shooting, simulate

__all__ = ["NoInput", "Samples", "simulated_raw"]

_CAMERA, _ISO = "fictitious-phone", 400.0
_SHOOTING = Shooting(exposure_ev=0.7)
"""Noise, lens shading and some clipped highlights, so that every stage has work to do."""

_POINTS = Graph(
    {"raw": "sensor"},
    {
        "mosaic": node("raw.black_level", "raw"),
        "gains": node("measure.as_shot", "mosaic"),
        "balanced": node("raw.gains", "mosaic", "gains"),
        "camera_rgb": node("demosaic.malvar", "balanced"),
        "linear_rgb": node("colour.camera_to_linear", "camera_rgb"),
        "display_rgb": node("encode.display", "linear_rgb"),
    },
    {"image": "display_rgb"},
)


class NoInput(Exception):
    """There is no sample that a stage could be measured on."""


def simulated_raw(size: tuple[int, int]) -> Frame:
    """Counts of a simulated camera, at ISO 400, of photographs that scikit-image carries.

    Args:
        size: height and width, even.
    """
    picture = torch.from_numpy(np.asarray(panels(size)).copy()).permute(2, 0, 1).float().div_(255)
    return simulate(picture, _CAMERA, iso=_ISO, shooting=_SHOOTING).frame


class Samples:
    """A value for any port.

    Args:
        size: height and width of the frame, even.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        shot = simulated_raw(size)
        self._raw = replace(shot, meta=_eventful(shot.meta, size))
        self._run = _POINTS.run(raw=self._raw, want=["mosaic", "gains", "camera_rgb", "linear_rgb", "display_rgb"])
        self._features = functools.cache(self._encoded)

    def of(self, port: Port, stage: str) -> Frame | Features | Tensor:
        """A value that `port` of `stage` takes.

        Raises:
            NoInput: if there is none.
        """
        kind = port.kinds[0]
        if kind in _POINTS.nodes:
            return cast("Frame | Tensor", self._run[kind])
        if kind == "features":
            return self._features()
        if kind == "stats":
            return self._measured(stage)
        makers = self._makers()
        if kind not in makers:
            raise NoInput(f"there is no sample of {kind}")
        return makers[kind]()

    def _makers(self) -> dict[str, Callable[[], Frame | Tensor]]:
        """Values that need no stage, by kind."""
        meta, linear = self._raw.meta, cast("Frame", self._run["linear_rgb"])
        grey = linear.data.mean(0, keepdim=True)

        def counts(channels: slice) -> Frame:
            camera = cast("Frame", self._run["camera_rgb"]).data[channels]
            return Frame((camera.clamp(0, 1) * meta.white[0]).to(torch.uint16), meta)

        return {
            "sensor": lambda: self._raw,
            "sensor_rgb": lambda: counts(slice(0, 3)),
            "sensor_mono": lambda: counts(slice(1, 2)),
            "luma": lambda: linear.with_data(grey),
            "chroma": lambda: linear.with_data(linear.data[[0, 2]] - grey),
            "depth": lambda: linear.with_data(1.0 + 4.0 * grey),
            "labels": lambda: linear.with_data((10 * grey).clamp(0, 9).floor()),
            "matrix": lambda: torch.eye(3),
        }

    def _encoded(self) -> Features:
        try:
            spec = find_spec("neural.encode")
        except KeyError:
            raise NoInput("there is no stage neural.encode to make features") from None
        return cast("Features", spec.function(self._run["mosaic"], **spec.bind({})[0]))

    def _measured(self, stage: str) -> Tensor:
        """What the measuring stage found whose name is nearest: of measure.exposure for tone.auto_exposure."""
        words = _words(stage)
        makers = [name for name, spec in all_specs().items() if spec.output.kind == "stats" and name != stage]
        name = max(makers, key=lambda maker: len(words & _words(maker)), default=None)
        if name is None or not words & _words(name):
            raise NoInput("no stage measures what it needs")
        port = find_spec(name).inputs[0][1]
        graph = Graph({"pixels": port.kinds[0]}, {"it": node(name, "pixels")}, {"it": "it"})
        return cast("Tensor", graph.run(pixels=self.of(port, name))["it"])


def _words(stage: str) -> set[str]:
    return set(stage.partition(".")[2].split("_"))


def _eventful(meta: Meta, size: tuple[int, int]) -> Meta:
    """Metadata that gives the geometric and correcting stages something to do."""
    height, width = size
    rows, columns = torch.arange(8) * (height // 8), torch.arange(8) * (width // 8)
    bend = WarpRectilinear(((1.0, -0.02, 0.005, 0.0, 0.0, 0.0),), (0.5, 0.5))
    return meta.with_values(
        "user",
        shading=torch.full((3, 9, 13), 1.1),
        defects=torch.stack([rows, columns], dim=1),
        default_crop=(8.0, 8.0, height - 8.0, width - 8.0),
        pixel_aspect=1.1,
        warp=bend,
    )
