"""Simulated cameras: a picture in, the raw frame that a camera would have recorded out, with the truth beside it.

A camera is a profile of `calibration/profiles`; what is not a camera's property (light, exposure) is a `Shooting`.
Work goes in bands of rows of fixed height, so that a picture of any size needs little memory, and the same seed gives
the same counts whether or not the truth is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Union

import torch
from torch import Generator, Tensor

from isp_ns import content
from isp_ns.core.errors import MetadataError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, GainMap, Meta
from isp_ns.data.unprocess import (
    brighten_highlights,
    camera_colour,
    display_to_linear,
    mosaic,
    quantise,
    sensor_noise,
    spread,
    within_gamut,
)
from isp_ns.io.profile import Profile, load_profile, merge_profile
from isp_ns.ops.dng_colour import camera_neutral, camera_to_space
from isp_ns.ops.shading import apply_gain_map
from isp_ns.ops.spaces import get_space
from isp_ns.ops.temperature import cct_to_xy

__all__ = ["CameraArg", "Shooting", "Shot", "camera_matrices", "camera_meta", "expose", "simulate"]

CameraArg = Union[Profile, str, "PathLike[str]"]
"""A camera: a profile, its name among the shipped ones, or the path of its YAML file."""

BAND_ROWS = 256
"""Rows that are simulated at once; part of what a seed means."""

SHOT_DATETIME = "2024:01:01 12:00:00"
"""When all simulated photographs were taken, so that files repeat to the byte."""


@dataclass(frozen=True, kw_only=True)
class Shooting:
    """How a simulated photograph is taken.

    Attributes:
        cct_k: colour temperature of the scene's light, kelvin.
        tint: its tint; daylight has 10.
        exposure_ev: stops added to the light; at 0 the display's white just reaches the sensor's.
        headroom_ev: stops by which the sensor is spared, told to the developer as baseline exposure.
        highlight_ev: stops that the picture's white is brightened by, so that highlights clip.
        undo_tone: undo an S-shaped tone curve of the picture.
        photons: Poisson and Gaussian noise instead of one Gaussian.
        noise: False for a clean sensor; counts are rounded all the same.
        space: RGB space of the picture, a name of `isp_ns.ops.spaces.SPACES`.
        orientation: EXIF orientation 1..8 in which the camera was held; the file says how to turn it back.
    """

    cct_k: float = 5500.0
    tint: float = 10.0
    exposure_ev: float = 0.0
    headroom_ev: float = 0.0
    highlight_ev: float = 0.0
    undo_tone: bool = False
    photons: bool = False
    noise: bool = True
    space: str = "srgb"
    orientation: int = 1

    def __post_init__(self) -> None:
        get_space(self.space)
        if self.orientation not in range(1, 9):
            raise ValueError(f"orientation {self.orientation} is none of EXIF's 1 to 8")


@dataclass(frozen=True, eq=False)
class Shot:
    """A simulated photograph and its truth; all three have the sensor's geometry.

    Attributes:
        frame: (1, H, W) uint16 counts with full metadata.
        camera_rgb: (3, H, W) noise-free linear camera RGB before white balance, 1 at the sensor's white, not clipped,
            without lens shading: what a perfect correction of the mosaic gives.
        linear_rgb: (3, H, W) linear RGB of the picture's primaries with the exposure, not clipped: what a perfect
            development gives. Colours that the camera cannot see are less saturated than in the picture.
    """

    frame: Frame
    camera_rgb: Tensor
    linear_rgb: Tensor


def camera_meta(
    camera: CameraArg, *, iso: float = 100.0, cfa: str | None = None, shooting: Shooting | None = None
) -> Meta:
    """What the metadata of a simulated photograph says; gain maps are added when the size is known.

    Args:
        camera: the camera.
        iso: sensitivity.
        cfa: four letters; RGGB if not given.
        shooting: light and exposure.

    Raises:
        ValueError: if the pattern is not a Bayer pattern, or the light lies outside what the camera can see.
        FileNotFoundError: if there is no such camera; the message lists those that there are.
        MetadataError: if its profile is wrong or lacks what a simulation needs.

    Source: DNG 1.4, chapter 6, for the neutral of the light.
    """
    shooting = shooting or Shooting()
    profile = camera if isinstance(camera, Profile) else load_profile(camera)
    if not (profile.levels and profile.matrices):
        raise MetadataError(f"the profile of {profile.model} cannot be simulated: it needs levels and matrices")
    meta = merge_profile(Meta(iso=float(iso), make=profile.make), profile)
    red, green, blue = camera_neutral(cct_to_xy(shooting.cct_k, shooting.tint), meta.calibrations).tolist()
    return meta.with_values(
        "user",
        make=profile.make,
        model=profile.model if profile.fictitious else f"{profile.model} (simulated)",
        iso=float(iso),
        cfa=Cfa(cfa or "RGGB"),
        as_shot_neutral=(red, green, blue),
        baseline_exposure_ev=shooting.headroom_ev,
        orientation=shooting.orientation,
        exposure_s=round(1.0 / (0.6 * iso), 6),
        aperture=4.0,
        focal_mm=35.0,
        datetime=SHOT_DATETIME,
    )


def camera_matrices(cameras: list[str] | None = None, shooting: Shooting | None = None) -> Tensor:
    """Colour of known cameras, for `isp_ns.data.draw`: linear RGB to balanced camera RGB.

    Args:
        cameras: names or paths of profiles; None for all that ship.
        shooting: the light, and the RGB space of the pictures.

    Returns:
        (N, 3, 3) float32, rows summing to 1.

    Source: DNG 1.4, chapter 6, inverted.
    """
    names = content.names("calibration/profiles") if cameras is None else cameras
    shooting = shooting or Shooting()
    return torch.stack([_to_camera(camera_meta(name, shooting=shooting), shooting) for name in names]).float()


def _to_camera(meta: Meta, shooting: Shooting) -> Tensor:
    """(3, 3) from linear RGB of the picture's space to balanced camera RGB: what a DNG reader does, inverted."""
    neutral = meta.as_shot_neutral or (1.0, 1.0, 1.0)
    return camera_to_space(shooting.space, neutral, meta.calibrations).matrix.inverse()


