"""Demosaicking methods by name, for `isp-ns evaluate demosaic`: our own, LibRaw's, and neural spaces."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isp_ns.core.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from isp_ns.core.frame import Frame
    from isp_ns.core.graph import Graph
    from isp_ns.metrics.demosaic_eval import Method

__all__ = ["LIBRAW", "lone_methods", "method_of"]

LIBRAW = ("ahd", "aahd", "dcb", "dht", "ppg", "vng")
"""Methods of LibRaw that can be scored."""

_WEIGHTS = ".safetensors"
_MARGIN = 0.25
"""Noisy mosaics leave 0..1: stored with this margin on both sides, in steps of 1.5 / 65535."""


def lone_methods() -> list[str]:
    """The names of all methods that need no denoiser before them: ours, LibRaw's, and the shipped neural spaces."""
    from isp_ns.nets.cards import shipped_spaces
    from isp_ns.ops.demosaic import METHODS

    return [*METHODS, *LIBRAW, *shipped_spaces()]


def method_of(name: str) -> "Method":
    """A demosaicking method: one of ours, `denoiser+ours`, one of LibRaw's, or a neural space by name or path.

    The test images are encoded for display; every method gets them as they are, without companding.

    Raises:
        SettingsError: if there is no such method.
        ModelError: if weights cannot be used.
    """
    from isp_ns.core.registry import did_you_mean
    from isp_ns.nets.cards import shipped_spaces
    from isp_ns.ops.demosaic import METHODS

    if name.endswith(_WEIGHTS):
        return _space(name)
    *before, last = name.split("+")
    spaces = shipped_spaces()
    if last in spaces and not before:
        return _space(last)
    if last not in METHODS and last not in LIBRAW:
        known = [*METHODS, *LIBRAW, *spaces]
        raise SettingsError(f"method {name}: there is no demosaicking {last!r}{did_you_mean(last, known)}")
    clean, demosaic = _chain(before, name) if before else None, METHODS[last] if last in METHODS else _libraw(last)

    def run(samples: "Tensor", pattern: str, sigma: float) -> "Tensor":
        if clean is not None:
            samples = clean.run(raw=_told(samples, pattern, sigma))["clean"].data
        return demosaic(samples, pattern)

    return run


def _space(name: str) -> "Method":
    """A neural space in single precision: encode, denoise with the noise that is told, decode."""
    from isp_ns.nets.cards import load_space
    from isp_ns.train.validate import render_gamma

    try:
        space, _ = load_space(name)
    except ValueError as error:
        raise ModelError(str(error)) from None

    def run(samples: "Tensor", pattern: str, sigma: float) -> "Tensor":
        return render_gamma(space, samples, sigma, pattern)

    return run


def _libraw(name: str) -> "Callable[[Tensor, str], Tensor]":
    """LibRaw's demosaicking of a mosaic in a temporary DNG: unit white balance and matrix, no curve, no brightening."""
    import numpy as np
    import rawpy
    import torch

    from isp_ns.core.frame import Frame
    from isp_ns.core.meta import Cfa, Meta
    from isp_ns.io.write import write_image

    algorithm = getattr(rawpy.DemosaicAlgorithm, name.upper())
    scale, black = 65535 / (1 + 2 * _MARGIN), 65535 * _MARGIN / (1 + 2 * _MARGIN)

    def demosaic(samples: "Tensor", pattern: str) -> "Tensor":
        stored = (samples * scale + black).round().clamp(0, 65535).to(torch.int32).to(torch.uint16)
        meta = Meta(cfa=Cfa(pattern), white=(65535.0,), as_shot_neutral=(1.0, 1.0, 1.0))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mosaic.dng"
            write_image(path, Frame(stored, meta), exif=False)
            with rawpy.imread(str(path)) as raw:
                rgb = raw.postprocess(
                    demosaic_algorithm=algorithm,
                    output_color=rawpy.ColorSpace.raw,
                    user_wb=[1.0, 1.0, 1.0, 1.0],
                    user_black=0,
                    user_sat=65535,
                    gamma=(1, 1),
                    no_auto_bright=True,
                    no_auto_scale=True,
                    adjust_maximum_thr=0.0,
                    output_bps=16,
                    user_flip=0,
                )
        planes = torch.from_numpy(rgb.transpose(2, 0, 1).astype(np.float32))
        return (planes - black) / scale

    return demosaic


def _told(samples: "Tensor", pattern: str, sigma: float) -> "Frame":
    """The mosaic with its pattern and noise in its metadata."""
    from isp_ns.core.frame import Frame
    from isp_ns.core.meta import Cfa, Meta

    variance = (0.0, sigma**2)
    return Frame(samples, Meta(cfa=Cfa(pattern), white=(1.0,), noise=(variance, variance, variance)))


def _chain(parts: Sequence[str], name: str) -> "Graph":
    from isp_ns.core.errors import GraphError
    from isp_ns.core.graph import Graph, Node

    nodes, source = {}, "raw"
    for number, part in enumerate(parts):
        nodes[f"n{number}"] = Node(part if "." in part else f"denoise.{part}", (source,))
        source = f"n{number}"
    try:
        graph = Graph({"raw": "mosaic"}, nodes, {"clean": source})
    except GraphError as error:
        raise SettingsError(f"method {name}: {'; '.join(error.problems)}") from None
    if graph.port(source).kind != "mosaic":
        raise SettingsError(f"method {name}: {parts[-1]} makes {graph.port(source)}, not a mosaic to demosaic")
    return graph
