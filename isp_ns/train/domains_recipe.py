"""Recipes of the study of domains: cameras, an image-level task, and ways to train one network for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isp_ns import content
from isp_ns.core.errors import ModelError
from isp_ns.train.perception_recipe import INPUTS, Cameras, Views, build_part, read_document

__all__ = ["DomainMethod", "DomainsRecipe", "load_domains_recipe"]

_FEWEST_FOR_ALIGNMENT = 3


@dataclass(frozen=True, kw_only=True)
class DomainMethod:
    """One way to train for all domains.

    Attributes:
        name: of the method; its folder and its row.
        separate: a network for each domain, instead of one with a classifier for each.
        teachers: name of a separate method before this one, whose networks of the same seed teach; none if empty.
        cka: factor of the distance to the teacher's features.
        kl: factor of the distance to the teacher's predictions.
        seeds: instead of the recipe's.
    """

    name: str
    separate: bool = False
    teachers: str = ""
    cka: float = 1.0
    kl: float = 1.0
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DomainsRecipe:
    """A comparison of ways to name what a picture shows, for several cameras at once.

    Attributes:
        kind: "domains".
        name: of the table.
        dataset: a name of the labelled datasets.
        folder: of the dataset, below the data root.
        domains: names of camera profiles, and how pictures become RAW there.
        methods: ways to train.
        splits: names of the splits to train and to test on.
        labels: label protocol of the dataset, such as "nyu13".
        leave_out: names of labels that a picture is never named after.
        space: name of the weights of the neural space.
        input: one of `isp_ns.train.perception_recipe.INPUTS`.
        net: arguments of the trunk's spec.
        seeds: of weights and order; the features are the same for all.
        views: of the training pictures, of one aspect and one scale; test pictures are whole, at that scale.
        variants: how often each training picture is cached.
        pictures: how many of each split, evenly spread; all if left out.
        coarse: side of the squares of cells of the canonical grid that are averaged to one.
        batch: pictures per step of each domain.
        epochs: passes over the pictures.
        learning_rate: peak.
        warmup: share of the run.
        weight_decay: decoupled, of convolutions and classifiers.
        temperature: that softens predictions.
        dtype: "bfloat16" (autocast) or "float32".
        threads: of torch.
    """

    kind: str
    name: str
    dataset: str
    folder: str
    domains: Mapping[str, Cameras]
    methods: tuple[DomainMethod, ...]
    splits: tuple[str, str] = ("train", "test")
    labels: str = ""
    leave_out: tuple[str, ...] = ()
    space: str = "ns-lite"
    input: str = "space"
    net: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (1,)
    views: Views = field(default_factory=Views)
    variants: int = 1
    pictures: tuple[int, int] | None = None
    coarse: int = 4
    batch: int = 16
    epochs: int = 30
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.05
    temperature: float = 4.0
    dtype: str = "bfloat16"
    threads: int = 1

    @property
    def window(self) -> None:
        """A step looks at whole pictures: a class is the whole picture's."""

    @property
    def enlarge(self) -> float:
        """Cached pictures are seen as they are."""
        return 1.0

    @property
    def mix(self) -> float:
        """No picture has a part of another: a class is the whole picture's."""
        return 0.0

    @property
    def scale(self) -> float:
        """Pixels of a view over those of its box."""
        return next(iter(self.views.scales))

    def seeds_of(self, method: DomainMethod) -> tuple[int, ...]:
        """The seeds of a method: its own, else the recipe's."""
        return method.seeds or self.seeds


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": ("domains",),
    "input": INPUTS,
    "dtype": ("bfloat16", "float32"),
}


def _method_problems(recipe: DomainsRecipe) -> list[str]:
    problems, before = [], dict[str, DomainMethod]()
    for method in recipe.methods:
        if method.name in before:
            problems.append(f"two methods are named {method.name}")
        teaching = before.get(method.teachers)
        if method.teachers and (teaching is None or not teaching.separate):
            problems.append(f"teachers of {method.name} must be a separate method before it")
        elif teaching and set(recipe.seeds_of(method)) - set(recipe.seeds_of(teaching)):
            problems.append(f"seeds of {method.name} must be among those of {teaching.name}, which teaches it")
        before[method.name] = method
    return problems


def _problems(recipe: DomainsRecipe) -> list[str]:
    problems = [
        f"{name} {getattr(recipe, name)!r} is none of {', '.join(choices)}"
        for name, choices in _CHOICES.items()
        if getattr(recipe, name) not in choices
    ]
    cameras = content.names("calibration/profiles")
    strange = sorted(set(recipe.domains) - set(cameras))
    if strange or not recipe.domains:
        problems.append(f"domains must be camera profiles, some of {', '.join(cameras)}; got {strange}")
    if not recipe.methods or not recipe.seeds:
        problems.append("there is no method or no seed")
    if len(recipe.views.aspects) != 1 or len(recipe.views.scales) != 1:
        problems.append("views must have one aspect and one scale")
    if recipe.pictures is not None and (len(recipe.pictures) != 2 or min(recipe.pictures) < 1):
        problems.append("pictures must be a pair, how many to train and to test on")
    if recipe.batch < _FEWEST_FOR_ALIGNMENT:
        problems.append(f"batch must be {_FEWEST_FOR_ALIGNMENT} at least, for features to be aligned")
    if recipe.coarse < 2 or recipe.coarse % 2:
        problems.append(f"coarse must be an even number of cells, not {recipe.coarse}")
    low = [name for name in ("variants", "epochs", "threads") if getattr(recipe, name) < 1]
    return problems + ([f"{', '.join(low)} must be 1 at least"] if low else []) + _method_problems(recipe)


def load_domains_recipe(path: Path) -> DomainsRecipe:
    """Read and check a recipe.

    Args:
        path: of the YAML; a domain has the fields of `isp_ns.train.perception_recipe.Cameras` but for the profile,
            which is its name.

    Returns:
        The recipe.

    Raises:
        ModelError: if the file is absent, is no YAML, or does not make sense.
    """
    values = read_document(path)
    domains, methods = values.pop("domains", None) or {}, values.pop("methods", None) or []
    if not isinstance(domains, dict):
        raise ModelError(f"{path}: domains must be names and values, got {type(domains).__name__}")
    parts: dict[str, Any] = {
        "methods": tuple(build_part(DomainMethod, method, f"{path}: methods") for method in methods),
        "domains": {
            name: replace(build_part(Cameras, camera or {}, f"{path}: {name}"), profiles=(name,))
            for name, camera in domains.items()
        },
        "views": build_part(Views, values.pop("views", {}), f"{path}: views"),
    }
    recipe = replace(build_part(DomainsRecipe, {**values, "methods": (), "domains": {}}, str(path)), **parts)
    problems = _problems(recipe)
    if problems:
        raise ModelError(f"{path}: " + "; ".join(problems))
    return recipe
