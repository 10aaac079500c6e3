"""Demosaicking stages: from the balanced mosaic to camera RGB, one published method each."""

from isp_ns.core.ports import CameraRgb, Mosaic
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import demosaic as ops

__all__ = ["bilinear", "malvar", "menon", "mlri"]


@stage("demosaic.bilinear", reach=Local(halo=ops.BILINEAR_HALO, align=2))
def bilinear(raw: Mosaic) -> CameraRgb:
    """Demosaic by the mean of the nearest samples: soft, with colour fringes.

    Source: see `isp_ns.ops.demosaic_linear.bilinear`.
    """
    return raw.with_data(ops.bilinear(raw.data, raw.cfa))


@stage("demosaic.malvar", reach=Local(halo=ops.MALVAR_HALO, align=2))
def malvar(raw: Mosaic) -> CameraRgb:
    """Demosaic by linear filters over 5×5 samples, on companded values: the best method at its price.

    Source: Malvar, He and Cutler, "High-quality linear interpolation for demosaicing" (2004).
    """
    return raw.with_data(ops.companded(ops.malvar, raw.data, raw.cfa))


@stage("demosaic.menon", reach=Local(halo=ops.MENON_HALO, align=2))
def menon(raw: Mosaic, *, refine: bool = True) -> CameraRgb:
    """Demosaic along the direction of the smoother colour difference (DDFAPD).

    Args:
        raw: balanced mosaic.
        refine: smooth the colour differences along the chosen direction afterwards.

    Source: Menon, Andriani and Calvagno, "Demosaicing With Directional Filtering and a posteriori Decision" (2007).
    """
    return raw.with_data(ops.menon(raw.data, raw.cfa, refine=refine))


@stage("demosaic.mlri", reach=Local(halo=ops.MLRI_HALO, align=2))
def mlri(raw: Mosaic) -> CameraRgb:
    """Demosaic by residual interpolation, on companded values: the best classical method here.

    Source: see `isp_ns.ops.demosaic_mlri.mlri`.
    """
    return raw.with_data(ops.companded(ops.mlri, raw.data, raw.cfa))
