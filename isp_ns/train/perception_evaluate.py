"""Scores of depth and label heads from RAW: a labelled dataset photographed, developed and compared with its truth.

Everything between the counts and the answer is what `isp-ns process` does: the pipeline `classic` up to its highlights,
the neural space, one pass of the heads. Photos beside the answers are of the same features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from isp_ns.core.errors import ModelError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph, Node, Patch, node
from isp_ns.data.datasets import DATASETS, open_dataset
from isp_ns.data.labelled import LabelTable, Sample, load_label_table
from isp_ns.data.simulate import CameraArg, Shooting, camera_meta, expose
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.profile import Profile
from isp_ns.metrics.depth import DepthScore
from isp_ns.metrics.labels import LabelScore
from isp_ns.nets.cards import Card, features_digest, load_space, shipped_spaces
from isp_ns.nets.pooling import POOLED_LONG
from isp_ns.stages.neural_weights import heads_card
from isp_ns.train.scene_page import LINEAR_MOSAIC, PHOTO, ScenePage

__all__ = [
    "USUAL_HEADS",
    "USUAL_SCENES",
    "evaluate_heads",
    "heads_pipeline",
    "photograph",
    "shoot",
    "shooting_protocol",
]

USUAL_HEADS = {"nyuv2": "nyu-lite", "camvid": "camvid-lite"}
"""Dataset → the weights that were trained on it."""

USUAL_SCENES = 12
"""Scenes on a page."""

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
    page: Path | None = None,
    scenes: int = USUAL_SCENES,
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
        page: folder for a page of scenes, new or with an earlier page; none if left out.
        scenes: how many of the pictures are shown there, evenly spread.
        watch: told after each picture how many are done, and of how many.

    Returns:
        schema, protocol; delta1, delta2, delta3, rmse_m, aerr_m, rel for depth; miou, pixel_accuracy and iou by class
        name for labels.

    Raises:
        ModelError: for unknown datasets, splits or weights, or heads, dataset and tasks that do not fit.
        DecodeError: if a part of the dataset is missing.
        FileNotFoundError: if there is no such camera.
        OutputError: if the page cannot be written, or something else lies where it should.
        ValueError: if no pixel has a truth.

    Source: Eigen et al. 2014 for depth, Long et al. 2015 for labels; the cameras are simulated.
    """
    weights = _heads_of(dataset, weights)
    heads = heads_card(weights)
    pictures = open_dataset(dataset, root, split, _labels_of(dataset, heads) if "labels" in tasks else "")
    graph, space = heads_pipeline(weights, tasks)
    shots = ScenePage(page, pictures.table) if page else None
    depth_score, label_score = DepthScore(), LabelScore(pictures.table.names)
    chosen = _evenly(len(pictures), images or len(pictures))
    shown = [chosen[place] for place in _evenly(len(chosen), scenes)] if shots else []
    for done, index in enumerate(chosen, 1):
        sample = pictures[index]
        frame = photograph(sample, camera, iso, seed=index)
        want = [*tasks, LINEAR_MOSAIC, PHOTO] if index in shown else tasks
        # Pictures of datasets are small: whole, the mean over the canonical grid costs next to nothing.
        found = graph.run(raw=frame, want=want, tile_px=max(frame.size))
        if "depth" in tasks:
            depth_score.update(found["depth"].data, _depth_of(sample, dataset))
        if "labels" in tasks:
            label_score.update(found["labels"].data, _present(sample.labels, "labels", dataset))
        if shots and index in shown:
            shots.add(sample, found)
        watch(done, len(chosen))
    scores = (depth_score.result() if "depth" in tasks else {}) | (label_score.result() if "labels" in tasks else {})
    protocol = {
        "task": "multitask" if len(tasks) > 1 else {"depth": "depth", "labels": "segment"}[tasks[0]],
        "dataset": dataset,
        "split": split,
        "images": len(chosen),
        "images_of_split": len(pictures),
        **shooting_protocol(heads, space, camera, iso),
        "seed": "index of the picture in the split",
        "mean": "of all pixels that count, over all pictures alike",
        **_task_protocol(tasks, pictures.table),
    }
    result = {"schema": 1, "protocol": protocol, **scores}
    if shots:
        shots.finish(result)
    return result


def photograph(sample: Sample, camera: CameraArg, iso: float, *, seed: int) -> Frame:
    """A labelled picture as a RAW frame that tells its noise and, where it is known, its focal length.

    Args:
        sample: the picture.
        camera: that takes it.
        iso: its sensitivity; 0 has no noise, and the frame says so.
        seed: of the noise.

    Returns:
        (1, H, W) counts.

    Source: see `shoot`.
    """
    share = sample.focal_px / max(sample.image.shape[1:]) if sample.focal_px else None
    return shoot(sample.image / 255, camera, iso, focal_35mm=share and share * _FILM_WIDTH_MM, seed=seed)


