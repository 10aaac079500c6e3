"""Correlated colour temperature and tint of a white, both ways, by the isotemperature lines of Robertson.

Tint is the distance from the Planckian locus along the isotemperature line in CIE 1960 uv, times 3000: the scale of
Adobe's raw converters. It is positive above the locus, where a light is greenish and its correction adds magenta,
and negative below; D65 has about +10. Source: Robertson, "Computation of correlated color temperature and distribution
temperature", JOSA 58 (1968); Wyszecki & Stiles, "Color Science", 2nd ed., table 1(3.11).
"""

import math
from collections.abc import Sequence

__all__ = ["ILLUMINANT_CCT_K", "MAX_CCT_K", "MIN_CCT_K", "cct_to_xy", "xy_to_cct"]

_TINT_PER_UV = -3000.0
"""Negative because `_direction` points below the locus."""

# Reciprocal megakelvin, u, v and slope of the isotemperature line.
_LINES = (
    (0.0, 0.18006, 0.26352, -0.24341),
    (10.0, 0.18066, 0.26589, -0.25479),
    (20.0, 0.18133, 0.26846, -0.26876),
    (30.0, 0.18208, 0.27119, -0.28539),
    (40.0, 0.18293, 0.27407, -0.30470),
    (50.0, 0.18388, 0.27709, -0.32675),
    (60.0, 0.18494, 0.28021, -0.35156),
    (70.0, 0.18611, 0.28342, -0.37915),
    (80.0, 0.18740, 0.28668, -0.40955),
    (90.0, 0.18880, 0.28997, -0.44278),
    (100.0, 0.19032, 0.29326, -0.47888),
    (125.0, 0.19462, 0.30141, -0.58204),
    (150.0, 0.19962, 0.30921, -0.70471),
    (175.0, 0.20525, 0.31647, -0.84901),
    (200.0, 0.21142, 0.32312, -1.0182),
    (225.0, 0.21807, 0.32909, -1.2168),
    (250.0, 0.22511, 0.33439, -1.4512),
    (275.0, 0.23247, 0.33904, -1.7298),
    (300.0, 0.24010, 0.34308, -2.0637),
    (325.0, 0.24792, 0.34655, -2.4681),
    (350.0, 0.25591, 0.34951, -2.9641),
    (375.0, 0.26400, 0.35200, -3.5814),
    (400.0, 0.27218, 0.35407, -4.3633),
    (425.0, 0.28039, 0.35577, -5.3762),
    (450.0, 0.28863, 0.35714, -6.7262),
    (475.0, 0.29685, 0.35823, -8.5955),
    (500.0, 0.30505, 0.35907, -11.324),
    (525.0, 0.31320, 0.35968, -15.628),
    (550.0, 0.32129, 0.36011, -23.325),
    (575.0, 0.32931, 0.36038, -40.770),
    (600.0, 0.33724, 0.36051, -116.45),
)

MIN_CCT_K = 1e6 / 600.0
"""The warmest white of the table, 1667 K."""

MAX_CCT_K = 1e6
"""Bluer whites are reported as this temperature, in kelvin: 1 reciprocal megakelvin."""


ILLUMINANT_CCT_K: dict[int, float] = {
    1: 5500.0,  # daylight
    2: 4150.0,  # fluorescent
    3: 2850.0,  # tungsten
    4: 5500.0,  # flash
    9: 5500.0,  # fine weather
    10: 6500.0,  # cloudy
    11: 7500.0,  # shade
    12: 6400.0,  # daylight fluorescent
    13: 5050.0,  # day white fluorescent
    14: 4150.0,  # cool white fluorescent
    15: 3525.0,  # white fluorescent
    16: 2925.0,  # warm white fluorescent
    17: 2850.0,  # standard light A
    18: 5500.0,  # standard light B
    19: 6500.0,  # standard light C
    20: 5500.0,  # D55
    21: 6500.0,  # D65
    22: 7500.0,  # D75
    23: 5000.0,  # D50
    24: 3200.0,  # ISO studio tungsten
}
"""Temperature in kelvin of the light sources that CalibrationIlluminant tags name; 0 and 255 name none.

Source: EXIF 2.3, LightSource; the middle of the range where it gives one for fluorescent lamps.
"""


