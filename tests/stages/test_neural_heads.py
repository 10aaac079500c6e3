"""Depth and labels as stages, with heads of random weights on the shipped space."""

import math

import pytest
import torch
from random_heads import save_known_heads, save_random_heads
from sample_frames import meta, mosaic, photograph
from torch.nn import functional as F

from isp_ns.core.errors import ModelError
from isp_ns.core.frame import Frame
from isp_ns.io.pipelines import load_patch, load_pipeline
from isp_ns.nets import cards
from isp_ns.nets.cards import load_perception
from isp_ns.stages import neural_heads, neural_weights


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder with the shipped space and heads of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    save_random_heads(folder)
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.setattr(cards, "weights_folder", lambda: folder)
    kept = (neural_weights.heads_card, neural_weights.heads_of)
    for each in kept:
        each.cache_clear()
    yield
    for each in (*kept, neural_weights.space_card):
        each.cache_clear()


@pytest.fixture
def graph():
    return load_pipeline("classic").patch(load_patch("neural")).patch(load_patch("perception"))


def _frame(height=120, width=160, **values):
    rgb = photograph(height, width)
    return Frame((mosaic(rgb, "RGGB") * 15000 + 512).to(torch.uint16), meta("RGGB").with_values("exif", **values))


def test_three_outputs_from_one_encoder_pass(graph):
    run = graph.run(raw=_frame(focal_35mm=28.0), want=["image", "depth", "labels"], tile_px=64)
    assert run["image"].size == run["depth"].size == run["labels"].size == (120, 160)
    assert run.trace["features"].calls == run.trace["clean"].calls == run.trace["rgb"].calls
    assert run.trace["context"].calls == 1
    alone = graph.run(raw=_frame(), want=["image"], tile_px=64)
    assert run.trace["features"].calls == alone.trace["features"].calls
    assert run["labels"].data.dtype == torch.uint8
    assert int(run["labels"].data.max()) < 13


def test_heads_use_one_processor(graph):
    """Their maps are small: on a busy machine, threads that wait for one another would take forty times as long."""
    used = []
    heads = neural_weights.heads_of("nyu-lite", torch.device("cpu"))
    handle = heads.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        graph.run(raw=_frame(), want=["labels"], tile_px=64)
    finally:
        handle.remove()
        torch.set_num_threads(before)
    assert set(used) == {1}


def test_tiles_give_what_the_whole_gives(graph):
    frame = _frame(focal_35mm=28.0)
    graph = graph.replace("features", precision="fp32").replace("clean", precision="fp32")
    tiled, whole = (graph.run(raw=frame, want=["depth", "labels"], tile_px=px) for px in (64, 4096))
    assert torch.allclose(tiled["depth"].data, whole["depth"].data, rtol=1e-4)
    assert float((tiled["labels"].data == whole["labels"].data).float().mean()) > 0.999


def _large(pattern="RGGB"):
    """A photo of 960 × 1280 pixels, and what a camera says of it that has neither noise nor shading."""
    rgb = F.interpolate(photograph(360, 380)[None], (960, 1280), mode="bicubic")[0].clamp(0, 1)
    quiet = {"gain_maps": (), "noise": ((0.0, 0.0),) * 3}
    return rgb, meta(pattern).with_values("user", **quiet)


def _pooled(graph, rgb, known, **settings):
    raw = Frame((mosaic(rgb, "RGGB") * 15000 + 512).to(torch.uint16), known)
    return graph.run(raw=raw, want=["pooled"], **settings)


def test_a_large_photo_is_pooled_tile_by_tile_and_enters_the_space_once(graph):
    graph = graph.replace("features", precision="fp32").replace("clean", precision="fp32")
    tiled, whole = (_pooled(graph, *_large(), tile_px=px) for px in (256, 4096))
    assert tiled.trace["features"].calls > 1
    assert tiled["pooled"].shape == (80, 120, 160)
    difference = (tiled["pooled"] - whole["pooled"]).abs()
    # Colours differ by rounding; the encoder, in the arithmetic of this processor, by what that makes of it.
    assert float(difference[:12].max()) < 0.02
    assert float(difference.mean()) < 0.002


