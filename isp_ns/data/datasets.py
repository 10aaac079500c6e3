"""The labelled datasets by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from isp_ns.core.errors import ModelError
from isp_ns.data.camvid import CamVid
from isp_ns.data.cityscapes import Cityscapes
from isp_ns.data.labelled import LabelTable, Sample, load_label_table
from isp_ns.data.nyuv2 import NyuV2, NyuV2Official
from isp_ns.data.pascal_context import PascalContext
from isp_ns.data.sunrgbd import SunRgbd

__all__ = ["DATASETS", "open_dataset"]


def _nyuv2(root: Path, split: str, table: LabelTable) -> Dataset[Sample]:
    official = (root / "nyu_depth_v2_labeled.mat").is_file()
    return NyuV2Official(root, split, table) if official else NyuV2(root, split, table)


DATASETS: dict[str, tuple[Callable[[Path, str, LabelTable], Any], tuple[str, ...]]] = {
    "nyuv2": (_nyuv2, ("nyu13", "nyu40")),
    "camvid": (CamVid, ("camvid11",)),
    "cityscapes": (Cityscapes, ("cityscapes19", "cityscapes7")),
    "pascal-context": (PascalContext, ("pascal59",)),
    "sunrgbd": (SunRgbd, ("sunrgbd37",)),
}
"""Name → what opens the dataset, and the class tables that fit it, the usual one first."""


def open_dataset(name: str, root: Path, split: str, labels: str = "") -> Any:
    """A dataset of `Sample`s with its class table as `table`.

    Args:
        name: a key of `DATASETS`.
        root: its folder.
        split: such as "train".
        labels: name of the class table; the usual one if left out.

    Raises:
        ModelError: for an unknown dataset, split, or class table that does not fit.
        DecodeError: if a part of the dataset is missing.
    """
    if name not in DATASETS:
        raise ModelError(f"there is no dataset {name!r}; there are {', '.join(DATASETS)}")
    make, tables = DATASETS[name]
    if labels and labels not in tables:
        raise ModelError(f"dataset {name} has the labels {', '.join(tables)}, not {labels!r}")
    return make(root, split, load_label_table(labels or tables[0]))
