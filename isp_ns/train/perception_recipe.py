"""Recipes of depth and label heads: data, views, cameras, network, schedule and methods, as YAML checked when read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from isp_ns.core.errors import ModelError
from isp_ns.core.plain_yaml import load_yaml
from isp_ns.train.balance import BALANCERS
from isp_ns.train.dense_losses import CLASS_WEIGHTS

__all__ = [
    "INPUTS",
    "TASKS",
    "Cameras",
    "Method",
    "PerceptionRecipe",
    "Views",
    "build_part",
    "load_perception_recipe",
    "read_document",
    "recipe_kind",
]

TASKS = ("depth", "labels")
"""Dense tasks that a head can have."""

INPUTS = ("space", "rendered", "demosaic")
"""What the heads read: features of the neural space, or RGB from the classical pipeline, or RGB merely demosaicked."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """How pictures are cut and sized.

    Attributes:
        zoom: the box is shrunk by up to this factor.
        scales: pixels of the view over those of the box, and how often.
        aspects: "width:height" and how often.
        colour: amount of change of colours, 0..1.
    """

    zoom: float = 1.0
    scales: Mapping[float, float] = field(default_factory=lambda: {1.0: 1.0})
    aspects: Mapping[str, float] = field(default_factory=lambda: {"4:3": 1.0})
    colour: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """How views become RAW.

    Attributes:
        clean: share without noise.
        noise: range of S in variance = S · x + O, drawn evenly in its logarithm.
        exposure_ev: range of the exposure in stops, the display's white reaching the sensor's at 0.
        patterns: CFA phases.
        balance_error: largest error of the white balance that the file tells, as a share of the gains.
        profiles: names of the cameras whose colours are mixed; all that ship if left out.
    """

    clean: float = 0.3
    noise: tuple[float, float] = (1e-4, 6e-3)
    exposure_ev: tuple[float, float] = (-2.0, 0.3)
    patterns: tuple[str, ...] = ("RGGB",)
    balance_error: float = 0.0
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to train the network.

    Attributes:
        name: of the method; its folder and its row.
        tasks: what the network does; all of the recipe's if left out.
        balance: one of `isp_ns.train.balance.BALANCERS`.
        factors: fixed factors of the losses by task, for `uniform`.
        teachers: by task, the method whose network of the same seed teaches; it must come first.
        distil: factors of the distance to the teachers by task.
        faithful: both levels of the student look at the teacher's last map.
        initial: a method before it, with the same seed, or name or path of weights to start from; fresh if left out.
        ensemble: methods before it, with the same seed, and names or paths of weights, whose mean answer is learned
            beside the truth.
        seeds: instead of the recipe's.
        epochs: instead of the recipe's; 0 is the recipe's.
        learning_rate: instead of the recipe's; 0 is the recipe's.
    """

    name: str
    tasks: tuple[str, ...] = ()
    balance: str = "uniform"
    factors: Mapping[str, float] = field(default_factory=dict)
    teachers: Mapping[str, str] = field(default_factory=dict)
    distil: Mapping[str, float] = field(default_factory=dict)
    faithful: bool = False
    initial: str = ""
    ensemble: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    epochs: int = 0
    learning_rate: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PerceptionRecipe:
    """A training run, or several for a comparison, of depth and label heads on a frozen neural space.

    Attributes:
        kind: "perception".
        name: of the weights or of the table.
        dataset: a name of the labelled datasets.
        folder: of the dataset, below the data root.
        splits: names of the splits to train and to test on.
        labels: label protocol of the dataset, such as "nyu13".
        finer: a finer label protocol of the dataset, which is learned as well and left out of the weights; none if left
            out.
        finer_factor: of its loss, added to that of the labels.
        space: name of the weights of the neural space.
        input: one of `INPUTS`.
        net: arguments of the network's spec.
        tasks: what there is to learn.
        methods: how; one for weights to ship.
        seeds: of weights and data, one run for each.
        source: "live" makes RAW and encodes it on the fly, "cached" once and before.
        views: of the training pictures.
        cameras: of the training pictures.
        variants: how often each picture is cached.
        fresh: pictures encoded per step of a live run; the rest of a batch are recent ones, seen again.
        memory: how many recent pictures are kept, for each aspect.
        coarse: squares of this many cells a side are packed into one; even, and 2 for heads that are to be shipped.
        enlarge: half of the cached pictures are enlarged on the grid by up to this factor, anew in every step.
        mix: share of the pictures of a step in which a strip is another picture's.
        window: rows and columns of the grid that a step looks at; all if left out.
        batch: pictures per step.
        epochs: passes over the pictures, if no other budget is given.
        learning_rate: peak.
        warmup: share of the run.
        weight_decay: decoupled, of convolutions.
        ema: decay of the averaged weights per step; 0 keeps no average.
        dropout: share of the network's input channels that are dropped in training.
        depth_loss: "l1" or "berhu".
        gradient: weight of the slopes of depth.
        confidence: weight of the likelihood that trains the expected error.
        class_weights: one of `isp_ns.train.dense_losses.CLASS_WEIGHTS`.
        loss_grid: "cells" compares on the pooled grid, "head" on that of the output.
        score_grid: "truth" scores on the pixels of the truth, "cells" on the pooled grid.
        test_noise: S of the noise that the test split is taken with; 0 is none.
        last_epochs: how many epochs at the end are scored.
        dtype: "bfloat16" (autocast) or "float32".
        threads: of torch.
        checkpoint_s: seconds between checkpoints.
        licence: of the weights.
        scenes: what the pictures show, for the card.
    """

    kind: str
    name: str
    dataset: str
    folder: str
    methods: tuple[Method, ...]
    splits: tuple[str, str] = ("train", "test")
    labels: str = ""
    finer: str = ""
    finer_factor: float = 0.5
    space: str = "ns-lite"
    input: str = "space"
    net: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] = TASKS
    seeds: tuple[int, ...] = (1,)
    source: str = "live"
    views: Views = Views()
    cameras: Cameras = Cameras()
    variants: int = 1
    fresh: int = 4
    memory: int = 96
    coarse: int = 2
    enlarge: float = 1.0
    mix: float = 0.0
    window: tuple[int, int] | None = None
    batch: int = 8
    epochs: int = 20
    learning_rate: float = 4e-3
    warmup: float = 0.03
    weight_decay: float = 0.02
    ema: float = 0.998
    dropout: float = 0.0
    depth_loss: str = "l1"
    gradient: float = 0.2
    confidence: float = 0.1
    class_weights: str = "none"
    loss_grid: str = "cells"
    score_grid: str = "truth"
    test_noise: float = 1e-4
    last_epochs: int = 10
    dtype: str = "bfloat16"
    threads: int = 1
    checkpoint_s: float = 120.0
    licence: str = ""
    scenes: str = ""

    def method(self, name: str) -> Method:
        """A method by its name.

        Raises:
            ModelError: if there is none.
        """
        for method in self.methods:
            if method.name == name:
                return method
        raise ModelError(f"recipe {self.name} has no method {name!r}; it has {', '.join(m.name for m in self.methods)}")


