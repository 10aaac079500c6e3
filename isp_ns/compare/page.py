"""The page: one folder of HTML, pictures, JSON and Markdown that needs neither network nor server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isp_ns.compare.gallery import CROP_PX, LOSSLESS_PIXELS, Scene
from isp_ns.compare.results import COLUMNS, Comparison, common_cases
from isp_ns.compare.sections import charts_section, details, means_section, method_section, verdict_section
from isp_ns.compare.viewer import viewer_section
from isp_ns.core.errors import OutputError
from isp_ns.io.markup import BASE_SHEET, Html, json_block, page_document, tag

__all__ = ["page_html", "write_page"]

NUMBERS = ("psnr_db", "delta_e_2000", "mtf50", "noise_luma_255", "exposure_gain_ev")
"""Measures told under the viewer."""


def write_page(folder: Path, comparison: Comparison, scenes: Sequence[Scene]) -> Path:
    """Write index.html, results.json and results.md into a page's folder.

    Args:
        folder: where pictures and assets are already.
        comparison: what was found.
        scenes: the pictures.

    Returns:
        The path of index.html.

    Raises:
        OutputError: if a file cannot be written.
    """
    try:
        (folder / "results.json").write_text(comparison.to_json(), encoding="utf-8")
        (folder / "results.md").write_text(comparison.to_markdown(), encoding="utf-8")
        (folder / "index.html").write_text(page_html(comparison, scenes), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: the page cannot be written ({error.strerror})") from error
    return folder / "index.html"


def page_html(comparison: Comparison, scenes: Sequence[Scene]) -> str:
    """The whole document."""
    title = "RAW pipelines compared"
    body = tag(
        "body",
        tag("a", "Skip to the pictures", href="#pictures", class_="skip"),
        _header(title, comparison),
        tag(
            "main",
            verdict_section(comparison),
            means_section(comparison),
            viewer_section(comparison, scenes),
            charts_section(comparison),
            details(comparison),
            method_section(comparison),
        ),
        _footer(),
        json_block("data", _data(comparison, scenes)),
        tag("script", src="assets/page.js"),
    )
    window = f"{title}: {', '.join(comparison.pipelines)}"
    return page_document(window, body, (f"assets/{BASE_SHEET.name}", "assets/style.css"), scripts=True)


def _header(title: str, comparison: Comparison) -> Html:
    cases = len({row.case for row in comparison.rows})
    shared = len(common_cases(row for row in comparison.rows if row.status == "done"))
    some = f" ({shared} of them by every pipeline)" if shared < cases else ""
    pictures = f"{cases} photograph{'s' if cases != 1 else ''}{some}"
    truth = "" if comparison.has_truth else ", without a truth"
    return tag(
        "header",
        tag("div", tag("h1", title), tag("p", f"{', '.join(comparison.pipelines)} on {pictures}{truth}", class_="sub")),
        tag("button", "Theme", type="button", id="theme", class_="js", aria_label="Switch between light and dark"),
        class_="top",
    )


def _footer() -> Html:
    links = [
        tag("a", "results.json", href="results.json"),
        " and ",
        tag("a", "results.md", href="results.md"),
    ]
    return tag("footer", tag("p", "Made by isp_ns. The same numbers for programs and documents: ", links, "."))


def _data(comparison: Comparison, scenes: Sequence[Scene]) -> dict[str, Any]:
    """What the viewer needs to know."""
    return {
        "pipelines": list(comparison.pipelines),
        "cropPx": CROP_PX,
        "losslessPixels": LOSSLESS_PIXELS,
        "scenes": [
            {
                "title": scene.title,
                "width": scene.width_px,
                "height": scene.height_px,
                "pictures": dict(scene.pictures),
                "maps": dict(scene.maps),
                "mapMeans": _map_means(comparison, scene),
                "crops": [dict(crop) for crop in scene.crops],
                "reference": scene.reference,
                "numbers": _numbers(comparison, scene.case),
            }
            for scene in scenes
        ],
    }


def _map_means(comparison: Comparison, scene: Scene) -> dict[str, float]:
    """Mean difference of each map, for the pipelines that of the tables."""
    rows = [row for row in comparison.rows if row.case == scene.case and row.status == "done"]
    found = {row.pipeline: row.delta_e_2000 or row.difference_delta_e_2000 or 0.0 for row in rows}
    return {name: round(found.get(name, scene.disagreement), 2) for name in scene.maps}


def _numbers(comparison: Comparison, case: int) -> dict[str, str]:
    """A line of numbers for each rendering of a photograph."""
    shown = [c for c in COLUMNS if c.key in NUMBERS]
    result = {}
    for row in comparison.rows:
        if row.case == case and row.status == "done":
            parts = [
                f"{c.title} {c.text(getattr(row, c.key))} {c.unit}".strip()
                for c in shown
                if getattr(row, c.key) is not None
            ]
            result[row.pipeline] = " · ".join(parts)
    return result
