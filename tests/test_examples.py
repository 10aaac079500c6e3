"""The numbered examples run as they stand, on small files, and the README's program is the first of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from isp_ns.data.leaves import dead_leaves
from isp_ns.data.synth import synthesise
from isp_ns.io.raw import read_raw
from isp_ns.ops.transfer import encode

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


def test_a_stage_of_ones_own_is_tiled(raw, tmp_path):
    said = run("07_own_stage.py", tmp_path, raw)
    assert float(re.search(r"differ by (\S+) at most", said)[1]) < 1e-5
    assert (tmp_path / "glow.jpg").is_file()


def test_the_readme_shows_the_first_example():
    program = (EXAMPLES / "01_first_photo.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert program in (ROOT / "README.md").read_text(encoding="utf-8")


def test_numbered_examples_stay_short():
    for path in EXAMPLES.glob("[0-9]*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name
