"""Most tests have no use for exiftool, which takes a quarter of a second to start."""

import pytest


@pytest.fixture(autouse=True)
def without_exiftool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "exiftool" not in request.fixturenames:
        monkeypatch.setattr("isp_ns.io.exiftool.exiftool_path", lambda: None)


@pytest.fixture
def exiftool() -> None:
    """For tests that are about exiftool: leave it as it is."""
