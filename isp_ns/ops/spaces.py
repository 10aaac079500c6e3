"""RGB spaces: their primaries, white points and transfer functions, and the matrices between them.

Matrices are derived from the chromaticities that the standards print, in double precision, so that the neutral of
every space maps exactly onto its white; the rounded matrices of the standards miss it by up to 1e-4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

__all__ = [
    "D50_XY",
    "D65_XY",
    "SPACES",
    "TRANSFERS",
    "RgbSpace",
    "Transfer",
    "adaptation_matrix",
    "get_space",
    "luminance_weights",
    "rgb_to_rgb_matrix",
    "rgb_to_xyz_matrix",
    "white_xyz",
    "xyz_to_rgb_matrix",
]

Xy = tuple[float, float]

D50_XY: Xy = (0.3457, 0.3585)
"""CIE D50, the white of the DNG connection space and of ROMM RGB. Source: ISO 22028-2; DNG 1.4, chapter 6."""

D65_XY: Xy = (0.3127, 0.3290)
"""CIE D65, four digits as the RGB standards print it. Source: IEC 61966-2-1; ITU-R BT.2020."""

_ACES_WHITE_XY: Xy = (0.32168, 0.33767)


@dataclass(frozen=True)
class Transfer:
    """A transfer function of the usual shape: a straight line near black, a power law above it.

    encoded = slope · x for x ≤ knee, else scale · x^exponent − offset, for linear x in 0..1.

    Source: the common form of IEC 61966-2-1, ITU-R BT.2020 and ISO 22028-2.
    """

    slope: float
    knee: float
    scale: float
    exponent: float
    offset: float


TRANSFERS: dict[str, Transfer | None] = {
    "linear": None,
    "srgb": Transfer(slope=12.92, knee=0.0031308, scale=1.055, exponent=1 / 2.4, offset=0.055),
    "rec2020": Transfer(
        slope=4.5, knee=0.018053968510807, scale=1.09929682680944, exponent=0.45, offset=0.09929682680944
    ),
    "romm": Transfer(slope=16.0, knee=1 / 512, scale=1.0, exponent=1 / 1.8, offset=0.0),
}
"""Transfer functions by name; None stands for no encoding.

Source: IEC 61966-2-1 (srgb); ITU-R BT.2020-2, table 4, with its constants solved to 15 digits (rec2020);
ISO 22028-2, ROMM RGB (romm).
"""


@dataclass(frozen=True)
class RgbSpace:
    """An RGB space: xy of its red, green and blue primaries and of its white, and the name of its transfer.

    Source: the standards named at `SPACES`.
    """

    name: str
    primaries_xy: tuple[Xy, Xy, Xy]
    white_xy: Xy
    transfer: str


def _space(name: str, red: Xy, green: Xy, blue: Xy, white: Xy, transfer: str) -> dict[str, RgbSpace]:
    """The encoded space and its linear twin, or the one space if it is linear by nature."""
    spaces = {name: RgbSpace(name, (red, green, blue), white, transfer)}
    if transfer != "linear":
        twin = f"linear-{name}"
        spaces[twin] = RgbSpace(twin, (red, green, blue), white, "linear")
    return spaces


SPACES: dict[str, RgbSpace] = {
    **_space("srgb", (0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65_XY, "srgb"),
    **_space("display-p3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65_XY, "srgb"),
    **_space("rec2020", (0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65_XY, "rec2020"),
    **_space("prophoto", (0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), D50_XY, "romm"),
    **_space("aces", (0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.0770), _ACES_WHITE_XY, "linear"),
    **_space("acescg", (0.713, 0.293), (0.165, 0.830), (0.128, 0.044), _ACES_WHITE_XY, "linear"),
}
"""RGB spaces by name; `linear-NAME` has the primaries of NAME and no encoding; the ACES spaces are linear.

