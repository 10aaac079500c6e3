"""Pictures of several cameras with one class each: features encoded once per camera, on a coarse grid."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Generator, Tensor

from isp_ns.core.errors import ModelError
from isp_ns.data.datasets import open_dataset
from isp_ns.data.labelled import LabelTable
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.domains_recipe import DomainsRecipe
from isp_ns.train.feature_file import FeatureFile, cached_features
from isp_ns.train.feature_source import CachedSource, encode_view, seeded
from isp_ns.train.manifest import data_root
from isp_ns.train.perception_run import frozen_space, picked
from isp_ns.train.readers import Reader, build_reader
from isp_ns.train.samples import Encoded, Pictures, Samples
from isp_ns.train.views import View, draw_view, whole_view

__all__ = ["DomainData", "scene_class", "scene_labels"]

_VALUES = 256


def scene_labels(table: LabelTable, leave_out: Sequence[str]) -> tuple[int, ...]:
    """The labels that a picture can be named after, in the order of the table.

    Raises:
        ModelError: if a name is not in the table, or fewer than two labels are left.
    """
    unknown = sorted(set(leave_out) - set(table.names))
    labels = tuple(label for label, name in enumerate(table.names) if name not in leave_out)
    if unknown or len(labels) < 2:
        raise ModelError(f"leave_out: {unknown} are no labels, or too few are left; there are {', '.join(table.names)}")
    return labels


def scene_class(labels: Tensor, named: Sequence[int]) -> int | None:
    """What a picture shows: which of some labels covers the largest area.

    Args:
        labels: integers 0..255 of any shape, 255 where unknown.
        named: the labels that count.

    Returns:
        An index into `named`, the first of equals; None if there is none of them.
    """
    areas = torch.bincount(labels.flatten().long(), minlength=_VALUES)[list(named)]
    return int(areas.argmax()) if areas.any() else None


def _image_level(encoded: Encoded, scene: int) -> Encoded:
    """The class of a picture is a map of one cell."""
    return Encoded(encoded.pooled, torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1), scene, dtype=torch.uint8))


@dataclass
class DomainData:
    """What all methods of a recipe share: pictures, space, and each camera's features.

    Attributes:
        recipe: what to do.
        splits: labelled pictures to train and to score on.
        space: frozen.
        digest: of the weights that make features.
        folder: of cached features.
        named: labels that a picture can be named after.
    """

    recipe: DomainsRecipe
    splits: tuple[Pictures, Pictures]
    space: NeuralSpace
    digest: str
    folder: Path
    named: tuple[int, ...]

    @classmethod
    def open(cls, recipe: DomainsRecipe, data: Path | None, folder: Path) -> "DomainData":
        """Load space and dataset.

        Raises:
            ModelError: if there is no such space or label, or no data.
            DecodeError: if the dataset is not as it should be.
        """
        space, digest = frozen_space(recipe.space)
        root = data_root(data) / recipe.folder
        train, test = (open_dataset(recipe.dataset, root, split, recipe.labels) for split in recipe.splits)
        return cls(recipe, (train, test), space, digest, folder, scene_labels(train.table, recipe.leave_out))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.splits[0].table.names[label] for label in self.named)

    def reader(self, domain: str) -> Reader:
        """What makes features of pictures of a camera."""
        return build_reader(self.recipe.input, self.space, self.recipe.domains[domain])

    def _view(self, size: tuple[int, int], rng: Generator, training: bool) -> View:
        if not training:
            return whole_view(size, self.recipe.scale)
        views = self.recipe.views
        width, _, height = next(iter(views.aspects)).partition(":")
        return draw_view(size, (int(width), int(height)), rng, zoom=views.zoom, scales=views.scales)

    def _encode(self, domain: str, split: int) -> Iterator[Encoded]:
        """Features of all pictures of a split that have a class, variant by variant."""
        recipe, training, reader = self.recipe, split == 0, self.reader(domain)
        samples, found = Samples(self.splits[split], ("labels",), keep=False), 0
        limit = None if recipe.pictures is None else recipe.pictures[split]
        for variant in range(recipe.variants if training else 1):
            for index in picked(len(samples), limit):
                sample = samples[index]
                scene = None if sample.labels is None else scene_class(sample.labels, self.named)
                if scene is None:
                    continue
                rng = seeded(crc32(domain.encode()), split, variant, index)
                view, colour = self._view(sample.size, rng, training), recipe.views.colour if training else 0.0
                with torch.no_grad():
                    encoded = encode_view(sample, view, reader, rng, colour, recipe.coarse)
                found += 1
                yield _image_level(encoded, scene)
        if not found:
            raise ModelError(
                f"{recipe.dataset}: no picture of the split {recipe.splits[split]} shows any of the labels"
            )

    def features(self, domain: str, split: int) -> FeatureFile:
        """Features of a camera, from a file of earlier or made now.

        Args:
            domain: the camera.
            split: 0 to train, 1 to score on.
        """
        recipe = self.recipe
        settings: dict[str, Any] = {
            **{name: getattr(recipe, name) for name in ("input", "dataset", "labels", "leave_out", "coarse")},
            "space": self.digest,
            "split": recipe.splits[split],
            "cameras": asdict(recipe.domains[domain]),
            "pictures": recipe.pictures and recipe.pictures[split],
        }
        settings |= {"scale": recipe.scale} if split else {"views": asdict(recipe.views), "variants": recipe.variants}
        name = f"{('train', 'test')[split]}-{domain}"
        return cached_features(self.folder, name, settings, lambda: self._encode(domain, split))

    def source(self, domain: str, seed: int) -> CachedSource:
        """Batches of a camera's training pictures; two cameras have an order each, whoever is trained on them."""
        file = self.features(domain, 0)
        pictures = len(file) // self.recipe.variants
        return CachedSource(file, pictures, self.recipe, crc32(domain.encode()) + seed)

    def counts(self, split: int) -> list[int]:
        """Pictures of each class; the same for every camera."""
        file = self.features(next(iter(self.recipe.domains)), split)
        pictures = len(file) // (1 if split else self.recipe.variants)
        scenes = torch.tensor([int(file[index].labels) for index in range(pictures)])
        return [int(count) for count in torch.bincount(scenes, minlength=len(self.named))]
