"""Measures without a truth: noise where the scene is flat, sharpness at its edges, colours of a chart.

Every pipeline is measured at the same places, which are chosen on the mean of all renderings, so that no pipeline is
judged where it happens to look best.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from isp_ns.compare.areas import cut
from isp_ns.compare.edges import edge_response, find_edges
from isp_ns.compare.flat import BLOCK_PX, Blocks, Flatness, flat_blocks, without_plane
from isp_ns.core.meta import Box
from isp_ns.ops.colour import luminance
from isp_ns.ops.transfer import decode

__all__ = ["flat_noise", "without_truth"]

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of R, G and B in luma. Source: ITU-R BT.709, 3.2."""


def without_truth(images: Mapping[str, Tensor], boxes: Sequence[Box]) -> dict[str, dict[str, Any]]:
    """Noise and sharpness of all renderings of one photograph.

    Args:
        images: (3, H, W) encoded for sRGB by pipeline, all of one size.
        boxes: the areas to measure noise in; edges are looked for in the whole picture.

    Returns:
        By pipeline: noise_luma_255 and noise_chroma_255 (standard deviations with white at 255; None without flat
        blocks), mtf50 (cycles per pixel, mean over the edges; None without edges) and edges (how many).

    Source: `flat_noise`, `isp_ns.compare.edges`.
    """
    mean = torch.stack(list(images.values())).mean(0)
    edges = find_edges(_luminance(mean))
    blocks = [flat_blocks(cut(mean, box), Flatness.OF_NOISY) for box in boxes]
    result = {}
    for name, image in images.items():
        luma, chroma = flat_noise(image, boxes, blocks)
        light = _luminance(image)
        responses = [response.mtf50 for edge in edges if (response := edge_response(light, edge)) is not None]
        sharpness = sum(responses) / len(responses) if responses and len(responses) == len(edges) else None
        result[name] = {
            "noise_luma_255": luma,
            "noise_chroma_255": chroma,
            "mtf50": sharpness,
            "edges": len(edges),
        }
    return result


def flat_noise(image: Tensor, boxes: Sequence[Box], blocks: Sequence[Blocks]) -> tuple[float | None, float | None]:
    """Noise in flat blocks of a picture.

    Of each block a tilted plane is taken away, so that shading does not count.

    Args:
        image: (3, H, W) encoded, 0..1.
        boxes: the measured areas.
        blocks: the flat blocks of each area.

    Returns:
        Standard deviation of luma, and of the two colour differences together, with white at 255; None, None where
        there are no flat blocks.

    Source: ISO 15739:2013, clause 6; luma and colour differences of ITU-R BT.709.
    """
    luma, chroma = [], []
    for box, flat in zip(boxes, blocks, strict=True):
        if not len(flat):
            continue
        rgb = without_plane(flat.of(cut(image, box)).double())
        y = (rgb * torch.tensor(LUMA, dtype=torch.float64)[:, None, None]).sum(0)
        differences = torch.stack([(rgb[2] - y) / 1.8556, (rgb[0] - y) / 1.5748])
        luma.append(y.square().mean(-1))
        chroma.append(differences.square().mean(-1).sum(0))
    if not luma:
        return None, None
    # Three values of each block went into its plane.
    unbiased = BLOCK_PX**2 / (BLOCK_PX**2 - 3)
    first, second = (255 * math.sqrt(float(torch.cat(each).mean()) * unbiased) for each in (luma, chroma))
    return first, second


def _luminance(image: Tensor) -> Tensor:
    """(H, W) linear luminance of (3, H, W) sRGB."""
    return luminance(decode(image, "srgb"), "srgb")[0]
