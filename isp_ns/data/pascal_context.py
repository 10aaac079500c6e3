"""PASCAL-Context: VOC 2010 pictures with 59 classes, in the layout that segmentation toolboxes share."""

from pathlib import Path

from torch.utils.data import Dataset

from isp_ns.data.labelled import LabelTable, Sample, need_folder, read_picture, read_values

__all__ = ["PascalContext"]

_WHERE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2010 and https://cs.stanford.edu/~roozbeh/pascal-context"


class PascalContext(Dataset[Sample]):
    """PASCAL-Context: JPEGImages, SegmentationClassContext and ImageSets/SegmentationContext in VOC2010.

    Args:
        root: the folder VOC2010.
        split: "train" (4998) or "val" (5105).
        table: classes; 0 is background.

    Raises:
        DecodeError: if a part is missing or cannot be read.

    Source: Mottaghi et al. 2014, "The role of context for object detection and semantic segmentation in the wild".
    """

    def __init__(self, root: Path, split: str, table: LabelTable) -> None:
        names = f"ImageSets/SegmentationContext/{split}.txt"
        need_folder(root, ("JPEGImages", "SegmentationClassContext", names), _WHERE)
        self.root, self.table = root, table
        self.names = (root / names).read_text(encoding="utf-8").split()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        stored = read_values(self.root / "SegmentationClassContext" / f"{name}.png")
        image = read_picture(self.root / "JPEGImages" / f"{name}.jpg")
        return Sample(image, None, self.table.labels(stored), None, name)
