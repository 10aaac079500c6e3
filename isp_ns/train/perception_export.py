"""From a finished run of heads to weights that can be shipped, with a card that tells the truth about them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from isp_ns.core.errors import ModelError
from isp_ns.data.labelled import LabelTable
from isp_ns.nets.cards import Card, features_digest, load_space, save_perception
from isp_ns.nets.counters import macs_per_pixel, parameters
from isp_ns.nets.heads import CANONICAL_FOCAL_CELLS, PerceptionNet
from isp_ns.nets.pooling import POOLED_LONG, pooled_channels, pooled_size
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.export import machine_class
from isp_ns.train.perception_networks import fresh_network, run_folder
from isp_ns.train.perception_recipe import PerceptionRecipe, load_perception_recipe
from isp_ns.train.perception_run import open_split
from isp_ns.train.perception_table import protocol_of

__all__ = ["export_perception"]

_PROBE_PX = (480, 640)


def _parts(net: PerceptionNet) -> dict[str, nn.Module]:
    return {"trunk": net.trunk, **{task: net.decoder(task) for task in net.tasks}}


def _macs(net: PerceptionNet, part: nn.Module) -> float:
    """MACs per pixel of a picture of 640 × 480; the heads of a larger one cost no more in all."""
    probe = torch.zeros(1, net.spec.inputs, *(cells // 2 for cells in pooled_size(*_PROBE_PX)))
    return round(macs_per_pixel(lambda: net.answer(probe), [part], _PROBE_PX[0] * _PROBE_PX[1]), 1)


def _domain(
    net: PerceptionNet, recipe: PerceptionRecipe, row: Mapping[str, Any], table: LabelTable, digest: str
) -> dict[str, Any]:
    classes = [{"name": n, "colour": list(c)} for n, c in zip(table.names, table.colours, strict=True)]
    return {
        "tasks": dict(net.tasks),
        "classes": classes if "labels" in net.tasks else [],
        "label_protocol": table.protocol if "labels" in net.tasks else "",
        "features_digest": digest,
        "grid": f"{POOLED_LONG} cells on the long side",
        "canonical_focal_cells": CANONICAL_FOCAL_CELLS,
        "log_focal": row["log_focal"],
        "scenes": recipe.scenes,
        "cfa": list(recipe.cameras.patterns),
        "exposure_ev": list(recipe.cameras.exposure_ev),
    }


def _card(
    net: PerceptionNet,
    recipe: PerceptionRecipe,
    file: str,
    row: Mapping[str, Any],
    table: LabelTable,
    space: tuple[NeuralSpace, Card],
) -> Card:
    digest = features_digest(space[0])
    protocol = protocol_of(recipe, digest)
    return Card(
        name=recipe.name,
        kind="perception",
        space_id=space[0].space_id,
        sizes=net.spec.sizes(),
        recipe=file,
        data={recipe.dataset: recipe.licence},
        seed=int(row["seed"]),
        steps=int(row["steps"]),
        wall_time_s=float(row["train_s"]),
        machine=f"{machine_class()}, {recipe.dtype}",
        domain=_domain(net, recipe, row, table, digest),
        noise={"camera_scale": list(recipe.cameras.noise), "clean_share": recipe.cameras.clean},
        parameters={name: parameters(part) for name, part in _parts(net).items()},
        macs_per_pixel={name: _macs(net, part) for name, part in _parts(net).items()},
        halo_px=0,
        measured={"schema": 1, "protocol": protocol, "rows": [dict(row)]},
        licence="research only, see LICENSE-weights" if recipe.licence.startswith("research") else recipe.licence,
        history=_origin(row) + f"cameras: {asdict(recipe.cameras)}; views: {asdict(recipe.views)}",
    )


def _origin(row: Mapping[str, Any]) -> str:
    """What a run began with and learned from, if that was more than the truth."""
    begun = f"starts from the weights {row['initial']}; " if row.get("initial") else ""
    taught = (
        f"learns, beside the truth, the mean answer of {' and '.join(row['ensemble'])}; " if row.get("ensemble") else ""
    )
    return begun + taught


def export_perception(
    path: Path, out: Path, folder: Path, *, method: str = "", seed: int | None = None, data: Path | None = None
) -> Path:
    """Write weights and card of one run; they carry the name of the recipe.

    Args:
        path: the recipe.
        out: folder of its runs.
        folder: where weights and card go; made if absent.
        method: which one; the recipe's last if left out, as students come after teachers.
        seed: which run; the method's first if left out.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.

    Returns:
        The path of the card.

    Raises:
        ModelError: if the run is not finished, or reads something else than the space.
    """
    recipe = load_perception_recipe(path)
    chosen = recipe.method(method) if method else recipe.methods[-1]
    run = run_folder(out, chosen.name, chosen.seeds[0] if seed is None else seed)
    if not (run / "result.json").is_file():
        raise ModelError(f"{run}: the run is not finished; train it first, or go on with --resume")
    row = json.loads((run / "result.json").read_text(encoding="utf-8"))
    if row["input"] != "space":
        raise ModelError(
            f"{run}: heads that read {row['input']} RGB are for comparison only; export those of the space"
        )
    space, card = load_space(recipe.space)
    if recipe.coarse != 2:
        raise ModelError(f"{run}: heads of cells of {recipe.coarse} × {recipe.coarse} are for comparison only")
    if row["features_digest"] != features_digest(space):
        raise ModelError(f"{run}: the features of {recipe.space} have changed since; train the heads again")
    table = open_split(recipe, data, recipe.splits[1]).table
    channels = pooled_channels(space.spec.z_b, space.spec.z_t)
    net = fresh_network(recipe, chosen, channels, len(table.names), 0)
    net.load_state_dict(load_file(run / "network.safetensors"))
    folder.mkdir(parents=True, exist_ok=True)
    return save_perception(net, _card(net.eval(), recipe, path.stem, row, table, (space, card)), folder)
