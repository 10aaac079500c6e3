"""bf16 inference must cost nothing that can be seen."""

from pathlib import Path

import pytest
import skimage.data
import torch

from isp_ns.nets.cards import load_space
from isp_ns.nets.int8 import int8_is_fast, to_int8
from isp_ns.nets.precision import bf16_is_fast, clean_loss_db, gradient_steps, to_bf16
from isp_ns.nets.space import build_space


@pytest.fixture(scope="module")
def space():
    torch.manual_seed(0)
    return build_space("ns-lite").eval().requires_grad_(False)


def test_the_picture_stays_in_fp32(space):
    twin = to_bf16(space)
    z_b, z_t = twin.encode(torch.rand(1, 1, 16, 16))
    assert z_b.dtype == torch.float32
    assert z_t.dtype == torch.bfloat16
    assert twin.decode(z_b, z_t, size=(16, 16)).dtype == torch.float32
    assert next(space.parameters()).dtype == torch.float32


def test_mirrored_twins_are_in_bf16_too(space):
    twin = to_bf16(space)
    z_b, _ = twin.encode(torch.rand(1, 1, 16, 16), pattern="GRBG")
    assert twin.oriented("GRBG").e_raw.trunk.stem.weight.dtype == torch.bfloat16
    assert z_b.shape == (1, 32, 8, 8)


@pytest.fixture(scope="module", params=["ns-lite", "ns-base"])
def trained(request):
    return load_space(request.param)[0]


@pytest.fixture(scope="module")
def photo():
    return torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None] / 255


def test_a_photo_loses_next_to_nothing(trained, photo):
    """The shipped weights: fresh ones leave the picture as the linear demosaic made it."""
    assert abs(clean_loss_db(trained, to_bf16(trained), photo)) <= 0.05
    bad = to_bf16(trained)
    with torch.no_grad():
        bad.e_raw.trunk.down.weight.mul_(1.5)
    assert clean_loss_db(trained, bad, photo) > 0.05


def test_gradients_get_no_bands(trained):
    """Steps of bf16 itself, 1/256 here, would be more than five times those of the gradient."""
    exact = gradient_steps(trained)
    assert gradient_steps(to_bf16(trained)) < exact + 1
    banded = to_bf16(trained)
    whole = banded.d_rgb.forward
    banded.d_rgb.forward = lambda *z: whole(*z).bfloat16().float()
    assert gradient_steps(banded) > exact + 1


@pytest.mark.parametrize("name", ["ns-lite", "ns-base"])
def test_int8_of_the_shipped_weights_loses_what_their_card_says(name, photo):
    if not int8_is_fast():
        pytest.skip("this processor or this torch has no 8-bit convolutions")
    space, card = load_space(name)
    twin = to_int8(space, card.activations)
    assert card.measured["int8"]["psnr_loss_db"] <= 0.05
    assert clean_loss_db(space, twin, photo) == pytest.approx(card.measured["int8"]["psnr_loss_db"], abs=0.05)
    assert gradient_steps(twin) < gradient_steps(space) + 1


@pytest.mark.parametrize(("flags", "fast"), [("flags : avx2 avx512_bf16", True), ("flags : avx2 avx512f", False)])
def test_bf16_is_fast_where_the_processor_says_so(monkeypatch, flags, fast):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: flags)
    assert bf16_is_fast("cpu") is fast
    assert bf16_is_fast("meta") is False
