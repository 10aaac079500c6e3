"""Batches of features with their truth: encoded on the fly and seen a few times, or encoded once and kept in a file.

A batch depends on the recipe, the seed and the number of the step alone, so that a run resumes exactly.
"""

import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.nets.heads import CANONICAL_FOCAL_CELLS
from isp_ns.nets.pooling import mirror_cells, pack_cells, spread_cells
from isp_ns.train.feature_file import FeatureFile
from isp_ns.train.perception_recipe import PerceptionRecipe
from isp_ns.train.readers import Reader
from isp_ns.train.samples import Compact, Encoded, Samples
from isp_ns.train.views import Aspect, View, draw_index, draw_view, jitter_colour, view_picture, view_truth

__all__ = ["Batch", "CachedSource", "Drawing", "LiveSource", "Source", "encode_view", "log_focal", "seeded"]

_AHEAD = 2
"""Steps that are encoded ahead of the one that trains."""

_NARROWEST, _WIDEST = 0.1, 0.5


Batch = Encoded
"""What a step sees."""


class Source(Protocol):
    """Where batches come from."""

    steps_per_epoch: int

    def batch(self, step: int) -> Batch:
        """The batch of a step; steps are asked for in order, from any one on."""
        ...

    def close(self) -> None:
        """Stop what works ahead."""
        ...


class Drawing(Protocol):
    """What a recipe says about batches of cached features."""

    @property
    def batch(self) -> int:
        """Pictures per step."""
        ...

    @property
    def window(self) -> tuple[int, int] | None:
        """Rows and columns of the grid that a step looks at; all if None."""
        ...

    @property
    def enlarge(self) -> float:
        """Half of the pictures are enlarged on the grid by up to this factor."""
        ...

    @property
    def mix(self) -> float:
        """Share of the pictures in which a strip is another picture's."""
        ...


