"""The other verbs, and the promise that help costs nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from batch_files import dng
from click.testing import CliRunner, Result
from PIL import Image

import isp_ns
from isp_ns.cli.main import VERBS, cli
from isp_ns.nets.space import build_space


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["process", "--help"], ["process", "--print-config"]])
def test_help_imports_nothing_heavy(arguments):
    program = "import sys\nfrom isp_ns.cli.main import cli\n"
    program += f"try: cli({arguments!r})\nexcept SystemExit as end: code = end.code\n"
    program += "print('HEAVY', sorted({'torch', 'numpy', 'rawpy', 'rich', 'scipy'} & set(sys.modules)), code)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0"


def test_decoding_begins_before_torch_is_there(tmp_path):
    dng(tmp_path / "a.dng")
    program = (
        "import sys, isp_ns.batch.run as run\n"
        "pool = run.DecodePool\n"
        "def spy(*args, **more):\n"
        "    print('TORCH', 'torch' in sys.modules)\n"
        "    return pool(*args, **more)\n"
        "run.DecodePool = spy\n"
        "from isp_ns.cli.main import cli\n"
        f"cli(['process', {str(tmp_path / 'a.dng')!r}, '-o', {str(tmp_path)!r}, '-p', 'fast'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "TORCH False"), done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["stages", "--json"], 0), (["stages", "no.such"], 2), (["x"], 2)])
def test_the_console_script_says_everything_before_it_leaves(arguments, code):
    program = "import sys; sys.argv[0] = 'isp-ns'; from isp_ns.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code
    if code == 0:
        assert any(entry["name"] == "raw.gains" for entry in json.loads(done.stdout))
    else:
        assert done.stderr.startswith(("Error: ", "Usage: "))


def test_every_verb_has_help_with_an_example():
    for verb in VERBS:
        result = run(verb, "--help")
        assert result.exit_code == 0
        assert f"isp-ns {verb}" in result.output


def test_version_and_near_misses():
    assert run("--version").output.strip() == f"isp-ns {isp_ns.__version__}"
    result = run("proces")
    assert (result.exit_code, "did you mean process" in result.output) == (2, True)


def test_info_as_text_and_json(tmp_path):
    path = dng(tmp_path / "a.dng", lens="50mm")
    text = run("info", path, "--checksum")
    assert text.exit_code == 0
    assert "bayer, 64 x 48" in text.output
    assert "sha256 of counts" in text.output
    (facts,) = json.loads(run("info", path, "--json").output)
    assert (facts["kind"], facts["width"], facts["height"], facts["pipeline"]) == ("bayer", 64, 48, "neural")
    assert facts["values"]["iso"] == {"value": 800.0, "source": "exif"}
    assert facts["values"]["cfa"]["value"] == "RGGB"
    assert facts["values"]["black"]["source"] == "dng"


def test_info_names_what_it_cannot_read(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"rubbish")
    assert run("info", tmp_path / "a.dng").exit_code == 1
    mixed = run("info", "--json", tmp_path / "a.dng", dng(tmp_path / "b.dng"))
    assert mixed.exit_code == 1
    assert ["error" in facts for facts in json.loads(mixed.output)] == [True, False]
    assert run("info").exit_code == 2
    assert run("info", tmp_path / "a.dng", "--raw", "8x8").exit_code == 2


def test_info_about_versions():
    found = json.loads(run("info", "--versions", "--json").output)
    assert found["isp-ns"] == isp_ns.__version__
    assert found["libraw"].count(".") == 2


def test_graphs_are_listed_shown_and_read_back(tmp_path):
    assert "pipeline\tfast" in run("graph", "list").output
    shown = run("graph", "show", "fast", "--set", "encode.space=rec2020", "--format", "yaml")
    (tmp_path / "mine.yaml").write_text(shown.output)
    from isp_ns.io.pipelines import load_pipeline

    assert load_pipeline(str(tmp_path / "mine.yaml")) == load_pipeline("fast").replace("encode", space="rec2020")
    assert "demosaic.malvar" in run("graph", "show", "fast").output
    assert "level -->|mosaic|" in run("graph", "show", "fast", "--format", "mermaid").output
    assert run("graph", "show", "fats").exit_code == 2


def test_pictures_of_graphs(tmp_path):
    from xml.etree import ElementTree

    assert run("graph", "show", "fast", "--output", tmp_path / "a.svg").exit_code == 0
    words = {text.text for text in ElementTree.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"demosaic.malvar", "camera_rgb", "image"} <= words
    assert run("graph", "show", "fast", "--output", tmp_path / "a.png").exit_code == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert np.asarray(picture).std() > 10


def test_graph_files_are_checked_with_all_their_faults(tmp_path):
    good = "schema: 1\ninputs: {raw: sensor}\nnodes: {a: {stage: raw.black_level}}\noutputs: {image: a}\n"
    (tmp_path / "good.yaml").write_text(good)
    (tmp_path / "bad.yaml").write_text(good.replace("black_level", "blak_level").replace("image: a", "image: b"))
    assert run("graph", "validate", tmp_path / "good.yaml").exit_code == 0
    bad = run("graph", "validate", tmp_path / "good.yaml", tmp_path / "bad.yaml")
    assert bad.exit_code == 2
    assert "blak_level" in bad.output
    assert "line 4" in bad.output
    (tmp_path / "patch.yaml").write_text("schema: 1\nnodes: {encode: {space: rec2020}}\n")
    assert run("graph", "validate", tmp_path / "patch.yaml", "--on", "fast").exit_code == 0


def test_stages_are_listed_and_described():
    listed = run("stages").output
    assert "demosaic.malvar" in listed
    assert "mosaic -> camera_rgb" in listed
    page = run("stages", "encode.display").output
    assert "space: one of" in page
    assert "Source:" in page
    assert any(entry["name"] == "raw.gains" for entry in json.loads(run("stages", "--json").output))
    missing = run("stages", "demosaic.malvr")
    assert (missing.exit_code, "did you mean demosaic.malvar" in missing.output) == (2, True)


def test_models_are_listed_and_verified():
    listed = run("models", "list")
    assert listed.exit_code == 0
    count = sum(weight.numel() for weight in build_space("ns-lite").parameters())
    assert f"ns-lite\tspace\t{count / 1e3:.0f} k" in listed.output
    assert run("models", "verify").exit_code == 0
    assert run("models", "show", "no-such").exit_code == 2


def test_synth_makes_files_that_process_develops(tmp_path):
    Image.fromarray(np.full((32, 48, 3), (90, 120, 60), np.uint8)).save(tmp_path / "a.png")
    made = run("synth", tmp_path / "a.png", "-o", tmp_path / "raws", "--cfa", "GBRG", "--iso", "400", "--seed", "3")
    assert made.exit_code == 0, made.output
    (facts,) = json.loads(run("info", "--json", tmp_path / "raws" / "a.dng").output)
    assert (facts["values"]["cfa"]["value"], facts["values"]["iso"]["value"]) == ("GBRG", 400.0)
    result = run("process", tmp_path / "raws", "-o", tmp_path / "out", "-p", "fast", "--format", "png")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "a.png") as photo:
        assert np.asarray(photo).mean((0, 1)) == pytest.approx((90, 120, 60), abs=25)
    again = run("synth", tmp_path / "a.png", "-o", tmp_path / "two", "--cfa", "GBRG", "--iso", "400", "--seed", "3")
    assert again.exit_code == 0
    assert Path(tmp_path / "two" / "a.dng").read_bytes() == (tmp_path / "raws" / "a.dng").read_bytes()


def test_synth_refuses_what_would_fall_together(tmp_path):
    for name in ("x/a.png", "y/a.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    clash = run("synth", tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", "-o", tmp_path / "out")
    assert clash.exit_code == 2
    assert run("synth", tmp_path / "x" / "a.png", "-o", tmp_path / "out", "--size", "7").exit_code == 2
    assert run("synth", tmp_path / "x" / "a.png", "-o", tmp_path / "out", "--camera", "nobody").exit_code == 2


def test_evaluate_scores_methods_by_the_protocol(tmp_path):
    import skimage.data
    import torch

    from isp_ns.metrics.demosaic_eval import evaluate
    from isp_ns.ops.demosaic import bilinear

    picture = skimage.data.astronaut()[:96, :128]
    Image.fromarray(picture).save(tmp_path / "a.png")
    told = ["--methods", "bilinear,wavelet+malvar", "--sigma", "0,5", "--json", tmp_path / "s.json"]
    result = run("evaluate", "demosaic", tmp_path, *told)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "s.json").read_text())
    assert [(row["method"], row["sigma"]) for row in found["rows"]] == [
        ("bilinear", 0.0),
        ("wavelet+malvar", 0.0),
        ("bilinear", 5.0),
        ("wavelet+malvar", 5.0),
    ]
    truth = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    direct = evaluate({"bilinear": lambda samples, pattern, _: bilinear(samples, pattern)}, [truth])
    assert found["rows"][0]["cpsnr_db"] == pytest.approx(direct["rows"][0]["cpsnr_db"], abs=1e-6)
    assert found["rows"][3]["cpsnr_db"] > found["rows"][2]["cpsnr_db"]
    assert "Protocol: task: demosaic; domain: display-encoded" in " ".join(result.stdout.split())


def test_evaluate_scores_all_methods_and_own_weights(tmp_path):
    from isp_ns.nets.cards import weights_folder

    Image.effect_noise((32, 32), 40).convert("RGB").save(tmp_path / "a.png")
    for name in ("ns-lite.safetensors", "ns-lite.yaml"):
        shutil.copy(weights_folder() / name, tmp_path / name.replace("ns-lite", "mine"))
    own = tmp_path / "mine.safetensors"
    result = run("evaluate", "demosaic", tmp_path, "--methods", f"ns-lite, {own}", "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    shipped, mine = json.loads((tmp_path / "s.json").read_text())["rows"]
    assert (shipped["method"], mine["method"]) == ("ns-lite", str(own))
    assert shipped["cpsnr_db"] == mine["cpsnr_db"]
    told = run("evaluate", "demosaic", tmp_path).stdout
    assert all(f"\n{name} " in told for name in ("bilinear", "mlri", "ahd", "vng", "ns-lite", "ns-base"))


def test_evaluate_names_what_it_cannot_use(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    small = run("evaluate", "demosaic", tmp_path, "--methods", "malvar")
    assert small.exit_code == 2
    assert "tiny.png: a crop of 8 pixels leaves nothing" in small.stderr
    absent = run("evaluate", "demosaic", tmp_path, "--methods", "malvar", "--json", tmp_path / "no" / "s.json")
    assert "there is no folder" in absent.stderr
    assert "no card" in run("evaluate", "demosaic", tmp_path, "--methods", tmp_path / "x.safetensors").stderr


@pytest.mark.parametrize("methods", ["malvr", "malvar+nlm", "tone.filmic+menon", "no.such+menon"])
def test_evaluate_refuses_methods_that_make_no_sense(tmp_path, methods):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    assert run("evaluate", "demosaic", tmp_path, "--methods", methods).exit_code == 2
    assert run("evaluate", "demosaic", tmp_path, "--methods", "malvar", "--sigma", "x").exit_code == 2