Source: IEC 61966-2-1 (srgb); SMPTE EG 432-1 with the sRGB curve (display-p3); ITU-R BT.2020-2 (rec2020);
ISO 22028-2 (prophoto); SMPTE ST 2065-1 (aces); Academy S-2014-004 (acescg).
"""

_CONE_RESPONSES = {
    "bradford": ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)),
    "cat16": ((0.401288, 0.650173, -0.051461), (-0.250268, 1.204414, 0.045854), (-0.002079, 0.048952, 0.953127)),
    "xyz": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}


def get_space(name: str) -> RgbSpace:
    """The RGB space called `name`.

    Raises:
        ValueError: if there is none; the message lists the names.

    Source: none; table look-up.
    """
    if name not in SPACES:
        raise ValueError(f"there is no RGB space {name!r}; choose one of {', '.join(SPACES)}")
    return SPACES[name]


def white_xyz(white_xy: Sequence[float]) -> Tensor:
    """XYZ of a chromaticity, with Y = 1. Returns (3,) float64.

    Raises:
        ValueError: if y is not positive.

    Source: CIE 15:2004, definition of chromaticity.
    """
    x, y = float(white_xy[0]), float(white_xy[1])
    if not y > 0.0:
        raise ValueError(f"chromaticity ({x}, {y}) has no light in it: y must be above 0")
    return torch.tensor([x / y, 1.0, (1.0 - x - y) / y], dtype=torch.float64)


def adaptation_matrix(from_xy: Sequence[float], to_xy: Sequence[float], method: str = "bradford") -> Tensor:
    """Linear von Kries adaptation of XYZ from one white to another.

    Args:
        from_xy: Chromaticity of the white that the colours were seen under.
        to_xy: Chromaticity of the white to adapt to.
        method: Cone responses: "bradford", "cat16" (complete adaptation) or "xyz".

    Returns:
        (3, 3) float64.

    Raises:
        ValueError: if the method is unknown.

    Source: Lam (1985) as in ICC.1:2010, annex E (bradford); Li et al. (2017), CAM16 (cat16).
    """
    if method not in _CONE_RESPONSES:
        raise ValueError(f"there is no adaptation {method!r}; choose one of {', '.join(_CONE_RESPONSES)}")
    cones = torch.tensor(_CONE_RESPONSES[method], dtype=torch.float64)
    gains = (cones @ white_xyz(to_xy)) / (cones @ white_xyz(from_xy))
    return cones.inverse() @ (gains[:, None] * cones)


@cache
def _to_xyz(space: RgbSpace) -> Tensor:
    """The matrix behind `rgb_to_xyz_matrix`; shared, so never handed out itself."""
    columns = torch.stack(
        [torch.tensor([x, y, 1.0 - x - y], dtype=torch.float64) for x, y in space.primaries_xy], dim=1
    )
    return columns * (columns.inverse() @ white_xyz(space.white_xy))


def rgb_to_xyz_matrix(space: str) -> Tensor:
    """Linear RGB of `space` to XYZ relative to the white of that space. Returns (3, 3) float64.

    Source: SMPTE RP 177.
    """
    return _to_xyz(get_space(space)).clone()


def xyz_to_rgb_matrix(space: str) -> Tensor:
    """XYZ relative to the white of `space` to its linear RGB. Returns (3, 3) float64.

    Source: SMPTE RP 177.
    """
    return rgb_to_xyz_matrix(space).inverse()


def rgb_to_rgb_matrix(source: str, target: str, method: str = "bradford") -> Tensor:
    """Linear RGB of one space to linear RGB of another, white onto white. Returns (3, 3) float64.

    Source: SMPTE RP 177; adaptation as `adaptation_matrix`.
    """
    whites = get_space(source).white_xy, get_space(target).white_xy
    return xyz_to_rgb_matrix(target) @ adaptation_matrix(*whites, method) @ rgb_to_xyz_matrix(source)


def luminance_weights(space: str) -> tuple[float, float, float]:
    """Weights of linear R, G and B in the luminance Y; they sum to 1.

    Source: SMPTE RP 177.
    """
    red, green, blue = rgb_to_xyz_matrix(space)[1].tolist()
    return red, green, blue
