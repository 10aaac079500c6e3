"""Readers of labelled datasets, on small files in their official layouts."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from isp_ns.core.errors import DecodeError, ModelError
from isp_ns.data.datasets import DATASETS, open_dataset
from isp_ns.data.labelled import IGNORED, load_label_table

PICTURE = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)


def _save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def _values(*stored):
    """A 12 × 16 map whose rows go through the stored values."""
    return np.resize(np.repeat(np.array(stored, np.uint8), 16), (12, 16))


@pytest.mark.parametrize("name", sorted({table for _, tables in DATASETS.values() for table in tables}))
def test_class_tables_are_complete(name):
    table = load_label_table(name)
    assert len(table.names) == len(table.colours) == len(table.values) == len(set(table.names))
    stored = [value for values in table.values for value in values]
    assert len(stored) == len(set(stored))
    assert len(table.names) == int("".join(filter(str.isdigit, name))) - (name == "nyu40")


def test_thirteen_classes_follow_the_published_grouping():
    table, names = load_label_table("nyu13"), load_label_table("nyu40").names
    groups = {name: {names[value] for value in values} for name, values in zip(table.names, table.values, strict=True)}
    assert groups["wall"] == {"wall", "door"}
    assert groups["window"] == {"window", "blinds", "curtain"}
    assert groups["table"] == {"table", "desk"}
    assert int(table.labels(torch.tensor([39]))) == IGNORED


def test_nyuv2_as_pictures(tmp_path):
    _save(tmp_path / "images" / "0003.jpg", PICTURE)
    _save(tmp_path / "labels40" / "0003.png", _values(0, 3, 39))
    _save(tmp_path / "depth" / "0003.png", np.array([[0, 51], [102, 255]], np.uint8).repeat(3, 0).repeat(4, 1))
    (tmp_path / "train.txt").write_text("0003\n")
    sample = open_dataset("nyuv2", tmp_path, "train")[0]
    assert sample.image.shape == (3, 12, 16)
    assert sample.labels[0, :3, 0].tolist() == [11, 0, IGNORED]
    assert sample.depth.shape == (1, 12, 16)
    assert [float(sample.depth[0, y, x]) for y, x in ((0, 0), (0, 15), (11, 0), (11, 15))] == [0, 2, 4, 10]
    assert sample.focal_px == pytest.approx(518.9 / 40)


def test_nyuv2_as_published(tmp_path):
    h5py = pytest.importorskip("h5py")
    stored = np.zeros((2, 16, 12), np.uint16)
    stored[1, 2, 5] = 7
    depth = np.full((2, 16, 12), 2.5, np.float32)
    depth[1, 2, 5] = 4
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = np.stack([PICTURE.transpose(2, 1, 0)] * 2)
        file["depths"], file["labels"] = depth, stored
    savemat(tmp_path / "splits.mat", {"trainNdxs": np.array([[2]]), "testNdxs": np.array([[1]])})
    savemat(tmp_path / "classMapping40.mat", {"mapClass": np.array([[1, 40, 3, 4, 5, 6, 22]])})
    dataset = open_dataset("nyuv2", tmp_path, "train", "nyu40")
    sample = dataset[0]
    assert len(dataset) == 1
    assert torch.equal(sample.image, torch.from_numpy(PICTURE).permute(2, 0, 1))
    assert int(sample.labels[0, 5, 2]) == 21
    assert int((sample.labels != IGNORED).sum()) == 1
    assert float(sample.depth[0, 5, 2]) == 4
    assert sample.name == "0002"


@pytest.mark.parametrize("split", ["val", "test"])
def test_camvid(tmp_path, split):
    _save(tmp_path / split / "b.png", PICTURE)
    _save(tmp_path / split / "a.png", PICTURE[::-1])
    for name in "ab":
        _save(tmp_path / f"{split}annot" / f"{name}.png", _values(0, 10, 11))
    dataset = open_dataset("camvid", tmp_path, split)
    assert [sample.name for sample in (dataset[0], dataset[1])] == ["a", "b"]
    assert dataset[0].labels[0, :3, 0].tolist() == [0, 10, IGNORED]
    assert torch.equal(dataset[1].image, torch.from_numpy(PICTURE).permute(2, 0, 1))
    assert dataset[0].depth is None


def test_cityscapes(tmp_path):
    stem = "val/ulm/ulm_000000_000019"
    _save(tmp_path / "leftImg8bit" / f"{stem}_leftImg8bit.png", PICTURE)
    _save(tmp_path / "gtFine" / f"{stem}_gtFine_labelIds.png", _values(7, 26, 3))
    disparity = np.full((12, 16), 256 * 20 + 1, np.uint16)
    disparity[0, 0] = 0
    _save(tmp_path / "disparity" / f"{stem}_disparity.png", disparity)
    camera = tmp_path / "camera" / f"{stem}_camera.json"
    camera.parent.mkdir(parents=True)
    camera.write_text(json.dumps({"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000}}))
    sample = open_dataset("cityscapes", tmp_path, "val")[0]
    assert sample.labels[0, :3, 0].tolist() == [0, 13, IGNORED]
    assert float(sample.depth[0, 5, 5]) == pytest.approx(0.2 * 2000 / 20)
    assert float(sample.depth[0, 0, 0]) == 0
    assert sample.focal_px == 2000
    groups = open_dataset("cityscapes", tmp_path, "val", "cityscapes7")[0]
    assert groups.labels[0, :3, 0].tolist() == [0, 6, IGNORED]


def test_pascal_context(tmp_path):
    _save(tmp_path / "JPEGImages" / "2008_000002.jpg", PICTURE)
    _save(tmp_path / "SegmentationClassContext" / "2008_000002.png", _values(0, 1, 59))
    names = tmp_path / "ImageSets" / "SegmentationContext" / "val.txt"
    names.parent.mkdir(parents=True)
    names.write_text("2008_000002\n")
    sample = open_dataset("pascal-context", tmp_path, "val")[0]
    assert sample.labels[0, :3, 0].tolist() == [IGNORED, 0, 58]


def test_sunrgbd(tmp_path):
    folder = tmp_path / "SUNRGBD" / "kv1" / "b3dodata" / "img_0063"
    _save(folder / "image" / "img_0063.jpg", PICTURE)
    # 3000 mm, stored with the three lowest bits at the top.
    _save(folder / "depth_bfx" / "img_0063.png", np.full((12, 16), (3000 << 3) & 0xFFFF | 3000 >> 13, np.uint16))
    (folder / "intrinsics.txt").write_text("520.5 0 260 0 520.5 213 0 0 1")
    labels = np.zeros((12, 16), np.uint8)
    labels[0, :3] = [1, 2, 3]
    names = np.array(["floor", "dragon", "night_stand"], dtype=object)
    savemat(folder / "seg.mat", {"seglabel": labels, "names": names})
    split = tmp_path / "SUNRGBDtoolbox" / "traintestSUNRGBD" / "allsplit.mat"
    split.parent.mkdir(parents=True)
    stored = np.array(["/n/fs/sun3d/data/SUNRGBD/kv1/b3dodata/img_0063"], dtype=object)
    savemat(split, {"alltrain": stored, "alltest": stored})
    sample = open_dataset("sunrgbd", tmp_path, "test")[0]
    names = load_label_table("sunrgbd37").names
    assert sample.labels[0, 0, :4].tolist() == [names.index("floor"), IGNORED, names.index("night stand"), IGNORED]
    assert float(sample.depth[0, 0, 0]) == 3
    assert sample.focal_px == 520.5


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_dataset_says_where_to_get_it(tmp_path, name):
    with pytest.raises(DecodeError, match="get the dataset from http"):
        open_dataset(name, tmp_path, "train")


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no dataset 'kitti'"):
        open_dataset("kitti", tmp_path, "train")
    with pytest.raises(ModelError, match="has the labels nyu13, nyu40"):
        open_dataset("nyuv2", tmp_path, "train", "camvid11")
    with pytest.raises(ModelError, match="splits train and test"):
        open_dataset("nyuv2", tmp_path, "val")


def test_the_real_splits(shared_data):
    train, test = (open_dataset("nyuv2", shared_data / "nyuv2", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (795, 654)
    assert 0.7 < float(train[0].depth.min()) < float(train[0].depth.max()) <= 10
    assert [len(open_dataset("camvid", shared_data / "camvid", split)) for split in ("train", "val")] == [367, 101]