def expose(
    rows: Callable[[int, int], Tensor],
    size: tuple[int, int],
    meta: Meta,
    *,
    seed: int = 0,
    shooting: Shooting | None = None,
) -> Frame:
    """Photograph a picture that is handed out by rows; only the counts are held whole.

    Args:
        rows: gives rows (top, bottom) of the picture as (3, bottom - top, W) in 0..1.
        size: height and width in pixels.
        meta: the camera and the shot, from `camera_meta` with the same `shooting`.
        seed: of the noise.
        shooting: light and exposure.

    Returns:
        (1, H, W) uint16 counts with their metadata.

    Raises:
        ValueError: if the picture has no area.

    Source: Brooks et al. 2019, section 3; DNG 1.4, chapter 5.
    """
    if min(size) < 2:
        raise ValueError(f"a picture of {size[0]}x{size[1]} pixels has no room for a 2x2 colour filter array")
    shooting = shooting or Shooting()
    meta = _with_shading_as_gain_maps(meta, size)
    counts = torch.empty((1, *size), dtype=torch.uint16)
    for band in _bands(rows, size, meta, seed, shooting):
        counts[:, band.top : band.top + band.counts.shape[1]] = band.counts
    return Frame(counts, meta)


def simulate(
    picture: Tensor,
    camera: CameraArg = "fictitious-full-frame",
    *,
    iso: float = 100.0,
    cfa: str | None = None,
    seed: int = 0,
    shooting: Shooting | None = None,
) -> Shot:
    """Photograph a picture with a simulated camera.

    Args:
        picture: (3, H, W) in 0..1, encoded for `shooting.space`; linear pictures may go above 1.
        camera: a profile, its name, or the path of its file.
        iso: sensitivity; noise and levels of the profile follow it.
        cfa: four letters; RGGB if not given.
        seed: of the noise.
        shooting: light and exposure.

    Returns:
        Counts, metadata and truth, on the picture's device.

    Raises:
        ValueError: if the picture is not (3, H, W).
        FileNotFoundError: if there is no such camera.
        MetadataError: if its profile is wrong or lacks what a simulation needs.

    Source: Brooks et al. 2019, section 3; DNG 1.4, chapters 5 and 6.
    """
    if picture.dim() != 3 or picture.shape[0] != 3:
        raise ValueError(f"a picture is (3, H, W), got shape {tuple(picture.shape)}")
    shooting = shooting or Shooting()
    size = (picture.shape[1], picture.shape[2])
    meta = _with_shading_as_gain_maps(camera_meta(camera, iso=iso, cfa=cfa, shooting=shooting), size)
    bands = list(_bands(lambda top, bottom: picture[:, top:bottom], size, meta, seed, shooting))
    frame = Frame(torch.cat([band.counts for band in bands], dim=1), meta)
    truths = (torch.cat([getattr(band, name) for band in bands], dim=1) for name in ("camera_rgb", "linear_rgb"))
    return Shot(frame, *truths)


