"""int8 inference of the RAW encoder on processors with VNNI instructions, about twice as fast as bf16 there.

What reads the picture itself stays fp32: the stem and the linear demosaic. From there to the features, activations are
unsigned 8-bit (they follow a ReLU) with one scale per layer, weights signed 8-bit with one scale per output channel.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference" (arXiv 1712.05877).
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB, RawEncoder
from isp_ns.nets.layers import Conv, ResBlock, pack_mosaic
from isp_ns.nets.precision import to_bf16
from isp_ns.nets.space import NeuralSpace

__all__ = ["Int8RawEncoder", "activation_ranges", "int8_is_fast", "to_int8"]

_LEVELS = 255
_WEIGHT_LEVELS = 127
_BINS = 4096
_SHARES = [share / 100 for share in range(30, 101, 2)]


def int8_is_fast() -> bool:
    """Whether 8-bit convolutions run on native instructions here, and this torch has them.

    Source: the flags of /proc/cpuinfo.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return ("avx512_vnni" in flags or "avx_vnni" in flags) and hasattr(torch.ops.onednn, "qconv2d_pointwise")


def _activations(encoder: RawEncoder) -> dict[str, nn.Module]:
    """The modules whose outputs, after a ReLU, are kept in 8 bits, by name."""
    trunk = encoder.trunk
    named: dict[str, nn.Module] = {"stem": trunk.stem, "down": trunk.down}
    for part in ("fine", "coarse"):
        for index, block in enumerate(getattr(trunk, part)):
            named |= {f"{part}.{index}.first": block.first, f"{part}.{index}": block}
    return named


def activation_ranges(encoder: RawEncoder, mosaics: Sequence[Tensor]) -> dict[str, float]:
    """What 8 bits should span in every layer: the range in which the mean square error over some mosaics is least.

    Args:
        encoder: a trained encoder in fp32.
        mosaics: (B, 1, H, W) in the encoded domain; they should hold the brightest highlights that are to be expected.

    Source: Jacob et al. 2018, section 3.1, for ranges of activations; Sung, Shin and Hwang 2015, "Resiliency of deep
    neural networks under quantization" (arXiv 1511.06488), for the least square error.
    """
    largest = dict.fromkeys(_activations(encoder), 0.0)

    def enlarge(name: str, output: Tensor) -> None:
        largest[name] = max(largest[name], float(output.max()))

    _watch(encoder, mosaics, enlarge)
    counts = {name: torch.zeros(_BINS, dtype=torch.float64) for name in largest}

    def count(name: str, output: Tensor) -> None:
        positive = output[output > 0].float()
        counts[name] += torch.histc(positive, _BINS, 0.0, largest[name]).double()

    _watch(encoder, mosaics, count)
    return {name: _best_range(counts[name], largest[name]) for name in largest}


@torch.no_grad()
def _watch(encoder: RawEncoder, mosaics: Iterable[Tensor], see: Callable[[str, Tensor], None]) -> None:
    """Show `see` the outputs of all layers for all mosaics."""

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _args, output: see(name, output)

    handles = [module.register_forward_hook(hook(name)) for name, module in _activations(encoder).items()]
    try:
        for mosaic in mosaics:
            encoder(mosaic)
    finally:
        for handle in handles:
            handle.remove()


def _best_range(counts: Tensor, largest: float) -> float:
    """The range of least square error for a histogram of values between 0 and `largest`."""
    values = (torch.arange(len(counts), dtype=torch.float64) + 0.5) * largest / len(counts)

    def error(share: float) -> float:
        step = share * largest / _LEVELS
        return float((counts * (values - (values / step).round().clamp_(max=_LEVELS) * step).square()).sum())

    return largest * min(_SHARES, key=error)


class _Layer(NamedTuple):
    """A convolution ready to run: 8-bit weights in the kernel's own layout, and all scales."""

    weight: Tensor
    weight_scale: Tensor
    weight_zero: Tensor
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    in_scale: float
    out_scale: float

    @staticmethod
    def of(conv: Conv, in_scale: float, out_scale: float) -> "_Layer":
        weight = conv.weight.detach().float()
        scale = weight.abs().amax((1, 2, 3)).clamp_(min=1e-8) / _WEIGHT_LEVELS
        levels = (weight / scale.view(-1, 1, 1, 1)).round_().to(torch.int8)
        stride, padding = list(conv.stride), [int(p) for p in conv.padding]
        packed = torch.ops.onednn.qconv_prepack(levels, scale, 1.0, 0, stride, padding, [1, 1], 1, None)
        bias = None if conv.bias is None else conv.bias.detach().float()
        zero = torch.zeros(len(scale), dtype=torch.int32)
        return _Layer(packed, scale, zero, bias, stride, padding, in_scale, out_scale)

    def relu(self, x: Tensor) -> Tensor:
        """Levels in, levels of relu(conv) out."""
        return self._run(x, torch.uint8, "relu")

    def plain(self, x: Tensor) -> Tensor:
        """Levels in, conv in fp32 out."""
        return self._run(x, torch.float32, "none")

    def _run(self, x: Tensor, dtype: torch.dtype, unary: str) -> Tensor:
        w = (self.weight, self.weight_scale, self.weight_zero, self.bias, self.stride, self.padding, [1, 1], 1)
        out: Tensor = torch.ops.onednn.qconv2d_pointwise(
            x, self.in_scale, 0, *w, self.out_scale, 0, dtype, unary, [], ""
        )
        return out

    def add_relu(self, x: Tensor, onto: Tensor, onto_scale: float) -> Tensor:
        """Levels in, levels of relu(conv + onto) out; `onto` is overwritten."""
        w = (self.weight, self.weight_scale, self.weight_zero, onto, self.bias, self.stride, self.padding, [1, 1], 1)
        out: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            x, self.in_scale, 0, *w, self.out_scale, 0, torch.uint8, onto_scale, 0, "sum", 1.0, "relu", [], ""
        )
        return out


