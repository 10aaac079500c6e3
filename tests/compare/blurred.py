"""A pipeline and the same one blurred: the comparison whose answer is known."""

from typing import Annotated

import skimage.data
from PIL import Image

from isp_ns.core.graph import Graph, node
from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops.filters import gaussian_blur


@stage("blurred.gaussian", reach=Local(halo=8))
def gaussian(rgb: LinearRgb, *, sigma_px: Annotated[float, Between(0.1, 2)] = 1.2) -> LinearRgb:
    return rgb.with_data(gaussian_blur(rgb.data, sigma_px, 8))


def pipelines():
    """The pipeline "sharp" and the pipeline "blurred"."""
    nodes = {
        "level": node("raw.black_level", "raw"),
        "awb": node("measure.as_shot", "level"),
        "wb": node("raw.gains", "level", "awb"),
        "rgb": node("demosaic.malvar", "wb"),
        "ccm": node("colour.camera_to_linear", "rgb", space="linear-srgb"),
    }
    ends = {"sharp": "ccm", "blurred": "blur"}
    blur = {"blur": node("blurred.gaussian", "ccm")}
    return {
        name: Graph(
            {"raw": "sensor"},
            {**nodes, **(blur if end == "blur" else {}), "encode": node("encode.display", end)},
            {"image": "encode"},
        )
        for name, end in ends.items()
    }


def scenes(folder, count=2, height=200, width=240):
    """Pictures to photograph, written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = (skimage.data.astronaut()[10:], skimage.data.coffee()[100:, 150:], skimage.data.chelsea()[40:, 60:])
    for number, source in enumerate(sources[:count]):
        Image.fromarray(source[:height, :width]).save(folder / f"scene{number}.png")
    return folder
