"""Whole runs of a recipe on made-up scenes: table, resume by method, teachers, the study of inputs."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
import yaml
from perception_scene import Scenes
from safetensors.torch import load_file

from isp_ns.core.errors import ModelError
from isp_ns.nets.cards import features_digest, load_perception
from isp_ns.nets.layers import channels_last
from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train import perception_export, perception_run
from isp_ns.train.perception_export import export_perception
from isp_ns.train.perception_recipe import load_perception_recipe
from isp_ns.train.perception_run import picked, run_perception
from isp_ns.train.perception_table import table_of
from isp_ns.train.robustness import CONDITIONS, study_robustness

METHODS = [
    {"name": "single-depth", "tasks": ["depth"]},
    {"name": "single-labels", "tasks": ["labels"]},
    {"name": "uniform"},
    {"name": "distilled", "teachers": {"depth": "single-depth", "labels": "single-labels"}},
]
RECIPE = {
    "kind": "perception",
    "name": "tiny",
    "dataset": "nyuv2",
    "folder": "two",
    "net": {"widths": [8, 8], "blocks": [0, 1]},
    "batch": 2,
    "fresh": 2,
    "epochs": 2,
    "last_epochs": 1,
    "dtype": "float32",
    "score_grid": "cells",
    "class_weights": "root",
    "views": {"zoom": 1.2, "colour": 0.5},
    "methods": METHODS,
}


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A recipe of a tiny space on two made-up scenes, and the folder of its data."""
    torch.manual_seed(0)
    space = channels_last(NeuralSpace(SpaceSpec(16, 24, 16, 1, 1, 1, 1, 8, 8), "tiny")).eval().requires_grad_(False)
    monkeypatch.setattr(perception_run, "load_space", lambda name: (space, SimpleNamespace(digest="", space_id="t")))
    monkeypatch.setattr(perception_run, "bf16_is_fast", lambda: False)
    monkeypatch.setattr(
        perception_run, "open_dataset", lambda name, root, split, labels: Scenes(2, int(split == "test"))
    )

    def write(**changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, **changes}))
        return path

    return write, tmp_path


def test_every_method_has_a_row(job):
    write, folder = job
    table = run_perception(write(source="cached"), folder / "out", data=folder)
    assert table == json.loads((folder / "out" / "results.json").read_text())
    rows = {row["method"]: row for row in table["rows"]}
    assert list(rows) == [method["name"] for method in METHODS]
    assert table["protocol"]["features_digest"] == features_digest(perception_run.load_space("ns-lite")[0])
    assert rows["single-depth"]["delta_mtl_last"] is None
    assert "miou" not in rows["single-depth"]["last"]
    assert {"delta1", "rmse_m", "miou", "pixel_accuracy", "iou"} <= set(rows["distilled"]["last"])
    assert rows["distilled"]["distilled"]
    assert rows["uniform"]["parameters"] == rows["distilled"]["parameters"] > rows["single-depth"]["parameters"]
    assert rows["uniform"]["epochs"] == 2
    single = {task: rows[f"single-{task}"]["last"] for task in ("depth", "labels")}
    depth = 1 - rows["uniform"]["last"]["aerr_m"] / single["depth"]["aerr_m"]
    labels = rows["uniform"]["last"]["miou"] / single["labels"]["miou"] - 1
    assert rows["uniform"]["delta_mtl_last"] == pytest.approx(50 * (depth + labels), abs=1e-3)


def test_finished_methods_are_kept_and_interrupted_ones_go_on(job):
    write, folder = job
    path, out = write(methods=METHODS[:2]), folder / "out"
    run_perception(path, out, data=folder, methods=["single-depth"])
    before = (out / "single-depth-1" / "network.safetensors").stat().st_mtime_ns
    run_perception(path, out, data=folder, methods=["single-labels"], stop_after=1)
    assert not (out / "single-labels-1" / "result.json").exists()
    table = run_perception(path, out, data=folder, resume=True)
    assert [row["method"] for row in table["rows"]] == ["single-depth", "single-labels"]
    assert (out / "single-depth-1" / "network.safetensors").stat().st_mtime_ns == before
    straight = run_perception(path, folder / "straight", data=folder)
    assert table["rows"][1]["last"] == straight["rows"][1]["last"]


def test_a_finished_run_of_another_budget_is_no_answer(job):
    write, folder = job
    path = write(methods=[{"name": "usual"}])
    run_perception(path, folder / "out", data=folder, epochs=1)
    with pytest.raises(ModelError, match="budget 1 epochs, now 2 epochs"):
        run_perception(path, folder / "out", data=folder, epochs=2, resume=True)


