"""Camera profiles of Adobe's tools (.dcp) as metadata."""

from pathlib import Path
from typing import Any

from isp_ns.core.errors import MetadataError
from isp_ns.core.meta import IlluminantCalibration
from isp_ns.ops.dcp import parse_dcp

__all__ = ["read_dcp"]


def read_dcp(path: Path) -> tuple[IlluminantCalibration, ...]:
    """The matrices of a profile, in the order of their illuminants.

    Raises:
        MetadataError: if it is no such file or has no matrix.
        OSError: if it cannot be read.

    Source: DNG 1.4, chapter 6.
    """
    try:
        profile = parse_dcp(path.read_bytes())
    except ValueError as error:
        raise MetadataError(f"{path}: {error}") from None
    found: tuple[Any, ...] = profile.calibrations
    return tuple(IlluminantCalibration(*each) for each in found)
