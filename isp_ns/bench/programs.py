"""The programs that are measured as whole processes: `isp-ns process` and the raw developers it is compared with."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import isp_ns
from isp_ns.core.errors import SettingsError

__all__ = ["MATCHES", "RIVALS", "Program", "Rival", "Task", "find_rivals", "ours"]

MATCHES: Mapping[str, tuple[str, ...]] = {"fast": ("dcraw_emu",)}
"""Which rivals a pipeline stands beside when none are named: the quick look beside the quick developer."""

OTHERS = ("darktable", "rawtherapee")
"""The rivals of all other pipelines."""


@dataclass(frozen=True)
class Task:
    """What a program is to do: develop every raw file of a folder.

    Attributes:
        photos: the files, all in `source`.
        source: the folder that has them and nothing else.
        target: an empty folder for the results.
        home: a folder that lasts through the benchmark, for configuration and caches.
    """

    photos: tuple[Path, ...]
    source: Path
    target: Path
    home: Path


@dataclass(frozen=True)
class Program:
    """A program that develops photos, as it is installed here.

    Attributes:
        name: for people.
        version: as it tells.
        settings: what it is asked to do, for people.
        command: program and arguments for a task.
        results: the files that a task must leave.
        variables: environment variables for a home folder.
    """

    name: str
    version: str
    settings: str
    command: Callable[[Task], list[str]]
    results: Callable[[Task], list[Path]]
    variables: Callable[[Path], Mapping[str, str]] = lambda _home: {}

    def environment(self, home: Path) -> dict[str, str]:
        """All its environment variables; settings for isp-ns that the user has made are left out."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ISP_NS_")}
        return {**kept, **self.variables(home)}


@dataclass(frozen=True)
class Rival:
    """A program that may be installed: its executable and how it is used.

    Attributes:
        executable: looked for on the path.
        settings: what it is asked to do, for people.
        command: arguments after the executable for a task.
        results: the files that a task must leave.
        version: finds the version from the path of the executable.
        variables: environment variables for a home folder.
    """

    executable: str
    settings: str
    command: Callable[[Task], Sequence[str]]
    results: Callable[[Task], list[Path]]
    version: Callable[[str], str]
    variables: Callable[[Path], Mapping[str, str]] = lambda _home: {}

    def found(self, name: str) -> Program | None:
        """The program as it is installed, None if it is not."""
        path = shutil.which(self.executable)
        if path is None:
            return None

        def command(task: Task) -> list[str]:
            return [path, *self.command(task)]

        return Program(name, self.version(path), self.settings, command, self.results, self.variables)


def ours(pipeline: str) -> Program:
    """`isp-ns process` with a pipeline and otherwise its defaults."""
    script = Path(sys.executable).parent / "isp-ns"
    start = [str(script)] if script.is_file() else [sys.executable, "-c", "from isp_ns.cli.main import main; main()"]

    def command(task: Task) -> list[str]:
        source = task.photos[0] if len(task.photos) == 1 else task.source
        return [*start, "process", str(source), "-o", str(task.target), "-p", pipeline, "--quiet"]

    settings = f"isp-ns process -p {pipeline}: JPEG quality 95, 4:4:4, sRGB; one process for the folder"
    return Program(pipeline, isp_ns.__version__, settings, command, _jpegs)


def find_rivals(names: Sequence[str]) -> tuple[dict[str, Program], dict[str, str]]:
    """The rivals that are installed, and why the others are left out.

    Raises:
        SettingsError: if there is no rival of such a name.
    """
    unknown = [name for name in names if name not in RIVALS]
    if unknown:
        from isp_ns.core.registry import did_you_mean

        raise SettingsError(f"no rival is called {unknown[0]}{did_you_mean(unknown[0], RIVALS)}")
    programs = {name: RIVALS[name].found(name) for name in names}
    present = {name: program for name, program in programs.items() if program is not None}
    missing = {name: f"{RIVALS[name].executable} is not installed" for name in names if name not in present}
    return present, missing


def _jpegs(task: Task) -> list[Path]:
    return [task.target / f"{photo.stem}.jpg" for photo in task.photos]


def _tiffs_beside(task: Task) -> list[Path]:
    return [photo.with_name(f"{photo.name}.tiff") for photo in task.photos]


def _asked(*arguments: str) -> Callable[[str], str]:
    """The version in what a program answers to `arguments`."""

    def version(path: str) -> str:
        try:
            done = subprocess.run([path, *arguments], capture_output=True, text=True, errors="replace", timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return version


def _libraw_version(path: str) -> str:
    """dcraw_emu does not tell its version: that of the LibRaw it is linked with, by Debian's package or its file."""
    asked = ["dpkg-query", "--showformat=${Version}", "--show", "libraw-bin"]
    for command in (asked, ["ldd", path]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if command is asked and done.returncode == 0 and done.stdout:
            return done.stdout.strip()
        if library := re.search(r"libraw\S*\.so\S*", done.stdout):
            return library[0]
    return "unknown"


def _darktable(task: Task) -> list[str]:
    one = len(task.photos) == 1
    places = [str(task.photos[0]), str(task.target / f"{task.photos[0].stem}.jpg")]
    if not one:
        places = [str(task.source), str(task.target), "--out-ext", "jpg"]
    folders = [part for name in ("config", "cache") for part in (f"--{name}dir", str(task.home / f"darktable-{name}"))]
    return [*places, "--core", "--disable-opencl", *folders]


def _rawtherapee(task: Task) -> list[str]:
    one = len(task.photos) == 1
    target = task.target / f"{task.photos[0].stem}.jpg" if one else task.target
    return ["-Y", "-d", "-o", str(target), "-c", str(task.photos[0] if one else task.source)]


RIVALS: Mapping[str, Rival] = {
    "dcraw_emu": Rival(
        "dcraw_emu",
        "dcraw_emu -w -T: camera white balance, AHD, 8-bit TIFF (no JPEG encoder); one process for all files",
        lambda task: ["-w", "-T", *map(str, task.photos)],
        _tiffs_beside,
        _libraw_version,
    ),
    "darktable": Rival(
        "darktable-cli",
        "default export to JPEG (quality 95), no OpenCL, warm configuration folder; one process for the folder",
        _darktable,
        _jpegs,
        _asked("--version"),
    ),
    "rawtherapee": Rival(
        "rawtherapee-cli",
        "-d (default raw profile) to JPEG (quality 92, 4:2:2), warm configuration folder; one process for the folder",
        _rawtherapee,
        _jpegs,
        _asked("--version"),
        lambda home: {"RT_SETTINGS": str(home / "rawtherapee"), "RT_CACHE": str(home / "rawtherapee-cache")},
    ),
}
"""Other raw developers by the name that `--against` takes.

Source: their own `--help`; LibRaw's samples, darktable 4.2, RawTherapee 5.9."""
