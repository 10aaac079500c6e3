"""What to do about outputs that are there already."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from isp_ns.batch.job import Job
from isp_ns.batch.report import Record
from isp_ns.batch.state import State

__all__ = ["decide"]

STALE = "it was made of another input or with other settings; --on-exists if-changed makes it anew"


def decide(job: Job, state: State) -> Job | Record:
    """The job as it has to be done, or the record of why it need not or must not be done.

    `skip` still makes outputs that are missing beside others that are there. `if-changed` makes everything anew unless
    all is there and known to be made of this very input in this very way.
    """
    there = {name for name, path in job.outputs.items() if path.exists()}
    policy = job.draft.settings.on_exists
    if not there or policy == "overwrite":
        return job
    if policy == "rename":
        return replace(job, outputs=_free_names(job.outputs))
    if policy == "error":
        taken = ", ".join(str(job.outputs[name]) for name in sorted(there))
        return _record(job, "failed", f"{taken} exists; choose what to do about it with --on-exists")
    complete = len(there) == len(job.outputs)
    current = complete and _is_current(job, state)
    if policy == "if-changed":
        return _record(job, "skipped", "unchanged") if current else job
    if not complete:
        return replace(job, outputs={name: path for name, path in job.outputs.items() if name not in there})
    known = all(state.find(path) is not None for path in job.outputs.values())
    if known and not current:
        return _record(job, "stale", STALE)
    return _record(job, "skipped", "" if known else "there already, not known from where")


def _is_current(job: Job, state: State) -> bool:
    entries = [state.find(path) for path in job.outputs.values()]
    return all(entry is not None and entry.matches(job.source.path, job.draft.digest) for entry in entries)


def _free_names(outputs: Mapping[str, Path]) -> dict[str, Path]:
    """The outputs with the first number that none of them has yet: IMG_1.jpg, IMG_1_depth.tif."""
    photo = outputs.get("image")
    for number in itertools.count(1):
        renamed = {}
        for name, path in outputs.items():
            tail = "" if photo is path else f"_{name}"
            renamed[name] = path.with_name(f"{path.stem.removesuffix(tail)}_{number}{tail}{path.suffix}")
        if not any(path.exists() for path in renamed.values()):
            return renamed
    raise AssertionError("numbers do not end")


def _record(job: Job, status: str, reason: str) -> Record:
    outputs = tuple(map(str, job.outputs.values()))
    return Record(str(job.source.path), status, reason, outputs)  # type: ignore[arg-type]
