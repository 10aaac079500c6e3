"""Depth and label heads: one context trunk on pooled features, and a small decoder per task.

They read the neural space on packed cells of the canonical grid (`isp_ns.nets.pooling`) and nothing else. The trunk
goes down to 1/128 of a 640-pixel picture and back, with the mean of the whole picture added at the bottom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.pooling import POOLED_LONG, mirror_cells

__all__ = [
    "CANONICAL_FOCAL_CELLS",
    "ContextTrunk",
    "DepthDecoder",
    "HeadSpec",
    "LabelDecoder",
    "PerceptionNet",
    "depth_at",
]

CANONICAL_FOCAL_CELLS = 518.9 * POOLED_LONG / 640
"""Focal length, in cells of the canonical grid, of the camera whose metres the depth head speaks.

Source: the colour camera of NYU-v2, 518.9 pixels at 640 × 480; canonical camera after Yin et al. 2023 (Metric3D)."""

_USUAL_DEPTH_LOG_M = 0.9


@dataclass(frozen=True)
class HeadSpec:
    """The sizes of a context trunk.

    Attributes:
        inputs: channels of packed features.
        widths: channels at 1, 1/2, 1/4, ... of the grid of packed cells.
        blocks: residual blocks at each of them.
        by_focal: whether depth is corrected for the focal length (`depth_at`).

    Raises:
        ValueError: without a level, or if widths and blocks differ in number.
    """

    inputs: int
    widths: Sequence[int] = (32, 64, 96, 96, 80)
    blocks: Sequence[int] = (0, 0, 2, 1, 1)
    by_focal: bool = False

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(f"a trunk needs as many widths as blocks, got {self.widths} and {self.blocks}")

    @property
    def fine(self) -> int:
        """Channels of the finest level."""
        return self.widths[0]

    @property
    def deep(self) -> int:
        """Channels of the coarsest level."""
        return self.widths[-1]

    def sizes(self) -> dict[str, Any]:
        """The spec in plain values, for cards."""
        lists = {"widths": list(self.widths), "blocks": list(self.blocks)}
        return {"inputs": self.inputs, **lists, "by_focal": self.by_focal}


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, and its batch norm."""
    padding = kernel // 2 if kernel % 2 else 0
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs))


