"""A result as text that people read: plain columns, or Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isp_ns.bench.statistic import paired_ratios

__all__ = ["Section", "markdown", "plain", "sections", "verdict"]

_Row = Mapping[str, Any]
_COUNTED = (
    "multiply-accumulates of convolutions per raw pixel, without halos; milliseconds add up over the threads; a net of "
    "one output has the decoder of that output alone, while neural.context of a pipeline runs all that the heads have"
)
_EVEN = 0.005
_NONE = "-"


@dataclass(frozen=True)
class Section:
    """A table with its title, and lines beneath it."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def plain(document: Mapping[str, Any]) -> str:
    """The result for a terminal."""
    return "\n\n".join("\n".join(_plain_lines(section)) for section in sections(document))


def markdown(document: Mapping[str, Any]) -> str:
    """The result for a page."""
    return "\n\n".join("\n".join(_markdown_lines(section)) for section in sections(document))


def verdict(ratio: _Row) -> str:
    """A ratio ours / rival in words: above 1 is slower, below is faster, and the quartiles say how sure that is.

    Args:
        ratio: a spread with median, q1 and q3.
    """
    median = ratio["median"]
    word = "slower" if median > 1 + _EVEN else "faster" if median < 1 - _EVEN else "even"
    unsure = word != "even" and ratio["q1"] < 1 < ratio["q3"]
    return f"{median:.2f} [{ratio['q1']:.2f}–{ratio['q3']:.2f}] {word}{' (within the spread)' if unsure else ''}"


def sections(document: Mapping[str, Any]) -> list[Section]:
    """All tables of a result; groups that were not measured are left out."""
    groups: dict[str, list[_Row]] = {}
    for row in document["rows"]:
        groups.setdefault(row["group"], []).append(row)
    protocol = document["protocol"]
    found = [_about(protocol)]
    if "stages" in groups:
        found.append(_stages(groups["stages"]))
    if "peak" in groups:
        found.append(_peaks(groups["peak"]))
    if "pipelines" in groups:
        found.append(_pipelines(groups["pipelines"]))
        found += [_nodes(row) for row in groups["pipelines"] if row["nodes"]]
    if "outputs" in groups:
        found += _outputs(groups["outputs"])
    for photos in dict.fromkeys(row["photos"] for row in groups.get("processes", [])):
        found += _processes([row for row in groups["processes"] if row["photos"] == photos], photos)
    if protocol["programs"]:
        found.append(_programs(protocol))
    if protocol["warnings"]:
        found.append(Section("Warnings", notes=tuple(protocol["warnings"])))
    return found


def _about(protocol: _Row) -> Section:
    machine, size = protocol["machine"], protocol["size"]
    flags = " ".join(machine["flags"]) or "no known vector instructions"
    software = f"isp_ns {machine['isp_ns']}, torch {machine['torch']}, Python {machine['python']}, {machine['system']}"
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({flags}), {machine['memory_bytes'] / 2**30:.0f} GiB",
        *([machine["gpu"]] if machine["gpu"] else []),
        f"{software}, commit {machine['commit'] or 'unknown'}",
        f"{protocol['date']}, photo {size[1]}×{size[0]}, seed {protocol['seed']}",
    ]
    for group, load in protocol["load"].items():
        busy = "unknown" if load["busy_share"] is None else f"{load['busy_share']:.0%}"
        averages = " ".join(f"{value:.2f}" for value in load["load_average"])
        lines.append(f"before {group}: load average {averages}, processors taken {busy}")
    return Section("isp-ns bench", notes=tuple(lines))


def _stages(rows: Sequence[_Row]) -> Section:
    done = sorted((row for row in rows if row["ns_per_pixel"]), key=lambda row: -row["cpu_ns_per_pixel"]["median"])
    body = tuple(
        (
            row["name"],
            row["input"],
            _number(row["ns_per_pixel"]["median"]),
            _quartiles(row["ns_per_pixel"]),
            _number(row["cpu_ns_per_pixel"]["median"]),
            _number(1e3 / row["ns_per_pixel"]["median"]) if row["ns_per_pixel"]["median"] else _NONE,
            _number(row["bytes_per_pixel"]),
        )
        for row in done
    )
    size = done[0]["size"] if done else (0, 0)
    tile = f"{size[1]}×{size[0]} in tiles of {done[0]['tile_px']}" if done else "nothing measured"
    header = ("stage", "input", "ns/px", "quartiles", "cpu ns/px", "MP/s per core", "bytes/px made")
    return Section(f"Stages, one thread ({tile})", header, body, _left_out(rows))


