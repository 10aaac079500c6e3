"""The neural space as one object: two encoders, the denoiser and the decoder, built by name.

z_b (H/2) holds detail, z_t (H/4) structure. The first 12 channels of z_b are packed RGB, a first estimate of the
picture in the encoded domain; all other channels are learned.
"""

import copy
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.decoder import RgbDecoder
from isp_ns.nets.denoise import SpaceDenoiser
from isp_ns.nets.encoder import RawEncoder, RgbEncoder
from isp_ns.nets.encoding import decode_light, encode_light, noise_maps, noise_tensors
from isp_ns.nets.layers import channels_last, mirror_

__all__ = ["SPECS", "NeuralSpace", "SpaceSpec", "build_space", "pad_to_cells"]

_ORIENTING = threading.Lock()
"""Tiles run in threads, and the first ones ask for the same twin at the same time."""

_MIRRORS = {"RGGB": (False, False), "GRBG": (False, True), "GBRG": (True, False), "BGGR": (True, True)}


@dataclass(frozen=True)
class SpaceSpec:
    """The sizes of a neural space. All widths are channel counts.

    Attributes:
        z_b: channels of z_b at H/2.
        z_t: channels of z_t at H/4.
        width_b: trunk width at H/2, in the encoders and in the decoder.
        blocks_b: residual blocks at H/2 in E_raw.
        blocks_t: residual blocks at H/4 in E_raw.
        rgb_blocks: residual blocks at each scale in E_rgb.
        decoder_convs: 3×3 convolutions of the decoder between the merge and the head.
        denoise_b: hidden width of the denoiser at H/2.
        denoise_t: hidden width of the denoiser at H/4.
        decoder_width: width of those convolutions of the decoder; `width_b` where it is 0.
        denoise_far: width between the dilated convolutions of the denoiser at H/4; there are none where it is 0.
    """

    z_b: int
    z_t: int
    width_b: int
    blocks_b: int
    blocks_t: int
    rgb_blocks: int
    decoder_convs: int
    denoise_b: int
    denoise_t: int
    decoder_width: int = 0
    denoise_far: int = 0


SPECS: dict[str, SpaceSpec] = {
    "ns-lite": SpaceSpec(32, 48, 32, 1, 2, 1, 1, 16, 32, 16),
    "ns-base": SpaceSpec(64, 64, 64, 1, 3, 1, 2, 48, 64, 64, 24),
}
"""The shipped sizes: `ns-lite` for processors, `ns-base` with the 64 + 64 channels of the paper.

Source: Shared Neural Space (arXiv 2509.20481) for the interface of `ns-base`."""


def pad_to_cells(x: Tensor, cell: int = 4) -> Tensor:
    """Mirror the picture at its lower and right edge up to multiples of `cell`; the CFA phase is kept.

    Args:
        x: (B, C, H, W), at least `cell` pixels on each side.
        cell: even number of pixels.

    Raises:
        ValueError: if the picture is smaller than a cell.

    Source: mirroring about the edge sample keeps the parity of rows and columns.
    """
    height, width = x.shape[-2:]
    down, right = -height % cell, -width % cell
    if height < cell or width < cell:
        raise ValueError(f"a picture of {height}×{width} pixels is smaller than {cell}×{cell}")
    return F.pad(x, (0, right, 0, down), mode="reflect") if down or right else x


