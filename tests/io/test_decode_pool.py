"""Decoding in processes of its own: nothing that a file does reaches this one."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.io.decode import DecodePool
from isp_ns.io.decoded import DecodeOptions
from isp_ns.io.raw import inspect_raw, read_raw, render_libraw
from isp_ns.io.rawfile import decode_file

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pool():
    with DecodePool() as running:
        yield running


def run_python(code: str, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, **options)


def children() -> set[int]:
    """Processes that this one has started."""
    task = Path("/proc/self/task")
    if not task.is_dir():
        pytest.skip("no /proc on this system")
    found = set()
    for each in task.iterdir():
        # a thread that ends meanwhile has no children left
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= {int(pid) for pid in (each / "children").read_text().split()}
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def big_dng(make_dng, name="big.dng"):
    """Several seconds of work for the slowest of LibRaw's renderers, AAHD."""
    pixels = np.random.default_rng(0).integers(600, 60000, (3000, 4000), dtype=np.uint16)
    return make_dng(pixels, name=name)


def test_same_result_as_in_this_process(pool, make_dng, ramp):
    path = make_dng(ramp, tags=[])
    here, there = decode_file(path), pool.submit(path).result()
    np.testing.assert_array_equal(here.pixels, there.pixels)
    assert (here.values, here.sources, here.notes, here.kind, here.size) == (
        there.values,
        there.sources,
        there.notes,
        there.kind,
        there.size,
    )
    assert there.path == path
    assert there.frame().data.shape == (1, 40, 60)


def test_reading_through_a_pool(pool, make_dng, ramp):
    path = make_dng(ramp)
    np.testing.assert_array_equal(read_raw(path, pool=pool).data.numpy()[0], ramp)
    assert inspect_raw(path, pool=pool).pixels is None
    np.testing.assert_array_equal(render_libraw(path, pool=pool).data.numpy(), render_libraw(path).data.numpy())


def test_errors_keep_their_kind(pool, tmp_path, make_dng, ramp):
    with pytest.raises(DecodeError, match="cannot be read"):
        pool.submit(tmp_path / "absent.dng").result()
    with pytest.raises(UnsupportedSensorError, match="CYMG"):
        pool.submit(make_dng(ramp, tags=[(33422, 1, 4, bytes([3, 5, 4, 1]), True)])).result()
    with pytest.raises(DecodeError, match="max_pixels"):
        pool.submit(make_dng(ramp), DecodeOptions(max_pixels=100)).result()


def test_pixels_outlive_the_pool(make_dng, ramp):
    with DecodePool() as short_lived:
        decoded = short_lived.submit(make_dng(ramp)).result()
    np.testing.assert_array_equal(decoded.pixels[0], ramp)


def test_a_crash_costs_one_file(make_dng, ramp):
    before = children()
    with DecodePool() as pool:
        slow = pool.submit(big_dng(make_dng), DecodeOptions(render="AAHD"))
        good = pool.submit(make_dng(ramp))
        (worker,) = _new_children(before)
        time.sleep(0.5)
        os.kill(worker, signal.SIGSEGV)
        with pytest.raises(DecodeError, match=r"big\.dng: the decoder crashed with SIGSEGV"):
            slow.result()
        np.testing.assert_array_equal(good.result().pixels[0], ramp)
    assert not alive(worker)


def test_a_file_that_takes_too_long_costs_one_file(make_dng, ramp):
    path = big_dng(make_dng)
    with DecodePool(timeout_s=2) as pool:
        pool.submit(make_dng(ramp)).result()
        with pytest.raises(DecodeError, match=r"longer than 2 s"):
            pool.submit(path, DecodeOptions(render="AAHD")).result()
        np.testing.assert_array_equal(pool.submit(make_dng(ramp)).result().pixels[0], ramp)


def test_a_file_that_takes_too_much_memory_costs_one_file(make_dng, ramp):
    pixels = np.zeros((11000, 11000), np.uint16)
    path = make_dng(pixels, name="huge.dng")
    with DecodePool(memory_mb=600) as pool:
        with pytest.raises(DecodeError, match=r"huge\.dng: .*(memory|MB)"):
            pool.submit(path, DecodeOptions(render="LINEAR")).result()
        np.testing.assert_array_equal(pool.submit(make_dng(ramp)).result().pixels[0], ramp)


