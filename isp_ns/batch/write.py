"""Writing the outputs of a file, with what is known of the shot."""

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.batch.formats import FileFormat
from isp_ns.core.errors import OutputError

if TYPE_CHECKING:
    from isp_ns.core.frame import Frame
    from isp_ns.io.exiftool import ExifTool

__all__ = ["ShotTags", "save"]


class ShotTags:
    """Tags of source files by exiftool, where it is installed: one process for the batch, started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tool: ExifTool | None = None
        self._started = False

    def tool(self) -> "ExifTool | None":
        """The running exiftool; None when it is not installed or does not start."""
        from isp_ns.io.exiftool import ExifTool, exiftool_path

        with self._lock:
            if not self._started:
                self._started = True
                if exiftool_path() is not None:
                    with contextlib.suppress(OutputError, OSError):
                        self._tool = ExifTool()
            return self._tool

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._tool is not None:
                self._tool.close()
                self._tool = None


def save(path: Path, frame: "Frame", form: FileFormat, orientation: str, **exif: Any) -> None:
    """Write one output, whole or not at all.

    Args:
        path: where to.
        frame: the pixels.
        form: format and options.
        orientation: "apply" or "keep".
        exif: `source` and `exif` of `isp_ns.io.write.write_image`.

    Raises:
        OutputError: if the file cannot be written.
    """
    from isp_ns.io.write import write_image

    options: dict[str, Any] = {"compression": form.compression}
    if form.quality is not None:
        options["quality"] = form.quality
    if form.subsampling is not None:
        options["subsampling"] = form.subsampling.replace(":", "")
    options["bit_depth"] = int(form.bit_depth) if form.bit_depth.isdigit() else form.bit_depth
    options["orientation"] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, frame, format=form.name, **options, **exif)