def seeded(*numbers: int) -> Generator:
    """A generator that depends on these numbers and on nothing else."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % (2**62)
    return torch.Generator().manual_seed(mixed)


def log_focal(focal_px: float | None, box_width: int, columns: int) -> float:
    """ln of the focal length over the canonical one, 0 where it is unknown.

    Metres as a camera of the canonical focal length would see them are metres over its exponential.

    Args:
        focal_px: focal length in pixels of the picture.
        box_width: pixels of the picture that the grid's columns span.
        columns: of the grid.

    Source: Yin et al. 2023, "Metric3D", ICCV, section 3.2 (canonical camera transformation of labels).
    """
    return math.log(focal_px * columns / box_width / CANONICAL_FOCAL_CELLS) if focal_px else 0.0


def encode_view(
    sample: Compact, view: View, reader: Reader, rng: Generator, colour: float = 0.0, coarse: int = 2
) -> Encoded:
    """One picture through a view, a camera and a reader, with its truth on the same grid.

    Args:
        sample: the picture.
        view: what is seen of it, and how large.
        reader: makes the features.
        rng: the source of randomness.
        colour: amount of change of colours, 0..1.
        coarse: squares of this many cells a side are packed into one.
    """
    picture = jitter_colour(view_picture(sample.image, view), rng, colour)
    pooled = reader.read(picture[None], rng)
    columns = pooled.shape[-1]
    pooled = pack_cells(pooled.float(), coarse)
    depth, labels = view_truth(sample.depth, sample.labels, view, (pooled.shape[-2], pooled.shape[-1]))
    focal = log_focal(sample.focal_px, view.box[3], columns)
    pooled = pooled.to(torch.bfloat16, memory_format=torch.channels_last)
    return Encoded(pooled, depth[None] / math.exp(focal), labels, torch.tensor([focal]))


def _enlarged(part: Encoded, zoom: float, rng: Generator) -> Encoded:
    """A random box of a picture on its whole grid, up to `zoom` times as large; half of the pictures stay as they are.

    What is twice as large is half as far for a camera of the same focal length.
    """
    if zoom == 1 or float(torch.rand((), generator=rng)) < 0.5:
        return part
    share = 1 / (1 + (zoom - 1) * float(torch.rand((), generator=rng)))
    size = (part.pooled.shape[-2], part.pooled.shape[-1])
    spans = [max(1, round(length * share)) for length in size]
    top, left = (int(torch.randint(n - m + 1, (), generator=rng)) for n, m in zip(size, spans, strict=True))
    box = (..., slice(top, top + spans[0]), slice(left, left + spans[1]))
    pooled = _enlarged_cells(part.pooled[box].float(), size)
    depth = F.interpolate(part.depth[box], size, mode="nearest-exact") * (spans[1] / size[1])
    labels = F.interpolate(part.labels[:, None][box].float(), size, mode="nearest-exact")[:, 0]
    focal = part.log_focal + math.log(size[1] / spans[1])
    return Encoded(pooled.to(part.pooled.dtype), depth, labels.to(part.labels.dtype), focal)


def _enlarged_cells(packed: Tensor, size: tuple[int, int]) -> Tensor:
    """Packed cells on a larger grid, their colours pixel by pixel."""
    colours, others = spread_cells(packed)
    side = colours.shape[-1] // others.shape[-1]
    colours = F.interpolate(colours, [side * length for length in size], mode="bilinear", align_corners=False)
    others = F.interpolate(others, size, mode="bilinear", align_corners=False)
    return torch.cat([F.pixel_unshuffle(colours, side), others], 1)


def _gather(parts: Sequence[Encoded], window: tuple[int, int] | None, rng: Generator, zoom: float = 1.0) -> Batch:
    """Pictures of one grid as a batch: some enlarged, all through one random window, half of them mirrored."""
    parts = [_enlarged(part, zoom, rng) for part in parts]
    size = parts[0].pooled.shape[-2:]
    spans = [min(length, wanted) for length, wanted in zip(size, window or size, strict=True)]
    top, left = (int(torch.randint(n - m + 1, (), generator=rng)) for n, m in zip(size, spans, strict=True))
    rows, columns = slice(top, top + spans[0]), slice(left, left + spans[1])
    turned = (torch.rand(len(parts), generator=rng) < 0.5).tolist()
    seen = []
    for part, turn in zip(parts, turned, strict=True):
        pooled, depth, labels = (x[..., rows, columns] for x in (part.pooled, part.depth, part.labels))
        seen.append((mirror_cells(pooled), depth.flip(-1), labels.flip(-1)) if turn else (pooled, depth, labels))
    pooled, depth, labels = (torch.cat(column) for column in zip(*seen, strict=True))
    focal = torch.cat([part.log_focal for part in parts])
    return Encoded(pooled.contiguous(memory_format=torch.channels_last), depth, labels, focal)


def _mixed(batch: Batch, share: float, rng: Generator) -> Batch:
    """A batch in which a share of the pictures have a strip of the one before them, at the same place.

    Strips are as high as the picture, so that floors stay below and ceilings above.

    Source: Yun et al. 2019, "CutMix" (arXiv 1905.04899), with strips for boxes, and the truth of every cell instead of
        mixed labels.
    """
    if not share:
        return batch
    chosen = torch.rand(len(batch.pooled), generator=rng) < share
    wholes = (batch.pooled, batch.depth, batch.labels)
    pooled, depth, labels = (whole.clone() for whole in wholes)
    for index in chosen.nonzero().flatten().tolist():
        strip = _strip(batch.pooled.shape[-1], rng)
        for part, whole in zip((pooled, depth, labels), wholes, strict=True):
            part[index, ..., strip] = whole[index - 1, ..., strip]
    return Encoded(pooled, depth, labels, batch.log_focal)


def _strip(columns: int, rng: Generator) -> slice:
    """Random columns, a tenth to a half of all."""
    share, place = torch.rand(2, generator=rng).tolist()
    width = max(1, round(columns * (_NARROWEST + (_WIDEST - _NARROWEST) * share)))
    left = int(place * (columns - width + 1))
    return slice(left, left + width)


class LiveSource:
    """Views, RAW and features made while training, by a thread of its own.

    Each step encodes a few new pictures; the rest of its batch are recent ones of the same aspect, seen again in
    another mirror image.

    Args:
        samples: to train on.
        reader: what makes features of pictures.
        recipe: views, batch, fresh and memory.
        seed: of everything random.

    Source: Choi et al. 2019, "Faster neural network training with data echoing" (arXiv 1907.05550).
    """

    def __init__(self, samples: Samples, reader: Reader, recipe: PerceptionRecipe, seed: int) -> None:
        self.samples, self.reader, self.recipe, self.seed = samples, reader, recipe, seed
        self.steps_per_epoch = -(-len(samples) // recipe.fresh)
        self._aspects: list[Aspect] = [_aspect(name) for name in recipe.views.aspects]
        again = recipe.batch > recipe.fresh
        self._sets = max(1, recipe.memory // recipe.fresh) if again else 0
        self._recent: list[deque[list[Encoded]]] = [deque(maxlen=self._sets) for _ in self._aspects]
        self._pool = ThreadPoolExecutor(1, "encode")
        self._ahead: deque[Future[Batch]] = deque()
        self._next = -1

    def aspect(self, step: int) -> int:
        """Index of the aspect of a step."""
        return draw_index(list(self.recipe.views.aspects.values()), seeded(self.seed, 1, step))

    def _indices(self, step: int) -> list[int]:
        """Pictures of a step: each once per epoch, in an order of the epoch's own."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.samples), generator=seeded(self.seed, 2, epoch)).tolist()
        chosen = order[place * self.recipe.fresh : (place + 1) * self.recipe.fresh]
        return (chosen + order)[: self.recipe.fresh]

    @torch.no_grad()
    def encode(self, step: int) -> list[Encoded]:
        """The new pictures of a step."""
        rng, views = seeded(self.seed, 3, step), self.recipe.views
        aspect = self._aspects[self.aspect(step)]
        parts = []
        for index in self._indices(step):
            sample = self.samples[index]
            view = draw_view(sample.size, aspect, rng, zoom=views.zoom, scales=views.scales)
            parts.append(encode_view(sample, view, self.reader, rng, views.colour, self.recipe.coarse))
        return parts

    @torch.no_grad()
    def _make(self, step: int) -> Batch:
        """The batch of a step; only ever called for one step after the other."""
        kept, rng = self._recent[self.aspect(step)], seeded(self.seed, 4, step)
        fresh, recent = self.encode(step), [part for parts in kept for part in parts]
        older = torch.randperm(len(recent), generator=rng)[: self.recipe.batch - self.recipe.fresh].tolist()
        kept.append(fresh)
        batch = _gather([*fresh, *(recent[index] for index in older)], self.recipe.window, rng)
        return _mixed(batch, self.recipe.mix, rng)

    def _start(self, step: int) -> None:
        """Fill the memory with what it would hold after the steps before, and begin to work ahead."""
        while self._ahead:
            self._ahead.popleft().result()
        for kept in self._recent:
            kept.clear()
        missing, wanted = [self._sets] * len(self._aspects), []
        for past in range(step - 1, -1, -1):
            if not any(missing):
                break
            if missing[self.aspect(past)] > 0:
                missing[self.aspect(past)] -= 1
                wanted.append(past)
        for past in reversed(wanted):
            self._recent[self.aspect(past)].append(self.encode(past))
        self._ahead.extend(self._pool.submit(self._make, step + ahead) for ahead in range(_AHEAD))

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        if step != self._next:
            self._start(step)
        self._next = step + 1
        batch = self._ahead.popleft().result()
        self._ahead.append(self._pool.submit(self._make, step + _AHEAD))
        return batch

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown(cancel_futures=True)


def _aspect(name: str) -> Aspect:
    width, _, height = name.partition(":")
    return int(width), int(height)


class CachedSource:
    """Features encoded once, several variants of each picture, drawn with mirror images and windows.

    Args:
        file: features of all variants, variant by variant.
        pictures: how many there are of each variant.
        recipe: batch and window.
        seed: of everything random.
    """

    def __init__(self, file: FeatureFile, pictures: int, recipe: Drawing, seed: int) -> None:
        self.file, self.pictures, self.recipe, self.seed = file, pictures, recipe, seed
        self.variants = len(file) // pictures
        self.steps_per_epoch = -(-pictures // recipe.batch)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        size = self.recipe.batch
        order = torch.randperm(self.pictures, generator=seeded(self.seed, 2, epoch)).tolist()
        chosen = (order[place * size : (place + 1) * size] + order)[:size]
        rng = seeded(self.seed, 4, step)
        variants = torch.randint(self.variants, (len(chosen),), generator=rng).tolist()
        parts = [self.file[v * self.pictures + i] for v, i in zip(variants, chosen, strict=True)]
        return _mixed(_gather(parts, self.recipe.window, rng, self.recipe.enlarge), self.recipe.mix, rng)

    def close(self) -> None:
        """Nothing works ahead here."""
