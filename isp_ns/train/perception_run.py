"""From a recipe of heads to trained networks and a table: every method and seed in turn, each resumable by itself."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from isp_ns.core.errors import ModelError
from isp_ns.data.datasets import open_dataset
from isp_ns.data.labelled import IGNORED
from isp_ns.nets.cards import features_digest, load_space
from isp_ns.nets.fused import fused
from isp_ns.nets.heads import PerceptionNet
from isp_ns.nets.precision import bf16_is_fast, to_bf16
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.dense_losses import class_weights
from isp_ns.train.feature_file import FeatureFile, cached_features
from isp_ns.train.feature_source import CachedSource, LiveSource, encode_view, seeded
from isp_ns.train.finer_labels import FinerLabels, coarse_labels
from isp_ns.train.loop import Budget
from isp_ns.train.manifest import data_root
from isp_ns.train.multitask import MultitaskTrainer
from isp_ns.train.perception_networks import Networks, run_folder
from isp_ns.train.perception_recipe import Method, PerceptionRecipe, load_perception_recipe
from isp_ns.train.perception_score import score_network
from isp_ns.train.perception_table import table_of
from isp_ns.train.readers import Reader, build_reader, fixed_camera
from isp_ns.train.samples import Encoded, Pictures, Samples
from isp_ns.train.views import draw_view, whole_view

__all__ = ["Workshop", "frozen_space", "open_split", "run_perception", "scored_features"]


def scored_features(
    labelled: Pictures, reader: Reader, pictures: int | None = None, coarse: int = 2
) -> Iterator[Encoded]:
    """Whole pictures through a reader, one by one, the noise of each from its index.

    Args:
        labelled: the pictures.
        reader: what makes features of them.
        pictures: how many, evenly spread; all if left out.
        coarse: squares of this many cells a side are packed into one.
    """
    samples = Samples(labelled, keep=False)
    for index in picked(len(samples), pictures):
        sample = samples[index]
        with torch.no_grad():
            yield encode_view(sample, whole_view(sample.size), reader, seeded(index), coarse=coarse)


def frozen_space(name: str) -> tuple[NeuralSpace, str]:
    """A finished neural space in the fastest arithmetic of this processor, and the digest of what makes its features.

    Raises:
        ModelError: if there is none of that name.
    """
    try:
        space, _ = load_space(name)
    except ValueError as error:
        raise ModelError(str(error)) from error
    digest = features_digest(space)
    return fused(to_bf16(space) if bf16_is_fast() else space), digest


def open_split(recipe: PerceptionRecipe, data: Path | None, split: str, labels: str = "") -> Pictures:
    """A split of a recipe's dataset, with the recipe's labels or others.

    Raises:
        ModelError: if there are no data.
        DecodeError: if the dataset is not as it should be.
    """
    found: Pictures = open_dataset(recipe.dataset, data_root(data) / recipe.folder, split, labels or recipe.labels)
    return found


def picked(count: int, pictures: int | None) -> list[int]:
    """Indices of some pictures, evenly spread."""
    wanted = min(count, pictures or count)
    return [place * count // wanted for place in range(wanted)]


@dataclass
class Workshop:
    """What all methods of a recipe share: data, reader and features.

    Attributes:
        recipe: what to do.
        train: labelled pictures to train on, with the finer labels if there are any.
        test: labelled pictures to score on.
        space: frozen.
        reader: of the training views.
        test_reader: of the test split.
        features: folder of cached features.
        digest: of the weights that make features.
    """

    recipe: PerceptionRecipe
    train: Pictures
    test: Pictures
    space: NeuralSpace
    reader: Reader
    test_reader: Reader
    features: Path
    digest: str

    @classmethod
    def open(cls, recipe: PerceptionRecipe, data: Path | None, features: Path) -> "Workshop":
        """Load space and datasets.

        Raises:
            ModelError: if there is no such space, or no data.
            DecodeError: if a dataset is not as it should be.
        """
        space, digest = frozen_space(recipe.space)
        train = open_split(recipe, data, recipe.splits[0], recipe.finer)
        test = open_split(recipe, data, recipe.splits[1])
        readers = [build_reader(recipe.input, space, c) for c in (recipe.cameras, fixed_camera(recipe.test_noise))]
        return cls(recipe, train, test, space, readers[0], readers[1], features, digest)

    def _settings(self, **more: Any) -> dict[str, Any]:
        recipe = self.recipe
        shared = {name: getattr(recipe, name) for name in ("input", "dataset", "labels", "splits", "coarse")}
        return {"space": self.digest, **shared, **more}

    def test_features(self) -> FeatureFile:
        """Features of the test split, at the recipe's fixed noise."""
        coarse = self.recipe.coarse
        settings = self._settings(noise=self.recipe.test_noise, pictures=len(self.test))
        return cached_features(
            self.features, "test", settings, lambda: scored_features(self.test, self.test_reader, coarse=coarse)
        )

    def _variants(self, samples: Samples) -> Iterator[Encoded]:
        views = self.recipe.views
        width, _, height = next(iter(views.aspects)).partition(":")
        aspect = (int(width), int(height))
        for variant in range(self.recipe.variants):
            for index in range(len(samples)):
                rng, sample = seeded(self.recipe.seeds[0], 6, variant, index), samples[index]
                view = draw_view(sample.size, aspect, rng, zoom=views.zoom, scales=views.scales)
                with torch.no_grad():
                    yield encode_view(sample, view, self.reader, rng, views.colour, self.recipe.coarse)

    def source(self, samples: Samples, seed: int) -> LiveSource | CachedSource:
        """Batches as the recipe says."""
        recipe = self.recipe
        if recipe.source == "live":
            return LiveSource(samples, self.reader, recipe, seed)
        settings = self._settings(views=asdict(recipe.views), cameras=asdict(recipe.cameras), variants=recipe.variants)
        settings |= {"seed": recipe.seeds[0], "pictures": len(samples), "labels": recipe.finer or recipe.labels}
        file = cached_features(self.features, "train", settings, lambda: self._variants(samples))
        return CachedSource(file, len(samples), recipe, seed)


