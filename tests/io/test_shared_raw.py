"""Every file of the development data behaves as its description says."""

import numpy as np
import pytest
import rawpy
import torch

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.raw import inspect_raw, read_raw


@pytest.fixture
def raw_folder(shared_data):
    return shared_data / "raw"


def visible(path) -> np.ndarray:
    with rawpy.imread(str(path)) as raw:
        return raw.raw_image_visible.copy()


def test_gopro(raw_folder):
    path = raw_folder / "gopro/GOPR0024.dng"
    frame = read_raw(path)
    meta = frame.meta
    np.testing.assert_array_equal(frame.data.numpy()[0], visible(path))
    assert (frame.cfa, meta.orientation, meta.white) == ("RGGB", 2, (16383.0,))
    assert np.ravel(meta.black).tolist() == [0.0] * 4
    assert [each.cct_k for each in meta.calibrations] == [2850.0, 5000.0]
    assert (len(meta.gain_maps), meta.gain_maps[3].area, meta.gain_maps[3].pitch) == (4, (1, 1, 3000, 4000), (2, 2))
    assert meta.gain_maps[0].gains.shape == (23, 23, 1)
    assert meta.noise[1] == pytest.approx((0.000156201, 4.88002e-08), rel=1e-5)
    assert meta.as_shot_neutral == pytest.approx((0.522449, 1.0, 0.571429))
    assert (meta.make, meta.model, meta.iso, meta.focal_35mm) == ("GoPro", "HERO6 Black", 100.0, 15.0)
    assert meta.exposure_s == pytest.approx(1 / 455)
    assert meta.gps["latitude_deg"] == pytest.approx(33.126891, abs=1e-6)
    assert meta.source["gain_maps"] == meta.source["noise"] == "dng"
    assert meta.source["iso"] == "exif"


def test_vc5_is_named(raw_folder):
    with pytest.raises(UnsupportedSensorError, match="VC-5"):
        read_raw(raw_folder / "gopro/GOPR0024.GPR")


@pytest.mark.parametrize("name", ["CRW_0101.CRW", "CRW_0117.CRW"])
def test_canon_crw(raw_folder, name):
    path = raw_folder / "canon_s40_kodak/Canon/PowerShot S40" / name
    frame = read_raw(path)
    np.testing.assert_array_equal(frame.data.numpy()[0], visible(path))
    assert (frame.size, frame.cfa, frame.meta.white) == ((1720, 2312), "RGGB", (1023.0,))
    assert set(np.ravel(frame.meta.black)) == {32.0}
    assert frame.meta.model == "Canon PowerShot S40"
    assert frame.meta.default_crop == (8.0, 20.0, 1712.0, 2292.0)  # the 2272x1704 of the camera's own pictures
    assert frame.meta.source["calibrations"] == "libraw"
    assert frame.meta.as_shot_neutral is not None


def test_kodak_dc120(raw_folder):
    frame = read_raw(raw_folder / "canon_s40_kodak/Kodak/DC120/DC120IMG/P003908.KDC")
    assert (frame.size, frame.cfa) == ((976, 848), "GRBG")
    assert frame.meta.pixel_aspect == pytest.approx(1.5346, abs=1e-4)
    assert frame.meta.calibrations == ()
    assert frame.meta.source["as_shot_neutral"] == "default"
    assert read_raw(raw_folder / "canon_s40_kodak/Kodak/DC120/DC120IMG/P003912.KDC").meta.white == (510.0,)


def test_kodak_dc50(raw_folder):
    decoded = inspect_raw(raw_folder / "canon_s40_kodak/Kodak/DC50/DC50IMG/DC0009L.KDC")
    meta = decoded.meta()
    assert (meta.cfa, meta.as_shot_neutral, meta.calibrations, meta.daylight_neutral) == ("GRBG", None, (), None)
    assert len(decoded.notes) == 2


@pytest.mark.parametrize(("name", "size"), [("IMAGE01.QTK", (240, 320)), ("Image__1.qtk", (480, 640))])
def test_quicktake(raw_folder, name, size):
    decoded = inspect_raw(raw_folder / "apple_quicktake" / name)
    assert (decoded.kind, decoded.size, decoded.values["cfa"]) == ("bayer", size, "GRBG")
    assert any("white balance" in note for note in decoded.notes)


