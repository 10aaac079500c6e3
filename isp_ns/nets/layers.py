"""The few layers that all networks of the neural space are made of: convolutions that can be mirrored.

A 2×2 cell of pixels becomes four channels in `torch.nn.functional.pixel_unshuffle` order: channel = 4·plane + 2·row +
column. Such channels are called *packed*. Mirroring an image mirrors the cells and the order inside them, so a network
for another Bayer phase is the same network with mirrored kernels and its packed channels reordered.
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "Conv",
    "ResBlock",
    "batch_of_one",
    "channels_last",
    "flip_packed",
    "mirror_",
    "pack_mosaic",
    "packed_order",
    "unpack",
]


_Net = TypeVar("_Net", bound=nn.Module)


def channels_last(module: _Net) -> _Net:
    """Store all convolution weights channels last, in place; returns the module.

    Source: the layout in which oneDNN and cuDNN convolve fastest.
    """
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
    return module


def packed_order(vertical: bool, horizontal: bool) -> tuple[int, int, int, int]:
    """Where each of the four pixels of a cell comes from when the cell is mirrored.

    Args:
        vertical: top and bottom change places.
        horizontal: left and right change places.

    Source: definition of the pixel-unshuffle channel order.
    """
    flip = 2 * int(vertical) + int(horizontal)
    a, b, c, d = (index ^ flip for index in range(4))
    return a, b, c, d


def _channel_order(channels: int, packed: int, vertical: bool, horizontal: bool) -> Tensor:
    order = torch.arange(channels)
    inner = torch.tensor(packed_order(vertical, horizontal))
    for start in range(0, packed, 4):
        order[start : start + 4] = start + inner
    return order


def flip_packed(x: Tensor, packed: int, vertical: bool, horizontal: bool) -> Tensor:
    """Mirror feature maps in image space: the grid and the pixels inside the packed channels.

    Args:
        x: (B, C, h, w) features.
        packed: number of leading channels that are packed, a multiple of 4.
        vertical: mirror top to bottom.
        horizontal: mirror left to right.

    Source: definition of the pixel-unshuffle channel order.
    """
    dims = [dim for dim, wanted in ((2, vertical), (3, horizontal)) if wanted]
    order = _channel_order(x.shape[1], packed, vertical, horizontal).to(x.device)
    return x[:, order].flip(dims) if dims else x


def batch_of_one(maps: Tensor) -> Tensor:
    """Feature maps (C, h, w) as a batch (1, C, h, w), a view whose layout is still known to be channels last.

    `maps[None]` gives the batch a stride by which PyTorch no longer knows the layout, and copies into planes follow.
    """
    return maps.as_strided((1, *maps.shape), (maps.shape[1] * maps.stride(1), *maps.stride()))


def pack_mosaic(mosaic: Tensor) -> Tensor:
    """A mosaic (B, 1, 2·h, 2·w) to packed channels (B, 4, h, w), channels last.

    Three times as fast as `torch.nn.functional.pixel_unshuffle` and a change of layout.

    Source: definition of the pixel-unshuffle channel order (Shi et al. 2016).
    """
    sites = [mosaic[:, 0, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(sites, -1).permute(0, 3, 1, 2)


def unpack(packed: Tensor) -> Tensor:
    """Packed channels (B, 4·C, h, w) to a picture (B, C, 2·h, 2·w), in planes.

    Twice as fast as `torch.nn.functional.pixel_shuffle` where the channels lie last.

    Source: definition of the pixel-shuffle channel order (Shi et al. 2016).
    """
    batch, channels, rows, columns = packed.shape
    cells = packed.permute(0, 2, 3, 1).reshape(batch, rows, columns, channels // 4, 2, 2)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels // 4, 2 * rows, 2 * columns)


class Conv(nn.Conv2d):
    """A convolution that keeps the size (zero padding), or halves it with a 2×2 kernel and stride 2.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: 1, 2 (stride 2) or 3.
        packed_in: leading input channels that are packed pixels.
        packed_out: leading output channels that are packed pixels.
        bias: whether there is a bias.
        dilation: cells from one tap of a 3×3 kernel to the next.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        packed_in: int = 0,
        packed_out: int = 0,
        bias: bool = True,
        dilation: int = 1,
    ) -> None:
        if kernel not in (1, 2, 3):
            raise ValueError(f"kernel {kernel} is not supported; use 1, 2 (stride 2) or 3")
        stride = 2 if kernel == 2 else 1
        padding = dilation if kernel == 3 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, dilation, bias=bias)
        self.packed_in = packed_in
        self.packed_out = packed_out

    @torch.no_grad()
    def mirror_(self, vertical: bool, horizontal: bool) -> None:
        """Turn this into the convolution that does to a mirrored image what it did to the image."""
        dims = [dim for dim, wanted in ((2, vertical), (3, horizontal)) if wanted]
        rows = _channel_order(self.out_channels, self.packed_out, vertical, horizontal)
        columns = _channel_order(self.in_channels, self.packed_in, vertical, horizontal)
        self.weight.copy_(self.weight[rows][:, columns].flip(dims))
        if self.bias is not None:
            self.bias.copy_(self.bias[rows])

    def zero_(self) -> "Conv":
        """Set all weights to zero, so that a residual branch starts as nothing; returns itself."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        return self


class ResBlock(nn.Module):
    """`relu(x + conv(relu(conv(x))))`, two 3×3 convolutions of equal width.

    Source: He et al. 2016, "Deep residual learning for image recognition", without normalisation.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv(width, width)
        self.second = Conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same shape, not negative."""
        return F.relu_(self.second(F.relu_(self.first(x))).add_(x))


def mirror_(modules: Sequence[nn.Module] | nn.Module, vertical: bool, horizontal: bool) -> None:
    """Mirror every `Conv` inside, in place.

    Raises:
        ValueError: if a plain convolution is found, whose channel order is unknown.
    """
    for root in [modules] if isinstance(modules, nn.Module) else modules:
        for module in root.modules():
            if isinstance(module, Conv):
                module.mirror_(vertical, horizontal)
            elif isinstance(module, nn.Conv2d):
                raise ValueError("only isp_ns.nets.layers.Conv can be mirrored; replace the plain Conv2d")
