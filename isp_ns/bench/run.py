"""The whole benchmark: which groups, in which order, under which protocol; the result as plain data."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isp_ns.bench.files import digest, photo_size, speed_file
from isp_ns.bench.machine import BUSY_SHARE, describe, load_now
from isp_ns.bench.processes import Workbench, measure_pairs, pairs, warm_up
from isp_ns.bench.programs import Program, find_rivals, ours
from isp_ns.bench.rows import GROUPS, OutputsRow, PairRow, PeakRow, PipelineRow, Row, StageRow
from isp_ns.bench.schema import SCHEMA_VERSION, check
from isp_ns.core.errors import SettingsError

__all__ = ["Options", "bench"]

RUNS = {"stages": 7, "pipelines": 5, "outputs": 5, "single": 5, "batch": 3}
"""Measured runs where their number is not given."""

_STAGE_MEGAPIXELS = 1024 * 1024 / 1e6
_STATISTIC = "median, first and third quartile (Hyndman and Fan, definition 7) of all measured runs"
_PAIRING = "one run of ours, then one of the rival, pair after pair, then all over; ratios ours / rival by pair"
_MEMORY = "largest sum of resident memory over the process tree, sampled every 20 ms; shared pages count in each"


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        groups: of `GROUPS`.
        pipelines: their names; the usual ones that ship if None.
        against: names of rivals, each to stand beside every pipeline; the usual matches if None.
        stages: names of stages; all if None.
        heads: weights of depth and labels, a name or the path of a .safetensors file.
        runs: measured runs of everything; `RUNS` if None.
        megapixels: size of the photo; stages are measured on at most a 1024 by 1024 frame.
        batch: photos in a batch; 1 leaves batches out.
        seed: of the photo's noise.
        device: torch device for pipelines in process.
        work: a folder to keep the raw file and the rivals' configuration in; a temporary one if None.
    """

    groups: tuple[str, ...] = GROUPS
    pipelines: tuple[str, ...] | None = None
    against: tuple[str, ...] | None = None
    stages: tuple[str, ...] | None = None
    heads: str = "nyu-lite"
    runs: int | None = None
    megapixels: float = 24.0
    batch: int = 8
    seed: int = 0
    device: str = "cpu"
    work: Path | None = None

    def runs_of(self, what: str) -> int:
        """How many runs of "stages", "pipelines", "outputs", "single" or "batch" are measured."""
        return self.runs or RUNS[what]