def _peaks(rows: Sequence[_Row]) -> Section:
    body = tuple(
        (
            row["precision"],
            row["device"],
            str(row["threads"]),
            _number(max(row["gmac_per_s"]["values"])),
            _number(row["gmac_per_s"]["median"]),
            _quartiles(row["gmac_per_s"]),
            "×".join(map(str, row["shape"])),
        )
        for row in rows
    )
    header = ("precision", "device", "threads", "best GMAC/s", "median", "quartiles", "fastest of the inputs tried")
    return Section("Convolution peak (3×3)", header, body)


def _pipelines(rows: Sequence[_Row]) -> Section:
    body = tuple(
        (
            row["name"],
            f"{row['device']}, {row['threads']} threads",
            _number(row["megapixels_per_s"]["median"]),
            _quartiles(row["megapixels_per_s"]),
            _number(row["seconds"]["median"]),
            _number(row["cpu_s"]["median"]),
            _megabytes(row["peak_rss_bytes"]),
        )
        for row in rows
        if row["seconds"]
    )
    header = ("pipeline", "on", "MP/s", "quartiles", "seconds", "cpu s", "peak RSS MB")
    return Section("Pipelines, in process, counts to pixels", header, body, _left_out(rows))


def _nodes(row: _Row) -> Section:
    neural = any(node["kmac_per_pixel"] is not None for node in row["nodes"])
    peaks = list(dict.fromkeys(name for node in row["nodes"] for name in node["share_of_peak"]))
    header: tuple[str, ...] = ("node", "stage", "ms of all threads", "share", "MB made")
    header += ("kMAC/px", "GMAC/s per thread", *(f"of {name} peak" for name in peaks)) if neural else ()
    body = []
    for node in row["nodes"]:
        cells = [node["node"], node["stage"], _number(node["ms"]), f"{node['share']:.1%}", _megabytes(node["bytes"])]
        if neural:
            shares = [node["share_of_peak"].get(name) for name in peaks]
            cells += [_number(node["kmac_per_pixel"]), _number(node["gmac_per_s"])]
            cells += [_NONE if share is None else f"{share:.0%}" for share in shares]
        body.append(tuple(cells))
    return Section(f"Nodes of {row['name']}", header, tuple(body))


def _outputs(rows: Sequence[_Row]) -> list[Section]:
    small = [row for row in rows if row["seconds"] and row["heads_share"] is None]
    what = f"{_pixels(small[0])}, heads {small[0]['heads']}" if small else "nothing measured"
    header = ("outputs", "parameters", "kMAC/px", "GMAC", "ms of neural nodes", "quartiles", "seconds", "quartiles")
    title = f"One pass for three outputs beside three nets ({what})"
    body = (*map(_of_outputs, small), *_one_of_three(small))
    found = [Section(title, header, body, (*((_COUNTED,) if small else ()), *_left_out(rows)))]
    large = [row for row in rows if row["heads_share"] is not None]
    titles = ("photo", "heads", "seconds", "quartiles", "depth and labels, share of all nodes' time")
    costs = tuple(
        (
            _pixels(row),
            row["heads"],
            _number(row["seconds"]["median"]),
            _quartiles(row["seconds"]),
            f"{row['heads_share']:.1%}",
        )
        for row in large
    )
    return [*found, Section("Depth and labels of a photo", titles, costs)] if large else found


def _of_outputs(row: _Row) -> tuple[str, ...]:
    times = (cell for name in ("ms", "seconds") for cell in (_number(row[name]["median"]), _quartiles(row[name])))
    return row["name"], str(row["parameters"]), _number(row["kmac_per_pixel"]), _number(row["gmac"]), *times


def _one_of_three(rows: Sequence[_Row]) -> Iterator[tuple[str, ...]]:
    """The share that one pass takes of three nets, if both were measured: the last two rows."""
    if len(rows) < 2:
        return
    one, three = rows[-2:]
    counts = (f"{one[name] / three[name]:.2f}" for name in ("parameters", "kmac_per_pixel", "gmac"))
    spreads = [asdict(paired_ratios(one[name]["values"], three[name]["values"])) for name in ("ms", "seconds")]
    times = (cell for each in spreads for cell in (f"{each['median']:.2f}", f"{each['q1']:.2f}–{each['q3']:.2f}"))
    yield "one pass / three nets", *counts, *times


