"""Bringing renderings of one photograph together: upright, in sRGB, on the same pixels, at the same exposure.

Renderings of one file by different programs differ in ways that say nothing about their quality: which border they
cut off, whether they turn the picture, and how bright "white" is. This module takes out exactly these, and says by
how much: whole pixels of offset, never resampled, and one gain per picture in linear light.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Box
from isp_ns.io.pixels import upright
from isp_ns.ops.colour import apply_matrix
from isp_ns.ops.filters import gaussian_blur
from isp_ns.ops.spaces import get_space, rgb_to_rgb_matrix
from isp_ns.ops.transfer import decode, encode

__all__ = ["Offset", "common_boxes", "display_srgb", "exposure_gain", "find_offset", "with_gain"]

SEARCH_PX = 96
"""The largest offset that is looked for, beyond equal centres."""

WINDOW_PX = 1024
LEAST_CORRELATION = 0.25
"""Below this correlation two pictures are not of one scene."""

BLOCK_PX = 8
USABLE_LINEAR = (0.02, 0.85)


@dataclass(frozen=True)
class Offset:
    """Where a picture lies on a reference: its pixel (0, 0) is the reference's (y, x); and how well they agree."""

    y: int
    x: int
    correlation: float


def display_srgb(frame: Frame) -> Tensor:
    """A rendering as it is compared: upright, three channels, encoded for sRGB, clipped to 0..1.

    Args:
        frame: (1, H, W) or (3, H, W): floats or unsigned integers, encoded for `meta.space` (sRGB if unknown).

    Returns:
        (3, H, W) float32.

    Source: IEC 61966-2-1 for the encoding; EXIF 2.32 for the orientation.
    """
    data = frame.data
    if not data.is_floating_point():
        data = data.to(torch.float32) / float(torch.iinfo(data.dtype).max)
    data = torch.from_numpy(upright(data.float().cpu().numpy(), frame.meta.orientation).copy())
    data = data.expand(3, -1, -1) if data.shape[0] == 1 else data
    space = frame.meta.space or "srgb"
    if space != "srgb":
        linear = decode(data, space)
        if get_space(space).primaries_xy != get_space("srgb").primaries_xy:
            linear = apply_matrix(linear, rgb_to_rgb_matrix(space, "srgb").float())
        data = encode(linear.clamp(min=0.0), "srgb")
    return torch.nan_to_num(data).clamp(0.0, 1.0).contiguous()


def find_offset(test: Tensor, reference: Tensor) -> Offset:
    """Where `test` lies on `reference`, in whole pixels.

    Phase correlation of the central parts, low frequencies only so that noise does not decide, gives a candidate; it
    is taken if the pictures correlate better there than with equal centres.

    Args:
        test: (3, H, W) encoded RGB.
        reference: (3, H', W') encoded RGB, of about the same size.

    Raises:
        OutputError: if the sizes differ too much for a crop, or the pictures do not show the same scene.

    Source: Kuglin and Hines, "The phase correlation image alignment method" (1975).
    """
    spare = reference.shape[1] - test.shape[1], reference.shape[2] - test.shape[2]
    if max(abs(spare[0]), abs(spare[1])) > 2 * SEARCH_PX:
        raise OutputError(
            f"it has {test.shape[2]}×{test.shape[1]} pixels and the reference {reference.shape[2]}×"
            f"{reference.shape[1]}: that is another scale, not another crop"
        )
    centred = spare[0] // 2, spare[1] // 2
    light_test, light_reference = _detail(test), _detail(reference)
    shift = _phase_peak(light_test, light_reference, centred)
    best = max(
        (Offset(y, x, _correlation(light_test, light_reference, (y, x))) for y, x in (centred, shift)),
        key=lambda offset: offset.correlation,
    )
    if best.correlation < LEAST_CORRELATION:
        raise OutputError(f"it does not show what the reference shows (correlation {best.correlation:.2f})")
    return best


def common_boxes(sizes: Sequence[tuple[int, int]], offsets: Sequence[Offset]) -> list[Box]:
    """The part that all pictures have, as a box in each picture's own pixels.

    Args:
        sizes: height and width of each picture.
        offsets: where each lies on the reference.

    Raises:
        OutputError: if they have nothing in common.

    Source: none; intersection of boxes.
    """
    top, left = max(offset.y for offset in offsets), max(offset.x for offset in offsets)
    bottom = min(offset.y + size[0] for size, offset in zip(sizes, offsets, strict=True))
    right = min(offset.x + size[1] for size, offset in zip(sizes, offsets, strict=True))
    if bottom <= top or right <= left:
        raise OutputError("the renderings have no part of the scene in common")
    return [(top - o.y, left - o.x, bottom - o.y, right - o.x) for o in offsets]