class NeuralSpace(nn.Module):
    """E_rgb, E_raw, denoise and D_rgb of one space, with what an inference needs around them.

    Pictures are batches (B, C, H, W) of linear light, any size of at least 4×4; `encoding` says how light is presented
    to the networks (`sqrt`), or that the picture is gamma-coded already (`identity`). A tile needs
    `isp_ns.nets.counters.receptive_field(...)` pixels of context and an origin at multiples of 4.

    Args:
        spec: sizes.
        space_id: name of the space; heads are bound to it.
    """

    def __init__(self, spec: SpaceSpec, space_id: str) -> None:
        super().__init__()
        self.spec = spec
        self.space_id = space_id
        sizes = (spec.width_b, spec.z_b, spec.z_t)
        self.e_raw = RawEncoder(*sizes, spec.blocks_b, spec.blocks_t)
        self.e_rgb = RgbEncoder(*sizes, spec.rgb_blocks, spec.rgb_blocks)
        self.d_rgb = RgbDecoder(*sizes, spec.decoder_convs, spec.decoder_width or spec.width_b)
        self.denoiser = SpaceDenoiser(spec.z_b, spec.z_t, spec.denoise_b, spec.denoise_t, spec.denoise_far)
        self._oriented: dict[str, NeuralSpace] = {}

    def oriented(self, pattern: str) -> "NeuralSpace":
        """This space for mosaics that begin with `pattern`: kernels mirrored once, kept, and shared afterwards.

        Call it on weights that do not change any more.

        Raises:
            ValueError: if the pattern is not a Bayer pattern.
        """
        if pattern not in _MIRRORS:
            raise ValueError(f"{pattern!r} is not a Bayer pattern; use one of {', '.join(_MIRRORS)}")
        if pattern == "RGGB":
            return self
        with _ORIENTING:
            if pattern not in self._oriented:
                twin = copy.deepcopy(self).requires_grad_(False)
                twin.clear_oriented()
                mirror_(twin, *_MIRRORS[pattern])
                self._oriented[pattern] = channels_last(twin)
            return self._oriented[pattern]

    def clear_oriented(self) -> None:
        """Forget the mirrored twins; needed after the weights have changed."""
        self._oriented = {}

    def encode(self, mosaic: Tensor, *, pattern: str = "RGGB", encoding: str = "sqrt") -> tuple[Tensor, Tensor]:
        """A mosaic (B, 1, H, W) into the space: z_b (B, z_b, ⌈H/4⌉·2, ⌈W/4⌉·2) and z_t at half of that.

        Raises:
            ValueError: for an unknown pattern or encoding, or a picture below 4×4.
        """
        z_b, z_t = self.oriented(pattern).e_raw(encode_light(pad_to_cells(mosaic), encoding))
        return z_b, z_t

    def encode_rgb(self, rgb: Tensor, *, encoding: str = "sqrt") -> tuple[Tensor, Tensor]:
        """An RGB picture (B, 3, H, W) into the space, as `encode` does for a mosaic.

        Raises:
            ValueError: for an unknown encoding, or a picture below 4×4.
        """
        z_b, z_t = self.e_rgb(encode_light(pad_to_cells(rgb), encoding))
        return z_b, z_t

    def denoise(
        self,
        z_b: Tensor,
        z_t: Tensor,
        noise: Sequence[Sequence[float]],
        *,
        strength: float = 1.0,
        pattern: str = "RGGB",
        encoding: str = "sqrt",
    ) -> tuple[Tensor, Tensor]:
        """Denoise features by a noise model.

        Args:
            z_b: detail features.
            z_t: structure features.
            noise: (scale, offset) for R, G, B: variance = scale · x + offset of linear x in 0..1.
            strength: multiplies the standard deviation; 0 returns the features unchanged.
            pattern: the pattern the features were encoded with.
            encoding: the encoding they were encoded with.

        Raises:
            ValueError: for a noise model that is not three pairs of values ≥ 0, or unknown names.
        """
        scale, offset = noise_tensors(noise, strength)
        if not bool(scale.any() or offset.any()):
            return z_b, z_t
        maps = noise_maps(z_b, scale, offset, encoding)
        z_b, z_t = self.oriented(pattern).denoiser(z_b, z_t, maps)
        return z_b, z_t

    def decode(
        self, z_b: Tensor, z_t: Tensor, *, size: tuple[int, int], pattern: str = "RGGB", encoding: str = "sqrt"
    ) -> Tensor:
        """Features to RGB (B, 3, H, W) of the given size in pixels, linear light, unclipped.

        Raises:
            ValueError: for an unknown pattern or encoding.
        """
        rgb = self.oriented(pattern).d_rgb(z_b, z_t)[..., : size[0], : size[1]]
        return decode_light(rgb, encoding)

    def sizes(self) -> dict[str, int]:
        """The spec as a plain dictionary, for cards."""
        return asdict(self.spec)


def build_space(name: str, space_id: str | None = None) -> NeuralSpace:
    """A space of a shipped size with fresh weights, channels last.

    Args:
        name: a key of `SPECS`.
        space_id: name of the space; `name` if left out.

    Raises:
        ValueError: for an unknown name.

    Source: the sizes are our own; see `SPECS`.
    """
    if name not in SPECS:
        raise ValueError(f"there is no neural space {name!r}; known: {', '.join(SPECS)}")
    return channels_last(NeuralSpace(SPECS[name], space_id or name))
