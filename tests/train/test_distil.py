"""Distances and alignments against hand formulas; adapters learn and are kept in checkpoints."""

import copy

import numpy as np
import pytest
import torch

from isp_ns.train.distil import Adapters, Distiller, ImageDistiller, anneal, kernel_cka, softened_kl

B, DEEP, FINE = 2, 6, 4


def features(seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(B, DEEP, 2, 3, generator=rng), torch.randn(B, FINE, 8, 12, generator=rng)


def hand_distance(a, b):
    """Mean over pixels of |a/|a| − b/|b||², as 2 − 2 cos."""
    a, b = (x.numpy().astype(np.float64) for x in (a, b))
    cosine = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return float((2 - 2 * cosine).mean())


def test_adapters_are_linear_and_without_bias():
    adapters = Adapters((512, 64), (64, 64))
    # Per task of the published network: 512 → 64 and 64 → 64.
    assert sum(p.numel() for p in adapters.parameters()) * 3 == 110_592
    deep, fine = adapters(torch.zeros(1, 512, 2, 2), torch.zeros(1, 64, 4, 4))
    assert not deep.any()
    assert not fine.any()


def test_distance_is_that_of_the_adapted_features():
    deep, fine = features(0)
    distiller = Distiller({"depth": lambda pooled: features(1)}, (DEEP, FINE), (DEEP, FINE))
    with torch.no_grad():
        adapted = distiller.adapters["depth"](deep, fine)
        found = distiller.distances(torch.zeros(1), deep, fine)["depth"]
    expected = sum(hand_distance(a, b) for a, b in zip(adapted, features(1), strict=True))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_faithful_looks_at_the_last_map_twice():
    deep, fine = features(0)
    distiller = Distiller({"depth": lambda pooled: features(1)}, (DEEP, FINE), (DEEP, FINE), faithful=True)
    with torch.no_grad():
        seen_deep, seen_fine = distiller.adapters["depth"](deep, fine)
        found = distiller.distances(torch.zeros(1), deep, fine)["depth"]
    seen_deep = torch.nn.functional.interpolate(seen_deep, (8, 12), mode="bilinear")
    last = features(1)[1]
    assert float(found) == pytest.approx(hand_distance(seen_deep, last) + hand_distance(seen_fine, last), rel=1e-5)


def test_weights_multiply_the_distances():
    teachers = {"depth": lambda pooled: features(1), "labels": lambda pooled: features(2)}
    distiller = Distiller(teachers, (DEEP, FINE), (DEEP, FINE), {"labels": 2.0})
    with torch.no_grad():
        distances = distiller.distances(torch.zeros(1), *features(0))
        loss = distiller.loss(torch.zeros(1), *features(0))
    assert float(loss) == pytest.approx(float(distances["depth"] + 2 * distances["labels"]))


def test_adapters_learn_a_linear_map_and_resume():
    rotation = torch.linalg.qr(torch.randn(FINE, FINE, generator=torch.Generator().manual_seed(5)))[0]

    def teacher(pooled):
        deep, fine = features(int(pooled))
        return deep, torch.einsum("oc,bchw->bohw", rotation, fine)

    def step(distiller, seed):
        distiller.zero_grad()
        loss = distiller.loss(torch.tensor(seed), *features(seed))
        loss.backward()
        distiller.step(0.1)
        return float(loss.detach())

    torch.manual_seed(0)
    distiller = Distiller({"depth": teacher}, (DEEP, FINE), (DEEP, FINE))
    first = step(distiller, 0)
    for seed in range(100):
        last = step(distiller, seed)
    assert last < 0.1 * first
    twin = Distiller({"depth": teacher}, (DEEP, FINE), (DEEP, FINE))
    twin.load_state_dict(copy.deepcopy(distiller.state_dict()))
    assert [step(distiller, 7), step(distiller, 8)] == [step(twin, 7), step(twin, 8)]


def hand_cka(a, b):
    """Tr(K H L H), normalised, with the kernels written out."""

    def kernel(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        squared = ((x[:, None] - x[None]) ** 2).sum(2)
        apart = np.sort(squared[~np.eye(len(x), dtype=bool)])
        return np.exp(-squared / (2 * apart[(len(apart) - 1) // 2]))

    n = len(a)
    h = np.eye(n) - np.ones((n, n)) / n
    k, m = kernel(a), kernel(b)
    inner = np.trace(k @ h @ m @ h)
    return inner / np.sqrt(np.trace(k @ h @ k @ h) * np.trace(m @ h @ m @ h))


def test_cka_by_hand():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 5)), rng.normal(size=(9, 7))
    found = float(kernel_cka(torch.from_numpy(a), torch.from_numpy(b)))
    assert found == pytest.approx(hand_cka(a, b), rel=1e-9)
    assert 0 < found < 1


def test_cka_knows_features_through_rotation_and_scale():
    a = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    assert float(kernel_cka(a, a)) == pytest.approx(1.0)
    assert float(kernel_cka(a, 3 * a @ rotation)) == pytest.approx(1.0, abs=1e-5)


def test_cka_needs_the_same_images():
    with pytest.raises(ValueError, match="three at least"):
        kernel_cka(torch.zeros(2, 3), torch.zeros(2, 3))


def test_kl_by_hand():
    student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    p = np.exp([0.0, 0.5]) / np.exp([0.0, 0.5]).sum()
    q = p[::-1]
    expected = 16 * float((p * np.log(p / q)).sum())
    assert float(softened_kl(student, teacher, 4.0)) == pytest.approx(expected, rel=1e-5)
    assert float(softened_kl(teacher, teacher)) == pytest.approx(0.0, abs=1e-7)


def test_annealing_is_straight():
    assert [anneal(x) for x in (-1, 0, 0.25, 1, 2)] == [1.0, 1.0, 0.75, 0.0, 0.0]


@pytest.mark.parametrize(("cka", "kl"), [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
def test_adapters_that_have_decayed_to_nothing_do_no_harm(cka, kl):
    rng = torch.Generator().manual_seed(3)
    read, judged = torch.randn(6, 5, generator=rng), torch.randn(6, 4, generator=rng)
    distiller = ImageDistiller({"a": lambda pooled: (read, judged)}, 5, 5, cka=cka, kl=kl)
    torch.nn.init.zeros_(distiller.adapters["a"].weight)
    features, logits = (torch.randn(6, size, generator=rng, requires_grad=True) for size in (5, 4))
    (distiller.loss("a", read, features, logits) + features.sum() * 0).backward()
    assert bool(features.grad.isfinite().all())
    assert bool(logits.grad.isfinite().all())
    expected = kl * float(softened_kl(logits, judged).detach()) + cka
    assert float(distiller.loss("a", read, features, logits).detach()) == pytest.approx(expected, rel=1e-5)
