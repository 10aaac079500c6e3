"""Scores of pictures, depth and labels."""

from isp_ns.metrics.artefacts import false_colour, zipper
from isp_ns.metrics.colour_difference import cielab, delta_e_1976, delta_e_2000, mean_delta_e_2000
from isp_ns.metrics.fidelity import cpsnr, psnr
from isp_ns.metrics.structure import ms_ssim, ssim

__all__ = [
    "cielab",
    "cpsnr",
    "delta_e_1976",
    "delta_e_2000",
    "false_colour",
    "mean_delta_e_2000",
    "ms_ssim",
    "psnr",
    "ssim",
    "zipper",
]
