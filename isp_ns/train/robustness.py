"""What becomes of depth and labels when the camera changes: the same heads on features of the space and on RGB."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from isp_ns.train.feature_file import FeatureFile, cached_features
from isp_ns.train.perception_networks import fresh_network, run_folder
from isp_ns.train.perception_recipe import INPUTS, Cameras, load_perception_recipe
from isp_ns.train.perception_run import Workshop, run_perception, scored_features
from isp_ns.train.perception_score import score_network
from isp_ns.train.perception_table import protocol_of
from isp_ns.train.readers import build_reader, fixed_camera
from isp_ns.train.samples import Encoded

__all__ = ["CONDITIONS", "study_robustness"]

_BASE = fixed_camera(1e-4)

CONDITIONS: Mapping[str, Cameras] = {
    "base": _BASE,
    "noise 0": fixed_camera(0.0),
    "noise 1e-3": fixed_camera(1e-3),
    "noise 4e-3": fixed_camera(4e-3),
    "noise 1.2e-2": fixed_camera(1.2e-2),
    "exposure -4 EV": replace(_BASE, exposure_ev=(-4.0, -4.0)),
    "exposure -2 EV": replace(_BASE, exposure_ev=(-2.0, -2.0)),
    "exposure +1 EV": replace(_BASE, exposure_ev=(1.0, 1.0)),
    "white balance 20 % off": replace(_BASE, balance_error=0.2),
    "white balance 50 % off": replace(_BASE, balance_error=0.5),
    "phase GRBG": replace(_BASE, patterns=("GRBG",)),
    "phase BGGR": replace(_BASE, patterns=("BGGR",)),
}
"""Conditions that heads are scored under, one thing changed at a time; S of the noise model stands for ISO."""


def _conditions(unseen: Sequence[str]) -> dict[str, Cameras]:
    cameras = {f"camera {name}": replace(_BASE, profiles=(name,)) for name in unseen}
    return {**CONDITIONS, **cameras}


def _features(workshop: Workshop, name: str, cameras: Cameras, pictures: int) -> FeatureFile:
    recipe, folder = workshop.recipe, workshop.features
    reader = build_reader(recipe.input, workshop.space, cameras)
    settings = {"condition": repr(cameras), "input": recipe.input, "pictures": pictures, "coarse": recipe.coarse}
    settings |= {"space": workshop.digest, "dataset": recipe.dataset}

    def encode() -> Iterator[Encoded]:
        return scored_features(workshop.test, reader, pictures, recipe.coarse)

    return cached_features(folder, "condition", settings, encode)


def study_robustness(
    path: Path,
    out: Path,
    *,
    unseen: Sequence[str] = (),
    pictures: int = 160,
    epochs: int | None = None,
    inputs: Sequence[str] = INPUTS,
    data: Path | None = None,
) -> dict[str, Any]:
    """Train the first method of a recipe on each input, and score each under every condition.

    Args:
        path: the recipe; its cameras should leave out those that are to be unseen.
        out: folder of a folder per input and of robustness.json; finished runs and conditions are kept.
        unseen: names of camera profiles that training did not see.
        pictures: how many of the test split are scored, evenly spread.
        epochs: instead of the recipe's.
        inputs: some of `isp_ns.train.perception_recipe.INPUTS`.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.

    Returns:
        schema, protocol and rows, as written.

    Raises:
        ModelError: if the recipe cannot be used, or there are no data.
    """
    rows: list[dict[str, Any]] = []
    recipe = load_perception_recipe(path)
    method = recipe.methods[0]
    protocol: dict[str, Any] = {}
    for name in inputs:
        folder = out / name
        run_perception(
            path, folder, epochs=epochs, resume=True, methods=[method.name], data=data, changes={"input": name}
        )
        workshop = Workshop.open(replace(recipe, input=name), data, folder / "features")
        classes = len(workshop.test.table.names)
        net = fresh_network(recipe, method, workshop.reader.channels, classes, method.seeds[0])
        net.load_state_dict(load_file(run_folder(folder, method.name, method.seeds[0]) / "network.safetensors"))
        for condition, cameras in _conditions(unseen).items():
            features = _features(workshop, condition, cameras, pictures)
            scores = score_network(net.eval(), features, workshop.test, replace(recipe, score_grid="cells"))
            rows.append({"input": name, "condition": condition, **scores})
        protocol = {**protocol_of(recipe, workshop.digest), "task": "robustness", "pictures": pictures}
        table = {"schema": 1, "protocol": protocol, "rows": rows}
        (out / "robustness.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return {"schema": 1, "protocol": protocol, "rows": rows}
