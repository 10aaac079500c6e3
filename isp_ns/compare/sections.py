"""The sections of the page that are read: verdict, means, charts, all numbers, method."""

from collections.abc import Mapping, Sequence
from typing import Any

from isp_ns.compare.areas import WHOLE_PIXELS
from isp_ns.compare.charts import COLOURS, Axis, Series, chart
from isp_ns.compare.results import COLUMNS, Column, Comparison, Row, common_cases, shown_columns
from isp_ns.io.markup import Html, join, tag

__all__ = ["charts_section", "details", "means_section", "method_section", "verdict_section"]

METHOD_TITLES = {
    "task": None,
    "truth": "Truth",
    "domain": "Domain",
    "range": "Range",
    "clip": "Clipped to",
    "crop": "Measured area",
    "white_balance": "White balance",
    "look": "Look",
    "exposure": "Exposure alignment",
    "geometry": "Geometry",
    "maps": "Difference maps",
    "ssim": "SSIM",
    "perceptual_metric": "Perceptual metric",
    "chart": "Chart",
    "time": "Time",
    "memory": "Memory",
    "pipelines": "Pipelines",
    "photographs": "Photographs",
    "isp_ns": "isp_ns",
    "machine": "Machine",
}
"""Headings for the keys of the protocol; None is not shown."""


def verdict_section(comparison: Comparison) -> Html:
    """The three heads."""
    heads = [
        tag("article", tag("h2", head.question), tag("p", head.answer, class_="answer"), tag("p", head.detail))
        for head in comparison.verdict
    ]
    return tag("section", heads, class_="verdict", aria_label="Verdict")


def means_section(comparison: Comparison) -> Html:
    """The table of means, and what did not work."""
    summaries = comparison.summaries
    shared = len(common_cases(row for row in comparison.rows if row.status == "done"))
    over = f"Means over the {shared} photograph{'s' if shared != 1 else ''} that all pipelines rendered"
    table = _table(
        tag("caption", f"{over}, by pipeline", class_="unseen"),
        "Pipeline",
        shown_columns(summaries),
        [(each.pipeline, each.means, i) for i, each in enumerate(summaries) if each.pictures],
    )
    note = tag("p", f"{over} (time: median, memory: largest). {_stated(comparison)}", class_="stated")
    told = (note, _glossary(shown_columns(summaries)), _failures(comparison))
    return tag("section", tag("h2", "Numbers"), table, told, id="numbers")


def _glossary(shown: Sequence[Column]) -> Html:
    """What the columns mean, for those who cannot point at their heads."""
    ways = {1: "more is better", -1: "less is better", 0: "neither way is better"}
    items = [(tag("dt", _titled(column)), tag("dd", f"{column.help}; {ways[column.better]}.")) for column in shown]
    return tag("details", tag("summary", "What the columns mean"), tag("dl", items, class_="glossary"))


def _stated(comparison: Comparison) -> str:
    """Domain, range, crop, white balance and alignment, in the words of the protocol."""
    p = comparison.protocol
    large = any(row.width_px * row.height_px > WHOLE_PIXELS for row in comparison.rows)
    area = str(p["crop"]) if large else str(p["crop"]).partition(";")[0]
    exposure = "aligned by one gain per picture" if str(p["exposure"]).startswith("one gain") else "as rendered"
    return (
        f"{p['domain']}, range {p['range'][0]} to {p['range'][1]}; {area}; white balance as shot; exposure {exposure}; "
        f"look {str(p['look']).partition(':')[0]}."
    )


