"""Features of many pictures in one file, mapped into memory: written once, read by every run of a comparison."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from isp_ns.core.errors import ModelError
from isp_ns.train.samples import Encoded

__all__ = ["FeatureFile", "cached_features"]


_LAYOUT = 2
"""Of the files; those of another one are not read, but made anew."""


class FeatureFile:
    """Encoded pictures by index.

    Args:
        path: of the file; its index is beside it, with the suffix .json.

    Raises:
        ModelError: if file and index do not belong together.
    """

    def __init__(self, path: Path) -> None:
        index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self._shapes: list[tuple[int, int, int]] = [tuple(shape) for shape in index["shapes"]]
        sizes = [c * h * w for c, h, w in self._shapes]
        self._starts = [0, *torch.tensor(sizes).cumsum(0).tolist()]
        if path.stat().st_size != 2 * self._starts[-1]:
            raise ModelError(f"{path}: the features and their index do not belong together; delete both")
        self._values = torch.from_file(str(path), shared=False, size=self._starts[-1], dtype=torch.bfloat16)
        truth = torch.load(path.with_suffix(".truth.pt"), weights_only=True)
        self._depth, self._labels, self._log_focal = truth["depth"], truth["labels"], truth["log_focal"]

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> Encoded:
        channels, rows, columns = self._shapes[index]
        values = self._values[self._starts[index] : self._starts[index + 1]]
        pooled = values.view(1, rows, columns, channels).permute(0, 3, 1, 2)
        return Encoded(pooled, self._depth[index].float(), self._labels[index], self._log_focal[index])


def _write(path: Path, pictures: Iterable[Encoded]) -> None:
    """Write file, truth and index; the index comes last, so that a file without one is known to be unfinished."""
    shapes, depth, labels, log_focal = [], [], [], []
    with path.open("wb") as file:
        for encoded in pictures:
            shapes.append(list(encoded.pooled.shape[1:]))
            last = encoded.pooled.permute(0, 2, 3, 1).contiguous()
            file.write(last.view(torch.int16).numpy().tobytes())
            depth.append(encoded.depth.half())
            labels.append(encoded.labels)
            log_focal.append(encoded.log_focal)
    torch.save({"depth": depth, "labels": labels, "log_focal": log_focal}, path.with_suffix(".truth.pt"))
    path.with_suffix(".json").write_text(json.dumps({"shapes": shapes}), encoding="utf-8")


def cached_features(
    folder: Path, name: str, settings: dict[str, Any], encode: Callable[[], Iterable[Encoded]]
) -> FeatureFile:
    """Features from a file of earlier, or made now.

    Args:
        folder: of the files.
        name: part of the file's name.
        settings: everything that the features depend on; others make another file.
        encode: makes the features, one picture at a time.

    Returns:
        The features.
    """
    told = json.dumps({**settings, "layout": _LAYOUT}, sort_keys=True, default=str)
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    path = folder / f"{name}-{digest}.features"
    if not path.with_suffix(".json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, encode())
    return FeatureFile(path)
