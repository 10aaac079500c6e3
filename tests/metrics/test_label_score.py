"""Label scores against numbers worked by hand and scikit-image's confusion matrix."""

import pytest
import torch
from skimage.metrics import contingency_table

from isp_ns.metrics.labels import LabelScore


def test_numbers_worked_by_hand():
    score = LabelScore(["wall", "floor", "lamp"])
    score.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 255]))
    result = score.result()
    assert result["iou"] == {"wall": 0.5, "floor": 0.5, "lamp": None}
    assert result["miou"] == 0.5
    assert result["pixel_accuracy"] == pytest.approx(2 / 3)


def test_pictures_add_up_in_one_matrix():
    generator = torch.Generator().manual_seed(0)
    truth, found = torch.randint(4, (2, 3, 8, 8), generator=generator)
    score = LabelScore("abcd")
    for one, other in zip(found, truth, strict=True):
        score.update(one, other)
    expected = contingency_table(truth.numpy(), found.numpy()).toarray()
    assert score.confusion.tolist() == expected.astype(int).tolist()


def test_a_wrong_answer_for_a_class_that_never_occurs_counts_against_it():
    score = LabelScore(["a", "b"])
    score.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert score.result()["iou"] == {"a": 0.5, "b": 0.0}


def test_what_cannot_be_counted_is_refused():
    score = LabelScore(["a", "b"])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        score.update(torch.tensor([2]), torch.tensor([0]))
    with pytest.raises(ValueError, match="no labelled pixel"):
        score.result()
