"""Lens correction against Lensfun's own coordinates for the whole picture and another resampler."""

import numpy as np
import pytest
import skimage.data
import torch
from scipy.ndimage import map_coordinates

from isp_ns.core.errors import MetadataError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph, node
from isp_ns.core.meta import Meta

lensfunpy = pytest.importorskip("lensfunpy")
SHOT = {
    "make": "NIKON CORPORATION",
    "model": "NIKON D3S",
    "lens": "Nikkor 28mm f/2.8D AF",
    "focal_mm": 28.0,
    "aperture": 2.8,
}


def corrected(frame: Frame, **options) -> Frame:
    graph = Graph({"rgb": "linear_rgb"}, {"lens": node("geometry.lens", "rgb")}, {"image": "lens"})
    return graph.run(rgb=frame, **options)["image"]


def picture() -> torch.Tensor:
    return torch.from_numpy(skimage.data.astronaut()[:300, :400] / 255.0).permute(2, 0, 1).float().contiguous()


def test_a_known_lens_is_corrected_as_lensfun_says():
    frame = Frame(picture(), Meta(**SHOT, distance_m=10.0))
    database = lensfunpy.Database()
    camera = database.find_cameras(SHOT["make"], SHOT["model"])[0]
    lens = database.find_lenses(camera, lens=SHOT["lens"])[0]
    modifier = lensfunpy.Modifier(lens, camera.crop_factor, 400, 300)
    modifier.initialize(28.0, 2.8, 10.0)
    columns, rows = np.moveaxis(modifier.apply_geometry_distortion(), -1, 0)
    assert np.abs(columns - np.arange(400)).max() > 1
    linear = np.stack(
        [map_coordinates(plane, [rows, columns], order=1, mode="nearest") for plane in frame.data.numpy()]
    )
    ours = corrected(frame).data.numpy()
    assert np.sqrt(np.mean((ours - linear)[:, 5:-5, 5:-5] ** 2)) < 0.02
    assert np.sqrt(np.mean((frame.data.numpy() - linear)[:, 5:-5, 5:-5] ** 2)) > 0.03


def test_tiles_equal_the_whole_but_for_lensfun_s_single_precision():
    frame = Frame(picture(), Meta(**SHOT, distance_m=10.0))
    torch.testing.assert_close(corrected(frame, tile_px=64).data, corrected(frame, tile_px=512).data, atol=2e-3, rtol=0)


def test_an_unknown_lens_is_named():
    with pytest.raises(MetadataError, match="does not know the lens Glass 7mm"):
        corrected(Frame(picture(), Meta(make="Nobody", model="One", lens="Glass 7mm", focal_mm=7.0)))
