"""SUN RGB-D in its official layout: one folder per picture, with depth, labels by name and the camera."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from isp_ns.core.errors import DecodeError, ModelError
from isp_ns.data.labelled import IGNORED, LabelTable, Sample, need_folder, read_picture, read_values

__all__ = ["SunRgbd"]

_WHERE = "https://rgbd.cs.princeton.edu (SUNRGBD.zip and SUNRGBDtoolbox.zip)"
_SPLIT_FILE = "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"


class SunRgbd(Dataset[Sample]):
    """SUN RGB-D: the folders named by the toolbox, each with image/, depth_bfx/, seg.mat and intrinsics.txt.

    Args:
        root: the folder that holds SUNRGBD and SUNRGBDtoolbox.
        split: "train" (5285) or "test" (5050).
        table: classes, by name.

    Raises:
        DecodeError: if a part is missing or cannot be read.
        ModelError: for an unknown split.

    Source: Song, Lichtenberg, Xiao 2015, "SUN RGB-D"; its toolbox for the coding of depth.
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        need_folder(root, ("SUNRGBD", _SPLIT_FILE), _WHERE)
        if split not in ("train", "test"):
            raise ModelError(f"SUN RGB-D has the splits train and test, not {split!r}")
        from scipy.io import loadmat

        stored = loadmat(root / _SPLIT_FILE, squeeze_me=True)[f"all{split}"]
        self.root, self.table = root, table
        self.folders = [_folder(root, str(name)) for name in np.atleast_1d(stored)]
        self._by_name = {name: label for label, name in enumerate(table.names)}

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> Sample:
        folder = self.folders[index]
        image = read_picture(_only(folder / "image"))
        depth = _depth_m(read_values(_only(folder / "depth_bfx")))
        focal_px = float((folder / "intrinsics.txt").read_text(encoding="utf-8").split()[0])
        return Sample(image, depth, self._labels(folder / "seg.mat"), focal_px, folder.name)

    def _labels(self, path: Path) -> Tensor:
        from scipy.io import loadmat

        try:
            content: dict[str, Any] = loadmat(path, squeeze_me=True)
        except (OSError, ValueError) as error:
            raise DecodeError(f"{path}: cannot be read ({error}); get the dataset from {_WHERE}") from error
        names = [str(name).replace("_", " ") for name in np.atleast_1d(content["names"])]
        table = torch.tensor([IGNORED, *(self._by_name.get(name, IGNORED) for name in names)])
        return table[torch.from_numpy(content["seglabel"].astype(np.int64))][None]


def _folder(root: Path, stored: str) -> Path:
    """The folder of a picture; the toolbox stores it with the path of its makers' machine."""
    _, _, tail = stored.partition("/SUNRGBD/")
    return root / "SUNRGBD" / (tail or stored)


def _only(folder: Path) -> Path:
    """The one file of a folder."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    if not files:
        raise DecodeError(f"{folder}: is absent or empty; get the dataset from {_WHERE}")
    return files[0]


def _depth_m(stored: Tensor) -> Tensor:
    """Stored values have their three lowest bits at the top; the rest is millimetres, 8 m at most."""
    turned = (stored >> 3) | ((stored << 13) & 0xFFFF)
    return (turned.float() / 1000).clamp(max=8.0)
