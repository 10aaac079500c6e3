"""Ports: what a wire of a graph carries. A kind says more than a shape: black level removed or not, mosaic or RGB.

Stages declare ports with the `Annotated` aliases below; a graph is checked wire by wire when it is built.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from isp_ns.core.frame import Features, Frame

__all__ = [
    "KINDS",
    "Balanceable",
    "CameraRgb",
    "Chroma",
    "Depth",
    "DisplayRgb",
    "FeatureMaps",
    "Gains",
    "Labels",
    "LinearRgb",
    "Luma",
    "Matrix",
    "Mosaic",
    "Picture",
    "Port",
    "Same",
    "Sensor",
    "SensorMono",
    "SensorRgb",
    "Stats",
]

KINDS = {
    "sensor": "(1, H, W) stored counts of a Bayer mosaic, uint16 or float",
    "sensor_rgb": "(3, H, W) stored counts of a linear (already demosaicked) file",
    "sensor_mono": "(1, H, W) stored counts of a sensor without colour filters",
    "mosaic": "(1, H, W) linear mosaic, black = 0, white = 1, unclipped",
    "camera_rgb": "(3, H, W) linear RGB in the camera's own primaries",
    "linear_rgb": "(3, H, W) linear RGB in the working space",
    "display_rgb": "(3, H, W) RGB encoded for display or file, in meta.space",
    "luma": "(1, H, W) lightness-like image",
    "chroma": "(2, H, W) colour-difference image",
    "features": "neural space: (C_b, H/2, W/2) and (C_t, H/4, W/4)",
    "depth": "(1, H, W) metres",
    "labels": "(1, H, W) class numbers",
    "gains": "(3,) multipliers for R, G, B; a value, never cropped",
    "matrix": "(3, 3) colour matrix; a value, never cropped",
    "stats": "a tensor of measurements; a value, never cropped",
    "same": "as an output: the kind of the first input",
}
VALUE_KINDS = frozenset({"gains", "matrix", "stats"})


@dataclass(frozen=True)
class Port:
    """One kind of wire; `space` narrows features to the encoder family that made them (None: any).

    An input may take several kinds, as in `Port("mosaic|camera_rgb")`.
    """

    kind: str
    space: str | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise ValueError(f"no port kind {unknown[0]!r}; kinds are {', '.join(KINDS)}")

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds that may end here."""
        return tuple(self.kind.split("|"))

    @property
    def is_value(self) -> bool:
        """Whether the wire carries a small value instead of pixels."""
        return self.kind in VALUE_KINDS

    def accepts(self, other: "Port") -> bool:
        """Whether a wire of `other` may end in this port."""
        return other.kind in self.kinds and (None in (self.space, other.space) or self.space == other.space)

    def __str__(self) -> str:
        text = " or ".join(self.kinds)
        return text if self.space is None else f"{text} of {self.space}"


Sensor = Annotated[Frame, Port("sensor")]
SensorRgb = Annotated[Frame, Port("sensor_rgb")]
SensorMono = Annotated[Frame, Port("sensor_mono")]
Mosaic = Annotated[Frame, Port("mosaic")]
CameraRgb = Annotated[Frame, Port("camera_rgb")]
LinearRgb = Annotated[Frame, Port("linear_rgb")]
DisplayRgb = Annotated[Frame, Port("display_rgb")]
Balanceable = Annotated[Frame, Port("mosaic|camera_rgb")]
Picture = Annotated[Frame, Port("linear_rgb|display_rgb|luma|depth|labels")]
Same = Annotated[Frame, Port("same")]
Luma = Annotated[Frame, Port("luma")]
Chroma = Annotated[Frame, Port("chroma")]
FeatureMaps = Annotated[Features, Port("features")]
Depth = Annotated[Frame, Port("depth")]
Labels = Annotated[Frame, Port("labels")]
Gains = Annotated[Tensor, Port("gains")]
Matrix = Annotated[Tensor, Port("matrix")]
Stats = Annotated[Tensor, Port("stats")]
