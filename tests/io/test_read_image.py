import io

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from isp_ns.core.errors import DecodeError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.io.icc import icc_profile
from isp_ns.io.read import read_image
from isp_ns.io.write import write_image

RGB = np.random.default_rng(4).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def planes(frame) -> np.ndarray:
    return frame.data.numpy()


@pytest.mark.parametrize("options", [{"suffix": "png"}, {"suffix": "tif"}, {"suffix": "webp", "lossless": True}])
def test_eight_bits(tmp_path, options):
    suffix = options.pop("suffix")
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, **options)
    frame = read_image(path)
    np.testing.assert_allclose(planes(frame), RGB.transpose(2, 0, 1) / 255, atol=1e-7)
    assert (frame.meta.space, frame.meta.source["space"], frame.meta.orientation) == ("srgb", "default", 1)


def test_sixteen_bits_and_floats(tmp_path):
    wide = RGB.astype(np.uint16) * 257 + 3
    tifffile.imwrite(tmp_path / "a.tif", wide, photometric="rgb")
    tifffile.imwrite(tmp_path / "p.tif", wide.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(wide))
    for name in ("a.tif", "p.tif", "a.png"):
        np.testing.assert_allclose(planes(read_image(tmp_path / name)), wide.transpose(2, 0, 1) / 65535, atol=1e-7)
    floats = RGB.astype(np.float32) / 100 - 0.5
    tifffile.imwrite(tmp_path / "f.tif", floats, photometric="rgb")
    np.testing.assert_array_equal(planes(read_image(tmp_path / "f.tif")), floats.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_other_modes_become_three_planes(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).convert(mode).save(path)
    frame = read_image(path)
    assert frame.data.shape == (3, 20, 30)
    if mode in ("L", "LA", "1"):
        assert torch.equal(frame.data[0], frame.data[2])


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("space", ["srgb", "display-p3", "prophoto", "linear-rec2020"])
def test_space_comes_from_the_profile(tmp_path, suffix, space):
    path = write_image(tmp_path / f"a.{suffix}", Frame(torch.rand(3, 16, 16), Meta(space=space)))
    frame = read_image(path)
    assert (frame.meta.space, frame.meta.source["space"]) == (space, "exif")


def test_profiles_that_are_not_known(tmp_path):
    path = tmp_path / "a.jpg"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(RGB).save(path, icc_profile=profile)
    assert read_image(path).meta.source["space"] == "default"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_shot_and_orientation_are_kept(tmp_path, suffix):
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = "Maker", "Model 1", 6
    exif.get_ifd(0x8769)[34855] = 200
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, exif=exif)
    meta = read_image(path).meta
    assert (meta.make, meta.model, meta.orientation) == ("Maker", "Model 1", 6)
    assert meta.iso == (None if suffix == "tif" else 200.0)  # Pillow leaves the Exif directory out of a TIFF
    assert read_image(path).size == (20, 30)


def test_reading_and_writing_turns_once(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path, exif=exif)
    again = read_image(write_image(tmp_path / "b.png", read_image(path), bit_depth=8))
    assert (again.size, again.meta.orientation) == ((30, 20), 1)
    np.testing.assert_allclose(planes(again), np.rot90(RGB, -1).transpose(2, 0, 1) / 255, atol=1e-7)
    third = read_image(write_image(tmp_path / "c.png", again, bit_depth=8))
    np.testing.assert_array_equal(planes(third), planes(again))


def test_what_cannot_be_read_is_said(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(RGB).save(whole, "PNG", icc_profile=icc_profile("srgb"))
    cases = {
        "cut.png": (whole.getvalue()[:600], "damaged or cut short"),
        "text.jpg": (b"just words", "not a JPEG"),
        "empty.png": (b"", "empty"),
        "mosaic.dng": (b"II*\0" + bytes(4), "declares a picture of 0x0"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DecodeError, match=words):
            read_image(tmp_path / name)
    (tmp_path / "big.png").write_bytes(whole.getvalue())
    with pytest.raises(DecodeError, match="max_pixels"):
        read_image(tmp_path / "big.png", max_pixels=599)


def test_a_mosaic_is_not_a_picture(make_dng, ramp):
    with pytest.raises(DecodeError, match="CFA"):
        read_image(make_dng(ramp))
