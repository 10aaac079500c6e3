"""`isp-ns evaluate scales`: what it prints and writes, and what it refuses."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from random_heads import save_known_heads

from isp_ns.cli.main import cli


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "room.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(path)
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["evaluate", "scales", *map(str, arguments)])


def test_a_table_of_pairs_and_the_worst(photo, tmp_path):
    weights, target = save_known_heads(tmp_path, metres=2, label=1), tmp_path / "scales.json"
    shown = run(photo, "--weights", weights, "--shrink", "4,2,1", "--json", target)
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert [line[10:21].strip() for line in lines] == ["sizes", "1/4 and 1/2", "1/4 and 1", "1/2 and 1", ""]
    assert lines[1].split()[4:] == ["0.00", "%", "100.00", "%", "100", "%"]
    assert lines[-1].split() == ["worst", "0.00", "%", "100.00", "%"]
    found = json.loads(target.read_text())
    assert (found["schema"], len(found["rows"])) == (1, 3)
    assert {"shrinks", "camera", "iso", "weights_digest", "focal", "compared"} <= set(found["protocol"])
    assert found["worst"]["labels_equal"] == 1


def test_what_makes_no_sense_is_refused(photo, tmp_path):
    weights = save_known_heads(tmp_path)
    for arguments, text in (
        ([photo, "--weights", weights, "--shrink", "4"], "two or more numbers"),
        ([photo, "--weights", weights, "--shrink", "a,b"], "--shrink a,b"),
        ([photo, "--weights", weights, "--shrink", "50,1"], "take a larger photo"),
        ([photo, "--weights", "ns-lite"], "no depth and label heads"),
        ([photo, "--weights", weights, "--shrink", "2,1", "--camera", "none-such"], "none-such"),
        ([tmp_path / "gone.jpg"], "does not exist"),
    ):
        shown = run(*arguments)
        assert (shown.exit_code, text in shown.output) == (2, True), shown.output
