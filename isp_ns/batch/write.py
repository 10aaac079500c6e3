"""Writing the outputs of a file, with what is known of the shot."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.batch.formats import FileFormat
from isp_ns.core.errors import OutputError

if TYPE_CHECKING:
    from isp_ns.batch.derived import Classes
    from isp_ns.core.frame import Frame
    from isp_ns.io.exiftool import ExifTool
    from isp_ns.io.exifwrite import ExifData

__all__ = ["ShotTags", "save", "write_classes"]


class ShotTags:
    """Tags of source files by exiftool, where it is installed, read in a thread while the pixels are developed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "tags")
        self._lock = threading.Lock()
        self._tool: ExifTool | None = None
        self._closed = False

    def start(self) -> None:
        """Start exiftool, which takes a moment, before it is needed."""
        self._thread.submit(self._running)

    def ask(self, path: Path) -> "Future[ExifData | None]":
        """Begin to read the tags of a file; the future gives None without exiftool, or raises OutputError."""
        return self._thread.submit(self._read, path)

    def close(self) -> None:
        """End it, without waiting for tags that nobody wants any more."""
        with self._lock:
            self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _read(self, path: Path) -> "ExifData | None":
        tool = self._running()
        try:
            return tool.carry(path) if tool is not None else None
        except OutputError:
            # It may still be busy with this file; the next one gets a new process.
            self._end()
            raise

    def _running(self) -> "ExifTool | None":
        from isp_ns.io.exiftool import ExifTool, exiftool_path

        with self._lock:
            if self._tool is None and not self._closed and exiftool_path() is not None:
                self._tool = ExifTool()
            return self._tool

    def _end(self) -> None:
        with self._lock:
            tool, self._tool = self._tool, None
        if tool is not None:
            tool.close()


def save(
    path: Path, frame: "Frame", form: FileFormat, *, source: Path, orientation: str, tags: "ExifData | None"
) -> None:
    """Write one output, whole or not at all.

    Args:
        path: where to.
        frame: the pixels.
        form: format and options.
        source: the file that they were made of.
        orientation: "apply" or "keep".
        tags: what exiftool knows of the source.

    Raises:
        OutputError: if the file cannot be written.
    """
    from isp_ns.io.write import gather_exif, write_image

    options: dict[str, Any] = {"compression": form.compression, "orientation": orientation, "source": source}
    options["bit_depth"] = int(form.bit_depth) if form.bit_depth.isdigit() else form.bit_depth
    if form.quality is not None:
        options["quality"] = form.quality
    if form.subsampling is not None:
        options["subsampling"] = form.subsampling.replace(":", "")
    known = gather_exif(frame, source)
    _make_folder(path.parent)
    write_image(path, frame, format=form.name, exif=tags.over(known) if tags else known, **options)


def write_classes(path: Path, frame: "Frame", classes: "Classes", orientation: str) -> None:
    """Write a label map as an indexed PNG, whole or not at all.

    Args:
        path: where to.
        frame: class numbers.
        classes: their names and colours.
        orientation: "apply" or "keep".

    Raises:
        OutputError: if the file cannot be written.
    """
    from isp_ns.io.maps import write_labels

    _make_folder(path.parent)
    write_labels(path, frame, *classes, orientation)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror})") from error
