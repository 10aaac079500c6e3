import dataclasses

import numpy as np
import pytest
import rawpy
import torch

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, GainMap, IlluminantCalibration, Meta, WarpRectilinear
from isp_ns.io.raw import read_raw, render_libraw
from isp_ns.io.write import write_image

MATRIX = ((0.7034, -0.0804, -0.1014), (-0.4420, 1.2564, 0.2058), (-0.0851, 0.1994, 0.5758))
WARM = ((0.7546, -0.1435, -0.0929), (-0.3846, 1.1488, 0.2692), (-0.0332, 0.1209, 0.6370))
FORWARD = ((0.7464, 0.1044, 0.1135), (0.2648, 0.9173, -0.1820), (0.0113, -0.2154, 1.0292))


def full_meta(**values) -> Meta:
    found = {
        "make": "Maker",
        "model": "Model 1",
        "iso": 800.0,
        "exposure_s": 0.01,
        "datetime": "2026:01:02 03:04:05",
        "cfa": Cfa("GBRG"),
        "orientation": 6,
        "pixel_aspect": 1.25,
        "default_crop": (2.0, 4.0, 38.0, 50.0),
        "black": ((256.0, 257.5), (255.25, 258.0)),
        "white": (15000.0,),
        "baseline_exposure_ev": 0.5,
        "calibrations": (IlluminantCalibration(2850.0, WARM), IlluminantCalibration(6500.0, MATRIX, FORWARD)),
        "analog_balance": (1.5, 1.0, 1.25),
        "as_shot_neutral": (0.5, 1.0, 0.625),
        "noise": ((1e-4, 1e-7), (2e-4, 2e-7), (3e-4, 3e-7)),
        "black_rows": torch.arange(40) / 8,
        "black_columns": torch.arange(60) / 16,
        "defects": torch.tensor([[1, 2], [30, 40]]),
        "gain_maps": (GainMap((0, 0, 40, 60), (2, 2), 0, 1, (0.0, 0.0), (0.5, 0.5), 1 + torch.rand(3, 3, 1)),),
        "warp": WarpRectilinear(((1.0, 0.1, 0.0, 0.0, 0.0, 0.0),) * 3, (0.5, 0.4)),
    }
    return Meta(**{**found, **values})


@pytest.fixture
def counts() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).integers(200, 15000, (1, 40, 60)).astype(np.uint16))


def test_a_mosaic_comes_back_as_it_was(tmp_path, counts):
    meta = full_meta()
    back = read_raw(write_image(tmp_path / "a.dng", Frame(counts, meta)))
    np.testing.assert_array_equal(back.data.numpy(), counts.numpy())
    for field in dataclasses.fields(Meta):
        ours, read = getattr(meta, field.name), getattr(back.meta, field.name)
        if isinstance(ours, torch.Tensor):
            np.testing.assert_allclose(read.numpy(), ours.numpy(), atol=1e-6, err_msg=field.name)
        elif field.name == "gain_maps":
            np.testing.assert_array_equal(read[0].gains.numpy(), ours[0].gains.numpy())
            assert (read[0].area, read[0].pitch, read[0].spacing) == (ours[0].area, ours[0].pitch, ours[0].spacing)
        elif field.name not in ("source", "daylight_neutral"):
            assert read == ours, field.name


def test_rawpy_reads_the_same_pixels_and_levels(tmp_path, counts):
    meta = full_meta(black=((256.0,),), black_rows=None, black_columns=None, pixel_aspect=1.0)
    path = write_image(tmp_path / "a.dng", Frame(counts, meta))
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(raw.raw_image, counts.numpy()[0])
        assert raw.white_level == 15000
        assert raw.black_level_per_channel == [256] * 4
        assert raw.sizes.flip == 6
        letters = "".join("RGBG"[index] for index in raw.raw_pattern.ravel())
        assert letters == "GBRG"
        np.testing.assert_allclose(np.array(raw.camera_whitebalance[:3]), [2.0, 1.0, 1.6], rtol=1e-4)


