"""`isp-ns info`: what is known about files, and about this installation."""

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isp_ns.core.errors import IspError, UnsupportedSensorError

if TYPE_CHECKING:
    from isp_ns.io.decoded import Decoded

__all__ = ["info"]

LARGEST_LIST = 64
"""Numbers of an array that are shown one by one; of larger ones shape and range are."""

PACKAGES = ("numpy", "scipy", "rawpy", "tifffile", "imagecodecs", "pillow", "kornia", "colour-science", "safetensors")


@click.command(
    epilog="""\b
Examples:
  isp-ns info IMG_0042.dng
  isp-ns info --json *.NEF | jq '.[].values.iso'
  isp-ns info --checksum IMG_0042.dng
  isp-ns info --versions

Each value is shown with its source: dng, libraw or exif (the file), name or user (headerless files), profile, default.
"""
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option("--versions", is_flag=True, help="Print versions of isp-ns and of what it uses, and the devices.")
@click.option("--checksum", is_flag=True, help="Add the SHA-256 of the decoded counts.")
@click.option("--raw", metavar="LAYOUT", help="Layout of headerless files: WxH:bits:CFA[:black[:white[:endian]]].")
def info(files: tuple[Path, ...], as_json: bool, versions: bool, checksum: bool, raw: str | None) -> None:
    """Show what is known about RAW files, where each value comes from, and which pipeline would be used."""
    if versions:
        found = _versions()
        click.echo(json.dumps(found, indent=1) if as_json else _table(found.items()))
    elif not files:
        raise click.UsageError("name at least one file, or ask for --versions")
    if files:
        _describe_all(files, raw, as_json=as_json, checksum=checksum)


def _describe_all(files: tuple[Path, ...], raw: str | None, *, as_json: bool, checksum: bool) -> None:
    from isp_ns.io.decode import DecodePool
    from isp_ns.io.decoded import DecodeOptions

    layout = _layout(raw)
    found: list[dict[str, Any]] = []
    codes = set()
    with DecodePool() as pool:
        waiting = [(path, pool.submit(path, DecodeOptions(raw=layout, pixels=checksum))) for path in files]
        for path, future in waiting:
            try:
                found.append(_facts(future.result(), checksum=checksum))
                codes.add(0)
            except (IspError, OSError) as error:
                found.append({"file": str(path), "error": str(error)})
                codes.add(3 if isinstance(error, UnsupportedSensorError) else 1)
            if not as_json:
                click.echo(_text(found[-1]))
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    sys.exit(codes.pop() if len(codes) == 1 else 1)


def _layout(raw: str | None) -> Any:
    from isp_ns.io.layout import RawLayout

    try:
        return None if raw is None else RawLayout.parse(raw)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--raw") from None


def _facts(decoded: "Decoded", *, checksum: bool) -> dict[str, Any]:
    from isp_ns.batch.recipe import Recipe

    values = {
        name: {"value": _plain(value), "source": decoded.sources.get(name, "")}
        for name, value in sorted(decoded.values.items())
    }
    for name, source in sorted(decoded.sources.items()):
        values.setdefault(name, {"value": None, "source": source})
    if decoded.kind == "bayer" and "noise" not in decoded.values:
        values["noise"] = {"value": None, "source": "estimate"}
    height, width = decoded.size
    facts: dict[str, Any] = {"file": str(decoded.path), "kind": decoded.kind, "width": width, "height": height}
    facts |= {"pipeline": Recipe().look_of(decoded.kind), "values": values, "notes": list(decoded.notes)}
    if checksum and decoded.pixels is not None:
        facts["sha256_of_counts"] = hashlib.sha256(decoded.pixels.tobytes()).hexdigest()
    return facts


def _plain(value: Any) -> Any:
    """A value as JSON knows it; large arrays as their shape and range."""
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        if value.size > LARGEST_LIST:
            return {"shape": list(value.shape), "min": float(value.min()), "max": float(value.max())}
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _text(facts: Mapping[str, Any]) -> str:
    if "error" in facts:
        return f"{facts['file']}\n  error: {facts['error']}"
    size = f"{facts['width']} x {facts['height']} ({facts['width'] * facts['height'] / 1e6:.1f} MP)"
    lines = [facts["file"], f"  {facts['kind']}, {size}; pipeline: {facts['pipeline']}"]
    rows = [(name, _short(entry["value"]), entry["source"]) for name, entry in facts["values"].items()]
    if rows:
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines += [f"  {n:<{widths[0]}}  {v:<{min(widths[1], 72)}}  {s}".rstrip() for n, v, s in rows]
    lines += [f"  note: {note}" for note in facts["notes"]]
    if "sha256_of_counts" in facts:
        lines.append(f"  sha256 of counts: {facts['sha256_of_counts']}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(_short(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_short(each)}" for key, each in value.items()) + "}"
    return str(value)


def _versions() -> dict[str, Any]:
    """Versions of everything that decides what a picture looks like, and the devices to compute on."""
    import platform

    import rawpy
    import torch

    import isp_ns
    from isp_ns.io.exiftool import exiftool_path

    found: dict[str, Any] = {"isp-ns": isp_ns.__version__, "python": platform.python_version()}
    found["torch"] = torch.__version__
    found["libraw"] = ".".join(map(str, rawpy.libraw_version))
    found["libraw flags"] = ", ".join(name for name, on in sorted(rawpy.flags.items()) if on)
    found |= dict(_installed())
    found["exiftool"] = exiftool_path() or "not installed"
    found["processors"] = torch.get_num_threads()
    found["cuda"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return found


def _installed() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"


def _table(rows: Any) -> str:
    pairs = [(str(name), str(value)) for name, value in rows]
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)
