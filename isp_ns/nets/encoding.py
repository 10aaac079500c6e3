"""How linear light is presented to the networks, and how much noise that presentation carries.

`identity` is for images that are gamma-coded already. `sqrt` is an odd square-root-like curve for linear light: it
evens out shot noise, and is defined below black, where half of the read noise lies.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["ENCODINGS", "decode_light", "encode_light", "encoding_slope", "noise_maps", "noise_tensors"]

ENCODINGS = ("identity", "sqrt")
"""Names of the encodings."""

_C = 0.05
_C2 = _C**2
_NORM = math.sqrt(1 + _C2) - _C


def _check(encoding: str) -> None:
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding {encoding!r} is unknown; use one of {', '.join(ENCODINGS)}")


def encode_light(x: Tensor, encoding: str) -> Tensor:
    """Linear light to what the networks see; 0 stays 0 and 1 stays 1, any shape.

    Raises:
        ValueError: for an unknown encoding.

    Source: square-root variance stabiliser (Anscombe 1948), made odd and smooth at zero.
    """
    _check(encoding)
    if encoding == "identity":
        return x
    return ((x.abs() + _C2).sqrt_() - _C).div_(_NORM).copysign_(x)


def decode_light(y: Tensor, encoding: str) -> Tensor:
    """Inverse of `encode_light`, any shape.

    Raises:
        ValueError: for an unknown encoding.

    Source: algebra.
    """
    _check(encoding)
    if encoding == "identity":
        return y
    return y.abs().mul_(_NORM**2).add_(2 * _C * _NORM).mul_(y)


def encoding_slope(x: Tensor, encoding: str) -> Tensor:
    """Derivative of `encode_light` at linear value `x`, any shape.

    Raises:
        ValueError: for an unknown encoding.

    Source: algebra.
    """
    _check(encoding)
    if encoding == "identity":
        return torch.ones_like(x)
    return 0.5 / (torch.sqrt(x.abs() + _C2) * _NORM)


def noise_maps(z_b: Tensor, scale: Tensor, offset: Tensor, encoding: str) -> Tensor:
    """Standard deviation of the noise per colour, in the encoded domain, on the grid of z_t.

    The noise model is variance = scale · x + offset for linear x; x is a smooth estimate of the signal that the space
    carries itself: the mean of the packed colour channels over 2×2 cells (4×4 pixels).

    Args:
        z_b: (B, C ≥ 12, h, w) detail features whose first 12 channels are packed RGB; h and w even.
        scale: (3,) or (B, 3), shot noise of R, G, B.
        offset: (3,) or (B, 3), read noise variance of R, G, B.
        encoding: one of `ENCODINGS`.

    Returns:
        (B, 3, h/2, w/2), not negative.

    Raises:
        ValueError: for an unknown encoding.

    Source: DNG 1.4 NoiseProfile; the delta method.
    """
    # Sums of slices: half the time of a pooling, for which the channels would be laid out in planes.
    rows = z_b[:, :12, 0::2].float() + z_b[:, :12, 1::2]
    cells = rows[..., 0::2] + rows[..., 1::2]
    x = decode_light(cells.view(cells.shape[0], 3, 4, *cells.shape[2:]).sum(2) / 16, encoding)
    a, b = (value.to(x).reshape(-1, 3, 1, 1) for value in (scale, offset))
    return torch.sqrt((a * x.clamp(min=0) + b).clamp(min=0)) * encoding_slope(x, encoding)


def noise_tensors(noise: Sequence[Sequence[float]], strength: float) -> tuple[Tensor, Tensor]:
    """Scale and offset (3,) of a noise model given as (scale, offset) for R, G, B, times strength².

    Args:
        noise: three pairs, as `Meta.noise` holds them.
        strength: multiplies the standard deviation; 0 turns denoising off.

    Raises:
        ValueError: if there are not three pairs, or a value is negative.

    Source: DNG 1.4 NoiseProfile.
    """
    pairs = torch.tensor([[float(v) for v in pair] for pair in noise])
    if pairs.shape != (3, 2) or not bool((pairs >= 0).all()) or strength < 0:
        raise ValueError(
            f"noise needs three (scale, offset) pairs and a strength, none negative, got {noise}, {strength}"
        )
    return pairs[:, 0] * strength**2, pairs[:, 1] * strength**2
