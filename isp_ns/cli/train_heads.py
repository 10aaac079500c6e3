"""`isp-ns train multitask`, `robustness` and `domains`: depth, label and image-level heads on a frozen neural space."""

from pathlib import Path
from typing import Any

import click

from isp_ns.core.errors import SettingsError

__all__ = ["domains", "multitask", "robustness", "seconds"]

_UNITS = {"s": 1, "m": 60, "h": 3600}

_RECIPE = click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
_OUT = click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the runs.")  # noqa: E501  # fmt: skip
_DATA = click.option("--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the datasets.  [default: ISP_NS_SHARED_DATA]")  # noqa: E501  # fmt: skip


def seconds(text: str | None) -> float | None:
    """A duration such as 90s, 40m or 1.5h in seconds.

    Raises:
        SettingsError: if it is none.
    """
    if text is None:
        return None
    try:
        value = float(text[:-1]) * _UNITS[text[-1:]]
    except (KeyError, ValueError):
        raise SettingsError(f"{text!r} is no duration; use for example 90s, 40m or 1.5h") from None
    if value <= 0:
        raise SettingsError(f"{text!r} is no duration; it must be above 0")
    return value


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


@click.command(
    epilog="""\b
Examples:
  isp-ns train multitask data_tools/recipes/nyu-lite.yaml --out runs/nyu --time 40m
  isp-ns train multitask data_tools/recipes/nyu-table.yaml --out runs/table --resume --methods uniform,distilled
"""
)
@_RECIPE
@_OUT
@click.option("--time", "time", metavar="T", help="Training time of each method and seed: 90s, 40m, 1.5h.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data instead.  [default: the recipe's]")
@click.option("--resume", is_flag=True, help="Keep finished methods, continue interrupted ones.")
@click.option("--methods", metavar="A,B", help="Names of the recipe's methods.  [default: all]")
@click.option("--input", "reads", metavar="NAME", help="What the heads read instead: space, rendered or demosaic.")
@click.option("--export", "target", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write weights and card of the last method there.")  # noqa: E501  # fmt: skip
@_DATA
def multitask(
    recipe: Path,
    out: Path,
    time: str | None,
    epochs: int | None,
    resume: bool,
    methods: str | None,
    reads: str | None,
    target: Path | None,
    data: Path | None,
) -> None:
    """Train depth and label heads as RECIPE says, and write the table of their scores."""
    from isp_ns.train.perception_export import export_perception
    from isp_ns.train.perception_run import run_perception

    if time is not None and epochs is not None:
        raise SettingsError("give a run either --time or --epochs")
    changes = {"input": reads} if reads else {}
    table = run_perception(
        recipe,
        out,
        time_s=seconds(time),
        epochs=epochs,
        resume=resume,
        methods=_names(methods),
        data=data,
        changes=changes,
    )
    click.echo(_lines(table))
    if target is not None:
        click.echo(f"wrote {export_perception(recipe, out, target, data=data)}")


@click.command(
    epilog="""\b
Example:
  isp-ns train robustness data_tools/recipes/nyu-inputs.yaml --out runs/inputs --unseen fictitious-phone
"""
)
@_RECIPE
@_OUT
@click.option("--unseen", metavar="A,B", help="Camera profiles that training does not see.")
@click.option("--pictures", type=click.IntRange(min=1), default=160, show_default=True, help="Of the test split, scored.")  # noqa: E501  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data.  [default: the recipe's]")
@_DATA
def robustness(
    recipe: Path, out: Path, unseen: str | None, pictures: int, epochs: int | None, data: Path | None
) -> None:
    """Train the first method of RECIPE on features and on RGB, and score it under other light, noise and cameras."""
    from isp_ns.train.robustness import study_robustness

    table = study_robustness(recipe, out, unseen=_names(unseen), pictures=pictures, epochs=epochs, data=data)
    click.echo(_lines(table))


@click.command(
    epilog="""\b
Example:
  isp-ns train domains data_tools/recipes/study-domains.yaml --out runs/domains
"""
)
@_RECIPE
@_OUT
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data.  [default: the recipe's]")
@_DATA
def domains(recipe: Path, out: Path, epochs: int | None, data: Path | None) -> None:
    """Train one network for several cameras as RECIPE says, with and without teachers, and one network for each.

    Methods that are finished in the folder are kept.
    """
    from isp_ns.train.domains import study_domains

    for row in study_domains(recipe, out, epochs=epochs, data=data)["rows"]:
        numbers = [f"{name} {value:.4f}" for name, value in row["accuracy"].items()]
        mean = f"mean {row['mean_accuracy']:.4f}"
        click.echo("  ".join([f"{row['method']} {row['seed']}", *numbers, mean, f"parameters {row['parameters']}"]))
    click.echo(f"wrote {out / 'domains.json'}")


def _lines(table: dict[str, Any]) -> str:
    """The numbers of every row, one line each."""
    lines = []
    for row in table["rows"]:
        name = " ".join(str(row[key]) for key in ("method", "seed", "condition", "input") if key in row)
        scores = row.get("last", row)
        numbers = [f"{key} {scores[key]:.4f}" for key in ("delta1", "rmse_m", "aerr_m", "miou") if key in scores]
        delta = row.get("delta_mtl_mean")
        lines.append("  ".join([name, *numbers, *([] if delta is None else [f"delta_mtl {delta:+.2f} %"])]))
    return "\n".join(lines)
