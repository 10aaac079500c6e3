"""What the look flags (`--wb`, `--matrix`, `--output-space`, `--set`) mean for the nodes of a pipeline.

The tables at the top are all that ties flags to the names of nodes and stages.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isp_ns.batch.settings import Settings
from isp_ns.core.errors import SettingsError

if TYPE_CHECKING:
    from isp_ns.core.graph import Graph

__all__ = ["DCP_PREFIX", "SPACES", "Tweak", "apply_tweaks", "linear_tap", "parse_matrix", "tweaks"]

BALANCE_NODE = "awb"
MATRIX_NODE = "ccm"
ENCODE_NODE = "encode"

DCP_PREFIX = "dcp:"

SPACES = (
    "srgb", "display-p3", "rec2020", "prophoto", "aces", "acescg",
    "linear-srgb", "linear-display-p3", "linear-rec2020", "linear-prophoto",
)  # fmt: skip
"""Names for `--output-space`."""

_Arguments = Callable[[str], dict[str, Any]]


def _none(text: str) -> dict[str, Any]:
    if text:
        raise ValueError("takes nothing after the colon")
    return {}


def _numbers(text: str, separator: str = ",") -> list[float]:
    return [float(part) for part in text.split(separator)]


def _kelvin(text: str) -> dict[str, Any]:
    cct, *tint = _numbers(text, ":")
    if len(tint) > 1 or not 1500 <= cct <= 25000:
        raise ValueError("takes kelvin:1500..25000, with a tint after another colon if wanted")
    return {"cct_k": cct, "tint": tint[0] if tint else 0.0}


def _gains(text: str) -> dict[str, Any]:
    gains = tuple(_numbers(text))
    if len(gains) != 3 or min(gains) <= 0:
        raise ValueError("takes three positive numbers: gains:r,g,b")
    return dict(zip(("red", "green", "blue"), gains, strict=True))


def _box(text: str) -> dict[str, Any]:
    x, y, width, height = (int(part) for part in text.split(","))
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise ValueError("takes box:x,y,width,height in pixels of the sensor")
    return {"top": y, "left": x, "height": height, "width": width}


_BALANCE: Mapping[str, tuple[str, _Arguments]] = {
    "as-shot": ("measure.as_shot", _none),
    "daylight": ("measure.daylight", _none),
    "auto": ("measure.shades_of_grey", _none),
    "kelvin": ("measure.kelvin", _kelvin),
    "gains": ("measure.gains", _gains),
    "box": ("measure.box", _box),
}
"""Modes of `--wb`: the stage that takes the place of the balance node, and the reader of what follows the colon."""


@dataclass(frozen=True)
class Tweak:
    """One change to one node: other parameters, or another `stage` on the same inputs.

    `flag` asked for it; `optional` changes are not missed where there is no such node.
    """

    node: str
    params: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None
    flag: str = "--set"
    optional: bool = False

    def plain(self) -> list[Any]:
        """Everything that matters for the picture, for a digest."""
        return [self.node, self.stage, dict(self.params)]


def tweaks(settings: Settings, bit_depth: int | None = None) -> tuple[Tweak, ...]:
    """The changes that settings ask for.

    Args:
        settings: what was asked for.
        bit_depth: 8, 16 or 32 (floating point) bits that the file format takes; None leaves the pipeline's own.

    Raises:
        SettingsError: for values that make no sense.
    """
    found = []
    if bit_depth is not None:
        found.append(Tweak(ENCODE_NODE, {"bit_depth": bit_depth}, flag="--bit-depth", optional=True))
    if settings.wb is not None:
        found.append(_balance(settings.wb))
    if settings.matrix in ("auto", "none"):
        found.append(Tweak(MATRIX_NODE, {"matrix": settings.matrix}, flag="--matrix"))
    if settings.output_space is not None:
        found.append(_space(settings.output_space))
    elif settings.format == "exr":
        # OpenEXR files hold linear light by convention.
        found.append(Tweak(ENCODE_NODE, {"space": "linear-srgb"}, flag="--format exr"))
    for name, value in settings.set.items():
        node, _, parameter = name.partition(".")
        found.append(Tweak(node, {parameter: _tuples(value)}))
    return tuple(found)


def apply_tweaks(
    graph: "Graph", changes: tuple[Tweak, ...], *, lenient: bool, elsewhere: Collection[str] = ()
) -> tuple["Graph", list[str]]:
    """The graph with `changes` made, and remarks on those that do not apply.

    Args:
        graph: the pipeline.
        changes: what to change.
        lenient: whether a flag whose node the graph lacks is remarked on instead of refused.
        elsewhere: nodes of the pipeline of other files in the batch: `--set` of one of these is remarked on, too; of
            any other it is an error.

    Raises:
        SettingsError: if a flag does not fit the graph.
        GraphError: if a node, parameter or value is wrong.
    """
    from isp_ns.core.graph import Node, Patch

    remarks = []
    # All at once: weights of one space are named in several nodes, and half of them would not fit the other half.
    nodes: dict[str, Any] = {}
    for tweak in changes:
        if tweak.node not in graph.nodes and tweak.optional:
            continue
        if tweak.node not in graph.nodes and (tweak.flag != "--set" or tweak.node in elsewhere):
            sentence = f"{tweak.flag} has no effect: there is no node {tweak.node}"
            if not lenient:
                raise SettingsError(f"{sentence} in this pipeline; change it with --set or --patch")
            remarks.append(sentence)
        elif tweak.stage is not None:
            nodes[tweak.node] = Node(tweak.stage, graph.nodes[tweak.node].inputs, tweak.params)
        else:
            former = nodes.get(tweak.node, {})
            if isinstance(former, Node):
                nodes[tweak.node] = Node(former.stage, former.inputs, {**former.params, **tweak.params})
            else:
                nodes[tweak.node] = {**former, **tweak.params}
    return graph.patch(Patch(nodes)), remarks


def linear_tap(graph: "Graph") -> str:
    """The node whose result goes into a DNG: camera RGB just before the colour matrix.

    Raises:
        SettingsError: if the graph has no such place.
    """
    node = graph.nodes.get(MATRIX_NODE)
    if node is None:
        raise SettingsError(f"a DNG holds camera RGB, and this pipeline has no node {MATRIX_NODE} to take it before")
    return node.inputs[0]


def parse_matrix(text: str) -> tuple[tuple[float, float, float], ...] | None:
    """Nine numbers in reading order as a matrix from white-balanced camera RGB to linear sRGB; None for other modes.

    Raises:
        SettingsError: unless there are nine and each row sums to 1, so that grey stays grey.
    """
    if text in ("auto", "none") or text.startswith(DCP_PREFIX):
        return None
    try:
        values = _numbers(text)
    except ValueError:
        values = []
    rows = tuple((values[i], values[i + 1], values[i + 2]) for i in (0, 3, 6)) if len(values) == 9 else ()
    if not rows or any(abs(sum(row) - 1) > 0.01 for row in rows):
        raise SettingsError(
            f"--matrix {text}: takes auto, none, dcp:FILE, or nine numbers of which each three (a row) sum to 1"
        )
    return rows


def _balance(text: str) -> Tweak:
    mode, _, rest = text.partition(":")
    if mode not in _BALANCE:
        from isp_ns.core.registry import did_you_mean

        raise SettingsError(f"--wb {text}: there is no mode {mode}{did_you_mean(mode, _BALANCE)}")
    stage, read = _BALANCE[mode]
    try:
        return Tweak(BALANCE_NODE, read(rest), stage, "--wb")
    except ValueError as error:
        raise SettingsError(f"--wb {text}: {mode} {error}") from None


def _space(name: str) -> Tweak:
    if name not in SPACES:
        raise SettingsError(f"--output-space {name}: choose one of {', '.join(SPACES)}")
    return Tweak(ENCODE_NODE, {"space": name}, flag="--output-space")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
