"""A page of test scenes: RAW, photo, depth and labels from one run, beside their truth; it needs no network or script.

Files are numbered; nothing that a dataset names becomes part of a path.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.data.labelled import IGNORED, LabelTable, Sample
from isp_ns.io.jpeg import encode_jpeg
from isp_ns.io.markup import BASE_SHEET
from isp_ns.io.pixels import as_planes
from isp_ns.io.png import encode_png
from isp_ns.metrics.depth import DepthScore
from isp_ns.metrics.labels import LabelScore
from isp_ns.train.scene_markup import ClassShare, Figure, Scene, page_html
from isp_ns.train.scene_pictures import depth_picture, depth_scale, label_picture, measured, mosaic_picture

__all__ = ["LINEAR_MOSAIC", "PHOTO", "ScenePage"]

LINEAR_MOSAIC = "level"
"""What a run calls the mosaic whose black is 0 and white 1."""

PHOTO = "image"
"""What a run calls the finished photo."""

INDEX, PICTURES = "index.html", "pictures"

_SHEET = Path(__file__).parent / "assets" / "scenes.css"
_STYLES = (BASE_SHEET.name, _SHEET.name)
_PNG_EFFORT = 6
_JPEG_QUALITY = 92


@dataclass
class ScenePage:
    """Writes the pictures of scenes as they come, then the page.

    Attributes:
        folder: new, empty, or with an earlier page, which the first scene replaces.
        table: classes of the labels.

    Raises:
        OutputError: if the folder holds anything else, or is a file.
    """

    folder: Path
    table: LabelTable
    _scenes: list[Scene] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        _check_folder(self.folder)

    def add(self, sample: Sample, found: Mapping[str, Frame]) -> None:
        """Write the pictures of a scene.

        Args:
            sample: the picture with its truth.
            found: `LINEAR_MOSAIC`, `PHOTO`, and depth in metres, labels or both, all of the picture's size.

        Raises:
            OutputError: if a picture cannot be written.
        """
        if not self._scenes:
            _make_folder(self.folder)
        depth, labels = (found[task].data if task in found else None for task in ("depth", "labels"))
        truths = [sample.depth if depth is not None else None, sample.labels if labels is not None else None]
        scale = depth_scale(depth, sample.depth) if depth is not None else None
        figures = [self._mosaic(found[LINEAR_MOSAIC]), self._photo(found[PHOTO])]
        if depth is not None and scale is not None:
            figures += self._maps("depth", [depth, truths[0]], lambda values: depth_picture(values, scale))
        if labels is not None:
            figures += self._maps("labels", [labels, truths[1]], lambda v: label_picture(v, self.table.colours))
        self._scenes.append(
            Scene(
                sample.name,
                tuple(figures),
                dict(_numbers(sample, depth, labels, self.table)),
                scale,
                _shares(labels, truths[1], self.table) if labels is not None else (),
                has_unknown=_has_unknown(*truths),
            )
        )

    def finish(self, result: Mapping[str, Any]) -> Path:
        """Write the page.

        Args:
            result: scores with their protocol.

        Returns:
            The path of index.html.

        Raises:
            OutputError: if it cannot be written.
        """
        self._put(INDEX, page_html(result, self._scenes, _STYLES).encode("utf-8"))
        return self.folder / INDEX

    def _mosaic(self, mosaic: Frame) -> Figure:
        return self._png("RAW", "tinted by its filters, brightened", mosaic_picture(mosaic))

    def _photo(self, photo: Frame) -> Figure:
        name = self._put(self._name("Photo", "jpg"), encode_jpeg(as_planes(photo.data), quality=_JPEG_QUALITY))
        return Figure("Photo", "by the pipeline neural", name, photo.size)

    def _maps(
        self, what: str, found_and_true: list[Tensor | None], draw: Callable[[Tensor], NDArray[Any]]
    ) -> list[Figure]:
        """The answer, and where there is one its truth, drawn alike."""
        titles = ((what.capitalize(), "found from the RAW"), (f"True {what}", "of the dataset, same colours"))
        return [
            self._png(title, note, draw(values))
            for (title, note), values in zip(titles, found_and_true, strict=True)
            if values is not None
        ]

    def _png(self, title: str, note: str, pixels: NDArray[Any]) -> Figure:
        name = self._put(self._name(title, "png"), encode_png(pixels, level=_PNG_EFFORT))
        return Figure(title, note, name, (pixels.shape[0], pixels.shape[1]))

    def _name(self, title: str, ending: str) -> str:
        return f"{PICTURES}/{len(self._scenes) + 1}-{title.lower().replace(' ', '-')}.{ending}"

    def _put(self, name: str, content: bytes) -> str:
        try:
            (self.folder / name).write_bytes(content)
        except OSError as error:
            raise OutputError(f"{self.folder / name}: cannot be written ({error.strerror})") from error
        return name


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder to --page")
    if folder.is_dir() and any(folder.iterdir()):
        others = {path.name for path in folder.iterdir()} - {INDEX, PICTURES, *_STYLES}
        if others or not _is_ours(folder / _SHEET.name):
            raise OutputError(f"{folder} is not empty and is no earlier page of scenes; give a new folder to --page")


def _is_ours(style: Path) -> bool:
    """Whether a style sheet begins as that of our pages does."""
    title = _SHEET.read_text(encoding="utf-8").partition(".")[0]
    return style.is_file() and style.read_text(encoding="utf-8", errors="replace").startswith(title)


def _make_folder(folder: Path) -> None:
    """The folder with its style sheets, and without an earlier page."""
    try:
        (folder / INDEX).unlink(missing_ok=True)
        if (folder / PICTURES).is_dir():
            shutil.rmtree(folder / PICTURES)
        (folder / PICTURES).mkdir(parents=True)
        for sheet in (BASE_SHEET, _SHEET):
            shutil.copyfile(sheet, folder / sheet.name)
    except OSError as error:
        raise OutputError(f"{folder}: the page cannot be written there ({error.strerror})") from error


def _numbers(
    sample: Sample, depth: Tensor | None, labels: Tensor | None, table: LabelTable
) -> Iterator[tuple[str, float]]:
    """Scores of one scene, of those of its answers that have a truth."""
    if depth is not None and sample.depth is not None and measured(sample.depth).any():
        depth_score = DepthScore()
        depth_score.update(depth, sample.depth)
        yield from depth_score.result().items()
    if labels is not None and sample.labels is not None and (sample.labels != IGNORED).any():
        label_score = LabelScore(table.names)
        label_score.update(labels, sample.labels)
        found = label_score.result()
        yield from ((name, found[name]) for name in ("miou", "pixel_accuracy"))


def _shares(labels: Tensor, truth: Tensor | None, table: LabelTable) -> tuple[ClassShare, ...]:
    """The classes that occur in the answer or in its truth, the most frequent first."""
    found, true = (_histogram(each, len(table.names)) for each in (labels, truth))
    shares = (ClassShare(*of_class) for of_class in zip(table.names, table.colours, found, true, strict=True))
    return tuple(sorted((s for s in shares if s.found or s.true), key=lambda s: -(s.found + s.true)))


def _histogram(labels: Tensor | None, count: int) -> list[float]:
    """The share of each class in the pixels that have one."""
    if labels is None:
        return [0.0] * count
    counts = torch.bincount(labels[labels != IGNORED].long(), minlength=count).double()
    return [float(share) for share in counts / counts.sum().clamp(min=1)]


def _has_unknown(depth: Tensor | None, labels: Tensor | None) -> bool:
    """Whether pixels of a truth that is shown are unknown."""
    unknown_depth = depth is not None and not bool(measured(depth).all())
    return unknown_depth or (labels is not None and bool((labels == IGNORED).any()))