class _Block(NamedTuple):
    first: _Layer
    second: _Layer

    def run(self, x: Tensor) -> Tensor:
        return self.second.add_relu(self.first.relu(x), x, self.first.in_scale)


class _Trunk(NamedTuple):
    fine: list[_Block]
    tap: _Layer
    down: _Layer
    coarse: list[_Block]


class Int8RawEncoder(nn.Module):
    """E_raw with 8-bit arithmetic; takes and returns what `isp_ns.nets.encoder.RawEncoder` does.

    Weights are converted at the first call, so that a copy may still be mirrored before.

    Args:
        source: a trained encoder in fp32.
        ranges: what `activation_ranges` returns for it.

    Raises:
        ValueError: if a range is missing.
    """

    def __init__(self, source: RawEncoder, ranges: Mapping[str, float]) -> None:
        super().__init__()
        missing = sorted(set(_activations(source)) - set(ranges))
        if missing:
            raise ValueError(f"there are no activation ranges for {', '.join(missing)}; export the weights again")
        self.source = source
        self.scales = {name: max(value, 1e-6) / _LEVELS for name, value in ranges.items()}
        self._trunk: _Trunk | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Int8RawEncoder":
        ranges = {name: scale * _LEVELS for name, scale in self.scales.items()}
        return Int8RawEncoder(copy.deepcopy(self.source, memo), ranges)

    def _blocks(self, part: str, blocks: Iterable[nn.Module], before: str) -> list[_Block]:
        out = []
        for index, block in enumerate(blocks):
            name = f"{part}.{index}"
            scales = [self.scales[key] for key in (before, f"{name}.first", name)]
            if not isinstance(block, ResBlock):
                raise TypeError(f"{name} is a {type(block).__name__}; only residual blocks can run in 8 bits")
            out.append(_Block(_Layer.of(block.first, *scales[:2]), _Layer.of(block.second, *scales[1:])))
            before = name
        return out

    def _convert(self) -> _Trunk:
        trunk, scales = self.source.trunk, self.scales
        fine = f"fine.{len(trunk.fine) - 1}" if len(trunk.fine) else "stem"
        return _Trunk(
            self._blocks("fine", trunk.fine, "stem"),
            _Layer.of(trunk.tap, scales[fine], 1.0),
            _Layer.of(trunk.down, scales[fine], scales["down"]),
            self._blocks("coarse", trunk.coarse, "down"),
        )

    def forward(self, mosaic: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded mosaic (B, 1, H, W) to z_b (B, z_b, H/2, W/2) and z_t (B, z_t, H/4, W/4), both fp32."""
        if self._trunk is None:
            self._trunk = self._convert()
        trunk, stem = self._trunk, self.source.trunk.stem
        packed = pack_mosaic(mosaic.float())
        bias = None if stem.bias is None else (stem.bias / self.scales["stem"]).add(0.5)
        # Scale, rounding and limits are part of the stem, so that one pass makes levels of its output.
        weight, ones = stem.weight / self.scales["stem"], [1, 1]
        x = torch.ops.mkldnn._convolution_pointwise(
            packed, weight, bias, ones, ones, ones, 1, "hardtanh", [0.0, float(_LEVELS)], ""
        )
        # By way of 16 bits, which PyTorch converts to in vectors.
        x = x.to(torch.int16).to(torch.uint8)
        for block in trunk.fine:
            x = block.run(x)
        z_t = trunk.down.relu(x)
        for block in trunk.coarse:
            z_t = block.run(z_t)
        last = f"coarse.{len(trunk.coarse) - 1}" if trunk.coarse else "down"
        return self._add_base(trunk.tap.plain(x), packed), z_t.float().mul_(self.scales[last])

    def _add_base(self, tap: Tensor, packed: Tensor) -> Tensor:
        """The linear demosaic added to the first channels of z_b, in place and as the convolution goes."""
        grown = F.pad(self.source.linear.weight, (0, 0, 0, 0, 0, 0, 0, tap.shape[1] - PACKED_RGB))
        weight = grown.contiguous(memory_format=torch.channels_last)
        ones = [1, 1]
        z_b: Tensor = torch.ops.mkldnn._convolution_pointwise_(
            tap, packed, weight, None, ones, ones, ones, 1, "add", 1.0, None, [], None
        )
        return z_b


def to_int8(space: NeuralSpace, ranges: Mapping[str, float]) -> NeuralSpace:
    """A copy whose RAW encoder runs in int8 and whose other branches run in bf16.

    Args:
        space: a trained space in fp32.
        ranges: its activation ranges, from its card.

    Raises:
        ValueError: if a range is missing.

    Source: our own split; measured with `isp_ns.nets.precision.clean_loss_db`.
    """
    twin = to_bf16(space)
    twin.e_raw = Int8RawEncoder(copy.deepcopy(space.e_raw), ranges)  # type: ignore[assignment]
    return twin
