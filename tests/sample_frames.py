"""Small natural inputs for every port kind, from a photograph that scikit-image carries."""

import functools

import numpy as np
import skimage.data
import torch

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, GainMap, IlluminantCalibration, Meta
from isp_ns.core.ports import Port

COLOR_MATRIX_A = ((1.0485, -0.4305, -0.1171), (-0.4213, 1.2088, 0.2375), (-0.0549, 0.1512, 0.6120))
COLOR_MATRIX_D65 = ((0.9020, -0.2890, -0.0715), (-0.4535, 1.2436, 0.2348), (-0.0934, 0.1919, 0.7086))


def meta(pattern: str = "RGGB") -> Meta:
    """A plausible camera; the numbers are made up."""
    return Meta(
        make="Sample",
        model="One",
        iso=800.0,
        cfa=Cfa(pattern),
        black=((512.0, 510.0), (514.0, 513.0)),
        white=(16383.0,),
        calibrations=(
            IlluminantCalibration(2856.0, COLOR_MATRIX_A),
            IlluminantCalibration(6504.0, COLOR_MATRIX_D65),
        ),
        as_shot_neutral=(0.52, 1.0, 0.66),
        noise=((4e-4, 1e-6), (3e-4, 1e-6), (5e-4, 1e-6)),
        space="linear-srgb",
        gain_maps=(GainMap((0, 0, 4000, 4000), (1, 1), 0, 1, (0.0, 0.0), (0.5, 0.5), 1 + 0.2 * torch.rand(3, 3, 1)),),
    )


@functools.cache
def photograph(height: int, width: int) -> torch.Tensor:
    """(3, H, W) linear values 0..1 with detail and saturated colour."""
    picture = skimage.data.astronaut()[40 : 40 + height, 120 : 120 + width]
    return torch.from_numpy((picture / 255.0) ** 2.2).permute(2, 0, 1).float().contiguous()


def mosaic(rgb: torch.Tensor, pattern: str) -> torch.Tensor:
    """(1, H, W) of an RGB image under a pattern."""
    rows, columns = np.indices(rgb.shape[1:])
    index = np.array(["RGB".index(letter) for letter in pattern]).reshape(2, 2)[rows % 2, columns % 2]
    return rgb.gather(0, torch.from_numpy(index)[None])


def sample(
    port: Port,
    stage: str,
    *,
    pattern: str = "GRBG",
    size: tuple[int, int] = (121, 151),
    origin: tuple[int, int] = (0, 0),
):
    """An input of the kind that `port` takes; a crop at `origin` of an image under `pattern`."""
    full = (size[0] + origin[0], size[1] + origin[1])
    rgb = photograph(*full)
    about = meta(pattern)
    planes = {
        "sensor": lambda: (mosaic(rgb, pattern) * 15000 + 512).to(torch.uint16),
        "sensor_rgb": lambda: (rgb * 15000 + 512).to(torch.uint16),
        "sensor_mono": lambda: (rgb[1:2] * 15000 + 512).to(torch.uint16),
        "mosaic": lambda: mosaic(rgb, pattern) * 1.1 - 0.02,
        "camera_rgb": lambda: rgb * 1.1 - 0.02,
        "linear_rgb": lambda: rgb * 1.2 - 0.02,
        "display_rgb": lambda: rgb ** (1 / 2.2),
        "luma": lambda: rgb.mean(0, keepdim=True),
        "chroma": lambda: rgb[:2] - rgb[1:],
        "depth": lambda: 1 + 4 * rgb[:1],
        "labels": lambda: (rgb[:1] * 10).floor(),
    }
    measured = {"tone.local": torch.zeros(19, 16, 16), "raw.aberration": torch.tensor([[1e-3, 0.0], [-1e-3, 0.0]])}
    measured |= {"neural.context": torch.zeros(80, 16, 16), "neural.depth": torch.zeros(15, 8, 8)}
    measured |= {"neural.segment": torch.zeros(15, 8, 8)}
    stats = measured.get(stage, torch.tensor([0.18]))
    values = {"gains": torch.tensor([1.9, 1.0, 1.5]), "matrix": torch.eye(3), "stats": stats}
    if port.is_value:
        return values[port.kinds[0]]
    if port.kind == "features":
        return _features(rgb, about)
    frame = Frame(planes[port.kinds[0]](), about)
    return frame.crop((*origin, *full))


def _features(rgb: torch.Tensor, about: Meta):
    from isp_ns.core.registry import find_spec

    encode = find_spec("neural.encode")
    return encode.function(Frame(mosaic(rgb, "RGGB"), about), **encode.bind({})[0])


def value_for(stage: str, declared):
    """A value for a parameter that has no default."""
    raise AssertionError(f"{stage}: give {declared.name} a default, or say here what to test it with")
