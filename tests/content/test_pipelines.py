"""Every shipped pipeline and patch loads, and each branch fits each look."""

import pytest
import torch
from sample_frames import sample

from isp_ns import content
from isp_ns.core.document import graph_from_yaml, graph_to_yaml
from isp_ns.core.ports import Port
from isp_ns.io.pipelines import load_patch, load_pipeline

PIPELINES = content.names("pipelines")
BRANCHES = {"linear": "sensor_rgb", "mono": "sensor_mono", "rgb": "display_rgb"}
BASES = {"perception": "neural", "driving": "neural", "larger": "neural"}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_load_and_read_back_equal(name):
    graph = load_pipeline(name)
    assert graph_from_yaml(graph_to_yaml(graph)) == graph


@pytest.mark.parametrize("name", content.names("pipelines/patches"))
def test_patches_load(name):
    assert load_patch(name)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("name", ["classic", "fast"])
def test_branches_fit_every_look(name, branch):
    graph = load_pipeline(name).patch(load_patch(branch))
    frame = sample(Port(BRANCHES[branch]), name)
    image = graph.run(raw=frame)["image"]
    assert image.data.dtype == torch.uint8
    assert image.data.shape == (3, *frame.size)
    if branch == "mono":
        assert torch.equal(image.data[0], image.data[2])


@pytest.mark.parametrize("name", ["classic", "fast"])
def test_the_maker_s_crop_is_applied_once(name):
    frame = sample(Port("sensor"), name, size=(96, 128)).with_meta(default_crop=(3.0, 5.0, 90.0, 120.0))
    image = load_pipeline(name).run(raw=frame, tile_px=40)["image"]
    assert image.size == (87, 115)
    assert image.meta.default_crop is None
    whole = load_pipeline(name).run(raw=frame.with_meta(default_crop=None))["image"]
    assert int((whole.data[:, 3:90, 5:120].int() - image.data.int()).abs().max()) <= 1


@pytest.mark.parametrize("patch", sorted(set(content.names("pipelines/patches")) - set(BRANCHES)))
def test_patches_fit_their_pipeline_and_run(patch):
    graph = load_pipeline(BASES.get(patch, "classic")).patch(load_patch(patch))
    if patch == "lens":
        graph = graph.replace("warp", missing="skip")
    image = graph.run(raw=sample(Port("sensor"), "classic", size=(96, 128)), want=["image"])["image"]
    assert image.data.shape == (3, 96, 128)