def test_a_cropped_frame_has_the_phase_of_its_first_pixel(tmp_path, counts):
    frame = Frame(counts, Meta(cfa=Cfa("RGGB"))).crop((1, 2, 39, 58))
    back = read_raw(write_image(tmp_path / "a.dng", frame))
    assert back.cfa == "GBRG"
    np.testing.assert_array_equal(back.data.numpy(), counts.numpy()[:, 1:39, 2:58])


def test_a_float_mosaic_keeps_noise_below_black(tmp_path):
    data = torch.linspace(-0.015, 1.1, 2400).reshape(1, 40, 60)
    back = read_raw(write_image(tmp_path / "a.dng", Frame(data, Meta(cfa=Cfa("RGGB")))))
    black, white = back.meta.black[0][0], back.meta.white[0]
    restored = (back.data.numpy().astype(np.float64) - black) / (white - black)
    np.testing.assert_allclose(restored, data.clamp(max=1).numpy(), atol=1e-5)


@pytest.mark.parametrize("space", ["linear-rec2020", "acescg", None])
def test_linear_images(tmp_path, space):
    data = torch.rand(3, 40, 60)
    back = read_raw(write_image(tmp_path / "a.dng", Frame(data, Meta(space=space))))
    black, white = back.meta.black[0][0], back.meta.white[0]
    np.testing.assert_allclose((back.data.numpy() - black) / (white - black), data.numpy(), atol=1e-5)
    assert len(back.meta.calibrations) == 1


def test_a_linear_space_is_described_by_its_matrix(tmp_path):
    grey = torch.full((3, 40, 60), 0.4)
    path = write_image(tmp_path / "a.dng", Frame(grey, Meta(space="linear-rec2020")))
    rendered = render_libraw(path).data
    assert (rendered.amax() - rendered.amin()) < 2e-3  # neutral stays neutral in another developer


def test_monochrome(tmp_path, counts):
    back = read_raw(write_image(tmp_path / "a.dng", Frame(counts, Meta(white=(15000.0,)))))
    np.testing.assert_array_equal(back.data.numpy(), counts.numpy())
    assert back.meta.cfa is None
    assert back.meta.white == (15000.0,)


def test_an_unnamed_light_keeps_its_temperature(tmp_path, counts):
    meta = Meta(cfa=Cfa("RGGB"), calibrations=(IlluminantCalibration(4000.0, MATRIX),), as_shot_neutral=(0.5, 1, 0.6))
    back = read_raw(write_image(tmp_path / "a.dng", Frame(counts, meta)))
    assert back.meta.calibrations[0].cct_k == pytest.approx(4000, rel=1e-3)


def test_white_xy_travels(tmp_path, counts):
    meta = Meta(cfa=Cfa("RGGB"), calibrations=(IlluminantCalibration(6500.0, MATRIX),), as_shot_white_xy=(0.33, 0.34))
    back = read_raw(write_image(tmp_path / "a.dng", Frame(counts, meta)))
    assert back.meta.as_shot_white_xy == pytest.approx((0.33, 0.34))


def test_display_pixels_are_refused(tmp_path):
    with pytest.raises(OutputError, match="linear pixels"):
        write_image(tmp_path / "a.dng", Frame(torch.rand(3, 40, 60), Meta(space="srgb")))
    assert list(tmp_path.iterdir()) == []


def test_shared_dng_round_trip(shared_data, tmp_path):
    source = shared_data / "raw/gopro/GOPR0024.dng"
    frame = read_raw(source)
    back = read_raw(write_image(tmp_path / "a.dng", frame, source=source))
    np.testing.assert_array_equal(back.data.numpy(), frame.data.numpy())
    for name in ("cfa", "orientation", "black", "white", "noise", "analog_balance", "gps", "iso", "focal_mm"):
        assert getattr(back.meta, name) == getattr(frame.meta, name), name
    for ours, read in zip(frame.meta.calibrations, back.meta.calibrations, strict=True):
        np.testing.assert_allclose(read.color_matrix, ours.color_matrix, atol=1e-6)
    assert [each.area for each in back.meta.gain_maps] == [each.area for each in frame.meta.gain_maps]
