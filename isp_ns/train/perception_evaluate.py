"""Scores of depth and label heads from RAW: a labelled dataset photographed, developed and compared with its truth.

Everything between the counts and the answer is what `isp-ns process` does: the pipeline `classic` up to its highlights,
the neural space, one pass of the heads.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from isp_ns.core.errors import ModelError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph, Patch, node
from isp_ns.data.datasets import DATASETS, open_dataset
from isp_ns.data.labelled import LabelTable, Sample, load_label_table
from isp_ns.data.simulate import CameraArg, Shooting, simulate
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.profile import Profile
from isp_ns.metrics.depth import DepthScore
from isp_ns.metrics.labels import LabelScore
from isp_ns.nets.cards import Card, shipped_spaces
from isp_ns.nets.pooling import POOLED_LONG
from isp_ns.stages.neural_heads import heads_card

__all__ = ["USUAL_HEADS", "evaluate_heads", "photograph"]

USUAL_HEADS = {"nyuv2": "nyu-lite", "camvid": "camvid-lite"}
"""Dataset → the weights that were trained on it."""

_FILM_WIDTH_MM = 36.0
_BASE_ISO = 100.0
_NO_NOISE = ((0.0, 0.0),) * 3


def evaluate_heads(
    dataset: str,
    root: Path,
    split: str,
    tasks: Sequence[str],
    *,
    weights: str = "",
    camera: CameraArg = "fictitious-full-frame",
    iso: float = 0.0,
    images: int | None = None,
    watch: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """Score heads on a labelled dataset that is turned into RAW.

    Args:
        dataset: a key of `isp_ns.data.datasets.DATASETS`.
        root: its folder.
        split: such as "test".
        tasks: "depth", "labels" or both; all of them from one pass of the encoder.
        weights: of the heads; those of `USUAL_HEADS` if left out.
        camera: that takes the pictures.
        iso: its sensitivity; 0 has no noise.
        images: how many, evenly spread over the split; all if left out.
        watch: told after each picture how many are done, and of how many.

    Returns:
        schema, protocol; delta1, delta2, delta3, rmse_m, aerr_m, rel for depth; miou, pixel_accuracy and iou by class
        name for labels.

    Raises:
        ModelError: for unknown datasets, splits or weights, or heads, dataset and tasks that do not fit.
        DecodeError: if a part of the dataset is missing.
        FileNotFoundError: if there is no such camera.
        ValueError: if no pixel has a truth.

    Source: Eigen et al. 2014 for depth, Long et al. 2015 for labels; the cameras are simulated.
    """
    heads = heads_card(_heads_of(dataset, weights))
    pictures = open_dataset(dataset, root, split, _labels_of(dataset, heads) if "labels" in tasks else "")
    table: LabelTable = pictures.table
    graph, space = _pipeline(heads, tasks)
    depth_score, label_score = DepthScore(), LabelScore(table.names)
    count = min(len(pictures), images or len(pictures))
    for place in range(count):
        index = place * len(pictures) // count
        sample = pictures[index]
        frame = photograph(sample, camera, iso, seed=index)
        # Pictures of datasets are small: whole, the mean over the canonical grid costs next to nothing.
        found = graph.run(raw=frame, tile_px=max(frame.size))
        if "depth" in tasks:
            depth_score.update(found["depth"].data, _depth_of(sample, dataset))
        if "labels" in tasks:
            label_score.update(found["labels"].data, _present(sample.labels, "labels", dataset))
        watch(place + 1, count)
    scores = (depth_score.result() if "depth" in tasks else {}) | (label_score.result() if "labels" in tasks else {})
    protocol = {
        "task": "multitask" if len(tasks) > 1 else {"depth": "depth", "labels": "segment"}[tasks[0]],
        "dataset": dataset,
        "split": split,
        "images": count,
        "images_of_split": len(pictures),
        **_protocol(heads, space, camera, iso),
        **_task_protocol(tasks, table),
    }
    return {"schema": 1, "protocol": protocol, **scores}


def photograph(sample: Sample, camera: CameraArg, iso: float, *, seed: int) -> Frame:
    """A labelled picture as a RAW frame that tells its noise and, where it is known, its focal length.

    Args:
        sample: the picture.
        camera: that takes it.
        iso: its sensitivity; 0 has no noise, and the frame says so.
        seed: of the noise.

    Returns:
        (1, H, W) counts.

    Source: see `isp_ns.data.simulate`; EXIF FocalLengthIn35mmFilm (41989) as a share of the long side.
    """
    shot = simulate(sample.image / 255, camera, iso=iso or _BASE_ISO, seed=seed, shooting=Shooting(noise=iso > 0))
    frame = shot.frame if iso else shot.frame.with_meta("user", noise=_NO_NOISE)
    share = sample.focal_px / max(frame.size) if sample.focal_px else None
    return frame.with_meta("user", focal_mm=None, focal_35mm=share and share * _FILM_WIDTH_MM)


def _heads_of(dataset: str, weights: str) -> str:
    if dataset not in DATASETS:
        raise ModelError(f"there is no dataset {dataset!r}; there are {', '.join(DATASETS)}")
    if not weights and dataset not in USUAL_HEADS:
        raise ModelError(f"no weights were trained on {dataset}; name those that should be scored with --weights")
    return weights or USUAL_HEADS[dataset]


def _labels_of(dataset: str, heads: Card) -> str:
    """The class table of the dataset that the heads were trained for."""
    known = heads.domain["tasks"].get("labels")
    if known is None:
        raise ModelError(f"the heads {heads.name} have no labels; they have {', '.join(heads.domain['tasks'])}")
    tables = [load_label_table(name) for name in DATASETS[dataset][1]]
    wanted = heads.domain.get("label_protocol") or tables[0].protocol
    for table in tables:
        if table.protocol == wanted and len(table.names) == known:
            return table.name
    have = ", ".join(table.protocol for table in tables)
    raise ModelError(f"the heads {heads.name} know the {known} classes of {wanted}; dataset {dataset} has {have}")


def _pipeline(heads: Card, tasks: Sequence[str]) -> tuple[Graph, Card]:
    """From counts to the wanted answers at the picture's size, and the space that the heads read."""
    digest = heads.domain["space_digest"]
    spaces = [card for card in shipped_spaces().values() if card.digest == digest]
    if not spaces:
        raise ModelError(
            f"the heads {heads.name} read a neural space with the weights {digest[:12]}…, which are not installed; "
            "install the package again, or train the heads again"
        )
    space = spaces[0].name
    nodes = {
        "features": node("neural.encode", "highlights", weights=space),
        "clean": node("neural.denoise", "features", weights=space),
        "pooled": node("neural.pool", "clean", weights=heads.name),
        "context": node("neural.context", "pooled", weights=heads.name),
    }
    stages = {"depth": "neural.depth", "labels": "neural.segment"}
    answers = {task: node(stages[task], "raw", "context", weights=heads.name) for task in tasks}
    full = load_pipeline("classic").patch(Patch(nodes | answers, outputs={task: task for task in tasks}))
    return full.only(*tasks), spaces[0]


