"""From decoded files to frames: the point where arrays become tensors."""

import torch

from isp_ns.core.errors import DecodeError, UnsupportedSensorError
from isp_ns.core.frame import Frame
from isp_ns.io.decoded import Decoded, to_meta

__all__ = ["to_frame"]


def to_frame(decoded: Decoded) -> Frame:
    """The frame of a decoded file; counts share their memory with it.

    Returns:
        (1, H, W) or (3, H, W) uint16 counts; of a rendering (3, H, W) float32 in 0..1, encoded for `meta.space`.

    Raises:
        DecodeError: if the file was read without its pixels.
        UnsupportedSensorError: for an X-Trans mosaic.
    """
    if decoded.pixels is None:
        raise DecodeError(f"{decoded.path.name}: it was read for its metadata only; decode it with its pixels")
    if decoded.kind == "xtrans":
        raise UnsupportedSensorError(
            f"{decoded.path.name}: an X-Trans 6x6 mosaic has no pipeline; the libraw renderer shows it"
        )
    data = torch.from_numpy(decoded.pixels)
    if decoded.kind == "display":
        data = data.to(torch.float32).div_(65535.0)
    return Frame(data, to_meta(decoded.values, decoded.sources))
