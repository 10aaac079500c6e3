"""Weights that stages of the family `neural` name: loaded once, when a stage first needs them, and shared since."""

import functools
import threading
from typing import Literal

import torch

from isp_ns.core.errors import ModelError
from isp_ns.nets.cards import Card, features_digest, find_card, load_perception, load_space, read_card, shipped_cards
from isp_ns.nets.fused import fused
from isp_ns.nets.heads import PerceptionNet
from isp_ns.nets.int8 import int8_is_fast, to_int8
from isp_ns.nets.precision import bf16_is_fast, to_bf16
from isp_ns.nets.space import NeuralSpace

__all__ = ["Precision", "card_of", "check_heads", "heads_card", "heads_of", "space_card", "space_of"]

Precision = Literal["auto", "fp32", "bf16", "int8"]
_INVISIBLE_LOSS_DB = 0.05
_loading = threading.Lock()


def card_of(weights: str, kind: str, what: str) -> Card:
    """The card of weights of a kind.

    Raises:
        ModelError: if there are none, or they are of another kind.
    """
    known = ", ".join(name for name, each in shipped_cards().items() if each.kind == kind) or "none"
    try:
        card = read_card(find_card(weights))
    except ValueError as error:
        raise ModelError(f"there are no {what} {weights}; there are {known} ({error})") from None
    if card.kind != kind:
        raise ModelError(f"weights {weights} are no {what}; there are {known}")
    return card


@functools.lru_cache(maxsize=8)
def space_card(weights: str) -> Card:
    """The card of a neural space, by name or by the path of its weights.

    Raises:
        ModelError: if there is none.
    """
    return card_of(weights, "space", "neural spaces")


@functools.lru_cache(maxsize=8)
def heads_card(weights: str) -> Card:
    """The card of depth and label heads, by name or by the path of their weights.

    Raises:
        ModelError: if there are none.
    """
    return card_of(weights, "perception", "depth and label heads")


@functools.lru_cache(maxsize=4)
def heads_of(weights: str, device: torch.device | str = "cpu") -> PerceptionNet:
    """Depth and label heads on a device.

    Raises:
        ModelError: if there are none, or they do not fit their card.
    """
    try:
        return load_perception(weights)[0].to(device)
    except ValueError as error:
        raise ModelError(str(error)) from None


def check_heads(weights: str, space: str) -> None:
    """Make sure that heads were trained on the features of a space, of which its id tells the kind only.

    Args:
        weights: of the heads, by name or path.
        space: weights of the neural space, by name or path.

    Raises:
        ModelError: if they were not, or either is absent.
    """
    if heads_card(weights).domain.get("features_digest") != _kept(space, "auto", "cpu")[1]:
        raise ModelError(
            f"the heads {weights} were trained on the features of other weights than those of {space}; "
            "use the space that they were trained on, or train them again"
        )


def _kept(weights: str, precision: str, device: str) -> tuple[NeuralSpace, str]:
    """What `_loaded` returns, loaded once however many threads ask."""
    with _loading:
        return _loaded(weights, precision, device)


@functools.lru_cache(maxsize=4)
def _loaded(weights: str, precision: str, device: str) -> tuple[NeuralSpace, str]:
    """The networks, and the digest of what makes their features."""
    try:
        space, card = load_space(weights)
        if precision == "auto":
            precision = _fastest(card, device)
        if precision == "int8" and device != "cpu":
            raise ValueError(f"8-bit arithmetic is for processors, not for {device}; leave precision at auto")
        twin = to_int8(space, card.activations) if precision == "int8" else space
        twin = to_bf16(space) if precision == "bf16" else twin
    except ValueError as error:
        raise ModelError(str(error)) from None
    digest = features_digest(space)
    return fused(twin.requires_grad_(False)).to(device), digest


def _fastest(card: Card, device: str) -> str:
    """The fastest arithmetic of a device that, by the card of the weights, costs nothing visible."""
    if device == "cpu" and card.activations and int8_is_fast() and _is_free(card, "int8"):
        return "int8"
    return "bf16" if bf16_is_fast(device) and _is_free(card, "bf16") else "fp32"


def _is_free(card: Card, precision: str) -> bool:
    measured = card.measured.get(precision)
    return measured is not None and measured["psnr_loss_db"] <= _INVISIBLE_LOSS_DB


def space_of(weights: str, precision: Precision = "auto", device: torch.device | str = "cpu") -> NeuralSpace:
    """The networks of `weights` on a device, in its fastest arithmetic where `precision` is "auto".

    Raises:
        ModelError: if there are none, or they cannot be had in this arithmetic.
    """
    return _kept(weights, precision, str(device))[0]
