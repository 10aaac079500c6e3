"""NYU Depth V2: 1449 rooms with depth and labels, as a folder of pictures or as the official MATLAB file."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from isp_ns.core.errors import DecodeError, ModelError
from isp_ns.data.labelled import LabelTable, Sample, need_folder, read_picture, read_values, upscaled

__all__ = ["FOCAL_PX", "NyuV2", "NyuV2Official"]

FOCAL_PX = 518.9
"""Focal length of the colour camera in pixels at 640 × 480. Source: the dataset's toolbox (518.86)."""

_WHERE = "https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html"
_LEVELS_PER_M = 25.5
_SPLITS = ("train", "test")


def _split(name: str) -> str:
    if name not in _SPLITS:
        raise ModelError(f"NYU-v2 has the splits {' and '.join(_SPLITS)}, not {name!r}")
    return name


class NyuV2(Dataset[Sample]):
    """NYU-v2 as pictures: images/*.jpg, labels40/*.png, depth/*.png (metres × 25.5, 8 bits), train.txt and test.txt.

    Args:
        root: the folder.
        split: "train" (795) or "test" (654).
        table: classes.

    Raises:
        DecodeError: if a part is missing or cannot be read.
        ModelError: for an unknown split.

    Source: Silberman et al. 2012, "Indoor segmentation and support inference from RGBD images".
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        need_folder(root, ("images", "labels40", "depth", f"{_split(split)}.txt"), _WHERE)
        self.root, self.table = root, table
        self.names = (root / f"{split}.txt").read_text(encoding="utf-8").split()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        image = read_picture(self.root / "images" / f"{name}.jpg")
        size = (image.shape[1], image.shape[2])
        depth = upscaled(read_values(self.root / "depth" / f"{name}.png").float() / _LEVELS_PER_M, size)
        labels = self.table.labels(read_values(self.root / "labels40" / f"{name}.png"))
        return Sample(image, depth, labels, FOCAL_PX * size[1] / 640, name)


class NyuV2Official(Dataset[Sample]):
    """NYU-v2 as published: nyu_depth_v2_labeled.mat with splits.mat, and classMapping40.mat for the labels.

    Args:
        root: the folder.
        split: "train" (795) or "test" (654).
        table: classes, by NYU40 values from 0 (wall).

    Raises:
        DecodeError: if a part is missing.
        ModelError: for an unknown split, or without h5py.

    Source: Silberman et al. 2012; the mapping to 40 classes is Gupta et al. 2013's.
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        need_folder(root, ("nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"), _WHERE)
        from scipy.io import loadmat

        self.root, self.table = root, table
        numbers = loadmat(root / "splits.mat")[f"{_split(split)}Ndxs"]
        self.indices = [int(number) - 1 for number in numbers.ravel()]
        mapping = loadmat(root / "classMapping40.mat")["mapClass"].ravel().astype(np.int64)
        # 1 … 40 become 0 … 39; 0, unlabelled, becomes 39, which is ignored.
        self._to_40 = np.concatenate([[39], (mapping - 1) % 40])
        self._file: Any = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        file, place = self._opened(), self.indices[index]
        image = torch.from_numpy(np.ascontiguousarray(file["images"][place].transpose(0, 2, 1)))
        depth = torch.from_numpy(np.ascontiguousarray(file["depths"][place].T)).float()[None]
        stored = self._to_40[file["labels"][place].T.astype(np.int64)]
        labels = self.table.labels(torch.from_numpy(stored)[None])
        return Sample(image, depth, labels, FOCAL_PX * image.shape[2] / 640, f"{place + 1:04d}")

    def _opened(self) -> Any:
        if self._file is None:
            try:
                import h5py
            except ImportError as error:
                raise ModelError("the official NYU-v2 file needs h5py: pip install 'isp-ns[nyu]'") from error
            try:
                self._file = h5py.File(self.root / "nyu_depth_v2_labeled.mat", "r")
            except OSError as error:
                raise DecodeError(f"{self.root / 'nyu_depth_v2_labeled.mat'}: cannot be read ({error})") from error
        return self._file
