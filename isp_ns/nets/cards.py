"""Weights on disk: a safetensors file and a card beside it that says what they are. They load only if both agree."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from isp_ns.nets.heads import HeadSpec, PerceptionNet
from isp_ns.nets.layers import channels_last
from isp_ns.nets.space import NeuralSpace, SpaceSpec

__all__ = [
    "Card",
    "features_digest",
    "find_card",
    "load_perception",
    "load_space",
    "read_card",
    "save_perception",
    "save_space",
    "shipped_cards",
    "shipped_spaces",
    "verify_weights",
    "weights_folder",
]

_SCHEMA = 1
_Spec = TypeVar("_Spec", SpaceSpec, HeadSpec)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What weights are, where they come from and what they were measured to do.

    Attributes:
        name: file stem.
        kind: what the weights are of, "space" or the name of a head.
        space_id: the neural space they make or read.
        sizes: arguments of the network's constructor.
        recipe: name of the recipe.
        data: dataset → licence.
        seed: of the run.
        steps: optimiser steps taken.
        wall_time_s: training time.
        machine: class of machine it was trained on.
        domain: what the network takes: cfa, encodings, value range.
        noise: range of noise it was trained for.
        parameters: per part.
        macs_per_pixel: per part.
        halo_px: context a tile needs.
        measured: protocol and numbers; `psnr_loss_db` of "bf16" and "int8" decides on the arithmetic that is chosen.
        licence: of the weights.
        history: what the recipe alone does not tell about the run.
        activations: range of the activations of each layer, for 8-bit arithmetic; empty where it was not measured.
        digest: sha256 of the safetensors file.
    """

    name: str
    kind: str
    space_id: str
    sizes: Mapping[str, Any]
    recipe: str
    data: Mapping[str, str]
    seed: int
    steps: int
    wall_time_s: float
    machine: str
    domain: Mapping[str, Any]
    noise: Mapping[str, Any]
    parameters: Mapping[str, int]
    macs_per_pixel: Mapping[str, float]
    halo_px: int
    measured: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "MIT"
    history: str = ""
    activations: Mapping[str, float] = field(default_factory=dict)
    digest: str = ""


def weights_folder() -> Path:
    """The folder of the shipped weights.

    Source: package data.
    """
    return Path(str(resources.files("isp_ns.nets.weights")))


