"""The loop of the heads: exact resume with every balancer, distillation, and that it learns."""

import json

import pytest
import torch
from perception_scene import Scenes
from test_feature_source import pictures, recipe

from isp_ns.nets.heads import HeadSpec, PerceptionNet
from isp_ns.train.balance import BALANCERS
from isp_ns.train.ensemble import Ensemble, answer_distance
from isp_ns.train.feature_file import cached_features
from isp_ns.train.feature_source import CachedSource
from isp_ns.train.loop import Budget
from isp_ns.train.multitask import MultitaskTrainer
from isp_ns.train.perception_recipe import Method
from isp_ns.train.samples import Samples

SIZES = {"widths": (8, 8), "blocks": (0, 1)}
TORCHJD = ("mgda", "pcgrad", "graddrop", "imtl_g", "imtl")


def network(tasks=("depth", "labels"), seed=1):
    torch.manual_seed(seed)
    return PerceptionNet(HeadSpec(inputs=49, **SIZES), {t: 2 if t == "labels" else None for t in tasks})


@pytest.fixture
def train(tmp_path):
    file = cached_features(tmp_path, "train", {}, lambda: pictures(Samples(Scenes())))

    def make(name="out", budget=None, teachers=None, ensemble=None, **changes):
        method = Method(**{"name": "m", "tasks": ("depth", "labels"), **changes.pop("method", {})})
        plain = {"source": "cached", "dtype": "float32", "batch": 2, "dropout": 0.2, "ema": 0.5, **changes}
        job = recipe(methods=(method,), **plain)
        source = CachedSource(file, 4, job, 1)
        budget = budget or Budget(steps=8)
        score = {"seen": 1.0}
        net = network(method.tasks)
        trainer = MultitaskTrainer(
            job, method, net, source, lambda net: score, budget, tmp_path / name, 1, teachers or {}
        )
        trainer.ensemble = ensemble
        return trainer

    return make


def same(a, b):
    return all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("balance", BALANCERS)
def test_resume_is_exact_with_every_balancer(train, balance):
    if balance in TORCHJD:
        pytest.importorskip("torchjd")
    straight, halted, resumed = (train(name, method={"balance": balance}) for name in ("a", "b", "b"))
    straight.run()
    halted.run(stop_after=5)
    resumed.resume()
    resumed.run()
    assert resumed.step == straight.step == 8
    assert same(straight.net, resumed.net)
    assert same(straight.average, resumed.average)
    assert resumed.scores == straight.scores


def test_resume_is_exact_with_teachers(train):
    teachers = {"depth": network(["depth"], 5), "labels": network(["labels"], 6)}
    straight, halted, resumed = (train(name, teachers=teachers) for name in ("a", "b", "b"))
    straight.run()
    halted.run(stop_after=3)
    resumed.resume()
    resumed.run()
    assert same(straight.net, resumed.net)
    assert same(straight.distiller.adapters, resumed.distiller.adapters)
    assert not any("adapters" in name for name in straight.average.state_dict())


def test_teachers_stay_as_they_are_and_change_the_student(train):
    teacher = network(["depth"], 5)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    taught, alone = train("a", teachers={"depth": teacher}), train("b")
    taught.run()
    alone.run()
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not same(taught.net, alone.net)


def test_an_ensemble_draws_the_student_towards_its_answers(train):
    settings = {"budget": Budget(steps=60), "learning_rate": 0.01, "dropout": 0.0, "batch": 4}
    pair = Ensemble([network(seed=5), network(seed=6)])
    taught, alone = train("a", ensemble=pair, **settings), train("b", **settings)
    taught.run()
    alone.run()
    batch = taught.source.batch(0)
    answers = pair.answers(batch.pooled.float(), batch.log_focal)
    for task, answer in answers.items():
        near, far = (
            answer_distance(task, t.average(batch.pooled.float())[task], answer, batch.log_focal)
            for t in (taught, alone)
        )
        assert float(near) < 0.8 * float(far), task


def test_a_method_has_a_learning_rate_of_its_own(train):
    trainer = train(method={"learning_rate": 0.5}, learning_rate=1.0, warmup=0.1)
    assert trainer.learning_rate(0.1) == pytest.approx(0.5)


def test_the_last_epochs_are_scored(train):
    trainer = train(budget=Budget(steps=12), last_epochs=3)
    trainer.run()
    assert len(trainer.scores) == 3
    lines = [json.loads(line) for line in (trainer.out / "curves.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [("scores" in line) for line in lines] == [False] * 3 + [True] * 3


def test_training_by_time_ends_and_scores(train):
    trainer = train(budget=Budget(time_s=0.5))
    trainer.run()
    assert trainer.elapsed_s >= 0.5
    assert trainer.scores


def test_other_losses_and_grids_run(train):
    trainer = train(depth_loss="berhu", loss_grid="head", gradient=0.5)
    trainer.run()
    assert trainer.step == 8


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_heads_learn_both_tasks(train, dtype):
    budget = Budget(steps=150)
    settings = {"learning_rate": 0.01, "dropout": 0.0, "ema": 0.9, "batch": 4}
    trainer = train(budget=budget, dtype=dtype, **settings)
    trainer.run()
    batch = trainer.source.batch(0)
    with torch.no_grad():
        outputs = trainer.average(batch.pooled.float())
    size = batch.labels.shape[-2:]
    depth, labels = (torch.nn.functional.interpolate(outputs[t], size, mode="bilinear") for t in ("depth", "labels"))
    known = batch.labels < 2
    assert float((labels.argmax(1) == batch.labels)[known].float().mean()) > 0.85
    far = batch.depth[:, 0] > 0
    assert float((depth[:, 0].exp() / batch.depth[:, 0] - 1).abs()[far].median()) < 0.1


def test_rate_rises_and_falls(train):
    trainer = train(warmup=0.1, learning_rate=1.0)
    rates = [trainer.learning_rate(progress) for progress in (0.0, 0.05, 0.1, 0.55, 1.0)]
    assert rates[0] < 0.05
    assert rates == pytest.approx([rates[0], (0.05 + 1e-3) / 0.101, 1.0, 0.5, 0.0], abs=1e-6)


def test_one_task_alone(train):
    trainer = train(method={"tasks": ("labels",), "balance": "mgda"})
    trainer.run()
    assert list(trainer.average.decoders) == ["labels"]
