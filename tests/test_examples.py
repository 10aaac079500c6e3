"""The numbered examples run as they stand, and the README's program is the first of them."""

import re
import subprocess
import sys
from pathlib import Path

from isp_ns.data.synth import synthesise

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def test_the_first_example_makes_a_photo(tmp_path):
    synthesise(None, tmp_path / "raw.dng", camera="fictitious-full-frame", iso=400, cfa="GRBG", seed=3, size=(120, 160))
    command = [sys.executable, str(EXAMPLES / "01_first_photo.py"), "raw.dng"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "photo.jpg").is_file()
    assert re.search(r"classic against fast: \d+\.\d+ dB", done.stdout)


def test_the_readme_shows_the_first_example():
    program = (EXAMPLES / "01_first_photo.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert program in (ROOT / "README.md").read_text(encoding="utf-8")


def test_numbered_examples_stay_short():
    for path in EXAMPLES.glob("[0-9]*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name
