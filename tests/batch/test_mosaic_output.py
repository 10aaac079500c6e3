"""The denoised mosaic as a DNG: the sensor's own layout and levels, with less noise."""

import pytest
import torch
from batch_files import dng
from sample_frames import meta, mosaic, photograph

import isp_ns
from isp_ns.core.frame import Frame
from isp_ns.io.write import write_image


def _light(frame):
    black = torch.tensor(frame.meta.black).flatten().mean()
    return (frame.data.float() - black) / (frame.meta.white[0] - black)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_a_denoised_mosaic_is_nearer_to_the_light(tmp_path, pattern):
    light = mosaic(0.7 * photograph(96, 128) * torch.tensor([0.52, 1.0, 0.66]).view(3, 1, 1), pattern)
    generator = torch.Generator().manual_seed(0)
    noisy = light + torch.sqrt(1e-3 * light + 1e-5) * torch.randn(light.shape, generator=generator)
    about = meta(pattern).with_values(
        "test", gain_maps=(), space=None, black=((512.0,),), noise=((1e-3, 1e-5),) * 3, orientation=6
    )
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.dng", Frame((noisy * 15871 + 512).round().to(torch.uint16), about))
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", outputs=("image", "mosaic"))
    assert report.records[0].status == "done", report.records[0].reason
    made = isp_ns.read_raw(tmp_path / "out" / "a_mosaic.dng")
    assert (made.cfa, made.size, made.meta.orientation) == (pattern, (96, 128), 6)
    assert made.meta.as_shot_neutral == pytest.approx(about.as_shot_neutral, abs=1e-4)
    before, after = (float((x - light).square().mean()) for x in (noisy, _light(made)))
    assert after < 0.6 * before


def test_a_sensor_without_filters_has_no_mosaic(tmp_path):
    dng(tmp_path / "in" / "a.dng", kind="linear")
    report = isp_ns.process(tmp_path / "in", tmp_path / "out", outputs=("mosaic",))
    assert "no Bayer filters" in report.records[0].reason
