"""The pictures of a page: renderings, difference maps and crops, written as they are made.

Files are numbered; nothing that a user named becomes part of a path.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from isp_ns.compare.areas import cut
from isp_ns.compare.differences import coloured, difference_map, disagreement_map, map_step, most_different
from isp_ns.core.errors import OutputError
from isp_ns.core.meta import Box
from isp_ns.io.markup import BASE_SHEET
from isp_ns.io.pixels import as_planes, interleave
from isp_ns.io.png import encode_png

__all__ = ["CROP_PX", "DISAGREEMENT", "TRUTH", "Gallery", "Scene", "prepare_folder"]

TRUTH = "truth"
"""How the true picture is called among the pipelines of a page."""

DISAGREEMENT = "disagreement"
CROP_PX = 96
CROPS = 4
LOSSLESS_PIXELS = 2_500_000
"""Larger pictures are shown as JPEG; numbers and crops are never made from those."""

JPEG_QUALITY = 95
_SCRIPT = Path(__file__).parent / "assets" / "page.js"
_ASSETS = (_SCRIPT, _SCRIPT.with_name("style.css"), BASE_SHEET)
_PARTS = ("assets", "pictures")
_OWN_FILES = ("index.html", "results.json", "results.md")


@dataclass(frozen=True)
class Scene:
    """One photograph on the page.

    Attributes:
        case: its number, as in the rows.
        title: for people.
        width_px, height_px: of all its pictures.
        pictures: file of each rendering and of the truth, by name.
        maps: file of each difference map, by pipeline, and of the disagreement.
        crops: the places where the pipelines differ most, each with its files by name; none of a single picture.
        disagreement: mean of the disagreement map, ΔE.
        reference: what the maps are against.
    """

    case: int
    title: str
    width_px: int
    height_px: int
    pictures: Mapping[str, str]
    maps: Mapping[str, str]
    crops: tuple[Mapping[str, Any], ...]
    disagreement: float
    reference: str


@dataclass
class Gallery:
    """Writes the pictures of one page.

    Attributes:
        folder: of the page; None keeps the measures and writes nothing.
        most: how many photographs are shown; those whose renderings differ least are dropped.
    """

    folder: Path | None
    most: int
    scenes: list[Scene] = field(default_factory=list)

    def add(
        self, case: int, title: str, images: Mapping[str, Tensor], truth: Tensor | None
    ) -> Mapping[str, float | None]:
        """Write the pictures of a photograph.

        Args:
            case: its number.
            title: for people.
            images: aligned renderings (3, H, W) in sRGB, 0..1, by pipeline.
            truth: the true picture.

        Returns:
            Mean ΔE2000 to the reference by pipeline; None for the reference itself.
        """
        reference, target = (TRUTH, truth) if truth is not None else next(iter(images.items()))
        step = map_step((target.shape[1], target.shape[2]))
        thin = {name: image[:, ::step, ::step] for name, image in images.items()}
        maps = {
            name: difference_map(image, target[:, ::step, ::step]) for name, image in thin.items() if name != reference
        }
        disagreement = disagreement_map(list(thin.values()))
        if self.folder is not None:
            shown = {**images, **({TRUTH: truth} if truth is not None else {})}
            self._write(case, title, shown, maps, disagreement, reference)
        return {name: float(maps[name].mean()) if name in maps else None for name in images}

    def finish(self) -> list[Scene]:
        """Drop photographs beyond `most`; the rest in their order."""
        ranked = sorted(self.scenes, key=lambda scene: -scene.disagreement)
        for scene in ranked[self.most :]:
            shutil.rmtree(self._pictures / str(scene.case), ignore_errors=True)
        kept = {scene.case for scene in ranked[: self.most]}
        return [scene for scene in self.scenes if scene.case in kept]

    @property
    def _pictures(self) -> Path:
        if self.folder is None:
            raise OutputError("a comparison without a page has no pictures")
        return self.folder / "pictures"

    def _write(
        self,
        case: int,
        title: str,
        images: Mapping[str, Tensor],
        maps: Mapping[str, Tensor],
        disagreement: Tensor,
        reference: str,
    ) -> None:
        here = self._pictures / str(case)
        here.mkdir(parents=True, exist_ok=True)
        pictures = {name: self._picture(here / f"{i}", image) for i, (name, image) in enumerate(images.items())}
        drawn = {**maps, **({DISAGREEMENT: disagreement} if len(images) - (TRUTH in images) > 1 else {})}
        map_files = {
            name: self._picture(here / f"map{i}", coloured(values)) for i, (name, values) in enumerate(drawn.items())
        }
        chosen = disagreement if DISAGREEMENT in drawn else next(iter(maps.values()), disagreement)
        height, width = next(iter(images.values())).shape[1:]
        step = map_step((height, width))
        boxes = most_different(chosen, CROP_PX // step, CROPS) if len(images) > 1 else []
        crops = tuple(self._crop(here, n, box, step, images, chosen) for n, box in enumerate(boxes))
        mean = float(disagreement.mean())
        self.scenes.append(Scene(case, title, width, height, pictures, map_files, crops, mean, reference))

    def _crop(
        self, here: Path, number: int, box: Box, step: int, images: Mapping[str, Tensor], values: Tensor
    ) -> Mapping[str, Any]:
        difference = float(values[box[0] : box[2], box[1] : box[3]].mean())
        top, left, bottom, right = (step * side for side in box)
        files = {
            name: self._lossless(here / f"crop{number}-{i}.png", cut(image, (top, left, bottom, right)))
            for i, (name, image) in enumerate(images.items())
        }
        return {"x": left, "y": top, "width": right - left, "height": bottom - top, "delta": difference, "files": files}

    def _picture(self, path: Path, image: Tensor) -> str:
        if image.shape[1] * image.shape[2] <= LOSSLESS_PIXELS:
            return self._lossless(path.with_suffix(".png"), image)
        from isp_ns.io.jpeg import encode_jpeg

        target = path.with_suffix(".jpg")
        return self._put(target, encode_jpeg(as_planes(image), quality=JPEG_QUALITY, subsampling="444"))

    def _lossless(self, path: Path, image: Tensor) -> str:
        import numpy as np

        return self._put(path, encode_png(interleave(as_planes(image), np.uint8)))

    def _put(self, path: Path, content: bytes) -> str:
        path.write_bytes(content)
        return path.relative_to(self._pictures.parent).as_posix()


def prepare_folder(folder: Path) -> None:
    """Make the page's folder with its script and styles, or clear an earlier page from it.

    Raises:
        OutputError: if it holds anything but an earlier page, or cannot be used.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            others = sorted(path.name for path in folder.iterdir() if path.name not in (*_PARTS, *_OWN_FILES))
            if others or not (folder / "assets" / _SCRIPT.name).is_file():
                raise OutputError(f"{folder} is not empty and is no earlier page; give a new folder to -o")
            for part in _PARTS:
                shutil.rmtree(folder / part, ignore_errors=True)
        (folder / "assets").mkdir(parents=True)
        for source in _ASSETS:
            shutil.copyfile(source, folder / "assets" / source.name)
    except OSError as error:
        raise OutputError(f"{folder}: the page cannot be written there ({error.strerror})") from error
