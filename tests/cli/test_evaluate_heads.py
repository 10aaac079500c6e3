"""Heads scored from RAW: networks whose answer is known, on small datasets whose truth is known."""

import json
import math
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from random_heads import save_known_heads as heads

from isp_ns.cli.evaluate_heads import depth, multitask, segment
from isp_ns.cli.main import cli
from isp_ns.core.errors import DecodeError, OutputError, SettingsError
from isp_ns.data.datasets import open_dataset
from isp_ns.data.labelled import Sample, load_label_table
from isp_ns.data.simulate import simulate
from isp_ns.nets import cards
from isp_ns.nets.cards import load_perception
from isp_ns.nets.pooling import pack_cells
from isp_ns.stages import neural_weights
from isp_ns.train.perception_evaluate import evaluate_heads, heads_pipeline, photograph
from isp_ns.train.perception_recipe import Method, PerceptionRecipe
from isp_ns.train.perception_score import score_network
from isp_ns.train.samples import Encoded

HEIGHT, WIDTH = 48, 64
TWO_METRES, FOUR_METRES = 51, 102
NYU13 = load_label_table("nyu13").names
DEPTH_KEYS = {"delta1", "delta2", "delta3", "rmse_m", "aerr_m", "rel"}
LABEL_KEYS = {"miou", "pixel_accuracy", "iou"}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder with the shipped space, where heads are found."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(cards, "weights_folder", lambda: folder)
    forget = [neural_weights.heads_card, neural_weights.heads_of, neural_weights.space_card]
    for cached in forget:
        cached.cache_clear()
    yield folder
    for cached in forget:
        cached.cache_clear()


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def picture(seed=0, height=HEIGHT, width=WIDTH):
    ramp = np.linspace(30, 220, width)[None, :, None] * np.ones((height, 1, 3))
    return (ramp + np.random.default_rng(seed).uniform(-20, 20, (height, width, 3))).clip(0, 255).astype(np.uint8)


