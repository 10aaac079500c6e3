"""CamVid: street scenes with 11 classes, one folder of pictures and one of labels per split."""

from pathlib import Path

from torch.utils.data import Dataset

from isp_ns.core.errors import DecodeError
from isp_ns.data.labelled import LabelTable, Sample, need_folder, read_picture, read_values

__all__ = ["CamVid"]

_WHERE = "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/ (in SegNet's layout: train, trainannot, …)"
_SUFFIXES = (".png", ".jpg", ".jpeg")


class CamVid(Dataset[Sample]):
    """CamVid in SegNet's layout: SPLIT/*.png or *.jpg with SPLITannot/*.png beside it.

    Args:
        root: the folder.
        split: "train" (367), "val" (101) or "test" (233).
        table: classes.

    Raises:
        DecodeError: if a part is missing or cannot be read.

    Source: Brostow et al. 2009, "Semantic object classes in video"; split of Badrinarayanan et al. 2017.
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        need_folder(root, (split, f"{split}annot"), _WHERE)
        self.root, self.split, self.table = root, split, table
        self.paths = sorted(path for path in (root / split).iterdir() if path.suffix.lower() in _SUFFIXES)
        if not self.paths:
            raise DecodeError(f"{root / split}: there are no pictures; get the dataset from {_WHERE}")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        stored = read_values(self.root / f"{self.split}annot" / f"{path.stem}.png")
        return Sample(read_picture(path), None, self.table.labels(stored), None, path.stem)
