"""Which pipeline a file gets: named or chosen by the kind of its sensor, then patched and adjusted.

Everything but `Recipe.build` works on the YAML documents alone, so that planning a batch does not import torch.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import isp_ns
from isp_ns import content
from isp_ns.batch.options import Tweak, apply_tweaks
from isp_ns.core.errors import GraphError, SettingsError, UnsupportedSensorError

if TYPE_CHECKING:
    from isp_ns.core.graph import Graph, Patch

__all__ = ["AUTO", "PORT_OF_KIND", "RENDERERS", "Built", "Recipe", "default_look", "digest"]

AUTO = "auto"
"""The name of the choice by sensor."""

LOOKS = ("neural", "classic")
"""Pipelines for Bayer files when none is named: the first whose weights are there."""

BRANCH_LOOK = "classic"
BRANCHES: Mapping[str, str] = {"sensor_rgb": "linear", "sensor_mono": "mono", "display_rgb": "rgb"}
"""Patches that make a branch of the look for files that are no Bayer mosaics, by port kind."""

RENDERERS: Mapping[str, str] = {"libraw": "AHD"}
"""Renderers that can stand where a pipeline's name can, and the algorithm that they are asked for."""

PORT_OF_KIND: Mapping[str, str] = {
    "bayer": "sensor",
    "linear": "sensor_rgb",
    "mono": "sensor_mono",
    "rgb": "display_rgb",
}
"""The port kind that takes a decoded file, by the kind that the decoder tells."""

KIND_NAMES: Mapping[str, str] = {
    "bayer": "a Bayer mosaic",
    "linear": "a linear (already demosaicked) file",
    "mono": "a monochrome file",
    "xtrans": "an X-Trans mosaic",
    "rgb": "a finished RGB image",
}


@dataclass(frozen=True)
class Built:
    """A pipeline ready to run: its name for people, the graph, the graph's one input, and remarks."""

    name: str
    graph: "Graph"
    input: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Recipe:
    """A pipeline by name (None: chosen by sensor) or as a graph, with patches and tweaks."""

    pipeline: "str | Graph | None" = None
    patches: "tuple[str | Patch, ...]" = ()
    tweaks: tuple[Tweak, ...] = ()

    def __post_init__(self) -> None:
        if self.renderer and (self.patches or any(not tweak.optional for tweak in self.tweaks)):
            flags = ["--patch"] * bool(self.patches) + [tweak.flag for tweak in self.tweaks if not tweak.optional]
            raise SettingsError(f"the renderer {self.renderer} has no nodes to change: leave out {', '.join(flags)}")

    @property
    def name(self) -> str:
        """The pipeline's name for people."""
        return self.pipeline if isinstance(self.pipeline, str) else AUTO if self.pipeline is None else "graph"

    @property
    def renderer(self) -> str | None:
        """The renderer that is named in place of a pipeline, if one is."""
        return self.pipeline if isinstance(self.pipeline, str) and self.pipeline in RENDERERS else None

    def documents(self) -> list[Any]:
        """What the picture depends on, as plain data: documents, tweaks, weights and version.

        Raises:
            SettingsError: if a pipeline or patch is not there.
        """
        if self.renderer:
            return [isp_ns.__version__, self.renderer]
        found: list[Any]
        if self.pipeline is None:
            branches = [name for name in BRANCHES.values() if name in _shipped("pipelines/patches")]
            found = [*_documents("pipelines", default_look()), *_documents("pipelines", BRANCH_LOOK)]
            found += [each for name in branches for each in _documents("pipelines/patches", name)]
        elif isinstance(self.pipeline, str):
            found = list(_documents("pipelines", self.pipeline))
        else:
            found = [_plain_graph(self.pipeline)]
        for patch in self.patches:
            found += _documents("pipelines/patches", patch) if isinstance(patch, str) else [_plain(patch)]
        tweaks = [tweak.plain() for tweak in self.tweaks]
        return [isp_ns.__version__, found, tweaks, _weights([found, tweaks])]

    def look_of(self, kind: str) -> str:
        """The pipeline or renderer that a file of `kind` gets, before patches."""
        if self.pipeline is not None:
            return Path(self.name).stem
        return {"bayer": default_look(), "xtrans": next(iter(RENDERERS))}.get(kind, BRANCH_LOOK)

    def weights(self) -> str | None:
        """The first weights that the pipeline names, None for a classical one."""
        return next(_named_weights(self.documents()), None)

    def build(self, kind: str | None) -> Built:
        """The graph for a file of `kind`.

        Args:
            kind: what the decoder calls it: "bayer", "linear", "mono", "xtrans" or "rgb"; None for whatever the named
                pipeline takes, or else a Bayer mosaic.

        Raises:
            UnsupportedSensorError: if the pipeline cannot take such a file.
            GraphError: if pipeline, patches and tweaks do not fit together.
            SettingsError: if a flag does not fit the pipeline.
        """
        name, graph = self._base(kind or "bayer")
        branch = self.pipeline is None and kind not in (None, "bayer")
        for patch in self.patches:
            added = patch if isinstance(patch, str) else "patch"
            try:
                graph = graph.patch(_loaded_patch(patch))
            except GraphError as error:
                if not branch:
                    raise
                raise UnsupportedSensorError(
                    f"this is {KIND_NAMES[str(kind)]}, which {name} develops, and {added} does not fit there; leave it "
                    "and the outputs that need it out, or name a pipeline that it fits"
                ) from error
            name += f" + {added}"
        elsewhere = self._base("bayer")[1].nodes if branch else ()
        graph, remarks = apply_tweaks(graph, self.tweaks, lenient=branch, elsewhere=elsewhere)
        if len(graph.inputs) != 1:
            listed = ", ".join(graph.inputs) or "none"
            raise SettingsError(f"pipeline {name} has the inputs {listed}, and a batch has one: the file")
        input_name, port = next(iter(graph.inputs.items()))
        if kind is not None and port != PORT_OF_KIND.get(kind):
            raise UnsupportedSensorError(
                f"this is {KIND_NAMES[kind]}, and pipeline {name} takes {_takes(port)}; "
                "name no pipeline, and one that fits is chosen"
            )
        return Built(name, graph, input_name, tuple(remarks))

    def _base(self, kind: str) -> "tuple[str, Graph]":
        if self.pipeline is not None and not isinstance(self.pipeline, str):
            return self.name, self.pipeline
        from isp_ns.io.pipelines import load_patch, load_pipeline

        if self.pipeline is not None:
            return Path(self.pipeline).stem, load_pipeline(self.pipeline)
        if kind == "bayer":
            look = default_look()
            return look, load_pipeline(look)
        branch = BRANCHES.get(PORT_OF_KIND.get(kind, ""))
        if branch is None or branch not in _shipped("pipelines/patches"):
            raise UnsupportedSensorError(
                f"this is {KIND_NAMES[kind]}, and no pipeline here takes one; name one with --pipeline"
            )
        return f"{BRANCH_LOOK} + {branch}", load_pipeline(BRANCH_LOOK).patch(load_patch(branch))