def halves(left, right, height=HEIGHT, width=WIDTH):
    values = np.full((height, width), left, np.uint8)
    values[:, width // 2 :] = right
    return values


def nyu(root, *pictures):
    """NYU-v2 as a folder of pictures; a pair of depth and labels (values of NYU40) for each picture."""
    for index, (far, stored) in enumerate(pictures):
        save(root / "images" / f"{index:04d}.jpg", picture(index))
        save(root / "depth" / f"{index:04d}.png", far)
        save(root / "labels40" / f"{index:04d}.png", stored)
    (root / "test.txt").write_text("\n".join(f"{index:04d}" for index in range(len(pictures))) + "\n")
    return root


def camvid(root, stored, height=HEIGHT, width=WIDTH):
    save(root / "val" / "a.png", picture(0, height, width))
    save(root / "valannot" / "a.png", stored)
    return root


def scored(command, root, *options, dataset="nyuv2", split="test"):
    """What the command writes."""
    target = root.parent / "scores.json"
    where = ["--dataset", dataset, "--root", root, "--split", split, "--json", target]
    result = CliRunner().invoke(command, [str(x) for x in [*where, *options]], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(target.read_text())


def test_a_perfect_depth_has_no_error(weights, tmp_path):
    heads(weights, metres=2)
    found = scored(depth, nyu(tmp_path / "n", (halves(TWO_METRES, 0), halves(0, 0))))
    assert set(found) == DEPTH_KEYS | {"protocol", "schema"}
    assert [found[key] for key in ("delta1", "delta2", "delta3")] == [1, 1, 1]
    assert [found[key] for key in ("rmse_m", "aerr_m", "rel")] == pytest.approx([0, 0, 0], abs=1e-4)


def test_depth_by_hand(weights, tmp_path):
    """2 m are said where half of the pixels are at 2 m, half at 4 m; a second picture has no depth at all."""
    heads(weights, metres=2)
    pictures = [(halves(TWO_METRES, FOUR_METRES), halves(0, 0)), (halves(0, 0), halves(0, 0))]
    found = scored(depth, nyu(tmp_path / "n", *pictures), "--iso", 3200)
    assert [found[key] for key in ("delta1", "delta2", "delta3")] == [0.5, 0.5, 0.5]
    assert found["rmse_m"] == pytest.approx(math.sqrt(2), rel=1e-5)
    assert found["aerr_m"] == pytest.approx(1, rel=1e-5)
    assert found["rel"] == pytest.approx(0.25, rel=1e-5)


def test_labels_by_hand(weights, tmp_path):
    """Floor is said where half of the labelled pixels are floor, half wall; label 39 does not count."""
    heads(weights, label=NYU13.index("floor"))
    stored = halves(1, 0)
    stored[: HEIGHT // 2] = 39
    found = scored(segment, nyu(tmp_path / "n", (halves(0, 0), stored), (halves(0, 0), halves(39, 39))))
    assert set(found) == LABEL_KEYS | {"protocol", "schema"}
    assert found["pixel_accuracy"] == 0.5
    assert found["iou"] == {**dict.fromkeys(NYU13), "floor": 0.5, "wall": 0.0}
    assert found["miou"] == 0.25


def test_perfect_labels(weights, tmp_path):
    heads(weights, "camvid-lite", label=3, protocol="camvid11", tasks={"labels": 11})
    root = camvid(tmp_path / "c", halves(3, 11, 45, 63), 45, 63)
    found = scored(segment, root, "--camera", "fictitious-phone", dataset="camvid", split="val")
    assert (found["miou"], found["pixel_accuracy"]) == (1, 1)
    assert found["protocol"]["labels"] == "camvid11"


def test_both_tasks_from_one_pass(weights, tmp_path):
    heads(weights)
    root = nyu(tmp_path / "n", (halves(TWO_METRES, FOUR_METRES), halves(0, 1)))
    both = scored(multitask, root, "--iso", 400)
    apart = [scored(command, root, "--iso", 400) for command in (depth, segment)]
    for part in apart:
        assert {key: both[key] for key in part if key != "protocol"} == {
            k: v for k, v in part.items() if k != "protocol"
        }
    assert set(both) == DEPTH_KEYS | LABEL_KEYS | {"protocol", "schema"}


def test_the_protocol_says_what_was_done(weights, tmp_path):
    heads(weights)
    root = nyu(tmp_path / "n", *[(halves(TWO_METRES, 0), halves(0, 39))] * 3)
    found = scored(multitask, root, "--iso", 800, "--images", 2, "--camera", "fictitious-phone")
    protocol = found["protocol"]
    assert found["schema"] == 1
    told = {"task": "multitask", "dataset": "nyuv2", "split": "test", "images": 2, "images_of_split": 3, "iso": 800}
    assert told.items() <= protocol.items()
    assert (protocol["camera"], protocol["labels"]) == ("fictitious-phone", "nyu13-ign39")
    assert "39 is unlabelled and ignored" in protocol["pixels"]["labels"]
    assert "focal length" in protocol["metres"]
    assert {"seed", "grid", "resizing", "features_digest", "weights_digest"} <= set(protocol)
    assert found == scored(multitask, root, "--iso", 800, "--images", 2, "--camera", "fictitious-phone")


def test_scores_are_those_of_training(weights, tmp_path):
    heads(weights)
    root = nyu(tmp_path / "n", *[(halves(TWO_METRES, 80 + 20 * i), halves(i, 2 * i)) for i in range(2)])
    found = evaluate_heads("nyuv2", root, "test", ("depth", "labels"), iso=1600)
    net, _ = load_perception("nyu-lite", weights)
    pictures = open_dataset("nyuv2", root, "test")
    graph, _ = heads_pipeline("nyu-lite", ("depth", "labels"))
    frames = [photograph(pictures[index], "fictitious-full-frame", 1600, seed=index) for index in range(2)]
    features = [Encoded(pack_cells(graph.run(raw=f, want=["pooled"])["pooled"][None]), None, None) for f in frames]
    recipe = PerceptionRecipe(
        kind="perception", name="x", dataset="nyuv2", folder="n", methods=(Method(name="x"),), dtype="float32"
    )
    trained = score_network(net, features, pictures, recipe)
    assert {k for k, v in found["iou"].items() if v is None} == {k for k, v in trained["iou"].items() if v is None}
    for key in (*DEPTH_KEYS, "miou", "pixel_accuracy"):
        # Training keeps depth in half precision.
        assert found[key] == pytest.approx(trained[key], rel=2e-3, abs=2e-3), key


def test_metres_follow_the_focal_length(weights, tmp_path):
    """The canonical camera has 518.9 pixels at a width of 640."""
    heads(weights, metres=2)
    stem = "val/ulm/ulm_000000_000019"
    save(tmp_path / "c" / "leftImg8bit" / f"{stem}_leftImg8bit.png", picture())
    save(tmp_path / "c" / "gtFine" / f"{stem}_gtFine_labelIds.png", halves(7, 7))
    save(tmp_path / "c" / "disparity" / f"{stem}_disparity.png", np.full((HEIGHT, WIDTH), 256 * 2 + 1, np.uint16))
    camera = tmp_path / "c" / "camera" / f"{stem}_camera.json"
    camera.parent.mkdir(parents=True)
    camera.write_text(json.dumps({"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 100}}))
    found = scored(depth, tmp_path / "c", "--weights", "nyu-lite", dataset="cityscapes", split="val")
    said, true = 2 * (100 / WIDTH) / (518.9 / 640), 0.2 * 100 / 2
    assert found["aerr_m"] == pytest.approx(true - said, rel=1e-4)


def test_the_camera_takes_each_picture_with_its_own_noise():
    sample = Sample(torch.from_numpy(picture()).permute(2, 0, 1), None, None, 51.89, "a")
    frames = [photograph(sample, "fictitious-phone", 800, seed=seed) for seed in (3, 4)]
    direct = simulate(sample.image / 255, "fictitious-phone", iso=800, seed=3).frame
    assert torch.equal(frames[0].data, direct.data)
    assert not torch.equal(frames[0].data, frames[1].data)
    assert frames[0].meta.noise == direct.meta.noise
    clean = [photograph(sample, "fictitious-phone", 0, seed=seed) for seed in (3, 4)]
    assert torch.equal(clean[0].data, clean[1].data)
    assert clean[0].meta.noise == ((0, 0),) * 3
    assert clean[0].meta.focal_35mm == pytest.approx(36 * 51.89 / WIDTH)


def refused(command, *options):
    """The error of a command."""
    result = CliRunner().invoke(command, [str(x) for x in options])
    assert result.exit_code != 0
    return result.exception


def test_what_is_missing_is_named(weights, tmp_path):
    heads(weights)
    root = nyu(tmp_path / "n", (halves(TWO_METRES, 0), halves(0, 0)))
    here = ["--dataset", "nyuv2", "--root"]
    gone = CliRunner().invoke(depth, [*here, str(tmp_path / "gone"), "--split", "test"])
    assert (gone.exit_code, "does not exist" in gone.output) == (2, True)
    (tmp_path / "empty").mkdir()
    error = refused(depth, *here, tmp_path / "empty", "--split", "test")
    assert isinstance(error, DecodeError)
    assert "get the dataset from https" in str(error)
    error = refused(segment, *here, root, "--split", "val")
    assert isinstance(error, SettingsError)
    assert "splits train and test" in str(error)
    assert "--root, --split" in str(refused(depth, "--dataset", "nyuv2"))
    assert "no dataset 'kitti'" in str(refused(depth, "--dataset", "kitti", "--root", root, "--split", "test"))
    blind = nyu(tmp_path / "b", (halves(0, 0), halves(39, 39)))
    assert "no pixel with a measured depth" in str(refused(depth, *here, blind, "--split", "test"))


def test_a_dataset_that_heads_cannot_answer_is_refused(weights, tmp_path):
    heads(weights)
    street = ["--dataset", "camvid", "--root", camvid(tmp_path / "c", halves(0, 1)), "--split", "val"]
    assert "13 classes of nyu13-ign39; dataset camvid" in str(refused(segment, *street, "--weights", "nyu-lite"))
    assert "dataset camvid has no depth" in str(refused(depth, *street, "--weights", "nyu-lite"))
    assert "no depth and label heads camvid-lite" in str(refused(segment, *street))
    assert "no weights were trained on sunrgbd" in str(refused(depth, "--dataset", "sunrgbd", *street[2:]))


@pytest.mark.parametrize(
    ("command", "tasks", "what"), [(depth, {"labels": 13}, "have no depth"), (multitask, {"depth": None}, "no labels")]
)
def test_a_task_that_heads_do_not_have_is_refused(weights, tmp_path, command, tasks, what):
    heads(weights, tasks=tasks)
    root = nyu(tmp_path / "n", (halves(TWO_METRES, 0), halves(0, 0)))
    assert what in str(refused(command, "--dataset", "nyuv2", "--root", root, "--split", "test"))


def test_heads_of_other_weights_of_the_space_are_refused(weights, tmp_path):
    heads(weights, features_digest="0" * 64)
    root = nyu(tmp_path / "n", (halves(TWO_METRES, 0), halves(0, 0)))
    error = refused(depth, "--dataset", "nyuv2", "--root", root, "--split", "test")
    assert "weights 000000000000…, which are not installed" in str(error)


def test_a_page_of_scenes_beside_the_scores(weights, tmp_path):
    """The photo and the answers are of one run, so the scores are those without a page."""
    path = heads(weights)
    root = nyu(tmp_path / "n", *[(halves(TWO_METRES, 0), halves(0, 39))] * 5)
    page = tmp_path / "page"
    found = scored(multitask, root, "--weights", path, "--images", 4, "--scenes", 2, "--page", page)
    assert found == scored(multitask, root, "--images", 4)
    text = (page / "index.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", text) == ["1 · 0000", "2 · 0002"]
    assert text.count("<figure>") == 12
    assert f"{found['miou']:.1%}" in text
    with Image.open(page / "pictures" / "2-photo.jpg") as photo:
        assert photo.size == (WIDTH, HEIGHT)
    scored(depth, root, "--images", 3, "--page", page)
    assert (page / "index.html").read_text(encoding="utf-8").count("<h2>") == 3
    assert not list((page / "pictures").glob("*labels*"))


def test_a_page_is_refused_before_the_work(weights, tmp_path):
    heads(weights)
    root = nyu(tmp_path / "n", (halves(TWO_METRES, 0), halves(0, 0)))
    where = ["--dataset", "nyuv2", "--root", root, "--split", "test"]
    (tmp_path / "file").touch()
    error = refused(depth, *where, "--page", tmp_path / "file")
    assert isinstance(error, OutputError)
    assert "is a file; give a folder to --page" in str(error)
    assert "no earlier page of scenes" in str(refused(depth, *where, "--page", root))
    (tmp_path / "x.json").write_text(json.dumps(TABLE))
    assert "--page make new" in str(refused(multitask, "--results", tmp_path / "x.json", "--page", tmp_path / "p"))


def row(method, seed, tasks, aerr, miou, delta, **more):
    scores = {**({"aerr_m": aerr} if "depth" in tasks else {}), **({"miou": miou} if "labels" in tasks else {})}
    shared = {"method": method, "seed": seed, "tasks": tasks, "balance": "uniform", "distilled": False}
    sizes = {"parameters": 1_500_000, "macs": 2_000_000_000, "epochs": 20.0}
    return {**shared, **sizes, "last": scores, "mean": scores, "delta_mtl_last": delta, "delta_mtl_mean": delta, **more}


TABLE = {
    "schema": 1,
    "protocol": {"task": "multitask", "dataset": "nyuv2"},
    "rows": [
        row("single-depth", 1, ["depth"], 0.5, None, None),
        row("uniform", 1, ["depth", "labels"], 0.4, 0.3, 2.0),
        row("uniform", 2, ["depth", "labels"], 0.6, 0.5, 4.0),
        row("taught", 1, ["depth", "labels"], 0.4, 0.4, 6.0, distilled=True),
    ],
}


def test_a_comparison_is_shown_method_by_method(tmp_path):
    results, target = tmp_path / "results.json", tmp_path / "summary.json"
    results.write_text(json.dumps(TABLE))
    shown = CliRunner().invoke(multitask, ["--results", str(results), "--json", str(target)], catch_exceptions=False)
    lines = [line.split() for line in shown.output.splitlines()]
    assert lines[1] == ["single-depth", "depth", "alone", "1", "1500", "2000", "0.5000"]
    assert lines[2] == ["uniform", "uniform", "2", "1500", "2000", "0.5000", "0.4000", "+3.00"]
    assert lines[3][:2] == ["taught", "distilled"]
    summary = json.loads(target.read_text())
    uniform = summary["rows"][1]
    assert (uniform["seeds"], uniform["delta_mtl_mean"]) == ([1, 2], 3.0)
    assert uniform["deviation"]["aerr_m"] == pytest.approx(math.sqrt(0.02))
    assert summary["rows"][0]["delta_mtl_mean"] is None


def test_only_tables_are_shown(tmp_path):
    path = tmp_path / "x.json"
    for text in ("[", "{}", json.dumps({"protocol": {"task": "robustness"}, "rows": [{}]})):
        path.write_text(text)
        assert isinstance(refused(multitask, "--results", path), DecodeError)
    assert isinstance(refused(multitask, "--results", path, "--dataset", "nyuv2"), SettingsError)


def test_the_group_has_them():
    shown = CliRunner().invoke(cli, ["evaluate", "--help"]).output
    assert all(f"\n  {name} " in shown for name in ("depth", "segment", "multitask"))
