"""One loop for all heads on the neural space: tasks, balancer and teachers are data."""

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.heads import PerceptionNet, depth_at
from isp_ns.train.balance import Balancer, build_balancer
from isp_ns.train.checkpoint import read_checkpoint, write_checkpoint
from isp_ns.train.dense_losses import depth_loss, label_loss
from isp_ns.train.distil import Distiller
from isp_ns.train.ensemble import Ensemble, answer_distance
from isp_ns.train.feature_source import Batch, Source, seeded
from isp_ns.train.finer_labels import FinerLabels
from isp_ns.train.loop import Budget
from isp_ns.train.muon import Muon
from isp_ns.train.perception_recipe import Method, PerceptionRecipe

__all__ = ["MultitaskTrainer", "Score"]

Score = Callable[[PerceptionNet], Mapping[str, Any]]
"""Scores a network on the test split."""

_CLIP = 5.0


@dataclass
class MultitaskTrainer:
    """One run of one method: network, its average, optimiser, balancer and teachers.

    Attributes:
        recipe: what to do.
        method: which way.
        net: fresh network, in fp32.
        source: batches.
        score: scores the averaged network at the end of each of the last epochs.
        budget: how long.
        out: folder of checkpoint.pt and curves.jsonl.
        seed: of the run.
        teachers: frozen networks by task.
        class_weights: of the labels, or None.
        finer: the finer table that labels are given and learned in, or None.
        ensemble: networks whose mean answer is learned beside the truth, or None.
        log_focal: smallest and largest that were seen, ln of the focal length over the canonical one.
    """

    recipe: PerceptionRecipe
    method: Method
    net: PerceptionNet
    source: Source
    score: Score
    budget: Budget
    out: Path
    seed: int = 1
    teachers: Mapping[str, PerceptionNet] = field(default_factory=dict)
    class_weights: Tensor | None = None
    finer: FinerLabels | None = None
    ensemble: Ensemble | None = None
    step: int = 0
    elapsed_s: float = 0.0
    scores: list[dict[str, Any]] = field(default_factory=list)
    log_focal: list[float] = field(default_factory=lambda: [math.inf, -math.inf])
    average: PerceptionNet = field(init=False)
    balancer: Balancer = field(init=False)
    distiller: Distiller | None = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.average = copy.deepcopy(self.net).requires_grad_(False).eval()
        factors = [self.method.factors.get(task, 1.0) for task in self.method.tasks]
        self.balancer = build_balancer(self.method.balance, len(factors), factors=factors, seed=self.seed)
        self.distiller = self._distiller()
        self.optimizer = self._optimizer()
        self._sums, self._count = torch.zeros(len(factors)), 0
        self.out.mkdir(parents=True, exist_ok=True)

    def _distiller(self) -> Distiller | None:
        if not self.teachers:
            return None
        teachers = {task: teacher.eval().requires_grad_(False) for task, teacher in self.teachers.items()}
        sizes = {task: teacher.feature_channels for task, teacher in teachers.items()}
        return Distiller(
            {task: teacher.features for task, teacher in teachers.items()},
            self.net.feature_channels,
            next(iter(sizes.values())),
            self.method.distil,
            self.method.faithful,
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        weights = [*self._weights(), *self.balancer.parameters()]
        return Muon(weights, self.recipe.learning_rate, self.recipe.weight_decay)

    def _weights(self) -> list[nn.Parameter]:
        return [*self.net.parameters(), *(self.finer.parameters() if self.finer else ())]

    # ---- state

    @property
    def checkpoint(self) -> Path:
        """Where the state is kept."""
        return self.out / "checkpoint.pt"

    def _parts(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("net", "average", "balancer", "optimizer")}
        others = {"distiller": self.distiller, "finer": self.finer}
        return parts | {name: part for name, part in others.items() if part is not None}

    def save(self) -> None:
        """Write the checkpoint; an interrupted write leaves the former one."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"step": self.step, "elapsed_s": self.elapsed_s, "scores": self.scores}
        state |= {"sums": self._sums, "count": self._count, "log_focal": self.log_focal}
        write_checkpoint(self.checkpoint, state, self._settings())

    def _settings(self) -> dict[str, Any]:
        """The method, and what the recipe says of all methods."""
        shared = {name: value for name, value in asdict(self.recipe).items() if name != "methods"}
        return {**shared, "method": asdict(self.method), "seed": self.seed}

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            ModelError: if it cannot be read, or was made with other settings.
        """
        state = read_checkpoint(self.checkpoint, self._settings())
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.elapsed_s, self.scores = int(state["step"]), float(state["elapsed_s"]), state["scores"]
        self._sums, self._count, self.log_focal = state["sums"], int(state["count"]), state["log_focal"]

    def log(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line to curves.jsonl."""
        line = {"kind": kind, "step": self.step, "epoch": self.epoch, "elapsed_s": round(self.elapsed_s, 1), **values}
        with (self.out / "curves.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @property
    def epoch(self) -> int:
        """Whole epochs that are over."""
        return self.step // self.source.steps_per_epoch

    @property
    def progress(self) -> float:
        """Share of the run that is over, 0..1."""
        return self.budget.progress(self.step, self.elapsed_s)

    # ---- one step

    def learning_rate(self, progress: float) -> float:
        """A straight rise, then a cosine to zero, by share of the run."""
        warmup, peak = self.recipe.warmup, self.method.learning_rate or self.recipe.learning_rate
        if progress < warmup:
            return peak * (progress + 1e-3) / (warmup + 1e-3)
        return peak * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.dtype == "bfloat16")

    def _loss(self, task: str, output: Tensor, fine: Tensor, batch: Batch) -> Tensor:
        """Loss of a task on the grid of the recipe, from its output and the map that it was decoded from."""
        size = (output.shape[-2], output.shape[-1])
        on_cells = self.recipe.loss_grid == "cells"
        if task == "depth":
            depth = batch.depth if on_cells else _shrink(batch.depth, size)
            return depth_loss(
                torch.cat([depth_at(output.float(), batch.log_focal), output[:, 1:2].float()], 1),
                depth,
                kind=self.recipe.depth_loss,
                gradient=self.recipe.gradient,
                confidence=self.recipe.confidence,
            )
        labels = batch.labels.float()[:, None]
        labels = (labels if on_cells else _shrink(labels, size))[:, 0].long()
        if self.finer is None:
            return label_loss(output, labels, self.class_weights)
        return label_loss(output, self.finer.coarse(labels), self.class_weights) + self.finer.loss(fine, labels)

    def _losses(self, batch: Batch) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        """Losses by task, what the network read, and its deep and fine features."""
        pooled = batch.pooled.to(torch.bfloat16 if self.recipe.dtype == "bfloat16" else torch.float32)
        with self._autocast():
            taught = self.ensemble.answers(pooled, batch.log_focal) if self.ensemble else {}
        if self.recipe.dropout:
            pooled = F.dropout2d(pooled, self.recipe.dropout)
        with self._autocast():
            deep, fine = self.net.features(pooled)
            outputs = self.net.decode(fine)
            losses = [self._loss(task, outputs[task], fine, batch) for task in self.method.tasks]
        if taught:
            distances = [answer_distance(t, outputs[t], taught[t], batch.log_focal) for t in self.method.tasks]
            losses = [loss + distance for loss, distance in zip(losses, distances, strict=True)]
        return losses, pooled, deep, fine

    def _split(self) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Weights that all tasks share, and each task's own."""
        own = [list(self.net.decoder(task).parameters()) for task in self.method.tasks]
        if self.finer and "labels" in self.method.tasks:
            own[self.method.tasks.index("labels")] += self.finer.parameters()
        apart = {id(weight) for weights in own for weight in weights}
        return [w for w in self.net.parameters() if id(w) not in apart], [list[Tensor](weights) for weights in own]

    def train_step(self) -> list[float]:
        """One step of network, balancer and adapters; returns the losses by task."""
        progress = self.progress
        rate = self.learning_rate(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.source.batch(self.step)
        low, high = self.log_focal
        self.log_focal = [min(low, float(batch.log_focal.min())), max(high, float(batch.log_focal.max()))]
        # What a step draws, dropout for one, depends on its number alone.
        torch.manual_seed(int(torch.randint(2**62, (), generator=seeded(self.seed, 5, self.step))))
        self.optimizer.zero_grad(set_to_none=True)
        losses, pooled, deep, fine = self._losses(batch)
        if self.distiller:
            self.distiller.zero_grad()
            with self._autocast():
                distance = self.distiller.loss(pooled, deep, fine)
            distance.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        self.balancer.backward(losses, *self._split())
        nn.utils.clip_grad_norm_(self._weights(), _CLIP)
        self.optimizer.step()
        if self.distiller:
            self.distiller.step(progress)
        if self.balancer.looks_back:
            with torch.no_grad():
                self.balancer.after_step(torch.stack(self._losses(batch)[0]).float())
        self._follow()
        self.step += 1
        return [float(loss.detach()) for loss in losses]

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; counts of batches are copied."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.state_dict().values(), self.net.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    # ---- the run

    def run(self, stop_after: int | None = None) -> None:
        """Train until the budget is spent; score the last epochs, write curves and checkpoints on the way.

        Args:
            stop_after: return after this step already, with a checkpoint to resume from.
        """
        torch.set_num_threads(self.recipe.threads)
        torch.set_flush_denormal(True)
        next_save = self.elapsed_s + self.recipe.checkpoint_s
        self.net.train()
        while self.progress < 1:
            started = time.monotonic()
            self._sums += torch.tensor(self.train_step())
            self._count += 1
            self.elapsed_s += time.monotonic() - started
            if self.step % self.source.steps_per_epoch == 0 or self.progress >= 1:
                self._end_epoch()
            if stop_after is not None and self.step >= stop_after:
                self.save()
                return
            if self.elapsed_s >= next_save:
                self.save()
                next_save += self.recipe.checkpoint_s
        self.save()

    def _end_epoch(self) -> None:
        means = self._sums / max(1, self._count)
        self.balancer.end_epoch(means)
        losses = {task: round(float(mean), 4) for task, mean in zip(self.method.tasks, means, strict=True)}
        self._sums, self._count = torch.zeros_like(self._sums), 0
        left = (1 - self.progress) / max(self.progress, 1e-9) * self.step / self.source.steps_per_epoch
        if left <= self.recipe.last_epochs - 0.5 or self.progress >= 1:
            scores = dict(self.score(self.average))
            self.scores.append(scores)
            self.log("epoch", {"losses": losses, "scores": scores})
            return
        self.log("epoch", {"losses": losses})


def _shrink(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values, size, mode="nearest-exact")
