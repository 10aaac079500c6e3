"""Small real DNG files, and a stage that takes its time, for the tests of batches and of the command line."""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from sample_frames import meta

from isp_ns.core.frame import Frame
from isp_ns.core.parameters import Between
from isp_ns.core.ports import DisplayRgb
from isp_ns.core.stage import stage
from isp_ns.io.write import write_image

SLOW_YAML = """
schema: 1
inputs: {raw: sensor}
nodes:
  level:  {stage: raw.black_level}
  awb:    {stage: measure.as_shot}
  wb:     {stage: raw.gains, in: [level, awb]}
  rgb:    {stage: demosaic.bilinear}
  ccm:    {stage: colour.camera_to_linear}
  encode: {stage: encode.display}
  slow:   {stage: probe.slow, seconds: 0.3}
outputs: {image: slow}
"""


@stage("probe.slow")
def slow(rgb: DisplayRgb, *, seconds: Annotated[float, Between(0, 10)] = 0.0) -> DisplayRgb:
    """Wait, then return the image."""
    time.sleep(seconds)
    return rgb


@stage("probe.fails")
def fails(rgb: DisplayRgb) -> DisplayRgb:
    """Raise an error that is not one of the library's."""
    raise KeyError("a fault of this stage")


def dng(path: Path, *, seed: int = 0, size: tuple[int, int] = (48, 64), kind: str = "bayer", **values: object) -> Path:
    """Write a small DNG of noise: "bayer", "mono" or "linear"; `values` are fields of its metadata."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1000, 9000, (3 if kind == "linear" else 1, *size)).astype(np.uint16)
    about = meta().with_values("test", gain_maps=(), space=None, **values)
    if kind != "bayer":
        about = about.with_values("test", cfa=None, black=((512.0,),))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, Frame(torch.from_numpy(counts), about))
    return path


def photos(folder: Path) -> list[str]:
    """Everything in a folder but its record of earlier batches, as sorted relative paths."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".isp-ns")
