"""What a batch is going to do, decided before anything is decoded: what to make, its name, and what is there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from isp_ns.batch.existing import decide
from isp_ns.batch.formats import format_of_name
from isp_ns.batch.job import Draft, Facts, Job, draft
from isp_ns.batch.layers import with_sidecar
from isp_ns.batch.naming import METADATA_KEYS, Template, distinct
from isp_ns.batch.report import Record
from isp_ns.batch.scan import Source, scan
from isp_ns.batch.settings import Layer, Settings
from isp_ns.batch.state import State
from isp_ns.core.errors import OutputError, SettingsError

__all__ = ["Plan", "ReadFacts", "make_plan"]

ReadFacts = Callable[[Sequence[tuple[Source, Settings]]], Mapping[Path, Facts | str]]
"""Reads what names may ask of many files; one that cannot be read gets the reason instead."""


@dataclass(frozen=True)
class Plan:
    """Jobs to do, records of what needs no work, and where everything goes.

    `draft` is how files without settings of their own are developed, `order` holds all inputs in the order of the
    report, `folders` every folder that holds or will hold an output.
    """

    folder: Path
    draft: Draft
    state: State
    jobs: tuple[Job, ...]
    settled: tuple[Record, ...]
    order: tuple[str, ...]
    folders: frozenset[Path]


@dataclass(frozen=True)
class _Item:
    """A file with what is known about how to develop it."""

    source: Source
    number: int
    draft: Draft
    facts: Facts | None = None


def make_plan(
    inputs: Iterable[str | Path], output: str | Path, settings: Settings, read_facts: ReadFacts | None = None
) -> Plan:
    """Decide about every file.

    Args:
        inputs: files and folders.
        output: the output folder; or, for a single input, an output file.
        settings: all settings; sidecars add to them.
        read_facts: reads metadata; asked only if the name template needs it.

    Raises:
        SettingsError: for settings, names or inputs that make no sense.
        OutputError: if an output would fall on an input.
    """
    folder, single, settings = _target(Path(output), settings)
    template = Template.parse(settings.name)
    shared = draft(settings)
    found = scan(inputs, output=folder, recursive=settings.recursive, extensions=settings.ext)
    state = State(folder)
    sources = [source for source in found.sources if source.named or not state.made_here(source.path)]
    if single is not None and len(sources) != 1:
        raise SettingsError(f"{single} is one file, but there are {len(sources)} inputs; give a folder to -o")
    settled = [Record(str(path), "failed", reason) for path, reason in found.unreadable]
    settled += [Record(str(path), "ignored", "not a RAW extension") for path in found.ignored]
    items = _drafted(sources, shared, settled)
    items = _with_facts(items, template, read_facts, settled)
    names = [PurePath(single.name)] if single and items else _names(items, template)
    jobs = [item.draft.job(item.source, folder / name) for item, name in zip(items, names, strict=True)]
    _refuse_overlap(jobs, sources)
    decided = [decide(job, state) for job in jobs]
    settled += [outcome for outcome in decided if isinstance(outcome, Record)]
    todo = tuple(outcome for outcome in decided if isinstance(outcome, Job))
    folders = frozenset({folder, *(path.parent for job in jobs for path in job.outputs.values())})
    order = tuple(map(str, [*(s.path for s in sources), *found.ignored, *(path for path, _ in found.unreadable)]))
    return Plan(folder, shared, state, todo, tuple(settled), order, folders)


def _target(output: Path, settings: Settings) -> tuple[Path, Path | None, Settings]:
    """The output folder; the output file, if `output` is a name of one; settings with the format that it asks for."""
    implied = format_of_name(output.name) if "." in output.name else None
    if output.is_dir() or implied is None:
        if output.exists() and not output.is_dir():
            raise SettingsError(f"{output} is a file; give a folder to -o, or a name such as photo.jpg")
        return output, None, settings
    if settings.format not in (None, implied):
        raise SettingsError(f"{output.name} is the name of a {implied} file, but the format is {settings.format}")
    return output.parent, output, settings.layered({"format": implied}, Layer.FLAG, "the name of the output")


def _drafted(sources: Iterable[Source], shared: Draft, settled: list[Record]) -> list[_Item]:
    items, settings = [], shared.settings
    for number, source in enumerate(sources, 1):
        try:
            own = with_sidecar(settings, source)
            items.append(_Item(source, number, shared if own is settings else draft(own)))
        except SettingsError as error:
            settled.append(Record(str(source.path), "failed", str(error)))
    return items


def _with_facts(
    items: list[_Item], template: Template, read_facts: ReadFacts | None, settled: list[Record]
) -> list[_Item]:
    """The items with their facts, if the template asks for any; without those whose metadata cannot be read."""
    by_sensor = "graph" in template.keys and any(item.draft.settings.pipeline is None for item in items)
    if read_facts is None or not (template.keys & METADATA_KEYS or by_sensor):
        return items
    facts = read_facts([(item.source, item.draft.settings) for item in items])
    known = []
    for item in items:
        found = facts[item.source.path]
        if isinstance(found, str):
            settled.append(Record(str(item.source.path), "failed", found))
        else:
            known.append(_Item(item.source, item.number, item.draft, found))
    return known


def _names(items: Sequence[_Item], template: Template) -> list[PurePath]:
    values = [item.draft.name_values(item.source, item.number, item.facts, template.keys) for item in items]
    return distinct([template.render(each) for each in values], [item.source.path for item in items])


def _refuse_overlap(jobs: Sequence[Job], sources: Sequence[Source]) -> None:
    """Refuse outputs that fall on an input or on each other."""
    inputs = {source.path.resolve() for source in sources}
    claimed: dict[str, Path] = {}
    for job in jobs:
        for path in job.outputs.values():
            resolved = path.resolve()
            if resolved in inputs:
                raise OutputError(f"{path} would be written onto an input; use another -o, --name or --format")
            other = claimed.setdefault(str(resolved).casefold(), job.source.path)
            if other is not job.source.path:
                raise OutputError(f"{path} would be made of {other} and of {job.source.path}; use another --name")
