"""Demosaicking stages: from the balanced mosaic to camera RGB, one published method each."""

from isp_ns.core.ports import CameraRgb, Mosaic
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import demosaic_linear

__all__ = ["bilinear", "malvar"]


@stage("demosaic.bilinear", reach=Local(halo=demosaic_linear.BILINEAR_HALO, align=2))
def bilinear(raw: Mosaic) -> CameraRgb:
    """Demosaic by the mean of the nearest samples: fast, soft, with colour fringes.

    Source: see `isp_ns.ops.demosaic_linear.bilinear`.
    """
    return raw.with_data(demosaic_linear.bilinear(raw.data, raw.cfa))


@stage("demosaic.malvar", reach=Local(halo=demosaic_linear.MALVAR_HALO, align=2))
def malvar(raw: Mosaic) -> CameraRgb:
    """Demosaic by linear filters over 5×5 samples: the best method at its price.

    Source: Malvar, He and Cutler, "High-quality linear interpolation for demosaicing" (2004).
    """
    return raw.with_data(demosaic_linear.malvar(raw.data, raw.cfa))
