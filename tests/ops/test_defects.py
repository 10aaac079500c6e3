import numpy as np
import pytest
import torch

from isp_ns.ops import defects, noise

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
PAIRS = ((1e-4, 1e-6),)


def scene(name):
    """A bundled photograph in linear light, or a field of stars of σ = 0.7 px, unbalanced as a sensor sees it."""
    if name == "stars":
        rgb = stars()
    else:
        display = torch.from_numpy(getattr(pytest.importorskip("skimage.data"), name)()).float() / 255.0
        display = display.permute(2, 0, 1) if display.dim() == 3 else display.expand(3, -1, -1)
        rgb = torch.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    return rgb * torch.tensor([0.5, 0.9, 0.6])[:, None, None]


def stars(size=256, count=120, sigma_px=0.7):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    field = np.full((size, size), 0.01)
    for _ in range(count):
        y, x, flux = rng.uniform(4, size - 4), rng.uniform(4, size - 4), 10 ** rng.uniform(-1.5, -0.1)
        field += flux * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma_px**2))
    return torch.from_numpy(field).float().expand(3, -1, -1)


def sensor(name, pattern="GRBG", seed=0):
    rgb = scene(name)
    out = torch.empty(1, *rgb.shape[1:])
    for i, letter in enumerate(pattern):
        site = (slice(i // 2, None, 2), slice(i % 2, None, 2))
        out[0][site] = rgb["RGB".index(letter)][site]
    return noise.add_noise(out, PAIRS, pattern=pattern, generator=torch.Generator().manual_seed(seed))


def break_pixels(mosaic, points, seed=0):
    """Hot pixels, and dead ones where there is light to lose."""
    broken = mosaic.clone()
    value = mosaic[0, points[:, 0], points[:, 1]]
    draw = torch.rand(2, len(points), generator=torch.Generator().manual_seed(seed))
    hot = (draw[0] < 0.5) | (value < 0.2)
    broken[0, points[:, 0], points[:, 1]] = torch.where(hot, value + 0.2 + 0.6 * draw[1], 0.002 * draw[1])
    return broken


def random_points(size, share, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*size, generator=generator) < share).nonzero()


def as_set(points):
    return {tuple(point) for point in points.tolist()}


@pytest.mark.parametrize(("name", "most_ppm"), [("stars", 10), ("chelsea", 10), ("astronaut", 60), ("text", 20)])
def test_detail_is_not_taken_for_defects(name, most_ppm):
    mosaic = sensor(name)
    found = defects.detect_defects(mosaic, PAIRS)
    assert len(found) <= most_ppm * 1e-6 * mosaic.numel() + 2


@pytest.mark.parametrize(("name", "least"), [("stars", 0.97), ("chelsea", 0.85), ("brick", 0.8), ("astronaut", 0.75)])
def test_isolated_defects_are_found_and_repaired(name, least):
    mosaic = sensor(name)
    points = random_points(mosaic.shape[1:], 3e-4)
    broken = break_pixels(mosaic, points)
    found = as_set(defects.detect_defects(broken, PAIRS))
    assert len(found & as_set(points)) >= least * len(points)
    fixed = defects.correct_defects(broken, "GRBG", PAIRS)
    before, after = ((image - mosaic).square().mean() for image in (broken, fixed))
    assert after < 0.25 * before


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2)])
def test_pairs_are_found(step):
    mosaic = noise.add_noise(torch.full((1, 200, 201), 0.3), PAIRS, generator=torch.Generator().manual_seed(2))
    first = torch.cartesian_prod(torch.arange(10, 190, 19), torch.arange(11, 190, 17))
    points = torch.cat([first, first + torch.tensor(step)])
    broken = mosaic.clone()
    broken[0, points[:, 0], points[:, 1]] += 0.3
    assert as_set(defects.detect_defects(broken, PAIRS)) == as_set(points)
    fixed = defects.correct_defects(broken, "RGGB", PAIRS)
    assert (fixed - mosaic).abs().max() < 0.05


def test_threshold_follows_the_noise():
    loud = ((4e-3, 1e-4),)
    flat = noise.add_noise(torch.full((1, 600, 600), 0.4), loud, generator=torch.Generator().manual_seed(0))
    assert len(defects.detect_defects(flat, loud)) == 0
    assert len(defects.detect_defects(flat, loud, threshold_sigma=1.0, contrast=0.1)) > 50


@pytest.mark.parametrize("pattern", PATTERNS)
def test_replacement_follows_an_edge_and_its_own_colour(pattern):
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(25), indexing="ij")
    step = torch.where(columns > 12, 0.8, 0.2)
    colour = torch.tensor([{"R": 0.5, "G": 1.0, "B": 0.7}[c] for c in pattern])[2 * (rows % 2) + columns % 2]
    clean = (step * colour)[None]
    points = torch.tensor([[10, 12], [11, 13], [14, 12], [17, 13], [0, 0], [23, 24], [5, 14], [5, 11]])
    broken = clean.clone()
    broken[0, points[:, 0], points[:, 1]] = 9.0
    torch.testing.assert_close(defects.replace_defects(broken, points, pattern), clean)


def test_listed_columns_and_origin():
    clean = torch.linspace(0.1, 0.9, 40)[:, None].expand(40, 30)[None].clone()
    listed = torch.stack([torch.arange(40) + 100, torch.full((40,), 207)], 1)
    broken = clean.clone()
    broken[0, :, 7] = 5.0
    fixed = defects.correct_defects(broken, "RGGB", PAIRS, listed=listed, origin=(100, 200), threshold_sigma=np.inf)
    torch.testing.assert_close(fixed, clean)


def test_nothing_sound_around_leaves_the_value():
    every = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    mosaic = torch.rand(1, 5, 5)
    assert torch.equal(defects.replace_defects(mosaic, every, "RGGB"), mosaic)


def test_tiles_with_halo_equal_the_whole_and_input_is_untouched():
    mosaic = sensor("astronaut")[:, :200, :220]
    broken = break_pixels(mosaic, random_points((200, 220), 2e-3))
    before = broken.clone()
    whole = defects.correct_defects(broken, "GRBG", PAIRS)
    assert torch.equal(broken, before)
    halo = defects.HALO
    padded = broken[:, 51 - halo : 131 + halo, 40 - halo : 121 + halo]
    tile = defects.correct_defects(padded, "BGGR", PAIRS)[:, halo:-halo, halo:-halo]
    assert torch.equal(tile, whole[:, 51:131, 40:121])


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 3)])
def test_small_and_odd_sizes(size):
    assert defects.correct_defects(torch.rand(1, *size), "RGGB", PAIRS).shape == (1, *size)
