"""Weights for other programs."""

import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from isp_ns.cli.main import cli
from isp_ns.nets.cards import load_space


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", "onnx", *map(str, arguments)])


def test_the_file_does_what_the_weights_do(tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    target = tmp_path / "new" / "lite.onnx"
    result = run("--pattern", "GBRG", "-o", target)
    assert (result.exit_code, result.stdout) == (0, f"wrote {target}\n"), result.output
    assert [path.name for path in target.parent.iterdir()] == ["lite.onnx"]
    session = runtime.InferenceSession(target, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert (said["weights"], said["pattern"], said["encoding"]) == ("ns-lite", "GBRG", "sqrt")
    samples = torch.rand(1, 1, 16, 20, generator=torch.Generator().manual_seed(0))
    (found,) = session.run(["rgb"], {"mosaic": samples.numpy(), "noise": np.zeros((3, 2), np.float32)})
    space, _ = load_space("ns-lite")
    rgb = space.decode(*space.encode(samples, pattern="GBRG"), size=(16, 20), pattern="GBRG")
    assert np.abs(found - rgb.numpy()).max() < 1e-4


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_an_absent_package_is_named_with_its_extra(tmp_path, monkeypatch, package):
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, sys.modules[__name__])
    monkeypatch.setitem(sys.modules, package, None)
    result = run("-o", tmp_path / "lite.onnx")
    assert result.exit_code == 1
    assert f"needs {package}: pip install 'isp-ns[onnx]'" in result.output
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_told(tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.setattr("isp_ns.nets.onnx.space_to_onnx", lambda *_, **__: b"")
    near = run("--weights", "ns-lit", "-o", tmp_path / "lite.onnx")
    assert (near.exit_code, "did you mean ns-lite" in near.output) == (2, True)
    (tmp_path / "file").touch()
    below = run("-o", tmp_path / "file" / "lite.onnx")
    assert (below.exit_code, "cannot be written" in below.output) == (2, True), below.output
