"""Readers: from pictures, through a random camera, to what a head reads, always on the canonical grid.

`space` reads the neural space. `rendered` and `demosaic` read RGB from the same RAW, developed by the classical
pipeline or merely demosaicked, at the size that colours have in pooled features and padded to the same number of
channels: the same heads with the same number of parameters can be compared on all three.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.data.draw import raw_batch
from isp_ns.data.simulate import camera_matrices
from isp_ns.data.unprocess import quantise, spread
from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.encoding import encode_light
from isp_ns.nets.pooling import pool_features, pooled_channels, pooled_size
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.perception_recipe import Cameras

__all__ = ["Reader", "RgbReader", "SpaceReader", "Taken", "build_reader", "take"]

_NO_NOISE = (1e-7, 1e-6)
_RGB_CELL = 2
"""RGB is read at this multiple of the canonical grid, as the colours of pooled features are."""

_BLACK, _WHITE = 1024.0, 16383.0


class Reader(Protocol):
    """Makes what a head reads."""

    channels: int

    def read(self, pictures: Tensor, rng: Generator) -> Tensor:
        """Gamma-coded pictures (B, 3, H, W) in 0..1 to features (B, channels, rows, columns)."""
        ...


@dataclass(frozen=True)
class Taken:
    """RAW of one picture, as a developer gets it.

    Attributes:
        mosaic: (1, 1, H, W) black 0, sensor's white 1, before white balance, not clipped at 0.
        pattern: CFA at the first pixel.
        neutral: (3,) camera RGB of a neutral object, as the file tells it.
        matrix: (3, 3) linear sRGB to balanced camera RGB.
        noise: (scale, offset) of R, G, B.
    """

    mosaic: Tensor
    pattern: str
    neutral: Tensor
    matrix: Tensor
    noise: tuple[tuple[float, float], ...]

    @property
    def balanced(self) -> Tensor:
        """The mosaic after white balance."""
        size = (self.mosaic.shape[-2], self.mosaic.shape[-1])
        return self.mosaic / spread(self.neutral, self.pattern, size)

    @property
    def balanced_noise(self) -> tuple[tuple[float, float], ...]:
        """The noise model after white balance."""
        gains = (1 / self.neutral).tolist()
        return tuple((s * gain, o * gain**2) for (s, o), gain in zip(self.noise, gains, strict=True))


def _uniform(rng: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def take(picture: Tensor, cameras: Cameras, matrices: Tensor, rng: Generator) -> Taken:
    """Photograph one picture with a random camera.

    Args:
        picture: (1, 3, H, W), gamma-coded in 0..1.
        cameras: what may be drawn.
        matrices: (N, 3, 3) colour of known cameras.
        rng: the source of randomness.

    Source: Brooks et al. 2019 (arXiv 1811.11127), as in `isp_ns.data.draw`.
    """
    pattern = cameras.patterns[int(torch.randint(len(cameras.patterns), (), generator=rng))]
    exposed = (picture * 2.0 ** (_uniform(rng, *cameras.exposure_ev) / 2.2)).clamp_(max=1.0)
    clean = float(torch.rand((), generator=rng)) < cameras.clean
    raw = raw_batch(exposed, matrices, rng, pattern=pattern, scale_range=_NO_NOISE if clean else cameras.noise)
    error = math.log(1 + cameras.balance_error)
    wrong = torch.tensor([math.exp(_uniform(rng, -error, error)), 1.0, math.exp(_uniform(rng, -error, error))])
    # What is told of a clean picture is that it has no noise at all, which spares the denoiser's time.
    pairs = torch.stack([raw.scale[0], raw.offset[0]], 1).mul(0 if clean else 1).tolist()
    noise = tuple((s, o) for s, o in pairs)
    return Taken(raw.mosaic, pattern, raw.neutral[0] * wrong, raw.matrix[0], noise)


class SpaceReader:
    """Features of the neural space, denoised with the noise that the file tells, pooled to the canonical grid.

    Args:
        space: frozen.
        cameras: what may be drawn.

    Source: see `isp_ns.nets.pooling`.
    """

    def __init__(self, space: NeuralSpace, cameras: Cameras) -> None:
        self.space, self.cameras = space, cameras
        self.channels = pooled_channels(space.spec.z_b, space.spec.z_t)
        self._matrices = camera_matrices(list(cameras.profiles) or None)

    def read(self, pictures: Tensor, rng: Generator) -> Tensor:
        """See `Reader`."""
        return torch.cat([self._read(picture[None], rng) for picture in pictures])

    def _read(self, picture: Tensor, rng: Generator) -> Tensor:
        raw = take(picture, self.cameras, self._matrices, rng)
        z_b, z_t = self.space.encode(raw.balanced, pattern=raw.pattern)
        z_b, z_t = self.space.denoise(z_b, z_t, raw.balanced_noise, pattern=raw.pattern)
        return pool_features(z_b, z_t, size_px=(picture.shape[-2], picture.shape[-1]), space=self.space)


class RgbReader:
    """RGB from the same RAW, packed to the canonical grid and padded with empty channels.

    Args:
        develop: "rendered" (the pipeline `classic`) or "demosaic" (Malvar's, camera colours, square-root coded).
        channels: how many channels heads read.
        cameras: what may be drawn.

    Raises:
        ValueError: if there are fewer channels than the packed pixels of a cell.

    Source: pixel shuffling (Shi et al. 2016).
    """

    def __init__(self, develop: str, channels: int, cameras: Cameras) -> None:
        if channels < PACKED_RGB:
            raise ValueError(f"packed RGB has {PACKED_RGB} channels, which {channels} do not hold")
        self.channels, self.cameras = channels, cameras
        self._develop = {"rendered": _rendered, "demosaic": _demosaicked}[develop]
        self._matrices = camera_matrices(list(cameras.profiles) or None)

    def read(self, pictures: Tensor, rng: Generator) -> Tensor:
        """See `Reader`."""
        grid = pooled_size(pictures.shape[-2], pictures.shape[-1])
        size = (grid[0] * _RGB_CELL, grid[1] * _RGB_CELL)
        parts = []
        for picture in pictures:
            rgb = self._develop(take(picture[None], self.cameras, self._matrices, rng))
            if (rgb.shape[-2], rgb.shape[-1]) != size:
                rgb = F.interpolate(rgb, size, mode="bilinear", antialias=True, align_corners=False)
            parts.append(F.pixel_unshuffle(rgb, _RGB_CELL))
        packed = torch.cat(parts)
        return F.pad(packed, (0, 0, 0, 0, 0, self.channels - packed.shape[1]))


def _demosaicked(raw: Taken) -> Tensor:
    from isp_ns.ops.demosaic import malvar

    return encode_light(malvar(raw.balanced[0], raw.pattern)[None], "sqrt")


def _rendered(raw: Taken) -> Tensor:
    from isp_ns.core.frame import Frame
    from isp_ns.core.meta import Cfa, Meta
    from isp_ns.io.pipelines import load_pipeline

    to_srgb = tuple(tuple(row) for row in torch.linalg.inv(raw.matrix.double()).tolist())
    meta = Meta(
        cfa=Cfa(raw.pattern),
        black=((_BLACK,),),
        white=(_WHITE,),
        as_shot_neutral=tuple(raw.neutral.tolist()),  # type: ignore[arg-type]
        camera_to_srgb=to_srgb,  # type: ignore[arg-type]
        noise=raw.noise,  # type: ignore[arg-type]
    )
    counts = quantise(raw.mosaic[0], _BLACK, _WHITE)
    image: Tensor = load_pipeline("classic").run(raw=Frame(counts, meta), want=["image"])["image"].data
    return image[None] / torch.iinfo(image.dtype).max


def build_reader(name: str, space: NeuralSpace, cameras: Cameras) -> Reader:
    """A reader by its name.

    Args:
        name: one of `isp_ns.train.perception_recipe.INPUTS`.
        space: of the features; the others take its number of channels.
        cameras: what may be drawn.
    """
    if name == "space":
        return SpaceReader(space, cameras)
    return RgbReader(name, pooled_channels(space.spec.z_b, space.spec.z_t), cameras)


def fixed_camera(noise_scale: float, *, patterns: Sequence[str] = ("RGGB",), exposure_ev: float = 0.0) -> Cameras:
    """A camera at one sensitivity and exposure, for scoring; scale 0 has no noise."""
    noise = (noise_scale, noise_scale) if noise_scale > 0 else _NO_NOISE
    clean = 0.0 if noise_scale > 0 else 1.0
    return Cameras(clean=clean, noise=noise, exposure_ev=(exposure_ev, exposure_ev), patterns=tuple(patterns))
