"""Manifests: which files a dataset has, where they come from, under which licence, and how they are split."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from isp_ns.core.errors import DecodeError, ModelError

__all__ = ["Manifest", "data_root", "load_manifest", "verified_files"]


@dataclass(frozen=True)
class Manifest:
    """A dataset of pictures.

    Attributes:
        name: of the dataset.
        origin: where it comes from.
        licence: of the pictures.
        folder: below the data root.
        train: file name → sha256.
        holdout: file name → sha256, never trained on.
    """

    name: str
    origin: str
    licence: str
    folder: str
    train: dict[str, str]
    holdout: dict[str, str]


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ModelError: if it is absent or lacks a field.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values.pop("schema", None)
        return Manifest(**{**values, "train": values["train"] or {}, "holdout": values["holdout"] or {}})
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: the manifest cannot be read ({error})") from error


def data_root(data: Path | None = None) -> Path:
    """The folder of the datasets: as given, or ISP_NS_SHARED_DATA.

    Raises:
        ModelError: if there is none.
    """
    name = str(data) if data else os.environ.get("ISP_NS_SHARED_DATA", "")
    if not name or not Path(name).is_dir():
        raise ModelError(f"training data not found at {name!r}; set ISP_NS_SHARED_DATA to the folder of the datasets")
    return Path(name)


def verified_files(manifest: Manifest, root: Path, split: str) -> list[Path]:
    """Paths of a split, "train" or "holdout", after checking every digest.

    Raises:
        DecodeError: if a file is absent or is not the one of the manifest.
    """
    paths = []
    for name, digest in getattr(manifest, split).items():
        path = root / manifest.folder / name
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise DecodeError(
                f"{path}: a file of manifest {manifest.name} is absent; get it from {manifest.origin}"
            ) from error
        if found != digest:
            raise DecodeError(
                f"{path}: differs from manifest {manifest.name} (sha256 {found[:12]}…, not {digest[:12]}…)"
            )
        paths.append(path)
    return paths