class _Block(nn.Module):
    """`relu(x + conv(relu(conv(x))))` with batch norms (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class _Level(nn.Sequential):
    """A convolution, and blocks behind it: 1×1 at the first level, strided 3×3 at those below."""

    def __init__(self, inputs: int, width: int, blocks: int, first: bool) -> None:
        enter = _conv(inputs, width, 1) if first else _conv(inputs, width, 3, 2)
        super().__init__(enter, nn.ReLU(), *(_Block(width) for _ in range(blocks)))


class _Up(nn.Module):
    """A coarser map added to a finer one, and a convolution behind them."""

    def __init__(self, inputs: int, width: int, kernel: int) -> None:
        super().__init__()
        self.narrow, self.join = _conv(inputs, width, 1), _conv(width, width, kernel)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        size = (fine.shape[-2], fine.shape[-1])
        above = F.interpolate(self.narrow(coarse), size=size, mode="bilinear", align_corners=False)
        return F.relu(self.join(fine + above))


class ContextTrunk(nn.Module):
    """Packed features to features with context.

    Channels of the space differ tenfold in spread, so that the inputs are brought to one by their own statistics first.
    What a scene is made of needs no fine grid, and a quarter of the cells is a quarter of the work.

    Args:
        spec: sizes.

    Source: an additive encoder-decoder (Ronneberger et al. 2015; Lin et al. 2017) with a mean of the whole picture
        (ParseNet, Liu et al. 2015).
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        widths = spec.widths
        self.level = nn.BatchNorm2d(spec.inputs, affine=False)
        before = (spec.inputs, *widths)
        self.down = nn.ModuleList(
            _Level(before[i], width, blocks, first=i == 0)
            for i, (width, blocks) in enumerate(zip(widths, spec.blocks, strict=True))
        )
        self.whole = nn.Conv2d(spec.deep, spec.deep, 1)
        # Coarse joins decide little; 3×3 is kept for those that draw the outlines.
        self.up = nn.ModuleList(_Up(widths[i + 1], widths[i], 3 if i < 2 else 1) for i in range(len(widths) - 1))

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Packed features (B, inputs, r, c) to the coarsest map (B, deep, ·, ·) and the finest (B, fine, r, c)."""
        rows, columns = cells.shape[-2:]
        multiple = 2 ** (len(self.down) - 1)
        maps = [F.pad(self.level(cells), (0, -columns % multiple, 0, -rows % multiple), mode="replicate")]
        for down in self.down:
            maps.append(down(maps[-1]))
        deep = x = F.relu(maps[-1] + self.whole(maps[-1].mean((2, 3), keepdim=True)))
        for up, finer in zip(reversed(self.up), reversed(maps[1:-1]), strict=True):
            x = up(x, finer)
        return deep, x[..., :rows, :columns]


def depth_at(output: Tensor, log_focal: Tensor) -> Tensor:
    """Depth for a known focal length, in the metres of the canonical camera.

    Where a picture tells little, an answer is drawn towards the usual distance. In canonical metres that is nearer for
    a long focal length, by as much as the map of slopes says. Without such a map, it is the same for all.

    Args:
        output: (B, 2 or 3, h, w) of a `DepthDecoder`.
        log_focal: (B,) ln of focal length over the canonical one.

    Returns:
        (B, 1, h, w) ln of metres at the canonical focal length.

    Source: our own, a first-order form of telling a network the camera (Facil et al. 2019, "CAM-Convs").
    """
    known = output[:, :1]
    return known + output[:, 2:3] * log_focal.view(-1, 1, 1, 1) if output.shape[1] > 2 else known


class DepthDecoder(nn.Module):
    """Fine features to log depth and the log of its expected error.

    Args:
        width: channels of the fine map.
        by_focal: whether there is a third map, for `depth_at`.

    Source: depth in logarithms (Eigen et al. 2014); Laplace scale as confidence (Kendall and Gal 2017).
    """

    def __init__(self, width: int, by_focal: bool = False) -> None:
        super().__init__()
        usual = [_USUAL_DEPTH_LOG_M, -1.0, *([0.0] if by_focal else [])]
        self.out = nn.Conv2d(width, len(usual), 1)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor(usual))  # type: ignore[union-attr]

    def forward(self, fine: Tensor) -> Tensor:
        """(B, width, h, w) to (B, 2 or 3, h, w).

        ln of metres at the canonical focal length, ln of the Laplace scale, and slopes for `depth_at`.
        """
        out: Tensor = self.out(fine)
        return out


class LabelDecoder(nn.Module):
    """Fine features to logits of classes.

    Args:
        width: channels of the fine map.
        classes: how many.

    Source: a convolutional classifier (Long et al. 2015).
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, fine: Tensor) -> Tensor:
        """(B, width, h, w) to (B, classes, h, w)."""
        out: Tensor = self.out(fine)
        return out


class PerceptionNet(nn.Module):
    """One context trunk and a decoder per task.

    Args:
        spec: sizes of the trunk.
        tasks: name → number of classes, or None for depth.

    Raises:
        ValueError: without a task.

    Source: hard parameter sharing (Caruana 1997).
    """

    def __init__(self, spec: HeadSpec, tasks: Mapping[str, int | None]) -> None:
        super().__init__()
        if not tasks:
            raise ValueError("a network of heads needs at least one task")
        self.spec, self.tasks = spec, dict(tasks)
        self.trunk = ContextTrunk(spec)
        self.decoders = nn.ModuleDict(
            {
                name: LabelDecoder(spec.fine, classes) if classes else DepthDecoder(spec.fine, spec.by_focal)
                for name, classes in tasks.items()
            }
        )

    @property
    def feature_channels(self) -> tuple[int, int]:
        """Channels of the deep and of the fine map."""
        return self.spec.deep, self.spec.fine

    def decoder(self, task: str) -> nn.Module:
        """The decoder of a task.

        Raises:
            ValueError: if there is none.
        """
        if task not in self.decoders:
            raise ValueError(f"this network has no head {task!r}; it has {', '.join(self.decoders)}")
        return self.decoders[task]

    def features(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Packed features (B, inputs, r, c) to the deep and the fine map of the trunk."""
        deep, fine = self.trunk(cells)
        return deep, fine

    def decode(self, fine: Tensor) -> dict[str, Tensor]:
        """The fine map to the output of every task, by name."""
        return {task: decoder(fine) for task, decoder in self.decoders.items()}

    def forward(self, cells: Tensor) -> dict[str, Tensor]:
        """Packed features (B, inputs, r, c) to outputs (B, ·, r, c) by task."""
        return self.decode(self.features(cells)[1])

    def answer(self, cells: Tensor) -> dict[str, Tensor]:
        """The mean of the outputs for a picture and, mirrored back, for its mirror image; shapes as of `forward`.

        Source: averaging over transformed inputs (Krizhevsky et al. 2012), here of exactly mirrored features.
        """
        there, back = self(cells), self(mirror_cells(cells))
        return {task: (output + back[task].flip(-1)) / 2 for task, output in there.items()}
