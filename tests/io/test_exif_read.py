"""The shot is found in every container that cameras and programs hide it in."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from isp_ns.io.decoded import Facts
from isp_ns.io.exifread import find_exif, shot_facts


def exif_bytes(**inner) -> bytes:
    """An EXIF block by Pillow."""
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = "Maker", "Model 1", 6
    exif.get_ifd(0x8769).update(
        {33434: 0.004, 33437: 2.8, 34855: 400, 36867: "2026:01:02 03:04:05", 42036: "Lens", **inner}
    )
    exif.get_ifd(0x8825).update(
        {
            1: "S",
            2: (33.0, 30.0, 0.0),
            3: "E",
            4: (18.0, 15.0, 36.0),
            5: b"\1",
            6: 12.5,
            7: (1.0, 4.0, 5.0),
            29: "2026:01:02",
        }
    )
    return exif.tobytes()


def jpeg(exif: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def containers() -> dict[str, bytes]:
    exif = exif_bytes()
    block = exif.removeprefix(b"Exif\0\0")
    found = {"jpeg": jpeg(exif)}
    for kind in ("PNG", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
        found[kind.lower()] = file.getvalue()
    found["raf"] = (
        b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 160, len(jpeg(exif))) + bytes(68) + jpeg(exif)
    )
    ttw = struct.pack(">4sI", b"\0PRD", 6) + bytes(6) + struct.pack(">4sI", b"\0TTW", len(block)) + block
    found["mrw"] = struct.pack(">4sI", b"\0MRM", len(ttw)) + ttw

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body) + 8, name) + body

    parts = tifffile_parts()
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    inside = box(b"CNCV", b"x" * 30) + b"".join(box(name, part) for name, part in parts.items())
    found["cr3"] = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", uuid + inside))
    jpeg_in_rw2 = jpeg(exif)
    entry = struct.pack("<HHII", 0x2E, 7, len(jpeg_in_rw2), 26)
    found["rw2"] = b"IIU\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + jpeg_in_rw2
    return found


def tifffile_parts() -> dict[bytes, bytes]:
    """The blocks of a CR3, each a TIFF of its own with the tags of one directory."""

    def tiff(*tags) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, np.zeros((1, 1), np.uint8), metadata=None, extratags=[(*tag, True) for tag in tags])
        return file.getvalue()

    exposure = [(33434, 5, 1, (1, 250)), (33437, 5, 1, (28, 10)), (34855, "H", 1, 400)]
    names = [(36867, "s", 20, "2026:01:02 03:04:05"), (42036, "s", 5, "Lens")]
    north = [(1, "s", 2, "S"), (2, 5, 3, (33, 1, 30, 1, 0, 1))]
    east = [(3, "s", 2, "E"), (4, 5, 3, (18, 1, 15, 1, 36, 1))]
    height = [(5, "B", 1, 1), (6, 5, 1, (25, 2))]
    return {
        b"CMT1": tiff((271, "s", 6, "Maker"), (272, "s", 8, "Model 1")),
        b"CMT2": tiff(*exposure, *names),
        b"CMT4": tiff(*north, *east, *height),
    }


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "raf", "mrw", "cr3", "rw2"])
def test_every_container(kind):
    facts = Facts()
    shot_facts(facts, find_exif(io.BytesIO(containers()[kind])))
    values = facts.values
    assert (values["make"], values["model"], values["lens"], values["iso"]) == ("Maker", "Model 1", "Lens", 400.0)
    assert values["exposure_s"] == pytest.approx(0.004)
    assert values["aperture"] == pytest.approx(2.8)
    assert values["datetime"] == "2026:01:02 03:04:05"
    assert values["gps"]["latitude_deg"] == pytest.approx(-33.5)
    assert values["gps"]["longitude_deg"] == pytest.approx(18.26)
    assert values["gps"]["altitude_m"] == pytest.approx(-12.5)
    if kind != "cr3":
        assert values["gps"]["datetime_utc"] == "2026:01:02 01:04:05"


def test_zeros_and_blanks_count_as_absent():
    facts = Facts()
    block = exif_bytes(**{})
    exif = Image.Exif()
    exif.load(block)
    exif.get_ifd(0x8769).update({33434: 0.0, 33437: 0.0, 34855: 0, 36867: "    :  :     :  :  ", 37386: 0.0, 41989: 0})
    shot_facts(facts, find_exif(io.BytesIO(jpeg(exif.tobytes()))))
    assert not {"exposure_s", "aperture", "iso", "datetime", "focal_mm", "focal_35mm"} & set(facts.values)


def test_high_iso_is_read_from_its_second_place():
    facts = Facts()
    shot_facts(facts, find_exif(io.BytesIO(jpeg(exif_bytes(**{})))))
    exif = Image.Exif()
    exif.load(exif_bytes())
    exif.get_ifd(0x8769).update({34855: 65535, 34866: 102400})
    shot_facts(facts, find_exif(io.BytesIO(jpeg(exif.tobytes()))))
    assert facts.values["iso"] == 102400


def test_files_without_exif():
    for content in (b"", bytes(200), jpeg(b""), b"FUJIFILMCCD-RAW", b"\0\0\0\x18ftypcrx ", b"II\x1a\0\0\0HEAPCCDR"):
        assert find_exif(io.BytesIO(content)) is None


def test_damage_never_raises():
    rng = np.random.default_rng(11)
    for kind, content in containers().items():
        for _ in range(60):
            data = bytearray(content)
            for place in rng.integers(0, len(data), rng.integers(1, 10)):
                data[place] = rng.integers(256)
            shot_facts(Facts(), find_exif(io.BytesIO(bytes(data[: rng.integers(1, len(data) + 1)])))), kind
