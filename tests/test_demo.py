"""The demonstration makes what it says, here with two small photographs."""

import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image

SOURCE = Path(__file__).parents[1] / "examples" / "demo.py"


@pytest.fixture
def demo(monkeypatch):
    spec = importlib.util.spec_from_file_location("demo_example", SOURCE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo_example", module)
    spec.loader.exec_module(module)
    return module


def test_the_demo_photographs_bundled_pictures_only(demo):
    for shot in demo.SHOTS:
        assert demo.original(shot).width > 400
    assert len({shot.stem for shot in demo.SHOTS}) == len(demo.SHOTS)
    assert {shot.cfa for shot in demo.SHOTS} == {"RGGB", "BGGR", "GRBG", "GBRG"}


def test_the_demo_ends_with_photos_and_a_contact_sheet(demo, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, "SHOTS", demo.SHOTS[1:3])
    monkeypatch.setattr(demo, "ENLARGEMENT", 0.25)
    demo.main(tmp_path)
    said = capsys.readouterr().out
    assert str(tmp_path / "photos") in said
    for shot in demo.SHOTS:
        assert (tmp_path / "raw" / f"{shot.stem}.dng").is_file()
        for photos in demo.PIPELINES.values():
            with Image.open(tmp_path / photos / f"{shot.stem}.jpg") as photo:
                width, height = demo.original(shot).size
                assert photo.size == (width - width % 2, height - height % 2)
    with Image.open(tmp_path / "contact_sheet.jpg") as sheet:
        assert sheet.width > 6 * demo.PICTURE_PX[0]