def shoot(
    picture: Tensor, camera: CameraArg, iso: float, *, focal_35mm: float | None, seed: int, space: str = "srgb"
) -> Frame:
    """A picture as a RAW frame that tells its noise and focal length.

    Args:
        picture: (3, H, W) in 0..1, encoded for `space`.
        camera: that takes it.
        iso: its sensitivity; 0 has no noise, and the frame says so.
        focal_35mm: focal length on 35-mm film, as a share of the long side; None where it is unknown.
        seed: of the noise.
        space: RGB space of the picture.

    Returns:
        (1, H, W) counts.

    Source: see `isp_ns.data.simulate`; EXIF FocalLengthIn35mmFilm (41989).
    """
    shooting = Shooting(noise=iso > 0, space=space)
    meta = camera_meta(camera, iso=iso or _BASE_ISO, shooting=shooting)
    size = (picture.shape[1], picture.shape[2])
    frame = expose(lambda top, bottom: picture[:, top:bottom], size, meta, seed=seed, shooting=shooting)
    known = {} if iso else {"noise": _NO_NOISE}
    return frame.with_meta("user", focal_mm=None, focal_35mm=focal_35mm, **known)


def heads_pipeline(weights: str, tasks: Sequence[str]) -> tuple[Graph, Card]:
    """From counts to the answers of heads at the picture's size, and to the photo, by one encoder.

    Args:
        weights: of the heads, by name or path.
        tasks: "depth", "labels" or both; the names of the outputs beside "image".

    Returns:
        The graph, and the card of the space that the heads read.

    Raises:
        ModelError: if there are no such heads, or their space is not installed.

    Source: the pipeline `neural`.
    """
    heads = heads_card(weights)
    card = _space_of_heads(heads)
    space = card.name
    nodes: dict[str, Node | dict[str, str]] = {
        **{name: {"weights": space} for name in ("features", "clean", "rgb")},
        "pooled": node("neural.pool", "clean", weights=weights, space=space),
        "context": node("neural.context", "pooled", weights=weights),
    }
    stages = {"depth": "neural.depth", "labels": "neural.segment"}
    nodes |= {task: node(stages[task], "raw", "context", weights=weights) for task in tasks}
    return load_pipeline("neural").patch(Patch(nodes, outputs={task: task for task in tasks})), card


def _space_of_heads(heads: Card) -> Card:
    """The installed neural space that makes the features which heads were trained on."""
    digest = str(heads.domain.get("features_digest", "unknown"))
    for name, card in shipped_spaces().items():
        if card.space_id == heads.space_id and features_digest(load_space(name)[0]) == digest:
            return card
    raise ModelError(
        f"the heads {heads.name} read features of {heads.space_id} by the weights {digest[:12]}…, which are not "
        "installed; install the package again, or train the heads again"
    )


def _evenly(count: int, most: int) -> list[int]:
    """Places 0 … count - 1, or `most` of them that are evenly spread."""
    most = min(most, count)
    return [place * count // most for place in range(most)]


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


def _present(truth: Tensor | None, what: str, dataset: str) -> Tensor:
    if truth is None:
        raise ModelError(f"dataset {dataset} has no {what}; score the heads on one that has, such as nyuv2")
    return truth


def _depth_of(sample: Sample, dataset: str) -> Tensor:
    depth = _present(sample.depth, "depth", dataset)
    if not sample.focal_px:
        raise ModelError(f"{sample.name} of {dataset} tells no focal length, without which depth has no metres")
    return depth


def shooting_protocol(heads: Card, space: Card, camera: CameraArg, iso: float) -> dict[str, Any]:
    """How pictures are taken and developed.

    Args:
        heads: that answer.
        space: that they read.
        camera: that takes the pictures.
        iso: its sensitivity; 0 has no noise.

    Source: what `shoot` and `heads_pipeline` do.
    """
    return {
        "camera": camera.model if isinstance(camera, Profile) else str(camera),
        "iso": iso,
        "noise": "the camera's at this ISO, told to the network" if iso else "none, and the network is told so",
        "raw": "picture unprocessed to RGGB counts under 5500 K, its white at the sensor's",
        "pipeline": "classic up to its highlights, neural.encode, neural.denoise, neural.pool, neural.context",
        "weights": heads.name,
        "weights_digest": heads.digest,
        "space": space.name,
        "features_digest": heads.domain["features_digest"],
        "grid": f"{POOLED_LONG} cells on the long side of the picture, answers on half of it",
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
