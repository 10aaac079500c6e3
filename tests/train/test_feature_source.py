"""Batches depend on the step alone; truth goes with the features; files give back what was written."""

import math

import pytest
import torch
from perception_scene import Scenes
from torch.nn import functional as F

from isp_ns.core.errors import ModelError
from isp_ns.nets.heads import CANONICAL_FOCAL_CELLS
from isp_ns.train.feature_file import FeatureFile, cached_features
from isp_ns.train.feature_source import CachedSource, LiveSource, encode_view, log_focal, seeded
from isp_ns.train.perception_recipe import Method, PerceptionRecipe, Views
from isp_ns.train.samples import Encoded, Samples
from isp_ns.train.views import View, whole_view


class Grey:
    """Reads brightness as three colours and a random number; cells are packed to 12 × 16 for 4:3."""

    channels = 13

    def read(self, pictures, rng):
        grid = (24, 32) if pictures.shape[-1] * 3 == pictures.shape[-2] * 4 else (32, 32)
        grey = F.interpolate(pictures.mean(1, keepdim=True), [2 * cells for cells in grid], mode="nearest")
        number = torch.rand(len(pictures), 1, 1, 1, generator=rng)
        return torch.cat([F.pixel_unshuffle(grey.expand(-1, 3, -1, -1), 2), number.expand(-1, -1, *grid)], 1)


def recipe(**changes):
    values = {"kind": "perception", "name": "a", "dataset": "d", "folder": "f", "methods": (Method(name="m"),)}
    return PerceptionRecipe(**{**values, "fresh": 2, "batch": 3, "memory": 6, **changes})


def live(seed=1, **changes):
    return LiveSource(Samples(Scenes()), Grey(), recipe(**changes), seed)


def batches(source, steps):
    try:
        return [source.batch(step) for step in steps]
    finally:
        source.close()


def equal(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("pooled", "depth", "labels"))


VARIED = {"views": Views(zoom=1.5, scales={1.0: 0.5, 0.5: 0.5}, aspects={"4:3": 0.6, "1:1": 0.4}, colour=0.5)}


def test_batches_resume_exactly():
    straight = batches(live(**VARIED), range(12))
    resumed = batches(live(**VARIED), range(7, 12))
    assert all(equal(a, b) for a, b in zip(straight[7:], resumed, strict=True))
    assert not equal(straight[0], batches(live(2, **VARIED), [0])[0])


def test_batches_hold_new_pictures_and_recent_ones():
    first, second = batches(live(), range(2))
    assert len(first.pooled) == 2
    assert len(second.pooled) == 3
    seen = {float(value) for value in first.pooled[:, 1, 0, 0]}
    assert float(second.pooled[2, 1, 0, 0]) in seen


def test_every_picture_is_met_once_in_an_epoch():
    source = live()
    assert source.steps_per_epoch == 2
    for epoch in range(3):
        met = [index for step in range(2) for index in source._indices(2 * epoch + step)]
        assert sorted(met) == [0, 1, 2, 3]
    source.close()


def test_truth_goes_with_the_features():
    """Bright cells are near and have label 1, mirrored or not."""
    for batch in batches(live(), range(6)):
        bright = batch.pooled[:, 0].float() > 0.45
        known = (batch.depth[:, 0] > 0) & (batch.labels < 2)
        agree = (batch.labels == 1) == bright
        assert float(agree[known].float().mean()) > 0.9
        near = batch.depth[:, 0] < batch.depth[:, 0][known].mean()
        assert float((near == bright)[known].float().mean()) > 0.9


def test_depth_is_that_of_the_canonical_camera():
    # 51.89 pixels at a width of 64 are as much as 518.9 at 640.
    assert log_focal(51.89, 64, 160) == pytest.approx(0.0)
    # Half of the width fills the grid: everything looks twice as near.
    assert math.exp(log_focal(51.89, 32, 160)) == pytest.approx(2.0)
    assert log_focal(None, 32, 160) == 0
    assert pytest.approx(518.9 / 4) == CANONICAL_FOCAL_CELLS


def test_a_zoomed_view_has_nearer_truth():
    sample = Samples(Scenes())[0]
    whole = encode_view(sample, whole_view(sample.size), Grey(), seeded(0))
    half = encode_view(sample, View((12, 0, 24, 32), (24, 32)), Grey(), seeded(0))
    assert float(whole.depth.max()) == pytest.approx(4.0 * CANONICAL_FOCAL_CELLS / (51.89 * 32 / 64), rel=1e-3)
    assert float(half.depth.max()) == pytest.approx(float(whole.depth.max()) / 2, rel=1e-3)
    for view in (whole, half):
        assert float(view.depth.max() * view.log_focal.exp()) == pytest.approx(4.0, rel=1e-3)


def pictures(samples):
    for index in range(len(samples)):
        yield encode_view(samples[index], whole_view(samples[index].size), Grey(), seeded(index))


