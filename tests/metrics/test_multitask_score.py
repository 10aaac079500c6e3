"""Δ_MTL against the published table of Universal Representations (arXiv 2204.02744), NYU-v2 with SegNet."""

import pytest

from isp_ns.metrics.multitask import delta_mtl

SINGLE = {"labels": 40.5355, "depth": 0.627602, "normals": 24.284388}
BETTER = {"labels": True, "depth": False, "normals": False}


@pytest.mark.parametrize(
    ("scores", "published"),
    [
        ((40.22, 0.5196, 29.09), -1.13),
        ((37.35, 0.5014, 26.74), 0.72),
        ((39.77, 0.5669, 29.05), -3.95),
        ((45.52, 0.4912, 24.57), 10.95),
    ],
)
def test_published_values(scores, published):
    found = delta_mtl(dict(zip(SINGLE, scores, strict=True)), SINGLE, BETTER)
    assert found == pytest.approx(published, abs=0.02)


def test_tasks_must_agree():
    with pytest.raises(ValueError, match="single-task scores of labels"):
        delta_mtl({"depth": 1.0}, {"labels": 1.0}, BETTER)
    with pytest.raises(ValueError, match="zero"):
        delta_mtl({"depth": 1.0}, {"depth": 0.0}, BETTER)
