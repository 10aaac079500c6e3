"""How a comparison was measured, in words and numbers, for the page and the JSON."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

import isp_ns
from isp_ns.compare import colorchecker
from isp_ns.compare.areas import stated
from isp_ns.compare.cases import Case, Simulation
from isp_ns.compare.renderers import Renderer
from isp_ns.compare.run import Options

__all__ = ["protocol"]

_LOOKS = {
    "neutral": "neutral: tone stages are left out, external programs run with neutral settings",
    "own": "each pipeline's own; differences of taste count as errors",
}
_CHART = "ColorChecker by colour-checker-detection, where there is no truth"


def protocol(cases: Sequence[Case], renderers: Iterable[Renderer], options: Options) -> Mapping[str, Any]:
    """Domain, range, crop, white balance, look, alignment, costs, settings and versions.

    Args:
        cases: the photographs.
        renderers: the pipelines, checked.
        options: how they were compared.
    """
    has_truth = any(case.truth is not None for case in cases)
    simulation = next((case.simulation for case in cases if case.simulation is not None), None)
    return {
        "task": "compare",
        "truth": _truth(simulation, has_truth),
        "domain": "sRGB-encoded, 16-bit renderings, not rounded further",
        "range": [0, 1],
        "clip": "0..1",
        "crop": stated(options.crop_px),
        "white_balance": "as shot, by each pipeline's own reading of the file",
        "look": _LOOKS[options.look],
        "exposure": _exposure(options.align, has_truth),
        "geometry": "upright; whole-pixel offset by phase correlation; all cut to the common part, nothing resampled",
        "maps": (
            f"CIEDE2000 by pixel against the {'truth' if has_truth else 'first pipeline'}; spread of the pipelines: "
            "root-mean-square CIELAB distance from their mean; crops are the windows where the spread is largest"
        ),
        "ssim": "Gaussian window, sigma 1.5, no sample covariance; MS-SSIM with the five weights of Wang 2003",
        "perceptual_metric": "none: no learned metric ships its weights in its package",
        "chart": _CHART if colorchecker.is_available() else colorchecker.MISSING,
        "time": (
            "wall clock of decoding and rendering without writing a file, one file at a time; external programs: the "
            "whole process, its start included; the first file is rendered twice and the second time counts"
        ),
        "memory": "peak resident memory: of this process and its decoder, of LibRaw's process, of the program",
        "pipelines": {renderer.name: renderer.settings for renderer in renderers},
        "photographs": len(cases),
        "isp_ns": isp_ns.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }


def _exposure(align: str, has_truth: bool) -> str:
    if align == "none":
        return "none: pictures are measured as rendered"
    return (
        "one gain per picture in linear light, the weighted median of the ratios of 8×8 block means to the "
        f"{'truth' if has_truth else 'first pipeline'}; told in EV beside each number"
    )


def _truth(simulation: Simulation | None, has_truth: bool) -> str:
    if simulation is not None:
        wrong = f", exposed {simulation.exposure_ev:+g} EV wrong" if simulation.exposure_ev else ""
        return (
            f"the picture itself; photographed by the simulated camera {simulation.camera} at ISO "
            f"{', '.join(f'{iso:g}' for iso in simulation.isos)}{wrong}, seed {simulation.seed} + place in the list"
        )
    return "a picture of the same stem" if has_truth else "none"
