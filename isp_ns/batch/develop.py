"""From a decoded file to the frames of its outputs."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.batch.derived import Classes, class_table, derive, nodes_for
from isp_ns.batch.job import Draft
from isp_ns.batch.options import DCP_PREFIX, linear_tap, parse_matrix
from isp_ns.batch.recipe import RENDERERS, Built
from isp_ns.batch.settings import Settings
from isp_ns.core.errors import SettingsError, UnsupportedSensorError

if TYPE_CHECKING:
    from isp_ns.core.frame import Frame
    from isp_ns.core.meta import Meta
    from isp_ns.io.decoded import Decoded

__all__ = ["Developed", "Developer", "Loaded"]

MOSAIC = "mosaic"
"""The output that is a mosaic again: camera RGB, denoised, sampled as the sensor did."""

RENDERED = "display"
"""What the decoder calls a rendering of its own."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file that has been read: its kind, (height, width), remarks, seconds, and what gives its frame."""

    kind: str
    size: tuple[int, int]
    notes: tuple[str, ...]
    seconds: float
    frame: "Callable[[], Frame]"

    @classmethod
    def of_decoded(cls, decoded: "Decoded") -> "Loaded":
        """A file from the decoder."""
        return cls(decoded.kind, decoded.size, decoded.notes, decoded.seconds, decoded.frame)

    @classmethod
    def of_image(cls, path: Path, max_pixels: int) -> "Loaded":
        """Read a finished RGB image.

        Raises:
            DecodeError: if it cannot be read.
        """
        from isp_ns.io.read import read_image

        started = time.perf_counter()
        frame = read_image(path, max_pixels=max_pixels)
        return cls("rgb", frame.size, (), time.perf_counter() - started, lambda: frame)


@dataclass(frozen=True)
class Developed:
    """Frames by output name, the pipeline's name, remarks, and a table of the time that every stage took."""

    frames: "Mapping[str, Frame]"
    pipeline: str
    remarks: tuple[str, ...] = ()
    trace: str = ""
    classes: Classes | None = None


class Developer:
    """Runs pipelines on decoded files, building each pipeline once.

    Args:
        workers: tiles at work at a time.
        tile_px: side of a tile, None for the runner's choice.
    """

    def __init__(self, workers: int, tile_px: int | None) -> None:
        self.workers, self.tile_px = workers, tile_px
        self._built = functools.lru_cache(maxsize=64)(_built)

    def develop(self, loaded: Loaded, draft: Draft, outputs: Iterable[str]) -> Developed:
        """Make `outputs` of a file.

        Raises:
            UnsupportedSensorError: if the pipeline cannot take such a file.
            IspError: what the pipeline and its stages raise.
        """
        from isp_ns.io.estimates import with_estimates

        wanted = tuple(outputs)
        if loaded.kind == RENDERED:
            return self._rendered(loaded.frame(), draft, wanted)
        built = self._built(draft, loaded.kind)
        frame = loaded.frame()
        frame = frame.with_data(frame.data, meta=adjusted(frame.meta, draft.settings))
        frame = with_estimates(frame)
        inputs: dict[str, Any] = {built.input: frame}
        sources = nodes_for(wanted)
        raw = {name for name in sources if name in draft.formats and draft.formats[name].name == "dng"}
        nodes = {name: linear_tap(built.graph) if name in raw else name for name in sources}
        run = built.graph.run(want=nodes.values(), tile_px=self.tile_px, workers=self.workers, **inputs)
        frames = {name: unbalanced(run[node]) if name in raw else run[node] for name, node in nodes.items()}
        if MOSAIC in frames:
            frames[MOSAIC] = remosaicked(frames[MOSAIC])
        classes = class_table(built.graph) if "labels" in frames else None
        made = {name: frames[name] if name in frames else derive(name, frames, classes) for name in wanted}
        return Developed(made, built.name, (*built.remarks, *_relative(frames)), str(run.trace), classes)

    def check(self, draft: Draft) -> None:
        """Build what `draft` asks for and see that it has the outputs.

        Raises:
            GraphError: with all faults of the pipeline.
            SettingsError: if a flag or output does not fit it.
        """
        if draft.recipe.renderer:
            _only_image(draft, draft.settings.outputs)
        else:
            _check_outputs(draft.recipe.build(None), draft)

    def _rendered(self, frame: "Frame", draft: Draft, wanted: tuple[str, ...]) -> Developed:
        _only_image(draft, wanted)
        name = draft.recipe.renderer or next(iter(RENDERERS))
        ignored = sorted({tweak.flag for tweak in draft.recipe.tweaks if not tweak.optional})
        remarks = (f"the renderer {name} has no nodes: {', '.join(ignored)} without effect",) if ignored else ()
        return Developed({"image": frame}, name, remarks)


