"""A table of methods that a person can read: the rows of a comparison, each method's seeds taken together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from isp_ns.core.errors import DecodeError

__all__ = ["read_table", "summary_of"]

_SHARED = ("method", "tasks", "balance", "distilled", "parameters", "macs", "epochs")
_DELTAS = ("delta_mtl_last", "delta_mtl_mean")


def read_table(path: Path) -> dict[str, Any]:
    """The table that `isp-ns train multitask` wrote.

    Args:
        path: its results.json.

    Raises:
        DecodeError: if it cannot be read, or is no such table.
    """
    import json

    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        task, rows = table["protocol"]["task"], table["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DecodeError(f"{path}: this is no table of `isp-ns train multitask` ({error!r})") from error
    if task != "multitask" or not rows or any(name not in row for row in rows for name in (*_SHARED, *_DELTAS)):
        raise DecodeError(f"{path}: this is no table of `isp-ns train multitask`; give it the results.json of a run")
    found: dict[str, Any] = table
    return found


def summary_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """One row for each method, in the order of the table.

    Args:
        table: as `isp_ns.train.perception_table.table_of` makes it.

    Returns:
        schema, protocol and rows: what the runs of a method share; seeds; `last` and `mean`, the scores of the last
        epoch and of the mean of the last ones, averaged over seeds; `deviation` of the latter, where there are several
        seeds; Δ_MTL averaged over seeds, or None.

    Source: Vandenhende et al. 2021, "Multi-task learning for dense prediction tasks", for the form of the table.
    """
    methods = dict.fromkeys(row["method"] for row in table["rows"])
    rows = [_row([row for row in table["rows"] if row["method"] == method]) for method in methods]
    protocol = {**table["protocol"], "seeds": "scores and Δ_MTL are means over the seeds of a method"}
    return {"schema": 1, "protocol": protocol, "rows": rows}


def _row(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = list(runs[0]["mean"])
    columns = {name: [run["mean"][name] for run in runs] for name in scores}
    return {
        **{name: runs[0][name] for name in _SHARED},
        "seeds": [run["seed"] for run in runs],
        "last": {name: mean(run["last"][name] for run in runs) for name in scores},
        "mean": {name: mean(values) for name, values in columns.items()},
        "deviation": {name: stdev(values) for name, values in columns.items()} if len(runs) > 1 else {},
        **{name: _mean_or_none([run[name] for run in runs]) for name in _DELTAS},
    }


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None
