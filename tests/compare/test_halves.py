"""A pipeline in two halves: light and rendering."""

import pytest
import torch

from isp_ns.compare.halves import split
from isp_ns.compare.renderers import graph_of
from isp_ns.core.errors import SettingsError
from isp_ns.core.graph import Graph, Patch, node
from isp_ns.data.simulate import simulate


def shot():
    picture = torch.rand(3, 32, 40, generator=torch.Generator().manual_seed(3))
    return simulate(picture, iso=400)


@pytest.mark.parametrize(
    ("name", "light", "first"),
    [
        ("fast", "ccm", "geometry.warp"),
        ("classic", "chroma", "tone.filmic"),
        ("classic+local_tone", "chroma", "measure.local_tone"),
        ("classic+neural", "chroma", "tone.filmic"),
    ],
)
def test_the_light_is_what_the_first_stage_of_rendering_reads(name, light, first):
    halves = split(*graph_of(name))
    assert halves.light == light
    stages = [halves.rendering.nodes[node].stage for node in halves.rendering.order()]
    assert (first in stages, stages[-1]) == (True, "encode.display")
    assert not any(stage.startswith(("raw.", "demosaic.", "denoise.", "neural.", "colour.")) for stage in stages)


@pytest.mark.parametrize("name", ["fast", "classic", "classic+local_tone"])
def test_rendering_the_light_again_gives_the_same_picture(name):
    halves = split(*graph_of(name))
    light, picture = halves.develop(shot().frame, workers=1)
    assert torch.equal(halves.render(light, workers=1).data, picture.data)
    assert torch.equal(picture.data, halves.graph.run(raw=shot().frame)["image"].data)


def test_pipelines_that_cannot_be_divided_are_refused():
    _, fast = graph_of("fast")
    with pytest.raises(SettingsError, match="one input, a mosaic"):
        split("linear", graph_of("fast+linear")[1])
    with pytest.raises(SettingsError, match="output image"):
        split("other", Graph(fast.inputs, fast.nodes, {"photo": "encode"}))
    with pytest.raises(SettingsError, match="makes linear_rgb of linear_rgb"):
        split("bare", Graph(fast.inputs, fast.nodes, {"image": "ccm"}))
    exposed = fast.patch(
        Patch(
            nodes={
                "warp": node("tone.auto_exposure", "ccm", "ev"),
                "ev": node("measure.exposure", "x"),
                "x": node("colour.camera_to_linear", "rgb"),
            }
        )
    )
    with pytest.raises(SettingsError, match="reads raw beside ccm"):
        split("two ways", exposed)
