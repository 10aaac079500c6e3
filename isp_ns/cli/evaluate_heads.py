"""`isp-ns evaluate depth`, `segment` and `multitask`: heads scored on labelled datasets that are turned into RAW."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from isp_ns.cli.scores import check_target, counter, write_scores
from isp_ns.core.errors import ModelError, SettingsError

__all__ = ["depth", "multitask", "segment"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_NUMBERS = ("delta1", "delta2", "delta3", "rmse_m", "aerr_m", "rel", "miou", "pixel_accuracy")
_COLUMNS = ("delta1", "rmse_m", "aerr_m", "rel", "miou", "pixel_accuracy")

_OPTIONS = (
    click.option("--dataset", metavar="NAME", help="nyuv2, camvid, cityscapes, pascal-context or sunrgbd."),
    click.option(
        "--root",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        help="Folder of the dataset.",
    ),
    click.option("--split", metavar="NAME", help="Such as test or val."),
    click.option(
        "--iso",
        type=click.FloatRange(min=0),
        default=0,
        show_default=True,
        help="Of the simulated camera; 0 has no noise.",
    ),
    click.option(
        "--camera", default="fictitious-full-frame", show_default=True, metavar="NAME", help="Camera profile."
    ),
    click.option("--weights", metavar="NAME", help="Heads.  [default: those of the dataset]"),
    click.option("--images", type=click.IntRange(min=1), metavar="N", help="Pictures, evenly spread.  [default: all]"),
    click.option(
        "--page", type=click.Path(path_type=Path), metavar="DIR", help="Make a page of scenes beside their truth."
    ),
    click.option(
        "--scenes",
        type=click.IntRange(min=1),
        default=12,
        show_default=True,
        metavar="N",
        help="Scenes on the page, evenly spread over the scored pictures.",
    ),
    click.option(
        "--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the scores, with the protocol."
    ),
)


def _measured(command: _Command) -> _Command:
    """The options of everything that scores heads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(
    epilog="""\b
Example:
  isp-ns evaluate depth --dataset nyuv2 --root data/nyuv2 --split test --iso 1600 --json depth.json
"""
)
@_measured
def depth(target: Path | None, **asked: Any) -> None:
    """Score depth from RAW: shares within 1.25, 1.25² and 1.25³, errors in metres and relative."""
    check_target(target)
    _finish(_scores(("depth",), **asked), target, asked["page"])


@click.command(
    epilog="""\b
Example:
  isp-ns evaluate segment --dataset camvid --root data/camvid --split val --json labels.json
"""
)
@_measured
def segment(target: Path | None, **asked: Any) -> None:
    """Score labels from RAW: mean IoU, pixel accuracy and IoU by class, from one confusion matrix."""
    check_target(target)
    _finish(_scores(("labels",), **asked), target, asked["page"])


@click.command(
    epilog="""\b
Examples:
  isp-ns evaluate multitask --dataset nyuv2 --root data/nyuv2 --split test --iso 1600 --json both.json
  isp-ns evaluate multitask --dataset nyuv2 --root data/nyuv2 --split test --page scenes
  isp-ns evaluate multitask --results runs/table/results.json --json summary.json
"""
)
@click.option("--results", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE", help="Table that train multitask wrote, shown instead.")  # noqa: E501  # fmt: skip
@_measured
def multitask(results: Path | None, target: Path | None, **asked: Any) -> None:
    """Score depth and labels from one pass of the encoder, or show a trained comparison of methods.

    The comparison has single-task networks, balancers and distillation, with Δ_MTL, parameters and MACs; scores are
    means over the last epochs and over seeds.
    """
    check_target(target)
    if results is None:
        _finish(_scores(("depth", "labels"), **asked), target, asked["page"])
        return
    from isp_ns.train.perception_summary import read_table, summary_of

    if any(asked[name] for name in ("dataset", "root", "split", "weights", "page")):
        raise SettingsError(
            "--results shows scores that there are; --dataset, --root, --split, --weights and --page make new ones"
        )
    summary = summary_of(read_table(results))
    click.echo(_table(summary["rows"]))
    write_scores(target, summary)


def _scores(tasks: Sequence[str], **asked: Any) -> dict[str, Any]:
    missing = [f"--{name}" for name in ("dataset", "root", "split") if asked[name] is None]
    if missing:
        raise SettingsError(f"{', '.join(missing)} must be given: which labelled pictures, and where they are")
    from isp_ns.train.perception_evaluate import evaluate_heads

    where = (asked.pop("dataset"), asked.pop("root"), asked.pop("split"))
    asked["weights"] = asked["weights"] or ""
    try:
        return evaluate_heads(*where, tasks, watch=counter("pictures"), **asked)
    except (ModelError, ValueError) as error:
        raise SettingsError(str(error)) from error


def _finish(result: dict[str, Any], target: Path | None, page: Path | None) -> None:
    """Print the scores, write them, and say where the page is."""
    protocol = result["protocol"]
    taken = f"{protocol['camera']} at ISO {protocol['iso']:g}" if protocol["iso"] else f"{protocol['camera']}, no noise"
    of = f"{protocol['images']} of {protocol['images_of_split']} pictures"
    click.echo(f"{protocol['dataset']} {protocol['split']}, {of}, {taken}, {protocol['weights']}")
    for name in _NUMBERS:
        if name in result:
            click.echo(f"{name:<16}{result[name]:.4f}")
    for name, value in result.get("iou", {}).items():
        click.echo(f"  {name:<14}{'–' if value is None else f'{value:.4f}'}")
    write_scores(target, result)
    if page is not None:
        click.echo(f"page: {page / 'index.html'}")


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Methods by line: how they learn, what they cost, what they score, what learning together gains."""
    head = ["method", "learns", "seeds", "k params", "M MACs", *_COLUMNS, "Δ_MTL %"]
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            [
                *(c.ljust(w) for c, w in zip(line[:2], widths, strict=False)),
                *(c.rjust(w) for c, w in zip(line[2:], widths[2:], strict=True)),
            ]
        )
        for line in cells
    )


def _cells(row: dict[str, Any]) -> list[str]:
    scores = [f"{row['mean'][name]:.4f}" if name in row["mean"] else "" for name in _COLUMNS]
    delta = row["delta_mtl_mean"]
    sizes = [f"{row['parameters'] / 1e3:.0f}", f"{row['macs'] / 1e6:.0f}"]
    return [
        row["method"],
        _learns(row),
        str(len(row["seeds"])),
        *sizes,
        *scores,
        "" if delta is None else f"{delta:+.2f}",
    ]


def _learns(row: dict[str, Any]) -> str:
    """One task, or how several are balanced, and whether from teachers."""
    if len(row["tasks"]) == 1:
        return f"{row['tasks'][0]} alone"
    return "distilled" if row["distilled"] else row["balance"]
