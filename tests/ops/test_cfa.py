import warnings

import numpy as np
import pytest
import torch

from isp_ns.ops import cfa

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
SIZES = [(2, 2), (2, 3), (5, 2), (6, 8), (7, 9)]


def rgb(height, width, seed=0):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", SIZES)
def test_masks_are_those_of_colour_demosaicing(pattern, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from colour_demosaicing.bayer import masks_CFA_Bayer
    expected = np.stack(masks_CFA_Bayer(size, pattern))
    assert np.array_equal(cfa.colour_masks(pattern, *size).numpy(), expected)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mosaic_takes_the_channel_that_the_mask_names(pattern):
    image = rgb(7, 9)
    expected = (image * cfa.colour_masks(pattern, 7, 9)).sum(0, keepdim=True)
    assert torch.equal(cfa.mosaic(image, pattern), expected)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pack_orders_planes_by_colour_and_unpack_returns(pattern):
    colours = torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(3, 6, 8)
    planes = cfa.pack(cfa.mosaic(colours, pattern), pattern)
    assert planes[:, 0, 0].tolist() == pytest.approx([0.1, 0.5, 0.5, 0.9])
    image = torch.rand(1, 6, 8)
    assert torch.equal(cfa.unpack(cfa.pack(image, pattern), pattern), image)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_second_plane_is_the_green_of_the_red_rows(pattern):
    row_number = torch.arange(6.0)[None, :, None].expand(1, 6, 8)
    red, green_red, green_blue, blue = cfa.pack(row_number, pattern)
    assert torch.equal(red, green_red)
    assert torch.equal(blue, green_blue)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dy", [-3, 0, 1])
@pytest.mark.parametrize("dx", [-1, 0, 2])
def test_shifted_pattern_is_the_pattern_of_the_crop(pattern, dy, dx):
    whole = cfa.colour_index(pattern, 12, 12)
    crop = whole[4 + dy : 10 + dy, 4 + dx : 10 + dx]
    assert torch.equal(cfa.colour_index(cfa.shift_pattern(pattern, dy, dx), 6, 6), crop)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("margin", [0, 2, 12])
def test_to_rggb_keeps_every_colour_on_its_own_sites(pattern, size, margin):
    """The mosaic of a flat colour must become the RGGB mosaic of that colour, at sides even and wide enough."""
    colours = torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(3, *size)
    extended, (top, left) = cfa.to_rggb(cfa.mosaic(colours, pattern), pattern, margin)
    height, width = extended.shape[1:]
    assert height % 2 == width % 2 == 0
    assert top >= margin
    assert left >= margin
    assert height >= top + size[0] + margin
    assert width >= left + size[1] + margin
    flat = torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(3, height, width)
    assert torch.equal(extended, cfa.mosaic(flat, "RGGB"))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_to_rggb_holds_the_mosaic_where_it_says(pattern):
    image = torch.rand(1, 5, 8)
    extended, (top, left) = cfa.to_rggb(image, pattern, 4)
    assert torch.equal(extended[:, top : top + 5, left : left + 8], image)


@pytest.mark.parametrize("pattern", ["RGBG", "GGRB", "RGG", "RGGBB", "CMYG", ""])
def test_refuses_what_is_no_bayer_pattern(pattern):
    with pytest.raises(ValueError, match="is not a Bayer pattern; use RGGB"):
        cfa.colour_cell(pattern)


@pytest.mark.parametrize("shape", [(1, 1, 8), (1, 8, 1), (2, 8, 8), (8, 8)])
def test_refuses_what_is_no_mosaic(shape):
    with pytest.raises(ValueError, match="mosaic"):
        cfa.check_mosaic(torch.zeros(shape))


def test_refuses_odd_sides_to_pack_odd_margins_and_other_channel_counts():
    with pytest.raises(ValueError, match="even sides"):
        cfa.pack(torch.zeros(1, 5, 4), "RGGB")
    with pytest.raises(ValueError, match="margin must be even"):
        cfa.to_rggb(torch.zeros(1, 4, 4), "RGGB", 3)
    with pytest.raises(ValueError, match=r"RGB image is \(3, H, W\)"):
        cfa.mosaic(torch.zeros(1, 4, 4), "RGGB")
    with pytest.raises(ValueError, match="packed mosaic"):
        cfa.unpack(torch.zeros(3, 4, 4), "RGGB")
