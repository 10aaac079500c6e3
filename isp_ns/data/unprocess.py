"""Display pictures back to what a sensor recorded: light, camera colour, mosaic, noise, counts.

Every function takes a batch (B, C, H, W), works on any device, draws from the generator it is given and from nothing
else, and reads no file, so that it serves training on the fly as well as the simulated cameras of `synth`.
Source of the order of steps: Brooks et al. 2019, "Unprocessing Images for Learned Raw Denoising", CVPR
(arXiv 1811.11127). Unlike there, colour goes through one matrix with the balance that a DNG reader will undo exactly,
values above the sensor's white are kept until it clips, and nothing is clipped below black.
"""

import torch
from torch import Generator, Tensor

from isp_ns.ops.transfer import decode

__all__ = [
    "brighten_highlights",
    "camera_colour",
    "display_to_linear",
    "mosaic",
    "quantise",
    "sensor_noise",
    "spread",
    "within_gamut",
]

_LUMINANCE = (0.2126, 0.7152, 0.0722)


def display_to_linear(picture: Tensor, space: str = "srgb", *, undo_tone: bool = False) -> Tensor:
    """The light that a display picture stands for.

    Args:
        picture: (..., H, W) values 0..1, encoded for `space`.
        space: a name of `isp_ns.ops.spaces.SPACES`.
        undo_tone: also undo an S-shaped curve, 3x² − 2x³ of the encoded value, such as pictures with a look have.

    Returns:
        Linear values of the same shape, 1 at the display's white.

    Source: Brooks et al. 2019, section 3.1 (the inverse of smoothstep); the standards of `spaces.TRANSFERS`.
    """
    if undo_tone:
        picture = 0.5 - torch.sin(torch.asin(1.0 - 2.0 * picture.clamp(0.0, 1.0)) / 3.0)
    return decode(picture, space)


def brighten_highlights(linear: Tensor, gain_ev: float, *, knee: float = 0.7) -> Tensor:
    """Give light that a display had clipped its brightness back, so that a sensor may clip it too.

    The gain depends on the brightest channel and rises smoothly from 1 at the knee, so that hue is kept.

    Args:
        linear: (..., 3, H, W) linear RGB, 1 at the display's white.
        gain_ev: gain at white, in stops.
        knee: level from which on the gain acts, 0..1.

    Returns:
        Linear RGB of the same shape; 1 becomes 2 to the power of `gain_ev`.

    Raises:
        ValueError: if the knee is not below 1.

    Source: the smooth mask of Brooks et al. 2019, section 3.3, used here to brighten.
    """
    if not 0.0 <= knee < 1.0:
        raise ValueError(f"the knee of the highlights is {knee}; it must be in 0..1, and below 1")
    if gain_ev == 0.0:
        return linear
    mask = ((linear.amax(dim=-3, keepdim=True) - knee) / (1.0 - knee)).clamp_(0.0, 1.0)
    return linear * torch.exp2(gain_ev * mask.square_())


def within_gamut(linear: Tensor, matrix: Tensor) -> Tensor:
    """Desaturate the colours that a camera's matrix would give negative light, just so far that it does not.

    No sensor counts negative light; what a matrix says so of lies outside the colours that it was fitted to. Mixing
    with grey of the same luminance keeps the hue, where clipping single channels would turn red into magenta.

    Args:
        linear: (B, 3, H, W) linear RGB, not negative.
        matrix: (3, 3) or (B, 3, 3) from that RGB to balanced camera RGB, rows summing to 1.

    Returns:
        (B, 3, H, W) linear RGB.

    Source: own construction; luminance weights of IEC 61966-2-1.
    """
    least = (matrix.to(linear) @ linear.flatten(2)).amin(dim=1).view_as(linear[:, 0]).clamp_(max=0.0)
    grey = torch.einsum("bchw,c->bhw", linear, linear.new_tensor(_LUMINANCE))
    kept = grey / (grey - least).clamp_(min=torch.finfo(linear.dtype).tiny)
    return torch.lerp(grey[:, None], linear, torch.where(least < 0.0, kept, 1.0)[:, None])


