"""Pictures to DNG files: `synthesise` photographs an RGB file, or leaf litter, with a simulated camera.

The file is a CFA DNG with all tags; the same arguments give the same file. Pictures of any size are made with little
more memory than their counts take.
"""

from dataclasses import dataclass, replace
from os import PathLike
from typing import Union

import torch
from torch import Tensor

from isp_ns.core.frame import Frame
from isp_ns.data.leaves import dead_leaves
from isp_ns.data.simulate import CameraArg, Shooting, camera_meta, expose
from isp_ns.io.read import read_image
from isp_ns.io.write import write_image
from isp_ns.ops.transfer import encode

__all__ = ["MirrorTiles", "synthesise"]

PathArg = Union[str, "PathLike[str]"]

_LITTER_SIZE = (768, 1024)


@dataclass(frozen=True, eq=False)
class MirrorTiles:
    """A picture continued beyond its edges by its mirror images, handed out by rows.

    Attributes:
        picture: (3, h, w), 0..1.
        size: height and width of the whole.
    """

    picture: Tensor
    size: tuple[int, int]

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows (top, bottom) of the whole as (3, bottom - top, width) float32 in 0..1."""
        height, width = self.picture.shape[1:]
        return self.picture[:, _mirrored(top, bottom, height)][:, :, _mirrored(0, self.size[1], width)]


def _mirrored(start: int, stop: int, length: int) -> Tensor:
    """Places start..stop of a line that runs to and fro over 0..length - 1."""
    place = torch.arange(start, stop) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)


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
        rgb_path: the picture, a JPEG, PNG, TIFF or WebP file; None for leaf litter, which needs a `size`. The RGB
            space of its ICC profile, if known, goes before that of `shooting`.
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
    if rgb_path is None and size is None:
        raise ValueError("without a picture the size of the photograph is needed; give the one or the other")
    picture, shooting = _picture(rgb_path, seed, shooting or Shooting())
    held = _held(picture, shooting.orientation)
    height, width = size or (held.shape[1], held.shape[2])
    tiles = MirrorTiles(held, (height - height % 2, width - width % 2))
    meta = camera_meta(camera, iso=iso, cfa=cfa, shooting=shooting)
    frame = expose(tiles.rows, tiles.size, meta, seed=seed, shooting=shooting)
    write_image(out_path, frame, format="dng")
    return frame


def _picture(path: PathArg | None, seed: int, shooting: Shooting) -> tuple[Tensor, Shooting]:
    """The upright picture (3, H, W) of a file, or leaf litter, and the shooting with its RGB space."""
    if path is None:
        return encode(dead_leaves(_LITTER_SIZE, seed), "srgb"), replace(shooting, space="srgb")
    image = read_image(path)
    if image.meta.space is not None and image.meta.source.get("space") != "default":
        shooting = replace(shooting, space=image.meta.space)
    # What turns a picture as a camera held it upright also undoes the opposite turn.
    undone = {6: 8, 8: 6}.get(image.meta.orientation, image.meta.orientation)
    return _held(image.data, undone), shooting


def _held(picture: Tensor, orientation: int) -> Tensor:
    """The picture as a camera sees it that is held so that EXIF `orientation` turns it upright."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 2)
    if orientation in (3, 4, 6, 7):
        picture = picture.flip(1)
    if orientation in (2, 3, 7, 8):
        picture = picture.flip(2)
    return picture
