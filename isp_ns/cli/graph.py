"""`isp-ns graph`: pipelines listed, shown and checked."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isp_ns.core.errors import GraphError, SettingsError

if TYPE_CHECKING:
    from isp_ns.core.graph import Graph

__all__ = ["graph"]


@click.group(
    epilog="""\b
Examples:
  isp-ns graph list
  isp-ns graph show classic
  isp-ns graph show classic --patch linear --format mermaid
  isp-ns graph show fast --set encode.space=display-p3 --format yaml > mine.yaml
  isp-ns graph show classic --format svg --output classic.svg
  isp-ns graph validate mine.yaml
"""
)
def graph() -> None:
    """List, show and check pipelines."""


@graph.command("list")
def list_graphs() -> None:
    """List shipped pipelines, patches and renderers."""
    from isp_ns import content
    from isp_ns.batch.recipe import RENDERERS

    for kind, title in (("pipelines", "pipeline"), ("pipelines/patches", "patch")):
        for name in content.names(kind):
            click.echo(f"{title}\t{name}\t{_description(content.find(kind, name))}")
    for name in RENDERERS:
        click.echo(f"renderer\t{name}\tAnother program's own rendering, from the file.")


@graph.command()
@click.argument("name")
@click.option("--patch", "patches", multiple=True, metavar="NAME", help="Apply a patch first. Repeatable.")
@click.option("--set", "changes", multiple=True, metavar="NODE.PARAM=VALUE", help="Set a parameter. Repeatable.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "yaml", "svg", "png"]),
    help="What to show.  [default: text, or by the name of the output]",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of to stdout.")
def show(name: str, patches: tuple[str, ...], changes: tuple[str, ...], form: str | None, output: Path | None) -> None:
    """Show the pipeline NAME: shipped, or a YAML file; as text, diagram, YAML or picture."""
    kind = form or _form_of(output)
    shown = _loaded(name, patches, changes)
    data = (_WRITERS[kind](shown).rstrip("\n") + "\n").encode() if kind in _WRITERS else _picture(shown, kind)
    if output is not None:
        output.write_bytes(data)
    elif kind == "png" and sys.stdout.isatty():
        raise SettingsError("a PNG is nothing for a terminal; give --output FILE")
    else:
        sys.stdout.buffer.write(data)


@graph.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--on", "base", metavar="NAME", help="The files are patches: apply each to this pipeline.")
def validate(files: tuple[str, ...], base: str | None) -> None:
    """Check pipelines, or patches --on one, fault by fault."""
    from isp_ns.io.pipelines import load_patch, load_pipeline

    faults = []
    for file in files:
        try:
            checked = load_pipeline(file) if base is None else load_pipeline(base).patch(load_patch(file))
            click.echo(f"ok\t{file}\t{len(checked.nodes)} nodes, outputs {', '.join(checked.outputs)}")
        except GraphError as error:
            faults.append(str(error))
    if faults:
        click.echo("\n".join(faults), err=True)
        raise click.exceptions.Exit(2)


def _loaded(name: str, patches: tuple[str, ...], changes: tuple[str, ...]) -> "Graph":
    from isp_ns.batch.options import apply_tweaks, tweaks
    from isp_ns.batch.settings import Layer, Settings
    from isp_ns.io.pipelines import load_patch, load_pipeline

    shown = load_pipeline(name)
    for patch in patches:
        shown = shown.patch(load_patch(patch))
    asked = Settings().layered({"set": changes} if changes else {}, Layer.FLAG, "--set")
    return apply_tweaks(shown, tweaks(asked), lenient=False)[0]


def _form_of(output: Path | None) -> str:
    known = {".svg": "svg", ".png": "png", ".yaml": "yaml", ".yml": "yaml", ".mmd": "mermaid"}
    return known.get(output.suffix.lower(), "text") if output is not None else "text"


def _description(path: Path) -> str:
    import yaml

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return str(document.get("description", "")) if isinstance(document, dict) else ""


def _text(shown: "Graph") -> str:
    """A line per node in the order of running: name, stage, inputs, kind, and parameters that differ from defaults."""
    rows = [(name, "input", "", kind, "") for name, kind in shown.inputs.items()]
    for name in shown.order():
        here = shown.nodes[name]
        params = ", ".join(f"{key}={value}" for key, value in here.params.items())
        rows.append((name, here.stage, " ".join(here.inputs), str(shown.port(name)), params))
    rows += [(name, "output", source, str(shown.port(source)), "") for name, source in shown.outputs.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )


def _picture(shown: "Graph", kind: str) -> bytes:
    from isp_ns.cli.picture import draw_png, draw_svg

    return draw_svg(shown).encode() if kind == "svg" else draw_png(shown)


def _mermaid(shown: "Graph") -> str:
    """The graph in Mermaid's notation, wires labelled with their kinds."""
    lines = ["flowchart TD"]
    lines += [f'  {name}[/"{name}: {kind}"/]' for name, kind in shown.inputs.items()]
    for name in shown.order():
        here = shown.nodes[name]
        lines.append(f'  {name}["{name}<br/>{here.stage}"]')
        lines += [f"  {source} -->|{shown.port(source)}| {name}" for source in here.inputs]
    for name, source in shown.outputs.items():
        lines.append(f'  out_{name}(["{name}"])')
        lines.append(f"  {source} -->|{shown.port(source)}| out_{name}")
    return "\n".join(lines)


def _yaml(shown: "Graph") -> str:
    from isp_ns.core.document import graph_to_yaml

    return graph_to_yaml(shown)


_WRITERS: Mapping[str, Callable[["Graph"], str]] = {"text": _text, "mermaid": _mermaid, "yaml": _yaml}
