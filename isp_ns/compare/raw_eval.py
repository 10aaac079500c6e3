"""The RAW benchmark: pictures photographed by simulated cameras up a ladder of ISO, developed, and scored."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from isp_ns.compare.align import display_srgb
from isp_ns.compare.halves import Halves, split
from isp_ns.core.errors import MetadataError, SettingsError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph
from isp_ns.data.simulate import Shooting, Shot, camera_meta, simulate
from isp_ns.io.estimates import with_estimates
from isp_ns.metrics import mean_delta_e_2000, psnr, ssim
from isp_ns.metrics.images import round_to_bits
from isp_ns.ops.colour import apply_matrix
from isp_ns.ops.spaces import get_space, rgb_to_rgb_matrix

__all__ = ["BORDER_PX", "NOISES", "Noise", "evaluate_raw"]

Noise = Literal["true", "blind"]
"""The noise model that a pipeline is told: that of the camera, or an estimate from the photograph's own pixels."""

NOISES: tuple[Noise, ...] = ("true", "blind")

BORDER_PX = 8
"""Border that is not scored."""

LEAST_PX = 2 * BORDER_PX + 12
"""Smallest side of a picture: the window of SSIM inside the border, and even."""

SHOOTING = Shooting(photons=True)

_LINEAR = "linear-srgb"
_SCORES = (
    "psnr_linear_db",
    "ssim_linear",
    "delta_e2000_linear",
    "psnr_rendered_db",
    "ssim_rendered",
    "delta_e2000",
)


@dataclass(frozen=True)
class _Setting:
    """What a row is about."""

    camera: str
    iso: float
    pipeline: str
    noise: Noise


