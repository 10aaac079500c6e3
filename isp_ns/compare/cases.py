"""The photographs of a comparison: raw files, perhaps with true pictures beside them, or simulated from pictures."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from isp_ns.core.errors import DecodeError, MetadataError, SettingsError
from isp_ns.data.simulate import Shooting, camera_meta
from isp_ns.data.synth import synthesise
from isp_ns.io.formats import IMAGE_EXTENSIONS, is_raw_name

__all__ = ["Case", "Simulation", "find_files", "plan_cases"]

_SIMULATION = re.compile(r"(?P<camera>.+?):(?P<isos>\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)*)(?::(?P<ev>[+-]?\d+(?:\.\d+)?))?")
LARGEST_EV = 6.0


@dataclass(frozen=True)
class Simulation:
    """A camera that photographs pictures, at each of some sensitivities.

    Attributes:
        camera: a camera profile, by name or path.
        isos: the ladder of sensitivities.
        exposure_ev: by how much the photographer is wrong; the truth is the picture rightly exposed.
        seed: of the noise; each picture has its own noise all the same.
    """

    camera: str
    isos: tuple[float, ...]
    exposure_ev: float = 0.0
    seed: int = 0

    def check(self) -> None:
        """See that there is such a camera.

        Raises:
            SettingsError: if there is none, or its profile is wrong.
        """
        try:
            camera_meta(self.camera, iso=self.isos[0])
        except (FileNotFoundError, MetadataError, ValueError) as error:
            raise SettingsError(f"--simulate {self.camera}: {error}") from None

    @classmethod
    def parse(cls, text: str) -> "Simulation":
        """Read "CAMERA:ISO[,ISO…][:EV]", such as "fictitious-phone:100,1600,12800" or "my.yaml:400:-2".

        Raises:
            SettingsError: if it is not of this form, or the numbers make no sense.
        """
        found = _SIMULATION.fullmatch(text)
        if found is None:
            raise SettingsError(
                f"--simulate {text}: takes CAMERA:ISO, such as fictitious-phone:100,1600,12800; add :-1 to underexpose"
            )
        isos = tuple(float(iso) for iso in found["isos"].split(","))
        exposure_ev = float(found["ev"] or 0.0)
        if min(isos) <= 0 or len(set(isos)) < len(isos) or abs(exposure_ev) > LARGEST_EV:
            raise SettingsError(
                f"--simulate {text}: sensitivities are above 0 and differ, the exposure error is ±{LARGEST_EV:g} EV"
            )
        return cls(found["camera"], isos, exposure_ev)


@dataclass(frozen=True)
class Case:
    """One photograph to develop.

    Attributes:
        scene: what it shows, by its file's stem; the whole name where stems meet.
        source: the raw file, or the picture to simulate one from.
        truth: the picture that a perfect developer would make; None where there is none.
        simulation: how to make the raw file; None where `source` is one.
        iso: of a simulated photograph; of a real one it is in the file.
        number: place among the inputs.
    """

    scene: str
    source: Path
    truth: Path | None = None
    simulation: Simulation | None = None
    iso: float | None = None
    number: int = field(default=0, compare=False)

    def raw_file(self, folder: Path) -> Path:
        """The raw file; a simulated one is written to `folder`.

        Raises:
            IspError: if the picture cannot be read or photographed.
        """
        if self.simulation is None:
            return self.source
        target = folder / f"{self.number}.dng"
        try:
            synthesise(
                self.source,
                target,
                camera=self.simulation.camera,
                iso=self.iso or 100.0,
                seed=self.simulation.seed + self.number,
                shooting=Shooting(exposure_ev=self.simulation.exposure_ev),
            )
        except ValueError as error:
            raise DecodeError(f"{self.source.name}: cannot be photographed ({error})") from error
        return target


def plan_cases(
    inputs: Iterable[str | Path],
    *,
    truth: str | Path | None = None,
    simulate: Simulation | None = None,
    recursive: bool = False,
) -> list[Case]:
    """All photographs, in the order of the inputs.

    Args:
        inputs: raw files and folders of them; pictures and folders of pictures when simulating.
        truth: a folder of pictures, paired by stem.
        simulate: the camera.
        recursive: look into subfolders.

    Raises:
        SettingsError: if nothing is found, truths are missing or ambiguous, or both kinds of truth are asked for.
    """
    if truth is not None and simulate is not None:
        raise SettingsError("--truth and --simulate exclude each other: a simulated photograph has its truth already")
    files = list(find_files(inputs, images=simulate is not None, recursive=recursive))
    if not files:
        wanted = "pictures (JPEG, PNG, TIFF, WebP)" if simulate is not None else "RAW files"
        raise SettingsError(f"no {wanted} in {', '.join(map(str, inputs))}; -r looks into subfolders")
    stems = Counter(path.stem for path in files)
    names = {path: path.stem if stems[path.stem] == 1 else path.name for path in files}
    if simulate is not None:
        pairs = itertools.product(files, simulate.isos)
        return [Case(names[path], path, path, simulate, iso, n) for n, (path, iso) in enumerate(pairs)]
    truths = _truths(Path(truth), files) if truth is not None else {}
    return [Case(names[path], path, truths.get(path), number=n) for n, path in enumerate(files)]


def find_files(inputs: Iterable[str | Path], *, images: bool = False, recursive: bool = False) -> Iterator[Path]:
    """The files that `inputs` name, each once; of folders those with a RAW extension, or an image extension, sorted.

    Raises:
        SettingsError: if an input is not there.
    """
    seen: set[Path] = set()
    for each in map(Path, inputs):
        if not each.exists():
            raise SettingsError(f"there is no {each}")
        listed = sorted(each.rglob("*") if recursive else each.iterdir()) if each.is_dir() else [each]
        for path in listed:
            wanted = path == each or (_is_image(path) if images else is_raw_name(path))
            if wanted and path.is_file() and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith(".")


def _truths(folder: Path, files: list[Path]) -> dict[Path, Path]:
    """The truth of each file, by stem."""
    by_stem: dict[str, list[Path]] = {}
    for picture in find_files([folder], images=True, recursive=True):
        by_stem.setdefault(picture.stem, []).append(picture)
    ambiguous = [stem for stem in {path.stem for path in files} if len(by_stem.get(stem, [])) > 1]
    missing = [path.name for path in files if path.stem not in by_stem]
    if ambiguous:
        raise SettingsError(f"--truth {folder}: several pictures are called {', '.join(sorted(ambiguous))}")
    if missing:
        raise SettingsError(f"--truth {folder}: there is no picture for {', '.join(missing[:5])}; they pair by stem")
    return {path: by_stem[path.stem][0] for path in files}
