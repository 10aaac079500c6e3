"""The raw file that speed is measured on: photographs, seen by a simulated camera, always the same."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import isp_ns

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["digest", "link", "panels", "photo_size", "speed_file"]

_PANELS = ("astronaut", "coffee", "rocket", "chelsea")
_PICTURE_SIZE = (2000, 3000)


def photo_size(megapixels: float) -> tuple[int, int]:
    """Height and width, even and 2:3, of a photo of about so many megapixels; 24 gives 4000, 6000.

    Raises:
        ValueError: if that is less than 16 pixels on a side.
    """
    width = round((megapixels * 1e6 * 1.5) ** 0.5 / 2) * 2
    height = round(width / 1.5 / 2) * 2
    if height < 16:
        raise ValueError(f"{megapixels} megapixels are too few to measure on; take 0.01 or more")
    return height, width


def speed_file(folder: Path, size: tuple[int, int], seed: int) -> Path:
    """An uncompressed 16-bit DNG, made when it is not yet in the folder.

    Four photographs that scikit-image carries, enlarged to at most 6 megapixels together, which gives the sharpness
    of a camera's pixels and a JPEG of usual length, and their mirror images beyond that, are photographed by a
    simulated full-frame camera at ISO 100.

    Args:
        folder: where to keep it.
        size: height and width.
        seed: of the noise.

    Raises:
        OutputError: if it cannot be written.
    """
    from isp_ns.data.synth import synthesise

    height, width = size
    path = folder / f"speed-{width}x{height}-seed{seed}-{isp_ns.__version__}.dng"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            picture, made = Path(scratch) / "panels.png", Path(scratch) / path.name
            panels((min(height, _PICTURE_SIZE[0]), min(width, _PICTURE_SIZE[1]))).save(picture, compress_level=1)
            synthesise(picture, made, size=size, seed=seed)
            made.replace(path)
    return path


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def panels(size: tuple[int, int]) -> "Image":
    """A picture of four photographs that scikit-image carries, each stretched to a quarter of it.

    Args:
        size: height and width, even.
    """
    import skimage.data
    from PIL import Image

    height, width = size[0] // 2, size[1] // 2
    canvas = Image.new("RGB", (2 * width, 2 * height))
    for number, name in enumerate(_PANELS):
        panel = Image.fromarray(getattr(skimage.data, name)()).resize((width, height), Image.Resampling.LANCZOS)
        canvas.paste(panel, (number % 2 * width, number // 2 * height))
    return canvas
