"""Units that no picture wakes: a rectifier whose input is never positive has no gradient, and stays as it is for good.

A layer whose readers begin at zero, such as a residual branch, is at first only in the way: steps of fixed size make
its readers add noise, and its gradient silences it before it has become useful.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from isp_ns.nets.decoder import RgbDecoder
from isp_ns.nets.denoise import FarBlock
from isp_ns.nets.layers import Conv, ResBlock
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.recipe import PARTS

__all__ = ["HiddenLayer", "hidden_layers", "revive", "without_dormant"]

Run = Callable[[], Any]
"""Runs the networks on pictures that are to wake all units."""


@dataclass(frozen=True)
class HiddenLayer:
    """Rectified units between two layers.

    Attributes:
        producers: convolutions that are added up before the rectifier; an output of four times as many channels is
            unpacked to twice the size.
        consumer: the only convolution that reads the units.
        units: how many there are.
    """

    producers: tuple[Conv, ...]
    consumer: Conv
    units: int


def hidden_layers(space: NeuralSpace, parts: Sequence[str] = PARTS) -> Iterator[HiddenLayer]:
    """The hidden layers of a space that are read by one convolution; residual streams are read by many.

    Args:
        space: any.
        parts: those to look into.

    Source: the networks of `isp_ns.nets`.
    """
    for part in parts:
        for block in getattr(space, part).modules():
            if isinstance(block, ResBlock):
                yield HiddenLayer((block.first,), block.second, block.first.out_channels)
    if "d_rgb" in parts:
        yield from _of_decoder(space.d_rgb)
    if "denoiser" in parts:
        of = space.denoiser
        if isinstance(of.far, FarBlock):
            yield HiddenLayer((of.far.first,), of.far.second, of.far.first.out_channels)
        else:
            yield HiddenLayer((of.enter_t, of.level_t), of.leave_t, of.enter_t.out_channels)
        yield HiddenLayer((of.enter_b, of.level_b), of.leave_b, of.enter_b.out_channels)


def _of_decoder(decoder: RgbDecoder) -> Iterator[HiddenLayer]:
    chain = [decoder.merge, *decoder.refine, decoder.head]
    for producer, consumer in itertools.pairwise(chain):
        producers = (producer, decoder.up) if producer is decoder.merge else (producer,)
        yield HiddenLayer(producers, consumer, producer.out_channels)


@torch.no_grad()
def revive(
    space: NeuralSpace, run: Run, optimizer: torch.optim.Optimizer | None = None, parts: Sequence[str] = PARTS
) -> int:
    """Give units that are never positive fresh weights, so that about half of what they see wakes them.

    Fresh weights are as large as those of the layer's other units. Nothing reads the units at first, so that pictures
    stay the same.

    Args:
        space: changed in place.
        run: runs all of it on pictures.
        optimizer: whose memory of these weights is forgotten.
        parts: those to look into.

    Returns:
        The number of units.

    Source: Sokar et al. 2023, "The dormant neuron phenomenon in deep reinforcement learning" (arXiv 2302.12902),
        here with a bias from the data.
    """
    layers = [(layer, dormant) for layer, dormant in _dormant(hidden_layers(space, parts), run) if bool(dormant.any())]
    if not layers:
        return 0
    for layer, dormant in layers:
        live = ~dormant if bool((~dormant).any()) else dormant
        for producer in layer.producers:
            _renew(producer, _spread(dormant, producer), _spread(live, producer))
        layer.consumer.weight[:, dormant] = 0
    means = _means([producer for layer, _ in layers for producer in layer.producers], run)
    for layer, dormant in layers:
        _centre(layer, dormant, means)
        for producer in layer.producers:
            rows = _spread(dormant, producer)
            _forget(optimizer, producer.weight, rows)
            _forget(optimizer, producer.bias, rows)
        _forget(optimizer, layer.consumer.weight, (slice(None), dormant))
    return sum(int(dormant.sum()) for _, dormant in layers)


@torch.no_grad()
def without_dormant(space: NeuralSpace, run: Run) -> NeuralSpace:
    """A smaller space, without units of the decoder that no picture wakes; pictures stay the same.

    Its first layer stays as wide as the encoders, all behind it are as wide as the widest has to be.

    Args:
        space: any.
        run: runs the decoder on pictures that are to wake all units.

    Source: Sokar et al. 2023, as in `revive`.
    """
    found = _dormant(list(_of_decoder(space.d_rgb))[1:], run)
    width = max((max(1, int((~dormant).sum())) for _, dormant in found), default=0)
    small = NeuralSpace(replace(space.spec, decoder_width=width), space.space_id)
    for part in ("e_raw", "e_rgb", "denoiser"):
        getattr(small, part).load_state_dict(getattr(space, part).state_dict())
    kept = [dormant.int().argsort(stable=True)[:width].sort().values for _, dormant in found]
    inputs: list[Tensor | slice] = [slice(None), slice(None), *kept]
    outputs: list[Tensor | slice] = [slice(None), *kept, slice(None)]
    chains = ([decoder.merge, *decoder.refine, decoder.head] for decoder in (space.d_rgb, small.d_rgb))
    for known, place, ins, outs in zip(*chains, inputs, outputs, strict=True):
        place.weight.copy_(known.weight[outs][:, ins])
        if known.bias is not None:
            place.bias.copy_(known.bias[outs])
    small.d_rgb.up.load_state_dict(space.d_rgb.up.state_dict())
    return small


def _spread(units: Tensor, producer: Conv) -> Tensor:
    """The outputs of a producer that belong to these units."""
    return units.repeat_interleave(producer.out_channels // len(units))


def _dormant(found: Iterable[HiddenLayer], run: Run) -> list[tuple[HiddenLayer, Tensor]]:
    """Each layer that is read, and which of its units are zero wherever it is."""
    layers = list(found)
    largest: dict[nn.Module, Tensor] = {}

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen = inputs[0].detach().float().amax((0, 2, 3))
        largest[module] = torch.maximum(largest[module], seen) if module in largest else seen

    _watched([layer.consumer.register_forward_pre_hook(look) for layer in layers], run)
    return [(layer, largest[layer.consumer] <= 0) for layer in layers if layer.consumer in largest]


def _means(producers: list[Conv], run: Run) -> dict[nn.Module, Tensor]:
    """The mean of each output of convolutions."""
    sums: dict[nn.Module, Tensor] = {}
    runs: dict[nn.Module, int] = {}

    def look(module: nn.Module, _: Any, output: Tensor) -> None:
        # At once: rectifiers work in place.
        sums[module] = sums.get(module, torch.zeros(())) + output.detach().float().mean((0, 2, 3))
        runs[module] = runs.get(module, 0) + 1

    _watched([producer.register_forward_hook(look) for producer in producers], run)
    return {module: total / runs[module] for module, total in sums.items()}


def _watched(hooks: list[Any], run: Run) -> None:
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()


def _renew(conv: Conv, rows: Tensor, like: Tensor) -> None:
    """Fresh weights of these outputs, as large as those of others."""
    size = conv.weight[like].std()
    conv.weight[rows] = torch.randn_like(conv.weight[rows]) * size
    if conv.bias is not None:
        conv.bias[rows] = 0


def _centre(layer: HiddenLayer, units: Tensor, means: dict[nn.Module, Tensor]) -> None:
    """Move the units' biases so that their mean before the rectifier is zero."""
    total = sum(means[producer].view(layer.units, -1).mean(1) for producer in layer.producers)
    bias = layer.producers[0].bias
    if bias is not None:
        bias[units] -= total[units].to(bias.dtype)  # type: ignore[index]


def _forget(optimizer: torch.optim.Optimizer | None, weight: Tensor | None, place: Any) -> None:
    if optimizer is None or weight is None:
        return
    for value in optimizer.state.get(weight, {}).values():
        if isinstance(value, Tensor) and value.shape == weight.shape:
            value[place] = 0
