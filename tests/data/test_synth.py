"""Synthetic DNG files, read back by LibRaw, exiftool and this library."""

import shutil
import subprocess

import numpy as np
import pytest
import rawpy
import skimage.data
import torch
from PIL import Image, ImageOps

from isp_ns.core.errors import DecodeError
from isp_ns.data.simulate import Shooting, simulate
from isp_ns.data.synth import MirrorTiles, synthesise
from isp_ns.io.icc import icc_profile
from isp_ns.io.profile import load_profile
from isp_ns.io.raw import read_raw

CAMERAS = ("gopro-hero6-black", "canon-powershot-s40", "fictitious-full-frame", "fictitious-phone")


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    path = tmp_path_factory.mktemp("rgb") / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()[0:120, 160:320]).save(path)
    return path


@pytest.mark.parametrize(("camera", "pattern"), zip(CAMERAS, ("RGGB", "BGGR", "GRBG", "GBRG"), strict=True))
def test_libraw_reads_the_counts_and_the_tags_that_were_written(photograph, tmp_path, camera, pattern):
    path = tmp_path / "shot.dng"
    frame = synthesise(photograph, path, camera=camera, iso=400, cfa=pattern, seed=1)
    levels = load_profile(camera).levels_at(400)
    with rawpy.imread(str(path)) as raw:
        assert np.array_equal(raw.raw_image_visible, frame.data[0].numpy())
        letters = "".join("RGBG"[i] for i in raw.raw_pattern.flatten())
        assert letters == pattern
        assert raw.white_level == levels.white[0]
        blacks = np.resize(np.array(levels.black), (2, 2))
        assert [raw.black_level_per_channel[i] for i in raw.raw_pattern.flatten()] == blacks.flatten().tolist()
        gains = np.array(raw.camera_whitebalance[:3])
        assert gains[1] / gains == pytest.approx(frame.meta.as_shot_neutral, rel=1e-4)


@pytest.mark.parametrize("camera", CAMERAS)
def test_this_library_reads_back_all_that_the_frame_said(photograph, tmp_path, camera):
    path = tmp_path / "shot.dng"
    frame = synthesise(photograph, path, camera=camera, iso=200, seed=1, shooting=Shooting(headroom_ev=0.5))
    back = read_raw(path)
    assert torch.equal(back.data, frame.data)
    for name in ("make", "model", "iso", "cfa", "white", "datetime", "baseline_exposure_ev", "aperture"):
        assert getattr(back.meta, name) == getattr(frame.meta, name), name
    assert np.array(back.meta.noise) == pytest.approx(np.array(frame.meta.noise), rel=1e-6)
    assert np.array(back.meta.as_shot_neutral) == pytest.approx(np.array(frame.meta.as_shot_neutral), rel=1e-5)
    for read, written in zip(back.meta.calibrations, frame.meta.calibrations, strict=True):
        assert read.cct_k == pytest.approx(written.cct_k, rel=2e-3)
        assert np.array(read.color_matrix) == pytest.approx(np.array(written.color_matrix), abs=1e-6)
    assert len(back.meta.gain_maps) == len(frame.meta.gain_maps)


def test_libraw_develops_the_picture_that_went_in(photograph, tmp_path):
    path = tmp_path / "shot.dng"
    synthesise(photograph, path, iso=100, shooting=Shooting(cct_k=4200.0))
    with rawpy.imread(str(path)) as raw:
        developed = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, adjust_maximum_thr=0, gamma=(2.4, 12.92), output_bps=8
        )
    original = skimage.data.astronaut()[0:120, 160:320].astype(float)
    # LibRaw takes the daylight matrix alone, so that saturated colours differ a little.
    assert np.abs(np.median(developed - original, axis=(0, 1))).max() < 3
    assert np.abs(developed - original)[4:-4, 4:-4].mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_file_says_how_to_turn_the_picture_upright(photograph, tmp_path, orientation):
    path = tmp_path / "shot.dng"
    synthesise(photograph, path, shooting=Shooting(orientation=orientation))
    with rawpy.imread(str(path)) as raw:
        stored = raw.raw_image_visible.copy()
    picture = Image.fromarray((255 * (stored / stored.max()) ** 0.45).astype(np.uint8))
    picture.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture))
    expected = skimage.data.astronaut()[0:120, 160:320].mean(axis=2)
    assert upright.shape == expected.shape
    assert np.corrcoef(upright.flatten(), expected.flatten())[0, 1] > 0.9
    assert read_raw(path).meta.orientation == orientation


def test_the_same_arguments_give_the_same_file(photograph, tmp_path):
    paths = [tmp_path / name for name in ("a.dng", "b.dng", "c.dng")]
    for path, seed in zip(paths, (4, 4, 5), strict=True):
        synthesise(photograph, path, iso=800, seed=seed)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_exiftool_finds_no_fault(photograph, tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    paths = []
    for camera in CAMERAS:
        paths.append(tmp_path / f"{camera}.dng")
        synthesise(photograph, paths[-1], camera=camera, shooting=Shooting(orientation=6))
    command = ["exiftool", "-validate", "-warning", "-error", "-a", "-q", *map(str, paths)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("OK") == len(paths), said
    assert "Warning" not in said
    assert "Error" not in said


def test_a_large_photograph_is_the_picture_and_its_mirror_images(photograph, tmp_path):
    frame = synthesise(photograph, tmp_path / "large.dng", size=(301, 401), shooting=Shooting(noise=False))
    assert frame.size == (300, 400)
    small = simulate(
        torch.from_numpy(skimage.data.astronaut()[0:120, 160:320]).permute(2, 0, 1) / 255,
        shooting=Shooting(noise=False),
    )
    corners = [
        (frame.data[:, :120, :160], small.frame.data),
        (frame.data[:, 240:, 320:], small.frame.data[:, :60, :80]),
    ]
    for found, expected in corners:
        # Processors may sum colours in another order for another size, so that a count is rounded the other way.
        apart = (found.int() - expected.int()).abs()
        assert int(apart.max()) <= 1
        assert float(apart.float().mean()) < 1e-3


def test_mirror_tiles_run_to_and_fro():
    tiles = MirrorTiles(torch.arange(3.0).expand(3, 1, 3), (1, 8))
    assert tiles.rows(0, 1)[0, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]


def test_leaf_litter_needs_no_picture_but_a_size(tmp_path):
    frame = synthesise(None, tmp_path / "litter.dng", size=(64, 96), seed=2)
    assert frame.size == (64, 96)
    with pytest.raises(ValueError, match="size"):
        synthesise(None, tmp_path / "none.dng")


def test_the_space_and_orientation_of_the_picture_are_honoured(tmp_path):
    pixels = np.ascontiguousarray(skimage.data.astronaut()[:64, 160:256])
    plain, turned, wide = tmp_path / "plain.png", tmp_path / "turned.png", tmp_path / "wide.png"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save(plain)
    Image.fromarray(np.rot90(pixels, 1).copy()).save(turned, exif=exif)
    Image.fromarray(pixels).save(wide, icc_profile=icc_profile("display-p3"))
    frames = [
        synthesise(path, tmp_path / "shot.dng", shooting=Shooting(noise=False)).data for path in (plain, turned, wide)
    ]
    assert torch.equal(frames[0], frames[1])
    assert not torch.equal(frames[0], frames[2])


def test_what_is_no_picture_is_refused_by_name(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"this is not a picture")
    with pytest.raises(DecodeError, match=r"broken\.jpg"):
        synthesise(tmp_path / "broken.jpg", tmp_path / "shot.dng")
    assert not (tmp_path / "shot.dng").exists()
