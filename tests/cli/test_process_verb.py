"""`isp-ns process`: exit codes, what it prints where, and interruption in real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import batch_files
import pytest
from batch_files import dng, photos
from click.testing import CliRunner, Result

from isp_ns.cli.main import cli

TESTS = Path(__file__).parents[1]


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A pipeline that is quick and does not depend on the shipped looks."""
    path = tmp_path / "quick.yaml"
    path.write_text(batch_files.SLOW_YAML.replace("seconds: 0.3", "seconds: 0.0"))
    return str(path)


def run(*arguments: object, **more) -> Result:
    return CliRunner().invoke(cli, ["process", *map(str, arguments)], **more)


def test_done_is_0_and_data_stay_off_stdout(tmp_path, quick):
    dng(tmp_path / "in" / "a.dng")
    result = run(tmp_path / "in", "-o", tmp_path / "out", "-p", quick)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "done" in result.stderr
    assert "1 done" in result.stderr
    again = run(tmp_path / "in", "-o", tmp_path / "out", "-p", quick)
    assert (again.exit_code, "1 skipped" in again.stderr) == (0, True)


def test_some_failed_is_1_and_named_with_the_reason(tmp_path, quick):
    dng(tmp_path / "in" / "a.dng")
    (tmp_path / "in" / "b.dng").write_bytes(b"rubbish")
    result = run(tmp_path / "in", "-o", tmp_path / "out", "-p", quick, "-q")
    assert result.exit_code == 1
    assert result.stderr.startswith("failed")
    assert "b.dng" in result.stderr
    assert "done" not in result.stderr


def test_all_unsupported_is_3(tmp_path, quick):
    dng(tmp_path / "a.dng", kind="mono")
    assert run(tmp_path / "a.dng", "-o", tmp_path / "out", "-p", quick).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "out"], "no input"),
        (["in"], "say where"),
        (["gone.dng", "-o", "out"], "there is no gone.dng"),
        (["in", "-o", "out", "--qualty", "5"], "--quality"),
        (["in", "-o", "out", "--quality", "500"], "quality lies between"),
        (["in", "-o", "out", "-p", "clasic"], "clasic"),
        (["in", "-o", "out", "--name", "{stm}.{ext}"], "no key stm"),
        (["in", "-o", "out", "--wb", "kelvinn:5000"], "did you mean kelvin"),
        (["in", "-o", "out", "--set", "encode"], "node.parameter"),
        (["in", "-o", "out", "--set", "encode.spce=srgb"], "spce"),
        (["in", "-o", "out", "--set", "encdoe.space=srgb"], "did you mean encode"),
        (["in", "-o", "out", "--outputs", "image,depth"], "no output depth"),
        (["in", "-o", "out", "--config", "gone.yaml"], "gone.yaml"),
        (["in", "-o", "out", "--files-from", "gone.txt"], "gone.txt"),
        (["empty", "-o", "out"], "no RAW files"),
        (["in", "-o", "in", "--format", "dng"], "onto an input"),
    ],
)
def test_mistakes_are_2_with_a_sentence_and_without_a_traceback(tmp_path, monkeypatch, quick, arguments, says):
    monkeypatch.chdir(tmp_path)
    dng(tmp_path / "in" / "a.dng")
    (tmp_path / "empty").mkdir()
    result = run(*(arguments if "-p" in arguments else [*arguments, "-p", quick]))
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "a.jpg").exists()


def test_a_dry_run_prints_the_plan_and_does_nothing(tmp_path, quick):
    dng(tmp_path / "in" / "a.dng")
    (tmp_path / "in" / "notes.txt").write_text("x")
    result = run(tmp_path / "in", "-o", tmp_path / "out", "-p", quick, "-n")
    assert result.exit_code == 0
    assert f"planned\t{tmp_path / 'in' / 'a.dng'} -> {tmp_path / 'out' / 'a.jpg'}" in result.stdout
    assert "ignored" in result.stdout
    assert not (tmp_path / "out").exists()
    assert run(tmp_path / "in", "-o", tmp_path / "out", "-p", quick, "-n", "--set", "a.b=1").exit_code == 2


def test_inputs_from_a_list_on_stdin(tmp_path, quick):
    paths = [dng(tmp_path / "in" / name) for name in ("a b.dng", "c.dng")]
    listed = "\n".join(map(str, [*paths, tmp_path / "gone.dng"])) + "\n"
    result = run("--files-from", "-", "-o", tmp_path / "out", "-p", quick, input=listed)
    assert photos(tmp_path / "out") == ["a b.jpg", "c.jpg"]
    assert (result.exit_code, "gone.dng" in result.stderr) == (1, True)


def test_reports_and_logs(tmp_path, quick):
    dng(tmp_path / "a.dng")
    logs = ["--report", tmp_path / "r.json", "--log-file", tmp_path / "l.txt", "--log-json", tmp_path / "l.jsonl"]
    assert run(tmp_path / "a.dng", "-o", tmp_path / "out", "-p", quick, *logs).exit_code == 0
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["done"] == 1
    assert json.loads((tmp_path / "l.jsonl").read_text())["status"] == "done"
    assert "1 done" in (tmp_path / "l.txt").read_text()


