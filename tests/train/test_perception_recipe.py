"""Recipes of heads are checked when read."""

from pathlib import Path

import pytest
import yaml

from isp_ns.core.errors import ModelError
from isp_ns.train.perception_recipe import load_perception_recipe, recipe_kind

RECIPES = Path(__file__).parents[2] / "data_tools" / "recipes"
PLAIN = {"kind": "perception", "name": "a", "dataset": "nyuv2", "folder": "nyuv2", "methods": [{"name": "m"}]}


def write(folder, **changes):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, **changes}))
    return path


def test_methods_are_filled_in(tmp_path):
    methods = [{"name": "one", "tasks": ["depth"]}, {"name": "two", "teachers": {"depth": "one"}, "seeds": [4]}]
    recipe = load_perception_recipe(write(tmp_path, methods=methods, seeds=[1, 2], views={"zoom": 1.5}))
    assert recipe.views.zoom == 1.5
    assert recipe.method("one").tasks == ("depth",)
    assert recipe.method("one").seeds == (1, 2)
    assert recipe.method("two").tasks == ("depth", "labels")
    assert recipe.method("two").seeds == (4,)
    with pytest.raises(ModelError, match="it has one, two"):
        recipe.method("three")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"typo": 1}, "unknown typo"),
        ({"input": "jpeg"}, "input 'jpeg'"),
        ({"kind": "space"}, "kind"),
        ({"methods": []}, "no method"),
        ({"methods": [{"name": "m", "balance": "luck"}]}, "luck"),
        ({"methods": [{"name": "m", "teachers": {"depth": "later"}}, {"name": "later"}]}, "before it"),
        ({"methods": [{"name": "m", "initial": "m"}]}, "before it, which m"),
        ({"methods": [{"name": "m", "ensemble": ["later"]}, {"name": "later"}]}, "before it, which later"),
        ({"methods": [{"name": "m"}, {"name": "m"}]}, "two methods"),
        ({"methods": [{"name": "m", "tasks": ["depth"], "factors": {"labels": 2}}]}, "of its tasks"),
        ({"methods": [{"name": "m", "tasks": ["sound"]}]}, "among"),
        ({"tasks": ["sound"]}, "among"),
        ({"fresh": 9}, "fresh"),
        ({"views": {"zoom": 1, "turn": 2}}, "views: unknown turn"),
        ({"views": [1]}, "expected names"),
        ({"cameras": {"noise": [0.1]}}, "pairs"),
        ({"source": "cached", "views": {"aspects": {"4:3": 1, "1:1": 1}}}, "one aspect"),
    ],
)
def test_recipes_are_checked(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        load_perception_recipe(write(tmp_path, **changes))


def test_missing_and_odd_files(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_perception_recipe(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("[1]")
    with pytest.raises(ModelError, match="expected names"):
        recipe_kind(tmp_path / "list.yaml")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path):
    if recipe_kind(path) == "perception":
        assert load_perception_recipe(path).name == path.stem.removesuffix("-finish")
