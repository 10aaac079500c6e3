"""The noise of a sensor: variance = scale · x + offset for a linear value x with black at 0 and white at 1.

This is the heteroscedastic Gaussian that stands for photon (Poisson) plus read (Gaussian) noise; `scale` and `offset`
are S and O of the DNG tag NoiseProfile, one pair for each of R, G, B. Multiplying an image by g multiplies its scale
by g and its offset by g². Halo 0.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "QUANTISATION_VARIANCE",
    "NoisePairs",
    "add_noise",
    "anscombe",
    "channel_noise",
    "inverse_anscombe",
    "noise_sigma",
    "scale_noise",
    "unbiased_inverse_anscombe",
]

NoisePairs = Sequence[tuple[float, float]]
"""(scale, offset) for each of R, G, B; a single pair serves all."""

QUANTISATION_VARIANCE = 1.0 / (12.0 * 65535.0**2)
"""Variance of rounding to 16 bits: the least noise an image is taken to have. Source: uniform density of one step."""


def channel_noise(noise: NoisePairs, image: Tensor, pattern: str | None = None) -> tuple[Tensor, Tensor]:
    """Noise parameters shaped to broadcast over the channels of an image.

    Args:
        noise: (scale, offset) for R, G, B, or one pair.
        image: (C, H, W) planes: R, G, B; or the four phases of a mosaic; or a single plane.
        pattern: the four letters of the mosaic whose phases the image holds.

    Returns:
        (scale, offset), each (C, 1, 1) of the image's dtype and device, offset at least `QUANTISATION_VARIANCE`.

    Raises:
        ValueError: if there are neither one pair nor three, or the channels cannot be told.

    Source: DNG 1.4, tag NoiseProfile (51041).
    """
    if len(noise) not in (1, 3):
        raise ValueError(f"noise has {len(noise)} pairs; give one, or one for each of R, G, B")
    letters = pattern if pattern is not None else "RGB"
    if len(noise) == 1:
        letters = "R" * image.shape[0]
    if len(letters) != image.shape[0]:
        raise ValueError(f"{image.shape[0]} channels have no colours by which to choose from three noise pairs")
    chosen = [noise["RGB".index(letter)] for letter in letters]
    values = image.new_tensor([(s, max(o, QUANTISATION_VARIANCE)) for s, o in chosen])
    return values[:, 0, None, None], values[:, 1, None, None]


def scale_noise(noise: NoisePairs, gains: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The noise of an image whose channels have been multiplied by gains.

    Args:
        noise: (scale, offset) for R, G, B, or one pair.
        gains: factor for each of R, G, B, for example white-balance gains.

    Returns:
        Three pairs.

    Source: var(g·x) = g²·var(x), DNG 1.4, tag NoiseProfile.
    """
    pairs = tuple(noise) * (3 if len(noise) == 1 else 1)
    return tuple((g * s, g * g * o) for (s, o), g in zip(pairs, gains, strict=True))


def noise_sigma(noise: NoisePairs, level: float = 0.18) -> float:
    """The largest standard deviation of the channels at one level.

    Args:
        noise: (scale, offset) pairs.
        level: linear value, 0.18 being a grey card.

    Returns:
        Standard deviation in units of the white level.

    Source: DNG 1.4, tag NoiseProfile.
    """
    return math.sqrt(max(s * level + o for s, o in noise))


def add_noise(
    image: Tensor, noise: NoisePairs, *, pattern: str | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Simulate the sensor's noise on a clean linear image; the result is not clipped.

    Args:
        image: (1, H, W) mosaic when `pattern` is given, else (C, H, W).
        noise: (scale, offset) for R, G, B, or one pair.
        pattern: four letters of the CFA at the first pixel.
        generator: the source of randomness, on the image's device.

    Returns:
        A noisy copy.

    Source: heteroscedastic Gaussian, Foi et al. 2008, IEEE TIP 17(10).
    """
    normal = torch.randn(image.shape, generator=generator, dtype=image.dtype, device=image.device)
    if pattern is None:
        scale, offset = channel_noise(noise, image)
        return normal.mul_((scale * image + offset).clamp_(min=0).sqrt_()).add_(image)
    pairs = tuple(noise) * (3 if len(noise) == 1 else 1)
    for i, letter in enumerate(pattern):
        site = (slice(None), slice(i // 2, None, 2), slice(i % 2, None, 2))
        scale_site, offset_site = pairs["RGB".index(letter)]
        normal[site].mul_((image[site] * scale_site + offset_site).clamp_(min=0).sqrt_())
    return normal.add_(image)


def anscombe(image: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
    """Generalised Anscombe transform: makes the standard deviation of the noise 1 at every level, and 0 stay 0.

    It is f(x) − f(0) for f(x) = 2/S·√(S·x + 3/8·S² + O), written so that S may be 0: then it is x/√O. Below the level
    at which the root ends it goes on as a straight line.

    Args:
        image: linear values.
        scale: S, at least 0, broadcastable to the image.
        offset: O, above 0 where S is 0, broadcastable to the image.

    Returns:
        Stabilised values of the image's shape.

    Source: Mäkitalo and Foi 2013, IEEE TIP 22(1), "Optimal Inversion of the Generalized Anscombe Transformation for
    Poisson-Gaussian Noise".
    """
    variance_zero = 0.375 * scale * scale + offset
    root = (image * scale).add_(variance_zero).clamp_(min=0).sqrt_()
    root.add_(variance_zero**0.5).reciprocal_()
    return root.mul_(image).mul_(2.0)


def inverse_anscombe(stabilised: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
    """Algebraic inverse of `anscombe`: right for the transform of a clean signal.

    Args:
        stabilised: values of `anscombe`.
        scale: S, as given there.
        offset: O, as given there.

    Returns:
        Linear values.

    Source: Mäkitalo and Foi 2013.
    """
    root_zero = (0.375 * scale * scale + offset) ** 0.5
    return (stabilised * (0.25 * scale)).add_(root_zero).clamp_(min=0.5 * root_zero).mul_(stabilised)


def unbiased_inverse_anscombe(stabilised: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
    """Closed-form approximation of the exact unbiased inverse: right for means of transformed noisy samples.

    Args:
        stabilised: values of `anscombe`, smoothed.
        scale: S, as given there.
        offset: O, as given there.

    Returns:
        Linear values.

    Source: Mäkitalo and Foi 2013, the closed-form approximation, with D = stabilised + f(0).
    """
    root_zero = (0.375 * scale * scale + offset) ** 0.5
    inverse = scale / (stabilised * scale + 2.0 * root_zero).clamp_(min=math.sqrt(1.5) * scale)
    root = math.sqrt(1.5)
    bias = ((inverse * (0.625 * root) - 1.375) * inverse + 0.25 * root) * inverse + 0.25
    return inverse_anscombe(stabilised, scale, offset) + scale * bias
