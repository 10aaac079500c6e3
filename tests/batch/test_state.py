"""The record of an output folder survives torn lines, and incomplete files are swept only when nobody writes them."""

import os
import subprocess
import sys

import pytest

from isp_ns.batch.state import State, input_digest
from isp_ns.core.errors import OutputError
from isp_ns.io.atomic import atomic_file, sweep_parts


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.dng"
    path.write_bytes(b"content")
    return path


def noted(folder, source, recipe="r1", output="a.jpg") -> State:
    state = State(folder)
    state.add(folder / output, source, input_digest(source), source.stat(), recipe)
    return state


def test_an_output_is_current_as_long_as_content_and_recipe_are(tmp_path, source):
    noted(tmp_path, source)
    entry = State(tmp_path).find(tmp_path / "a.jpg")
    assert entry.matches(source, "r1")
    assert not entry.matches(source, "r2")
    os.utime(source, (1, 1))
    assert entry.matches(source, "r1")
    source.write_bytes(b"CONTENT")
    assert not entry.matches(source, "r1")
    source.unlink()
    assert not entry.matches(source, "r1")


def test_a_torn_last_line_costs_only_itself(tmp_path, source):
    noted(tmp_path, source)
    path = tmp_path / ".isp-ns" / "state.jsonl"
    with path.open("ab") as file:
        file.write(b'{"output": "b.jpg", "inp')
    assert State(tmp_path).find(tmp_path / "b.jpg") is None
    noted(tmp_path, source, output="c.jpg")
    state = State(tmp_path)
    assert state.find(tmp_path / "a.jpg") is not None
    assert state.find(tmp_path / "c.jpg") is not None


def test_strange_lines_are_passed_over(tmp_path, source):
    noted(tmp_path, source)
    with (tmp_path / ".isp-ns" / "state.jsonl").open("ab") as file:
        file.write(b'[1]\n{"output": "x"}\n\xff\xfe\n')
    assert State(tmp_path).made_here(tmp_path / "a.jpg")
    assert not State(tmp_path).made_here(tmp_path / "x")


def test_the_last_word_on_an_output_counts(tmp_path, source):
    noted(tmp_path, source, "r1")
    noted(tmp_path, source, "r2")
    assert State(tmp_path).find(tmp_path / "a.jpg").recipe == "r2"


def half_written(target) -> None:
    with atomic_file(target) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a.jpg"
    with pytest.raises(KeyboardInterrupt):
        half_written(target)
    assert list(tmp_path.iterdir()) == []
    with atomic_file(target) as part:
        part.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    with pytest.raises(OutputError, match="cannot be written"), atomic_file(tmp_path / "no" / "a.jpg") as part:
        part.write_bytes(b"")


def test_only_what_dead_processes_left_is_swept(tmp_path):
    program = "import sys, os; from pathlib import Path; from isp_ns.io.atomic import atomic_file\n"
    program += "with atomic_file(Path(sys.argv[1])) as part: part.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.jpg")], check=False)
    (left,) = tmp_path.iterdir()
    with atomic_file(tmp_path / "b.jpg") as living:
        living.write_bytes(b"")
        alien = tmp_path / left.name.replace(left.name.split("-")[2], "00000000")
        alien.write_bytes(b"of another machine")
        assert sweep_parts([tmp_path]) == 1
        assert living.exists()
    assert not left.exists()
    assert alien.exists()