def _table(
    caption: Html, first: str, shown: Sequence[Column], lines: Sequence[tuple[str, Mapping[str, Any], int]]
) -> Html:
    best = {column.key: _best(column, [values[column.key] for _, values, _ in lines]) for column in shown}
    heads = [tag("th", first, scope="col")]
    heads += [tag("th", c.title, c.unit and tag("small", c.unit), scope="col", title=c.help) for c in shown]
    rows = [
        tag(
            "tr",
            tag("th", tag("i", class_=f"key c{index % COLOURS}", aria_hidden="true"), name, scope="row"),
            [_cell(column, values[column.key], best[column.key]) for column in shown],
        )
        for name, values, index in lines
    ]
    table = tag("table", caption, tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Table of numbers")


def _best(column: Column, values: Sequence[float | None]) -> str | None:
    """The best value as it is printed, None where there is no better or all are alike."""
    known = [value for value in values if value is not None]
    if not column.better or len({column.text(value) for value in known}) < 2:
        return None
    return column.text(max(known) if column.better > 0 else min(known))


def _cell(column: Column, value: float | None, best: str | None) -> Html:
    text = column.text(value)
    if best is not None and text == best:
        return tag("td", tag("strong", text), tag("span", " best", class_="unseen"))
    return tag("td", text)


def _failures(comparison: Comparison) -> Html | None:
    if not comparison.failures:
        return None
    alike: dict[tuple[str, str, str], list[str]] = {}
    for row in comparison.failures:
        alike.setdefault((row.scene, row.status, row.reason), []).append(row.pipeline)
    items = [
        tag("li", tag("b", f"{scene}, {', '.join(names)}"), f" ({status}): {reason}")
        for (scene, status, reason), names in alike.items()
    ]
    count = len(comparison.failures)
    summary = f"{count} rendering{'s' if count != 1 else ''} could not be compared"
    return tag("details", tag("summary", summary), tag("ul", items), class_="failures", open=len(items) <= 4)


def charts_section(comparison: Comparison) -> Html | None:
    """Measures against sensitivity, lightness and time."""
    done = [row for row in comparison.rows if row.status == "done"]
    shared = common_cases(done)
    rows = [row for row in done if row.case in shared]
    names = [name for name in comparison.pipelines if any(row.pipeline == name for row in rows)]
    drawn = [*_by_iso(rows, names, comparison), *_by_level(rows, names, comparison), *_by_time(comparison, names)]
    if not drawn:
        return None
    note = tag("p", f"Means over the same photographs as above. {_stated(comparison)}", class_="stated")
    return tag("section", tag("h2", "Charts"), tag("div", drawn, class_="charts"), note, id="charts")


def _by_iso(rows: Sequence[Row], names: Sequence[str], comparison: Comparison) -> list[Html]:
    isos = sorted({row.iso for row in rows if row.iso})
    if len(isos) < 2:
        return []
    axis = Axis("ISO", True, tuple(isos))
    keys = ("psnr_db", "delta_e_2000") if comparison.has_truth else ("noise_luma_255", "mtf50")
    drawn = []
    for column in (c for c in COLUMNS if c.key in keys):
        series = []
        for name in names:
            points = []
            for iso in isos:
                values = [getattr(row, column.key) for row in rows if row.pipeline == name and row.iso == iso]
                known = [value for value in values if value is not None]
                points += [(iso, sum(known) / len(known))] if known else []
            series.append(Series(name, comparison.pipelines.index(name), tuple(points)))
        if any(each.points for each in series):
            drawn.append(chart(f"{column.title} by ISO", series, axis, Axis(_titled(column))))
    return drawn


def _by_level(rows: Sequence[Row], names: Sequence[str], comparison: Comparison) -> list[Html]:
    """Noise by lightness at the highest sensitivity."""
    top = max((row.iso or 0 for row in rows), default=0)
    series = []
    for name in names:
        found: dict[int, list[tuple[float, float]]] = {}
        for row in rows:
            if row.pipeline == name and (row.iso or 0) == top:
                for patch in row.noise_by_patch:
                    found.setdefault(int(patch["level"] * 6), []).append((patch["level"], patch["sigma_255"]))
        points = tuple(_mean_point(found[key]) for key in sorted(found))
        series.append(Series(name, comparison.pipelines.index(name), points))
    if not any(len(each.points) > 1 for each in series):
        return []
    where = f" at ISO {top:g}" if top else ""
    return [chart(f"Noise by lightness{where}", series, Axis("encoded lightness"), Axis("σ /255"))]


def _mean_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


def _by_time(comparison: Comparison, names: Sequence[str]) -> list[Html]:
    for key in ("psnr_db", "mtf50", "noise_luma_255"):
        column = next(c for c in COLUMNS if c.key == key)
        series = [
            Series(each.pipeline, comparison.pipelines.index(each.pipeline), ((time, value),))
            for each in comparison.summaries
            if each.pipeline in names and (time := each.means["total_ms"]) and (value := each.means[key]) is not None
        ]
        if len(series) > 1:
            title = f"{column.title} against time"
            return [chart(title, series, Axis("ms per photograph", True), Axis(_titled(column)), lines=False)]
    return []


def _titled(column: Column) -> str:
    return f"{column.title} {column.unit}".strip()


def details(comparison: Comparison) -> Html:
    """Every photograph's numbers, and the cost of every node."""
    return tag("section", tag("h2", "Details"), _pictures_table(comparison), _nodes_table(comparison), id="details")


def _pictures_table(comparison: Comparison) -> Html:
    done = [row for row in comparison.rows if row.status == "done"]
    shown = [c for c in COLUMNS if any(getattr(row, c.key) is not None for row in done)]
    heads = [tag("th", "Photograph", scope="col"), tag("th", "Pipeline", scope="col", class_="left")]
    heads.append(tag("th", "Offset", tag("small", "px"), scope="col"))
    heads += [tag("th", c.title, c.unit and tag("small", c.unit), scope="col", title=c.help) for c in shown]
    lines = [
        tag(
            "tr",
            tag("th", row.scene + (f" · ISO {row.iso:g}" if row.iso else ""), scope="row"),
            tag("th", row.pipeline, scope="row"),
            tag("td", f"{row.offset_px[0]}, {row.offset_px[1]}"),
            [tag("td", column.text(getattr(row, column.key))) for column in shown],
        )
        for row in done
    ]
    caption = tag("caption", "One line for each rendering", class_="unseen")
    table = tag("table", caption, tag("thead", tag("tr", heads)), tag("tbody", lines))
    box = tag("div", table, class_="scroll tall", tabindex="0", role="region", aria_label="All numbers")
    note = tag("p", _stated(comparison), class_="stated")
    return tag("details", tag("summary", f"All {len(done)} renderings"), box, note)


def _nodes_table(comparison: Comparison) -> Html | None:
    """Milliseconds and megabytes by node, means over the photographs."""
    parts = []
    for name in comparison.pipelines:
        rows = [row for row in comparison.rows if row.pipeline == name and row.nodes]
        if rows:
            parts.append(_one_pipeline(name, rows))
    if not parts:
        return None
    note = (
        "Means over all photographs that a pipeline rendered. Times of tiles that are worked on side by side are added "
        "up, so all nodes together may take longer than the pipeline. Output: bytes of what a node makes; the peak of "
        "a pipeline's memory is in the table of numbers."
    )
    tables = tag("div", parts, class_="nodes")
    return tag("details", tag("summary", "Time and memory by node"), tables, tag("p", note, class_="stated"))


def _one_pipeline(name: str, rows: Sequence[Row]) -> Html:
    nodes: dict[str, tuple[str, float, float]] = {}
    for row in rows:
        for node in row.nodes:
            _, spent, made = nodes.get(node["node"], ("", 0.0, 0.0))
            nodes[node["node"]] = (node["stage"], spent + node["ms"], made + node["mb_made"])
    megapixels = sum(row.megapixels for row in rows)
    total = sum(spent for _, spent, _ in nodes.values())

    def numbers(spent: float, made: float) -> list[Html]:
        part = spent / (total or 1.0)
        box = {"viewBox": "0 0 100 10", "preserveAspectRatio": "none", "class_": "share", "aria_hidden": "true"}
        share = join(tag("svg", tag("rect", width=f"{100 * part:.1f}", height=10), **box), f" {part:.0%}")
        cells = (f"{spent / len(rows):.1f}", f"{spent / megapixels:.1f}", share, f"{made / megapixels:.1f}")
        return [tag("td", cell) for cell in cells]

    lines = [
        tag("tr", tag("th", node, scope="row"), tag("td", stage, class_="left"), numbers(spent, made))
        for node, (stage, spent, made) in nodes.items()
    ]
    everything = numbers(total, sum(made for _, _, made in nodes.values()))
    foot = tag("tfoot", tag("tr", tag("th", "All nodes", scope="row", colspan=2), everything))
    body = tag("tbody", lines)
    return tag("div", tag("table", tag("caption", name), tag("thead", _node_heads()), body, foot), class_="scroll")


def _node_heads() -> Html:
    units = (("Time", "ms"), ("Time", "ms/MP"), ("Share", "of time"), ("Output", "MB/MP"))
    heads = [tag("th", title, tag("small", unit), scope="col") for title, unit in units]
    return tag("tr", tag("th", "Node", scope="col"), tag("th", "Stage", scope="col", class_="left"), heads)


def method_section(comparison: Comparison) -> Html:
    """The protocol."""
    items = []
    for key, value in comparison.protocol.items():
        title = METHOD_TITLES.get(key, key)
        if title is not None:
            items += [tag("dt", title), tag("dd", _described(value))]
    return tag("section", tag("h2", "How it was measured"), tag("dl", items), id="method")


def _described(value: Any) -> Html:
    if isinstance(value, Mapping):
        return tag("ul", [tag("li", tag("b", name), f": {each}") for name, each in value.items()])
    if isinstance(value, list | tuple):
        return join(" to ".join(str(each) for each in value))
    return join(str(value))
