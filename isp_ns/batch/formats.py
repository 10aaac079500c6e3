"""File formats of a batch: what each can hold, and settings that contradict each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_ns.batch.settings import Settings
from isp_ns.core.errors import SettingsError

__all__ = ["FORMATS", "Container", "FileFormat", "file_format", "format_of_name"]


@dataclass(frozen=True)
class Container:
    """A file format: its extensions (the first is ours), bit depths (the first is the default) and other options."""

    extensions: tuple[str, ...]
    depths: tuple[str, ...]
    options: tuple[str, ...] = ()


FORMATS: Mapping[str, Container] = {
    "jpeg": Container(("jpg", "jpeg"), ("8",), ("quality", "subsampling")),
    "png": Container(("png",), ("8", "16"), ("compression",)),
    "tiff": Container(("tif", "tiff"), ("16", "8", "32f"), ("compression",)),
    "exr": Container(("exr",), ("16f", "32f")),
    "dng": Container(("dng",), ("16",)),
}
"""Formats by name."""

_OPTIONS = ("quality", "subsampling", "compression")

EXTRA_OUTPUTS: Mapping[str, tuple[str, str]] = {
    "depth": ("tiff", "32f"),
    "depth_mm": ("png", "16"),
    "depth_preview": ("jpeg", "8"),
    "labels": ("png", "8"),
    "labels_overlay": ("jpeg", "8"),
    "mosaic": ("dng", "16"),
}
"""Format and bit depth of outputs that are no photos."""


@dataclass(frozen=True)
class FileFormat:
    """How one output is written. `bit_depth` is "8", "16", "16f" or "32f"; None options are the writer's defaults."""

    name: str
    bit_depth: str
    quality: int | None = None
    subsampling: str | None = None
    compression: str | None = None

    @property
    def ext(self) -> str:
        """The extension, without its dot."""
        return FORMATS[self.name].extensions[0]

    @property
    def pixel_bits(self) -> int:
        """8, 16 or, for floating point, 32 bits that pixels should have before they are written."""
        return {"8": 8, "16": 16}.get(self.bit_depth, 32)


def file_format(settings: Settings, output: str = "image") -> FileFormat:
    """The format in which `output` is written.

    An option that the format does not have is refused, unless it comes from a lower layer (such as the quality of a
    configuration file when a flag asks for TIFF), which is then not meant.

    Raises:
        SettingsError: for contradictions.
    """
    if output in EXTRA_OUTPUTS:
        return FileFormat(*EXTRA_OUTPUTS[output])
    name = settings.format or "jpeg"
    container = FORMATS[name]
    depth = settings.bit_depth or container.depths[0]
    if depth not in container.depths:
        if _meant(settings, "bit_depth"):
            raise SettingsError(f"{name} files hold {' or '.join(container.depths)} bits per channel, not {depth}")
        depth = container.depths[0]
    quality, subsampling, compression = (_fitting(settings, option, name) for option in _OPTIONS)
    return FileFormat(name, depth, quality, subsampling, compression)


def format_of_name(name: str) -> str | None:
    """The format that a file name's extension stands for, None when it stands for none."""
    ext = name.rpartition(".")[2].lower()
    return next((name for name, container in FORMATS.items() if ext in container.extensions), None)


def _fitting(settings: Settings, option: str, name: str) -> Any:
    value = getattr(settings, option)
    if value is None or option in FORMATS[name].options:
        return value
    if _meant(settings, option):
        raise SettingsError(
            f"--{option} is not an option of {name} files; it came from {settings.origin(option).label}"
        )
    return None


def _meant(settings: Settings, option: str) -> bool:
    """Whether an option was given no lower than the format itself."""
    return settings.origin(option).layer >= settings.origin("format").layer
