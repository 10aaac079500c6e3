"""DNG files made with tifffile alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests_dng import D65_MATRIX, PATTERNS, blob, rational, short, srational


@pytest.fixture
def make_dng(tmp_path: Path) -> Callable[..., Path]:
    """Writes a DNG: `make_dng(pixels, cfa="RGGB", colour=True, tags=[…], name=…, **tifffile_options)`."""

    def make(
        pixels: np.ndarray,
        *,
        cfa: str | None = "RGGB",
        colour: bool = True,
        tags: list[Any] | None = None,
        name: str = "made.dng",
        **options: Any,
    ) -> Path:
        found = [blob(50706, bytes([1, 4, 0, 0]), 1), blob(50707, bytes([1, 1, 0, 0]), 1)]
        if cfa:
            found += [short(33421, 2, 2), blob(33422, bytes(PATTERNS[cfa]), 1)]
        if colour:
            found += [short(50778, 21), srational(50721, *D65_MATRIX), rational(50728, 0.5, 1.0, 0.6)]
        given = {tag[0] for tag in tags or []}
        photometric = options.pop("photometric", 32803 if cfa else 34892)
        planar = "contig" if pixels.ndim == 3 else None
        tifffile.imwrite(
            tmp_path / name,
            pixels,
            photometric=photometric,
            planarconfig=planar,
            metadata=None,
            subfiletype=0,
            extratags=[tag for tag in found if tag[0] not in given] + (tags or []),
            **options,
        )
        return tmp_path / name

    return make


@pytest.fixture
def ramp() -> np.ndarray:
    """A 40x60 mosaic in which every pixel has another count, 16-bit."""
    return (np.arange(2400, dtype=np.uint32) * 6 + 600).astype(np.uint16).reshape(40, 60)