def _pixels(row: _Row) -> str:
    return f"{row['size'][1]}×{row['size'][0]}"


def _processes(rows: Sequence[_Row], photos: int) -> list[Section]:
    what = "one photo" if photos == 1 else f"a batch of {photos}"
    done = [row for row in rows if row["ours"]]
    above = "a ratio above 1: isp-ns is slower, or takes more"
    times = ("ours", "beside", "s per photo", "theirs", "ours / theirs, pair by pair", "other work")
    costs = (
        "ours",
        "beside",
        "cpu s per photo",
        "theirs",
        "ratio",
        "tree MB",
        "theirs",
        "ratio",
        "process MB",
        "theirs",
    )
    return [
        Section(
            f"Whole processes, DNG to photo, {what}: wall time",
            times,
            tuple(_wall(row, photos) for row in done),
            (above, *_left_out(rows)),
        ),
        Section(
            f"Whole processes, DNG to photo, {what}: processor time and peak memory (process tree, largest process)",
            costs,
            tuple(_cost(row, photos) for row in done),
        ),
    ]


def _wall(row: _Row, photos: int) -> tuple[str, ...]:
    both = [each for each in (row["ours"], row["theirs"]) if each]
    others = [each["other_cpu_share"]["median"] for each in both if each["other_cpu_share"]]
    return (
        row["name"],
        row["rival"] or "nothing",
        *_of_both(row, "wall_s", lambda seconds: _number(seconds / photos)),
        verdict(row["ratios"]["wall"]) if row["ratios"] else _NONE,
        f"{max(others):.0%}" if others else _NONE,
    )


def _cost(row: _Row, photos: int) -> tuple[str, ...]:
    ratios = {name: f"{spread['median']:.2f}" for name, spread in row["ratios"].items()}
    return (
        row["name"],
        row["rival"] or "nothing",
        *_of_both(row, "cpu_s", lambda seconds: _number(seconds / photos)),
        ratios.get("cpu", _NONE),
        *_of_both(row, "peak_tree_bytes", _megabytes),
        ratios.get("memory", _NONE),
        *_of_both(row, "max_rss_bytes", _megabytes),
    )


def _of_both(row: _Row, name: str, form: Callable[[float], str]) -> Iterator[str]:
    """The median of a quantity of ours and of theirs."""
    for numbers in (row["ours"], row["theirs"]):
        yield form(numbers[name]["median"]) if numbers and numbers[name] else _NONE


def _programs(protocol: _Row) -> Section:
    body = tuple((each["name"], each["version"], each["settings"]) for each in protocol["programs"])
    notes = tuple(f"{name}: left out, {reason}" for name, reason in protocol["missing"].items())
    return Section("Programs", ("program", "version", "settings"), body, notes)


def _left_out(rows: Sequence[_Row]) -> tuple[str, ...]:
    titles = [f"{row['name']} beside {row['rival']}" if row.get("rival") else row["name"] for row in rows]
    pairs = zip(titles, rows, strict=True)
    return tuple(f"{title}: {row['status']}, {row['reason']}" for title, row in pairs if row["status"] != "done")


def _number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return _NONE
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def _quartiles(spread: _Row) -> str:
    return f"{_number(spread['q1'])}–{_number(spread['q3'])}"


def _megabytes(size_bytes: float | None) -> str:
    return _NONE if size_bytes is None else f"{size_bytes / 1e6:.0f}"


def _plain_lines(section: Section) -> Iterator[str]:
    yield section.title
    table = [section.header, *section.rows] if section.rows else []
    widths = [max(len(row[place]) for row in table) for place in range(len(section.header))] if table else []
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for note in section.notes:
        yield f"  {note}"


def _markdown_lines(section: Section) -> Iterator[str]:
    yield f"### {section.title}"
    yield ""
    if section.rows:
        yield f"| {' | '.join(section.header)} |"
        yield f"|{' --- |' * len(section.header)}"
        for row in section.rows:
            yield f"| {' | '.join(row)} |"
        yield ""
    yield from (f"- {note}" for note in section.notes)
