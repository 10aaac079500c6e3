"""Studies: one recipe in several variants at equal steps, and what each of them measures on the hold-out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from isp_ns.core.errors import ModelError
from isp_ns.core.plain_yaml import load_yaml
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.equivariance import equivariance_meter
from isp_ns.train.export import machine_class
from isp_ns.train.measure import measure_demosaic, measure_space
from isp_ns.train.run import run_recipe

__all__ = ["MEASURES", "Study", "load_study", "run_study"]

MEASURES: dict[str, Callable[[NeuralSpace, Sequence[Tensor]], dict[str, Any]]] = {
    "demosaic": lambda space, pictures: {"rows": measure_demosaic(space, pictures, (0, 10))["rows"]},
    "equivariance_psnr_db": lambda space, pictures: equivariance_meter(space, torch.stack(list(pictures[:6]))),
    "space": measure_space,
}
"""What a study can measure, by name: functions of a space and of pictures (3, H, W) in 0..1."""


@dataclass(frozen=True)
class Study:
    """A question and the runs that answer it.

    Attributes:
        question: what is asked.
        steps: optimiser steps of each variant.
        base: fields of a recipe.
        variants: name → fields that differ.
        measures: names of `MEASURES`.
    """

    question: str
    steps: int
    base: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    measures: tuple[str, ...]


def load_study(path: Path) -> Study:
    """Read a study.

    Raises:
        ModelError: if the file is absent, is no YAML, or lacks something.
    """
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
        values = {name: value for name, value in document.items() if name != "kind"}
        study = Study(**{**values, "measures": tuple(values.get("measures", ()))})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise ModelError(f"{path}: this is not a study ({error})") from error
    unknown = sorted(set(study.measures) - set(MEASURES))
    if unknown or not study.variants:
        raise ModelError(f"{path}: a study needs variants, and measures of {', '.join(MEASURES)}; got {unknown}")
    return study


def run_study(path: Path, folder: Path, *, steps: int | None = None, data: Path | None = None) -> dict[str, Any]:
    """Train every variant from the same seed for the same steps, and measure it.

    Args:
        path: the study; its manifests are in the folder `manifests` beside the study's folder.
        folder: where checkpoints, curves and the variants' recipes go, and STUDY.json, the result.
        steps: in place of the study's own number.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.

    Returns:
        What is written: protocol, and one row per variant.

    Raises:
        ModelError: if the study or a recipe made of it cannot be used.

    Source: the experiments are our own.
    """
    study = load_study(path)
    count = steps or study.steps
    rows = [{"variant": name, **_row(path, study, name, folder, count, data)} for name in study.variants]
    protocol = {
        "question": study.question,
        "steps": count,
        "pictures": "hold-out of the manifests",
        "base": dict(study.base),
        "machine": machine_class(),
    }
    result = {"schema": 1, "protocol": protocol, "rows": rows}
    (folder / f"{path.stem}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def _row(path: Path, study: Study, name: str, folder: Path, steps: int, data: Path | None) -> dict[str, Any]:
    home = folder / "recipes"
    home.mkdir(parents=True, exist_ok=True)
    manifests = folder / "manifests"
    if not manifests.exists():
        manifests.symlink_to(path.resolve().parent.parent / "manifests", target_is_directory=True)
    recipe = home / f"{path.stem}-{name}.yaml"
    recipe.write_text(yaml.safe_dump({**study.base, **study.variants[name]}, sort_keys=False), encoding="utf-8")
    trainer = run_recipe(recipe, folder / name, steps=steps, data=data)
    space = trainer.average.eval()
    pictures = [image.float() / 255 for image in trainer.holdout.images]
    measured: dict[str, Any] = {"elapsed_s": round(trainer.elapsed_s, 1)}
    return measured | {measure: MEASURES[measure](space, pictures) for measure in study.measures}
