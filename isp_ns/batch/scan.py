"""Finding the files of a batch: what was named, what a folder holds, and what is left alone."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from isp_ns.core.errors import DecodeError, SettingsError
from isp_ns.io.formats import IMAGE_EXTENSIONS, RAW_EXTENSIONS, read_head, sniff

__all__ = ["SIDECAR_SUFFIX", "Scan", "Source", "is_image", "scan"]

SIDECAR_SUFFIX = ".isp-ns.yaml"
"""What is appended to the name of a photo to make the name of its own settings file."""


@dataclass(frozen=True)
class Source:
    """A file to work on, and the folder below the output that mirrors where it was found.

    `named` tells whether the file itself was named, not a folder that holds it.
    """

    path: Path
    mirrored: PurePath = field(default_factory=PurePath)
    named: bool = False

    @property
    def sidecar(self) -> Path:
        """Where settings of this photo alone may lie."""
        return self.path.with_name(self.path.name + SIDECAR_SUFFIX)


@dataclass(frozen=True)
class Scan:
    """What was found: files to work on, files of other kinds, and paths that cannot be read with the reason."""

    sources: tuple[Source, ...]
    ignored: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]


def scan(
    inputs: Iterable[str | Path], *, output: Path, recursive: bool = False, extensions: Sequence[str] = ()
) -> Scan:
    """Sort out the files that `inputs` name.

    A named file is always taken, unless `extensions` rule it out. Of a folder, files with a RAW extension (in any
    case) are taken, or those with one of `extensions`; hidden files and folders and the `output` folder are not
    looked at. Links to files are followed, links to folders only when they are named. A file found twice counts once.

    Args:
        inputs: files and folders.
        output: the output folder.
        recursive: whether to look into subfolders.
        extensions: what to take instead of the RAW extensions, with or without the dot.

    Raises:
        SettingsError: if nothing is named.
    """
    wanted = frozenset(f".{ext.lower().lstrip('.')}" for ext in extensions)
    found: dict[Path, Source] = {}
    ignored: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    named = list(inputs)
    if not named:
        raise SettingsError("no input is named; give files or folders")
    for each in map(Path, named):
        if each.is_dir():
            listed: Iterable[Source] = _walk(each, output.resolve(), recursive, unreadable)
            takes = wanted or RAW_EXTENSIONS
        else:
            listed, takes = [Source(each, named=True)], wanted
        for source in listed:
            if takes and source.path.suffix.lower() not in takes:
                if not source.path.name.endswith(SIDECAR_SUFFIX):
                    ignored.append(source.path)
            elif not source.path.is_file():
                unreadable.append((source.path, "there is no such file"))
            else:
                found.setdefault(source.path.resolve(), source)
    return Scan(tuple(found.values()), tuple(ignored), tuple(unreadable))


def is_image(path: Path) -> bool:
    """Whether a file is a finished image, not a RAW file: by its first bytes, and for TIFF by its extension."""
    try:
        kind = sniff(read_head(path))
    except DecodeError:
        return False
    return kind in ("jpeg", "png", "webp") or (kind == "tiff" and path.suffix.lower() in IMAGE_EXTENSIONS)


def _walk(root: Path, output: Path, recursive: bool, unreadable: list[tuple[Path, str]]) -> Iterator[Source]:
    """The visible files below `root`, sorted."""

    def note(error: OSError) -> None:
        unreadable.append((Path(error.filename or root), error.strerror or str(error)))

    for folder, subfolders, files in os.walk(root, onerror=note):
        here = Path(folder)
        subfolders[:] = sorted(
            name for name in subfolders if recursive and name[0] != "." and (here / name).resolve() != output
        )
        for name in sorted(files):
            if not name.startswith("."):
                yield Source(here / name, here.relative_to(root))