def exposure_gain(test: Tensor, reference: Tensor) -> float:
    """The gain in linear light that brings `test` to the exposure of `reference`.

    The median of the ratios of block means, weighted by their light: blocks with clipped or black pixels do not count,
    and differences of colour, detail or single objects do not move it.

    Args:
        test: (3, H, W) encoded for sRGB.
        reference: (3, H, W) encoded for sRGB, the same pixels.

    Returns:
        A factor; 1 where no block is usable.

    Source: none; a weighted median is the robust (least absolute deviations) regression through the origin.
    """
    mine, other = (_block_light(image) for image in (test, reference))
    low, high = USABLE_LINEAR
    usable = (mine.least > low) & (other.least > low) & (mine.greatest < high) & (other.greatest < high)
    if not bool(usable.any()):
        return 1.0
    x, y = mine.mean[usable].double(), other.mean[usable].double()
    ratio, order = (y / x).sort()
    weight = x[order].cumsum(0)
    return float(ratio[int(torch.searchsorted(weight, 0.5 * weight[-1]))])


def with_gain(image: Tensor, gain: float) -> Tensor:
    """An sRGB picture with its linear light multiplied by `gain`, clipped to 0..1.

    Source: IEC 61966-2-1.
    """
    if gain == 1.0:
        return image
    return encode(decode(image, "srgb").mul_(gain), "srgb").clamp_(0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _BlockLight:
    """Mean linear light of blocks of `BLOCK_PX`, and the least and greatest channel value inside each."""

    mean: Tensor
    least: Tensor
    greatest: Tensor


def _block_light(image: Tensor) -> _BlockLight:
    linear = decode(image, "srgb")
    size = min(BLOCK_PX, *linear.shape[1:])
    mean = F.avg_pool2d(linear[None], size)[0]
    return _BlockLight(mean.mean(0), mean.amin(0), F.max_pool2d(linear[None], size)[0].amax(0))


def _detail(image: Tensor) -> Tensor:
    """(H, W) of what edges there are, without the lightest ripples."""
    return gaussian_blur(image.mean(0, keepdim=True), 1.5)[0]


def _window(image: Tensor, centre: tuple[int, int], size: tuple[int, int]) -> Tensor:
    top, left = centre[0] - size[0] // 2, centre[1] - size[1] // 2
    part = image[top : top + size[0], left : left + size[1]]
    taper = torch.hann_window(size[0], periodic=False)[:, None] * torch.hann_window(size[1], periodic=False)
    return (part - part.mean()) * taper


def _phase_peak(test: Tensor, reference: Tensor, centred: tuple[int, int]) -> tuple[int, int]:
    """The offset of the highest peak of phase correlation near equal centres."""
    height, width = (min(a, b, WINDOW_PX) // 2 * 2 for a, b in zip(test.shape, reference.shape, strict=True))
    middle = test.shape[0] // 2, test.shape[1] // 2
    other = reference.shape[0] // 2, reference.shape[1] // 2
    first = torch.fft.rfft2(_window(reference, other, (height, width)))
    second = torch.fft.rfft2(_window(test, middle, (height, width)))
    cross = first * second.conj()
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    low_pass = torch.exp(-(rows.square() + columns.square()) / (2 * 0.1**2))
    surface = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-12) * low_pass, s=(height, width))
    reach_y, reach_x = min(SEARCH_PX, height // 4), min(SEARCH_PX, width // 4)
    near = torch.roll(surface, (reach_y, reach_x), (0, 1))[: 2 * reach_y + 1, : 2 * reach_x + 1]
    peak = int(near.argmax())
    shift_y, shift_x = peak // near.shape[1] - reach_y, peak % near.shape[1] - reach_x
    # Windows about the centres are themselves offset when sizes are odd and even.
    return other[0] - middle[0] + shift_y, other[1] - middle[1] + shift_x


def _correlation(test: Tensor, reference: Tensor, offset: tuple[int, int]) -> float:
    """Correlation of the overlap at an offset."""
    sizes = [(test.shape[0], test.shape[1]), (reference.shape[0], reference.shape[1])]
    mine, other = common_boxes(sizes, [Offset(*offset, 0.0), Offset(0, 0, 0.0)])
    first = test[mine[0] : mine[2], mine[1] : mine[3]].flatten().double()
    second = reference[other[0] : other[2], other[1] : other[3]].flatten().double()
    first, second = first - first.mean(), second - second.mean()
    power = float(first.square().sum() * second.square().sum())
    return float((first * second).sum()) / power**0.5 if power > 0 else 1.0