def _built(draft: Draft, kind: str) -> Built:
    built = draft.recipe.build(kind)
    _check_outputs(built, draft)
    return built


def _check_outputs(built: Built, draft: Draft) -> None:
    if draft.formats["image"].name == "dng":
        linear_tap(built.graph)
    if MOSAIC in draft.outputs:
        linear_tap(built.graph)
    names = [*built.graph.outputs, *built.graph.nodes, MOSAIC]
    missing = [name for name in nodes_for(draft.outputs) if name not in names]
    if missing:
        from isp_ns.core.registry import did_you_mean

        raise SettingsError(
            f"pipeline {built.name} has no output {missing[0]}{did_you_mean(missing[0], built.graph.outputs)}"
        )


def _relative(frames: "Mapping[str, Frame]") -> tuple[str, ...]:
    """A remark on depth that is not in metres."""
    if "depth" in frames and frames["depth"].meta.depth_unit == "relative":
        return ("the focal length is unknown, so depth is relative: its median is 1",)
    return ()


def _only_image(draft: Draft, outputs: Iterable[str]) -> None:
    others = [name for name in outputs if name != "image"]
    if others:
        raise UnsupportedSensorError(f"the renderer makes no {', '.join(others)}, only the image")


def unbalanced(frame: "Frame") -> "Frame":
    """Camera RGB before its white balance, which a DNG tells in AsShotNeutral instead."""
    neutral = frame.meta.as_shot_neutral
    if neutral is None or frame.meta.source.get("as_shot_neutral") != "stage":
        return frame
    return frame.with_data(frame.data * frame.data.new_tensor(neutral)[:, None, None]).with_meta(white=(1.0,))


def remosaicked(frame: "Frame") -> "Frame":
    """Camera RGB sampled by the filters of its sensor, (1, H, W).

    Raises:
        UnsupportedSensorError: if the sensor has no Bayer filters.
    """
    from isp_ns.ops.cfa import mosaic

    cfa = frame.meta.cfa
    if cfa is None:
        raise UnsupportedSensorError(f"the sensor has no Bayer filters; leave the output {MOSAIC} out")
    # What is left of the noise is another matter than what the sensor made.
    about = frame.meta.with_values("stage", noise=None)
    return frame.with_data(mosaic(frame.data, cfa.phase(*frame.origin)), meta=about)


def adjusted(meta: "Meta", settings: Settings) -> "Meta":
    """The metadata with the camera profile and the matrix that the user gave.

    Raises:
        MetadataError: if the profile or DCP file is wrong or does not fit.
    """
    if settings.profile is not None:
        from isp_ns.io.profile import merge_profile

        meta = merge_profile(meta, _profile(settings.profile))
    matrix = settings.matrix or "auto"
    if matrix.startswith(DCP_PREFIX):
        return meta.with_values("profile", calibrations=_dcp(matrix.removeprefix(DCP_PREFIX)))
    rows = parse_matrix(matrix)
    return meta if rows is None else meta.with_values("user", calibrations=(), camera_to_srgb=rows)


@functools.lru_cache(maxsize=16)
def _profile(name: str) -> Any:
    from isp_ns.io.profile import load_profile

    return load_profile(name)


@functools.lru_cache(maxsize=16)
def _dcp(name: str) -> Any:
    from isp_ns.io.dcp import read_dcp

    return read_dcp(Path(name))