def _direction(slope: float) -> tuple[float, float]:
    """Unit vector along an isotemperature line of the table, pointing below the Planckian locus."""
    length = math.hypot(1.0, slope)
    return 1.0 / length, slope / length


def xy_to_cct(white_xy: Sequence[float]) -> tuple[float, float]:
    """Temperature and tint of a white.

    Args:
        white_xy: CIE 1931 chromaticity.

    Returns:
        (temperature in kelvin, clamped to the table's 1667 K .. 1e6 K; tint).

    Raises:
        ValueError: if the chromaticity is not a possible light.

    Source: Robertson (1968).
    """
    x, y = float(white_xy[0]), float(white_xy[1])
    scale = 1.5 - x + 6.0 * y
    if not (y > 0.0 and scale > 0.0):
        raise ValueError(f"({x}, {y}) is not the chromaticity of a light; y must be above 0")
    return _from_uv(2.0 * x / scale, 3.0 * y / scale)


def _from_uv(u: float, v: float) -> tuple[float, float]:
    """Temperature and tint from CIE 1960 uv: find the two lines that the point lies between, and interpolate."""
    distances = []
    for _, line_u, line_v, slope in _LINES:
        du, dv = _direction(slope)
        distances.append((v - line_v) * du - (u - line_u) * dv)
    right = next((i for i in range(1, len(_LINES)) if distances[i] <= 0.0), len(_LINES) - 1)
    before, after = distances[right - 1], -min(distances[right], 0.0)
    fraction = min(max(before / (before + after), 0.0), 1.0) if before + after != 0.0 else 1.0
    mired, locus_u, locus_v, du, dv = _between(right, fraction)
    tint = _TINT_PER_UV * ((u - locus_u) * du + (v - locus_v) * dv)
    return min(1e6 / max(mired, 1e-6), MAX_CCT_K), tint


def _between(right: int, fraction: float) -> tuple[float, float, float, float, float]:
    """Mired, locus point and line direction a `fraction` of the way from line `right` - 1 to line `right`."""
    left_mired, left_u, left_v, left_slope = _LINES[right - 1]
    right_mired, right_u, right_v, right_slope = _LINES[right]
    left_du, left_dv = _direction(left_slope)
    right_du, right_dv = _direction(right_slope)
    du = left_du + fraction * (right_du - left_du)
    dv = left_dv + fraction * (right_dv - left_dv)
    length = math.hypot(du, dv)
    return (
        left_mired + fraction * (right_mired - left_mired),
        left_u + fraction * (right_u - left_u),
        left_v + fraction * (right_v - left_v),
        du / length,
        dv / length,
    )


def cct_to_xy(cct_k: float, tint: float = 0.0) -> tuple[float, float]:
    """Chromaticity of a white of the given temperature and tint: the inverse of `xy_to_cct`.

    Args:
        cct_k: Kelvin; clamped to the table's 1667 K .. 1e6 K.
        tint: Adobe's tint, about -150..150; 0 is on the Planckian locus.

    Raises:
        ValueError: if the temperature is not positive.

    Source: Robertson (1968), inverted on the same lines.
    """
    if not cct_k > 0.0:
        raise ValueError(f"a colour temperature is positive, in kelvin, not {cct_k}; daylight is about 5500")
    mired = min(max(1e6 / cct_k, 1e6 / MAX_CCT_K), _LINES[-1][0])
    right = next(i for i in range(1, len(_LINES)) if mired <= _LINES[i][0])
    left_mired, right_mired = _LINES[right - 1][0], _LINES[right][0]
    _, u, v, du, dv = _between(right, (mired - left_mired) / (right_mired - left_mired))
    offset = tint / _TINT_PER_UV
    u, v = u + offset * du, v + offset * dv
    scale = u - 4.0 * v + 2.0
    return 1.5 * u / scale, v / scale
