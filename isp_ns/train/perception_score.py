"""Scores of a network on features of the test split, on the pixels of the truth or on the pooled grid."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from isp_ns.metrics.depth import DepthScore
from isp_ns.metrics.labels import LabelScore
from isp_ns.nets.heads import PerceptionNet, depth_at
from isp_ns.train.feature_file import FeatureFile
from isp_ns.train.feature_source import log_focal
from isp_ns.train.perception_recipe import PerceptionRecipe
from isp_ns.train.samples import Pictures, Samples

__all__ = ["predictions", "score_network"]

_BATCH = 8


def predictions(net: PerceptionNet, features: FeatureFile, dtype: str = "bfloat16") -> Iterator[dict[str, Tensor]]:
    """Outputs of every picture, float32 (1, ·, h, w) by task.

    Args:
        net: in evaluation mode.
        features: of the pictures; neighbours of one grid are run together.
        dtype: "bfloat16" (autocast) or "float32".
    """
    start = 0
    while start < len(features):
        parts = [features[start].pooled]
        while start + len(parts) < len(features) and len(parts) < _BATCH:
            following = features[start + len(parts)].pooled
            if following.shape != parts[0].shape:
                break
            parts.append(following)
        outputs = _run(net, torch.cat(parts), dtype)
        for index in range(len(parts)):
            yield {task: output[index : index + 1] for task, output in outputs.items()}
        start += len(parts)


@torch.no_grad()
def _run(net: PerceptionNet, pooled: Tensor, dtype: str) -> dict[str, Tensor]:
    bf16 = dtype == "bfloat16"
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        outputs = net.answer(pooled if bf16 else pooled.float())
    return {task: output.float() for task, output in outputs.items()}


def _truth(
    recipe: PerceptionRecipe, features: FeatureFile, samples: Samples, order: list[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Depth (1, H, W), metres at the canonical focal length, and labels (H, W), picture by picture."""
    for place, index in enumerate(order):
        if recipe.score_grid == "cells":
            cells = features[place]
            yield cells.depth[0], cells.labels[0].long()
            continue
        sample = samples[index]
        height, width = sample.size
        columns = features[place].pooled.shape[-1] * recipe.coarse
        depth = torch.zeros(1, height, width) if sample.depth is None else sample.depth.float()
        labels = torch.full((height, width), 255) if sample.labels is None else sample.labels[0].long()
        yield depth / math.exp(log_focal(sample.focal_px, width, columns)), labels


def score_network(
    net: PerceptionNet, features: FeatureFile, labelled: Pictures, recipe: PerceptionRecipe
) -> dict[str, Any]:
    """Scores of all tasks of a network.

    Depth is compared at the canonical focal length, which is that of NYU-v2.

    Args:
        net: in evaluation mode.
        features: of the test split, or of pictures evenly spread over it.
        labelled: the test split.
        recipe: where it is scored.

    Returns:
        delta1, delta2, delta3, rmse_m, aerr_m, rel; miou, pixel_accuracy and iou by class; for the tasks there are.
    """
    count = len(labelled)
    order = [place * count // len(features) for place in range(len(features))]
    samples = Samples(labelled, recipe.tasks, keep=False)
    depth_score, label_score = DepthScore(), LabelScore(labelled.table.names)
    truths = _truth(recipe, features, samples, order)
    answers = predictions(net, features, recipe.dtype)
    for place, (outputs, (depth, labels)) in enumerate(zip(answers, truths, strict=True)):
        focal = features[place].log_focal
        size = (labels.shape[-2], labels.shape[-1])
        full = {t: F.interpolate(o, size, mode="bilinear", align_corners=False) for t, o in outputs.items()}
        if "depth" in full:
            depth_score.update(depth_at(full["depth"], focal)[0].exp(), depth)
        if "labels" in full:
            label_score.update(full["labels"][0].argmax(0), labels)
    scores: dict[str, Any] = {}
    if "depth" in net.tasks:
        scores |= depth_score.result()
    if "labels" in net.tasks:
        scores |= label_score.result()
    return scores
