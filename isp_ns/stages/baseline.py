"""Reference denoisers of scikit-image as stages, to compare with. They see the whole image and take their time."""

from typing import Annotated

import numpy as np
import torch

from isp_ns.core.frame import Frame
from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb
from isp_ns.core.reach import WHOLE
from isp_ns.core.stage import stage
from isp_ns.ops.noise import anscombe, channel_noise, inverse_anscombe
from isp_ns.stages.raw import noise_of

__all__ = ["nl_means", "total_variation"]


def _stabilised(rgb: Frame) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """(H, W, 3) values with unit noise, and the noise model by pixel."""
    scale, offset = channel_noise(noise_of(rgb.meta), rgb.data)
    planes = anscombe(rgb.data, scale, offset)
    return planes.permute(1, 2, 0).double().numpy(), scale, offset


def _linear(rgb: Frame, planes: np.ndarray, scale: torch.Tensor, offset: torch.Tensor) -> Frame:
    data = torch.from_numpy(planes).permute(2, 0, 1).to(rgb.data.dtype)
    return rgb.with_data(inverse_anscombe(data, scale, offset).contiguous())


@stage("baseline.nl_means", reach=WHOLE)
def nl_means(rgb: LinearRgb, *, strength: Annotated[float, Between(0.1, 5)] = 0.8) -> LinearRgb:
    """Non-local means of scikit-image on stabilised RGB.

    Args:
        rgb: linear RGB.
        strength: cut-off distance, in noise.

    Source: Buades, Coll and Morel (2005), as `skimage.restoration.denoise_nl_means` has it.
    """
    from skimage.restoration import denoise_nl_means

    planes, scale, offset = _stabilised(rgb)
    clean = denoise_nl_means(planes, h=strength, sigma=1.0, patch_size=5, patch_distance=6, channel_axis=-1)
    return _linear(rgb, clean, scale, offset)


@stage("baseline.total_variation", reach=WHOLE)
def total_variation(rgb: LinearRgb, *, weight: Annotated[float, Between(0.01, 100)] = 1.0) -> LinearRgb:
    """Total-variation denoising of scikit-image on stabilised RGB.

    Args:
        rgb: linear RGB.
        weight: strength, in noise.

    Source: Chambolle (2004), as `skimage.restoration.denoise_tv_chambolle` has it.
    """
    from skimage.restoration import denoise_tv_chambolle

    planes, scale, offset = _stabilised(rgb)
    return _linear(rgb, denoise_tv_chambolle(planes, weight=weight, channel_axis=-1), scale, offset)