def test_a_method_may_be_trained_for_longer(job):
    write, folder = job
    path = write(methods=[{"name": "long", "epochs": 3}, {"name": "usual"}])
    table = run_perception(path, folder / "out", data=folder)
    assert [row["epochs"] for row in table["rows"]] == [3, 2]
    table = run_perception(path, folder / "short", data=folder, epochs=1)
    assert [row["epochs"] for row in table["rows"]] == [1, 1]


def test_a_budget_of_time_is_compared_though_epochs_differ(job):
    write, folder = job
    table = run_perception(write(source="cached", methods=METHODS[:3]), folder / "out", data=folder, time_s=0.5)
    assert {row["budget"] for row in table["rows"]} == {"0.5 s"}
    assert table["rows"][2]["delta_mtl_last"] is not None


def test_teachers_come_first(job):
    write, folder = job
    with pytest.raises(ModelError, match="single-depth is not trained yet"):
        run_perception(write(), folder / "out", data=folder, methods=["distilled"])


def test_a_run_starts_from_weights_and_learns_from_them_and_from_another_run(job, monkeypatch):
    write, folder = job
    monkeypatch.setattr(perception_export, "load_space", perception_run.load_space)
    methods, plain = [{"name": "first"}], {"source": "cached", "epochs": 1}
    path = write(methods=methods, **plain)
    run_perception(path, folder / "out", data=folder)
    weights = str(export_perception(path, folder / "out", folder / "weights", data=folder).with_suffix(".safetensors"))
    kept = load_file(weights)
    # At a learning rate of nothing it stays what it starts as.
    frozen = {"ensemble": ["first", weights], "learning_rate": 1e-30}
    methods += [{"name": "again", "initial": "first", **frozen}, {"name": "taught", "initial": weights, **frozen}]
    table = run_perception(write(methods=methods, **plain), folder / "out", resume=True, data=folder)
    assert [row["method"] for row in table["rows"]] == ["first", "again", "taught"]
    for name in ("again", "taught"):
        found = load_file(folder / "out" / f"{name}-1" / "network.safetensors")
        assert all(torch.allclose(value, kept[key]) for key, value in found.items() if key.endswith("weight"))
    path = write(methods=methods, **plain)
    export_perception(path, folder / "out", folder / "again", data=folder)
    digest = load_perception("tiny", folder / "weights")[1].digest
    history = load_perception("tiny", folder / "again")[1].history
    assert history.startswith(f"starts from the weights {weights}, digest {digest}; learns, beside the truth, ")
    assert f"the mean answer of first and {weights}, digest {digest}; cameras" in history

    def refused(match, **method):
        with pytest.raises(ModelError, match=match):
            run_perception(write(methods=[{"name": "m", **method}], **plain), folder / "other", data=folder)

    refused("nowhere", initial="nowhere")
    refused("nowhere", ensemble=["nowhere"])
    monkeypatch.setitem(RECIPE, "net", {"widths": [16, 16], "blocks": [0, 1]})
    refused("cannot start from", initial=weights)
    monkeypatch.setattr(perception_run, "features_digest", lambda space: "another")
    refused("reads other features", ensemble=[weights])


def test_an_ensemble_answers_what_the_student_learns(job):
    write, folder = job
    methods = [{"name": "far", "tasks": ["depth"]}, {"name": "both", "ensemble": ["far"]}]
    with pytest.raises(ModelError, match="far cannot teach both: it does not answer the same tasks"):
        run_perception(write(methods=methods, source="cached", epochs=1), folder / "out", data=folder)


def test_scores_on_the_truth(job):
    write, folder = job
    table = run_perception(write(methods=[{"name": "m"}], score_grid="truth", epochs=1), folder / "out", data=folder)
    assert 0 <= table["rows"][0]["last"]["miou"] <= 1


def test_inputs_and_conditions(job, monkeypatch):
    write, folder = job
    few = {name: CONDITIONS[name] for name in ("base", "noise 4e-3")}
    monkeypatch.setattr("isp_ns.train.robustness.CONDITIONS", few)
    path = write(methods=[{"name": "m"}], epochs=1)
    table = study_robustness(path, folder / "out", unseen=["fictitious-phone"], pictures=1, data=folder)
    assert table == json.loads((folder / "out" / "robustness.json").read_text())
    assert [row["input"] for row in table["rows"][::3]] == ["space", "rendered", "demosaic"]
    assert [row["condition"] for row in table["rows"][:3]] == ["base", "noise 4e-3", "camera fictitious-phone"]
    sizes = {
        json.loads((folder / "out" / name / "m-1" / "result.json").read_text())["parameters"]
        for name in ("space", "rendered", "demosaic")
    }
    assert len(sizes) == 1


