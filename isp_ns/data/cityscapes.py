"""Cityscapes in its official layout: leftImg8bit, gtFine, and disparity with camera where they are there."""

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from isp_ns.core.errors import DecodeError
from isp_ns.data.labelled import LabelTable, Sample, need_folder, read_picture, read_values

__all__ = ["Cityscapes"]

_WHERE = "https://www.cityscapes-dataset.com"


class Cityscapes(Dataset[Sample]):
    """Cityscapes: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and gtFine/SPLIT/CITY/*_gtFine_labelIds.png.

    Depth comes from disparity/ and camera/ where both are there: baseline · focal length / ((stored - 1) / 256).

    Args:
        root: the folder.
        split: "train", "val" or "test".
        table: classes, by labelIds.

    Raises:
        DecodeError: if a part is missing or cannot be read.

    Source: Cordts et al. 2016; the dataset's published README for disparity.
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        need_folder(root, (f"leftImg8bit/{split}", f"gtFine/{split}"), _WHERE)
        self.root, self.split, self.table = root, split, table
        self.paths = sorted((root / "leftImg8bit" / split).glob("*/*_leftImg8bit.png"))
        if not self.paths:
            raise DecodeError(f"{root / 'leftImg8bit' / split}: there are no pictures; get the dataset from {_WHERE}")

    def __len__(self) -> int:
        return len(self.paths)

    def _beside(self, kind: str, path: Path, ending: str) -> Path:
        return self.root / kind / self.split / path.parent.name / path.name.replace("_leftImg8bit.png", ending)

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        labels = self.table.labels(read_values(self._beside("gtFine", path, "_gtFine_labelIds.png")))
        camera, disparity = (
            self._beside("camera", path, "_camera.json"),
            self._beside("disparity", path, "_disparity.png"),
        )
        depth, focal_px = None, None
        if camera.is_file():
            baseline_m, focal_px = _camera(camera)
            depth = _depth(read_values(disparity), baseline_m * focal_px) if disparity.is_file() else None
        return Sample(read_picture(path), depth, labels, focal_px, path.name.removesuffix("_leftImg8bit.png"))


def _camera(path: Path) -> tuple[float, float]:
    """Baseline in metres and focal length in pixels."""
    try:
        camera = json.loads(path.read_text(encoding="utf-8"))
        return float(camera["extrinsic"]["baseline"]), float(camera["intrinsic"]["fx"])
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError(f"{path}: is not a camera of Cityscapes ({error})") from error


def _depth(stored: Tensor, baseline_px_m: float) -> Tensor:
    disparity = (stored.float() - 1) / 256
    return torch.where(disparity > 0, baseline_px_m / disparity.clamp(min=1e-6), 0.0)
