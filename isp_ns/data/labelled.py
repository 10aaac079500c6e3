"""Labelled pictures: what one sample holds, and tables of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from isp_ns import content
from isp_ns.core.errors import DecodeError, ModelError

__all__ = [
    "IGNORED",
    "LabelTable",
    "Sample",
    "load_label_table",
    "need_folder",
    "read_picture",
    "read_values",
    "upscaled",
]

IGNORED = 255
"""The label of pixels that do not count."""


@dataclass(frozen=True)
class Sample:
    """A picture and what is known about it.

    Attributes:
        image: uint8 (3, H, W), gamma-coded sRGB.
        depth: float32 (1, H, W) metres, 0 where unknown, or None.
        labels: int64 (1, H, W), 255 where unknown, or None.
        focal_px: focal length in pixels of the picture, or None.
        name: of the picture.
    """

    image: Tensor
    depth: Tensor | None
    labels: Tensor | None
    focal_px: float | None
    name: str


@dataclass(frozen=True)
class LabelTable:
    """The classes of a protocol.

    Attributes:
        name: of the table.
        protocol: tag that results carry.
        names: of the classes, in the order of the labels.
        colours: 8-bit sRGB of each class.
        values: stored values that mean each class; all others are ignored.
    """

    name: str
    protocol: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    values: tuple[tuple[int, ...], ...]

    def labels(self, stored: Tensor) -> Tensor:
        """Stored values, integers of any shape, to labels, int64, 255 where there is no class."""
        highest = max(int(stored.max()) if stored.numel() else 0, *(max(each) for each in self.values))
        table = torch.full((highest + 2,), IGNORED)
        for label, values in enumerate(self.values):
            table[list(values)] = label
        return table[stored.long().clamp(min=-1)]


def load_label_table(name: str) -> LabelTable:
    """A table of classes that ships with the library, such as "nyu13", or a YAML file.

    Raises:
        ModelError: if it is not there, or makes no sense.
    """
    try:
        document = yaml.safe_load(content.find("data_tools/labels", name).read_text(encoding="utf-8"))
        classes = document["classes"]
        return LabelTable(
            Path(name).stem,
            str(document["protocol"]),
            tuple(str(each["name"]) for each in classes),
            tuple((int(r), int(g), int(b)) for r, g, b in (each["colour"] for each in classes)),
            tuple(tuple(int(value) for value in each["values"]) for each in classes),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: this is no table of classes ({error})") from error


def need_folder(root: Path, parts: Sequence[str], where: str) -> None:
    """See that a dataset is there.

    Args:
        root: its folder.
        parts: files and folders that must be in it.
        where: where one gets it.

    Raises:
        DecodeError: naming what is missing.
    """
    missing = [part for part in parts if not (root / part).exists()]
    if missing:
        raise DecodeError(f"{root}: there is no {' and no '.join(missing)} in it; get the dataset from {where}")


def read_picture(path: Path) -> Tensor:
    """An 8-bit RGB picture as uint8 (3, H, W).

    Raises:
        DecodeError: if the file cannot be read as a picture.
    """
    return torch.from_numpy(_open(path, "RGB")).permute(2, 0, 1).contiguous()


def read_values(path: Path) -> Tensor:
    """Stored values of a one-channel or palette picture, 8 or 16 bits, as int64 (1, H, W).

    Raises:
        DecodeError: if the file cannot be read so.
    """
    values = _open(path, None)
    if values.ndim != 2:
        raise DecodeError(f"{path}: expected one value per pixel, got {values.shape[2]}; check the dataset's layout")
    return torch.from_numpy(values.astype(np.int64))[None]


def _open(path: Path, mode: str | None) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.array(image.convert(mode) if mode else image)
    except (OSError, UnidentifiedImageError) as error:
        raise DecodeError(f"{path}: cannot be read as a picture ({error}); check the dataset") from error


def upscaled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Truth (1, h, w) of every n-th row and column, on the grid of its picture (1, H, W), by repetition."""
    if (values.shape[-2], values.shape[-1]) == size:
        return values
    rows = torch.arange(size[0]) * values.shape[-2] // size[0]
    columns = torch.arange(size[1]) * values.shape[-1] // size[1]
    return values[..., rows[:, None], columns]
