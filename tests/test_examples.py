"""The numbered examples run as they stand, on small files, and the README's program is the first of them."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from random_heads import CLASSES, save_random_heads

from isp_ns.core.meta import Meta
from isp_ns.data.leaves import dead_leaves
from isp_ns.data.synth import synthesise
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.profile import load_profile
from isp_ns.io.raw import read_raw
from isp_ns.io.read import read_image
from isp_ns.metrics import psnr
from isp_ns.nets import cards
from isp_ns.ops.transfer import encode
from isp_ns.stages import neural_weights

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name, folder, *arguments):
    """Run an example in `folder` and return what it printed."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.dng"
    synthesise(None, path, camera="fictitious-full-frame", iso=400, cfa="GRBG", seed=3, size=(120, 160))
    return path


def test_the_first_example_makes_a_photo(raw, tmp_path):
    said = run("01_first_photo.py", tmp_path, raw)
    assert (tmp_path / "photo.jpg").is_file()
    assert re.search(r"classic against fast: \d+\.\d+ dB", said)


def test_a_graph_is_composed_changed_and_tapped(raw, tmp_path):
    said = run("02_compose_a_graph.py", tmp_path, raw)
    with Image.open(tmp_path / "composed.jpg") as photo:
        assert photo.size == (160, 120)
    # Grey world by hand: gains that make the mean of every colour that of the brightest one.
    gains = [float(number) for number in re.findall(r"\d+\.\d+", said.splitlines()[0])]
    counts, meta = (frame := read_raw(raw)).data.float(), frame.meta
    planes = {letter: [] for letter in "RGB"}
    for colour, row, column in frame.cfa.planes():
        black = meta.black[row % len(meta.black)][column % len(meta.black[0])]
        planes["RGB"[colour]].append(float(counts[0, row::2, column::2].mean()) - black)
    means = [sum(values) / len(values) for values in planes.values()]
    assert gains == pytest.approx([max(means) / mean for mean in means], abs=0.05)
    assert "demosaic.malvar" in said


def test_pipelines_are_compared_on_a_page(tmp_path):
    pictures = tmp_path / "some"
    pictures.mkdir()
    leaves = (encode(dead_leaves((96, 128)), "srgb") * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(leaves).save(pictures / "leaves.png")
    said = run("03_compare_with_classical.py", tmp_path, pictures)
    assert "Who wins? classic." in said
    assert (tmp_path / "page" / "index.html").is_file()


def test_a_folder_is_developed_and_reported(tmp_path):
    said = run("04_batch_a_folder.py", tmp_path)
    assert "2 done, 1 failed" in said
    assert "cut_short.dng" in (tmp_path / "report.csv").read_text()
    with Image.open(tmp_path / "photos" / "leaves_iso1600.jpg") as photo:
        assert photo.size == (640, 480)


@pytest.fixture
def random_heads(tmp_path, monkeypatch):
    """Heads of random weights under the name of the shipped ones: what is tested is everything around them."""
    folder = tmp_path / "weights"
    folder.mkdir()
    save_random_heads(folder)
    caches = neural_weights.heads_card, neural_weights.heads_of, neural_weights.space_card
    monkeypatch.setattr(cards, "weights_folder", lambda: folder)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("random_heads")
@pytest.mark.parametrize(("own", "unit"), [(True, "relative"), (False, "m")])
def test_depth_and_labels_come_with_the_photo(raw, tmp_path, monkeypatch, capsys, own, unit):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["05_depth_and_labels.py", *([str(raw)] if own else [])])
    runpy.run_path(str(EXAMPLES / "05_depth_and_labels.py"))
    assert re.search(rf"depth from \d+\.\d+ to \d+\.\d+, {unit}", capsys.readouterr().out)
    assert {path.name for path in tmp_path.glob("room*.jpg")} >= {"room_depth_preview.jpg", "room_labels_overlay.jpg"}
    with Image.open(tmp_path / "room.jpg") as photo, Image.open(tmp_path / "room_labels.png") as labels:
        assert photo.size == labels.size == ((160, 120) if own else (640, 480))
        assert f"0 {CLASSES[0]['name']}" in labels.text["Classes"]


def test_a_camera_profile_finds_what_the_simulated_camera_has(tmp_path):
    run("06_camera_profile.py", tmp_path)
    made, true = load_profile(str(tmp_path / "my_camera.yaml")), load_profile("fictitious-phone")
    assert made.fits(Meta(make=true.make, model=true.model))
    assert sum(made.levels_at(800).black, ()) == pytest.approx([64.0] * 4, abs=0.05)
    assert made.noise_at(800).offset == pytest.approx(true.noise_at(800).offset, rel=0.03)
    assert made.noise_at(800).scale == pytest.approx(true.noise_at(800).scale, rel=1e-3)
    assert (tmp_path / "profiled.jpg").is_file()


def test_a_stage_of_ones_own_is_tiled(raw, tmp_path):
    said = run("07_own_stage.py", tmp_path, raw)
    assert float(re.search(r"differ by (\S+) at most", said)[1]) < 1e-5
    assert (tmp_path / "glow.jpg").is_file()


def test_a_space_is_trained_and_develops(raw, tmp_path):
    pictures = tmp_path / "some"
    pictures.mkdir()
    for seed in range(2):
        leaves = (encode(dead_leaves((128, 128), seed), "srgb") * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(leaves).save(pictures / f"leaves{seed}.png")
    said = run("08_train_a_tiny_space.py", tmp_path, "--pictures", pictures, "--raw", raw, "--steps", 4)
    assert "100 % step 4" in said
    space, card = cards.load_space("tiny", tmp_path / "tiny")
    assert (space.space_id, card.steps) == ("tiny-1", 4)
    # Fresh weights demosaic linearly; all else is as in the shipped pipeline.
    photo, neural = read_image(tmp_path / "tiny.jpg"), load_pipeline("neural").run(raw=read_raw(raw))["image"]
    assert psnr(photo.data, neural.data / 255) > 25


def test_every_example_is_in_the_table():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\)", table, re.MULTILINE)
    assert named == [(path.name, path.name) for path in sorted(EXAMPLES.glob("*.py"))]


def test_the_readme_shows_the_first_example():
    program = (EXAMPLES / "01_first_photo.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert program in (ROOT / "README.md").read_text(encoding="utf-8")


def test_numbered_examples_stay_short():
    for path in EXAMPLES.glob("[0-9]*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name
