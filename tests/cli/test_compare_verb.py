"""`isp-ns compare` as people call it."""

import json
import subprocess
import sys

import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from isp_ns.cli.main import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in" / "scene.png"
    path.parent.mkdir()
    Image.fromarray(skimage.data.astronaut()[:120, 100:260]).save(path)
    return path


def test_a_comparison_writes_a_page_and_tells_the_verdict(picture, tmp_path):
    page = tmp_path / "page"
    done = run(
        picture.parent, "-p", "libraw", "-p", "libraw:LINEAR", "--simulate", "fictitious-phone:100,800", "-o", page
    )
    assert done.exit_code == 0, done.output
    assert [line.partition("?")[0] for line in done.stdout.splitlines()[:3]] == ["Who wins", "By how much", "At what cost"]  # noqa: E501  # fmt: skip
    assert done.stdout.splitlines()[3] == str(page / "index.html")
    assert done.stderr.count("done  scene") == 4
    assert {path.name for path in page.iterdir()} == {"index.html", "results.json", "results.md", "assets", "pictures"}
    assert len(json.loads((page / "results.json").read_text(encoding="utf-8"))["rows"]) == 4


def test_all_pipelines_failing_on_a_file_exit_1_and_are_named(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"II*\0" + bytes(100))
    done = run(tmp_path / "a.dng", "-q", "-p", "libraw", "-p", "libraw:DCB", "-o", tmp_path / "page")
    assert done.exit_code == 1
    assert done.stderr.count("failed  a, libraw") == 2
    assert "Nobody" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "libraw"], "needs two pipelines"),
        (["-p", "libraw", "-p", "clasic"], "did you mean classic"),
        (["-p", "libraw", "-p", "fast", "--simulate", "phone"], "takes CAMERA:ISO"),
        (["-p", "libraw", "-p", "fast", "--truth", "nowhere"], "nowhere"),
        (["-p", "libraw", "-p", "fast", "--look", "pretty"], "neutral"),
        ([], "--pipeline"),
    ],
)
def test_nonsense_exits_2_and_says_what_to_do(picture, tmp_path, arguments, message):
    done = run(picture, *arguments, "-o", tmp_path / "page")
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "page").exists()


def test_help_costs_no_torch():
    program = "import sys\nfrom isp_ns.cli.main import cli\n"
    program += "try: cli(['compare', '--help'])\nexcept SystemExit: pass\n"
    program += "print(sorted({'torch', 'numpy', 'rawpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
