"""From a recipe to trained weights."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from isp_ns.core.errors import ModelError
from isp_ns.train.loop import Budget, Trainer
from isp_ns.train.manifest import data_root, load_manifest, verified_files
from isp_ns.train.patches import PatchSource, load_rgb8
from isp_ns.train.recipe import load_recipe
from isp_ns.train.validate import Holdout

__all__ = ["find_manifest", "open_trainer", "run_recipe"]


def find_manifest(name: str, recipe: Path) -> Path:
    """The manifest of that name in the folder `manifests` beside the recipe's own folder.

    Raises:
        ModelError: if there is none.
    """
    path = recipe.parent.parent / "manifests" / f"{name}.yaml"
    if not path.is_file():
        raise ModelError(f"{recipe}: there is no manifest {name!r} at {path}")
    return path


@dataclass(frozen=True)
class _Job:
    """What every worker of a run needs to know."""

    path: Path
    out: Path
    budget: Budget
    resume: bool
    stop_after: int | None
    root: Path
    device: str
    tell: Callable[[str], None] | None = None


def _open(rank: int, job: _Job) -> Trainer:
    """A worker's trainer, with its pictures read."""
    recipe = load_recipe(job.path)
    torch.set_num_threads(recipe.threads)
    manifests = [load_manifest(find_manifest(name, job.path)) for name in recipe.manifests]
    train = [load_rgb8(file).to(job.device) for m in manifests for file in verified_files(m, job.root, "train")]
    holdout = [load_rgb8(file) for m in manifests for file in verified_files(m, job.root, "holdout")]
    source = PatchSource(train, recipe.hard_share, recipe.rescale_share)
    return Trainer(recipe, source, Holdout(holdout), job.budget, job.out, job.device, rank, job.tell)


def _work(rank: int, job: _Job, meeting: str | None) -> Trainer:
    """Run one worker; workers meet at the file `meeting`."""
    if meeting:
        workers = load_recipe(job.path).workers
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=workers)
    trainer = _open(rank, job)
    if job.resume:
        if not trainer.checkpoint.is_file():
            raise ModelError(f"{trainer.checkpoint}: there is no checkpoint to resume; start without --resume")
        trainer.resume()
    elif rank == 0:
        # Curves without a checkpoint are of a run that was ended before its first one.
        (trainer.out / "curves.jsonl").unlink(missing_ok=True)
    trainer.run(job.stop_after)
    if meeting:
        distributed.destroy_process_group()
    return trainer


def _with_workers(workers: int, job: _Job) -> Trainer:
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        others = spawn(  # type: ignore[no-untyped-call]
            _other_worker, (replace(job, tell=None), meeting), nprocs=workers - 1, join=False, daemon=True
        )
        trainer = _work(0, job, meeting)
        others.join()
    return trainer


def _other_worker(index: int, job: _Job, meeting: str) -> None:
    _work(index + 1, job, meeting)


def open_trainer(path: Path, out: Path, budget: Budget, *, data: Path | None = None) -> Trainer:
    """The trainer of a recipe with its pictures read, before its first step.

    Args:
        path: the recipe; its manifests are in the folder `manifests` beside the recipe's folder.
        out: folder of the run.
        budget: of the run.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.

    Raises:
        ModelError: if the recipe, a manifest or the data folder cannot be used.
        DecodeError: if a picture is absent or altered.
    """
    return _open(0, _Job(path, out, budget, False, None, data_root(data), "cpu"))


def run_recipe(
    path: Path,
    out: Path,
    *,
    time_s: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    data: Path | None = None,
    device: str = "cpu",
    tell: Callable[[str], None] | None = None,
) -> Trainer:
    """Train a neural space as a recipe says.

    Args:
        path: the recipe; its manifests are in the folder `manifests` beside the recipe's folder.
        out: folder of checkpoint.pt and curves.jsonl.
        time_s: seconds of training, all resumed parts together.
        steps: number of optimiser steps instead, exactly repeatable.
        resume: continue from the checkpoint in `out`.
        stop_after: write a checkpoint and return after this step, before the end of the run.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.
        device: "cpu" or "cuda".
        tell: is told each line of the curves, as a sentence.

    Returns:
        The trainer at its end; `trainer.average` holds the weights to ship.

    Raises:
        ModelError: if the recipe, a manifest or the data folder cannot be used, or there is nothing to resume.
        DecodeError: if a picture is absent or altered.
    """
    recipe = load_recipe(path)
    job = _Job(path, out, Budget(time_s=time_s, steps=steps), resume, stop_after, data_root(data), device, tell)
    if recipe.workers == 1:
        return _work(0, job, None)
    return _with_workers(recipe.workers, job)
