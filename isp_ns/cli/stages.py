"""`isp-ns stages`: the vocabulary of pipelines."""

import inspect
import json
from typing import TYPE_CHECKING, Any

import click

from isp_ns.core.errors import SettingsError

if TYPE_CHECKING:
    from isp_ns.core.stage import StageSpec

__all__ = ["stages"]


@click.command(
    epilog="""\b
Examples:
  isp-ns stages
  isp-ns stages demosaic.malvar
  isp-ns stages --json | jq '.[].name'
"""
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stages(name: str | None, as_json: bool) -> None:
    """List all stages, those of installed packages included, or describe the stage NAME."""
    from isp_ns.core.registry import all_specs, find_spec

    if name is None:
        specs = list(all_specs().values())
    else:
        try:
            specs = [find_spec(name)]
        except KeyError as error:
            raise SettingsError(str(error.args[0])) from None
    if as_json:
        click.echo(json.dumps([_plain(spec) for spec in specs], indent=1))
    elif name is None:
        width = max((len(spec.name) for spec in specs), default=0)
        for spec in specs:
            click.echo(f"{spec.name:<{width}}  {_ports(spec)}\n{'':<{width}}  {spec.summary}")
    else:
        click.echo(_page(specs[0]))


def _ports(spec: "StageSpec") -> str:
    return f"{', '.join(str(port) for _, port in spec.inputs)} -> {spec.output}"


def _page(spec: "StageSpec") -> str:
    from isp_ns.core.reach import Local

    lines = [f"{spec.name}: {_ports(spec)}", "", inspect.cleandoc(spec.doc), ""]
    lines += ["Inputs:", *(f"  {name}: {port}" for name, port in spec.inputs)]
    if spec.parameters:
        lines.append("Parameters:")
    for parameter in spec.parameters:
        default = "required" if parameter.required else f"default {parameter.default!r}"
        bounds = parameter.between
        inside = f", {bounds.low:g} to {bounds.high:g}" if bounds else ""
        lines.append(f"  {parameter.name}: {parameter.type_name}{inside}, {default}")
    reach = "local" if isinstance(spec.reach, Local) else type(spec.reach).__name__.lower()
    return "\n".join([*lines, f"Reach: {reach}"])


def _plain(spec: "StageSpec") -> dict[str, Any]:
    parameters = [
        {
            "name": parameter.name,
            "type": parameter.type_name,
            "default": None if parameter.required else _jsonable(parameter.default),
            "required": parameter.required,
            "range": [parameter.between.low, parameter.between.high] if parameter.between else None,
        }
        for parameter in spec.parameters
    ]
    inputs = [{"name": name, "port": str(port)} for name, port in spec.inputs]
    return {
        "name": spec.name,
        "summary": spec.summary,
        "inputs": inputs,
        "output": str(spec.output),
        "parameters": parameters,
        "reach": type(spec.reach).__name__.lower(),
    }


def _jsonable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | tuple | None) else str(value)
