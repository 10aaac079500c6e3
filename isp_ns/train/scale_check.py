"""Depth and labels of one photo at several sizes: what is shrunk before its mosaic should get the same answers.

They follow the scene and not the number of pixels, if the canonical grid of the heads does what it is for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from isp_ns.core.frame import Frame
from isp_ns.data.simulate import CameraArg
from isp_ns.io.pixels import as_planes, upright
from isp_ns.io.read import read_image
from isp_ns.nets.pooling import POOLED_LONG, pooled_size
from isp_ns.ops.resize import resize
from isp_ns.ops.transfer import decode, encode
from isp_ns.stages.neural_weights import heads_card
from isp_ns.train.perception_evaluate import heads_pipeline, shoot, shooting_protocol

__all__ = [
    "ASSUMED_FOCAL_35MM",
    "USUAL_SHRINKS",
    "Answer",
    "answer_on",
    "check_scales",
    "compare_answers",
    "shared_grid",
]

USUAL_SHRINKS = (6.0, 4.0, 2.0, 1.0)
"""What the sides are divided by."""

ASSUMED_FOCAL_35MM = 28.0
"""Focal length on 35-mm film of photos that do not tell theirs: about that of a phone's main camera."""

_SHORTEST_PX = 16


@dataclass(frozen=True)
class Answer:
    """What heads say of a photo at one size, on a grid that all sizes share.

    Attributes:
        depth_m: (1, h, w), the mean over each cell, or None.
        labels: (1, h, w), at the middle of each cell, or None.
    """

    depth_m: Tensor | None
    labels: Tensor | None


@dataclass(frozen=True)
class _Photo:
    """An upright picture (3, H, W), encoded for `space`, and where its focal length is from."""

    name: str
    picture: Tensor
    space: str
    focal_35mm: float
    focal_from: str

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[2]


