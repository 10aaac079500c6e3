"""The shape of a result file, as a JSON Schema, and a check of a document against it."""

from collections.abc import Mapping
from typing import Any

from isp_ns.core.errors import IspError

__all__ = ["SCHEMA", "SCHEMA_VERSION", "check", "problems"]

SCHEMA_VERSION = 1

_Schema = Mapping[str, Any]
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "object": dict,
    "array": list,
    "null": type(None),
}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object with exactly these members."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _map(values: _Schema) -> dict[str, Any]:
    """An object with members of any name."""
    return {"type": "object", "additionalProperties": values}


def _list(items: _Schema) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(one: _Schema) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, one]}


_TEXT: _Schema = {"type": "string"}
_WHOLE: _Schema = {"type": "integer", "minimum": 0}
_NUMBER: _Schema = {"type": "number", "minimum": 0}
_SHARE: _Schema = {"type": "number", "minimum": 0, "maximum": 1}
_SPREAD = _object({"median": _NUMBER, "q1": _NUMBER, "q3": _NUMBER, "values": {**_list(_NUMBER), "minItems": 1}})
_STATUS: _Schema = {"type": "string", "enum": ["done", "skipped", "failed"]}
_NUMBERS = _object(
    {
        "wall_s": _SPREAD,
        "cpu_s": _SPREAD,
        "peak_tree_bytes": _or_null(_SPREAD),
        "max_rss_bytes": _SPREAD,
        "other_cpu_share": _or_null(_SPREAD),
    }
)
_NODE = _object(
    {
        "node": _TEXT,
        "stage": _TEXT,
        "ms": _NUMBER,
        "share": _SHARE,
        "bytes": _WHOLE,
        "kmac_per_pixel": _or_null(_NUMBER),
        "gmac_per_s": _or_null(_NUMBER),
        "share_of_peak": _map(_NUMBER),
    }
)


def _row(group: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    head = {"group": {"type": "string", "enum": [group]}, "name": _TEXT, "status": _STATUS, "reason": _TEXT}
    return _object({**head, **properties})


_ROWS = [
    _row(
        "stages",
        {
            "input": _TEXT,
            "size": _list(_WHOLE),
            "tile_px": _WHOLE,
            "ns_per_pixel": _or_null(_SPREAD),
            "cpu_ns_per_pixel": _or_null(_SPREAD),
            "bytes_per_pixel": _or_null(_NUMBER),
            "other_cpu_share": _or_null(_SHARE),
        },
    ),
    _row(
        "pipelines",
        {
            "device": _TEXT,
            "threads": _WHOLE,
            "size": _list(_WHOLE),
            "seconds": _or_null(_SPREAD),
            "cpu_s": _or_null(_SPREAD),
            "megapixels_per_s": _or_null(_SPREAD),
            "peak_rss_bytes": _or_null(_WHOLE),
            "nodes": _list(_NODE),
            "other_cpu_share": _or_null(_SHARE),
        },
    ),
    _row(
        "peak",
        {"precision": _TEXT, "device": _TEXT, "threads": _WHOLE, "shape": _list(_WHOLE), "gmac_per_s": _SPREAD},
    ),
    _row(
        "outputs",
        {
            "heads": _TEXT,
            "outputs": _list(_TEXT),
            "size": _list(_WHOLE),
            "parameters": _or_null(_WHOLE),
            "kmac_per_pixel": _or_null(_NUMBER),
            "gmac": _or_null(_NUMBER),
            "ms": _or_null(_SPREAD),
            "seconds": _or_null(_SPREAD),
            "heads_share": _or_null(_SHARE),
            "other_cpu_share": _or_null(_SHARE),
        },
    ),
    _row(
        "processes",
        {
            "rival": _or_null(_TEXT),
            "photos": _WHOLE,
            "ours": _or_null(_NUMBERS),
            "theirs": _or_null(_NUMBERS),
            "ratios": _map(_SPREAD),
        },
    ),
]

_MACHINE = _object(
    {
        "cpu": _TEXT,
        "cores": _WHOLE,
        "flags": _list(_TEXT),
        "memory_bytes": _WHOLE,
        "gpu": _or_null(_TEXT),
        "system": _TEXT,
        "python": _TEXT,
        "torch": _TEXT,
        "isp_ns": _TEXT,
        "commit": _or_null(_TEXT),
    }
)
_PROTOCOL = _object(
    {
        "date": _TEXT,
        "seed": _WHOLE,
        "size": _list(_WHOLE),
        "device": _TEXT,
        "batch": _WHOLE,
        "runs": _map(_WHOLE),
        "warm_ups": _map(_WHOLE),
        "statistic": _TEXT,
        "pairing": _TEXT,
        "memory": _TEXT,
        "photo": _or_null(_object({"name": _TEXT, "bytes": _WHOLE, "sha256": _TEXT})),
        "machine": _MACHINE,
        "programs": _list(_object({"name": _TEXT, "version": _TEXT, "settings": _TEXT})),
        "missing": _map(_TEXT),
        "load": _map(_object({"load_average": _list(_NUMBER), "busy_share": _or_null(_SHARE)})),
        "warnings": _list(_TEXT),
    }
)

SCHEMA: _Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A result of isp-ns bench",
    **_object(
        {
            "schema": {"type": "integer", "enum": [SCHEMA_VERSION]},
            "protocol": _PROTOCOL,
            "rows": _list({"anyOf": _ROWS}),
        }
    ),
}
"""JSON Schema of a result: `protocol` says how and on what was measured, `rows` what came out.

Source: JSON Schema, draft 2020-12; members as in `isp_ns.bench.rows`."""


def check(document: Mapping[str, Any]) -> None:
    """See that a document is a result.

    Raises:
        IspError: naming every fault.
    """
    found = problems(document)
    if found:
        raise IspError("this is not a result of isp-ns bench: " + "; ".join(found))


def problems(value: Any, schema: _Schema = SCHEMA, where: str = "result") -> list[str]:
    """Everything in which `value` departs from a schema, by its place.

    Knows the keywords that `SCHEMA` uses: type, enum, minimum, maximum, properties, required, additionalProperties,
    items, minItems, anyOf.

    Source: JSON Schema, draft 2020-12, validation.
    """
    if "anyOf" in schema:
        apt = [branch for branch in schema["anyOf"] if value is None or branch.get("type") != "null"]
        return min((problems(value, branch, where) for branch in apt), key=len)
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, _TYPES[kind]) or isinstance(value, bool)):
        return [f"{where} is no {kind}"]
    found = [f"{where} is {value!r}, not one of {schema['enum']}"] if value not in schema.get("enum", [value]) else []
    if kind in ("number", "integer"):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        found += [] if low <= value <= high else [f"{where} is {value}, outside {low} to {high}"]
    if kind == "object":
        found += _members(value, schema, where)
    if kind == "array":
        found += [f"{where} is empty"] if len(value) < schema.get("minItems", 0) else []
        found += [text for i, item in enumerate(value) for text in problems(item, schema["items"], f"{where}[{i}]")]
    return found


def _members(value: Mapping[str, Any], schema: _Schema, where: str) -> list[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    found = [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
    for name, member in value.items():
        inner = known.get(name, others)
        found += [f"{where} has an unknown {name}"] if inner is False else problems(member, inner, f"{where}.{name}")
    return found
