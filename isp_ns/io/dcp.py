"""DNG camera profiles (.dcp): the colour matrices of a camera as Adobe's tools exchange them.

Source: DNG 1.4, chapter 6 and the section "Extra Camera Profiles"; a DCP is a TIFF directory behind the letters IIRC.
"""

from pathlib import Path

from isp_ns.core.errors import MetadataError
from isp_ns.core.meta import IlluminantCalibration
from isp_ns.io.dngtags import calibrations
from isp_ns.io.tiff import read_tiff

__all__ = ["read_dcp"]

_MAGICS = {b"IIRC": b"II*\0", b"MMCR": b"MM\0*"}


def read_dcp(path: Path) -> tuple[IlluminantCalibration, ...]:
    """The matrices of a profile, in the order of their illuminants. Its tables of hue and tone are left out.

    Raises:
        MetadataError: if it is no such file or has no matrix.
        OSError: if it cannot be read.
    """
    data = path.read_bytes()
    tiff = read_tiff(_MAGICS.get(data[:4], b"") + data[4:]) if data[:4] in _MAGICS else None
    found = calibrations(tiff.first) if tiff is not None else ()
    if not found:
        raise MetadataError(f"{path}: is not a DNG camera profile (.dcp) with a colour matrix")
    return tuple(IlluminantCalibration(**each) for each in found)
