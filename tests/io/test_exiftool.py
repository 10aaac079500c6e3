import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from test_write_image import SHOT, frame, picture

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, Meta
from isp_ns.io.exiftool import ExifTool, exiftool_path
from isp_ns.io.raw import read_raw
from isp_ns.io.write import gather_exif, write_image

pytestmark = pytest.mark.skipif(exiftool_path() is None, reason="exiftool is not installed")


def tags(path) -> dict:
    told = subprocess.run(["exiftool", "-j", "-G1", "-n", "-a", str(path)], capture_output=True, check=True)
    return json.loads(told.stdout)[0]


def complaints(path) -> list[str]:
    told = subprocess.run(
        ["exiftool", "-validate", "-warning", "-error", "-a", str(path)], capture_output=True, text=True
    )
    return [line for line in told.stdout.splitlines() if "Validate" not in line and "GPSProcessingMethod" not in line]


@pytest.fixture(scope="module")
def tool():
    with ExifTool() as running:
        yield running


@pytest.fixture
def source(tmp_path):
    """A photograph with everything: EXIF, GPS, XMP, a maker note, an edit history, Orientation 6."""
    path = write_image(tmp_path / "source.tif", frame(**SHOT), bit_depth=8)
    command = [
        "exiftool", "-q", "-overwrite_original", "-n", "-Orientation=6", "-Artist=Somebody", "-Copyright=CC0",
        "-XMP-dc:Subject=sea", "-XMP-xmp:Rating=4", "-XMP-crs:Exposure2012=2.5", "-ExifIFD:SubSecTimeOriginal=42",
        "-ExifIFD:MeteringMode=5", "-XMP-tiff:Orientation=6", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "dng", "exr"])
def test_results_validate(tmp_path, suffix):
    made = Frame(torch.rand(1, 40, 60), Meta(**SHOT, cfa=Cfa("RGGB"))) if suffix == "dng" else frame(**SHOT)
    if suffix == "exr":
        pytest.importorskip("OpenEXR")
    assert complaints(write_image(tmp_path / f"a.{suffix}", made)) == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("resident", [True, False])
def test_metadata_is_carried_over(tmp_path, source, suffix, resident, tool):
    path = write_image(tmp_path / f"a.{suffix}", frame(), source=source, exiftool=tool if resident else None)
    found = tags(path)
    assert found["IFD0:Make"] == "Maker"
    assert found["IFD0:Artist"] == "Somebody"
    assert found["IFD0:Orientation"] == 1
    assert found["IFD0:Software"] == "isp_ns"
    assert found["ExifIFD:SubSecTimeOriginal"] in (42, "42")
    assert found["ExifIFD:MeteringMode"] == 5
    assert found["ExifIFD:ISO"] == 640
    assert found["GPS:GPSLatitude"] == pytest.approx(33.5)
    assert found["GPS:GPSLatitudeRef"] == "S"
    assert "XMP-crs:Exposure2012" not in found
    assert "XMP-tiff:Orientation" not in found
    if resident:
        assert found["XMP-dc:Subject"] == "sea"
        assert found["XMP-xmp:Rating"] == 4
    assert complaints(path) == []


def test_a_real_camera_file(shared_data, tmp_path, tool):
    source = next((shared_data / "raw/canon_s40_kodak/Canon/PowerShot S40").glob("CRW_0101.CRW"))
    found = tags(write_image(tmp_path / "a.jpg", frame(), source=source, exiftool=tool))
    assert found["IFD0:Model"] == "Canon PowerShot S40"
    assert found["ExifIFD:ISO"] == 50
    assert found["ExifIFD:DateTimeOriginal"] == "2021:04:08 14:51:12"
    assert not any(name.startswith("Canon") for name in found)


def test_gopro_keeps_its_position(shared_data, tmp_path, tool):
    source = shared_data / "raw/gopro/GOPR0024.dng"
    made = Frame(picture(), Meta(space="srgb", orientation=read_raw(source).meta.orientation))
    for given in (tool, None):
        found = tags(write_image(tmp_path / "a.jpg", made, source=source, exiftool=given))
        assert found["GPS:GPSLatitude"] == pytest.approx(33.126891, abs=1e-6)
        assert (found["IFD0:Orientation"], found["ExifIFD:ISO"]) == (1, 100)
        assert not [name for name in found if "CFA" in name or "ColorMatrix" in name]


def test_tags_can_be_gathered_early(tmp_path, source, tool):
    gathered = gather_exif(frame(), source, tool)
    path = write_image(tmp_path / "a.jpg", frame(), exif=gathered)
    assert tags(path)["XMP-dc:Subject"] == "sea"


def test_one_process_serves_many_and_odd_names(tmp_path, source, tool):
    odd = tmp_path / "-ünïcode name #1.tif"
    odd.write_bytes(source.read_bytes())
    for _ in range(3):
        assert tool.carry(odd).ifd0[315].text() == "Somebody"


def test_a_file_without_metadata_is_no_error(tmp_path, tool):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(1000))
    assert tool.carry(path).exif.keys() <= {36864, 37121, 40960}


def test_exiftool_ends_with_the_process_that_started_it(tmp_path):
    program = "import os; from isp_ns.io.exiftool import ExifTool\n"
    program += "tool = ExifTool(); print(tool._process.pid, tool._folder.name, flush=True); os.kill(os.getpid(), 9)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout
    group, folder = said.split()
    for _ in range(100):
        if not _lives(int(group)) and not Path(folder).exists():
            break
        time.sleep(0.1)
    assert not _lives(int(group))
    assert not Path(folder).exists()


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_lost_process_costs_only_the_extras(tmp_path, source, caplog):
    with ExifTool() as broken:
        os.killpg(broken._process.pid, signal.SIGKILL)
        broken._process.wait()
        path = write_image(tmp_path / "a.jpg", frame(), source=source, exiftool=broken)
    assert "only its basic metadata" in caplog.text
    assert tags(path)["IFD0:Artist"] == "Somebody"
