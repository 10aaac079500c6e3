"""One comparison from its arguments to its page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isp_ns.compare.cases import Simulation, plan_cases
from isp_ns.compare.gallery import DISAGREEMENT, TRUTH, Gallery, prepare_folder
from isp_ns.compare.page import write_page
from isp_ns.compare.programs import PROGRAMS, ProgramRenderer
from isp_ns.compare.protocol import protocol
from isp_ns.compare.renderers import (
    GraphRenderer,
    LibrawRenderer,
    Look,
    PipelineArg,
    Renderer,
    graph_of,
    named,
    unique_names,
)
from isp_ns.compare.results import Comparison
from isp_ns.compare.run import Align, Options, run_cases
from isp_ns.compare.verdict import judge
from isp_ns.core.errors import SettingsError
from isp_ns.core.graph import Graph
from isp_ns.io.decode import DecodePool

__all__ = ["Request"]

LIBRAW = "libraw"
LIBRAW_DEFAULT = "AHD"


@dataclass(frozen=True)
class Request:
    """The arguments of `isp_ns.compare.compare`, which see."""

    pipelines: Mapping[str, PipelineArg] | Iterable[PipelineArg]
    output: str | Path | None
    truth: str | Path | None
    simulate: str | Simulation | None
    look: Look
    align: Align
    crop_px: int
    recursive: bool
    pictures: int
    timeout_s: float
    workers: int | None
    tell: Callable[[str], None] | None

    def run(self, inputs: Sequence[str | Path]) -> Comparison:
        """Compare; see `isp_ns.compare.compare`."""
        self._check()
        simulation = Simulation.parse(self.simulate) if isinstance(self.simulate, str) else self.simulate
        if simulation is not None:
            simulation.check()
        cases = plan_cases(inputs, truth=self.truth, simulate=simulation, recursive=self.recursive)
        with DecodePool(1, timeout_s=self.timeout_s) as pool:
            renderers = self._renderers(pool)
            for renderer in renderers:
                renderer.check()
            folder = Path(self.output) if self.output is not None else None
            if folder is not None:
                prepare_folder(folder)
            options = Options(self.align, self.crop_px, self.look, self.tell or (lambda text: None))
            gallery = Gallery(folder, self.pictures)
            rows = run_cases(cases, renderers, gallery, options)
            told = protocol(cases, renderers, options)
        names = tuple(renderer.name for renderer in renderers)
        comparison = Comparison(names, rows, told, judge(rows, names), folder)
        if folder is not None:
            write_page(folder, comparison, gallery.finish())
        return comparison

    def _check(self) -> None:
        choices = (("look", self.look, ("neutral", "own")), ("align", self.align, ("exposure", "none")))
        for name, value, allowed in choices:
            if value not in allowed:
                raise SettingsError(f"{name} is {' or '.join(allowed)}, not {value!r}")
        if self.crop_px < 0 or self.pictures < 0 or not self.timeout_s > 0:
            raise SettingsError("crop_px and pictures are 0 or more, timeout_s is above 0")

    def _renderers(self, pool: DecodePool) -> list[Renderer]:
        made = [self._renderer(name, each, pool) for name, each in named(self.pipelines)]
        if not made:
            raise SettingsError("name at least one pipeline, such as -p classic -p libraw")
        # The page has columns of these names itself.
        names = unique_names([TRUTH, DISAGREEMENT, *(renderer.name for renderer in made)])[2:]
        for renderer, name in zip(made, names, strict=True):
            renderer.name = name
        return made

    def _renderer(self, name: str | None, pipeline: PipelineArg, pool: DecodePool) -> Renderer:
        """One renderer, called `name` or by its own name."""
        if isinstance(pipeline, Graph):
            return GraphRenderer(name or "graph", pipeline, pool, look=self.look, workers=self.workers)
        if not isinstance(pipeline, str | Path):
            pipeline.name = name or pipeline.name
            return pipeline
        text = str(pipeline)
        first, _, algorithm = text.partition(":")
        if first == LIBRAW:
            return LibrawRenderer(name or text, (algorithm or LIBRAW_DEFAULT).upper(), pool)
        if text in PROGRAMS:
            return ProgramRenderer(name or text, PROGRAMS[text], look=self.look, timeout_s=self.timeout_s)
        own_name, graph = graph_of(text)
        return GraphRenderer(name or own_name, graph, pool, look=self.look, workers=self.workers)
