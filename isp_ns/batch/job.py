"""One file of a batch: its own settings, pipeline, formats, and a digest of all that its outputs depend on."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns import content
from isp_ns.batch.derived import HEADS_PATCH, needs_heads, with_companions
from isp_ns.batch.formats import FileFormat, file_format
from isp_ns.batch.naming import shot_time, with_output
from isp_ns.batch.options import DCP_PREFIX, parse_matrix, tweaks
from isp_ns.batch.recipe import Recipe, digest
from isp_ns.batch.scan import Source
from isp_ns.batch.settings import Settings
from isp_ns.batch.state import input_digest
from isp_ns.core.errors import SettingsError

if TYPE_CHECKING:
    from isp_ns.core.graph import Patch

__all__ = ["Draft", "Facts", "Job", "draft"]


@dataclass(frozen=True)
class Facts:
    """What a name may ask of a file: the kind that the decoder calls it, and fields of its metadata."""

    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One file to develop: how, and where its outputs go, by output name."""

    source: Source
    draft: "Draft"
    outputs: Mapping[str, Path]


@dataclass(frozen=True, eq=False)
class Draft:
    """How to develop all files with the same settings. `digest` stands for everything but the file itself."""

    settings: Settings
    recipe: Recipe
    outputs: tuple[str, ...]
    formats: Mapping[str, FileFormat]
    digest: str

    def name_values(self, source: Source, number: int, facts: Facts | None, keys: Set[str]) -> dict[str, Any]:
        """Values for the keys of a name template; those that cost time only if they are among `keys`."""
        meta = facts.values if facts else {}
        kind = facts.kind if facts else "bayer"
        return {
            "stem": source.path.stem,
            "ext": self.formats["image"].ext,
            "src_ext": source.path.suffix.lower().lstrip("."),
            "parent": source.path.resolve().parent.name,
            "relpath": source.mirrored,
            "seq": number,
            "date": shot_time(meta.get("datetime")),
            "camera": meta.get("model"),
            "iso": meta.get("iso"),
            "lens": meta.get("lens"),
            "graph": self.recipe.look_of(kind) if "graph" in keys else None,
            "model": (self.recipe.weights() or "none") if "model" in keys else None,
        }

    def job(self, source: Source, photo: Path) -> Job:
        """The job that puts the image at `photo` and other outputs beside it."""
        outputs = {name: with_output(photo, name, self.formats[name].ext) for name in self.outputs}
        return Job(source, self, outputs)


def draft(settings: Settings) -> Draft:
    """Check `settings` and work out what they mean.

    Raises:
        SettingsError: if they contradict each other or name what is not there.
    """
    outputs = with_companions(settings.outputs)
    formats = {name: file_format(settings, name) for name in {"image", *outputs}}
    changes = tweaks(settings, formats["image"].pixel_bits)
    missing = needs_heads(outputs) and not any(map(_brings_heads, settings.patch))
    heads = (HEADS_PATCH,) if settings.pipeline is None and missing else ()
    recipe = Recipe(settings.pipeline, (*settings.patch, *heads), changes)
    parts: list[Any] = [recipe.documents(), {name: repr(formats[name]) for name in sorted(outputs)}]
    parts += [settings.raw, settings.matrix, settings.orientation, *_file_digests(settings)]
    if settings.raw is not None:
        _check_layout(settings.raw)
    return Draft(settings, recipe, outputs, formats, digest(*parts))


def _brings_heads(patch: "str | Patch") -> bool:
    """Whether a patch has outputs of heads."""
    from isp_ns.io.pipelines import load_patch

    try:
        return needs_heads(tuple((load_patch(patch) if isinstance(patch, str) else patch).outputs))
    except FileNotFoundError:
        # The recipe says which patches there are.
        return False


def _file_digests(settings: Settings) -> list[str]:
    """Digests of the profile and the DCP file that are named."""
    paths = []
    if settings.profile is not None:
        try:
            paths.append(content.find("calibration/profiles", settings.profile))
        except FileNotFoundError as error:
            raise SettingsError(f"--profile: {error}") from None
    if settings.matrix is not None:
        parse_matrix(settings.matrix)
        if settings.matrix.startswith(DCP_PREFIX):
            paths.append(Path(settings.matrix.removeprefix(DCP_PREFIX)))
    try:
        return [input_digest(path) for path in paths]
    except OSError as error:
        raise SettingsError(f"--matrix: {error.filename} cannot be read ({error.strerror})") from None


def _check_layout(text: str) -> None:
    from isp_ns.io.layout import RawLayout

    try:
        RawLayout.parse(text)
    except ValueError as error:
        raise SettingsError(f"--raw: {error}") from None