_Kind = TypeVar("_Kind")
_PAIRS = {"splits", "noise", "exposure_ev", "window"}


def build_part(kind: type[_Kind], values: Any, where: str) -> _Kind:
    """A part of a recipe; sequences become tuples, names are checked.

    Args:
        kind: a dataclass.
        values: its fields by name, as read.
        where: what errors begin with.

    Raises:
        ModelError: for unknown, missing or misshapen fields.
    """
    if not isinstance(values, dict):
        raise ModelError(f"{where}: expected names and values, got {type(values).__name__}")
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ModelError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    short = sorted(name for name in _PAIRS & set(values) if values[name] is not None and len(values[name]) != 2)
    if short:
        raise ModelError(f"{where}: {', '.join(short)} must be pairs")
    arguments: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ModelError(f"{where}: {error}") from error


def read_document(path: Path) -> dict[str, Any]:
    """The names and values of a recipe.

    Raises:
        ModelError: if the file is absent or no YAML.
    """
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: the recipe cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise ModelError(f"{path}: expected names and values, got {type(document).__name__}")
    return document


def recipe_kind(path: Path) -> str:
    """The kind of a recipe: "space" where it does not say.

    Raises:
        ModelError: if the file is absent or no YAML.
    """
    return str(read_document(path).get("kind", "space"))


