"""Detail stages: sharpening of luma that knows the noise."""

from typing import Annotated

from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import sharpen as ops
from isp_ns.stages.raw import noise_of

__all__ = ["deconvolve", "sharpen"]

Sigma = Annotated[float, Between(0.3, 5)]


@stage("detail.sharpen", reach=Local(halo=lambda p: ops.unsharp_halo(p["sigma_px"])))
def sharpen(
    rgb: LinearRgb,
    *,
    amount: Annotated[float, Between(0, 5)] = 0.5,
    sigma_px: Sigma = 0.8,
    threshold_sigma: Annotated[float, Between(0, 20)] = 2.5,
    overshoot: Annotated[float, Between(0, 2)] = 0.1,
) -> LinearRgb:
    """Unsharp mask on luma, with a threshold by the noise model and bounded halos.

    Args:
        rgb: linear RGB.
        amount: share of the detail that is added.
        sigma_px: standard deviation of the blur whose residual is the detail.
        threshold_sigma: size of detail, in noise, of which half is sharpened.
        overshoot: how far luma may leave the range of its neighbourhood, as a share of that range.

    Source: see `isp_ns.ops.sharpen.unsharp`.
    """
    data = ops.unsharp(
        rgb.data,
        noise_of(rgb.meta),
        amount=amount,
        sigma_px=sigma_px,
        threshold_sigma=threshold_sigma,
        overshoot=overshoot,
    )
    return rgb.with_data(data)


@stage("detail.deconvolve", reach=Local(halo=lambda p: ops.capture_halo(p["sigma_px"], p["iterations"])))
def deconvolve(
    rgb: LinearRgb,
    *,
    sigma_px: Sigma = 0.6,
    iterations: Annotated[int, Between(1, 20)] = 4,
    threshold_sigma: Annotated[float, Between(0, 20)] = 2.0,
    overshoot: Annotated[float, Between(0, 2)] = 0.25,
) -> LinearRgb:
    """Undo the blur of lens and sensor by deconvolution of luma.

    Args:
        rgb: linear RGB.
        sigma_px: standard deviation of the blur to undo.
        iterations: steps.
        threshold_sigma: local contrast, in noise, at which half of the effect is reached.
        overshoot: how far luma may leave the range of its neighbourhood, as a share of that range.

    Source: Richardson (1972) and Lucy (1974); see `isp_ns.ops.sharpen.capture_sharpen`.
    """
    data = ops.capture_sharpen(
        rgb.data,
        noise_of(rgb.meta),
        sigma_px=sigma_px,
        iterations=iterations,
        threshold_sigma=threshold_sigma,
        overshoot=overshoot,
    )
    return rgb.with_data(data)
