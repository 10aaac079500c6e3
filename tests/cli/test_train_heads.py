"""The commands that train heads: what they ask the library for, and what they print."""

import pytest
from click.testing import CliRunner

from isp_ns.cli.train_heads import domains, multitask, robustness, seconds
from isp_ns.core.errors import SettingsError

TABLE = {
    "rows": [
        {"method": "uniform", "seed": 1, "last": {"delta1": 0.7, "miou": 0.4}, "delta_mtl_mean": 1.5, "input": "space"},
        {"method": "single", "seed": 1, "last": {"aerr_m": 0.5}, "delta_mtl_mean": None, "input": "space"},
    ]
}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("kind: perception\n")
    return path


def test_multitask_passes_what_was_asked(recipe, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        "isp_ns.train.perception_run.run_perception", lambda *a, **k: asked.update(k, out=a[1]) or TABLE
    )
    monkeypatch.setattr("isp_ns.train.perception_export.export_perception", lambda *a, **k: a[2] / "card.yaml")
    options = ["--out", tmp_path / "o", "--time", "40m", "--resume", "--methods", "a, b", "--input", "demosaic"]
    result = CliRunner().invoke(multitask, [str(x) for x in [recipe, *options, "--export", tmp_path / "w"]])
    assert result.exit_code == 0, result.output
    assert asked["time_s"] == 2400
    assert asked["epochs"] is None
    assert asked["methods"] == ["a", "b"]
    assert asked["changes"] == {"input": "demosaic"}
    assert asked["resume"]
    assert "uniform 1 space  delta1 0.7000  miou 0.4000  delta_mtl +1.50 %" in result.output
    assert "single 1 space  aerr_m 0.5000\n" in result.output
    assert "card.yaml" in result.output


def test_one_budget_is_enough(recipe, tmp_path):
    result = CliRunner().invoke(multitask, [str(recipe), "--out", str(tmp_path), "--time", "1m", "--epochs", "2"])
    assert isinstance(result.exception, SettingsError)


def test_robustness_prints_conditions(recipe, tmp_path, monkeypatch):
    rows = {"rows": [{"input": "space", "condition": "base", "delta1": 0.5, "rmse_m": 1.0, "miou": 0.25}]}
    monkeypatch.setattr("isp_ns.train.robustness.study_robustness", lambda *a, **k: rows)
    result = CliRunner().invoke(robustness, [str(recipe), "--out", str(tmp_path), "--unseen", "fictitious-phone"])
    assert result.output == "base space  delta1 0.5000  rmse_m 1.0000  miou 0.2500\n"


def test_domains_prints_a_line_per_method(recipe, tmp_path, monkeypatch):
    asked = {}
    row = {"method": "joint", "seed": 1, "accuracy": {"a": 0.5, "b": 0.25}, "mean_accuracy": 0.375, "parameters": 7}
    monkeypatch.setattr("isp_ns.train.domains.study_domains", lambda *a, **k: asked.update(k) or {"rows": [row]})
    result = CliRunner().invoke(domains, [str(recipe), "--out", str(tmp_path), "--epochs", "2"])
    assert result.exit_code == 0, result.output
    assert asked == {"epochs": 2, "data": None}
    assert "joint 1  a 0.5000  b 0.2500  mean 0.3750  parameters 7\n" in result.output


def test_durations():
    assert [seconds(text) for text in ("90s", "40m", "1.5h", None)] == [90, 2400, 5400, None]
    for text in ("40", "m", "-1m", "1d", ""):
        with pytest.raises(SettingsError, match="no duration"):
            seconds(text)
