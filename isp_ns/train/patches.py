"""Training pictures in memory, and square patches of them: difficult places more often than easy ones."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.core.errors import DecodeError
from isp_ns.nets.encoder import malvar_packed
from isp_ns.train.degrade import mosaic_rggb

__all__ = ["PatchSource", "load_rgb8"]

_CELL = 32
"""Patches are drawn around cells of this many pixels."""

_SCALES = (0.5, 1.4)


def load_rgb8(path: Path) -> Tensor:
    """An 8-bit RGB picture as uint8 (3, H, W).

    Raises:
        DecodeError: if the file cannot be read as a picture.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()
    except (OSError, UnidentifiedImageError) as error:
        raise DecodeError(f"{path}: cannot be read as a picture ({error}); check the manifest") from error


def _difficulty(image: Tensor) -> Tensor:
    """Mean error of a linear demosaic per 32×32 cell, (rows, columns)."""
    height, width = (side // _CELL * _CELL for side in image.shape[-2:])
    rgb = image[None, :, :height, :width].float() / 255
    packed = F.conv2d(F.pixel_unshuffle(mosaic_rggb(rgb), 2), malvar_packed().to(rgb), padding=1)
    error = (F.pixel_shuffle(packed, 2) - rgb).abs().mean(1, keepdim=True)
    return F.avg_pool2d(error, _CELL)[0, 0]


@dataclass
class PatchSource:
    """Draws patches of pictures held in memory.

    Attributes:
        images: uint8 (3, H, W) pictures.
        hard_share: share of the patches drawn by difficulty^0.5; the others are drawn uniformly.
        rescale_share: share of the batches at another scale, 0.5 to 1.4: finer detail than any photograph's, or softer.
    """

    images: list[Tensor]
    hard_share: float = 0.6
    rescale_share: float = 0.2
    _cells: Tensor = field(init=False, repr=False)
    _weights: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cells, scores = [], []
        for index, image in enumerate(self.images):
            score = _difficulty(image)
            rows, columns = torch.meshgrid(*(torch.arange(n) for n in score.shape), indexing="ij")
            cells.append(torch.stack([torch.full_like(rows, index), rows, columns], -1).view(-1, 3))
            scores.append(score.flatten())
        self._cells, weights = torch.cat(cells), torch.cat(scores).cpu().sqrt()
        uniform = torch.full_like(weights, 1 / weights.numel())
        self._weights = self.hard_share * weights / weights.sum().clamp(min=1e-9) + (1 - self.hard_share) * uniform

    def _cut(self, cell: Tensor, side: int, jitter: Tensor) -> Tensor:
        image = self.images[int(cell[0])]
        height, width = image.shape[-2:]
        top, left = (int(cell[1 + axis]) * _CELL + _CELL // 2 - side // 2 + int(jitter[axis]) for axis in (0, 1))
        top, left = max(0, min(top, height - side)), max(0, min(left, width - side))
        return image[:, top : top + side, left : left + side]

    def draw(self, count: int, side: int, rng: Generator) -> Tensor:
        """(count, 3, side, side) gamma-coded pictures in 0..1.

        Raises:
            ValueError: if a picture is smaller than the patch.
        """
        size = round(side / self._scale(rng))
        chosen = self._cells[torch.multinomial(self._weights, count, replacement=True, generator=rng)]
        jitter = torch.randint(-_CELL // 2, _CELL // 2, (count, 2), generator=rng)
        if min(min(image.shape[-2:]) for image in self.images) < size:
            raise ValueError(f"patches of {size} pixels do not fit into every picture; use smaller patches")
        batch = torch.stack([self._cut(c, size, j) for c, j in zip(chosen, jitter, strict=True)]).float() / 255
        if size == side:
            return batch
        return F.interpolate(batch, (side, side), mode="bicubic", antialias=True).clamp_(0, 1)

    def _scale(self, rng: Generator) -> float:
        if float(torch.rand(1, generator=rng)) >= self.rescale_share:
            return 1.0
        low, high = _SCALES
        return low * math.pow(high / low, float(torch.rand(1, generator=rng)))
