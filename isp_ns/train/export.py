"""From a finished run to weights that can be shipped: the averaged model and a card that tells the truth about it."""

import functools
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isp_ns.nets.cards import Card, save_space
from isp_ns.nets.counters import parameters, raw_path_macs, receptive_field
from isp_ns.train.degrade import CAMERA_SHOT_RANGE, typical_read
from isp_ns.train.dormant import without_dormant
from isp_ns.train.loop import Trainer
from isp_ns.train.manifest import Manifest
from isp_ns.train.measure import measure_activations
from isp_ns.train.validate import validate

__all__ = ["export_run", "machine_class"]


def machine_class() -> str:
    """The processor and its number of cores, as a card names them.

    Source: /proc/cpuinfo where there is one.
    """
    model = "unknown processor"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores of {model}"


def _sigma_at_grey(scale: float) -> float:
    """Standard deviation of camera noise at a grey of 18 %."""
    return math.sqrt(0.18 * scale + typical_read(scale))


def export_run(
    trainer: Trainer,
    name: str,
    manifests: list[Manifest],
    folder: Path,
    measured: Mapping[str, Any],
    history: str = "",
) -> Path:
    """Write the averaged weights of a run and their card.

    Args:
        trainer: the finished run.
        name: file stem of weights and card, and the name of the recipe.
        manifests: the data it was trained on.
        folder: an existing folder.
        measured: protocol and numbers.
        history: what the recipe alone does not tell about the run.

    Returns:
        The path of the card.
    """
    space, recipe = trainer.average.float().eval(), trainer.recipe
    if recipe.leave_out_dormant:
        # Validation shows the decoder clean, saturated and noisy mosaics, and RGB.
        space = without_dormant(space, functools.partial(validate, space, trainer.holdout)).eval()
    parts = {part: parameters(getattr(space, part)) for part in ("e_raw", "e_rgb", "denoiser", "d_rgb")}
    card = Card(
        name=name,
        kind="space",
        space_id=recipe.space_id,
        sizes=space.sizes(),
        recipe=name,
        data={manifest.name: f"{manifest.origin}; {manifest.licence}" for manifest in manifests},
        seed=recipe.seed,
        steps=trainer.step,
        wall_time_s=round(trainer.elapsed_s),
        machine=f"{machine_class()}, {recipe.workers} workers, {recipe.dtype}",
        domain={
            "cfa": ["RGGB", "GRBG", "GBRG", "BGGR"],
            "encodings": {"sqrt": "white-balanced linear camera light", "identity": "gamma-coded pictures"},
            "values": "black 0, white 1, unclipped",
        },
        noise={
            "gaussian_sigma_of_255": [0.0, recipe.sigma_max],
            "camera_scale": list(CAMERA_SHOT_RANGE),
            "camera_offset": "log-normal about exp(2.18 ln scale + 1.20)",
            "camera_sigma_at_grey": [round(_sigma_at_grey(scale), 5) for scale in CAMERA_SHOT_RANGE],
        },
        parameters={**parts, "total": sum(parts.values())},
        macs_per_pixel=raw_path_macs(space),
        halo_px=receptive_field(space),
        measured=measured,
        history=history,
        activations=measure_activations(space, [image.float() / 255 for image in trainer.holdout.images]),
    )
    return save_space(space, card, folder)