def _present(truth: Tensor | None, what: str, dataset: str) -> Tensor:
    if truth is None:
        raise ModelError(f"dataset {dataset} has no {what}; score the heads on one that has, such as nyuv2")
    return truth


def _depth_of(sample: Sample, dataset: str) -> Tensor:
    depth = _present(sample.depth, "depth", dataset)
    if not sample.focal_px:
        raise ModelError(f"{sample.name} of {dataset} tells no focal length, without which depth has no metres")
    return depth


def _protocol(heads: Card, space: Card, camera: CameraArg, iso: float) -> dict[str, Any]:
    """How the pictures are taken and developed."""
    return {
        "camera": camera.model if isinstance(camera, Profile) else str(camera),
        "iso": iso,
        "noise": "the camera's at this ISO, told to the network" if iso else "none, and the network is told so",
        "seed": "index of the picture in the split",
        "raw": "sRGB unprocessed to RGGB counts under 5500 K, the picture's white at the sensor's",
        "pipeline": "classic up to its highlights, neural.encode, neural.denoise, neural.pool, neural.context",
        "weights": heads.name,
        "weights_digest": heads.digest,
        "space": space.name,
        "space_digest": space.digest,
        "grid": f"{POOLED_LONG} cells on the long side of the picture, answers on half of it",
        "mean": "of all pixels that count, over all pictures alike",
    }


def _task_protocol(tasks: Sequence[str], table: LabelTable) -> dict[str, Any]:
    """What is compared, and where."""
    told: dict[str, Any] = {"resizing": {}, "pixels": {}}
    if "depth" in tasks:
        told["resizing"]["depth"] = "logarithm of depth to the dataset's pixels, bilinear, without corners aligned"
        told["pixels"]["depth"] = (
            f"all with a measured depth of {DepthScore.nearest_m:g} to {DepthScore.farthest_m:g} m"
        )
        told["metres"] = "follow the focal length that the dataset states; no alignment of scale to the truth"
    if "labels" in tasks:
        ignored = table.protocol.partition("-ign")[2]
        told["labels"] = table.protocol
        told["resizing"]["labels"] = "logits to the dataset's pixels, bilinear, without corners aligned, then argmax"
        told["pixels"]["labels"] = "all with a class" + (f"; label {ignored} is unlabelled and ignored" * bool(ignored))
        told["miou"] = "from one confusion matrix of all pictures, over the classes that occur"
    return told
