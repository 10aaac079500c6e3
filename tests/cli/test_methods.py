"""Methods by name: what reaches them, and what comes back."""

import pytest
import torch

from isp_ns.cli.methods import LIBRAW, method_of
from isp_ns.core.errors import SettingsError
from isp_ns.ops.cfa import mosaic


@pytest.mark.parametrize("name", LIBRAW)
def test_libraw_gets_the_mosaic_as_it_is(name):
    flat = method_of(name)(torch.full((1, 48, 64), 0.5), "RGGB", 0.0)
    assert flat.shape == (3, 48, 64)
    assert torch.allclose(flat[:, 8:-8, 8:-8], torch.tensor(0.5), atol=3e-5)


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_libraw_keeps_the_samples_in_their_places(pattern):
    generator = torch.Generator().manual_seed(0)
    rgb = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 8, generator=generator), size=(48, 64), mode="bicubic")[0]
    samples = mosaic(rgb.clamp(0, 1) * 1.3 - 0.15, pattern)
    out = method_of("ahd")(samples, pattern, 0.0)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert torch.allclose(mosaic(out, pattern)[inner], samples[inner], atol=3e-5)


def test_a_neural_space_is_a_method():
    out = method_of("ns-lite")(torch.full((1, 32, 32), 0.4), "GRBG", 0.0)
    assert torch.allclose(out, torch.tensor(0.4), atol=0.02)


def test_unknown_methods_are_answered_with_a_near_one():
    with pytest.raises(SettingsError, match="did you mean menon"):
        method_of("menom")
