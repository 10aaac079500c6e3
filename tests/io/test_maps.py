"""Maps for people: colours, scales and legends."""

import numpy as np
import pytest
import torch

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.io.maps import depth_millimetres, depth_preview, labels_overlay

METRES = Meta(depth_unit="m")


def test_near_is_yellow_and_far_is_blue():
    depth = torch.linspace(1, 10, 200).expand(1, 100, 200)
    picture = depth_preview(Frame(depth, METRES)).data.numpy()
    left, right = picture[:, 50, 5].astype(int), picture[:, 50, -5].astype(int)
    assert left[0] > 200
    assert left[2] < 100
    assert right[2] > right[0]
    lightness = picture[:, 50].astype(float).mean(0)
    assert np.all(np.diff(lightness[10:-10:20]) < 0)


def test_previews_are_upright_and_not_too_large():
    depth = Frame(torch.rand(1, 3000, 100) + 1, METRES.with_values("exif", orientation=6))
    preview = depth_preview(depth)
    assert preview.meta.orientation == 1
    assert preview.data.shape[2] == 1500


def test_overlays_name_the_classes_that_occur():
    labels = torch.zeros(1, 60, 90, dtype=torch.uint8)
    labels[:, :, 60:] = 2
    photo = Frame(torch.full((3, 60, 90), 0.5), Meta(space="srgb"))
    overlay = labels_overlay(photo, Frame(labels), ["a", "b", "c"], [(255, 0, 0), (0, 255, 0), (0, 0, 255)]).data
    assert overlay[:, 10, 10].tolist() == [191, 63, 63]
    assert overlay[:, 10, 80].tolist() == [63, 63, 191]
    legend = overlay[:, 60:].flatten(1).T.tolist()
    assert [255, 0, 0] in legend
    assert [0, 0, 255] in legend
    assert [0, 255, 0] not in legend


def test_millimetres():
    frame = Frame(torch.tensor([[[1.2344, 0.0, 70.0]]]), METRES)
    assert depth_millimetres(frame).data.to(torch.int32).tolist() == [[[1234, 0, 65535]]]
    with pytest.raises(ValueError, match="relative"):
        depth_millimetres(frame.with_meta(depth_unit="relative"))
