"""A larger space that starts as a smaller one: the same function, with more channels and layers to learn with."""

import torch
from torch import Tensor, nn

from isp_ns.nets.space import NeuralSpace

__all__ = ["widen"]


@torch.no_grad()
def widen(space: NeuralSpace, smaller: NeuralSpace) -> None:
    """Give a fresh space the weights of one that is nowhere larger, so that both compute the same pictures.

    Known outputs read known inputs as before and new inputs not at all; new outputs keep their fresh weights. Blocks
    that are new add nothing, and convolutions that are new pass on what they get. Every weight has a gradient.

    Args:
        space: fresh weights; changed in place.
        smaller: the space to start from; may be of the same size.

    Raises:
        ValueError: if a layer of `smaller` is larger than its place, or has none.

    Source: Chen, Goodfellow, Shlens 2016, "Net2Net: accelerating learning via knowledge transfer", with fresh weights
        for new channels instead of copies.
    """
    known = smaller.state_dict()
    state = space.state_dict()
    misfits = [n for n, value in known.items() if n not in state or _larger(value, state[n])]
    if misfits:
        raise ValueError(f"these layers of {smaller.space_id} have no room in {space.space_id}: {', '.join(misfits)}")
    for name, value in state.items():
        if name in known:
            _embed(value, known[name])
    for name, module in space.named_modules():
        if isinstance(module, nn.Conv2d) and f"{name}.weight" not in known:
            _pass_on(name, module)


def _larger(value: Tensor, place: Tensor) -> bool:
    return value.dim() != place.dim() or any(a > b for a, b in zip(value.shape, place.shape, strict=True))


def _embed(place: Tensor, value: Tensor) -> None:
    outputs = value.shape[0]
    place[:outputs] = 0
    place[tuple(slice(length) for length in value.shape)] = value


def _pass_on(name: str, conv: nn.Conv2d) -> None:
    """A new layer: the second convolution of a new block adds nothing, a layer of its own is the identity."""
    if name.endswith(".second"):
        nn.init.zeros_(conv.weight)
    elif not name.endswith(".first"):
        nn.init.dirac_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