def test_a_photo_and_its_shrunk_version_read_alike(graph):
    """Means of 2×2 pixels before the mosaic change next to nothing of what heads read, learned channels as well."""
    rgb, known = _large()
    small = F.avg_pool2d(rgb, 2)
    first, second, moved = (_pooled(graph, x, known)["pooled"] for x in (rgb, small, small.roll(8, 2)))
    spread = second.std()
    assert float((first - second).std()) < 0.2 * float(spread)
    assert float((moved - second).std()) > 0.3 * float(spread)


def test_metres_follow_the_focal_length(graph):
    answer = graph.run(raw=_frame(), want=["context"])["context"]
    near, far = (neural_heads.depth(_frame(focal_35mm=mm), answer) for mm in (25.0, 50.0))
    assert torch.allclose(far.data, 2 * near.data, rtol=1e-5)
    assert near.meta.depth_unit == "m"


def test_the_canonical_camera_is_taken_at_its_word(graph):
    """At NYU's focal length (518.9 of 640 pixels) the depth is what the network says."""
    frame = _frame(focal_35mm=36 * 518.9 / 640)
    run = graph.run(raw=frame, want=["depth", "context"], tile_px=4096)
    assert float(run["depth"].data.log().mean()) == pytest.approx(float(run["context"][0].mean()), abs=1e-3)


@pytest.mark.parametrize(
    ("ratio", "metres"), [(1.0, 2.0), (1.3, 2 * 1.3 * 1.3**-0.5), (4.0, 2 * 4 * math.exp(-0.25)), (0.5, 1.0)]
)
def test_slopes_of_the_focal_length_hold_where_they_were_learned(tmp_path, monkeypatch, ratio, metres):
    """Heads that say 2 m and a slope of -0.5, learned up to a logarithm of 0.5."""
    monkeypatch.setattr(cards, "weights_folder", lambda: tmp_path)
    save_known_heads(tmp_path, "told", metres=2, slope=-0.5, log_focal=[0.0, 0.5])
    answer = torch.cat([torch.tensor([math.log(2), -1.0, -0.5]), torch.zeros(13)])[:, None, None].expand(-1, 60, 80)
    frame = _frame(focal_35mm=ratio * 36 * 518.9 / 640)
    found = neural_heads.depth(frame, answer, weights="told").data
    assert float(found.min()) == pytest.approx(metres, rel=1e-4)
    assert float(found.max()) == pytest.approx(metres, rel=1e-4)


def test_without_a_focal_length_depth_is_relative(graph):
    found = graph.run(raw=_frame(), want=["depth"])["depth"]
    assert found.meta.depth_unit == "relative"
    assert float(found.data.median()) == pytest.approx(1, rel=0.02)


def test_spreading_is_torch_interpolation_where_grids_agree():
    grid = torch.randn(3, 60, 80)
    net_view = torch.nn.functional.interpolate(grid[None], size=(480, 640), mode="bilinear", align_corners=False)[0]
    whole = Frame(torch.zeros(1, 480, 640))
    assert torch.allclose(neural_heads._spread(grid, whole), net_view, atol=1e-5)
    tile = whole.crop((64, 128, 200, 260))
    assert torch.allclose(neural_heads._spread(grid, tile), net_view[:, 64:200, 128:260], atol=1e-5)


def test_heads_of_another_space_do_not_connect(folder, graph):
    path = folder / "nyu-lite.yaml"
    text = path.read_text()
    _, card = load_perception("nyu-lite", folder)
    try:
        path.write_text(text.replace(f"space_id: {card.space_id}", "space_id: elsewhere"))
        neural_weights.heads_card.cache_clear()
        with pytest.raises(Exception, match="elsewhere"):
            load_pipeline("classic").patch(load_patch("neural")).patch(load_patch("perception"))
    finally:
        path.write_text(text)


@pytest.mark.parametrize("digest", ["0" * 64, None])
def test_heads_of_other_weights_of_the_same_space_are_refused(tmp_path, monkeypatch, graph, digest):
    monkeypatch.setattr(cards, "weights_folder", lambda: tmp_path)
    save_known_heads(tmp_path, features_digest=digest)
    neural_weights.heads_card.cache_clear()
    with pytest.raises(ModelError, match="nyu-lite were trained on the features of other weights than"):
        graph.run(raw=_frame(), want=["depth"])


