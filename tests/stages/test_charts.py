"""Charts photographed by real cameras: grey patches are neutral once one of them sets the white balance."""

import pytest
import torch

from isp_ns.core.graph import Node, Patch
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.raw import read_raw
from isp_ns.metrics import cielab, delta_e_2000
from isp_ns.ops.transfer import decode, encode

# (file, centres of grey patches in the photo as (x, y), half side of the area measured, index of the balancing patch)
CHARTS = [
    ("CRW_0101.CRW", [(344, 1244), (652, 1244), (964, 1244), (1276, 1244), (1586, 1244), (1892, 1244)], 60, 2),
    # Under-exposed: the darkest greys, below L* 9, are left out; coloured stray light reaches 3 units there.
    ("colorchart.dng", [(703, 930), (813, 928), (923, 926), (1034, 925)], 25, 2),
]


@pytest.mark.parametrize("look", ["classic", "fast"])
@pytest.mark.parametrize(("name", "centres", "half_px", "balance"), CHARTS)
def test_greys_of_a_chart_are_neutral_after_balancing_on_one(shared_data, look, name, centres, half_px, balance):
    frame = read_raw(next((shared_data / "raw").rglob(name)))
    top, left = (round(edge) for edge in (frame.meta.default_crop or (0.0, 0.0))[:2])
    x, y = centres[balance]
    box = {"top": y + top - half_px, "left": x + left - half_px, "height": 2 * half_px, "width": 2 * half_px}
    graph = load_pipeline(look)
    graph = graph.patch(Patch({"awb": Node("measure.box", graph.nodes["awb"].inputs, box)})).replace(
        "encode", bit_depth=32
    )
    image = graph.run(raw=frame)["image"].data
    for x, y in centres:
        light = decode(image[:, y - half_px : y + half_px, x - half_px : x + half_px], "srgb")
        lab = cielab(encode(light.mean((1, 2), keepdim=True), "srgb").clamp(0, 1))
        neutral = lab * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).to(lab)
        assert float(delta_e_2000(lab, neutral)) < 3
