"""ONNX Runtime does what torch does."""

import numpy as np
import pytest
import torch

import isp_ns
from isp_ns.nets.cards import load_space
from isp_ns.nets.onnx import OPSET, onnx_metadata, space_to_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

CASES = [("RGGB", "sqrt"), ("GRBG", "identity"), ("GBRG", "sqrt"), ("BGGR", "sqrt")]
SIZES = [(4, 8), (100, 60)]
QUIET = ((0.0, 0.0),) * 3
NOISY = ((0.02, 1e-3), (0.01, 5e-4), (0.03, 2e-3))


@pytest.fixture(scope="module")
def shipped():
    return load_space("ns-lite")


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def exported(request, shipped):
    pattern, encoding = request.param
    return pattern, encoding, space_to_onnx(*shipped, pattern=pattern, encoding=encoding)


def session(content):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def mosaic(height_px, width_px):
    """Values below black and above white are among them."""
    generator = torch.Generator().manual_seed(height_px)
    return torch.rand(1, 1, height_px, width_px, generator=generator) * 1.4 - 0.2


def test_runtime_equals_torch(shipped, exported):
    space, _ = shipped
    pattern, encoding, content = exported
    run = session(content).run
    told = {"pattern": pattern, "encoding": encoding}
    for height_px, width_px in SIZES:
        samples = mosaic(height_px, width_px)
        features = space.encode(samples, **told)
        clean = space.decode(*features, size=(height_px, width_px), **told)
        for noise in (QUIET, NOISY):
            rgb = space.decode(*space.denoise(*features, noise, **told), size=(height_px, width_px), **told)
            (found,) = run(["rgb"], {"mosaic": samples.numpy(), "noise": np.array(noise, np.float32)})
            assert found.shape == (1, 3, height_px, width_px)
            assert np.abs(found - rgb.numpy()).max() < 1e-4
            assert (float((rgb - clean).abs().max()) > 1e-2) == (noise is NOISY)


def test_the_file_is_valid_and_says_what_it_is(shipped, exported):
    pattern, encoding, content = exported
    _, card = shipped
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == onnx_metadata(card, pattern=pattern, encoding=encoding)
    assert (said["space_id"], said["weights_sha256"], said["licence"]) == (card.space_id, card.digest, card.licence)
    assert (said["pattern"], said["encoding"]) == (pattern, encoding)
    assert said["isp_ns_version"] == isp_ns.__version__


def test_nothing_of_the_machine_is_in_the_file(exported):
    _, _, content = exported
    assert b".py" not in content
    graph = onnx.load_from_string(content).graph
    assert not any(part.metadata_props or part.doc_string for part in (graph, *graph.node))


@pytest.mark.parametrize("size", [(10, 12), (8, 13)])
def test_other_sizes_fail_instead_of_giving_a_picture(shipped, exported, size):
    noise = np.zeros((3, 2), np.float32)
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        session(exported[2]).run(None, {"mosaic": mosaic(*size).numpy(), "noise": noise})


def test_unknown_names_are_refused(shipped):
    with pytest.raises(ValueError, match="not a Bayer pattern"):
        space_to_onnx(*shipped, pattern="RGBG")
    with pytest.raises(ValueError, match="encoding 'log' is unknown"):
        space_to_onnx(*shipped, encoding="log")
