"""Depth and label heads: one context trunk on pooled features, and a small decoder per task.

They read the neural space on the canonical grid (`isp_ns.nets.pooling`) and nothing else. The trunk goes down to 1/32
of a 640-pixel picture and back, with the mean of the whole picture added at the bottom.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.pooling import POOLED_LONG

__all__ = ["CANONICAL_FOCAL_CELLS", "ContextTrunk", "DepthDecoder", "HeadSpec", "LabelDecoder", "PerceptionNet"]

CANONICAL_FOCAL_CELLS = 518.9 * POOLED_LONG / 640
"""Focal length, in cells of the canonical grid, of the camera whose metres the depth head speaks.

Source: the colour camera of NYU-v2, 518.9 pixels at 640 × 480; canonical camera after Yin et al. 2023 (Metric3D)."""

_USUAL_DEPTH_LOG_M = 0.9


@dataclass(frozen=True)
class HeadSpec:
    """The sizes of a context trunk.

    Attributes:
        inputs: channels of the pooled features.
        fine: width at 1/2 of the grid.
        middle: width at 1/4 of the grid.
        deep: width at 1/8 of the grid.
        fine_blocks: residual blocks at 1/2.
        middle_blocks: residual blocks at 1/4.
        deep_blocks: wide-kernel blocks at 1/8.
    """

    inputs: int
    fine: int = 48
    middle: int = 96
    deep: int = 160
    fine_blocks: int = 1
    middle_blocks: int = 1
    deep_blocks: int = 3

    def sizes(self) -> dict[str, int]:
        """The spec as a plain dictionary, for cards."""
        return asdict(self)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, and its batch norm."""
    padding = kernel // 2 if kernel % 2 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class _Block(nn.Module):
    """`relu(x + conv(relu(conv(x))))` with batch norms (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _conv(width, width), _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class _WideBlock(nn.Module):
    """A depthwise 5×5 and two 1×1 convolutions, residual (after Liu et al. 2022, ConvNeXt)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = _conv(width, width, 5, groups=width)
        self.grow, self.shrink = _conv(width, 2 * width, 1), _conv(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.shrink(F.relu(self.grow(self.spatial(x))))
        return out


def _upsampled(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class ContextTrunk(nn.Module):
    """Pooled features to features with context.

    Args:
        spec: sizes.

    Source: an additive encoder-decoder (Ronneberger et al. 2015; Lin et al. 2017) with a mean of the whole picture
        (ParseNet, Liu et al. 2015).
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.enter = _conv(spec.inputs, spec.fine, 2, 2)
        self.fine = nn.Sequential(*(_Block(spec.fine) for _ in range(spec.fine_blocks)))
        self.down_middle = _conv(spec.fine, spec.middle, 3, 2)
        self.middle = nn.Sequential(*(_Block(spec.middle) for _ in range(spec.middle_blocks)))
        self.down_deep = _conv(spec.middle, spec.deep, 3, 2)
        self.deep = nn.Sequential(*(_WideBlock(spec.deep) for _ in range(spec.deep_blocks)))
        self.whole = nn.Conv2d(spec.deep, spec.deep, 1)
        self.up_middle, self.join_middle = _conv(spec.deep, spec.middle, 1), _conv(spec.middle, spec.middle)
        self.up_fine, self.join_fine = _conv(spec.middle, spec.fine, 1), _conv(spec.fine, spec.fine)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, inputs, r, c) to maps (B, deep, ⌈r/8⌉, ⌈c/8⌉) and (B, fine, ⌈r/2⌉, ⌈c/2⌉)."""
        rows, columns = pooled.shape[-2:]
        down, right = -rows % 8, -columns % 8
        padded = F.pad(pooled, (0, right, 0, down), mode="replicate") if down or right else pooled
        fine = self.fine(F.relu(self.enter(padded)))
        middle = self.middle(F.relu(self.down_middle(fine)))
        deep = self.deep(F.relu(self.down_deep(middle)))
        deep = F.relu(deep + self.whole(deep.mean((2, 3), keepdim=True)))
        middle = F.relu(self.join_middle(middle + _upsampled(self.up_middle(deep), middle)))
        fine = F.relu(self.join_fine(fine + _upsampled(self.up_fine(middle), fine)))
        return deep, fine[..., : -(-rows // 2), : -(-columns // 2)]


class DepthDecoder(nn.Module):
    """Fine features to log depth and the log of its expected error.

    Args:
        width: channels of the fine map.

    Source: depth in logarithms (Eigen et al. 2014); Laplace scale as confidence (Kendall and Gal 2017).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.refine, self.out = _conv(width, width), nn.Conv2d(width, 2, 1)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([_USUAL_DEPTH_LOG_M, -1.0]))  # type: ignore[union-attr]

    def forward(self, fine: Tensor) -> Tensor:
        """(B, width, h, w) to (B, 2, h, w): ln of metres at the canonical focal length, ln of the Laplace scale."""
        out: Tensor = self.out(F.relu(self.refine(fine)))
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
        self.refine, self.out = _conv(width, width), nn.Conv2d(width, classes, 1)

    def forward(self, fine: Tensor) -> Tensor:
        """(B, width, h, w) to (B, classes, h, w)."""
        out: Tensor = self.out(F.relu(self.refine(fine)))
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
                name: DepthDecoder(spec.fine) if classes is None else LabelDecoder(spec.fine, classes)
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

    def features(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, inputs, r, c) to the deep and the fine map of the trunk."""
        deep, fine = self.trunk(pooled)
        return deep, fine

    def decode(self, fine: Tensor) -> dict[str, Tensor]:
        """The fine map to the output of every task, by name."""
        return {task: decoder(fine) for task, decoder in self.decoders.items()}

    def forward(self, pooled: Tensor) -> dict[str, Tensor]:
        """Pooled features (B, inputs, r, c) to outputs (B, ·, ⌈r/2⌉, ⌈c/2⌉) by task."""
        return self.decode(self.features(pooled)[1])
