"""The networks of a comparison: fresh ones, those of runs before, and finished weights to start or learn from."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from isp_ns.core.errors import ModelError
from isp_ns.nets.cards import load_perception
from isp_ns.nets.heads import HeadSpec, PerceptionNet
from isp_ns.nets.layers import channels_last
from isp_ns.nets.pooling import packed_channels
from isp_ns.train.ensemble import Ensemble
from isp_ns.train.perception_recipe import Method, PerceptionRecipe

__all__ = ["Networks", "fresh_network", "run_folder"]


def fresh_network(recipe: PerceptionRecipe, method: Method, channels: int, classes: int, seed: int) -> PerceptionNet:
    """A network for the tasks of a method, for features of that many channels, with weights from the seed."""
    torch.manual_seed(seed)
    tasks = {task: (classes if task == "labels" else None) for task in method.tasks}
    net: PerceptionNet = channels_last(PerceptionNet(HeadSpec(packed_channels(channels), **recipe.net), tasks))
    return net


def run_folder(out: Path, method: str, seed: int) -> Path:
    """Where a run keeps its checkpoint, network and result."""
    return out / f"{method}-{seed}"


@dataclass(frozen=True)
class Networks:
    """The networks of the methods of a recipe.

    Attributes:
        recipe: with its methods.
        out: folder of the runs.
        channels: of the features.
        classes: of the labels.
        digest: of the weights that make the features.
    """

    recipe: PerceptionRecipe
    out: Path
    channels: int
    classes: int
    digest: str

    def fresh(self, method: Method, seed: int) -> PerceptionNet:
        """A network for a method, with weights from the seed."""
        return fresh_network(self.recipe, method, self.channels, self.classes, seed)

    def trained(self, name: str, seed: int) -> PerceptionNet:
        """The network of a finished run, frozen.

        Raises:
            ModelError: if there is no such method, or its run is not finished.
        """
        net, path = self.fresh(self.recipe.method(name), seed), run_folder(self.out, name, seed) / "network.safetensors"
        if not path.is_file():
            raise ModelError(f"{path}: {name} is not trained yet; run its method first")
        net.load_state_dict(load_file(path))
        return net.eval().requires_grad_(False)

    def teachers(self, method: Method, seed: int) -> dict[str, PerceptionNet]:
        """The networks that teach a method, by task.

        Raises:
            ModelError: if one of them is not trained yet.
        """
        return {task: self.trained(name, seed) for task, name in method.teachers.items()}

    def begun(self, method: Method, seed: int) -> PerceptionNet:
        """The network that a method starts with.

        Raises:
            ModelError: if there is nothing to start from, or it is of another shape.
        """
        net = self.fresh(method, seed)
        if method.initial:
            try:
                net.load_state_dict(self._known(method.initial, seed)[0].state_dict())
            except RuntimeError as error:
                raise ModelError(f"{method.name} cannot start from {method.initial}: {error}") from error
        return net

    def ensemble(self, method: Method, seed: int) -> Ensemble | None:
        """Runs of methods before it, and finished weights, as one teacher; None if the method names none.

        Raises:
            ModelError: if one of them is absent, answers other tasks or reads other features.
        """
        tasks, nets = self.fresh(method, seed).tasks, []
        for name in method.ensemble:
            net, digest = self._known(name, seed)
            if any(net.tasks.get(task, ()) != classes for task, classes in tasks.items()):
                raise ModelError(f"{name} cannot teach {method.name}: it does not answer the same tasks")
            if digest != self.digest:
                raise ModelError(f"{name} cannot teach: it reads other features than those of {self.recipe.space}")
            nets.append(net)
        return Ensemble(nets) if nets else None

    def _known(self, name: str, seed: int) -> tuple[PerceptionNet, str]:
        """The network of a method before, or of finished weights, and the digest of the features that it reads."""
        if self._is_method(name):
            return self.trained(name, seed), self.digest
        try:
            net, card = load_perception(name)
        except ValueError as error:
            raise ModelError(str(error)) from error
        return net, card.domain.get("features_digest", "")

    def named(self, name: str) -> str:
        """The name of a method as it is, and that of weights with their digest; nothing stays nothing."""
        return name if not name or self._is_method(name) else f"{name}, digest {load_perception(name)[1].digest}"

    def _is_method(self, name: str) -> bool:
        return name in {method.name for method in self.recipe.methods}
