"""Comparisons: the same photographs through several pipelines, measured and shown on one page."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from isp_ns.compare.cases import Simulation
    from isp_ns.compare.renderers import PipelineArg
    from isp_ns.compare.results import Comparison

__all__ = ["compare"]


def compare(
    inputs: str | Path | Iterable[str | Path],
    pipelines: "Mapping[str, PipelineArg] | Iterable[PipelineArg]",
    output: str | Path | None = None,
    *,
    truth: str | Path | None = None,
    simulate: "str | Simulation | None" = None,
    look: Literal["neutral", "own"] = "neutral",
    align: Literal["exposure", "none"] = "exposure",
    crop_px: int = 8,
    recursive: bool = False,
    pictures: int = 24,
    timeout_s: float = 120.0,
    workers: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> "Comparison":
    """Develop the same photographs with several pipelines and compare what comes out.

        from isp_ns.compare import compare

        result = compare("kodak", ["fast", "classic", "libraw"], "page", simulate="fictitious-phone:100,1600,12800")
        for head in result.verdict:
            print(head.question, head.answer)

    Args:
        inputs: raw files, or folders of them; pictures when simulating.
        pipelines: names ("classic", "classic+PATCH"), YAML files, graphs, renderers ("libraw", "libraw:DCB",
            "darktable", "rawtherapee") or objects that follow `isp_ns.compare.renderers.Renderer`; or a mapping from
            names of your own to these.
        output: folder for the page, with JSON and Markdown; nothing is written without one.
        truth: folder of true pictures, paired with the inputs by stem.
        simulate: "CAMERA:ISO[,ISO…][:EV]"; the inputs are pictures that this camera photographs, and the truth.
        look: "neutral" leaves tone stages out, so that taste does not count as error; "own" keeps them.
        align: "exposure" brings each picture to the reference's exposure by one gain, "none" leaves it as rendered.
        crop_px: border that is not measured.
        recursive: look into subfolders.
        pictures: most photographs shown on the page; all are in the tables.
        timeout_s: the longest that a decoder or external program may take for one file, in seconds.
        workers: tiles at work at a time, None for one per processor.
        tell: hears of every rendering.

    Returns:
        Rows, means, verdict and protocol.

    Raises:
        SettingsError: for inputs, names or options that make no sense, or a program that is not installed.
        GraphError: if a pipeline cannot be built.
        OutputError: if the page cannot be written.
    """
    from isp_ns.compare.request import Request

    request = Request(
        pipelines,
        output,
        truth=truth,
        simulate=simulate,
        look=look,
        align=align,
        crop_px=crop_px,
        recursive=recursive,
        pictures=pictures,
        timeout_s=timeout_s,
        workers=workers,
        tell=tell,
    )
    return request.run([inputs] if isinstance(inputs, str | Path) else list(inputs))
