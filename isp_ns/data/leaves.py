"""Leaf litter: a procedural picture with the statistics of natural images, for benchmarks without a photograph."""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["dead_leaves"]


def dead_leaves(size: tuple[int, int], seed: int = 0, *, least_px: float = 3.0, largest_px: float = 200.0) -> Tensor:
    """Leaf litter: opaque coloured discs of all sizes, each hiding what lies below; its statistics are natural.

    The picture joins itself at its edges, so that it can be laid as a tile.

    Args:
        size: height and width in pixels.
        seed: same seed, same picture.
        least_px: smallest radius.
        largest_px: largest radius.

    Returns:
        (3, H, W) linear sRGB in 0..1.

    Raises:
        ValueError: unless 0 < least_px < largest_px.

    Source: Lee, Mumford and Huang 2001, "Occlusion models for natural images", IJCV 41: density of radii r⁻³.
    """
    if not 0 < least_px < largest_px:
        raise ValueError(f"radii from {least_px} to {largest_px} pixels cannot be drawn; use 0 < least < largest")
    rng = torch.Generator().manual_seed(seed)
    height, width = size
    # Each size is scattered to cover the picture a few times over, whatever the picture's size.
    octaves = max(1, round(math.log2(largest_px / least_px)))
    area = math.pi * 2.0 * least_px**2 * octaves * math.log(2.0)
    count = min(round(6.0 * height * width / area), 60_000)
    steps = torch.rand(count, generator=rng)
    radii = 1.0 / torch.sqrt(steps / least_px**2 + (1.0 - steps) / largest_px**2)
    places = torch.rand(count, 2, generator=rng) * torch.tensor([height, width])
    hues = 1.0 + 0.7 * (torch.rand(count, 3, generator=rng) - 0.5)
    colours = hues * 0.72 * torch.rand(count, 1, generator=rng).square()
    picture = np.full((height, width, 3), 0.2, dtype=np.float32)
    for radius, (y, x), colour in zip(radii.tolist(), places.tolist(), colours.numpy(), strict=True):
        rows = np.arange(math.floor(y - radius), math.ceil(y + radius) + 1)
        columns = np.arange(math.floor(x - radius), math.ceil(x + radius) + 1)
        inside = (rows[:, None] - y) ** 2 + (columns - x) ** 2 <= radius**2
        down, right = inside.nonzero()
        picture[rows[down] % height, columns[right] % width] = colour
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()
