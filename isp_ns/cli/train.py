"""`isp-ns train`: networks from recipes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isp_ns.cli.train_heads import domains, multitask, robustness, seconds
from isp_ns.core.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from isp_ns.train.loop import Trainer

__all__ = ["train"]

_RECIPE = "recipe"


class _Recipes(click.Group):
    """A group whose nameless command takes a recipe: `isp-ns train RECIPE` needs no further word."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named, else the one that takes a recipe."""
        return super().resolve_command(ctx, args if args and args[0] in self.commands else [_RECIPE, *args])


@click.group(
    cls=_Recipes,
    epilog="""\b
Examples:
  isp-ns train data_tools/recipes/ns-lite.yaml --out runs/lite --time 60m
  isp-ns train data_tools/recipes/ns-lite.yaml --out runs/lite --time 60m --resume
  isp-ns train data_tools/recipes/study-equivariance.yaml --out runs/equivariance
  isp-ns train pixels data_tools/recipes/study-pixels.yaml --out runs/pixels --time 10m
  isp-ns train multitask data_tools/recipes/nyu-lite.yaml --out runs/nyu --time 40m
""",
)
def train() -> None:
    """Train networks: a neural space or a study from RECIPE, or depth and label heads (multitask, robustness).

    `domains` trains one network to name what pictures of several cameras show. `pixels` trains a denoiser in a frozen
    space against its twin on pixels.
    """


train.add_command(multitask)
train.add_command(robustness)
train.add_command(domains)


@train.command(_RECIPE, hidden=True)
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the run.")
@click.option("--time", "time", metavar="T", help="Training time, all resumed parts together: 90s, 60m, 1.5h.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps instead, exactly repeatable.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in the folder.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the datasets.  [default: ISP_NS_SHARED_DATA]")  # noqa: E501  # fmt: skip
@click.option("--export", "target", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where weights and card go.  [default: the folder of the run]")  # noqa: E501  # fmt: skip
def from_recipe(
    recipe: Path,
    out: Path,
    time: str | None,
    steps: int | None,
    resume: bool,
    device: str,
    data: Path | None,
    target: Path | None,
) -> None:
    """Train what RECIPE describes; write weights with their card, or the answer of a study."""
    kind = _kind(recipe)
    if kind == "study":
        _study(recipe, out, time, steps, data)
        return
    if kind != "space":
        command = "domains" if kind == "domains" else "multitask"
        raise SettingsError(f"{recipe}: a recipe of kind {kind}; use isp-ns train {command} {recipe}")
    if (time is None) == (steps is None):
        raise SettingsError("give a training run either --time or --steps")
    if not resume and (out / "checkpoint.pt").exists():
        raise SettingsError(f"{out} holds a run already: --resume goes on with it; give a new one another --out")
    from isp_ns.train.run import run_recipe

    trainer = run_recipe(
        recipe, out, time_s=seconds(time), steps=steps, resume=resume, data=data, device=device, tell=click.echo
    )
    click.echo(f"wrote {_export(trainer, recipe, target or out)}")


@train.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the result.")
@click.option("--time", "time", required=True, metavar="T", help="Training time of each of the two: 90s, 10m.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the datasets.  [default: ISP_NS_SHARED_DATA]")  # noqa: E501  # fmt: skip
@click.option("--module", default="denoiser", show_default=True, type=click.Choice(["denoiser", "decoder"]), help="What to train twice.")  # noqa: E501  # fmt: skip
def pixels(recipe: Path, out: Path, time: str, data: Path | None, module: str) -> None:
    """Train a module that reads the space, and the same layers on pixels.

    A denoiser stands between encoder and decoder, or behind them; a decoder reads features, or the mosaic. RECIPE names
    the space to freeze as `initial`.
    """
    from isp_ns.train.against_pixels import compare_denoisers
    from isp_ns.train.decoder_against_pixels import compare_decoders
    from isp_ns.train.loop import Budget
    from isp_ns.train.run import open_trainer

    trainer = open_trainer(recipe, out, Budget(time_s=seconds(time)), data=data)
    if not trainer.recipe.initial:
        raise SettingsError(f"{recipe}: the recipe names no finished space; set initial, for example to ns-lite")
    compare = compare_denoisers if module == "denoiser" else compare_decoders
    result = compare(trainer, out / f"{recipe.stem}.json", trainer.budget.time_s or 0.0)
    for row in result["rows"]:
        click.echo(f"{row['method']} at sigma {row['sigma']}: {row['cpsnr_db']:.2f} dB")
    click.echo(f"wrote {out / recipe.stem}.json")


def _study(recipe: Path, out: Path, time: str | None, steps: int | None, data: Path | None) -> None:
    from isp_ns.train.study import run_study

    if time is not None:
        raise SettingsError("the variants of a study are trained for equal steps; give --steps, or neither")
    result = run_study(recipe, out, steps=steps, data=data)
    for row in result["rows"]:
        click.echo(f"{row['variant']}: " + ", ".join(f"{k} {v}" for k, v in row.items() if k != "variant"))
    click.echo(f"wrote {out / recipe.stem}.json")


def _kind(recipe: Path) -> str:
    import yaml

    from isp_ns.core.plain_yaml import load_yaml

    try:
        document = load_yaml(recipe.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{recipe}: the recipe cannot be read ({error})") from error
    return str(document.get("kind", "space")) if isinstance(document, dict) else "space"


def _export(trainer: "Trainer", recipe: Path, folder: Path) -> Path:
    from isp_ns.train.export import export_run
    from isp_ns.train.manifest import load_manifest
    from isp_ns.train.measure import (
        measure_activations,
        measure_coarser,
        measure_demosaic,
        measure_space,
        moire_pictures,
    )
    from isp_ns.train.run import find_manifest
    from isp_ns.train.validate import saturate

    manifests = [load_manifest(find_manifest(name, recipe)) for name in trainer.recipe.manifests]
    space = trainer.average.to("cpu").float().eval()
    pictures = [image.float() / 255 for image in trainer.holdout.images]
    measured: dict[str, Any] = {
        "holdout": measure_demosaic(space, pictures),
        "holdout_saturated_2.5": measure_demosaic(space, [saturate(picture) for picture in pictures], (0,)),
        "chirps": measure_demosaic(space, moire_pictures(12, 256, seed=0), (0,)),
        "space": measure_space(space, pictures),
        **measure_coarser(space, pictures, measure_activations(space, pictures)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return export_run(trainer, recipe.stem, manifests, folder, measured)