@dataclass(frozen=True, eq=False)
class _Band:
    """Rows of a shot from `top` on."""

    top: int
    counts: Tensor
    camera_rgb: Tensor
    linear_rgb: Tensor


def _bands(
    rows: Callable[[int, int], Tensor], size: tuple[int, int], meta: Meta, seed: int, shooting: Shooting
) -> Iterator[_Band]:
    """The shot, band by band from the top; the noise of a band depends on the seed and the bands above."""
    matrix = _to_camera(meta, shooting)
    neutral = torch.tensor(meta.as_shot_neutral, dtype=torch.float64) * 2.0**-shooting.headroom_ev
    generator: Generator | None = None
    for top in range(0, size[0], BAND_ROWS):
        picture = rows(top, min(top + BAND_ROWS, size[0])).float()[None]
        if generator is None:
            generator = torch.Generator(picture.device).manual_seed(seed)
        linear = display_to_linear(picture, shooting.space, undo_tone=shooting.undo_tone)
        linear = brighten_highlights(linear, shooting.highlight_ev) * 2.0**shooting.exposure_ev
        linear = within_gamut(linear.clamp_(min=0.0), matrix)
        camera = camera_colour(linear, matrix.to(linear), neutral.to(linear))
        yield _Band(top, _record(camera, top, size, meta, shooting, generator)[0], camera[0], linear[0])


def _record(
    camera: Tensor, top: int, size: tuple[int, int], meta: Meta, shooting: Shooting, generator: Generator
) -> Tensor:
    """Counts (1, 1, h, W) of camera RGB (1, 3, h, W) that starts at row `top`: filters, lens, noise, converter."""
    pattern, extent = str(meta.cfa), (camera.shape[2], camera.shape[3])
    light = mosaic(camera, pattern) / _shading_gain(meta, top, extent, size).to(camera)
    black = _tile(meta.black, top, extent).to(camera)
    white = spread(torch.tensor([meta.white[i % len(meta.white)] for i in range(3)]), pattern, extent).to(camera)
    if shooting.noise and meta.noise is not None:
        scale, offset = (
            spread(torch.tensor(each), pattern, extent).to(camera) for each in zip(*meta.noise, strict=True)
        )
        # What rounding to counts adds by itself is part of a measured model.
        read = offset - 1.0 / (12.0 * (white - black).square())
        light = sensor_noise(light, scale, read.clamp_(min=0.0), photons=shooting.photons, generator=generator)
    return quantise(light, black, white)


def _tile(pattern: tuple[tuple[float, ...], ...], top: int, size: tuple[int, int]) -> Tensor:
    """(1, 1, H, W) of a pattern that repeats from the frame's first pixel, from row `top` on."""
    cell = torch.tensor(pattern).roll(-top, dims=0)
    height, width = size
    return cell.repeat(-(-height // cell.shape[0]), -(-width // cell.shape[1]))[None, None, :height, :width]


def _with_shading_as_gain_maps(meta: Meta, size: tuple[int, int]) -> Meta:
    """Shading as a DNG file tells it: one gain map for each place of the mosaic."""
    if meta.shading is None or meta.cfa is None:
        return meta
    planes = meta.shading
    spacing = 1.0 / (planes.shape[1] - 1), 1.0 / (planes.shape[2] - 1)
    index = range(4) if len(planes) == 4 else [colour for colour, _, _ in meta.cfa.planes()]
    maps = tuple(
        GainMap((i // 2, i % 2, *size), (2, 2), 0, 1, (0.0, 0.0), spacing, planes[plane][:, :, None])
        for i, plane in enumerate(index)
    )
    return meta.with_values("profile", shading=None, gain_maps=maps)


def _shading_gain(meta: Meta, top: int, extent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(1, h, W) gains that undo the lens shading of the rows from `top` on; 1 where there are no maps."""
    gains = torch.ones(1, *extent)
    for each in meta.gain_maps:
        gains = apply_gain_map(
            gains,
            each.gains,
            area=each.area,
            pitch=each.pitch,
            plane=each.plane,
            planes=each.planes,
            map_origin=each.origin,
            map_spacing=each.spacing,
            origin=(top, 0),
            full_size=size,
        )
    return gains
