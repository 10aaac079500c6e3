"""bf16 inference must cost nothing that can be seen."""

import pytest
import torch

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


def test_loss_and_banding(space):
    x = torch.linspace(0, 1, 64).view(1, 1, 1, 64) * torch.linspace(0.2, 1, 64).view(1, 1, 64, 1)
    assert abs(clean_loss_db(space, to_bf16(space), x.expand(1, 3, 64, 64).contiguous())) <= 0.05
    assert gradient_steps(to_bf16(space)) < 1.5


def test_the_answer_about_this_machine():
    assert bf16_is_fast("cpu") in (True, False)