def test_settings_from_all_layers_and_what_won(tmp_path, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isp-ns.yaml").write_text("quality: 50\nsubsampling: 4:2:0\n")
    dng(tmp_path / "in" / "a.dng")
    (tmp_path / "in" / "a.dng.isp-ns.yaml").write_text("quality: 70\n")
    environment = {"ISP_NS_QUALITY": "60", "ISP_NS_JOBS": "2"}
    shown = run("in", "--print-config", "--set", "tone.contrast=1.5", env=environment).stdout
    assert "quality: 60  # environment" in shown
    assert 'subsampling: "4:2:0"  # isp-ns.yaml' in shown
    assert "in/a.dng: quality: 70  # in/a.dng.isp-ns.yaml" in shown
    assert 'set: {"tone.contrast": 1.5}  # flag' in shown
    assert "tile: null  # default" in shown


def test_tracebacks_of_faulty_stages_only_when_asked_for(tmp_path):
    dng(tmp_path / "a.dng")
    broken = tmp_path / "broken.yaml"
    broken.write_text(batch_files.SLOW_YAML.replace("probe.slow, seconds: 0.3", "probe.fails"))
    plain = run(tmp_path / "a.dng", "-o", tmp_path / "out", "-p", broken)
    assert (plain.exit_code, "Traceback" in plain.output, "node slow" in plain.stderr) == (1, False, True)
    assert "Traceback" in run(tmp_path / "a.dng", "-o", tmp_path / "out", "-p", broken, "-vv").stderr
    closely = run(tmp_path / "a.dng", "-o", tmp_path / "out", "-p", "fast", "-vv").stderr
    assert "demosaic.malvar" in closely
    assert "compute" in closely


def started(tmp_path: Path, *arguments: object, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """A real `isp-ns process` over a pipeline that takes 0.3 s a photo."""
    (tmp_path / "slow.yaml").write_text(batch_files.SLOW_YAML)
    # Interrupts are taken as in a terminal; tests that run in the background hand down that they are ignored.
    program = (
        "import signal, sys, batch_files\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from isp_ns.cli.main import cli\ncli(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "process", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    command += ["-p", str(tmp_path / "slow.yaml"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(command, env=environment, stderr=stderr, text=True)


def wait_for_photo(folder: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the first photo is whole and on record; the next is 0.3 s away then."""
    record = folder / ".isp-ns" / "state.jsonl"
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if record.is_file() and record.read_bytes().endswith(b"\n"):
            return
        time.sleep(0.02)


def test_a_terminal_gets_a_bar_and_the_failures(eight):
    (eight / "in" / "8.dng").write_bytes(b"rubbish")
    controller, terminal = os.openpty()
    process = started(eight, "--set", "slow.seconds=0.0", stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(controller, 4096):
            shown += part
    os.close(controller)
    assert process.wait(60) == 1
    text = shown.decode()
    assert "developing" in text
    assert "9/9" in text
    assert "8.dng" in text
    assert "done  " not in text
    assert "8 done, 1 failed" in text


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    for number in range(8):
        dng(tmp_path / "in" / f"{number}.dng", seed=number)
    return tmp_path


def whole(folder: Path) -> list[str]:
    """The photos of a folder, after a look at the end of each."""
    found = sorted(folder.glob("*.jpg"))
    assert all(path.read_bytes().endswith(b"\xff\xd9") for path in found)
    return [path.name for path in found]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_batch_is_130_and_the_next_goes_on(eight, name):
    process = started(eight, "--report", eight / "r.json")
    wait_for_photo(eight / "out", process)
    process.send_signal(getattr(signal, name))
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    done = whole(eight / "out")
    assert 1 <= len(done) < 8
    assert photos(eight / "out") == done
    report = json.loads((eight / "r.json").read_text())
    assert (report["interrupted"], report["counts"]["done"]) == (True, len(done))
    result = run(eight / "in", "-o", eight / "out", "-p", eight / "slow.yaml")
    assert (result.exit_code, f"{len(done)} skipped" in result.stderr) == (0, True)
    assert len(whole(eight / "out")) == 8


def test_a_killed_batch_loses_nothing_and_the_next_cleans_up(eight):
    process = started(eight)
    wait_for_photo(eight / "out", process)
    process.kill()
    process.communicate(timeout=60)
    assert 1 <= len(whole(eight / "out")) < 8
    program = "import os, sys, pathlib; from isp_ns.io.atomic import atomic_file\n"
    program += "with atomic_file(pathlib.Path(sys.argv[1])) as p: p.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(eight / "out" / "7.jpg")], check=False)
    with (eight / "out" / ".isp-ns" / "state.jsonl").open("ab") as state:
        state.write(b'{"output": "7.j')
    assert any(path.name.endswith(".part") for path in (eight / "out").iterdir())
    result = run(eight / "in", "-o", eight / "out", "-p", eight / "slow.yaml")
    assert result.exit_code == 0, result.output
    assert photos(eight / "out") == [f"{number}.jpg" for number in range(8)]
    final = run(eight / "in", "-o", eight / "out", "-p", eight / "slow.yaml", "--on-exists", "if-changed")
    assert "8 skipped" in final.stderr