def check_scales(
    photos: Sequence[Path],
    *,
    weights: str = "nyu-lite",
    shrinks: Sequence[float] = USUAL_SHRINKS,
    camera: CameraArg = "fictitious-full-frame",
    iso: float = 0.0,
    watch: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """Photograph pictures at several sizes and compare what heads say of them, each size with each.

    Args:
        photos: rendered pictures; JPEG, PNG, TIFF or WebP.
        weights: of the heads, by name or path.
        shrinks: what the sides are divided by, at least two numbers from 1 on.
        camera: that takes the pictures.
        iso: its sensitivity; 0 has no noise.
        watch: told after each size of each photo how many are done, and of how many.

    Returns:
        schema, protocol, photos, rows and worst. A row has photo, shrinks (two) and what `compare_answers` gives.

    Raises:
        DecodeError: if a photo cannot be read.
        FileNotFoundError: if there is no such camera.
        ModelError: for unknown weights.
        ValueError: for numbers that are no sizes, or photos that are too small for them.

    Source: our own.
    """
    if len(shrinks) < 2 or not all(1 <= shrink < float("inf") for shrink in shrinks):
        raise ValueError(f"sizes to compare are two or more numbers from 1 on, such as 6,4,2,1, not {_listed(shrinks)}")
    heads = heads_card(weights)
    tasks = [task for task in ("depth", "labels") if task in heads.domain["tasks"]]
    graph, space = heads_pipeline(weights, tasks)
    told: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for path in photos:
        photo = _read(path)
        sizes = [_shrunk_size(photo, shrink) for shrink in shrinks]
        answers = []
        for number, size in enumerate(sizes):
            frame = _shoot_at(photo, size, camera, iso, seed=number)
            answers.append(answer_on(shared_grid(sizes), graph.run(raw=frame, want=tasks)))
            watch(len(told) * len(sizes) + len(answers), len(photos) * len(sizes))
        told.append(_about(photo))
        for (a, first), (b, second) in combinations(zip(shrinks, answers, strict=True), 2):
            rows.append({"photo": photo.name, "shrinks": [a, b], **compare_answers(first, second)})
    protocol = {
        "task": "scales",
        "shrinks": list(shrinks),
        **shooting_protocol(heads, space, camera, iso),
        **_scale_protocol(tasks),
    }
    return {"schema": 1, "protocol": protocol, "photos": told, "rows": rows, "worst": _worst(rows)}


def shared_grid(sizes_px: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Rows and columns of the smallest grid on which heads answer for pictures of these sizes.

    Args:
        sizes_px: heights and widths.

    Source: half of the canonical grid, see `isp_ns.nets.pooling`.
    """
    grids = [(min(cells // 2, side) for cells, side in zip(pooled_size(*size), size, strict=True)) for size in sizes_px]
    rows, columns = (min(each) for each in zip(*grids, strict=True))
    return rows, columns


def answer_on(grid: tuple[int, int], found: Mapping[str, Frame]) -> Answer:
    """Bring the answers for a picture onto a grid.

    Args:
        grid: rows and columns.
        found: depth, labels or both, (1, H, W).

    Source: area mean of depth, nearest neighbour of labels.
    """
    depth = resize(found["depth"].data, grid, "area") if "depth" in found else None
    return Answer(depth, _middles(found["labels"].data, grid) if "labels" in found else None)


def compare_answers(first: Answer, second: Answer) -> dict[str, float | None]:
    """How much the answers at two sizes differ.

    Returns:
        depth_difference: median over the cells of the difference as a share of the smaller depth; None without depth.
        labels_equal: share of equal labels, of the cells that have in both answers no other label next to them; None
            without labels or such cells.
        label_cells: the share of such cells; None without labels.

    Source: our own.
    """
    difference = equal = share = None
    if first.depth_m is not None and second.depth_m is not None:
        larger = torch.maximum(first.depth_m, second.depth_m)
        difference = float((larger / torch.minimum(first.depth_m, second.depth_m)).median()) - 1
    if first.labels is not None and second.labels is not None:
        inside = ~(_at_border(first.labels) | _at_border(second.labels))
        share = float(inside.double().mean())
        equal = float((first.labels == second.labels)[inside].double().mean()) if share else None
    return {"depth_difference": difference, "labels_equal": equal, "label_cells": share}


def _read(path: Path) -> _Photo:
    image = read_image(path)
    picture = np.ascontiguousarray(upright(as_planes(image.data), image.meta.orientation))
    told = image.meta.focal_35mm
    focal, source = (told, "EXIF") if told else (ASSUMED_FOCAL_35MM, "assumed")
    return _Photo(path.name, torch.from_numpy(picture), image.meta.space or "srgb", focal, source)


def _shrunk_size(photo: _Photo, shrink: float) -> tuple[int, int]:
    height, width = (round(side / shrink) for side in photo.size)
    if min(height, width) < _SHORTEST_PX:
        raise ValueError(
            f"{photo.name}: 1/{shrink:g} of its sides is {width}x{height} pixels, below {_SHORTEST_PX}; "
            "take a larger photo or shrink it less"
        )
    return height, width


def _shoot_at(photo: _Photo, size_px: tuple[int, int], camera: CameraArg, iso: float, *, seed: int) -> Frame:
    """The photo as RAW of another size; means are taken of its light, as larger pixels would."""
    picture = photo.picture
    if size_px != photo.size:
        picture = encode(resize(decode(picture, photo.space), size_px, "area"), photo.space)
    return shoot(picture, camera, iso, focal_35mm=photo.focal_35mm, seed=seed, space=photo.space)


def _middles(labels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Labels (1, H, W) at the middles of the cells of a grid."""
    rows, columns = (
        (2 * torch.arange(cells) + 1) * side // (2 * cells) for cells, side in zip(grid, labels.shape[1:], strict=True)
    )
    return labels[:, rows[:, None], columns]


def _at_border(labels: Tensor) -> Tensor:
    """Cells (1, h, w) with another label among the eight around them."""
    values = labels.float()
    highest, lowest = F.max_pool2d(values, 3, 1, 1), -F.max_pool2d(-values, 3, 1, 1)
    return highest != lowest


def _about(photo: _Photo) -> dict[str, Any]:
    height, width = photo.size
    return {"name": photo.name, "size_px": [width, height], "focal_35mm": photo.focal_35mm, "focal": photo.focal_from}


def _worst(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    differences = [row["depth_difference"] for row in rows if row["depth_difference"] is not None]
    equal = [row["labels_equal"] for row in rows if row["labels_equal"] is not None]
    return {"depth_difference": max(differences, default=None), "labels_equal": min(equal, default=None)}


def _scale_protocol(tasks: Sequence[str]) -> dict[str, Any]:
    """How sizes are made and compared."""
    told: dict[str, Any] = {
        "seed": "place of the size in the list",
        "shrinking": "area mean of linear light, before the mosaic",
        "focal": f"that on 35-mm film of the photo, the same at all sizes; {ASSUMED_FOCAL_35MM:g} mm if it tells none",
        "tiles": "as isp-ns process cuts them",
        "compared": f"on the smallest grid of the answers, half of {POOLED_LONG} cells on the long side",
    }
    if "depth" in tasks:
        told["depth_difference"] = "mean over each cell; difference as a share of the smaller depth; median over cells"
    if "labels" in tasks:
        told["labels_equal"] = (
            "label at the middle of each cell; cells with another label next to them in either left out"
        )
    return told


def _listed(shrinks: Sequence[float]) -> str:
    return ",".join(f"{shrink:g}" for shrink in shrinks)
