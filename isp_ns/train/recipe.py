"""Recipes: what a training run does, as YAML, checked when read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from isp_ns.core.errors import ModelError
from isp_ns.core.parameters import Parameter
from isp_ns.core.plain_yaml import load_yaml
from isp_ns.nets.space import SPECS

__all__ = ["MIXES", "PARTS", "Phase", "Recipe", "load_recipe"]

MIXES = ("clean", "awgn", "camera")
"""Kinds of training pictures: gamma-coded without noise, with Gaussian noise, and camera light with its noise."""

_PLAIN = (int, float, str, bool, float | None)

PARTS = ("e_raw", "e_rgb", "denoiser", "d_rgb")
"""Parts of a space by the names of its attributes."""


@dataclass(frozen=True)
class Phase:
    """A part of the schedule.

    Attributes:
        name: what the curves call it.
        until: share of the run, 0..1, at which it ends.
        rgb_every: every n-th step trains E_rgb and D_rgb on RGB; 1 is every step, 0 none.
        mix: share of each kind of `MIXES` in a mosaic batch.
        loss: "l1" or "mse".
        batch: patches per step.
        patch_px: side of a patch.
        learning_rate: of a phase with a cosine of its own; none follows the recipe's schedule.
        parts: the parts of the space that are trained; all of them if left out.
    """

    name: str
    until: float
    rgb_every: int = 0
    mix: Mapping[str, float] | None = None
    loss: str = "l1"
    batch: int = 32
    patch_px: int = 64
    learning_rate: float | None = None
    parts: tuple[str, ...] = PARTS


@dataclass(frozen=True)
class Recipe:
    """A training run of a neural space.

    Attributes:
        space: key of `isp_ns.nets.space.SPECS`.
        space_id: name that the features carry.
        seed: of weights and data.
        manifests: names of manifests in data_tools/manifests.
        phases: in order; the last one ends at 1.
        initial: name of shipped weights to start from, which may be of a smaller space; fresh weights if left out.
        learning_rate: at its flat part.
        flat_until: share of the run with the flat rate.
        anneal_until: share of the run at which a cosine has brought it to 1 %.
        weight_decay: decoupled.
        ema: decay of the averaged weights, which are what is shipped.
        hard_share: share of patches drawn by difficulty.
        rescale_share: share of batches drawn at another scale.
        colour_share: share of patches with changed colours.
        scan_share: share of patches with the grain and the halved colour of scanned film.
        sigma_max: largest Gaussian noise, of 255.
        equivariance: share of RGB steps with the equivariance term.
        alignment: weight of the pull of E_rgb's features towards those of E_raw.
        checkpoint_s: seconds between checkpoints.
        validate_s: seconds between validations.
        dtype: "bfloat16" (autocast) or "float32".
        workers: processes that train side by side and average their weights; steps and batches count per worker.
        sync_every: steps between two averagings.
        threads: of torch, per worker.
        revive_every: steps between two revivals of units that no picture wakes, the first before the first step; 0 is
            never. A multiple of sync_every.
        revive_until: share of the run that they end at.
        leave_out_dormant: export a narrower decoder, without units that no held-out picture wakes.
    """

    space: str
    space_id: str
    seed: int
    manifests: tuple[str, ...]
    phases: tuple[Phase, ...]
    initial: str = ""
    learning_rate: float = 1.5e-3
    flat_until: float = 0.3
    anneal_until: float = 1.0
    weight_decay: float = 1e-4
    ema: float = 0.999
    hard_share: float = 0.6
    rescale_share: float = 0.2
    colour_share: float = 0.5
    scan_share: float = 0.0
    sigma_max: float = 20.0
    equivariance: float = 0.5
    alignment: float = 0.02
    checkpoint_s: float = 120.0
    validate_s: float = 300.0
    dtype: str = "bfloat16"
    workers: int = 1
    sync_every: int = 4
    threads: int = 2
    revive_every: int = 0
    revive_until: float = 0.6
    leave_out_dormant: bool = False

    def phase(self, progress: float) -> Phase:
        """The phase at a share of the run, 0..1."""
        return next((phase for phase in self.phases if progress < phase.until), self.phases[-1])


def _known(kind: type, values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ModelError(f"{where}: expected names and values, got {type(values).__name__}")
    unknown = sorted(set(values) - {f.name for f in fields(kind)})
    if unknown:
        known = ", ".join(f.name for f in fields(kind))
        raise ModelError(f"{where}: unknown {', '.join(unknown)}; known are {known}")
    plain = {f.name: Parameter(f.name, f.type) for f in fields(kind) if f.type in _PLAIN}
    try:
        return {name: plain[name].check(value) if name in plain else value for name, value in values.items()}
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None


def _phase(values: Any, where: str) -> Phase:
    known = _known(Phase, values, where)
    return Phase(**{**known, "parts": tuple(known.get("parts", PARTS))})


def _check(recipe: Recipe, where: str) -> Recipe:
    problems = []
    if recipe.space not in SPECS:
        problems.append(f"space {recipe.space!r} is none of {', '.join(SPECS)}")
    ends = [phase.until for phase in recipe.phases]
    if not ends or ends != sorted(ends) or ends[-1] != 1:
        problems.append(f"phases end at {ends}; they must rise to 1")
    counts = ("workers", "threads", "sync_every")
    problems += [f"{name} is at least 1" for name in counts if getattr(recipe, name) < 1]
    for phase in recipe.phases:
        if phase.loss not in ("l1", "mse"):
            problems.append(f"loss of phase {phase.name} is l1 or mse, not {phase.loss!r}")
        if phase.batch < 1 or phase.patch_px < 8:
            problems.append(f"phase {phase.name} needs a batch of 1 or more, of patches of 8 pixels or more")
        if phase.mix is not None and (set(phase.mix) - set(MIXES) or abs(sum(phase.mix.values()) - 1) > 1e-6):
            problems.append(f"mix of phase {phase.name} must be shares of {', '.join(MIXES)} that add up to 1")
        if set(phase.parts) - set(PARTS):
            problems.append(f"parts of phase {phase.name} must be among {', '.join(PARTS)}")
        if phase.mix is None and phase.rgb_every != 1:
            problems.append(f"phase {phase.name} has no mix, so rgb_every must be 1")
    if min([recipe.learning_rate, *(phase.learning_rate or 1.0 for phase in recipe.phases)]) <= 0:
        problems.append("a learning_rate lies above 0")
    if recipe.sync_every > 0 and recipe.revive_every % recipe.sync_every:
        problems.append(f"revive_every {recipe.revive_every} must be a multiple of sync_every {recipe.sync_every}")
    if recipe.dtype not in ("bfloat16", "float32"):
        problems.append(f"dtype {recipe.dtype!r} is neither bfloat16 nor float32")
    if problems:
        raise ModelError(f"{where}: " + "; ".join(problems))
    return recipe


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ModelError: if the file is absent, is no YAML, or does not make sense.
    """
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: the recipe cannot be read ({error})") from error
    values = _known(Recipe, document, str(path))
    try:
        phases = tuple(_phase(phase, f"{path}: phases") for phase in values.pop("phases", []))
        recipe = Recipe(**{**values, "manifests": tuple(values.get("manifests", ())), "phases": phases})
    except TypeError as error:
        raise ModelError(f"{path}: {error}") from error
    return _check(recipe, str(path))
