"""Mirroring: a mirrored network must do to the mirrored picture what the network did to the picture."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from isp_ns.nets.layers import Conv, ResBlock, flip_packed, mirror_, pack_mosaic, packed_order, unpack

FLIPS = [(False, True), (True, False), (True, True)]


@pytest.mark.parametrize(("vertical", "horizontal"), FLIPS)
def test_flip_packed_is_the_flip_of_the_pixels(vertical, horizontal):
    picture = torch.rand(2, 3, 8, 12)
    dims = [d for d, wanted in ((2, vertical), (3, horizontal)) if wanted]
    packed = flip_packed(F.pixel_unshuffle(picture, 2), 12, vertical, horizontal)
    assert torch.equal(F.pixel_shuffle(packed, 2), picture.flip(dims))


def test_unpack_is_pixel_shuffle_in_any_layout():
    packed = torch.randn(2, 12, 6, 10)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(unpack(packed.contiguous(memory_format=layout)), F.pixel_shuffle(packed, 2))


def test_pack_mosaic_is_pixel_unshuffle_channels_last():
    mosaic = torch.randn(2, 1, 12, 20)
    packed = pack_mosaic(mosaic)
    assert torch.equal(packed, F.pixel_unshuffle(mosaic, 2))
    assert packed.is_contiguous(memory_format=torch.channels_last)


def test_packed_order_is_its_own_inverse():
    for flips in FLIPS:
        order = packed_order(*flips)
        assert [order[i] for i in order] == [0, 1, 2, 3]


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize(("vertical", "horizontal"), FLIPS)
def test_mirrored_convolution(kernel, vertical, horizontal):
    conv = Conv(12, 8, kernel, packed_in=8, packed_out=4)
    x = torch.randn(1, 12, 8, 12)
    expected = flip_packed(conv(x), 4, vertical, horizontal)
    mirror_(conv, vertical, horizontal)
    assert torch.allclose(conv(flip_packed(x, 8, vertical, horizontal)), expected, atol=1e-5)


def test_a_plain_convolution_cannot_be_mirrored():
    with pytest.raises(ValueError, match="Conv"):
        mirror_(nn.Sequential(nn.Conv2d(1, 1, 3)), True, False)


def test_kernel_sizes_are_checked():
    with pytest.raises(ValueError, match="kernel 5"):
        Conv(1, 1, 5)


def test_halving_and_keeping_sizes():
    x = torch.zeros(1, 4, 8, 12)
    assert Conv(4, 6, 2)(x).shape == (1, 6, 4, 6)
    assert ResBlock(4)(x).shape == x.shape