def test_damage_that_libraw_only_prints_is_an_error(shared_data, tmp_path, pool):
    whole = shared_data / "raw/canon_s40_kodak/Kodak/DC120/DC120IMG/P003912.KDC"
    assert pool.submit(whole).result().kind == "bayer"
    cut = tmp_path / "cut.kdc"
    cut.write_bytes(whole.read_bytes()[:40000])
    with pytest.raises(DecodeError, match="Premature end of JPEG"):
        pool.submit(cut).result()


def test_several_workers(make_dng, ramp):
    paths = [make_dng(ramp + np.uint16(index), name=f"{index}.dng") for index in range(12)]
    with DecodePool(workers=3) as pool:
        results = [future.result() for future in [pool.submit(path) for path in paths]]
    assert [int(each.pixels[0, 0, 0]) - 600 for each in results] == list(range(12))


def test_close_cancels_what_waits(make_dng, ramp):
    pool = DecodePool()
    futures = [pool.submit(big_dng(make_dng), DecodeOptions(render="AAHD")) for _ in range(8)]
    time.sleep(0.3)
    pool.close()
    assert futures[-1].cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit("a.dng")
    pool.close()


@pytest.mark.parametrize("options", [{"workers": 0}, {"timeout_s": 0}, {"memory_mb": 10}])
def test_limits_are_checked(options):
    with pytest.raises(ValueError, match="decode pool"):
        DecodePool(**options)


def test_no_torch_before_a_frame(make_dng, ramp):
    code = (
        "import sys\n"
        "from isp_ns.io.decode import DecodePool\n"
        "with DecodePool() as pool:\n"
        f"    decoded = pool.submit({str(make_dng(ramp))!r}).result()\n"
        "assert decoded.kind == 'bayer'\n"
        "assert 'torch' not in sys.modules\n"
        "import isp_ns.io._worker\n"
        "assert 'torch' not in sys.modules\n"
    )
    told = run_python(code)
    assert told.returncode == 0, told.stderr


def test_nothing_is_imported_from_the_current_folder(make_dng, ramp, tmp_path):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('hijacked')")
    code = (
        "import sys; sys.path.remove('')\n"
        "from isp_ns.io.decode import DecodePool\n"
        "with DecodePool() as pool:\n"
        f"    print(pool.submit({str(make_dng(ramp))!r}).result().kind)\n"
    )
    told = run_python(code, cwd=tmp_path)
    assert told.stdout.strip() == "bayer", told.stderr


@pytest.mark.parametrize("busy", [True, False])
def test_workers_end_with_a_killed_parent(make_dng, ramp, busy):
    path = big_dng(make_dng) if busy else make_dng(ramp)
    code = (
        "import json, os, time\n"
        "from isp_ns.io.decode import DecodePool\n"
        "from isp_ns.io.decoded import DecodeOptions\n"
        "from tests.io.test_decode_pool import children\n"
        "pool = DecodePool(workers=2)\n"
        f"pool.submit({str(make_dng(ramp))!r}).result()\n"
        f"future = pool.submit({str(path)!r}, DecodeOptions(render='AAHD'))\n"
        "time.sleep(0.4)\n"
        "print(json.dumps(sorted(children())), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    told = run_python(code)
    pids = json.loads(told.stdout)
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def test_nothing_is_left_in_shared_memory(make_dng, ramp):
    folder = Path("/dev/shm")
    if not folder.is_dir():
        pytest.skip("no /dev/shm on this system")
    before = {path.name for path in folder.iterdir()}
    with DecodePool() as pool:
        decoded = pool.submit(make_dng(ramp)).result()
        assert decoded.pixels is not None
        during = {path.name for path in folder.iterdir()} - before
    assert not [name for name in during if "isp" in name]


def _new_children(before: set[int]) -> set[int]:
    deadline = time.monotonic() + 30
    while not (found := children() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