def test_magic_lantern_550d(raw_folder):
    path = raw_folder / "canon550d_colorchecker/colorchart.dng"
    frame = read_raw(path)
    np.testing.assert_array_equal(frame.data.numpy()[0], visible(path))
    assert (frame.meta.black, frame.meta.white) == (((2056.0,),), (15000.0,))
    assert frame.meta.as_shot_neutral == pytest.approx((1 / 2.477, 1.0, 1.462 / 2.477))
    assert (frame.meta.iso, frame.meta.exposure_s, frame.meta.aperture) == (None, None, None)
    assert frame.meta.baseline_exposure_ev == 0.0  # the file has 0/0


def test_lossy_linear_6d(raw_folder):
    path = raw_folder / "canon6d_linear/canon_eos_6d.dng"
    frame = read_raw(path)
    np.testing.assert_array_equal(frame.data.numpy(), visible(path)[:, :, :3].transpose(2, 0, 1))
    assert frame.meta.cfa is None
    assert frame.meta.white == (65535.0,)  # MapPolynomial is applied, the 255 of the tag no longer holds
    assert frame.meta.calibrations[1].forward_matrix[0] == pytest.approx((0.7464, 0.1044, 0.1135))
    assert frame.meta.analog_balance == pytest.approx((2.158672, 1.0, 1.414752))
    assert frame.meta.lens == "EF24-105mm f/4L IS USM"


@pytest.mark.parametrize("cfa", ["grbg", "rggb"])
def test_bayer_layouts(raw_folder, cfa):
    path = raw_folder / f"layouts/gopro6_crop_{cfa}_14bit.dng"
    frame = read_raw(path)
    assert frame.cfa == cfa.upper()
    np.testing.assert_array_equal(frame.data.numpy()[0], visible(path))
    assert frame.meta.calibrations == ()  # its matrix is all zeros


def test_borders_and_raster_blacks(raw_folder):
    path = raw_folder / "layouts/gopro6_rggb_12bit_black_activearea_rot90.dng"
    frame = read_raw(path)
    assert (frame.size, frame.meta.orientation, frame.meta.white) == ((600, 900), 6, (3900.0,))
    assert frame.meta.black == ((256.0, 257.0), (255.0, 256.0))
    np.testing.assert_array_equal(frame.data.numpy()[0], visible(path))


def test_monochrome_and_xtrans(raw_folder):
    mono = read_raw(raw_folder / "layouts/gopro6_mono_14bit.dng")
    assert mono.data.shape == (1, 600, 900)
    assert mono.meta.cfa is None
    with pytest.raises(UnsupportedSensorError, match="X-Trans"):
        read_raw(raw_folder / "layouts/gopro6_xtrans_14bit.dng")
    assert inspect_raw(raw_folder / "layouts/gopro6_xtrans_14bit.dng").kind == "xtrans"


def test_headerless_chart(raw_folder):
    path = raw_folder / "headerless_chart/test.RAW"
    with pytest.raises(DecodeError, match="--raw"):
        read_raw(path)
    frame = read_raw(path, raw="1920x1080:10:RGGB:0:1020")
    assert (frame.size, int(frame.data.to(torch.int32).max()), frame.meta.white) == ((1080, 1920), 1020, (1020.0,))


def test_headerless_rose(raw_folder):
    paths = sorted((raw_folder / "headerless_rose").glob("*.raw"))
    assert len(paths) == 2
    for path in paths:
        with pytest.raises(DecodeError, match="--raw"):
            read_raw(path)
        frame = read_raw(path, raw="768x512:14:RGGB:600:16383")
        np.testing.assert_array_equal(frame.data.numpy()[0], np.fromfile(path, "<u2").reshape(512, 768))
        assert (frame.meta.black, frame.meta.source["white"]) == (((600.0,),), "user")


def test_cut_short_files_are_explained(raw_folder):
    paths = sorted((raw_folder / "cut_short").iterdir())
    assert len(paths) == 7
    for path in paths:
        with pytest.raises(DecodeError) as caught:
            read_raw(path)
        message = str(caught.value)
        assert path.name in message
        assert "cut short" in message or "damaged" in message
