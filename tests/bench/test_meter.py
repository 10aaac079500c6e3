import sys
import time
from pathlib import Path

import pytest

from isp_ns.bench.machine import Load, busy_seconds, commit, describe, processors
from isp_ns.bench.meter import measure

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")

MIB = 2**20
FAMILY = """
import subprocess, sys, time
mine = bytearray(120 << 20)
child = subprocess.Popen([sys.executable, "-c", "import time; mine = bytearray(80 << 20); time.sleep(0.6)"])
time.sleep(0.6)
child.wait()
"""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_memory_is_that_of_the_whole_tree_and_of_its_largest_process(tmp_path):
    found = measure(python(FAMILY), folder=tmp_path)
    assert found.code == 0
    assert 200 * MIB < found.peak_tree_bytes < 280 * MIB
    assert 120 * MIB < found.max_rss_bytes < 170 * MIB


def test_the_memory_of_the_benchmark_itself_is_not_counted(tmp_path):
    mine = bytearray(300 * MIB)
    found = measure(["sleep", "0.1"], folder=tmp_path)
    assert found.max_rss_bytes < 60 * MIB < len(mine)
    assert found.peak_tree_bytes < 60 * MIB


def test_time_is_that_of_the_program_and_its_children(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    family = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    found = measure(python(family), folder=tmp_path)
    assert 0.4 <= found.cpu_s < 2.0
    assert found.wall_s >= 0.4
    waited = measure(["sleep", "0.3"], folder=tmp_path)
    assert waited.cpu_s < 0.1
    assert waited.wall_s >= 0.3


def test_a_program_that_runs_too_long_is_killed_with_its_children(tmp_path):
    started = time.perf_counter()
    found = measure(["sh", "-c", "echo begun; sleep 60 & wait"], folder=tmp_path, limit_s=2.0)
    assert found.code == -9
    assert found.said == "begun"
    assert time.perf_counter() - started < 20


def test_folder_environment_words_and_status_are_the_programs_own(tmp_path):
    command = ["sh", "-c", 'pwd; echo "$COLOUR" >&2; exit 3']
    found = measure(command, folder=tmp_path, environment={"COLOUR": "green", "PATH": "/usr/bin:/bin"})
    assert found.code == 3
    assert found.said.splitlines() == [str(tmp_path), "green"]


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="no-such-developer"):
        measure(["no-such-developer"], folder=tmp_path)


def test_work_of_others_is_seen(tmp_path):
    import subprocess

    busy = subprocess.Popen(python("while True: pass"))
    try:
        found = measure(["sleep", "0.5"], folder=tmp_path)
    finally:
        busy.kill()
        busy.wait()
    assert found.other_cpu_share > 0.5 / processors() * 0.5


def test_the_machine_is_described():
    before = busy_seconds()
    facts = describe()
    assert facts["cores"] == processors() >= 1
    assert facts["cpu"]
    assert facts["torch"]
    assert busy_seconds() >= before


def test_an_idle_machine_is_one_that_others_take_little_of(tmp_path):
    assert Load((9.0, 9.0, 9.0), 0.02).is_idle
    assert not Load((0.0, 0.0, 0.0), 0.5).is_idle
    assert not Load((50.0 * processors(), 0.0, 0.0), None).is_idle
    assert commit(tmp_path) is None