def test_finer_labels_teach_and_are_left_behind(job):
    write, folder = job
    path = write(methods=[{"name": "m"}], finer="nyu40", mix=0.5)
    straight = run_perception(path, folder / "straight", data=folder)
    assert straight["protocol"]["labels_learned"] == "nyu40"
    weights = load_file(folder / "straight" / "m-1" / "network.safetensors")
    assert not any("finer" in name for name in weights)
    run_perception(path, folder / "halted", data=folder, stop_after=1)
    run_perception(path, folder / "halted", data=folder, resume=True)
    resumed = load_file(folder / "halted" / "m-1" / "network.safetensors")
    assert all(torch.equal(value, resumed[name]) for name, value in weights.items())
    plain = run_perception(write(methods=[{"name": "m"}], mix=0.5), folder / "plain", data=folder)
    assert straight["rows"][0]["parameters"] == plain["rows"][0]["parameters"]
    other = load_file(folder / "plain" / "m-1" / "network.safetensors")
    assert not torch.equal(weights["decoders.depth.out.weight"], other["decoders.depth.out.weight"])


def test_pictures_are_evenly_spread():
    assert picked(10, 5) == [0, 2, 4, 6, 8]
    assert picked(3, None) == [0, 1, 2]
    assert picked(3, 9) == [0, 1, 2]


def test_delta_needs_both_single_networks():
    recipe = SimpleNamespace(
        dataset="d", labels="l", finer="", splits=("a", "b"), input="space", space="s", test_noise=0,
        score_grid="truth", ema=1, last_epochs=1, name="n", coarse=4,
    )  # fmt: skip
    row = {
        "method": "u",
        "seed": 1,
        "tasks": ["depth", "labels"],
        "balance": "uniform",
        "distilled": False,
        "budget": "8 epochs",
    }
    row |= {"last": {"aerr_m": 0.5, "miou": 0.4}, "mean": {"aerr_m": 0.5, "miou": 0.4}}
    single = [
        {**row, "method": task, "tasks": [task], "last": scores, "mean": scores}
        for task, scores in (("depth", {"aerr_m": 0.625}), ("labels", {"miou": 0.5}))
    ]
    assert table_of(recipe, [row, single[0]], "d")["rows"][0]["delta_mtl_last"] is None
    longer = [{**each, "budget": "24 epochs"} for each in single]
    assert table_of(recipe, [row, *longer], "d")["rows"][0]["delta_mtl_last"] is None
    # 20 % better and 20 % worse.
    assert table_of(recipe, [row, *single], "d")["rows"][0]["delta_mtl_last"] == pytest.approx(0.0)


def test_weights_and_card_are_written(job, monkeypatch):
    write, folder = job
    space, card = perception_run.load_space("ns-lite")
    monkeypatch.setattr(perception_export, "load_space", lambda name: (space, card))
    path = write(methods=METHODS, epochs=1, licence="research only: a test", scenes="halves")
    with pytest.raises(ModelError, match="not finished"):
        export_perception(path, folder / "out", folder / "weights", data=folder)
    run_perception(path, folder / "out", data=folder)
    written = export_perception(path, folder / "out", folder / "weights", data=folder)
    net, told = load_perception("tiny", folder / "weights")
    assert written == folder / "weights" / "tiny.yaml"
    assert told.domain["classes"] == [{"name": "dark", "colour": [0, 0, 0]}, {"name": "bright", "colour": [255] * 3}]
    assert told.domain["features_digest"] == features_digest(space)
    # Whole pictures have the canonical focal length here; boxes of three quarters of their width have 4/3 of it.
    lowest, highest = told.domain["log_focal"]
    assert -1e-3 <= lowest <= highest <= math.log(4 / 3) + 1e-3
    assert told.recipe == path.stem
    assert told.licence == "research only, see LICENSE-weights"
    assert sum(told.parameters.values()) == sum(p.numel() for p in net.parameters())
    assert told.measured["rows"][0]["method"] == "distilled"
    stored = load_file(folder / "out" / "distilled-1" / "network.safetensors")
    assert all(torch.equal(value, stored[name]) for name, value in net.state_dict().items())
    with torch.no_grad():
        space.denoiser.leave_t.weight.add_(1)
    with pytest.raises(ModelError, match="have changed since"):
        export_perception(path, folder / "out", folder / "weights", data=folder)


def test_a_coarser_grid_halves_the_cells_and_leaves_metres_alone(job):
    write, folder = job
    fine, coarse = (
        perception_run.Workshop.open(load_perception_recipe(write(coarse=n)), folder, folder / f"features{n}")
        for n in (2, 4)
    )
    one, two = fine.test_features()[0], coarse.test_features()[0]
    assert two.pooled.shape[-2:] == tuple(-(-side // 2) for side in one.pooled.shape[-2:])
    averaged = torch.nn.functional.avg_pool2d(one.pooled.float(), 2, ceil_mode=True)
    assert torch.allclose(two.pooled[:, 48:].float(), averaged[:, 48:], atol=0.02)
    assert float(two.depth.max()) == pytest.approx(float(one.depth.max()), rel=0.01)
