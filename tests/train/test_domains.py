"""One network for several cameras: classes of pictures, teachers, adapters, and the study from recipe to table."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from perception_scene import Scenes
from safetensors.torch import load_file

from isp_ns.core.errors import ModelError
from isp_ns.data.labelled import load_label_table
from isp_ns.nets.heads import HeadSpec
from isp_ns.nets.layers import channels_last
from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train import domains_data
from isp_ns.train.distil import kernel_cka, softened_kl
from isp_ns.train.domains import DomainTrainer, SceneNet, study_domains, used_parameters
from isp_ns.train.domains_data import scene_class, scene_labels
from isp_ns.train.domains_recipe import DomainMethod, load_domains_recipe
from isp_ns.train.samples import Encoded

SHIPPED = Path(__file__).parents[2] / "data_tools" / "recipes" / "study-domains.yaml"
PHONE, LARGE = "fictitious-phone", "fictitious-full-frame"
NET = {"widths": (4, 6), "blocks": (0, 1)}
RECIPE = {
    "kind": "domains",
    "name": "tiny",
    "dataset": "nyuv2",
    "folder": "two",
    "net": NET,
    "coarse": 8,
    "batch": 3,
    "epochs": 2,
    "dtype": "float32",
    "views": {"zoom": 1.2, "colour": 0.5},
    "domains": {PHONE: {"clean": 0, "noise": [1e-3, 1e-2]}, LARGE: {"clean": 1}},
    "methods": [
        {"name": "single", "separate": True},
        {"name": "joint"},
        {"name": "distilled", "teachers": "single"},
        {"name": "kl", "teachers": "single", "cka": 0.0},
    ],
}


def write(folder, **changes):
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **changes}, sort_keys=False))
    return path


@pytest.fixture
def scenes(monkeypatch):
    """A tiny space, and made-up scenes in place of a dataset."""
    torch.manual_seed(0)
    space = channels_last(NeuralSpace(SpaceSpec(16, 24, 16, 1, 1, 1, 1, 8, 8), "tiny")).eval().requires_grad_(False)
    monkeypatch.setattr(domains_data, "frozen_space", lambda name: (space, "d"))
    monkeypatch.setattr(domains_data, "open_dataset", lambda name, root, split, labels: Scenes(3, int(split == "test")))


def test_a_picture_is_named_after_its_largest_label():
    table = load_label_table("nyu13")
    named = scene_labels(table, ("wall", "floor", "ceiling", "objects"))
    assert [table.names[label] for label in named] == [
        "bed", "books", "chair", "furniture", "picture", "sofa", "table", "tv", "window",
    ]  # fmt: skip
    labels = torch.full((1, 4, 5), table.names.index("wall"))
    labels[0, 0] = 255
    labels[0, 1, :2] = table.names.index("bed")
    labels[0, 2, :3] = table.names.index("sofa")
    assert table.names[named[scene_class(labels, named)]] == "sofa"
    labels[0, 2, 0] = table.names.index("bed")
    assert table.names[named[scene_class(labels.to(torch.uint8), named)]] == "bed"
    labels[0, 1:] = table.names.index("objects")
    assert scene_class(labels, named) is None
    with pytest.raises(ModelError, match="carpet"):
        scene_labels(table, ("carpet",))


def test_the_way_up_has_no_part_in_classes():
    net = SceneNet(HeadSpec(8, **NET), 3, ["a", "b"]).eval()
    unused = sum(p.numel() for name, p in net.named_parameters() if ".up." in name)
    assert unused > 0
    assert used_parameters(net) == sum(p.numel() for p in net.parameters()) - unused


def pictures(seed):
    """A source of one batch."""
    rng = torch.Generator().manual_seed(seed)
    batch = Encoded(torch.randn(4, 8, 16, 16, generator=rng), torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 2, 0]))
    return SimpleNamespace(batch=lambda step: batch, steps_per_epoch=2)


def trainer(tmp_path, method, teachers=None):
    recipe = load_domains_recipe(write(tmp_path))
    torch.manual_seed(1)
    net = SceneNet(HeadSpec(8, **NET), 3, ["a", "b"])
    return DomainTrainer(recipe, method, net, {"a": pictures(1), "b": pictures(2)}, teachers or {})


def teachers():
    torch.manual_seed(2)
    return {name: SceneNet(HeadSpec(8, (4, 5), (0, 1)), 3, [name]) for name in "ab"}


@torch.no_grad()
@pytest.mark.parametrize(("cka", "kl"), [(1.0, 1.0), (2.0, 0.0), (0.0, 0.5)])
def test_teaching_fades_to_nothing(tmp_path, cka, kl):
    """The loss is that of joint training, and what the teachers add falls in a straight line to 0."""
    method = DomainMethod(name="m", teachers="t", cka=cka, kl=kl)
    taught, alone = trainer(tmp_path, method, teachers()), trainer(tmp_path, method)
    alone_loss = float(alone.loss(0, 0.0))
    losses = [float(taught.loss(0, progress)) for progress in (0.0, 0.5, 1.0)]
    added = 0.0
    pooled = torch.cat([source.batch(0).pooled for source in taught.sources.values()])
    features = taught.net.features(pooled).split(4)
    for (name, teacher), seen, read in zip(taught.teachers.items(), features, pooled.split(4), strict=True):
        goal = teacher.features(read)
        adapted = seen @ taught.distiller.adapters[name].weight.T
        logits = taught.net.classifiers[name](seen), teacher.classifiers[name](goal)
        added += float(cka * (1 - kernel_cka(adapted, goal)) + kl * softened_kl(*logits, 4.0))
    assert added > 0
    assert losses == pytest.approx([alone_loss + added, alone_loss + added / 2, alone_loss], rel=1e-4)


def test_teachers_are_frozen_and_adapters_learn(tmp_path):
    taught = trainer(tmp_path, DomainMethod(name="m", teachers="t"), teachers())
    before = [{n: v.clone() for n, v in t.state_dict().items()} for t in taught.teachers.values()]
    adapters = [weight.clone() for weight in taught.distiller.adapters.parameters()]
    taught.run()
    for teacher, state in zip(taught.teachers.values(), before, strict=True):
        assert not teacher.training
        assert not any(weight.requires_grad for weight in teacher.parameters())
        assert all(torch.equal(value, state[name]) for name, value in teacher.state_dict().items())
    assert all(not torch.equal(a, b) for a, b in zip(adapters, taught.distiller.adapters.parameters(), strict=True))
    mine = {id(weight) for group in taught.optimizer.param_groups for weight in group["params"]}
    assert mine == {id(weight) for weight in taught.net.parameters()}


def test_a_network_learns_what_its_pictures_show(tmp_path):
    learner = trainer(tmp_path, DomainMethod(name="m"))
    first = float(learner.loss(0, 0.0).detach())
    learner.recipe = SimpleNamespace(**{**vars(learner.recipe), "epochs": 20, "learning_rate": 2e-2})
    learner.run()
    learner.net.train()
    assert float(learner.loss(0, 0.0).detach()) < 0.3 * first


def test_a_study_from_recipe_to_table(scenes, tmp_path):
    out = tmp_path / "out"
    table = study_domains(write(tmp_path), out, data=tmp_path)
    assert table == json.loads((out / "domains.json").read_text())
    rows = {row["method"]: row for row in table["rows"]}
    assert list(rows) == ["single", "joint", "distilled", "kl"]
    for row in rows.values():
        assert list(row["accuracy"]) == [PHONE, LARGE]
        assert row["mean_accuracy"] == pytest.approx(sum(row["accuracy"].values()) / 2, abs=1e-4)
        assert row["steps"] == 2
    student = load_file(out / "distilled-1" / "network.safetensors")
    assert set(student) == set(load_file(out / "joint-1" / "network.safetensors"))
    assert not any("adapter" in name for name in student)
    assert rows["distilled"]["parameters"] == rows["joint"]["parameters"] < rows["single"]["parameters"]
    assert (rows["single"]["networks"], rows["joint"]["networks"]) == (2, 1)
    assert sum(table["protocol"]["pictures"]["train"].values()) == 3
    assert table["protocol"]["classes"] == ["dark", "bright"]
    # Every camera has features of its own, on a coarse grid.
    features = [domains_data.FeatureFile(path) for path in sorted((out / "features").glob("train-*.features"))]
    assert [file[0].pooled.shape[-2:] for file in features] == [(15, 20), (15, 20)]
    assert not torch.equal(features[0][0].pooled, features[1][0].pooled)


def test_finished_methods_are_kept_until_the_recipe_changes(scenes, tmp_path):
    methods, out = RECIPE["methods"][:2], tmp_path / "out"
    path = write(tmp_path, methods=methods[:1], domains={PHONE: {}})
    stored = out / "single-1" / f"{PHONE}.safetensors"
    study_domains(path, out, data=tmp_path)
    before = stored.stat().st_mtime_ns
    table = study_domains(write(tmp_path, methods=methods, domains={PHONE: {}}), out, data=tmp_path)
    assert [row["method"] for row in table["rows"]] == ["single", "joint"]
    assert stored.stat().st_mtime_ns == before
    study_domains(path, out, data=tmp_path, epochs=1)
    assert stored.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "perception"}, "kind"),
        ({"domains": {}}, "camera profiles"),
        ({"domains": {"no-such-camera": {}}}, "no-such-camera"),
        ({"domains": {PHONE: {"noise": [1]}}}, f"{PHONE}: noise must be pairs"),
        ({"domains": [PHONE]}, "names and values"),
        ({"methods": []}, "no method"),
        ({"methods": [{"name": "m", "teachers": "later"}]}, "separate method before it"),
        ({"methods": [{"name": "t"}, {"name": "m", "teachers": "t"}]}, "separate method before it"),
        ({"methods": [{"name": "t", "separate": True}, {"name": "m", "teachers": "t", "seeds": [7]}]}, "seeds of m"),
        ({"methods": [{"name": "m"}, {"name": "m"}]}, "two methods"),
        ({"views": {"scales": {1.0: 1, 0.5: 1}}}, "one scale"),
        ({"batch": 2}, "aligned"),
        ({"pictures": [3]}, "a pair"),
        ({"coarse": 0}, "coarse"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        load_domains_recipe(write(tmp_path, **changes))


def test_the_shipped_recipe_has_every_camera():
    recipe = load_domains_recipe(SHIPPED)
    assert recipe.name == SHIPPED.stem
    assert list(recipe.domains) == ["canon-powershot-s40", LARGE, PHONE, "gopro-hero6-black"]
    assert scene_labels(load_label_table(recipe.labels), recipe.leave_out)
    HeadSpec(116, **recipe.net)
