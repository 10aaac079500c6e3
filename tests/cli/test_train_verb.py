"""`isp-ns train` over tiny recipes."""

import pytest
import yaml
from click.testing import CliRunner
from training_job import job

from isp_ns.cli.main import cli
from isp_ns.nets.cards import load_space

__all__ = ["job"]


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_recipe_becomes_weights_that_load(job, tmp_path):
    recipe, data = job
    values = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({**values, "validate_s": 0.001}))
    result = run("train", recipe, "--out", tmp_path / "run", "--steps", 4, "--data", data)
    assert result.exit_code == 0, result.output
    assert "clean_db" in result.output
    space, card = load_space("tiny", tmp_path / "run")
    assert card.steps == 4
    assert card.measured["holdout"]["rows"][0]["images"] == 1
    assert set(card.activations) >= {"stem", "down"}
    assert space.space_id == "tiny-1"


def test_a_run_goes_on_from_its_checkpoint(job, tmp_path):
    recipe, data = job
    arguments = ["train", recipe, "--out", tmp_path / "run", "--data", data]
    assert run(*arguments, "--steps", 2).exit_code == 0
    assert run(*arguments, "--steps", 4, "--resume").exit_code == 0
    assert load_space("tiny", tmp_path / "run")[1].steps == 4


def test_a_run_that_is_there_is_not_begun_anew(job, tmp_path):
    recipe, data = job
    arguments = ["train", recipe, "--out", tmp_path / "run", "--data", data, "--steps", 2]
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 2
    assert "--resume goes on with it" in again.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "either --time or --steps"),
        (["--time", "60"], "is no duration"),
        (["--time", "1m", "--steps", "3"], "either --time or --steps"),
        (["--steps", "2", "--resume"], "no checkpoint"),
    ],
)
def test_mistakes_are_said_plainly(job, tmp_path, arguments, says):
    recipe, data = job
    result = run("train", recipe, "--out", tmp_path / "run", "--data", data, *arguments)
    assert result.exit_code != 0
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_study_is_answered(job, tmp_path):
    recipe, data = job
    base = yaml.safe_load(recipe.read_text())
    study = recipe.with_name("study-tiny.yaml")
    document = {"kind": "study", "question": "?", "steps": 2, "base": base, "variants": {"only": {}}}
    study.write_text(yaml.safe_dump({**document, "measures": ["space"]}))
    result = run("train", study, "--out", tmp_path / "out", "--data", data)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "study-tiny.json").is_file()


def test_recipes_of_heads_are_sent_to_their_command(tmp_path):
    recipe = tmp_path / "heads.yaml"
    recipe.write_text("kind: perception\n")
    assert "train multitask" in run("train", recipe, "--out", tmp_path).output
    assert run("train", "multitask", "--help").exit_code == 0
