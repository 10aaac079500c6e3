"""One network for several cameras: alone, trained jointly, or taught by single-camera networks.

The multi-domain form of universal representations, with sensors as domains: each camera has its colours and its noise,
the task is to name what a picture shows. A trunk is shared, its deep map averaged over the picture, and each camera has
a linear classifier. Teachers and the adapters to them are dropped after training.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.nets.heads import ContextTrunk, HeadSpec
from isp_ns.nets.layers import channels_last
from isp_ns.nets.pooling import packed_channels
from isp_ns.train.distil import ImageDistiller, Judgement, anneal
from isp_ns.train.domains_data import DomainData
from isp_ns.train.domains_recipe import DomainMethod, DomainsRecipe, load_domains_recipe
from isp_ns.train.feature_file import FeatureFile
from isp_ns.train.feature_source import Source
from isp_ns.train.muon import Muon
from isp_ns.train.perception_networks import run_folder

__all__ = ["DomainTrainer", "SceneNet", "study_domains", "used_parameters"]

_CLIP = 5.0
_SCORED_AT_ONCE = 32


class SceneNet(nn.Module):
    """A trunk that all domains share, and a linear classifier for each.

    Args:
        spec: sizes of the trunk.
        classes: how many.
        domains: names.

    Source: one classifier per domain as in Li, Liu, Bilen 2024 (arXiv 2204.02744).
    """

    def __init__(self, spec: HeadSpec, classes: int, domains: Sequence[str]) -> None:
        super().__init__()
        self.spec = spec
        self.trunk = ContextTrunk(spec)
        self.classifiers = nn.ModuleDict({domain: nn.Linear(spec.deep, classes) for domain in domains})

    def features(self, pooled: Tensor) -> Tensor:
        """Pooled features (B, inputs, r, c) to the mean of the deep map over the picture, (B, deep)."""
        deep, _ = self.trunk(pooled)
        mean: Tensor = deep.float().mean((2, 3))
        return mean

    def classify(self, domain: str, features: Tensor) -> Tensor:
        """Features (B, deep) to logits (B, classes)."""
        logits: Tensor = self.classifiers[domain](features)
        return logits


def used_parameters(net: SceneNet) -> int:
    """How many values the classes depend on: the trunk's way up to the fine map has no part in them.

    Args:
        net: a network that is trained.

    Source: a value that a result depends on has a gradient.
    """
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    features = net.features(torch.zeros(2, net.spec.inputs, 16, 16))
    seen = torch.stack([net.classify(domain, features).sum() for domain in net.classifiers]).sum()
    gradients = torch.autograd.grad(seen, weights, allow_unused=True)
    return sum(w.numel() for w, gradient in zip(weights, gradients, strict=True) if gradient is not None)


@dataclass
class DomainTrainer:
    """One run: a network for some domains, and its teachers if it has any.

    Attributes:
        recipe: what to do.
        method: which way.
        net: fresh network, in fp32.
        sources: batches by domain.
        teachers: single-domain networks by domain; frozen here.
    """

    recipe: DomainsRecipe
    method: DomainMethod
    net: SceneNet
    sources: Mapping[str, Source]
    teachers: Mapping[str, SceneNet] = field(default_factory=dict)
    distiller: ImageDistiller | None = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = Muon(list(self.net.parameters()), self.recipe.learning_rate, self.recipe.weight_decay)
        self.distiller = self._distiller() if self.teachers else None

    @property
    def steps(self) -> int:
        """Steps of the run; every domain has a batch in each."""
        return self.recipe.epochs * max(source.steps_per_epoch for source in self.sources.values())

    def _distiller(self) -> ImageDistiller:
        def judgement(domain: str) -> Judgement:
            teacher = self.teachers[domain].eval().requires_grad_(False)

            def judge(pooled: Tensor) -> tuple[Tensor, Tensor]:
                features = self._features(teacher, pooled)
                return features, teacher.classify(domain, features)

            return judge

        deep = next(iter(self.teachers.values())).spec.deep
        return ImageDistiller(
            {domain: judgement(domain) for domain in self.teachers},
            self.net.spec.deep,
            deep,
            cka=self.method.cka,
            kl=self.method.kl,
            temperature=self.recipe.temperature,
        )

    def _features(self, net: SceneNet, pooled: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.dtype == "bfloat16"):
            return net.features(pooled)

    def loss(self, step: int, progress: float) -> Tensor:
        """Loss of a step, all domains added: cross entropy, and the distance to the teachers while it counts.

        Args:
            step: whose batches are looked at.
            progress: share of the run that is over, 0..1.
        """
        batches = [source.batch(step) for source in self.sources.values()]
        dtype = torch.bfloat16 if self.recipe.dtype == "bfloat16" else torch.float32
        pooled = torch.cat([batch.pooled for batch in batches]).to(dtype)
        sizes = [len(batch.pooled) for batch in batches]
        # All domains go through the trunk together, so that its batch norms see in training what they see later.
        features = torch.split(self._features(self.net, pooled), sizes)
        losses = []
        for domain, batch, read, seen in zip(self.sources, batches, torch.split(pooled, sizes), features, strict=True):
            logits = self.net.classify(domain, seen)
            losses.append(F.cross_entropy(logits, batch.labels.flatten().long()))
            if self.distiller:
                losses.append(anneal(progress) * self.distiller.loss(domain, read, seen, logits))
        return torch.stack(losses).sum()

    def _rate(self, progress: float) -> float:
        """A straight rise, then a cosine to zero, by share of the run."""
        warmup = self.recipe.warmup
        if progress < warmup:
            return self.recipe.learning_rate * (progress + 1e-3) / (warmup + 1e-3)
        return self.recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))

    def run(self) -> None:
        """Train to the end; leaves the network in eval mode."""
        self.net.train()
        for step in range(self.steps):
            progress = step / self.steps
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate(progress)
            self.optimizer.zero_grad(set_to_none=True)
            if self.distiller:
                self.distiller.zero_grad()
            self.loss(step, progress).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), _CLIP)
            self.optimizer.step()
            if self.distiller:
                self.distiller.step(progress)
        self.net.eval()


@torch.no_grad()
def _accuracy(net: SceneNet, domain: str, file: FeatureFile) -> float:
    """Share of pictures whose class is found."""
    right = 0
    for first in range(0, len(file), _SCORED_AT_ONCE):
        pictures = [file[index] for index in range(first, min(first + _SCORED_AT_ONCE, len(file)))]
        features = net.features(torch.cat([picture.pooled for picture in pictures]).float())
        scenes = torch.cat([picture.labels for picture in pictures]).flatten()
        right += int((net.classify(domain, features).argmax(1) == scenes).sum())
    return right / len(file)


@dataclass
class _Study:
    """All runs of a recipe."""

    data: DomainData
    out: Path

    def network(self, domains: Sequence[str], seed: int) -> SceneNet:
        torch.manual_seed(seed)
        recipe = self.data.recipe
        spec = HeadSpec(packed_channels(self.data.reader(domains[0]).channels), **recipe.net)
        net: SceneNet = channels_last(SceneNet(spec, len(self.data.classes), domains))
        return net

    def _teacher(self, method: DomainMethod, domain: str, seed: int) -> SceneNet:
        net = self.network([domain], seed)
        net.load_state_dict(load_file(run_folder(self.out, method.teachers, seed) / f"{domain}.safetensors"))
        return net

    def _trained(self, method: DomainMethod, domains: Sequence[str], seed: int) -> DomainTrainer:
        sources = {domain: self.data.source(domain, seed) for domain in domains}
        teachers = {domain: self._teacher(method, domain, seed) for domain in domains} if method.teachers else {}
        trainer = DomainTrainer(self.data.recipe, method, self.network(domains, seed), sources, teachers)
        trainer.run()
        state = {name: value.contiguous() for name, value in trainer.net.state_dict().items()}
        name = domains[0] if method.separate else "network"
        save_file(state, run_folder(self.out, method.name, seed) / f"{name}.safetensors")
        return trainer

    def _settings(self, method: DomainMethod) -> str:
        """A digest of all that a row depends on."""
        recipe = asdict(self.data.recipe)
        shared = {name: value for name, value in recipe.items() if name not in ("name", "methods", "seeds", "threads")}
        teaching = next((m for m in self.data.recipe.methods if m.name == method.teachers), None)
        mine = [asdict(replace(m, seeds=())) for m in (method, teaching) if m is not None]
        values = json.dumps([shared, mine, self.data.digest], sort_keys=True, default=str)
        return hashlib.sha256(values.encode()).hexdigest()[:12]

    def row(self, method: DomainMethod, seed: int) -> dict[str, Any]:
        """Train and score one method with one seed, or read what an earlier run of the same settings found."""
        settings, folder = self._settings(method), run_folder(self.out, method.name, seed)
        result = folder / "result.json"
        if result.is_file():
            done: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
            if done["settings"] == settings:
                return done
        folder.mkdir(parents=True, exist_ok=True)
        row = {"method": method.name, "seed": seed, **self._measured(method, seed), "settings": settings}
        result.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        return row

    def _measured(self, method: DomainMethod, seed: int) -> dict[str, Any]:
        names = tuple(self.data.recipe.domains)
        groups = [(name,) for name in names] if method.separate else [names]
        for name in names:  # Features that are not there yet are no part of the time of training.
            self.data.features(name, 0)
        started = time.monotonic()
        trainers = [self._trained(method, group, seed) for group in groups]
        train_s = time.monotonic() - started
        nets = {domain: trainer.net for trainer in trainers for domain in trainer.sources}
        accuracy = {name: round(_accuracy(nets[name], name, self.data.features(name, 1)), 4) for name in names}
        return {
            "accuracy": accuracy,
            "mean_accuracy": round(sum(accuracy.values()) / len(accuracy), 4),
            "parameters": sum(used_parameters(trainer.net) for trainer in trainers),
            "networks": len(trainers),
            "steps": trainers[0].steps,
            "train_s": round(train_s),
        }

    def table(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"schema": 1, "protocol": _protocol(self.data), "rows": list(rows)}


def _protocol(data: DomainData) -> dict[str, Any]:
    """What the numbers of a table mean."""
    recipe, (train, test) = data.recipe, (data.counts(0), data.counts(1))
    return {
        "task": "domains",
        "question": "one network for several cameras, against one for each; the class is the label of largest area",
        "dataset": recipe.dataset,
        "labels": data.splits[0].table.protocol,
        "classes": list(data.classes),
        "pictures": {"train": dict(zip(data.classes, train, strict=True)), "test": sum(test)},
        "always_the_commonest": round(test[train.index(max(train))] / sum(test), 4),
        "splits": list(recipe.splits),
        "domains": {name: {"clean": c.clean, "noise": list(c.noise)} for name, c in recipe.domains.items()},
        "input": recipe.input,
        "space": recipe.space,
        "features_digest": data.digest,
        "features": f"canonical grid, {recipe.coarse} × {recipe.coarse} cells packed, whole pictures when scored",
        "epochs": f"{recipe.epochs}, scored after the last; a step has {recipe.batch} pictures of each camera",
        "parameters": "of all networks of a method that the classes depend on; no teachers, no adapters",
        "recipe": recipe.name,
    }


def study_domains(path: Path, out: Path, *, epochs: int | None = None, data: Path | None = None) -> dict[str, Any]:
    """Train every method of a recipe with every seed, and write how often each camera's pictures are named right.

    Args:
        path: the recipe.
        out: folder of a folder per method and seed, of cached features, and of domains.json; what is finished is kept.
        epochs: instead of the recipe's.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.

    Returns:
        schema, protocol and rows, as written.

    Raises:
        ModelError: if the recipe cannot be used, or there are no data.
        DecodeError: if the dataset is not as it should be.

    Source: Li, Liu, Bilen 2024 (arXiv 2204.02744), the multi-domain experiment; cameras as domains are our own.
    """
    recipe = load_domains_recipe(path)
    recipe = replace(recipe, epochs=epochs or recipe.epochs)
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    study = _Study(DomainData.open(recipe, data, out / "features"), out)
    rows: list[dict[str, Any]] = []
    for method in recipe.methods:
        for seed in recipe.seeds_of(method):
            rows.append(study.row(method, seed))
            (out / "domains.json").write_text(json.dumps(study.table(rows), indent=1) + "\n", encoding="utf-8")
    return study.table(rows)
