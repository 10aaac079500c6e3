"""The denoiser from the space against its twin from pixels."""

import json

import torch
from click.testing import CliRunner

from isp_ns.cli.train import train
from isp_ns.core.errors import SettingsError
from isp_ns.nets.counters import parameters
from isp_ns.nets.space import build_space
from isp_ns.train.against_pixels import PixelDenoiser, compare_denoisers
from isp_ns.train.against_pixels import _twin as twin
from isp_ns.train.run import run_recipe


def test_pixel_denoiser_is_the_identity_without_noise():
    net = PixelDenoiser(16, 16)
    torch.nn.init.normal_(net.net.leave_b.weight)
    picture = torch.rand(2, 3, 32, 48)
    assert torch.allclose(net(picture, torch.zeros(2, 3, 8, 12)), picture, atol=1e-6)
    assert not torch.allclose(net(picture, torch.full((2, 3, 8, 12), 0.1)), picture, atol=1e-3)


def test_twins_have_equal_budgets():
    space = build_space("ns-lite")
    assert abs(parameters(twin(space)) / parameters(space.denoiser) - 1) < 0.02


def test_study_names_both_and_its_baseline(job, tmp_path):
    path, data = job
    trainer = run_recipe(path, tmp_path / "run", steps=2, data=data)
    document = compare_denoisers(trainer, tmp_path / "study.json", 0.3)
    assert json.loads((tmp_path / "study.json").read_text()) == document
    assert {(row["method"], row["sigma"]) for row in document["rows"]} == {
        (method, sigma) for method in ("space", "pixels", "none") for sigma in (5, 10, 15)
    }
    assert document["steps"]["space"] > 0
    assert document["bytes_read_per_pixel"]["pixels"] == 6


def test_the_comparison_from_the_command_line_wants_a_finished_space(job, tmp_path):
    path, data = job
    arguments = ["pixels", str(path), "--out", str(tmp_path / "run"), "--time", "1s", "--data", str(data)]
    result = CliRunner().invoke(train, arguments)
    assert isinstance(result.exception, SettingsError)
    assert "initial" in str(result.exception)
