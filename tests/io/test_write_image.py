import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.io.icc import icc_profile
from isp_ns.io.jpeg import encode_jpeg
from isp_ns.io.pixels import upright
from isp_ns.io.write import write_image

SHOT = {
    "make": "Maker",
    "model": "Model 1",
    "lens": "A Lens 35mm",
    "iso": 640.0,
    "exposure_s": 1 / 250,
    "aperture": 5.6,
    "focal_mm": 35.0,
    "focal_35mm": 52.0,
    "datetime": "2026:01:02 03:04:05",
    "gps": {"latitude_deg": -33.5, "longitude_deg": 18.25, "altitude_m": -3.5, "datetime_utc": "2026:01:02 01:04:05"},
}


def load(path) -> Image.Image:
    """An image with its pixels and metadata, from memory."""
    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    return image


def picture(height=40, width=56, channels=3, seed=0, dtype=torch.float32) -> torch.Tensor:
    """A smooth picture with every corner of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.4 * np.sin(x / (7 + c) + c) * np.cos(y / 9 - c) for c in range(channels)]
    data = torch.from_numpy((np.stack(planes) + rng.normal(0, 0.01, (channels, height, width))).clip(0, 1))
    if dtype == torch.float32:
        return data.float()
    return (data * torch.iinfo(dtype).max).round().to(dtype)


def frame(data=None, **values) -> Frame:
    return Frame(picture() if data is None else data, Meta(**{"space": "srgb", **values}))


@pytest.mark.parametrize(("suffix", "depth"), [("png", 8), ("png", 16), ("tif", 8), ("tif", 16), ("tif", "32f")])
def test_lossless_formats_keep_every_bit(tmp_path, suffix, depth):
    path = write_image(tmp_path / f"a.{suffix}", frame(), bit_depth=depth)
    stored = tifffile.imread(path) if suffix == "tif" else imagecodecs.png_decode(path.read_bytes())
    wanted = picture().numpy().transpose(1, 2, 0)
    if depth != "32f":
        wanted = wanted.astype(np.float64) * (2**depth - 1)
    assert stored.dtype == {8: np.uint8, 16: np.uint16, "32f": np.float32}[depth]
    np.testing.assert_allclose(stored, wanted, atol=0 if depth == "32f" else 0.51)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_integer_frames_are_stored_as_they_are(tmp_path, dtype):
    data = picture(dtype=dtype)
    for suffix in ("png", "tif"):
        path = write_image(tmp_path / f"a.{suffix}", frame(data))
        stored = tifffile.imread(path) if suffix == "tif" else imagecodecs.png_decode(path.read_bytes())
        np.testing.assert_array_equal(stored, data.numpy().transpose(1, 2, 0))


def test_full_scale_meets_full_scale(tmp_path):
    ends = torch.tensor([-0.2, 0.0, 1.0, 1.7, float("nan"), 0.5]).reshape(1, 1, 6).repeat(3, 2, 1)
    stored = tifffile.imread(write_image(tmp_path / "a.tif", frame(ends), bit_depth=16))
    np.testing.assert_array_equal(stored[0, :, 0], [0, 0, 65535, 65535, 0, 32768])
    eight = imagecodecs.png_decode(write_image(tmp_path / "a.png", frame(ends), bit_depth=8).read_bytes())
    np.testing.assert_array_equal(eight[0, :, 0], [0, 0, 255, 255, 0, 128])


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "zstd"])
def test_tiff_compressions_are_lossless(tmp_path, compression):
    path = write_image(tmp_path / "a.tif", frame(picture(dtype=torch.uint16)), compression=compression)
    np.testing.assert_array_equal(tifffile.imread(path), picture(dtype=torch.uint16).numpy().transpose(1, 2, 0))


@pytest.mark.parametrize("level", [None, 0, 9])
def test_png_levels_are_lossless(tmp_path, level):
    path = write_image(tmp_path / "a.png", frame(picture(dtype=torch.uint8)), compression=level)
    np.testing.assert_array_equal(np.asarray(load(path)), picture(dtype=torch.uint8).numpy().transpose(1, 2, 0))


@pytest.mark.parametrize("size", [(9, 11), (256, 40), (520, 33), (700, 8200)])
@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_striped_jpeg_decodes_like_one_encoded_whole(size, subsampling):
    data = picture(*size, dtype=torch.uint8).numpy()
    whole = imagecodecs.jpeg8_encode(data.transpose(1, 2, 0).copy(), level=90, subsampling=subsampling)
    ours = Image.open(io.BytesIO(encode_jpeg(data, quality=90, subsampling=subsampling)))
    theirs = Image.open(io.BytesIO(whole))
    assert ours.size == (size[1], size[0])
    assert ours.layer == theirs.layer
    assert ours.quantization == theirs.quantization
    for image in (ours, theirs):
        image.draft("YCbCr", image.size)
    difference = np.abs(np.asarray(ours).astype(int) - np.asarray(theirs))
    assert difference.max() <= (0 if subsampling == "444" else 2)


def test_grey_jpeg(tmp_path):
    path = write_image(tmp_path / "a.jpg", frame(picture(channels=1)))
    image = load(path)
    assert image.mode == "L"
    np.testing.assert_allclose(np.asarray(image) / 255, picture(channels=1)[0], atol=0.03)
    assert image.info["icc_profile"] == icc_profile("srgb", grey=True)


@pytest.mark.parametrize("space", ["srgb", "display-p3", "rec2020", "prophoto", "linear-rec2020", "acescg"])
def test_profile_is_that_of_the_pixels(tmp_path, space):
    for suffix in ("jpg", "png", "tif"):
        path = write_image(tmp_path / f"a.{suffix}", frame(space=space))
        assert load(path).info["icc_profile"] == icc_profile(space), suffix
    path = write_image(tmp_path / "without.jpg", frame(space=space), icc=False)
    assert "icc_profile" not in load(path).info


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "exr"])
def test_orientation_is_applied_once(tmp_path, orientation, suffix):
    # The marked corner: red top left, green along the top, blue down the left, as the upright picture shows them.
    wanted = torch.zeros(3, 48, 64)
    wanted[0, :16, :16] = wanted[1, :16, 16:] = wanted[2, 16:, :16] = 1.0
    stored = torch.from_numpy(_as_a_camera_stores_it(wanted.numpy(), orientation))
    path = write_image(tmp_path / f"a.{suffix}", frame(stored, space="linear-srgb", orientation=orientation))
    if suffix == "exr":
        pixels = _read_exr(path)
    else:
        image = load(path)
        assert image.getexif().get(274) == 1
        pixels = tifffile.imread(path) / 65535 if suffix == "tif" else np.asarray(image.convert("RGB")) / 255
    np.testing.assert_allclose(pixels.transpose(2, 0, 1), wanted, atol=0.02)


def _as_a_camera_stores_it(upright_picture, orientation):
    """By the words of EXIF: which side of the picture row 0 and column 0 of the stored pixels are."""
    row0, column0 = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    stored = upright_picture
    if row0 in ("left", "right"):
        stored = stored.transpose(0, 2, 1)
    if row0 in ("bottom", "right"):
        stored = stored[:, ::-1]
    if column0 in ("bottom", "right"):
        stored = stored[:, :, ::-1]
    return stored.copy()


def _read_exr(path):
    openexr = pytest.importorskip("OpenEXR")
    with openexr.File(str(path)) as file:
        return np.asarray(file.channels()["RGB"].pixels, dtype=np.float32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillow_turns_pixels_the_same_way(orientation):
    image = Image.fromarray(picture(dtype=torch.uint8).numpy().transpose(1, 2, 0).copy())
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    from PIL import ImageOps

    turned = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    np.testing.assert_array_equal(upright(picture(dtype=torch.uint8).numpy(), orientation).transpose(1, 2, 0), turned)


def test_orientation_can_be_kept(tmp_path):
    path = write_image(tmp_path / "a.png", frame(orientation=6), orientation="keep", bit_depth=8)
    image = load(path)
    assert image.getexif()[274] == 6
    assert image.size == (56, 40)
    with pytest.raises(OutputError, match="apply"):
        write_image(tmp_path / "b.png", frame(), orientation="turn")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_own_exif_block(tmp_path, suffix):
    path = write_image(tmp_path / f"a.{suffix}", frame(**SHOT))
    exif = load(path).getexif()
    inner, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert (exif[271], exif[272], exif[274], exif[305]) == ("Maker", "Model 1", 1, "isp_ns")
    assert (inner[34855], inner[42036], inner[36867]) == (640, "A Lens 35mm", "2026:01:02 03:04:05")
    assert float(inner[33434]) == pytest.approx(1 / 250)
    assert float(inner[33437]) == pytest.approx(5.6)
    assert (float(inner[37386]), inner[41989], inner[40961]) == (35.0, 52, 1)
    assert (place[1], [float(v) for v in place[2]]) == ("S", [33.0, 30.0, 0.0])
    assert (place[3], [float(v) for v in place[4]]) == ("E", [18.0, 15.0, 0.0])
    assert place[5] in (b"\1", 1)
    assert float(place[6]) == 3.5
    if suffix != "tif":
        assert (inner[40962], inner[40963]) == (56, 40)


def test_exif_can_be_left_out(tmp_path):
    path = write_image(tmp_path / "a.jpg", frame(**SHOT), exif=False)
    assert 271 not in load(path).getexif()


def test_impossible_values_are_left_out(tmp_path):
    path = write_image(tmp_path / "a.jpg", frame(iso=0.0, exposure_s=float("nan"), aperture=-1.0, focal_mm=0.0))
    assert not {34855, 33434, 33437, 37386} & set(load(path).getexif().get_ifd(0x8769))


def test_depth_and_labels(tmp_path):
    depth = Frame(picture(channels=1) * 7.5)
    stored = tifffile.imread(write_image(tmp_path / "d.tif", depth))
    np.testing.assert_array_equal(stored, depth.data[0])
    assert load(tmp_path / "d.tif").info.get("icc_profile") is None
    with pytest.raises(OutputError, match="float TIFF"):
        write_image(tmp_path / "d.png", depth)
    labels = Frame(torch.arange(2240).reshape(1, 40, 56) % 40)
    np.testing.assert_array_equal(np.asarray(load(write_image(tmp_path / "l.png", labels))), labels.data[0])


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("a.bmp", {}, r"\.bmp"),
        ("a", {}, "without an extension"),
        ("a.jpg", {"bit_depth": 16}, "bit depth of 8"),
        ("a.png", {"bit_depth": "32f"}, "bit depth"),
        ("a.exr", {"bit_depth": 8}, "bit depth"),
        ("a.jpg", {"quality": 0}, "quality"),
        ("a.jpg", {"subsampling": "411"}, "subsampling"),
        ("a.jpg", {"compression": "lzw"}, "quality, not a compression"),
        ("a.tif", {"compression": "jpeg2000"}, "TIFF compression"),
        ("a.png", {"compression": 12}, "0..9"),
        ("a.png", {"compression": "best"}, "0..9"),
        ("none/a.png", {}, "cannot be written"),
    ],
)
def test_contradictions_are_errors_and_leave_nothing(tmp_path, name, options, word):
    with pytest.raises(OutputError, match=word):
        write_image(tmp_path / name, frame(), **options)
    assert list(tmp_path.iterdir()) == []


def test_unknown_space_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="adobe"):
        write_image(tmp_path / "a.jpg", frame(space="adobe"))


def test_format_may_be_named(tmp_path):
    assert load(write_image(tmp_path / "a.part", frame(), format="png")).format == "PNG"


def test_existing_file_survives_a_failed_write(tmp_path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")
    with pytest.raises(OutputError):
        write_image(target, frame(), quality=500)
    assert target.read_bytes() == b"old"
    write_image(target, frame())
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_the_source_is_never_overwritten(tmp_path):
    source = tmp_path / "a.png"
    write_image(source, frame())
    before = source.read_bytes()
    (tmp_path / "link.png").hardlink_to(source)
    for target in (source, tmp_path / "." / "a.png", tmp_path / "link.png"):
        with pytest.raises(OutputError, match="its own source"):
            write_image(target, frame(), source=source)
    assert source.read_bytes() == before


def test_exr_is_linear_and_says_its_primaries(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    path = write_image(tmp_path / "a.exr", frame(space="display-p3", **SHOT))
    with openexr.File(str(path)) as file:
        header, pixels = dict(file.header()), file.channels()["RGB"].pixels
    assert pixels.dtype == np.float16
    encoded = picture().numpy().transpose(1, 2, 0)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(pixels, linear, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(
        header["chromaticities"], (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), atol=1e-6
    )
    assert header["expTime"] == pytest.approx(1 / 250)
    assert header["latitude"] == pytest.approx(-33.5)


def test_exr_keeps_values_above_one(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    data = picture() * 40 - 2
    path = write_image(tmp_path / "a.exr", frame(data, space="acescg"), bit_depth="32f")
    with openexr.File(str(path)) as file:
        np.testing.assert_array_equal(file.channels()["RGB"].pixels, data.numpy().transpose(1, 2, 0))
    depth = write_image(tmp_path / "z.exr", Frame(data[:1]), bit_depth="32f")
    with openexr.File(str(depth)) as file:
        np.testing.assert_array_equal(file.channels()["Z"].pixels, data[0])


def test_restart_interval_is_declared():
    data = encode_jpeg(picture(520, 64, dtype=torch.uint8).numpy())
    place = data.index(b"\xff\xdd")
    assert struct.unpack_from(">HH", data, place + 2) == (4, 8 * 32)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    wide = Frame(torch.tensor([[[0, 300], [70000, 5]]]))
    with pytest.raises(OutputError, match="16 bits"):
        write_image(tmp_path / "l.png", wide)
    with pytest.raises(OutputError, match="8 bits"):
        write_image(tmp_path / "l.png", Frame(torch.tensor([[[0, 300]]])), bit_depth=8)
    with pytest.raises(OutputError, match="-1 to 5"):
        write_image(tmp_path / "l.png", Frame(torch.tensor([[[-1, 5]]])))
