"""darktable and RawTherapee as external programs: found on PATH, run in processes of their own with a time limit.

Each run gets an empty configuration folder and a copy of the file under a plain name, so that nobody's settings,
sidecars or file names change what is compared, and nothing is written beside the original.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isp_ns.compare.memory import children, peak_bytes
from isp_ns.compare.renderers import Look, Rendering
from isp_ns.core.errors import DecodeError, SettingsError
from isp_ns.core.meta import Meta
from isp_ns.io.read import read_image

__all__ = ["PROGRAMS", "Program", "ProgramRenderer", "run_program"]

_POLL_S = 0.01
_TICKS_PER_SCAN = 20

_NEUTRAL_PP3 = """\
[Exposure]
Auto=false
HistogramMatching=false

[Color Management]
InputProfile=(camera)
ToneCurve=false
ApplyLookTable=false
ApplyBaselineExposureOffset=true
ApplyHueSatMap=true
OutputProfile=RTv4_sRGB
"""


@dataclass(frozen=True)
class Program:
    """An external raw developer.

    Attributes:
        command: its executable.
        package: the Debian package that has it.
        version: arguments that make it print its version.
        arguments: from (input, output TIFF, empty folder, look) to the arguments.
        neutral, own: what the two looks ask for, in words.
    """

    command: str
    package: str
    version: tuple[str, ...]
    arguments: Callable[[Path, Path, Path, Look], list[str]]
    neutral: str
    own: str


def _darktable(source: Path, target: Path, folder: Path, look: Look) -> list[str]:
    workflow = "none" if look == "neutral" else "scene-referred (filmic)"
    settings = {
        "plugins/imageio/format/tiff/bpp": "16",
        "plugins/darkroom/workflow": workflow,
        "plugins/darkroom/chromatic-adaptation": "legacy" if look == "neutral" else "modern",
        "write_sidecar_files": "never",
    }
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    folders = ["--configdir", str(folder / "config"), "--cachedir", str(folder / "cache"), "--library", ":memory:"]
    export = ["--icc-type", "SRGB", "--apply-custom-presets", "false"]
    return [str(source), str(target), *export, "--core", *folders, *options, "--disable-opencl"]


def _rawtherapee(source: Path, target: Path, folder: Path, look: Look) -> list[str]:
    profile = folder / "neutral.pp3"
    profile.write_text(_NEUTRAL_PP3, encoding="ascii")
    chosen = ["-p", str(profile)] if look == "neutral" else ["-d"]
    return ["-q", "-o", str(target), "-t", "-b16", "-Y", *chosen, "-c", str(source)]


PROGRAMS = {
    "darktable": Program(
        "darktable-cli",
        "darktable",
        ("--version",),
        _darktable,
        "no workflow (no filmic or base curve, no exposure), white balance as shot, no custom presets, no OpenCL, "
        "16 bit, sRGB",
        "its scene-referred defaults (filmic, exposure), no custom presets, no OpenCL, 16 bit, sRGB",
    ),
    "rawtherapee": Program(
        "rawtherapee-cli",
        "rawtherapee",
        ("-v",),
        _rawtherapee,
        "neutral profile (no curves, no automatic levels), white balance as shot, 16 bit, sRGB",
        "its default profile, 16 bit",
    ),
}
"""External developers by name. Source: the programs' own help and manuals, darktable 4.2 and RawTherapee 5.9."""


class ProgramRenderer:
    """An external program as a renderer.

    Args:
        name: for people.
        program: which.
        look: its neutral settings or its own.
        timeout_s: the longest that one file may take, in seconds.
    """

    def __init__(self, name: str, program: Program, *, look: Look = "neutral", timeout_s: float = 120.0) -> None:
        self.name, self._program, self._look, self._timeout_s = name, program, look, timeout_s
        self.settings = f"{program.command}, {program.neutral if look == 'neutral' else program.own}"

    def check(self) -> None:
        """See that the program is there, and note its version.

        Raises:
            SettingsError: naming the Debian package if it is not.
        """
        if shutil.which(self._program.command) is None:
            raise SettingsError(
                f"-p {self.name}: {self._program.command} is not on PATH; on Debian or Ubuntu: "
                f"apt-get install {self._program.package}"
            )
        asked = self._program.neutral if self._look == "neutral" else self._program.own
        self.settings = f"{_version(self._program)}, {asked}"

    def render(self, path: Path) -> Rendering:
        """Develop one file; see `Renderer`. The time is that of the whole process, its start included.

        Raises:
            DecodeError: if the program fails, takes too long or writes no picture.
        """
        with tempfile.TemporaryDirectory(prefix="isp_ns-") as name:
            folder = Path(name)
            source, target = folder / f"input{path.suffix.lower()}", folder / "output.tif"
            shutil.copyfile(path, source)
            command = [self._program.command, *self._program.arguments(source, target, folder, self._look)]
            milliseconds, peak_bytes = run_program(command, folder, self._timeout_s, path.name)
            if not target.is_file():
                raise DecodeError(f"{path.name}: {self._program.command} wrote no picture; it cannot read this file")
            frame = read_image(target)
        # These programs have turned the picture upright; what they say about it is left alone.
        return Rendering(replace(frame, meta=Meta(space=frame.meta.space)), 0.0, milliseconds, peak_bytes)


def run_program(command: Sequence[str], folder: Path, timeout_s: float, about: str) -> tuple[float, int]:
    """Run a program with `folder` as its home and wait for it.

    Returns:
        Milliseconds, and the peak of its resident memory in bytes.

    Raises:
        DecodeError: if it fails or takes longer than `timeout_s`; all its processes are ended then.
    """
    log = folder / "log.txt"
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
    started = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **home},
            start_new_session=True,
        )
        try:
            status, peak_bytes = _wait(process, started + timeout_s)
        except BaseException:
            _end(process)
            raise
    milliseconds = 1e3 * (time.monotonic() - started)
    if status is None:
        raise DecodeError(f"{about}: {command[0]} took longer than {timeout_s:g} s and was stopped")
    if status != 0:
        raise DecodeError(f"{about}: {command[0]} ended with status {status}{_last_words(log)}")
    return milliseconds, peak_bytes


def _wait(process: "subprocess.Popen[bytes]", deadline: float) -> tuple[int | None, int]:
    """Exit status (None when time was up) and peak memory of a process, its own and that of its children."""
    own, others = 0, 0
    for tick in itertools.count():
        own = max(own, peak_bytes(process.pid))
        if tick % _TICKS_PER_SCAN == 0:
            others = max(others, sum(peak_bytes(pid) for pid in children(process.pid)))
        try:
            return process.wait(_POLL_S), own + others
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                break
    _end(process)
    return None, 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    telling = [line for line in lines if not line.startswith("WARNING")]
    return f" (last words: {telling[-1].replace(f'{log.parent}/', '')[:200]})" if telling else ""


def _version(program: Program) -> str:
    """The first line that the program says about itself."""
    try:
        said = subprocess.run(
            [program.command, *program.version], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0].removeprefix("this is ").rstrip(".,") if lines else program.command
