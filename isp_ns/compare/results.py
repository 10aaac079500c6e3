"""What a comparison found: one row for each photograph and pipeline, a protocol, JSON and Markdown."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

__all__ = ["COLUMNS", "Column", "Comparison", "Row", "Summary", "summarise"]

SCHEMA = 1

Status = Literal["done", "failed", "unsupported"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One photograph through one pipeline; None for what was not measured.

    Names end in their units; sigma_255 and _255 are standard deviations with white at 255.
    """

    case: int
    scene: str
    pipeline: str
    status: Status = "done"
    reason: str = ""
    iso: float | None = None
    camera: str = ""
    width_px: int = 0
    height_px: int = 0
    offset_px: tuple[int, int] = (0, 0)
    exposure_gain_ev: float = 0.0

    psnr_db: float | None = None
    psnr_db_as_rendered: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    delta_e_2000: float | None = None
    zipper: float | None = None
    false_colour: float | None = None
    noise_255: float | None = None
    noise_by_patch: Sequence[Mapping[str, float]] = ()

    noise_luma_255: float | None = None
    noise_chroma_255: float | None = None
    mtf50: float | None = None
    edges: int = 0
    chart_delta_e_2000: float | None = None
    difference_delta_e_2000: float | None = None

    decode_ms: float = 0.0
    render_ms: float = 0.0
    peak_mb: float | None = None
    nodes: Sequence[Mapping[str, Any]] = ()

    @property
    def megapixels(self) -> float:
        """Size of the rendering in millions of pixels."""
        return self.width_px * self.height_px / 1e6

    @property
    def total_ms(self) -> float | None:
        """Decoding and rendering, milliseconds; None for a failed row."""
        return self.decode_ms + self.render_ms if self.megapixels else None

    @property
    def ms_per_mp(self) -> float | None:
        """Decoding and rendering, milliseconds per megapixel; None for a failed row."""
        return self.total_ms / self.megapixels if self.total_ms is not None else None


@dataclass(frozen=True)
class Column:
    """A measure in tables: the row's attribute, its heading, unit, decimals, and which way is better (0: neither)."""

    key: str
    title: str
    unit: str
    decimals: int
    better: int
    help: str
    scale: float = 1.0

    def text(self, value: float | None) -> str:
        """A value as it is printed; a dash where there is none."""
        if value is None or not math.isfinite(value):
            return "–"
        text = f"{value * self.scale:.{self.decimals}f}"
        return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


COLUMNS = (
    Column("psnr_db", "PSNR", "dB", 2, 1, "Peak signal-to-noise ratio over pixels and channels, sRGB-encoded, range 1"),
    Column("ssim", "SSIM", "", 4, 1, "Structural similarity, Gaussian window σ 1.5, mean of the channels"),
    Column("ms_ssim", "MS-SSIM", "", 4, 1, "Structural similarity at five scales"),
    Column("delta_e_2000", "ΔE2000", "", 2, -1, "Mean CIEDE2000 colour difference"),
    Column("zipper", "Zipper", "%", 2, -1, "Pixels whose contrast to their likest neighbour changed by ΔE 2.3", 100),
    Column("false_colour", "False colour", "%", 2, -1, "Pixels whose a*b* is off by more than 2.3", 100),
    Column("noise_255", "Noise", "/255", 2, -1, "Standard deviation of the error where the truth is flat"),
    Column("mtf50", "MTF50", "c/px", 3, 1, "Sharpness: frequency of half response at slanted edges, ISO 12233"),
    Column("noise_luma_255", "Luma noise", "/255", 2, -1, "Standard deviation in flat blocks"),
    Column("noise_chroma_255", "Chroma noise", "/255", 2, -1, "Standard deviation of the colour differences there"),
    Column("chart_delta_e_2000", "Chart ΔE2000", "", 2, -1, "Mean over the 24 patches of a ColorChecker"),
    Column("difference_delta_e_2000", "Difference", "ΔE2000", 2, 0, "Mean CIEDE2000 to the reference, whole picture"),
    Column("exposure_gain_ev", "Exposure", "EV", 2, 0, "Gain in linear light that was applied before measuring"),
    Column("total_ms", "Time", "ms", 0, -1, "Decoding and rendering one photograph"),
    Column("ms_per_mp", "Time", "ms/MP", 0, -1, "Decoding and rendering, per megapixel"),
    Column("peak_mb", "Memory", "MB", 0, -1, "Peak resident memory"),
)
"""Measures in the order of the tables. The same names are keys of the JSON rows."""


@dataclass(frozen=True)
class Summary:
    """Means of one pipeline over photographs: by column key, and over how many pictures it rendered."""

    pipeline: str
    pictures: int
    means: Mapping[str, float | None]


