import warnings

import numpy as np
import pytest

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.raw import read_raw, render_libraw

fits = pytest.importorskip("astropy.io.fits", reason="astropy is not installed")
COUNTS = np.random.default_rng(9).integers(0, 65536, (24, 30), dtype=np.uint16)


def write(path, **header):
    unit = fits.PrimaryHDU(COUNTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit.header.update({name.replace("_", "-"): value for name, value in header.items()})
    unit.writeto(path)
    return path


def test_mosaic(tmp_path):
    path = write(
        tmp_path / "a.fits", BAYERPAT="RGGB", EXPTIME=2.5, INSTRUME="Cam 1", DATE_OBS="2026-01-02T03:04:05.678"
    )
    frame = read_raw(path)
    np.testing.assert_array_equal(frame.data.numpy()[0], COUNTS)
    meta = frame.meta
    assert (frame.cfa, meta.white, meta.exposure_s, meta.model) == ("RGGB", (65535.0,), 2.5, "Cam 1")
    assert (meta.datetime, meta.orientation) == ("2026:01:02 03:04:05", 1)


def test_offsets_and_row_order(tmp_path):
    path = write(tmp_path / "a.fit", BAYERPAT="RGGB", XBAYROFF=1, YBAYROFF=0, ROWORDER="BOTTOM-UP")
    frame = read_raw(path)
    assert frame.cfa == "GRBG"
    assert frame.meta.orientation == 4  # stored from the bottom up: mirrored top to bottom


def test_monochrome(tmp_path):
    frame = read_raw(write(tmp_path / "a.fts"))
    assert frame.meta.cfa is None


def test_refusals(tmp_path):
    with pytest.raises(UnsupportedSensorError, match="CYMG"):
        read_raw(write(tmp_path / "a.fits", BAYERPAT="CYMG"))
    with pytest.raises(UnsupportedSensorError, match="FITS"):
        render_libraw(tmp_path / "a.fits")
    fits.PrimaryHDU(np.zeros((4, 5), np.float32)).writeto(tmp_path / "b.fits")
    with pytest.raises(DecodeError, match="16-bit"):
        read_raw(tmp_path / "b.fits")
    with pytest.raises(DecodeError, match="max_pixels"):
        read_raw(write(tmp_path / "c.fits"), max_pixels=100)
