"""Cameras whose colour matrix LibRaw uses but does not tell: our colours must be those of its own rendering."""

import pytest
import torch

from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.raw import read_raw, render_libraw


@pytest.mark.parametrize("name", ["DC0009L.KDC", "CRW_0117.CRW"])
def test_mean_colour_of_blocks_is_that_of_libraw_s_rendering(shared_data, name):
    path = next((shared_data / "raw").rglob(name))
    graph = load_pipeline("fast").replace("encode", bit_depth=32)
    frame = read_raw(path)
    ours = graph.run(raw=frame)["image"].data.clamp(0, 1)
    theirs = render_libraw(path, algorithm="LINEAR").data
    assert ours.shape == theirs.shape
    blocks = [torch.nn.functional.avg_pool2d(x, 64) for x in (ours, theirs)]
    spread = [b - b.mean(0, keepdim=True) for b in blocks]
    correlation = torch.corrcoef(torch.stack([s.flatten() for s in spread]))[0, 1]
    assert correlation > 0.97
    assert float(spread[0].std() / spread[1].std()) == pytest.approx(1.0, abs=0.15)
