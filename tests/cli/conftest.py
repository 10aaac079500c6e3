"""No test here has a use for exiftool, which takes a quarter of a second to start."""

import pytest


@pytest.fixture(autouse=True)
def without_exiftool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isp_ns.io.exiftool.exiftool_path", lambda: None)