def test_files_give_back_what_was_written(tmp_path):
    samples = Samples(Scenes())
    file = cached_features(tmp_path, "test", {"a": 1}, lambda: pictures(samples))
    assert len(file) == 4
    for index, expected in enumerate(pictures(samples)):
        assert torch.equal(file[index].pooled, expected.pooled)
        assert torch.equal(file[index].labels, expected.labels)
        assert torch.allclose(file[index].depth, expected.depth, atol=2e-3)
        assert torch.equal(file[index].log_focal, expected.log_focal)

    def never():
        raise AssertionError("must not be made again")

    assert len(cached_features(tmp_path, "test", {"a": 1}, never)) == 4
    assert len(cached_features(tmp_path, "test", {"a": 2}, lambda: pictures(samples))) == 4
    path = next(tmp_path.glob("*.features"))
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ModelError, match="delete both"):
        FeatureFile(path)


def test_cached_batches_and_windows(tmp_path):
    samples = Samples(Scenes())
    file = cached_features(tmp_path, "train", {}, lambda: (e for _ in range(2) for e in pictures(samples)))

    def source():
        return CachedSource(file, 4, recipe(source="cached", batch=3, window=(8, 10)), 1)

    assert source().variants == 2
    assert source().steps_per_epoch == 2
    straight, resumed = batches(source(), range(4)), batches(source(), [3])
    assert equal(straight[3], resumed[0])
    assert straight[0].pooled.shape == (3, 49, 8, 10)
    assert straight[0].labels.shape == (3, 8, 10)


def test_enlarged_pictures_stay_with_their_truth(tmp_path):
    """A ramp that is its own truth: features, labels and (but for the nearer distance) depth show the same places."""
    colours = F.pixel_unshuffle(torch.linspace(0, 1, 640).expand(1, 3, 480, 640), 4)
    ramp = torch.cat([torch.linspace(0, 1, 160).expand(1, 2, 120, 160), colours], 1).roll(-2, 1).to(torch.bfloat16)
    one = Encoded(ramp, torch.full((1, 1, 120, 160), 3.0), (ramp[:, -1].float() * 100).to(torch.uint8))
    file = cached_features(tmp_path, "train", {}, lambda: [one])
    found = batches(CachedSource(file, 1, recipe(source="cached", batch=1, enlarge=2.0), 1), range(40))
    spans = [float(b.pooled[0, -1, 0].float().max() - b.pooled[0, -1, 0].float().min()) for b in found]
    assert 12 < sum(span == 1 for span in spans) < 28
    for batch, span in zip(found, spans, strict=True):
        assert batch.pooled.shape == (1, 50, 120, 160)
        pixels = F.pixel_shuffle(batch.pooled[:, :48].float(), 4)
        assert float((pixels[..., 1:] - pixels[..., :-1]).max()) < 0.02
        assert float((F.avg_pool2d(pixels, 4)[:, 0] * 100 - batch.labels).abs().max()) < 2
        assert float(batch.depth.mean()) == pytest.approx(3 * span, rel=0.03)
        assert float(batch.depth.mean() * batch.log_focal.exp()) == pytest.approx(3, rel=1e-3)
        assert float((batch.pooled[:, -1].float() * 100 - batch.labels).abs().max()) < 2
    assert min(spans) < 0.7


def test_samples_are_small_and_counted():
    samples = Samples(Scenes(), ["labels"])
    assert samples[0].depth is None
    assert samples[0].labels.dtype == torch.uint8
    assert samples[0] is samples[0]
    counts = samples.label_counts()
    assert int(counts.sum()) == 4 * 47 * 64


def test_strips_of_other_pictures_come_with_their_truth(tmp_path):
    """Pictures of one value each, which is in their features, depth and labels alike."""
    ones = [
        Encoded(
            torch.full((1, 49, 24, 32), v).bfloat16(), torch.full((1, 1, 24, 32), v), torch.full((1, 24, 32), int(v))
        )
        for v in (1.0, 2.0, 3.0, 4.0)
    ]
    file = cached_features(tmp_path, "train", {}, lambda: ones)
    source = CachedSource(file, 4, recipe(source="cached", batch=4, mix=0.5), 1)
    shares = []
    for batch in batches(source, range(60)):
        assert torch.equal(batch.pooled.float(), batch.depth.expand(-1, 49, -1, -1))
        assert torch.equal(batch.depth[:, 0], batch.labels.float())
        for labels in batch.labels:
            assert torch.equal(labels, labels[:1].expand_as(labels))
            shares.append(1 - float(labels.unique(return_counts=True)[1].max()) / labels.numel())
    mixed = [share for share in shares if share > 0]
    assert 0.4 < len(mixed) / len(shares) < 0.6
    assert 0.08 < min(mixed) < 0.15
    assert 0.45 < max(mixed) < 0.53
