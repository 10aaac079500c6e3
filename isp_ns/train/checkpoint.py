"""Checkpoints: the state of a run beside the settings that it was made with."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from isp_ns.core.errors import ModelError

__all__ = ["read_checkpoint", "write_checkpoint"]

_SETTINGS = "settings"


def write_checkpoint(path: Path, state: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Write a checkpoint; an interrupted write leaves the former one.

    Args:
        path: the file.
        state: tensors and plain values.
        settings: what a run must have in common to go on from here; plain values.
    """
    partial = path.with_suffix(".part")
    torch.save({**state, _SETTINGS: json.dumps(settings)}, partial)
    partial.replace(path)


def read_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checkpoint, on the processor.

    Args:
        path: the file.
        settings: of the run that is to go on.

    Raises:
        ModelError: if it cannot be read, or was made with other settings.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        made_with: dict[str, Any] = json.loads(state.pop(_SETTINGS))
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).partition("\n")[0]
        raise ModelError(f"{path}: the checkpoint cannot be read ({first}); start without --resume") from error
    wanted = json.loads(json.dumps(settings))
    changed = [name for name in {**made_with, **wanted} if made_with.get(name) != wanted.get(name)]
    if changed:
        differences = ", ".join(f"{name} {made_with.get(name)!r}, now {wanted.get(name)!r}" for name in changed)
        raise ModelError(
            f"{path}: the run was begun with other settings ({differences}); go on with those, or start anew in "
            "another folder"
        )
    return state