def evaluate_raw(
    pipelines: Mapping[str, Graph],
    pictures: Iterable[Frame],
    cameras: Sequence[str],
    isos: Sequence[float],
    *,
    noises: Sequence[Noise] = NOISES,
    workers: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Score pipelines on RAW of known noise, against the same scene without the sensor.

    Every picture is photographed by every camera at every ISO. The truth in the linear domain is the light of the
    scene, in the colours that the camera can see; in the rendered domain it is that light through the pipeline's own
    stages of tone, detail and encoding, so that a taste is no error.

    Args:
        pipelines: by name; from a mosaic to an output "image" encoded for display.
        pictures: display-encoded, (3, H, W). Read once, in order.
        cameras: profiles, by name or path of the file.
        isos: sensitivities.
        noises: what the pipelines are told.
        workers: tiles at work at a time; one per processor when None.
        tell: hears of every picture and camera.

    Returns:
        {"schema": 1, "protocol": {...}, "rows": [{"camera", "iso", "pipeline", "noise", "psnr_linear_db",
        "ssim_linear", "delta_e2000_linear", "psnr_rendered_db", "ssim_rendered", "delta_e2000", "not_estimated",
        "images"}]}, ready for JSON. A PSNR of equal pictures is None; `not_estimated` counts the photographs that no
        noise could be estimated from, whose pipelines then work as for a quiet sensor.

    Raises:
        SettingsError: if there is nothing to score, a camera cannot be simulated, a pipeline cannot be divided into
            light and rendering, or a picture is too small.
        IspError: what the stages raise.

    Source: Brooks et al. 2019 (arXiv 1811.11127) for simulated RAW; Foi et al. 2008 for the noise; the metrics' own.
    """
    halves = {name: split(name, graph) for name, graph in pipelines.items()}
    cameras, isos = list(dict.fromkeys(cameras)), list(dict.fromkeys(map(float, isos)))
    _check(halves, cameras, isos, noises)
    settings = itertools.product(cameras, isos, halves, noises)
    scores: dict[_Setting, list[tuple[float, ...]]] = {_Setting(*each): [] for each in settings}
    for index, picture in enumerate(map(_even, pictures)):
        for camera in cameras:
            for iso in isos:
                shot = simulate(picture, camera, iso=iso, seed=index, shooting=SHOOTING)
                for noise, name in itertools.product(noises, halves):
                    score = _score(halves[name], _told(shot.frame, noise), shot, workers)
                    scores[_Setting(camera, iso, name, noise)].append(score)
            if tell is not None:
                tell(f"picture {index + 1}, {camera}")
    if not all(scores.values()):
        raise SettingsError("an evaluation needs at least one picture")
    return {"schema": 1, "protocol": _protocol(halves), "rows": [_row(*each) for each in scores.items()]}


def _check(
    halves: Mapping[str, Halves], cameras: Sequence[str], isos: Sequence[float], noises: Sequence[Noise]
) -> None:
    if not (halves and cameras and isos and noises):
        raise SettingsError("an evaluation needs at least one pipeline, camera, ISO and kind of noise")
    if not all(0 < iso < math.inf for iso in isos):
        raise SettingsError(f"sensitivities are above 0, not {', '.join(f'{iso:g}' for iso in isos)}")
    for camera in cameras:
        try:
            meta = camera_meta(camera, iso=isos[0], shooting=SHOOTING)
        except (FileNotFoundError, MetadataError, ValueError) as error:
            raise SettingsError(f"camera {camera}: {error}") from None
        if meta.noise is None:
            raise SettingsError(f"camera {camera}: its profile has no noise model, so that it cannot be simulated")


def _even(picture: Frame) -> Tensor:
    """(3, H, W) encoded for sRGB, upright, cut to even sides."""
    image = display_srgb(picture)
    height, width = (side // 2 * 2 for side in image.shape[1:])
    if min(height, width) < LEAST_PX:
        raise SettingsError(f"a picture has {width}×{height} pixels; it needs {LEAST_PX} at each side to be scored")
    return image[:, :height, :width]


def _told(frame: Frame, noise: Noise) -> Frame:
    """The frame with the camera's noise model, or with what a reader makes of a file that has none."""
    return frame if noise == "true" else with_estimates(frame.with_meta("user", noise=None))


def _score(halves: Halves, raw: Frame, shot: Shot, workers: int | None) -> tuple[float, ...]:
    """The numbers of `_SCORES`, and 1 if the noise is not known."""
    light, picture = halves.develop(raw, workers)
    space = light.meta.space or _LINEAR
    # Sharpening is told the noise, and there is none without a sensor.
    scene = light.with_data(_between(shot.linear_rgb, _LINEAR, space)).with_meta("user", noise=None)
    truth = halves.render(scene, workers)
    linear = (_between(light.data, space, _LINEAR).clamp(0, 1), shot.linear_rgb.clamp(0, 1))
    rendered = (round_to_bits(display_srgb(picture).double(), 8), round_to_bits(display_srgb(truth).double(), 8))
    return (*_compare(*linear, _LINEAR), *_compare(*rendered, "srgb"), float(raw.meta.noise is None))


def _compare(test: Tensor, truth: Tensor, space: str) -> tuple[float, float, float]:
    return (
        psnr(test, truth, crop=BORDER_PX),
        ssim(test, truth, crop=BORDER_PX),
        mean_delta_e_2000(test, truth, space=space, crop=BORDER_PX),
    )


def _between(linear: Tensor, source: str, target: str) -> Tensor:
    """Linear RGB with other primaries."""
    if get_space(source).primaries_xy == get_space(target).primaries_xy:
        return linear
    return apply_matrix(linear, rgb_to_rgb_matrix(source, target).float())


def _row(setting: _Setting, values: Sequence[tuple[float, ...]]) -> dict[str, Any]:
    *means, unknown = (sum(column) / len(values) for column in zip(*values, strict=True))
    scores = {name: mean if math.isfinite(mean) else None for name, mean in zip(_SCORES, means, strict=True)}
    return {**vars(setting), **scores, "not_estimated": round(unknown * len(values)), "images": len(values)}


def _protocol(halves: Mapping[str, Halves]) -> dict[str, Any]:
    return {
        "task": "raw",
        "domain": {
            "linear": "linear sRGB before tone, as the pipeline hands it to its first stage of tone, detail, geometry "
            "or encoding; truth: the light of the picture in the colours that the camera can see",
            "rendered": "sRGB as encoded for display; truth: the true light, without noise, through the "
            "same stages of the pipeline",
        },
        "scene": f"sRGB picture, decoded; light of {SHOOTING.cct_k:g} K; display's white at the sensor's white",
        "sensor": "RGGB; levels, matrices, shading and noise of the camera's profile at the ISO",
        "noise": "Poisson of scale · x and Gaussian of offset, rounded and clipped to the counts of the sensor",
        "told": {"true": "the profile's model", "blind": "none; estimated from the counts as for a file without one"},
        "light": {name: each.light for name, each in halves.items()},
        "rendering": {
            name: ", ".join(here.stage for here in each.rendering.nodes.values()) for name, each in halves.items()
        },
        "size": "whole pictures, cut to even sides",
        "range": [0, 1],
        "crop_px": BORDER_PX,
        "clip": "both to 0..1, in both domains; the mosaic as its converter clips",
        "rounding": {"linear": "none", "rendered": "8 bit"},
        "seed": "index of the picture, for every camera and ISO",
        "mean": "of the pictures' scores",
        "psnr": "one mean square over three channels, peak 1",
        "ssim": "Gaussian window, sigma 1.5, no sample covariance, mean over channels",
        "delta_e2000": "mean over pixels, relative to D65 white; delta_e2000 is of the rendered domain",
        "arithmetic": "of neural stages: the fastest of this processor, as shipped pipelines use it",
    }
