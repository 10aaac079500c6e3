"""From clean pictures to what a sensor would have recorded: camera colour, mosaic, noise; all batched and random.

Every function draws from the generator it is given and from nothing else, so that a run can be repeated; pictures
and generator live on the same device.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.nets.encoding import encode_light

__all__ = [
    "CAMERA_SHOT_RANGE",
    "Batch",
    "add_gaussian",
    "augment_colour",
    "awgn_batch",
    "camera_batch",
    "clean_batch",
    "film_scan",
    "mosaic_rggb",
    "turn",
    "typical_read",
]

CAMERA_SHOT_RANGE = (1.7e-5, 1.8e-2)
"""Shot noise (scale) of a raw value in 0..1 that training draws from, log-uniform.

Source: Brooks et al. 2019 (arXiv 1811.11127), widened to base ISO and to very high ISO."""

_LUMA = (0.299, 0.587, 0.114)

_HALF_COLOUR_SHARE = 0.75


@dataclass(frozen=True)
class Batch:
    """What one training step sees, all in the encoded domain.

    Attributes:
        mosaic: (B, 1, H, W) noisy RGGB mosaic.
        target: (B, 3, H, W) clean picture.
        noise: (B, 3, H/4, W/4) standard deviation that the denoiser is told.
        sigma: (B,) mean standard deviation in the encoded domain, to weigh the loss.
    """

    mosaic: Tensor
    target: Tensor
    noise: Tensor
    sigma: Tensor


def _uniform(rng: Generator, size: tuple[int, ...], low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(size, generator=rng, device=rng.device)


def _normal(rng: Generator, size: tuple[int, ...]) -> Tensor:
    return torch.randn(size, generator=rng, device=rng.device)


def turn(x: Tensor, rng: Generator) -> Tensor:
    """One of the eight turns and flips of a square, the same for the whole batch.

    Args:
        x: (B, C, H, H).
        rng: where randomness comes from.

    Source: the symmetry group of the square.
    """
    k = int(torch.randint(8, (1,), generator=rng))
    x = x.rot90(k % 4, (2, 3))
    return x.flip(3) if k >= 4 else x


def augment_colour(rgb: Tensor, rng: Generator, share: float) -> Tensor:
    """Change channel gains, saturation and channel order of a share of the batch; stays in 0..1.

    A net that has seen ordinary photographs only leans on their weak colours and fails on saturated ones.

    Args:
        rgb: (B, 3, H, W) in 0..1.
        rng: where randomness comes from.
        share: probability that a picture is changed.

    Source: gains and saturation after Brooks et al. 2019 (arXiv 1811.11127) and common practice.
    """
    batch = rgb.shape[0]
    chosen = (_uniform(rng, (batch, 1, 1, 1), 0, 1) < share).float()
    luma = (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    saturation = torch.exp(_uniform(rng, (batch, 1, 1, 1), -0.3, 1.0))
    gains = torch.exp(_uniform(rng, (batch, 3, 1, 1), -0.7, 0.4))
    changed = ((luma + saturation * (rgb - luma)) * gains).clamp(0, 1)
    order = torch.argsort(_uniform(rng, (batch, 3), 0, 1), dim=1)
    swapped = changed.gather(1, order.view(batch, 3, 1, 1).expand_as(changed))
    return rgb + chosen * (swapped - rgb)


def film_scan(rgb: Tensor, rng: Generator, share: float) -> Tensor:
    """Give a share of the batch what scanned film has: grain, and colour at half the resolution; stays in 0..1.

    Digital photographs that were shrunk have neither. Grain, each emulsion its own, has σ log-uniform in 0.5/255 to
    4/255 and half of its variance blurred; three of four of those pictures then have their colour differences averaged
    over 2×2 pixels, as the Photo CD and most JPEG files store them, so that their grain is grey.

    Args:
        rgb: (B, 3, H, W) in 0..1, gamma-coded, with even sides.
        rng: where randomness comes from.
        share: probability that a picture is changed.

    Source: chroma subsampling of Photo YCC and of JFIF (ITU-T T.871), 4:2:0.
    """
    chosen = (_uniform(rng, (rgb.shape[0],), 0, 1) < share).nonzero().flatten()
    film = rgb[chosen]
    sigma = torch.exp(_uniform(rng, (len(chosen), 1, 1, 1), math.log(0.5), math.log(4.0))) / 255
    fine, coarse = _normal(rng, tuple(film.shape)), _normal(rng, tuple(film.shape))
    coarse = F.avg_pool2d(F.pad(coarse, (1, 1, 1, 1)), 3, stride=1)
    film = film + sigma * math.sqrt(0.5) * (fine + 3 * coarse)
    halved = (_uniform(rng, (len(chosen),), 0, 1) < _HALF_COLOUR_SHARE).nonzero().flatten()
    row, column = (int(torch.randint(2, (1,), generator=rng, device=rng.device)) for _ in range(2))
    film[halved] = _half_colour(film[halved], row, column)
    return rgb.index_copy(0, chosen, film.clamp_(0, 1))


def _half_colour(rgb: Tensor, row: int, column: int) -> Tensor:
    """Colour differences averaged over 2×2 cells that begin `row` rows and `column` columns before the first pixel."""
    luma = (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    colour = F.pad(rgb - luma, (column, 2 - column, row, 2 - row), mode="replicate")
    smooth = F.interpolate(F.avg_pool2d(colour, 2), scale_factor=2, mode="bilinear", align_corners=False)
    return luma + smooth[..., row : row + rgb.shape[-2], column : column + rgb.shape[-1]]


def mosaic_rggb(rgb: Tensor) -> Tensor:
    """Sample (B, 3, H, W) with the RGGB pattern to (B, 1, H, W).

    Source: Bayer 1976 (US patent 3971065).
    """
    out = rgb[:, 1:2].clone()
    out[..., 0::2, 0::2] = rgb[:, 0:1, 0::2, 0::2]
    out[..., 1::2, 1::2] = rgb[:, 2:3, 1::2, 1::2]
    return out


def clean_batch(rgb: Tensor) -> Batch:
    """Gamma-coded pictures without noise.

    Args:
        rgb: (B, 3, H, W) in 0..1.

    Source: the noise-free demosaicking benchmarks.
    """
    batch, _, height, width = rgb.shape
    return Batch(mosaic_rggb(rgb), rgb, rgb.new_zeros(batch, 3, height // 4, width // 4), rgb.new_zeros(batch))


def add_gaussian(x: Tensor, rng: Generator, sigma_max: float) -> tuple[Tensor, Tensor]:
    """Add Gaussian noise, its σ uniform in 0..sigma_max for every picture; returns the noisy x and σ (B, 1, 1, 1).

    Args:
        x: (B, C, H, W).
        rng: where randomness comes from.
        sigma_max: largest standard deviation, of a range of 1.

    Source: definition.
    """
    sigma = _uniform(rng, (x.shape[0], 1, 1, 1), 0, sigma_max)
    return x + sigma * _normal(rng, tuple(x.shape)), sigma


def awgn_batch(rgb: Tensor, rng: Generator, sigma_max: float) -> Batch:
    """Gamma-coded pictures with Gaussian noise, σ uniform in 0..sigma_max; the denoiser's σ is up to 10 % off.

    Args:
        rgb: (B, 3, H, W) in 0..1.
        rng: where randomness comes from.
        sigma_max: largest standard deviation, of a range of 1.

    Source: the joint demosaicking and denoising benchmarks (Gharbi et al. 2016).
    """
    batch, _, height, width = rgb.shape
    mosaic, sigma = add_gaussian(mosaic_rggb(rgb), rng, sigma_max)
    told = sigma * _uniform(rng, (batch, 1, 1, 1), 0.9, 1.1)
    return Batch(mosaic, rgb, told.expand(batch, 3, height // 4, width // 4), sigma.flatten())


def _camera_light(rgb: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
    """Gamma-coded pictures to white-balanced linear camera light, clipped as the sensor clips, and its gains (B, 3)."""
    batch = rgb.shape[0]
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    same = torch.eye(3, device=rgb.device)
    mix = _uniform(rng, (batch, 3, 3), 0, 0.3) * (1 - same) + same
    camera = torch.einsum("bij,bjhw->bihw", mix / mix.sum(2, keepdim=True), linear)
    red, blue = _uniform(rng, (batch, 1), 1.2, 2.6), _uniform(rng, (batch, 1), 1.2, 2.4)
    gains = torch.cat([red, torch.ones_like(red), blue], 1)
    exposure = torch.exp(_uniform(rng, (batch, 1, 1, 1), -2.5, 0.3))
    wide = gains.view(batch, 3, 1, 1)
    return torch.minimum(camera * exposure, wide), gains


def typical_read(scale: float) -> float:
    """Middle of the read variances that training pairs with a shot noise.

    Source: Brooks et al. 2019 (arXiv 1811.11127), section 3.1.
    """
    return math.exp(2.18 * math.log(scale) + 1.20)


def _draw_noise(batch: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """Shot and read variance (B, 1) of a raw value in 0..1, before white balance."""
    low, high = (math.log(value) for value in CAMERA_SHOT_RANGE)
    log_shot = _uniform(rng, (batch, 1), low, high)
    log_read = 2.18 * log_shot + 1.20 + 0.5 * _normal(rng, (batch, 1))
    return torch.exp(log_shot), torch.exp(log_read)


def camera_batch(rgb: Tensor, rng: Generator) -> tuple[Batch, Tensor, Tensor]:
    """Unprocessed pictures under the noise of a camera, encoded by `sqrt`; values below black are kept.

    Args:
        rgb: (B, 3, H, W) in 0..1, gamma-coded.
        rng: where randomness comes from.

    Returns:
        The batch with `noise` still empty, and the (scale, offset) (B, 3) that the denoiser is told: up to 20 % off the
        truth, and zero for one picture in twenty, so that a missing noise model does no harm.

    Source: Brooks et al. 2019, "Unprocessing images for learned raw denoising" (arXiv 1811.11127); ranges widened.
    """
    batch, _, height, width = rgb.shape
    light, gains = _camera_light(rgb, rng)
    shot, read = _draw_noise(batch, rng)
    scale, offset = shot * gains, read * gains**2
    wide_scale, wide_offset, ceiling = (
        mosaic_rggb(v.view(batch, 3, 1, 1).expand(batch, 3, 2, 2)).repeat(1, 1, height // 2, width // 2)
        for v in (scale, offset, gains)
    )
    clean = mosaic_rggb(light)
    deviation = torch.sqrt(wide_scale * clean + wide_offset)
    noisy = torch.minimum(clean + deviation * _normal(rng, tuple(clean.shape)), ceiling)
    error = torch.exp(_uniform(rng, (batch, 1), -0.2, 0.2))
    error = error * (_uniform(rng, (batch, 1), 0, 1) >= 0.05)
    target = encode_light(light, "sqrt")
    sigma = (encode_light(clean + deviation, "sqrt") - encode_light(clean, "sqrt")).mean((1, 2, 3))
    empty = rgb.new_zeros(batch, 3, height // 4, width // 4)
    return Batch(encode_light(noisy, "sqrt"), target, empty, sigma), scale * error, offset * error
