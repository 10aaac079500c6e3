import pytest
import torch

from isp_ns.ops import colour, spaces


def pixels(seed=0, low=-0.2, high=1.6, height=33, width=47):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * (high - low) + low


def test_matrix_is_applied_to_every_pixel():
    rgb = pixels()
    matrix = spaces.rgb_to_rgb_matrix("prophoto", "srgb")
    expected = torch.einsum("ij,jhw->ihw", matrix, rgb.double())
    torch.testing.assert_close(colour.apply_matrix(rgb, matrix).double(), expected, rtol=1e-5, atol=1e-6)
    assert colour.apply_matrix(rgb, matrix).dtype == torch.float32
    batch = torch.stack((rgb, rgb * 2))
    torch.testing.assert_close(colour.apply_matrix(batch, matrix)[1], colour.apply_matrix(rgb * 2, matrix))


def test_matrix_on_tiles_is_that_on_the_whole():
    rgb, matrix = pixels(), spaces.rgb_to_rgb_matrix("rec2020", "srgb")
    whole = colour.apply_matrix(rgb, matrix)
    torch.testing.assert_close(
        colour.apply_matrix(rgb[:, 5:22, 9:40], matrix), whole[:, 5:22, 9:40], rtol=1e-6, atol=1e-7
    )


def test_matrix_refuses_other_shapes():
    with pytest.raises(ValueError, match="needed"):
        colour.apply_matrix(torch.ones(4, 8, 8), torch.eye(3))
    with pytest.raises(ValueError, match="needed"):
        colour.apply_matrix(torch.ones(3, 8, 8), torch.eye(4))


@pytest.mark.parametrize("space", spaces.SPACES)
def test_luminance_is_y_of_xyz(space):
    rgb = pixels().double()
    xyz = torch.einsum("ij,jhw->ihw", spaces.rgb_to_xyz_matrix(space), rgb)
    torch.testing.assert_close(colour.luminance(rgb, space)[0], xyz[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(colour.luminance(torch.stack((rgb, rgb)), space)[1, 0], xyz[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0, 1.7])
@pytest.mark.parametrize("change", [colour.saturation, colour.vibrance])
def test_saturation_and_vibrance_keep_luminance_and_greys(change, amount):
    rgb = pixels(low=0.0)
    out = change(rgb, amount, "rec2020")
    torch.testing.assert_close(colour.luminance(out, "rec2020"), colour.luminance(rgb, "rec2020"), rtol=0, atol=1e-5)
    grey = torch.linspace(0, 2, 32).expand(3, 4, 32)
    torch.testing.assert_close(change(grey, amount), grey, rtol=0, atol=1e-6)


def test_saturation_ends():
    rgb = pixels(low=0.0)
    torch.testing.assert_close(colour.saturation(rgb, 1.0), rgb)
    torch.testing.assert_close(colour.saturation(rgb, 0.0), colour.luminance(rgb).expand_as(rgb))
    torch.testing.assert_close(colour.vibrance(rgb, 0.0), rgb)


def test_vibrance_acts_on_pale_colours():
    pale = torch.tensor([0.55, 0.5, 0.45])[:, None, None]
    vivid = torch.tensor([0.9, 0.05, 0.0])[:, None, None]

    def growth(rgb):
        grey = colour.luminance(rgb)
        return ((colour.vibrance(rgb, 0.5) - grey).norm() / (rgb - grey).norm()).item()

    assert growth(pale) > 1.3
    assert growth(vivid) == pytest.approx(1.0, abs=1e-3)


def test_gamut_compression_brings_everything_inside_and_keeps_luminance():
    rgb = pixels(low=-0.5, high=1.4)
    out = colour.compress_gamut(rgb)
    assert out.min() >= 0
    assert out.max() <= 1
    luminance = colour.luminance(rgb)
    torch.testing.assert_close(colour.luminance(out), luminance.clamp(0, 1), rtol=0, atol=2e-4)


def test_gamut_compression_keeps_the_direction_of_the_colour():
    rgb = pixels(low=-0.3, high=1.2).double()
    inside = (colour.luminance(rgb) > 0.05) & (colour.luminance(rgb) < 0.95)
    before = (rgb - colour.luminance(rgb))[:, inside[0]]
    out = colour.compress_gamut(rgb)
    after = (out - colour.luminance(out))[:, inside[0]]
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=0)
    assert cosine.min() > 1 - 1e-6


def test_gamut_compression_leaves_the_inside_alone_and_is_smooth():
    grey = 0.5
    for end in ([1.5, 0.3, 0.3], [0.2, 0.2, 1.2]):
        direction = torch.tensor(end, dtype=torch.float64)[:, None, None] - grey
        direction = direction - colour.luminance(direction)
        t = torch.linspace(0, 3, 601, dtype=torch.float64)
        line = grey + direction * t
        out = colour.compress_gamut(line)
        reach = (line.clamp(0, 1) == line).all(0)[0]
        untouched = int(reach.sum() * 0.85)
        torch.testing.assert_close(out[..., :untouched], line[..., :untouched], rtol=0, atol=1e-6)
        length = (out - grey).norm(dim=0)[0]
        assert bool((length.diff() >= -1e-9).all())


def test_input_is_not_touched():
    rgb = pixels()
    before = rgb.clone()
    colour.apply_matrix(rgb, torch.eye(3))
    colour.luminance(rgb)
    colour.saturation(rgb, 1.4)
    colour.vibrance(rgb, 0.4)
    colour.compress_gamut(rgb)
    assert torch.equal(rgb, before)