def read_card(path: Path) -> Card:
    """Read a card.

    Args:
        path: the card's YAML.

    Raises:
        ValueError: if it is absent, is no YAML, or its fields are not those of a card.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: the card cannot be read ({error})") from error
    known = {f.name for f in fields(Card)}
    if not isinstance(values, dict) or set(values) - {"schema"} != known:
        raise ValueError(f"{path}: this is not a card; it needs exactly {', '.join(sorted(known))}")
    if values.get("schema", _SCHEMA) != _SCHEMA:
        raise ValueError(f"{path}: a card of schema {values['schema']}; this version reads {_SCHEMA}")
    return Card(**{name: values[name] for name in known})


def shipped_spaces(folder: Path | None = None) -> dict[str, Card]:
    """Cards of the neural spaces in a folder, the shipped one if left out, by name.

    Raises:
        ValueError: if a card cannot be read.
    """
    return {name: card for name, card in shipped_cards(folder).items() if card.kind == "space"}


def shipped_cards(folder: Path | None = None) -> dict[str, Card]:
    """All cards in a folder, the shipped one if left out, by name.

    Raises:
        ValueError: if a card cannot be read.
    """
    cards = (read_card(path) for path in sorted((folder or weights_folder()).glob("*.yaml")))
    return {card.name: card for card in cards}


def verify_weights(card_path: Path) -> tuple[Card, bytes]:
    """The card and the bytes of its weights, after checking their digest.

    Args:
        card_path: NAME.yaml, with NAME.safetensors beside it.

    Raises:
        ValueError: if either file is absent, or they do not belong together.
    """
    card = read_card(card_path)
    path = card_path.with_suffix(".safetensors")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: the weights of {card_path.name} are absent; install the package again") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.digest:
        raise ValueError(
            f"{path}: these are not the weights of {card_path.name} (sha256 {digest[:12]}…, card says "
            f"{card.digest[:12]}…); install the package again, or write a card for your own weights"
        )
    return card, content


def find_card(name: str, folder: Path | None = None) -> Path:
    """The path of a card: NAME.yaml in a folder, the shipped one if left out, or beside weights that are named by path.

    Args:
        name: such as "ns-lite", or a path that ends in ".safetensors".
        folder: where to look for a name.

    Raises:
        ValueError: if there is none.
    """
    place = folder or weights_folder()
    path = Path(name).with_suffix(".yaml") if name.endswith(".safetensors") else place / f"{name}.yaml"
    if not path.is_file():
        if name.endswith(".safetensors"):
            raise ValueError(f"{name}: there is no card {path.name} beside these weights")
        known = ", ".join(sorted(shipped_cards(place))) or "none"
        raise ValueError(f"there are no weights {name!r} in {place}; there are: {known}")
    return path


def _load(name: str, folder: Path | None, kind: str, what: str) -> tuple[Card, bytes]:
    card, content = verify_weights(find_card(name, folder))
    if card.kind != kind:
        raise ValueError(f"weights {name!r} are of kind {card.kind!r}, not {what}")
    return card, content


def _spec(kind: Callable[..., _Spec], card: Card) -> _Spec:
    try:
        return kind(**card.sizes)
    except TypeError as error:
        raise ValueError(
            f"weights {card.name!r}: the sizes on their card are not those of their kind ({error})"
        ) from None


def _fill(net: nn.Module, card: Card, content: bytes) -> None:
    try:
        net.load_state_dict(load_tensors(content))
    except RuntimeError as error:
        raise ValueError(f"weights {card.name!r} do not fit the sizes on their card: {error}") from error


def load_space(name: str, folder: Path | None = None) -> tuple[NeuralSpace, Card]:
    """A trained neural space, in evaluation mode, fp32, channels last.

    Args:
        name: such as "ns-lite", or the path of a .safetensors file with its card beside it.
        folder: where card and weights are; the shipped ones if left out.

    Raises:
        ValueError: if card or weights are absent, altered, or of another shape than the card says.
    """
    card, content = _load(name, folder, "space", "a neural space")
    space = NeuralSpace(_spec(SpaceSpec, card), card.space_id)
    _fill(space, card, content)
    return channels_last(space).eval().requires_grad_(False), card


def features_digest(space: NeuralSpace) -> str:
    """The sha256 of the weights that make features: both encoders and the denoiser.

    The decoder reads features, as heads do: it may learn on, and what else reads them stays as good as it was.

    Args:
        space: in fp32.

    Source: our own; names in order, each followed by its values.
    """
    told = hashlib.sha256()
    for name, value in sorted(space.state_dict().items()):
        if not name.startswith("d_rgb."):
            told.update(name.encode())
            told.update(value.detach().cpu().float().contiguous().numpy().tobytes())
    return told.hexdigest()


def load_perception(name: str, folder: Path | None = None) -> tuple[PerceptionNet, Card]:
    """Trained depth and label heads, in evaluation mode, fp32, channels last.

    Their card's `domain` holds `tasks` (name → number of classes, or null), `classes` (name and colour of each label)
    and `features_digest`, that of the weights whose features they read.

    Args:
        name: such as "nyu-lite", or the path of a .safetensors file with its card beside it.
        folder: where card and weights are; the shipped ones if left out.

    Raises:
        ValueError: if card or weights are absent, altered, or of another shape than the card says.
    """
    card, content = _load(name, folder, "perception", "depth and label heads")
    net = PerceptionNet(_spec(HeadSpec, card), card.domain["tasks"])
    _fill(net, card, content)
    return channels_last(net).eval().requires_grad_(False), card


def save_space(space: NeuralSpace, card: Card, folder: Path) -> Path:
    """Write NAME.safetensors and NAME.yaml; the digest is filled in.

    Args:
        space: what to save, as fp32.
        card: its card; `digest` is replaced.
        folder: an existing folder.

    Returns:
        The path of the card.
    """
    return _save(space, card, folder)


def save_perception(net: PerceptionNet, card: Card, folder: Path) -> Path:
    """Write NAME.safetensors and NAME.yaml of heads, as `save_space` does for a space.

    Raises:
        ValueError: if the card's domain lacks the tasks of the network.
    """
    if card.domain.get("tasks") != net.tasks:
        raise ValueError(f"the card's domain has the tasks {card.domain.get('tasks')}, the network {net.tasks}")
    return _save(net, card, folder)


def _save(net: nn.Module, card: Card, folder: Path) -> Path:
    tensors: dict[str, Tensor] = {}
    for name, value in net.state_dict().items():
        stored = value.detach().cpu().contiguous()
        tensors[name] = stored.float() if stored.is_floating_point() else stored
    content = save_tensors(tensors)
    values = {"schema": _SCHEMA, **asdict(card), "digest": hashlib.sha256(content).hexdigest()}
    (folder / f"{card.name}.safetensors").write_bytes(content)
    path = folder / f"{card.name}.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False, width=110), encoding="utf-8")
    return path
