"""Studies: variants of one recipe, measured alike."""

import json
from pathlib import Path

import pytest
import yaml

from isp_ns.core.errors import ModelError
from isp_ns.train.perception_recipe import recipe_kind
from isp_ns.train.recipe import load_recipe
from isp_ns.train.study import load_study, run_study

RECIPES = Path(__file__).parents[2] / "data_tools" / "recipes"
STUDIES = [path for path in sorted(RECIPES.glob("*.yaml")) if recipe_kind(path) == "study"]


@pytest.fixture
def study(job):
    recipe, data = job
    base = yaml.safe_load(recipe.read_text())
    variants = {"with": {"equivariance": 1.0}, "without": {"equivariance": 0.0}}
    document = {"kind": "study", "question": "?", "steps": 4, "base": base, "variants": variants}
    path = recipe.with_name("study-tiny.yaml")
    path.write_text(yaml.safe_dump(document | {"measures": ["space", "demosaic"]}))
    return path, data


def test_variants_are_trained_alike_and_measured(study, tmp_path):
    path, data = study
    result = run_study(path, tmp_path / "out", data=data)
    assert json.loads((tmp_path / "out" / "study-tiny.json").read_text()) == result
    assert [row["variant"] for row in result["rows"]] == ["with", "without"]
    scores = [row["space"]["autoencoder_psnr_db"] for row in result["rows"]]
    assert scores[0] != scores[1]
    assert all(len(row["demosaic"]["rows"]) == 2 for row in result["rows"])


def test_a_study_is_repeatable(study, tmp_path):
    path, data = study
    first, second = (run_study(path, tmp_path / name, data=data)["rows"] for name in ("a", "b"))
    for row in (*first, *second):
        row.pop("elapsed_s")
    assert first == second


@pytest.mark.parametrize("change", [{"measures": ["beauty"]}, {"variants": {}}, {"colour": 3}])
def test_a_study_that_makes_no_sense_is_refused(study, change):
    path, _ = study
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ModelError, match="study"):
        load_study(path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_load(path, tmp_path):
    study = load_study(path)
    for name, changes in study.variants.items():
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(yaml.safe_dump({**study.base, **changes}))
        load_recipe(recipe)
