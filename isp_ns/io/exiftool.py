"""The exiftool program as a resident process, to carry over what this library does not read itself.

exiftool knows every camera's tags and XMP. It writes them into a one-pixel JPEG, from which they are taken: the result
itself is written once, by this library, and never rewritten by another program.
Source: ExifTool documentation, -stay_open and -tagsFromFile.
"""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from isp_ns.core.errors import OutputError
from isp_ns.io.exifread import find_exif
from isp_ns.io.exifwrite import ExifData, select_exif
from isp_ns.io.jpeg import split_segments, tiny_jpeg

__all__ = ["ExifTool", "exiftool_path"]

_TIMEOUT_S = 30.0
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"

_WANTED = (
    # Any group of the source, maker notes included, into the standard places; what EXIF itself says comes after.
    "-Make", "-Model", "-LensModel", "-LensMake", "-ExposureTime", "-FNumber", "-ISO", "-FocalLength",
    "-FocalLengthIn35mmFormat", "-DateTimeOriginal", "-CreateDate", "-Artist", "-Copyright", "-ImageDescription",
    "-ExifIFD:all", "-GPS:all",
    "-XMP-dc:all", "-XMP-xmp:Rating", "-XMP-xmp:Label", "-XMP-xmpRights:all", "-XMP-aux:all", "-XMP-exifEX:all",
    "-XMP-iptcCore:all", "-XMP-iptcExt:all", "-XMP-photoshop:all", "-XMP-lr:all",
    "--XMP-dc:Format", "--MakerNotes", "--ExifIFD:MakerNote*", "--PreviewImage", "--ThumbnailImage",
)  # fmt: skip


_SUPERVISOR = """
{ cat; printf '%s\\n' -stay_open False; } | "$1" -config '' -stay_open True -@ -
rm -rf "$2"
"""
"""Tells exiftool to end when this process is gone, whatever ended it: by itself it would wait for ever."""


def exiftool_path() -> str | None:
    """Where the exiftool program is, None when it is not installed."""
    return shutil.which("exiftool")


class ExifTool:
    """One exiftool process that serves many files; safe to use from several threads.

    Raises:
        OutputError: if the program is not installed.
    """

    def __init__(self) -> None:
        program = exiftool_path()
        if program is None:
            raise OutputError("exiftool is not installed; get it from exiftool.org or your system's packages")
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="isp_ns-")
        self._count = 0
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISOR, "exiftool", program, self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal is for this process, which still has results to finish.
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._pump = threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True)
        self._pump.start()

    def carry(self, source: Path) -> ExifData:
        """The tags and the XMP of a source file that are true of a picture made from it; none of a file without any.

        Raises:
            OutputError: if exiftool has ended or does not answer.
        """
        with self._lock:
            self._count += 1
            target = Path(self._folder.name) / f"{self._count}.jpg"
            target.write_bytes(tiny_jpeg())
            self._run(["-m", "-overwrite_original", "-tagsFromFile", str(source.absolute()), *_WANTED, str(target)])
            data = _taken(target)
            target.unlink()
        return data

    def _run(self, arguments: list[str]) -> None:
        """Run one command and wait for its end."""
        if any("\n" in argument for argument in arguments):
            raise OutputError(
                "exiftool cannot take a file whose name has a line break; its metadata is not carried over"
            )
        ready = f"{{ready{self._count}}}"
        command = "\n".join([*arguments, f"-execute{self._count}", ""])
        said = []
        try:
            pipe = self._process.stdin
            if pipe is None:
                raise OutputError("exiftool is closed")
            pipe.write(command.encode("utf-8", "surrogateescape"))
            pipe.flush()
            while (line := self._line()) != ready:
                said.append(line)
        except (queue.Empty, OSError, ValueError) as error:
            raise OutputError(f"exiftool did not answer ({' '.join(said)[:200] or error})") from error

    def _line(self) -> str:
        """The next line that exiftool prints. Raises queue.Empty when there is none in time, OSError at the end."""
        line = self._lines.get(timeout=_TIMEOUT_S)
        if line is None:
            raise OSError("it has ended")
        return line.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the process and remove its folder."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pump.join(2.0)
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(FileNotFoundError):
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pump(stream: IO[bytes] | None, lines: "queue.SimpleQueue[bytes | None]") -> None:
    """Move the lines of a pipe to a queue, so that waiting for them can time out."""
    if stream is not None:
        with contextlib.suppress(ValueError, OSError):
            for line in stream:
                lines.put(line)
    lines.put(None)


def _taken(path: Path) -> ExifData:
    """EXIF and XMP of a JPEG."""
    with path.open("rb") as file:
        block = find_exif(file)
    segments, _ = split_segments(path.read_bytes())
    packets = [body[len(_XMP_HEADER) :] for marker, body in segments if marker == 0xE1 and body.startswith(_XMP_HEADER)]
    data = select_exif(block) if block is not None else ExifData()
    return ExifData(data.ifd0, data.exif, data.gps, packets[0] if packets else b"")