def summarise(rows: Iterable[Row], pipelines: Sequence[str]) -> list[Summary]:
    """Mean of every column for each pipeline, over the photographs that every measured pipeline has.

    A pipeline without a single rendering does not narrow the choice. Time is the median, which a busy moment of the
    machine does not move, and memory the largest.
    """
    done = [row for row in rows if row.status == "done"]
    cases = common_cases(done)
    result = []
    for name in pipelines:
        own = [row for row in done if row.pipeline == name]
        shared = [row for row in own if row.case in cases]
        means = {column.key: _mean([getattr(row, column.key) for row in shared]) for column in COLUMNS}
        peaks = [row.peak_mb for row in shared if row.peak_mb]
        for key in ("total_ms", "ms_per_mp"):
            times = [time for row in shared if (time := getattr(row, key)) is not None]
            means[key] = statistics.median(times) if times else None
        result.append(Summary(name, len(own), {**means, "peak_mb": max(peaks, default=None)}))
    return result


def common_cases(done: Iterable[Row]) -> set[int]:
    """The photographs that every pipeline with any rendering has rendered."""
    by_pipeline: dict[str, set[int]] = {}
    for row in done:
        by_pipeline.setdefault(row.pipeline, set()).add(row.case)
    return set.intersection(*by_pipeline.values()) if by_pipeline else set()


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Comparison:
    """The result of `isp_ns.compare.compare`.

    Attributes:
        pipelines: names in the order given.
        rows: one for each photograph and pipeline.
        protocol: how everything was measured: domain, range, crop, white balance, alignment, settings, versions.
        verdict: the three heads: question, answer, detail.
        folder: where the page is, None if none was asked for.
    """

    pipelines: tuple[str, ...]
    rows: tuple[Row, ...]
    protocol: Mapping[str, Any]
    verdict: tuple[Any, ...]
    folder: Path | None = None

    @property
    def has_truth(self) -> bool:
        """Whether there were true pictures to measure against."""
        return any(row.delta_e_2000 is not None for row in self.rows)

    @property
    def summaries(self) -> list[Summary]:
        """Means by pipeline."""
        return summarise(self.rows, self.pipelines)

    @property
    def failures(self) -> list[Row]:
        """Rows that have no picture, with their reasons."""
        return [row for row in self.rows if row.status != "done"]

    @property
    def exit_code(self) -> int:
        """0 all compared, 1 some failed, 3 none could be supported."""
        if not self.failures:
            return 0
        return 3 if all(row.status == "unsupported" for row in self.rows) else 1

    def to_json(self) -> str:
        """The whole result as a JSON document: schema, protocol, verdict, means and rows."""
        document = {
            "schema": SCHEMA,
            "protocol": dict(self.protocol),
            "verdict": [asdict(head) for head in self.verdict],
            "means": [
                {"pipeline": each.pipeline, "pictures": each.pictures, **_rounded(each.means)}
                for each in self.summaries
            ],
            "rows": [plain_row(row) for row in self.rows],
        }
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Verdict, table of means, failures and protocol as Markdown."""
        lines = ["# Comparison of RAW pipelines", ""]
        lines += [f"- **{head.question}** {_cell(head.answer)}. {_cell(head.detail)}" for head in self.verdict]
        shown = shown_columns(self.summaries)
        titles = ["Pipeline", "Pictures", *(f"{c.title} ({c.unit})" if c.unit else c.title for c in shown)]
        lines += ["", _line(titles), _line(["---", *["---:"] * (len(titles) - 1)])]
        for each in self.summaries:
            cells = [column.text(each.means[column.key]) for column in shown]
            lines.append(_line([_cell(each.pipeline), str(each.pictures), *cells]))
        if self.failures:
            lines += ["", "Not compared:", ""]
            lines += [f"- {_cell(row.scene)}, {_cell(row.pipeline)}: {_cell(row.reason)}" for row in self.failures]
        lines += ["", "How it was measured:", ""]
        lines += [f"- {_cell(name)}: {_cell(_plain_words(value))}" for name, value in self.protocol.items()]
        return "\n".join(lines) + "\n"


def shown_columns(summaries: Sequence[Summary]) -> list[Column]:
    """The columns that have a value for any pipeline."""
    return [c for c in COLUMNS if any(each.means[c.key] is not None for each in summaries)]


def plain_row(row: Row) -> dict[str, Any]:
    """A row as JSON: numbers rounded to what they mean, empty measures left out."""
    values = {each.name: getattr(row, each.name) for each in fields(row)}
    values |= {"total_ms": row.total_ms, "ms_per_mp": row.ms_per_mp}
    kept = {name: value for name, value in values.items() if value is not None and value not in ("", ())}
    return {name: _plain(value) for name, value in kept.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _rounded(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items() if value is not None and math.isfinite(value)}


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_SPECIAL = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]<>|#!~$"}


def _cell(text: str) -> str:
    """Text that Markdown and the HTML in it leave as it is, on one line."""
    return " ".join(str(text).split()).replace("&", "&amp;").translate(_SPECIAL)


def _plain_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_plain_words(each)}" for name, each in value.items())
    return ", ".join(_plain_words(each) for each in value) if isinstance(value, list | tuple) else str(value)