@pytest.mark.parametrize(("full", "step_px"), [((480, 640), 1), ((3000, 4000), 2), ((4000, 6000), 4)])
def test_blocks_of_labels_are_those_of_their_pixels(full, step_px):
    torch.manual_seed(1)
    answer = torch.randn(15, *(side // 2 for side in neural_heads.pooled_size(*full)))
    assert neural_heads._label_step_px(full) == step_px
    place = Frame(torch.zeros(1, 300, 200), meta(), origin=(110, 150), full_size=full)
    labels = neural_heads.segment(place, answer).data
    each = neural_heads._spread(answer[2:], place).argmax(0, keepdim=True)
    assert labels.shape == (1, 300, 200)
    assert float((labels == each).float().mean()) > 0.9
    part = place.crop((151, 203, 300, 307))
    assert torch.equal(neural_heads.segment(part, answer).data, labels[:, 41:190, 53:157])


def _smooth_answer(full, seed=0):
    """An answer of 13 classes, some of which win nowhere, on the grid of a picture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 15, 5, 6, generator=generator) + torch.linspace(0, 2, 15)[:, None, None]
    rows, columns = (-(-cells // 2) for cells in neural_heads.pooled_size(*full))
    return F.interpolate(coarse, (rows, columns), mode="bilinear")[0]


@pytest.mark.parametrize(
    ("full", "blocks"), [((480, 640), (480, 640)), ((97, 129), (97, 129)), ((640, 2560), (320, 1280))]
)
def test_labels_are_the_argmax_of_torch_interpolation_up_to_the_borders(full, blocks):
    answer = _smooth_answer(full)
    logits = F.interpolate(answer[None, 2:], blocks, mode="bilinear", align_corners=False)[0]
    step_px = full[0] // blocks[0]
    expected = logits.argmax(0).repeat_interleave(step_px, 0).repeat_interleave(step_px, 1)[None]
    height, width = full
    boxes = [(0, 0, 61, 77), (height - 53, width - 90, height, width), (15, width - 41, 70, width), (7, 9, 90, 103)]
    for box in [(0, 0, *full), *boxes]:
        labels = neural_heads.segment(Frame(torch.empty(1, *full)).crop(box), answer).data
        top, left, bottom, right = box
        part = expected[:, top:bottom, left:right]
        assert labels.shape == part.shape
        assert labels.dtype == torch.uint8
        # Rounding alone may decide between classes that are as good as equal.
        assert int((labels != part).sum()) <= 2 * step_px**2
    assert len(expected.unique()) > 2


def test_depth_is_torch_interpolation_up_to_the_borders():
    answer = _smooth_answer((97, 129))
    place = Frame(torch.empty(1, 97, 129), meta().with_values("exif", focal_35mm=36 * 518.9 / 640))
    expected = F.interpolate(answer[None, :1], (97, 129), mode="bilinear", align_corners=False)[0].exp()
    assert torch.allclose(neural_heads.depth(place, answer).data, expected, rtol=1e-5)
    part = place.crop((40, 60, 97, 129))
    assert torch.allclose(neural_heads.depth(part, answer).data, expected[:, 40:, 60:], rtol=1e-5)


def test_classes_that_cannot_win_are_those_that_never_do():
    generator = torch.Generator().manual_seed(3)
    corners = torch.randn(9, 4, generator=generator)
    shares = torch.rand(4, 20000, generator=generator) ** 3
    winners = (corners @ (shares / shares.sum(0))).argmax(0).unique()
    possible = neural_heads._possible(corners)
    assert set(winners.tolist()) <= set(possible.tolist())
    assert len(possible) < 9
    assert neural_heads._possible(torch.zeros(3, 4)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("tile_px", [64, 4096])
def test_pooled_tiles_add_up(graph, tile_px):
    run = graph.replace("features", precision="fp32").replace("clean", precision="fp32")
    run = run.run(raw=_frame(), want=["pooled", "clean"], tile_px=tile_px)
    assert torch.allclose(run["pooled"], neural_heads.pool(run["clean"]), atol=1e-5)
    assert run["pooled"].shape[1:] == neural_heads.pooled_size(120, 160)
