"""The verb `evaluate raw`."""

import json

import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from isp_ns.cli.main import cli


@pytest.fixture
def folder(tmp_path):
    for name, source in (("a.png", skimage.data.astronaut()), ("b.png", skimage.data.coffee())):
        Image.fromarray(source[40:80, 100:148]).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["evaluate", "raw", *map(str, arguments)])


def test_scores_are_printed_and_written(folder):
    target = folder / "scores.json"
    options = ["-p", "fast", "-p", "classic", "--cameras", "fictitious-phone,gopro-hero6-black", "--iso", "100,1600"]
    result = run(folder, *options, "--noise", "blind", "--images", 1, "--json", target)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == ["picture 1, fictitious-phone", "picture 1, gopro-hero6-black"]
    document = json.loads(target.read_text(encoding="utf-8"))
    assert (document["schema"], document["protocol"]["task"], len(document["rows"])) == (1, "raw", 8)
    assert {row["noise"] for row in document["rows"]} == {"blind"}
    row = document["rows"][-1]
    assert (row["camera"], row["iso"], row["pipeline"], row["images"]) == ("gopro-hero6-black", 1600, "classic", 1)
    table, protocol = result.stdout.split("\n\nProtocol: ")
    assert protocol.startswith("task: raw; domain: linear linear sRGB before tone")
    last = table.splitlines()[-1].split()
    assert last[:4] == ["1600", "classic", "blind", f"{row['psnr_linear_db']:.2f}"]
    assert last[-1] == f"{row['delta_e2000']:.2f}"
    assert "gopro-hero6-black (pictures: 1)" in result.stdout


def test_both_kinds_of_noise_and_equal_names(folder):
    (folder / "fast.yaml").write_text("schema: 1\nextends: fast\n")
    options = ["-p", "fast", "-p", folder / "fast.yaml", "--cameras", "fictitious-full-frame", "--iso", 400]
    result = run(folder, *options, "--json", folder / "scores.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["rows"]
    keys = {(row["pipeline"], row["noise"]) for row in rows}
    assert keys == {(name, noise) for name in ("fast", "fast (2)") for noise in ("true", "blind")}
    assert {row["images"] for row in rows} == {2}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "Missing option"),
        (["-p", "nothing"], 2, "nothing"),
        (["-p", "fast", "--cameras", "nokia"], 2, "camera nokia"),
        (["-p", "fast", "--iso", "100,high"], 2, "--iso 100,high"),
        (["-p", "fast", "--iso", "0"], 2, "above 0"),
        (["-p", "fast", "--noise", "some"], 2, "some"),
        (["-p", "fast", "--json", "no/such/folder/x.json"], 2, "there is no folder"),
        (["-p", "fast+linear"], 2, "one input, a mosaic"),
    ],
)
def test_misuse_is_told_before_any_work(folder, options, code, words):
    result = run(folder, *options)
    assert (result.exit_code, words in result.output) == (code, True), result.output


def test_a_folder_without_pictures(tmp_path):
    result = run(tmp_path, "-p", "fast")
    assert (result.exit_code, "no images" in result.output) == (1, True)