def camera_colour(linear: Tensor, matrix: Tensor, neutral: Tensor) -> Tensor:
    """Linear RGB of a known space to the RGB that a camera records before white balance.

    Args:
        linear: (B, 3, H, W) linear RGB.
        matrix: (3, 3) or (B, 3, 3) from that RGB to balanced camera RGB, rows summing to 1.
        neutral: (3,) or (B, 3) camera RGB of a neutral object, the reciprocals of its white-balance gains.

    Returns:
        (B, 3, H, W), clipped at 0; see `within_gamut`.

    Source: Brooks et al. 2019, section 3.2; DNG 1.4, chapter 6, read backwards.
    """
    full = (neutral.unsqueeze(-1) * matrix).to(linear).expand(linear.shape[0], 3, 3)
    return (full @ linear.flatten(2)).view(linear.shape).clamp_(min=0.0)


def mosaic(rgb: Tensor, pattern: str) -> Tensor:
    """What a colour filter array lets through.

    Args:
        rgb: (B, 3, H, W).
        pattern: four letters of the CFA at the first pixel, for example "GRBG".

    Returns:
        (B, 1, H, W).

    Source: Bayer 1976, US patent 3971065.
    """
    out = torch.empty_like(rgb[:, :1])
    for i, letter in enumerate(pattern):
        rows, columns = slice(i // 2, None, 2), slice(i % 2, None, 2)
        out[:, 0, rows, columns] = rgb[:, "RGB".index(letter), rows, columns]
    return out


def spread(values: Tensor, pattern: str, size: tuple[int, int]) -> Tensor:
    """One value for each colour, laid out as the mosaic that it belongs to.

    Args:
        values: (B, 3) or (3,), for R, G, B.
        pattern: four letters of the CFA at the first pixel.
        size: height and width in pixels.

    Returns:
        (B, 1, H, W), or (1, 1, H, W) for (3,).
    """
    index = torch.tensor(["RGB".index(letter) for letter in pattern], device=values.device)
    cell = values.view(-1, 3)[:, index].view(-1, 1, 2, 2)
    height, width = size
    return cell.repeat(1, 1, -(-height // 2), -(-width // 2))[..., :height, :width]


def sensor_noise(
    clean: Tensor,
    scale: Tensor,
    offset: Tensor,
    *,
    photons: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Add the noise of a sensor, variance = scale · x + offset. The result is not clipped.

    Args:
        clean: (B, C, H, W) linear values, 1 at the sensor's white, before any gain.
        scale: S of the noise model, broadcastable to `clean`, for example from `spread`.
        offset: O of the noise model, likewise.
        photons: count photons by the Poisson law and add Gaussian read noise; else one Gaussian of the same variance.
            The laws differ where few electrons are caught. Negative values catch none. Slower.
        generator: the source of randomness, on the device of `clean`.

    Returns:
        (B, C, H, W), a noisy copy.

    Source: Foi et al. 2008, IEEE TIP 17(10), eq. 1 (Poisson and Gaussian) and eq. 2 (Gaussian); DNG 1.4, NoiseProfile.
    """
    normal = torch.randn(clean.shape, generator=generator, dtype=clean.dtype, device=clean.device)
    if not photons:
        return normal.mul_((scale * clean + offset).clamp_(min=0.0).sqrt_()).add_(clean)
    electron = scale.clamp(min=torch.finfo(clean.dtype).tiny)
    caught = torch.poisson((clean / electron).clamp_(0.0, 2.0**24), generator=generator).mul_(electron)
    caught = torch.where(scale > 0.0, caught, clean)
    return normal.mul_(offset.clamp(min=0.0).sqrt()).add_(caught)


def quantise(linear: Tensor, black: Tensor | float, white: Tensor | float) -> Tensor:
    """Counts of linear values: scaled, rounded, and clipped at 0 and at the white level as a converter clips.

    Args:
        linear: any shape, black = 0 and white = 1.
        black: black level in counts, broadcastable.
        white: white level in counts, broadcastable, at most 65535.

    Returns:
        uint16 of the same shape.

    Source: DNG 1.4, chapter 5, "Mapping Raw Values to Linear Reference Values", read backwards.
    """
    high = torch.as_tensor(white, dtype=linear.dtype, device=linear.device)
    counts = (linear * (high - black)).add_(black).round_()
    return counts.clamp_(min=0.0).minimum(high).to(torch.int32).to(torch.uint16)
