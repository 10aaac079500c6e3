"""The training loop of the neural space: by wall-clock or by steps, resumable, with JSONL curves."""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from isp_ns.core.errors import ModelError
from isp_ns.nets.cards import load_space
from isp_ns.nets.encoding import noise_maps
from isp_ns.nets.space import NeuralSpace, build_space
from isp_ns.train.checkpoint import read_checkpoint, write_checkpoint
from isp_ns.train.degrade import (
    Batch,
    add_gaussian,
    augment_colour,
    awgn_batch,
    camera_batch,
    clean_batch,
    film_scan,
    turn,
)
from isp_ns.train.dormant import revive
from isp_ns.train.equivariance import draw_transform, transform_space
from isp_ns.train.losses import feature_distance, gradient_l1, l1, weighted_l1, weighted_mse
from isp_ns.train.muon import Muon
from isp_ns.train.patches import PatchSource
from isp_ns.train.recipe import Phase, Recipe
from isp_ns.train.validate import Holdout, validate
from isp_ns.train.widen import widen

__all__ = ["Budget", "Trainer"]

_WARMUP_STEPS = 300
_GRADIENT_GRAIN = 0.1
_REVIVE_PATCHES = 64
_CLOCKS = ("checkpoint_s", "validate_s")


@dataclass(frozen=True)
class Budget:
    """How long a run lasts: seconds of training, or a number of steps, which makes it exactly repeatable.

    Raises:
        ValueError: unless exactly one is given.
    """

    time_s: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.time_s is None) == (self.steps is None):
            raise ValueError("give a training run either time_s or steps")

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the run that is over, 0..1."""
        done = step / self.steps if self.steps else elapsed_s / (self.time_s or math.inf)
        return min(1.0, done)


@dataclass
class Trainer:
    """One run: weights, their average, optimiser, and the generator that all randomness comes from.

    Attributes:
        recipe: what to do.
        source: training patches, on the device.
        holdout: pictures for validation.
        budget: how long.
        out: folder of checkpoint.pt and curves.jsonl.
        device: where to train; pictures and all pixel work live there.
        rank: which of the recipe's workers this is; worker 0 validates and writes the curves.
        tell: is told each line of the curves, as a sentence.
    """

    recipe: Recipe
    source: PatchSource
    holdout: Holdout
    budget: Budget
    out: Path
    device: str = "cpu"
    rank: int = 0
    tell: Callable[[str], None] | None = None
    step: int = 0
    elapsed_s: float = 0.0
    space: NeuralSpace = field(init=False)
    average: NeuralSpace = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    rng: torch.Generator = field(init=False)
    pixel_rng: torch.Generator = field(init=False)
    _interrupted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        seed = self.recipe.seed + 1000 * self.rank
        self.rng = torch.Generator().manual_seed(seed)
        on_host = self.device == "cpu"
        self.pixel_rng = self.rng if on_host else torch.Generator(self.device).manual_seed(seed)
        self.space = build_space(self.recipe.space, self.recipe.space_id).to(self.device)
        if self.recipe.initial:
            widen(self.space, load_space(self.recipe.initial)[0])
        self.average = build_space(self.recipe.space, self.recipe.space_id).to(self.device).requires_grad_(False)
        self.average.load_state_dict(self.space.state_dict())
        self.optimizer = Muon(self.space.parameters(), self.recipe.learning_rate, self.recipe.weight_decay)
        self.out.mkdir(parents=True, exist_ok=True)

    # ---- state

    @property
    def checkpoint(self) -> Path:
        """Where this worker keeps its state."""
        return self.out / ("checkpoint.pt" if self.rank == 0 else f"checkpoint_{self.rank}.pt")

    def save(self) -> None:
        """Write the checkpoint; an interrupted write leaves the former one."""
        state = {
            "space": self.space.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "pixel_rng": self.pixel_rng.get_state(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
        }
        write_checkpoint(self.checkpoint, state, self._settings())

    def _settings(self) -> dict[str, Any]:
        """The recipe, but for how often it saves and validates."""
        return {name: value for name, value in asdict(self.recipe).items() if name not in _CLOCKS}

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            ModelError: if it cannot be read, was made by another recipe, or another worker's is of another step.
        """
        state = read_checkpoint(self.checkpoint, self._settings())
        self._agree(int(state["step"]))
        self.space.load_state_dict(state["space"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"])
        self.pixel_rng.set_state(state["pixel_rng"])
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])

    def _agree(self, step: int) -> None:
        """See that all workers go on from one step: a run may be killed after some of them have saved."""
        if self.recipe.workers > 1:
            steps = [torch.zeros(1, dtype=torch.int64) for _ in range(self.recipe.workers)]
            distributed.all_gather(steps, torch.tensor([step]))
            if len({int(each) for each in steps}) > 1:
                told = ", ".join(str(int(each)) for each in steps)
                raise ModelError(f"{self.out}: the checkpoints of the workers are of steps {told}; start anew")

    def log(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line to curves.jsonl; worker 0 only."""
        if self.rank:
            return
        line = {"kind": kind, "step": self.step, "elapsed_s": round(self.elapsed_s, 1), **values}
        with (self.out / "curves.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.tell:
            done = self.budget.progress(self.step, self.elapsed_s)
            numbers = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
            self.tell(f"{100 * done:.0f} % step {self.step} {self.elapsed_s:.0f} s {numbers}")

    # ---- one step

    def learning_rate(self, progress: float) -> float:
        """Warm-up by steps, flat, then a cosine to 1 % by share of the run; or a phase's own cosine to zero."""
        phase = self.recipe.phase(progress)
        if phase.learning_rate is not None:
            start = max((p.until for p in self.recipe.phases if p.until < phase.until), default=0.0)
            return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - start) / (phase.until - start)))
        flat, end = self.recipe.flat_until, self.recipe.anneal_until
        tail = min(1.0, max(0.0, (progress - flat) / (end - flat)))
        shape = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * tail))
        return self.recipe.learning_rate * shape * min(1.0, (self.step + 1) / _WARMUP_STEPS)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.recipe.dtype == "bfloat16")

    def pictures(self, phase: Phase, count: int) -> Tensor:
        """(count, 3, side, side) training pictures of a phase, gamma-coded, turned and recoloured at random."""
        rgb = turn(self.source.draw(count, phase.patch_px, self.rng), self.rng)
        coloured = augment_colour(rgb, self.pixel_rng, self.recipe.colour_share)
        # A recipe without scans draws no random numbers for them, so that runs of before can be repeated.
        return film_scan(coloured, self.pixel_rng, self.recipe.scan_share) if self.recipe.scan_share else coloured

    def _rgb_loss(self, phase: Phase) -> Tensor:
        """Auto-encode: plainly, through a transform of the space, or with noise and the denoiser."""
        x = self.pictures(phase, phase.batch)
        kind = float(torch.rand(1, generator=self.rng))
        # Without noise the denoiser has no part in the result, and there would be nothing to train.
        alone = phase.parts == ("denoiser",)
        if kind < self.recipe.equivariance and not alone:
            return self._equivariance_loss(x)
        noisy = alone or kind > 0.5 + self.recipe.equivariance / 2
        seen, sigma = add_gaussian(x, self.pixel_rng, self.recipe.sigma_max / 255 * noisy)
        z_b, z_t = self.space.e_rgb(seen)
        near = self._alignment(seen, z_b, z_t)
        if noisy:
            maps = sigma.expand(-1, 3, *z_t.shape[-2:])
            z_b, z_t = self.space.denoiser(z_b, z_t, maps)
        return self._picture_loss(self.space.d_rgb(z_b, z_t), x) + near

    def _picture_loss(self, output: Tensor, target: Tensor) -> Tensor:
        return l1(output, target) + _GRADIENT_GRAIN * gradient_l1(output, target)

    def _equivariance_loss(self, x: Tensor) -> Tensor:
        transform = draw_transform(self.rng)
        z_b, z_t = self.space.e_rgb(x)
        moved = transform_space(z_b, z_t, transform)
        return self._picture_loss(self.space.d_rgb(*moved), transform.apply(x, 1))

    def _alignment(self, x: Tensor, z_b: Tensor, z_t: Tensor) -> Tensor:
        """Draw E_rgb's features towards what E_raw makes of the same picture; E_raw itself is left free."""
        with torch.no_grad():
            raw_b, raw_t = self.space.e_raw(clean_batch(x).mosaic)
        near = feature_distance(z_b[:, 12:], raw_b[:, 12:]) + feature_distance(z_t, raw_t)
        return self.recipe.alignment * near

    def _raw_batches(self, phase: Phase) -> list[tuple[Batch, tuple[Tensor, Tensor] | None]]:
        mix = phase.mix or {}
        counts = {kind: round(share * phase.batch) for kind, share in mix.items()}
        batches: list[tuple[Batch, tuple[Tensor, Tensor] | None]] = []
        if counts.get("clean"):
            batches.append((clean_batch(self.pictures(phase, counts["clean"])), None))
        if counts.get("awgn"):
            pictures = self.pictures(phase, counts["awgn"])
            batches.append((awgn_batch(pictures, self.pixel_rng, self.recipe.sigma_max / 255), None))
        if counts.get("camera"):
            batch, scale, offset = camera_batch(self.pictures(phase, counts["camera"]), self.pixel_rng)
            batches.append((batch, (scale, offset)))
        return batches

    def _raw_loss(self, phase: Phase) -> Tensor:
        """Mosaic to picture, with the denoiser wherever there is noise."""
        parts = self._raw_batches(phase)
        count = sum(batch.mosaic.shape[0] for batch, _ in parts)
        z_b, z_t = self.space.e_raw(torch.cat([batch.mosaic for batch, _ in parts]))
        clean = parts[0][0].mosaic.shape[0] if not bool(parts[0][0].sigma.any()) else 0
        if clean < count:
            maps = self._maps(parts, z_b)[clean:]
            den_b, den_t = self.space.denoiser(z_b[clean:], z_t[clean:], maps)
            z_b, z_t = torch.cat([z_b[:clean], den_b]), torch.cat([z_t[:clean], den_t])
        output = self.space.d_rgb(z_b, z_t)
        target = torch.cat([batch.target for batch, _ in parts])
        sigma = torch.cat([batch.sigma for batch, _ in parts])
        return (weighted_mse if phase.loss == "mse" else weighted_l1)(output, target, sigma)

    def _maps(self, parts: list[tuple[Batch, tuple[Tensor, Tensor] | None]], z_b: Tensor) -> Tensor:
        maps, start = [], 0
        for batch, model in parts:
            stop = start + batch.mosaic.shape[0]
            if model is None:
                maps.append(batch.noise.to(z_b))
            else:
                maps.append(noise_maps(z_b[start:stop].detach(), model[0].to(z_b), model[1].to(z_b), "sqrt"))
            start = stop
        return torch.cat(maps)

    def train_step(self) -> float:
        """One optimiser step; returns its loss."""
        progress = self.budget.progress(self.step, self.elapsed_s)
        phase = self.recipe.phase(progress)
        rate = self.learning_rate(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for name, part in self.space.named_children():
            part.requires_grad_(name in phase.parts)
        on_rgb = phase.rgb_every > 0 and self.step % phase.rgb_every == 0
        with self._autocast():
            loss = self._rgb_loss(phase) if on_rgb else self._raw_loss(phase)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.space.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def _synchronise(self, spent_s: float) -> None:
        """End a round: average the weights over the workers, agree on the time, move the averaged model on."""
        if self.recipe.workers > 1:
            weights = list(self.space.parameters())
            flat = torch.cat([weight.reshape(-1) for weight in weights])
            slowest = torch.tensor([spent_s, float(self._interrupted)], dtype=torch.float64)
            distributed.all_reduce(flat)
            distributed.all_reduce(slowest, distributed.ReduceOp.MAX)
            parts = torch.split(flat / self.recipe.workers, [weight.numel() for weight in weights])
            for weight, part in zip(weights, parts, strict=True):
                weight.copy_(part.view(weight.shape))
            spent_s, self._interrupted = float(slowest[0]), bool(slowest[1])
        self.elapsed_s += spent_s
        rounds = self.step / self.recipe.sync_every
        decay = min(self.recipe.ema**self.recipe.sync_every, (1 + rounds) / (10 + rounds))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.space.parameters()), 1 - decay)

    def _is_time_to_revive(self) -> bool:
        every, until = self.recipe.revive_every, self.recipe.revive_until
        return bool(every) and self.step % every == 0 and self.budget.progress(self.step, self.elapsed_s) < until

    def _revive(self) -> None:
        """Wake units that no picture wakes; with the same pictures, and so alike, in all workers."""
        seed = self.recipe.seed + self.step
        rng = torch.Generator().manual_seed(seed)
        pixel_rng = torch.Generator(self.device).manual_seed(seed)
        phase = self.recipe.phase(self.budget.progress(self.step, self.elapsed_s))
        rgb = turn(self.source.draw(_REVIVE_PATCHES, phase.patch_px, rng), rng)
        rgb = augment_colour(rgb, pixel_rng, self.recipe.colour_share)
        noisy = awgn_batch(rgb, pixel_rng, self.recipe.sigma_max / 255)

        def run() -> None:
            with self._autocast():
                z_b, z_t = self.space.e_raw(noisy.mosaic)
                self.space.d_rgb(*self.space.denoiser(z_b, z_t, noisy.noise.to(z_b)))
                self.space.d_rgb(*self.space.e_raw(clean_batch(rgb).mosaic))
                self.space.d_rgb(*self.space.e_rgb(rgb))

        torch.manual_seed(seed)
        self.log("revival", {"units": revive(self.space, run, self.optimizer, phase.parts)})

    # ---- the run

    def run(self, stop_after: int | None = None) -> None:
        """Train until the budget is spent; validate, write curves and checkpoints on the way.

        Args:
            stop_after: return after this step already, with a checkpoint to resume from.

        Raises:
            KeyboardInterrupt: after an interrupt, when the round is over and a checkpoint is written.
        """
        with self._heeding_interrupts():
            self._run(stop_after)

    @contextlib.contextmanager
    def _heeding_interrupts(self) -> Iterator[None]:
        """Note an interrupt instead of raising it: in the middle of a step there is no state to go on from."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(*_: object) -> None:
            self._interrupted = True

        former = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)

    def _run(self, stop_after: int | None) -> None:
        torch.set_num_threads(self.recipe.threads)
        torch.set_flush_denormal(True)
        next_save, next_check = self.elapsed_s + self.recipe.checkpoint_s, self.elapsed_s + self.recipe.validate_s
        losses: list[float] = []
        while self.budget.progress(self.step, self.elapsed_s) < 1:
            started = time.monotonic()
            if self._is_time_to_revive():
                self._revive()
            left = self.recipe.sync_every if self.budget.steps is None else self.budget.steps - self.step
            losses += [self.train_step() for _ in range(min(left, self.recipe.sync_every))]
            self._synchronise(time.monotonic() - started)
            if stop_after is not None and self.step >= stop_after:
                self.save()
                return
            if self._interrupted:
                self.save()
                if self.tell:
                    self.tell(f"interrupted; --resume goes on after step {self.step}")
                raise KeyboardInterrupt
            if len(losses) >= 200:
                phase = self.recipe.phase(self.budget.progress(self.step, self.elapsed_s))
                self.log("loss", {"phase": phase.name, "loss": sum(losses) / len(losses)})
                losses = []
            if self.elapsed_s >= next_save:
                self.save()
                next_save += self.recipe.checkpoint_s
            if self.elapsed_s >= next_check:
                self._validate()
                next_check += self.recipe.validate_s
        self.save()
        self._validate()

    def _validate(self) -> None:
        if self.rank == 0:
            self.log("validation", validate(self.average, self.holdout))
