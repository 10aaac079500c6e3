"""Whole pipelines on simulated cameras whose parameters are known: greys, highlights, levels and brightness."""

import pytest
import torch

from isp_ns.core.frame import Frame
from isp_ns.data.simulate import Shooting, simulate
from isp_ns.io.pipelines import load_pipeline
from isp_ns.metrics import cielab
from isp_ns.ops.transfer import decode, encode

LOOKS = ["classic", "fast"]
STEPS = (0.05, 0.2, 0.4, 0.6, 0.8)


def grey_steps(size: int = 96) -> torch.Tensor:
    """(3, size, 5 size) display-encoded grey patches."""
    return torch.cat([torch.full((3, size, size), value) for value in STEPS], dim=2)


def patches(image: torch.Tensor, size: int = 96) -> list[torch.Tensor]:
    """The middle of each patch."""
    return [image[:, 32:-32, i * size + 32 : (i + 1) * size - 32] for i in range(len(STEPS))]


def develop(look: str, frame: Frame) -> torch.Tensor:
    return load_pipeline(look).replace("encode", bit_depth=32).run(raw=frame)["image"].data


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("cct_k", [2856.0, 5003.0, 6504.0])
@pytest.mark.parametrize("camera", ["fictitious-full-frame", "gopro-hero6-black"])
def test_greys_stay_neutral_under_incandescent_and_daylight(look, cct_k, camera):
    shot = simulate(grey_steps(), camera, shooting=Shooting(cct_k=cct_k, tint=0.0))
    for patch in patches(develop(look, shot.frame)):
        # The mean is taken of light, as the eye does: that of encoded noise would lie below it.
        mean = encode(decode(patch, "srgb").mean((1, 2), keepdim=True), "srgb")
        lab = cielab(mean).flatten()
        assert float(lab[1:].abs().max()) < 0.6


@pytest.mark.parametrize("look", LOOKS)
def test_mid_greys_come_out_as_bright_as_they_were(look):
    shot = simulate(grey_steps(), shooting=Shooting(noise=False))
    developed = [float(patch.mean()) for patch in patches(develop(look, shot.frame))]
    assert developed == sorted(developed)
    assert developed[2] == pytest.approx(STEPS[2], abs=0.03)


@pytest.mark.parametrize("look", LOOKS)
def test_blown_areas_are_neutral_and_bright(look):
    sky = torch.full((3, 96, 96), 0.9)
    sky[2] = 1.0
    shot = simulate(sky, shooting=Shooting(exposure_ev=2.0, cct_k=4000.0))
    image = develop(look, shot.frame)[:, 16:-16, 16:-16].clamp(0, 1)
    lab = cielab(image.mean((1, 2), keepdim=True)).flatten()
    assert float(lab[0]) > 95
    assert float(lab[1:].abs().max()) < 2


def test_brightness_does_not_depend_on_what_else_is_in_the_picture():
    dark = torch.full((3, 96, 192), 0.3)
    with_lamp = dark.clone()
    with_lamp[:, :, 128:] = 1.0
    shooting = Shooting(noise=False)
    one, other = (develop("classic", simulate(p, shooting=shooting).frame)[:, :, :80] for p in (dark, with_lamp))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_classic_removes_noise_and_keeps_the_picture():
    ramp = torch.linspace(0.1, 0.9, 256).expand(3, 128, 256).contiguous()
    shot = simulate(ramp, iso=12800)
    truth = develop("fast", simulate(ramp, shooting=Shooting(noise=False)).frame)
    classic, fast = (develop(look, shot.frame) for look in LOOKS)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    error = {name: float((image - truth)[inner].std()) for name, image in (("classic", classic), ("fast", fast))}
    assert error["classic"] < 0.5 * error["fast"]