def _weights_of_classes(workshop: Workshop, samples: Samples) -> Tensor | None:
    recipe = workshop.recipe
    if recipe.class_weights == "none" or "labels" not in recipe.tasks:
        return None
    counts = samples.label_counts()
    if recipe.finer:
        coarse = coarse_labels(workshop.train.table, workshop.test.table)[: len(counts)]
        known = coarse != IGNORED
        counts = torch.bincount(coarse[known], counts[known].double(), minlength=len(workshop.test.table.names))
    return class_weights(counts, recipe.class_weights)


@dataclass
class _Runner:
    """All runs of a recipe."""

    workshop: Workshop
    samples: Samples
    networks: Networks
    out: Path
    budget: Budget | None
    resume: bool

    def finer(self, net: PerceptionNet) -> FinerLabels | None:
        """The finer table of a network that learns labels; its fresh weights follow those of the network."""
        recipe, workshop = self.workshop.recipe, self.workshop
        if not recipe.finer or "labels" not in net.tasks:
            return None
        return FinerLabels(net.spec.fine, workshop.train.table, workshop.test.table, recipe.finer_factor)

    def train(self, method: Method, seed: int, stop_after: int | None) -> dict[str, Any] | None:
        """Train one method with one seed; None if it was stopped."""
        workshop, folder = self.workshop, run_folder(self.out, method.name, seed)
        result = folder / "result.json"
        if self.resume and result.is_file():
            return self._finished(result, method)
        test = workshop.test_features()
        source = workshop.source(self.samples, seed)
        net = self.networks.begun(method, seed)
        trainer = MultitaskTrainer(
            workshop.recipe,
            method,
            net,
            source,
            lambda average: score_network(average, test, workshop.test, workshop.recipe),
            _steps(self._budget(method), source.steps_per_epoch),
            folder,
            seed,
            self.networks.teachers(method, seed),
            _weights_of_classes(workshop, self.samples),
            self.finer(net),
            self.networks.ensemble(method, seed),
        )
        if self.resume and trainer.checkpoint.is_file():
            trainer.resume()
        try:
            trainer.run(stop_after)
        finally:
            source.close()
        if trainer.progress < 1:
            return None
        return self._finish(trainer, folder)

    def _finished(self, result: Path, method: Method) -> dict[str, Any]:
        """The row of a run that is over; one of another budget or of other features is no answer."""
        done: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        wanted = {"budget": self._told(method), "features_digest": self.workshop.digest}
        changed = [f"{name} {done.get(name)}, now {value}" for name, value in wanted.items() if done.get(name) != value]
        if changed:
            raise ModelError(
                f"{result}: this run was finished with other settings ({'; '.join(changed)}); use another --out, or "
                "leave --resume out to train it again"
            )
        return done

    def _told(self, method: Method) -> str:
        budget = self._budget(method)
        return f"{budget.steps} epochs" if budget.steps else f"{budget.time_s:g} s"

    def _budget(self, method: Method) -> Budget:
        """That of the command for all methods, else the method's epochs."""
        return self.budget or Budget(steps=method.epochs or self.workshop.recipe.epochs)

    def _finish(self, trainer: MultitaskTrainer, folder: Path) -> dict[str, Any]:
        state = {name: value.contiguous() for name, value in trainer.average.state_dict().items()}
        save_file(state, folder / "network.safetensors")
        row = {**row_of(trainer), "budget": self._told(trainer.method), "features_digest": self.workshop.digest}
        row |= {
            "initial": self.networks.named(trainer.method.initial),
            "ensemble": list(map(self.networks.named, trainer.method.ensemble)),
        }
        (folder / "result.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        return row


def _steps(budget: Budget, steps_per_epoch: int) -> Budget:
    """A budget of epochs as one of steps."""
    return budget if budget.steps is None else Budget(steps=budget.steps * steps_per_epoch)


def row_of(trainer: MultitaskTrainer) -> dict[str, Any]:
    """The row of a finished run: size, cost, and the scores of the last epoch and of the mean of the last ones."""
    from isp_ns.nets.counters import macs_per_pixel, parameters

    net, recipe = trainer.average, trainer.recipe
    probe = torch.zeros(1, net.spec.inputs, *(cells // recipe.coarse for cells in (120, 160)))
    numbers = [name for name, value in trainer.scores[-1].items() if isinstance(value, float)]
    return {
        "method": trainer.method.name,
        "seed": trainer.seed,
        "tasks": list(trainer.method.tasks),
        "balance": trainer.method.balance,
        "distilled": bool(trainer.method.teachers),
        "parameters": parameters(net),
        "macs": round(macs_per_pixel(lambda: net.answer(probe), [net], 1)),
        "epochs": round(trainer.step / trainer.source.steps_per_epoch, 2),
        "steps": trainer.step,
        "log_focal": [round(value, 3) for value in trainer.log_focal],
        "train_s": round(trainer.elapsed_s),
        "scored_epochs": len(trainer.scores),
        "last": trainer.scores[-1],
        "mean": {name: sum(s[name] for s in trainer.scores) / len(trainer.scores) for name in numbers},
        "input": recipe.input,
    }


def run_perception(
    path: Path,
    out: Path,
    *,
    time_s: float | None = None,
    epochs: int | None = None,
    resume: bool = False,
    methods: Sequence[str] = (),
    data: Path | None = None,
    stop_after: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train the heads of a recipe and write the table of their scores.

    Args:
        path: the recipe.
        out: folder of a folder per method and seed, of cached features, and of results.json.
        time_s: seconds of training of each method and seed.
        epochs: passes over the data instead, exactly repeatable; each method's own if neither is given.
        resume: keep finished runs and continue interrupted ones.
        methods: names of those to train; all if empty.
        data: folder of the datasets, else ISP_NS_SHARED_DATA.
        stop_after: stop each run after this step, with a checkpoint.
        changes: fields of the recipe that are replaced, such as `input`.

    Returns:
        The table, as written.

    Raises:
        ModelError: if the recipe or a teacher cannot be used, or there are no data.
        DecodeError: if a dataset is not as it should be.
    """
    recipe = replace(load_perception_recipe(path), **dict(changes or {}))
    chosen = [recipe.method(name) for name in methods] if methods else list(recipe.methods)
    budget = None if time_s is None and epochs is None else Budget(time_s=time_s, steps=epochs)
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    workshop = Workshop.open(recipe, data, out / "features")
    samples = Samples(workshop.train, recipe.tasks)
    classes = len(workshop.test.table.names)
    networks = Networks(recipe, out, workshop.reader.channels, classes, workshop.digest)
    runner = _Runner(workshop, samples, networks, out, budget, resume)
    for method in chosen:
        for seed in method.seeds:
            runner.train(method, seed, stop_after)
            write_table(recipe, workshop, out)
    return write_table(recipe, workshop, out)


def write_table(recipe: PerceptionRecipe, workshop: Workshop, out: Path) -> dict[str, Any]:
    """Gather the rows of all finished runs of a recipe into results.json."""
    rows = [
        json.loads(result.read_text(encoding="utf-8"))
        for method in recipe.methods
        for seed in method.seeds
        if (result := run_folder(out, method.name, seed) / "result.json").is_file()
    ]
    table = table_of(recipe, rows, workshop.digest)
    (out / "results.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return table