def default_look() -> str:
    """The pipeline for Bayer files when none is named."""
    shipped = _shipped("pipelines")
    for look in LOOKS[:-1]:
        if look in shipped and all(
            _weights_file(name).is_file() for name in _named_weights(list(_documents("pipelines", look)))
        ):
            return look
    return LOOKS[-1]


def _shipped(kind: str) -> list[str]:
    try:
        return content.names(kind)
    except FileNotFoundError:
        return []


def _documents(kind: str, name: str, parents: tuple[str, ...] = ()) -> Iterator[Any]:
    """The YAML document `name` and those that it builds on, as plain data; text where it is not YAML."""
    import yaml

    from isp_ns.core.plain_yaml import load_yaml

    try:
        path = content.find(kind, name)
    except FileNotFoundError as error:
        raise SettingsError(str(error)) from None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is no YAML in UTF-8 ({error})") from None
    try:
        document = load_yaml(text)
    except yaml.YAMLError:
        document = text
    yield document
    if kind == "pipelines" and isinstance(document, dict):
        base = document.get("extends")
        # A circle is reported, with its members, when the graph is built.
        if isinstance(base, str) and base not in (*parents, name):
            yield from _documents("pipelines", base, (*parents, name))
        for patch in document.get("patches") or []:
            yield from _documents("pipelines/patches", str(patch))


def _loaded_patch(patch: "str | Patch") -> "Patch":
    from isp_ns.io.pipelines import load_patch

    return load_patch(patch) if isinstance(patch, str) else patch


def _plain_graph(graph: "Graph") -> Any:
    return [dict(graph.inputs), {name: _plain(node) for name, node in graph.nodes.items()}, dict(graph.outputs)]


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _named_weights(value: Any) -> Iterator[str]:
    """Every value of a key `weights` in plain data."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key == "weights" and isinstance(entry, str):
                yield entry
            yield from _named_weights(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _named_weights(entry)


def _weights(value: Any) -> dict[str, str]:
    """A digest of every weights file that is named."""
    files = {name: _weights_file(name) for name in _named_weights(value)}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.is_file()}


def _weights_file(name: str) -> Path:
    if name.endswith(".safetensors"):
        return Path(name)
    return Path(isp_ns.__file__).parent / "nets" / "weights" / f"{name}.safetensors"


def _takes(port: str) -> str:
    kind = next((kind for kind, name in PORT_OF_KIND.items() if name == port), None)
    return KIND_NAMES[kind] if kind else f"{port} frames"


def digest(*parts: Any) -> str:
    """SHA-256 of plain data in hexadecimal, the same for equal data."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
