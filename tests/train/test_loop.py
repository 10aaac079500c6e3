"""Recipes, exact resume, and that training learns something."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from isp_ns.core.errors import DecodeError, ModelError
from isp_ns.train import loop
from isp_ns.train.loop import Budget
from isp_ns.train.manifest import load_manifest, verified_files
from isp_ns.train.patches import PatchSource
from isp_ns.train.recipe import load_recipe
from isp_ns.train.run import open_trainer, run_recipe
from isp_ns.train.validate import Holdout

REPOSITORY = Path(__file__).parents[2]


def test_resume_is_exact(job, tmp_path):
    path, data = job
    straight = run_recipe(path, tmp_path / "straight", steps=20, data=data)
    halted = run_recipe(path, tmp_path / "halted", steps=20, data=data, stop_after=8)
    assert halted.step == 8
    resumed = run_recipe(path, tmp_path / "halted", steps=20, data=data, resume=True)
    assert resumed.step == straight.step == 20
    for part in ("space", "average"):
        expected, found = getattr(straight, part).state_dict(), getattr(resumed, part).state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_run_is_gone_on_with_by_its_own_recipe_alone(job, tmp_path):
    path, data = job
    run_recipe(path, tmp_path / "out", steps=8, data=data, stop_after=4)
    recipe = path.read_text()
    path.write_text(yaml.safe_dump({**yaml.safe_load(recipe), "weight_decay": 0.5}))
    with pytest.raises(ModelError, match=r"checkpoint\.pt: .* other settings \(weight_decay 0\.0001, now 0\.5\)"):
        run_recipe(path, tmp_path / "out", steps=8, data=data, resume=True)
    path.write_text(yaml.safe_dump({**yaml.safe_load(recipe), "validate_s": 1e6}))
    assert run_recipe(path, tmp_path / "out", steps=8, data=data, resume=True).step == 8


@pytest.mark.parametrize("size", [0, 1000])
def test_a_damaged_checkpoint_is_named(job, tmp_path, size):
    path, data = job
    checkpoint = run_recipe(path, tmp_path / "out", steps=4, data=data).checkpoint
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"checkpoint\.pt: the checkpoint cannot be read"):
        run_recipe(path, tmp_path / "out", steps=8, data=data, resume=True)


def test_workers_go_on_from_one_step(job, tmp_path, monkeypatch):
    """The other worker is simulated: it has saved later."""
    path, data = job
    trainer = run_recipe(path, tmp_path / "out", steps=4, data=data)
    trainer.recipe = replace(trainer.recipe, workers=2)
    trainer.save()

    def all_gather(found, mine):
        found[0].copy_(mine)
        found[1].copy_(mine + 4)

    monkeypatch.setattr(loop.distributed, "all_gather", all_gather)
    with pytest.raises(ModelError, match="of steps 4, 8"):
        trainer.resume()


def test_an_interrupt_leaves_a_checkpoint(job, tmp_path):
    path, data = job
    straight = run_recipe(path, tmp_path / "straight", steps=20, data=data)
    values = {**yaml.safe_load(path.read_text()), "validate_s": 1e-6}
    path.write_text(yaml.safe_dump(values))
    told = []

    def interrupt(line):
        told.append(line)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_recipe(path, tmp_path / "halted", steps=20, data=data, tell=interrupt)
    assert "interrupted; --resume goes on after step 4" in told
    resumed = run_recipe(path, tmp_path / "halted", steps=20, data=data, resume=True)
    found = resumed.space.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in straight.space.state_dict().items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": "fast"}, "learning_rate takes float, not 'fast'"),
        ({"learning_rate": -1.0}, "learning_rate lies above 0"),
        ({"seed": "abc"}, "seed takes int"),
        ({"workers": 0}, "workers is at least 1"),
        ({"loss": "l3"}, "loss of phase .* is l1 or mse"),
        ({"batch": -3}, "needs a batch of 1 or more"),
    ],
)
def test_values_of_a_recipe_are_checked(job, change, words):
    path, _ = job
    values = yaml.safe_load(path.read_text())
    of_phase = {"loss", "batch"} & set(change)
    values = {**values, "phases": [{**values["phases"][0], **change}]} if of_phase else {**values, **change}
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ModelError, match=words):
        load_recipe(path)


def test_numbers_may_have_an_exponent(job):
    path, _ = job
    path.write_text(path.read_text() + "\nweight_decay: 1e-3\n")
    assert load_recipe(path).weight_decay == 0.001


def test_a_number_of_steps_is_kept_to(job, tmp_path):
    path, data = job
    assert run_recipe(path, tmp_path / "out", steps=6, data=data).step == 6


def test_a_new_run_begins_new_curves(job, tmp_path):
    path, data = job
    for _ in range(2):
        run_recipe(path, tmp_path / "out", steps=4, data=data)
    assert len((tmp_path / "out" / "curves.jsonl").read_text().splitlines()) == 1


def test_units_are_woken_alike_by_all_workers_and_after_a_halt(job, tmp_path):
    path, data = job
    values = {**yaml.safe_load(path.read_text()), "revive_every": 8, "revive_until": 1.0}
    path.write_text(yaml.safe_dump(values))
    trainers = [open_trainer(path, tmp_path / str(rank), Budget(steps=20), data=data) for rank in (0, 1)]
    for rank, trainer in enumerate(trainers):
        trainer.rng.manual_seed(100 + rank)
        with torch.no_grad():
            trainer.space.d_rgb.merge.bias[:3] = -100.0
        trainer._revive()
    first, second = (trainer.space.state_dict() for trainer in trainers)
    assert float(first["d_rgb.merge.bias"][:3].min()) > -100
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    straight = run_recipe(path, tmp_path / "straight", steps=20, data=data)
    run_recipe(path, tmp_path / "halted", steps=20, data=data, stop_after=8)
    resumed = run_recipe(path, tmp_path / "halted", steps=20, data=data, resume=True)
    found = resumed.space.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in straight.space.state_dict().items())
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "straight" / "curves.jsonl").read_text().splitlines()]
    assert kinds.count("revival") == 3


def test_curves_and_checkpoints_are_written(job, tmp_path):
    path, data = job
    run_recipe(path, tmp_path / "out", steps=4, data=data)
    lines = [json.loads(line) for line in (tmp_path / "out" / "curves.jsonl").read_text().splitlines()]
    assert lines[-1]["kind"] == "validation"
    assert lines[-1]["clean_db"] > 20
    assert lines[-1]["step"] == 4


def test_training_by_time_ends(job, tmp_path):
    path, data = job
    trainer = run_recipe(path, tmp_path / "out", time_s=1.0, data=data)
    assert trainer.elapsed_s >= 1
    assert trainer.step > 0


def test_training_learns(job, tmp_path):
    path, data = job
    values = yaml.safe_load(path.read_text())
    values["phases"] = [{"name": "demosaic", "until": 1.0, "batch": 4, "patch_px": 32, "mix": {"clean": 1.0}}]
    path.write_text(yaml.safe_dump({**values, "learning_rate": 0.01, "ema": 0.9}))
    before = run_recipe(path, tmp_path / "before", steps=2, data=data)
    after = run_recipe(path, tmp_path / "after", steps=150, data=data)
    scores = [json.loads((t.out / "curves.jsonl").read_text().splitlines()[-1])["clean_db"] for t in (before, after)]
    assert scores[1] > scores[0] + 0.2


def test_only_the_named_parts_of_a_phase_are_trained(job, tmp_path):
    path, data = job
    values = yaml.safe_load(path.read_text())
    align = {"name": "align", "until": 1.0, "rgb_every": 1, "batch": 2, "patch_px": 32, "parts": ["e_rgb"]}
    path.write_text(
        yaml.safe_dump({**values, "phases": [{**values["phases"][0], "until": 0.5}, {**align, "learning_rate": 0.01}]})
    )
    half = run_recipe(path, tmp_path / "out", steps=8, data=data, stop_after=4)
    before = {name: value.clone() for name, value in half.space.state_dict().items()}
    after = run_recipe(path, tmp_path / "out", steps=8, data=data, resume=True).space.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"e_rgb"}


def test_workers_average_their_weights(job, tmp_path, monkeypatch):
    """The other worker is simulated: its weights are all 1, and it was slower."""
    path, _ = job
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "workers": 2}))

    def all_reduce(values, op=None):
        values.copy_(values + 1 if op is None else torch.full_like(values, 5.0))

    monkeypatch.setattr(loop.distributed, "all_reduce", all_reduce)
    recipe, source = load_recipe(path), PatchSource([torch.zeros(3, 64, 64, dtype=torch.uint8)])
    trainer = loop.Trainer(recipe, source, Holdout([]), Budget(steps=8), tmp_path / "out")
    before = {name: value.clone() for name, value in trainer.space.state_dict().items()}
    trainer._synchronise(2.0)
    assert trainer.elapsed_s == 5.0
    for name, value in trainer.space.state_dict().items():
        assert torch.allclose(value, (before[name] + 1) / 2)


def test_nothing_to_resume(job, tmp_path):
    path, data = job
    with pytest.raises(ModelError, match="no checkpoint"):
        run_recipe(path, tmp_path / "out", steps=4, data=data, resume=True)


def test_an_altered_picture_is_refused(job, tmp_path):
    path, data = job
    (data / "pictures" / "a.png").write_bytes(b"other")
    with pytest.raises(DecodeError, match="differs from manifest"):
        run_recipe(path, tmp_path / "out", steps=4, data=data)


def test_a_budget_is_time_or_steps():
    with pytest.raises(ValueError, match="either"):
        Budget()
    assert Budget(steps=10).progress(5, 0) == 0.5
    assert Budget(time_s=10).progress(5, 20) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "ns-huge"}, "ns-huge"),
        ({"typo": 1}, "unknown typo"),
        ({"phases": [{"name": "a", "until": 0.5, "rgb_every": 1}]}, "rise to 1"),
        ({"phases": [{"name": "a", "until": 1, "mix": {"clean": 0.5}}]}, "add up to 1"),
        ({"dtype": "float16"}, "float16"),
        ({"phases": [{"name": "a", "until": 1, "rgb_every": 1, "parts": ["head"]}]}, "parts of phase a"),
    ],
)
def test_recipes_are_checked(job, change, message):
    path, _ = job
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        load_recipe(path)


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "data_tools" / "recipes").glob("ns-*.yaml")), ids=lambda p: p.stem
)
def test_shipped_recipes_load(path):
    recipe = load_recipe(path)
    for name in recipe.manifests:
        manifest = load_manifest(REPOSITORY / "data_tools" / "manifests" / f"{name}.yaml")
        assert manifest.licence
        assert not set(manifest.train) & set(manifest.holdout)


def test_shipped_manifests_fit_the_data(shared_data):
    manifest = load_manifest(REPOSITORY / "data_tools" / "manifests" / "cid22.yaml")
    assert len(verified_files(manifest, shared_data, "holdout")) == 12


def test_hard_places_are_drawn_more_often():
    flat, busy = torch.full((3, 64, 64), 100, dtype=torch.uint8), torch.randint(0, 256, (3, 64, 64)).byte()
    source = PatchSource([flat, busy], hard_share=1.0, rescale_share=0.0)
    patches = source.draw(64, 32, torch.Generator().manual_seed(0))
    assert (patches.std((1, 2, 3)) > 0.1).float().mean() > 0.8


def test_patches_at_other_scales_stay_pictures():
    ramp = torch.linspace(0, 255, 256).byte().expand(3, 256, 256).contiguous()
    source = PatchSource([ramp], hard_share=0.0, rescale_share=1.0)
    steps = []
    for seed in range(12):
        patch = source.draw(1, 32, torch.Generator().manual_seed(seed))
        assert patch.shape == (1, 3, 32, 32)
        assert 0 <= float(patch.min()) <= float(patch.max()) <= 1
        steps.append(float(patch[0, 0, 8:24, 8:24].diff(dim=1).mean()) * 255)
    # A grey level per pixel becomes 1 / scale levels.
    assert 0.7 <= min(steps) < 0.95
    assert 1.3 < max(steps) <= 2.02


def test_patches_that_do_not_fit_are_refused():
    source = PatchSource([torch.zeros(3, 40, 40, dtype=torch.uint8)], rescale_share=0.0)
    with pytest.raises(ValueError, match="smaller patches"):
        source.draw(1, 64, torch.Generator())
