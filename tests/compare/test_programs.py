"""External programs: found or named, isolated, limited in time; the real ones where they are installed."""

import os
import shutil
import stat
import time
from pathlib import Path

import pytest
import skimage.data
import tifffile
import torch
from PIL import Image

from isp_ns.compare.align import display_srgb, exposure_gain, find_offset, with_gain
from isp_ns.compare.programs import PROGRAMS, ProgramRenderer, run_program
from isp_ns.core.errors import DecodeError, SettingsError
from isp_ns.data.simulate import Shooting
from isp_ns.data.synth import synthesise
from isp_ns.io.raw import render_libraw
from isp_ns.metrics import mean_delta_e_2000, psnr
from isp_ns.ops.filters import gaussian_blur


def install(folder, name, script):
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder that comes first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def test_a_program_that_is_not_there_is_named_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, program in PROGRAMS.items():
        with pytest.raises(SettingsError, match=f"{program.command} is not on PATH.*apt-get install {program.package}"):
            ProgramRenderer(name, program).check()


def test_a_program_gets_a_copy_under_a_plain_name_and_an_empty_home(tmp_path, path):
    picture = tmp_path / "answer.tif"
    tifffile.imwrite(picture, torch.full((4, 6, 3), 32768, dtype=torch.int32).numpy().astype("uint16"))
    install(
        path,
        "darktable-cli",
        f'echo "this is fake 1.0"; cp {picture} "$2" 2>/dev/null; echo "$HOME $1" > {tmp_path}/said; sleep 0.5',
    )
    source = tmp_path / "$(touch pwned) -x;<b>.DNG"
    source.write_bytes(b"raw")
    renderer = ProgramRenderer("darktable", PROGRAMS["darktable"])
    renderer.check()
    rendering = renderer.render(source)
    home, given = (tmp_path / "said").read_text().split()
    assert Path(given).name == "input.dng"
    assert Path(home) == Path(given).parent
    assert not Path(home).exists()
    assert renderer.settings.startswith("fake 1.0, ")
    assert rendering.frame.data.shape == (3, 4, 6)
    assert rendering.render_ms > 0
    assert rendering.peak_bytes > 0


def test_failures_carry_the_status_and_the_last_words(tmp_path, path):
    install(path, "rawtherapee-cli", "echo 'cannot read it' >&2; exit 3")
    source = tmp_path / "a.dng"
    source.write_bytes(b"raw")
    renderer = ProgramRenderer("rawtherapee", PROGRAMS["rawtherapee"])
    with pytest.raises(
        DecodeError, match=r"a\.dng: rawtherapee-cli ended with status 3 \(last words: cannot read it\)"
    ):
        renderer.render(source)
    install(path, "rawtherapee-cli", "exit 0")
    with pytest.raises(DecodeError, match="wrote no picture"):
        renderer.render(source)


def _lives(pid):
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    started = time.monotonic()
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(DecodeError, match=r"took longer than 2 s"):
        run_program(["/bin/sh", "-c", script], tmp_path, 2, "a.dng")
    assert time.monotonic() - started < 30
    child = (tmp_path / "child").read_text().strip()
    end = time.monotonic() + 20
    while (alive := _lives(child)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive


def test_peak_memory_is_that_of_the_program(tmp_path):
    big = ["python3", "-c", "x = bytearray(150 << 20); x[::4096] = b'1' * len(x[::4096]); import time; time.sleep(0.5)"]
    small = ["python3", "-c", "pass"]
    peaks = [run_program(command, tmp_path, 30, "x")[1] for command in (big, small)]
    assert 140e6 < peaks[0] - peaks[1] < 200e6


@pytest.fixture(scope="module")
def photographed(tmp_path_factory):
    """A photograph by a simulated camera as DNG, and the picture it was made from."""
    folder = tmp_path_factory.mktemp("programs")
    picture = skimage.data.astronaut()[20:260, 120:440]
    Image.fromarray(picture).save(folder / "a.png")
    synthesise(folder / "a.png", folder / "a.dng", camera="gopro-hero6-black", iso=100)
    return folder / "a.dng", torch.from_numpy(picture / 255.0).permute(2, 0, 1).float()


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_real_programs_render_neutrally_and_can_be_aligned(name, photographed):
    program = PROGRAMS[name]
    if shutil.which(program.command) is None:
        pytest.skip(f"{program.command} is not installed")
    path, truth = photographed
    image = display_srgb(ProgramRenderer(name, program).render(path).frame)
    offset = find_offset(image, truth)
    assert offset.correlation > 0.95
    part = truth[:, offset.y : offset.y + image.shape[1], offset.x : offset.x + image.shape[2]]
    assert abs(exposure_gain(image, part) - 1) < 0.05
    assert psnr(image, part, crop=8) > 24
    assert mean_delta_e_2000(image, part, crop=8) < 5


def test_renderings_of_a_neutral_scene_agree_once_aligned(tmp_path):
    """A scene without colour or fine detail leaves nothing but exposure and crop to differ in."""
    renderers = [ProgramRenderer(name, each) for name, each in PROGRAMS.items() if shutil.which(each.command)]
    if not renderers:
        pytest.skip("neither darktable nor RawTherapee is installed")
    picture = gaussian_blur(torch.from_numpy(skimage.data.camera()[100:400, 100:460] / 255.0).float()[None], 3.0)
    grey = (0.1 + 0.7 * picture).mul(255).round().byte().expand(3, -1, -1).permute(1, 2, 0).numpy()
    Image.fromarray(grey.copy()).save(tmp_path / "a.png")
    synthesise(tmp_path / "a.png", tmp_path / "a.dng", iso=50, shooting=Shooting(noise=False))
    reference = display_srgb(render_libraw(tmp_path / "a.dng"))
    for renderer in renderers:
        image = display_srgb(renderer.render(tmp_path / "a.dng").frame)
        offset = find_offset(image, reference)
        part = reference[:, offset.y : offset.y + image.shape[1], offset.x : offset.x + image.shape[2]]
        aligned = with_gain(image, exposure_gain(image, part))
        assert psnr(aligned, part, crop=8) > 40, renderer.name
