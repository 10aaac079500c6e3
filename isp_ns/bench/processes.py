"""Whole processes from DNG files to photos on disk, beside other raw developers, in pairs A B A B."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isp_ns.bench.files import link
from isp_ns.bench.meter import Measurement, measure
from isp_ns.bench.programs import MATCHES, OTHERS, Program, Task, ours
from isp_ns.bench.rows import PairRow, ProgramNumbers
from isp_ns.bench.statistic import Spread, paired_ratios, spread

__all__ = ["Meter", "RunFailed", "Workbench", "measure_pairs", "pair_row", "pairs", "warm_up"]

Meter = Callable[[Program, int], Measurement]
"""Runs a program on so many photos."""


def pairs(pipelines: Sequence[str], rivals: Sequence[str] | None) -> list[tuple[str, str | None]]:
    """Which pipeline stands beside which rival.

    Args:
        pipelines: names of pipelines.
        rivals: names of rivals, each to stand beside every pipeline; None for the usual matches.
    """
    found: list[tuple[str, str | None]] = []
    for pipeline in pipelines:
        beside = MATCHES.get(pipeline, OTHERS) if rivals is None else rivals
        found += [(pipeline, rival) for rival in beside] or [(pipeline, None)]
    return found


class RunFailed(Exception):
    """A program ended badly or left no photos."""


class Workbench:
    """Runs programs on copies of one raw file in a folder of their own.

    Args:
        photo: the raw file.
        home: a folder for inputs, results and the programs' configuration.
    """

    def __init__(self, photo: Path, home: Path) -> None:
        self.photo, self.home = photo.resolve(), home.resolve()

    def run(self, program: Program, photos: int) -> Measurement:
        """Develop so many photos and measure it.

        Raises:
            RunFailed: if the program fails or does not write every photo.
        """
        with self._task(photos) as task:
            try:
                measured = measure(program.command(task), folder=self.home, environment=program.environment(self.home))
            except OSError as error:
                raise RunFailed(str(error)) from error
            missing = [path.name for path in program.results(task) if not path.is_file() or not path.stat().st_size]
        if measured.code:
            raise RunFailed(f"{program.name} ended with status {measured.code}: {_last_line(measured.said)}")
        if missing:
            raise RunFailed(f"{program.name} did not write {', '.join(missing)}: {_last_line(measured.said)}")
        return measured

    @contextlib.contextmanager
    def _task(self, photos: int) -> Iterator[Task]:
        source, target = self.home / "raw", self.home / "photos"
        for folder in (source, target):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        named = tuple(source / f"photo{number}.dng" for number in range(1, photos + 1))
        for path in named:
            link(self.photo, path)
        try:
            yield Task(named, source, target, self.home)
        finally:
            for folder in (source, target):
                shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Pair:
    """A pair while it is measured."""

    name: str
    rival: str | None
    programs: tuple[Program, ...]
    runs: list[list[Measurement]] = field(default_factory=list)
    fault: str = ""


def measure_pairs(
    wanted: Sequence[tuple[str, str | None]],
    rivals: Mapping[str, Program],
    missing: Mapping[str, str],
    meter: Meter,
    *,
    photos: int,
    runs: int,
    tell: Callable[[str], None],
) -> list[PairRow]:
    """Measure pairs of programs, run by run: A B of the first pair, A B of the second, …, then all over again.

    Args:
        wanted: pipelines and the rivals to stand beside.
        rivals: the programs that are installed.
        missing: why other rivals are left out.
        meter: runs a program; raises RunFailed.
        photos: how many photos each run develops.
        runs: how many runs of each pair are measured.
        tell: is told what goes on.

    Returns:
        A row for each pair; one of a missing rival is "skipped", one of a program that fails "failed".
    """
    present = [
        _Pair(name, rival, (ours(name), *([rivals[rival]] if rival else [])))
        for name, rival in wanted
        if rival is None or rival in rivals
    ]
    for number in range(runs):
        for pair in present:
            if not pair.fault:
                tell(f"{_title(pair.name, pair.rival)}, {photos} photo(s), run {number + 1} of {runs}")
                _add_run(pair, meter, photos)
    rows = {(pair.name, pair.rival): _row_of(pair, photos) for pair in present}
    for name, rival in wanted:
        if rival is not None and rival in missing:
            reason = missing[rival]
            rows[name, rival] = PairRow(name=name, rival=rival, status="skipped", reason=reason, photos=photos)
    return [rows[key] for key in dict.fromkeys(wanted)]


def warm_up(programs: Sequence[Program], meter: Meter, tell: Callable[[str], None]) -> None:
    """Run each program once on one photo, unmeasured, so that its configuration and all files are in memory."""
    for program in programs:
        tell(f"{program.name}: warm-up")
        with contextlib.suppress(RunFailed):
            meter(program, 1)


def pair_row(
    name: str, rival: str | None, photos: int, own: Sequence[Measurement], theirs: Sequence[Measurement]
) -> PairRow:
    """The numbers of a pair.

    Args:
        name: the pipeline.
        rival: the rival, None if it stands alone.
        photos: how many photos each run developed.
        own: the runs of isp-ns.
        theirs: the runs of the rival, in the same order; none if it stands alone.
    """
    ratios: dict[str, Spread] = {}
    if theirs:
        ratios["wall"] = paired_ratios([m.wall_s for m in own], [m.wall_s for m in theirs])
        ratios["cpu"] = paired_ratios([m.cpu_s for m in own], [m.cpu_s for m in theirs])
        ratios["memory"] = paired_ratios([_memory(m) for m in own], [_memory(m) for m in theirs])
    return PairRow(
        name=name,
        rival=rival,
        status="done",
        photos=photos,
        ours=_numbers(own),
        theirs=_numbers(theirs) if theirs else None,
        ratios=ratios,
    )


def _add_run(pair: _Pair, meter: Meter, photos: int) -> None:
    try:
        pair.runs.append([meter(program, photos) for program in pair.programs])
    except RunFailed as error:
        pair.fault = str(error)


def _row_of(pair: _Pair, photos: int) -> PairRow:
    if pair.fault:
        return PairRow(name=pair.name, rival=pair.rival, status="failed", reason=pair.fault, photos=photos)
    own, *theirs = zip(*pair.runs, strict=True)
    return pair_row(pair.name, pair.rival, photos, own, theirs[0] if theirs else ())


def _numbers(runs: Sequence[Measurement]) -> ProgramNumbers:
    return ProgramNumbers(
        wall_s=spread([m.wall_s for m in runs]),
        cpu_s=spread([m.cpu_s for m in runs]),
        peak_tree_bytes=_known([m.peak_tree_bytes for m in runs]),
        max_rss_bytes=spread([m.max_rss_bytes for m in runs]),
        other_cpu_share=_known([m.other_cpu_share for m in runs]),
    )


def _known(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return spread(known) if len(known) == len(values) else None


def _memory(run: Measurement) -> float:
    return run.max_rss_bytes if run.peak_tree_bytes is None else run.peak_tree_bytes


def _title(name: str, rival: str | None) -> str:
    return f"{name} beside {rival}" if rival else name


def _last_line(text: str) -> str:
    return (text.splitlines() or ["it said nothing"])[-1]
