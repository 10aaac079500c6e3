"""What a file does not say, taken from its own pixels: white balance and noise, each with its source noted.

Windows spread over the frame are enough, so that this costs a tenth of a second however large the file is.
"""

import itertools
import logging
from collections.abc import Iterator

import torch

from isp_ns.core.frame import Frame
from isp_ns.core.threads import one_thread
from isp_ns.ops.cfa import mosaic
from isp_ns.ops.levels import linearise, normalise
from isp_ns.ops.noise_estimate import colour_ratios, limited_by_colour, noise_from_statistics, noise_statistics
from isp_ns.ops.transfer import decode
from isp_ns.ops.white_balance import cells, grey_gains, grey_stats

__all__ = ["with_estimates"]

WINDOW_PX = 256
WINDOWS_PER_SIDE = 7
_PICTURE_CELL = "RGGB"
"""How the pixels of a finished picture are sampled, so that one method serves both."""
_log = logging.getLogger(__name__)


def with_estimates(frame: Frame) -> Frame:
    """A frame with a noise model, and a sensor's with a white balance: estimated where the file has none.

    Args:
        frame: (1, H, W) counts of a Bayer mosaic, or (3, H, W) of a finished picture in 0..1, whose noise is taken in
            linear light; others are returned as they are.

    Returns:
        The frame; `meta.source` says "default" for a grey-world balance, "estimate" for a noise model.

    Source: Buchsbaum (1980) for the balance; `isp_ns.ops.noise_estimate` for the noise.
    """
    meta = frame.meta
    picture = frame.data.shape[0] == 3 and meta.space is not None and frame.data.is_floating_point()
    if not picture and (meta.cfa is None or frame.data.shape[0] != 1):
        return frame
    with one_thread():
        if not picture and meta.as_shot_neutral is None and meta.as_shot_white_xy is None:
            frame = _with_grey_world(frame)
        return _with_noise(frame) if meta.noise is None else frame


def _with_grey_world(frame: Frame) -> Frame:
    stats = torch.zeros(4, dtype=torch.float64)
    for pattern, linear in _windows(frame):
        stats += grey_stats(cells(linear, pattern))
    red, green, blue = (1.0 / grey_gains(stats)).tolist()
    _log.info("the file has no white balance: using grey world")
    return frame.with_meta("default", as_shot_neutral=(red, green, blue))


def _with_noise(frame: Frame) -> Frame:
    histogram = torch.zeros(0)
    for pattern, linear in _windows(frame):
        counts = noise_statistics(linear, pattern)
        histogram = counts if not histogram.numel() else histogram + counts
    try:
        noise = noise_from_statistics(histogram)
    except ValueError as error:
        _log.info("noise model: %s", error)
        return frame
    if frame.meta.cfa is None:
        noise = limited_by_colour(noise, torch.cat([colour_ratios(_light(part), noise) for part in _parts(frame)]))
    return frame.with_meta("estimate", noise=noise)


def _light(picture: Frame) -> torch.Tensor:
    return decode(picture.data, picture.meta.space or "srgb")


def _windows(frame: Frame) -> Iterator[tuple[str, torch.Tensor]]:
    """Pattern and linear values (1, h, w) of windows spread evenly over the frame."""
    meta = frame.meta
    for part in _parts(frame):
        if meta.cfa is None:
            yield _PICTURE_CELL, mosaic(_light(part), _PICTURE_CELL)
            continue
        counts = part.data if meta.linearization is None else linearise(part.data, meta.linearization)
        linear = normalise(
            counts,
            black=meta.black,
            white=meta.white,
            pattern=part.cfa,
            origin=part.origin,
            black_rows=meta.black_rows,
            black_columns=meta.black_columns,
        )
        yield part.cfa, linear


def _parts(frame: Frame) -> Iterator[Frame]:
    """Windows spread evenly over the frame."""
    tops, lefts = (_starts(length) for length in frame.size)
    for top, left in itertools.product(tops, lefts):
        y, x = frame.origin[0] + top, frame.origin[1] + left
        bottom, right = min(top + WINDOW_PX, frame.size[0]), min(left + WINDOW_PX, frame.size[1])
        yield frame.crop((y, x, frame.origin[0] + bottom, frame.origin[1] + right))


def _starts(length: int) -> list[int]:
    """First pixels, even, of windows along a side."""
    if length <= WINDOW_PX * WINDOWS_PER_SIDE:
        return list(range(0, max(1, length - 1), WINDOW_PX))
    return [(length - WINDOW_PX) * i // (WINDOWS_PER_SIDE - 1) // 2 * 2 for i in range(WINDOWS_PER_SIDE)]
