"""Pictures to DNG files: `synthesise` photographs an RGB file, or leaf litter, with a simulated camera.

The file is a CFA DNG with all tags; the same arguments give the same file. Pictures of any size are made with little
more memory than their counts take.
"""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Union

import numpy as np
import torch
from torch import Tensor

from isp_ns.core.errors import DecodeError
from isp_ns.core.frame import Frame
from isp_ns.data.leaves import dead_leaves
from isp_ns.data.simulate import CameraArg, Shooting, camera_meta, expose
from isp_ns.io.write import write_image
from isp_ns.ops.transfer import encode_uint8

__all__ = ["MirrorTiles", "read_picture", "synthesise"]

PathArg = Union[str, "PathLike[str]"]

_LITTER_SIZE = (768, 1024)


@dataclass(frozen=True, eq=False)
class MirrorTiles:
    """A picture continued beyond its edges by its mirror images, handed out by rows.

    Attributes:
        picture: (3, h, w) integers or 0..1 floats.
        size: height and width of the whole.
    """

    picture: Tensor
    size: tuple[int, int]

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows (top, bottom) of the whole as (3, bottom - top, width) float32 in 0..1."""
        height, width = self.picture.shape[1:]
        band = self.picture[:, _mirrored(top, bottom, height)][:, :, _mirrored(0, self.size[1], width)]
        if band.dtype.is_floating_point:
            return band.float()
        return band.float() / float(torch.iinfo(band.dtype).max)


def _mirrored(start: int, stop: int, length: int) -> Tensor:
    """Places start..stop of a line that runs to and fro over 0..length - 1."""
    place = torch.arange(start, stop) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)


def read_picture(path: PathArg) -> Tensor:
    """Read an RGB picture: JPEG, PNG, WebP and others in 8 bits, PNG and TIFF in 16, TIFF in floating point.

    A grey picture gets three equal planes, transparency is left out, and the orientation of its EXIF is applied.
    The colour profile is not read; `Shooting.space` says what the numbers mean.

    Args:
        path: the file.

    Returns:
        (3, H, W) uint8, uint16 or float32.

    Raises:
        DecodeError: if the file is absent or not a picture.
    """
    import imagecodecs
    import tifffile
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            pixels = tifffile.imread(path)
        elif path.suffix.lower() == ".png":
            pixels = imagecodecs.png_decode(path.read_bytes())
        else:
            with Image.open(path) as image:
                pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, UnidentifiedImageError, tifffile.TiffFileError, imagecodecs.PngError) as error:
        raise DecodeError(
            f"{path}: cannot be read as a picture ({error}); give a JPEG, PNG, TIFF or WebP file"
        ) from error
    return _planes(pixels, path)


def _planes(pixels: np.ndarray, path: Path) -> Tensor:
    """(3, H, W) of pixels (H, W), (H, W, 1..4) of a type that torch computes with."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "uf" or pixels.dtype.itemsize > 8:
        raise DecodeError(f"{path}: an image of shape {pixels.shape} and type {pixels.dtype} is no RGB picture")
    pixels = np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[:, :, :3]
    kept = pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels
    return torch.from_numpy(np.ascontiguousarray(kept.transpose(2, 0, 1)))


def synthesise(
    rgb_path: PathArg | None,
    out_path: PathArg,
    *,
    camera: CameraArg = "fictitious-full-frame",
    iso: float = 100.0,
    cfa: str | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    shooting: Shooting | None = None,
) -> Frame:
    """Photograph a picture with a simulated camera and write the raw file.

    Args:
        rgb_path: the picture; None for leaf litter, which needs a `size`.
        out_path: the DNG file, uncompressed 16 bit.
        camera: a profile, its name among the shipped ones, or the path of its YAML file.
        iso: sensitivity; noise and levels follow it.
        cfa: four letters; RGGB if not given.
        seed: of the noise and of the leaf litter.
        size: height and width of the photograph, which the picture fills with its mirror images; None for the
            picture's own. Odd sides lose their last row or column.
        shooting: light, exposure, orientation.

    Returns:
        The frame that was written.

    Raises:
        DecodeError: if the picture cannot be read.
        FileNotFoundError: if there is no such camera.
        MetadataError: if its profile is wrong or lacks what a simulation needs.
        OutputError: if the file cannot be written.
        ValueError: if neither a picture nor a size is given, or the pattern is not a Bayer pattern.

    Source: Brooks et al. 2019 (arXiv 1811.11127); DNG 1.4.
    """
    shooting = shooting or Shooting()
    meta = camera_meta(camera, iso=iso, cfa=cfa, shooting=shooting)
    if rgb_path is None and size is None:
        raise ValueError("without a picture the size of the photograph is needed; give the one or the other")
    picture = encode_uint8(dead_leaves(_LITTER_SIZE, seed), "srgb") if rgb_path is None else read_picture(rgb_path)
    held = _held(picture, shooting.orientation)
    height, width = size or (held.shape[1], held.shape[2])
    tiles = MirrorTiles(held, (height - height % 2, width - width % 2))
    frame = expose(tiles.rows, tiles.size, meta, seed=seed, shooting=shooting)
    write_image(out_path, frame, format="dng")
    return frame


def _held(picture: Tensor, orientation: int) -> Tensor:
    """The picture as a camera sees it that is held so that EXIF `orientation` turns it upright."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 2)
    if orientation in (3, 4, 6, 7):
        picture = picture.flip(1)
    if orientation in (2, 3, 7, 8):
        picture = picture.flip(2)
    return picture
