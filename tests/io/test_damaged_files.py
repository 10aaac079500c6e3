"""Randomly damaged camera files: each fails with an explanation or decodes; none takes anything else with it."""

import os

import numpy as np
import pytest

from isp_ns.core.errors import IspError
from isp_ns.io.decode import DecodePool

COUNT = int(os.environ.get("ISP_NS_DAMAGED_FILES", "60"))
"""How many files; hundreds make a longer check."""


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, bytes changed (mostly in the metadata), a block zeroed, moved or doubled."""
    data = bytearray(content)
    kind = rng.integers(5)
    if kind == 0:
        return bytes(data[: rng.integers(1, len(data))])
    if kind == 1:
        for place in rng.integers(0, min(len(data), 4096), rng.integers(1, 40)):
            data[place] = rng.integers(256)
        return bytes(data)
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, max(len(data) // 4, 2)))
    if kind == 2:
        data[start : start + length] = bytes(len(data[start : start + length]))
    elif kind == 3:
        data[start : start + length] = rng.bytes(len(data[start : start + length]))
    else:
        data[start:start] = data[:length]
    return bytes(data)


@pytest.fixture
def originals(shared_data, make_dng, ramp):
    raw = shared_data / "raw"
    small = [
        *sorted((raw / "apple_quicktake").iterdir()),
        *sorted((raw / "canon_s40_kodak").rglob("*.KDC")),
        raw / "canon_s40_kodak/Canon/PowerShot S40/CRW_0101.CRW",
        raw / "canon6d_linear/canon_eos_6d.dng",
        raw / "layouts/gopro6_rggb_12bit_black_activearea_rot90.dng",
        raw / "gopro/GOPR0024.GPR",
        *sorted((raw / "cut_short").iterdir()),
    ]
    return [path for path in small if path.is_file()] + [make_dng(ramp)]


def test_damaged_files_fail_alone(originals, tmp_path):
    rng = np.random.default_rng(2026)
    outcomes = {"decoded": 0, "explained": 0}
    with DecodePool(timeout_s=20, memory_mb=2048) as pool:
        futures = []
        for index in range(COUNT):
            source = originals[index % len(originals)]
            path = tmp_path / f"{index}{source.suffix}"
            path.write_bytes(damage(source.read_bytes(), rng))
            futures.append(pool.submit(path))
        for index, future in enumerate(futures):
            error = future.exception(timeout=120)
            if error is None:
                decoded = future.result()
                assert decoded.pixels is not None
                assert decoded.meta() is not None
                outcomes["decoded"] += 1
            else:
                assert isinstance(error, IspError)
                assert f"{index}{originals[index % len(originals)].suffix}" in str(error)
                assert "ended with status" not in str(error)  # an error that the decoder did not expect
                outcomes["explained"] += 1
        np.testing.assert_array_equal(pool.submit(originals[-1]).result().pixels.shape, (1, 40, 60))
    assert sum(outcomes.values()) == COUNT
    assert outcomes["explained"] > COUNT // 4
