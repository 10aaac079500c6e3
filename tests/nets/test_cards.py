"""Weights load only if card and digest agree."""

import copy

import pytest
import torch
import yaml

from isp_ns.nets.cards import (
    Card,
    features_digest,
    load_perception,
    load_space,
    read_card,
    save_perception,
    save_space,
    shipped_cards,
    shipped_spaces,
    verify_weights,
    weights_folder,
)
from isp_ns.nets.counters import parameters, raw_path_macs
from isp_ns.nets.heads import HeadSpec, PerceptionNet
from isp_ns.nets.layers import channels_last
from isp_ns.nets.space import NeuralSpace, SpaceSpec

SPEC = SpaceSpec(16, 16, 16, 1, 1, 1, 1, 8, 8)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    space = NeuralSpace(SPEC, "test-1")
    card = Card(
        name="tiny",
        kind="space",
        space_id="test-1",
        sizes=space.sizes(),
        recipe="none",
        data={"nothing": "CC0"},
        seed=0,
        steps=0,
        wall_time_s=0.0,
        machine="a test",
        domain={"cfa": "bayer"},
        noise={},
        parameters={"all": parameters(space)},
        macs_per_pixel={},
        halo_px=40,
    )
    return space, save_space(space, card, tmp_path)


def test_round_trip(saved, tmp_path):
    space, _ = saved
    loaded, card = load_space("tiny", tmp_path)
    assert card.space_id == loaded.space_id == "test-1"
    for name, value in space.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_only_what_makes_features_changes_their_digest(saved):
    space, _ = saved
    before = features_digest(space)
    assert features_digest(channels_last(copy.deepcopy(space))) == before
    with torch.no_grad():
        for parameter in space.d_rgb.parameters():
            parameter.add_(1)
        assert features_digest(space) == before
        for part in (space.e_raw, space.e_rgb, space.denoiser):
            next(part.parameters())[0] += 1e-3
            told = features_digest(space)
            assert told != before
            before = told


def test_shipped_heads_read_shipped_features():
    spaces = {features_digest(load_space(name)[0]): card.space_id for name, card in shipped_spaces().items()}
    heads = [card for card in shipped_cards().values() if card.kind == "perception"]
    assert heads
    assert all(spaces.get(card.domain["features_digest"]) == card.space_id for card in heads)


def test_altered_weights_are_refused(saved, tmp_path):
    path = tmp_path / "tiny.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not the weights of tiny\.yaml"):
        load_space("tiny", tmp_path)


@pytest.mark.parametrize(
    ("change", "words"), [({"schema": 99}, "a card of schema 99"), ({"sizes": {"z_b": 16, "depth": 3}}, "the sizes on")]
)
def test_a_card_of_another_kind_is_refused(saved, change, words):
    _, path = saved
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ValueError, match=words):
        load_space("tiny", path.parent)


def test_another_card_is_refused(saved, tmp_path):
    _, card_path = saved
    values = yaml.safe_load(card_path.read_text())
    card_path.write_text(yaml.safe_dump({**values, "sizes": {**values["sizes"], "width_b": 24}}))
    with pytest.raises(ValueError, match="sizes on their card"):
        load_space("tiny", tmp_path)
    card_path.write_text("name: tiny\n")
    with pytest.raises(ValueError, match="not a card"):
        read_card(card_path)


def test_absent_weights_are_named(saved, tmp_path):
    with pytest.raises(ValueError, match="there are: tiny"):
        load_space("large", tmp_path)
    (tmp_path / "tiny.safetensors").unlink()
    with pytest.raises(ValueError, match="absent"):
        load_space("tiny", tmp_path)


@pytest.mark.parametrize("name", sorted(shipped_spaces()))
def test_shipped_weights_are_what_their_cards_say(name):
    card, _ = verify_weights(weights_folder() / f"{name}.yaml")
    space, _ = load_space(name)
    assert card.parameters["total"] == parameters(space)
    assert card.macs_per_pixel["raw_path"] == pytest.approx(raw_path_macs(space)["raw_path"])
    assert card.data
    assert card.measured


def test_heads_make_the_round_trip_with_their_tasks(tmp_path):
    torch.manual_seed(0)
    net = PerceptionNet(HeadSpec(20, (8, 12, 16), (0, 1, 1)), {"depth": None, "labels": 3})
    net.trunk.level.running_mean.normal_()
    values = {"name": "tiny-heads", "kind": "perception", "space_id": "test-1", "sizes": net.spec.sizes()}
    values |= {"recipe": "none", "data": {"nothing": "CC0"}, "seed": 0, "steps": 0, "wall_time_s": 0.0}
    values |= {"machine": "a test", "noise": {}, "parameters": {}, "macs_per_pixel": {}, "halo_px": 0}
    save_perception(net, Card(**values, domain={"tasks": net.tasks}), tmp_path)
    loaded, _ = load_perception("tiny-heads", tmp_path)
    pooled = torch.randn(1, 20, 16, 24)
    for task, output in net.eval()(pooled).items():
        assert torch.allclose(loaded(pooled)[task], output, atol=1e-5)
    with pytest.raises(ValueError, match="not a neural space"):
        load_space("tiny-heads", tmp_path)
    with pytest.raises(ValueError, match="the card's domain has the tasks None"):
        save_perception(net, Card(**values, domain={}), tmp_path)
