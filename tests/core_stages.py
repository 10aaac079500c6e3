"""Small stages for the tests of the core, each with arithmetic that can be checked by hand."""

from typing import Annotated

import torch
from torch import Tensor

from isp_ns.core.frame import Features
from isp_ns.core.meta import Box, Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import FeatureMaps, Gains, LinearRgb, Mosaic, Sensor, Stats
from isp_ns.core.reach import WHOLE, Footprint, Local, Placement, Reduce
from isp_ns.core.stage import stage

CALLS: list[str] = []


@stage("probe.level")
def level(raw: Sensor, *, white_dn: float = 100.0) -> Mosaic:
    CALLS.append("level")
    return raw.with_data(raw.data.float() / white_dn)


@stage("probe.blur", reach=Local(halo=lambda p: p["radius_px"]))
def blur(raw: Mosaic, *, radius_px: Annotated[int, Between(0, 64)] = 1) -> Mosaic:
    r = radius_px
    padded = torch.nn.functional.pad(raw.data, (r, r, r, r), mode="replicate")
    return raw.with_data(torch.nn.functional.avg_pool2d(padded, 2 * r + 1, stride=1))


@stage("probe.mean", reach=Reduce(finish=lambda sums, _: sums[0] / sums[1]))
def mean(raw: Mosaic) -> Stats:
    CALLS.append("mean")
    return torch.stack([raw.data.double().sum(), torch.tensor(float(raw.data.numel()), dtype=torch.float64)])


@stage("probe.subtract")
def subtract(raw: Mosaic, value: Stats) -> Mosaic:
    return raw.with_data(raw.data - value.to(raw.data.dtype))


@stage("probe.iso_gains")
def iso_gains(raw: Mosaic) -> Gains:
    return torch.full((3,), raw.meta.iso or 1.0)


@stage("probe.to_rgb")
def to_rgb(raw: Mosaic, gains: Gains) -> LinearRgb:
    return raw.with_data(raw.data * gains[:, None, None])


@stage("probe.flip", reach=WHOLE)
def flip(raw: Mosaic) -> Mosaic:
    return raw.with_data(raw.data.flip(-1))


@stage("probe.position")
def position(raw: Mosaic) -> Mosaic:
    rows, columns = (torch.arange(n) + o for n, o in zip(raw.size, raw.origin, strict=True))
    return raw.with_data((1000.0 * rows[:, None] + columns)[None])


@stage("probe.encode", reach=Local(halo=4, align=4), narrow=lambda p: p["weights"])
def encode(raw: Mosaic, *, weights: str = "a") -> FeatureMaps:
    height, width = (-(-n // 4) * 4 for n in raw.size)
    padded = torch.nn.functional.pad(raw.data, (0, width - raw.size[1], 0, height - raw.size[0]), mode="replicate")
    b, t = (torch.nn.functional.avg_pool2d(padded, n) for n in (2, 4))
    b = b[:, : -(-raw.size[0] // 2), : -(-raw.size[1] // 2)]
    return Features(b, t, weights, raw.meta, raw.origin, raw.size, raw.full_size)


@stage("probe.head", reach=Local(align=4), narrow=lambda p: p["weights"])
def head(features: FeatureMaps, *, weights: str = "a") -> Mosaic:
    from isp_ns.core.frame import Frame

    up = torch.nn.functional.interpolate(features.t[None], scale_factor=4.0)[0]
    data = up[:, : features.size[0], : features.size[1]]
    return Frame(data, features.meta, features.origin, features.full_size)


@stage("probe.half", reach=Local(scale=__import__("fractions").Fraction(1, 2), align=2))
def half(raw: Mosaic) -> Mosaic:
    return raw.with_data(torch.nn.functional.avg_pool2d(raw.data, 2, ceil_mode=True, count_include_pad=False))


def _shift_place(meta: Meta, size: tuple[int, int], params: object) -> Placement:
    return Placement((size[0] - 6, size[1] - 10), lambda box: (box[0] + 3, box[1] + 5, box[2] + 3, box[3] + 5), meta)


@stage("probe.trim", reach=Footprint(_shift_place))
def trim(raw: Mosaic, *, box: Box | None = None) -> Mosaic:
    if box is None:
        return raw.with_data(raw.data[:, 3:-3, 5:-5], full_size=(raw.size[0] - 6, raw.size[1] - 10))
    return raw


def ramp(height: int, width: int) -> Tensor:
    return torch.arange(height * width, dtype=torch.float32).reshape(1, height, width) % 97