def bench(options: Options | None = None, *, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure, and return the result as plain data that fits `isp_ns.bench.schema.SCHEMA`.

    Args:
        options: what to measure.
        tell: is told what goes on, line by line.

    Raises:
        SettingsError: if a stage, rival or device is asked for that is not there.
        FileNotFoundError: if a pipeline is.
        OutputError: if the work folder cannot be written to.
    """
    options = options or Options()
    with _work_folder(options.work) as work:
        return _Benchmark(options, work, tell).result()


@contextlib.contextmanager
def _work_folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="isp-ns-bench-") as folder:
        yield Path(folder)


@dataclass
class _Benchmark:
    """One benchmark while it runs."""

    options: Options
    work: Path
    tell: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    load: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    photo: dict[str, Any] | None = None
    programs: list[Program] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def result(self) -> dict[str, Any]:
        _check_options(self.options)
        began = datetime.now(UTC)
        measure: dict[str, Callable[[], Sequence[Row]]] = {
            "stages": self._stages,
            "pipelines": self._pipelines,
            "outputs": self._outputs,
            "processes": self._processes,
        }
        for group in GROUPS:
            if group in self.options.groups:
                self._note_load(group)
                self.rows += measure[group]()
        self._warn_of_company()
        rows = [_plain(asdict(row)) for row in self.rows]
        protocol = _plain(self._protocol(began.isoformat(timespec="seconds")))
        document = {"schema": SCHEMA_VERSION, "protocol": protocol, "rows": rows}
        check(document)
        return document

    def _stages(self) -> Sequence[StageRow]:
        from isp_ns.bench.stages import measure_stages

        height, width = photo_size(min(self.options.megapixels, _STAGE_MEGAPIXELS))
        size = (1024, 1024) if self.options.megapixels >= _STAGE_MEGAPIXELS else (height, width)
        runs = self.options.runs_of("stages")
        return measure_stages(size, runs=runs, tell=self._teller("stages"), names=self.options.stages)

    def _pipelines(self) -> Sequence[PeakRow | PipelineRow]:
        from isp_ns.bench.peak import measure_peaks
        from isp_ns.bench.pipelines import measure_pipelines

        runs, tell = self.options.runs_of("pipelines"), self._teller("pipelines")
        tell("convolution peak")
        peaks = measure_peaks(self.options.device, runs=runs)
        names, device = self._names(), self.options.device
        return [*peaks, *measure_pipelines(names, self._photo(), runs=runs, device=device, peaks=peaks, tell=tell)]

    def _outputs(self) -> Sequence[OutputsRow]:
        from isp_ns.bench.outputs import measure_outputs

        runs, tell = self.options.runs_of("outputs"), self._teller("outputs")
        return measure_outputs(self.options.heads, self._photo, runs=runs, device=self.options.device, tell=tell)

    def _processes(self) -> Sequence[PairRow]:
        wanted = pairs(self._names(), self.options.against)
        rivals, self.missing = find_rivals(list(dict.fromkeys(rival for _, rival in wanted if rival)))
        alone = [(name, None) for name in self._names() if not any(n == name and r in rivals for n, r in wanted)]
        wanted = list(dict.fromkeys([*wanted, *alone]))
        self.programs = [*(ours(name) for name in self._names()), *rivals.values()]
        photo, tell = self._photo(), self._teller("processes")
        rows: list[PairRow] = []
        with tempfile.TemporaryDirectory(prefix="processes-", dir=self.work) as home:
            run = Workbench(photo, Path(home)).run
            warm_up(self.programs, run, tell)
            for what, photos in (("single", 1), ("batch", self.options.batch)):
                if what == "single" or photos > 1:
                    runs = self.options.runs_of(what)
                    rows += measure_pairs(wanted, rivals, self.missing, run, photos=photos, runs=runs, tell=tell)
        return rows

    def _names(self) -> tuple[str, ...]:
        from isp_ns.bench.pipelines import usual_pipelines

        return self.options.pipelines or usual_pipelines()

    def _photo(self) -> Path:
        path = speed_file(self.work, photo_size(self.options.megapixels), self.options.seed)
        if self.photo is None:
            self.photo = {"name": path.name, "bytes": path.stat().st_size, "sha256": digest(path)}
        return path

    def _teller(self, group: str) -> Callable[[str], None]:
        return lambda text: self.tell(f"{group}: {text}")

    def _note_load(self, group: str) -> None:
        load = load_now()
        self.load[group] = asdict(load)
        if not load.is_idle:
            busy = "" if load.busy_share is None else f", {load.busy_share:.0%} of the processors taken"
            average = " ".join(f"{value:.1f}" for value in load.load_average)
            self._warn(f"{group}: the machine was not idle before it (load average {average}{busy}): noisy timings")

    def _warn_of_company(self) -> None:
        for group in GROUPS:
            shares = [share for row in self.rows if row.group == group for share in _other_shares(row)]
            if shares and max(shares) > BUSY_SHARE:
                self._warn(f"{group}: other work took up to {max(shares):.0%} of the processors meanwhile")

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.tell(f"warning: {text}")

    def _protocol(self, date: str) -> dict[str, Any]:
        from isp_ns.bench import outputs, pipelines, stages

        options = self.options
        return {
            "date": date,
            "seed": options.seed,
            "size": photo_size(options.megapixels),
            "device": options.device,
            "batch": options.batch,
            "runs": {what: options.runs_of(what) for what in RUNS},
            "warm_ups": {
                "stages": stages.WARM_UPS,
                "pipelines": pipelines.WARM_UPS,
                "outputs": outputs.WARM_UPS,
                "processes": 1,
            },
            "statistic": _STATISTIC,
            "pairing": _PAIRING,
            "memory": _MEMORY,
            "photo": self.photo,
            "machine": describe(options.device),
            "programs": [{"name": p.name, "version": p.version, "settings": p.settings} for p in self.programs],
            "missing": self.missing,
            "load": self.load,
            "warnings": self.warnings,
        }


def _check_options(options: Options) -> None:
    """Find what is not there before anything is measured.

    Raises:
        SettingsError: naming it.
        FileNotFoundError: for a pipeline.
    """
    import torch

    from isp_ns import content
    from isp_ns.core.registry import did_you_mean, find_spec

    try:
        torch.zeros(1, device=options.device).add_(1.0)
    except (RuntimeError, AssertionError, NotImplementedError):
        told = f"there is no device {options.device} here; leave --device out to use the processor"
        raise SettingsError(told) from None
    if unknown := [group for group in options.groups if group not in GROUPS]:
        raise SettingsError(f"nothing is called {unknown[0]}{did_you_mean(unknown[0], GROUPS)}")
    find_rivals(options.against or ())
    for name in options.pipelines or ():
        content.find("pipelines", name)
    for name in options.stages or ():
        try:
            find_spec(name)
        except KeyError as error:
            raise SettingsError(str(error.args[0])) from None
    try:
        photo_size(options.megapixels)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _other_shares(row: Row) -> list[float]:
    if isinstance(row, PeakRow):
        return []
    if isinstance(row, PairRow):
        both = [numbers.other_cpu_share for numbers in (row.ours, row.theirs) if numbers]
        return [share.median for share in both if share]
    return [] if row.other_cpu_share is None else [row.other_cpu_share]


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
