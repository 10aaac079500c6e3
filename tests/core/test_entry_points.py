"""Stages of another package: found by an entry point, in Python, in YAML and on the command line."""

import subprocess
import sys

STAGES = '''
from isp_ns import stage
from isp_ns.core.ports import LinearRgb


@stage("mylab.negative")
def negative(rgb: LinearRgb, *, amount: float = 1.0) -> LinearRgb:
    """Turn a picture into its negative.

    Args:
        rgb: linear RGB.
        amount: share of the negative.
    """
    return rgb.with_data(rgb.data + amount * (1 - 2 * rgb.data))
'''
PROGRAM = """
import torch
import isp_ns as isp

text = 'schema: 1\\ninputs: {lin: linear_rgb}\\nnodes: {neg: {stage: mylab.negative}}\\noutputs: {image: neg}'
frame = isp.Frame(torch.full((3, 8, 8), 0.25))
print(float(isp.graph_from_yaml(text).run(lin=frame)["image"].data.mean()))
python = isp.Graph({"lin": "linear_rgb"}, {"neg": isp.node("mylab.negative", "lin", amount=0.5)}, {"image": "neg"})
print(float(python.run(lin=frame)["image"].data.mean()))
"""


def test_a_stage_of_another_package_works_in_python_yaml_and_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "mylab_stages.py").write_text(STAGES)
    info = tmp_path / "mylab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[isp_ns.stages]\nmylab = mylab_stages\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.75", "0.5"]
    command = [sys.executable, "-m", "isp_ns", "stages", "mylab.negative"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "amount" in shown.stdout


MODULE = '''
import torch
from isp_ns import stage
from isp_ns.core.ports import LinearRgb


@stage("mylab.net")
class Net(torch.nn.Module):
    """A network."""

    def forward(self, rgb: LinearRgb) -> LinearRgb:
        return rgb
'''


def test_two_packages_cannot_declare_one_name(tmp_path, monkeypatch):
    for name in ("one_lab", "other_lab"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = "import one_lab, importlib; importlib.reload(one_lab); import other_lab"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "stage mylab.net is already defined in one_lab" in done.stderr