def _method_problems(recipe: PerceptionRecipe) -> list[str]:
    problems, before = [], set[str]()
    for method in recipe.methods:
        if method.balance not in BALANCERS:
            problems.append(f"balance {method.balance!r} of {method.name} is none of {', '.join(BALANCERS)}")
        if set(method.tasks) - set(recipe.tasks):
            problems.append(f"tasks of {method.name} must be among {', '.join(recipe.tasks)}")
        late = sorted(set(method.teachers.values()) - before)
        if late:
            problems.append(f"teachers of {method.name} must be methods before it, which {', '.join(late)} are not")
        later = sorted({method.initial, *method.ensemble} & {known.name for known in recipe.methods} - before)
        if later:
            problems.append(
                f"initial and ensemble of {method.name} must be before it, which {', '.join(later)} are not"
            )
        if {*method.teachers, *method.distil, *method.factors} - set(method.tasks or recipe.tasks):
            problems.append(f"teachers, distil and factors of {method.name} must be of its tasks")
        if method.name in before:
            problems.append(f"two methods are named {method.name}")
        before.add(method.name)
    return problems


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": ("perception",),
    "input": INPUTS,
    "source": ("live", "cached"),
    "depth_loss": ("l1", "berhu"),
    "class_weights": CLASS_WEIGHTS,
    "loss_grid": ("cells", "head"),
    "score_grid": ("cells", "truth"),
    "dtype": ("bfloat16", "float32"),
}


def _check(recipe: PerceptionRecipe, where: str) -> PerceptionRecipe:
    problems = [
        f"{name} {getattr(recipe, name)!r} is none of {', '.join(choices)}"
        for name, choices in _CHOICES.items()
        if getattr(recipe, name) not in choices
    ]
    if set(recipe.tasks) - set(TASKS) or not recipe.tasks:
        problems.append(f"tasks must be among {', '.join(TASKS)}")
    if not recipe.methods:
        problems.append("there is no method")
    if not 0 < recipe.fresh <= recipe.batch:
        problems.append(f"fresh must be 1 to the batch of {recipe.batch}")
    if recipe.coarse < 2 or recipe.coarse % 2:
        problems.append(f"coarse must be an even number of cells, not {recipe.coarse}")
    if recipe.source == "cached" and len(recipe.views.aspects) != 1:
        problems.append("cached features have one aspect")
    problems += _method_problems(recipe)
    if problems:
        raise ModelError(f"{where}: " + "; ".join(problems))
    methods = tuple(
        replace(method, tasks=method.tasks or recipe.tasks, seeds=method.seeds or recipe.seeds)
        for method in recipe.methods
    )
    return replace(recipe, methods=methods)


def load_perception_recipe(path: Path) -> PerceptionRecipe:
    """Read and check a recipe.

    Args:
        path: of the YAML.

    Returns:
        The recipe; tasks and seeds of its methods are filled in.

    Raises:
        ModelError: if the file is absent, is no YAML, or does not make sense.
    """
    values = read_document(path)
    methods = values.pop("methods", None) or []
    parts: dict[str, Any] = {"methods": tuple(build_part(Method, m, f"{path}: methods") for m in methods)}
    parts["views"] = build_part(Views, values.pop("views", {}), f"{path}: views")
    parts["cameras"] = build_part(Cameras, values.pop("cameras", {}), f"{path}: cameras")
    return _check(replace(build_part(PerceptionRecipe, {**values, "methods": ()}, str(path)), **parts), str(path))
