"""`isp-ns evaluate scales`: whether depth and labels of a photo stay the same when it is shrunk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from isp_ns.cli.scores import check_target, counter, numbers, write_scores
from isp_ns.core.errors import ModelError, SettingsError

__all__ = ["scales"]

_EPILOG = """\b
Examples:
  isp-ns evaluate scales photo.jpg
  isp-ns evaluate scales *.jpg --weights camvid-lite --shrink 4,1 --json scales.json
\b
A photo is shrunk, taken by a simulated camera and answered by the heads once for each size. Compared are, cell by cell
of the smallest grid of answers, depth by the median of its relative differences and labels by the share of equal ones,
without cells that have another label next to them.
"""


@click.command(epilog=_EPILOG)
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="PHOTO...")  # noqa: E501  # fmt: skip
@click.option("--weights", default="nyu-lite", show_default=True, metavar="NAME", help="Heads.")
@click.option("--shrink", default="6,4,2,1", show_default=True, metavar="A,B", help="What the sides are divided by.")
@click.option("--camera", default="fictitious-full-frame", show_default=True, metavar="NAME", help="Camera profile.")
@click.option("--iso", type=click.FloatRange(min=0), default=0, show_default=True, help="Of the simulated camera; 0 has no noise.")  # noqa: E501  # fmt: skip
@click.option("--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the scores, with the protocol.")  # noqa: E501  # fmt: skip
def scales(photos: tuple[Path, ...], weights: str, shrink: str, camera: str, iso: float, target: Path | None) -> None:
    """Compare depth and labels of photos between sizes: median difference of depth, share of equal labels."""
    from isp_ns.train.scale_check import check_scales

    check_target(target)
    shrinks = numbers("--shrink", shrink)
    try:
        result = check_scales(photos, weights=weights, shrinks=shrinks, camera=camera, iso=iso, watch=counter("sizes"))
    except (ModelError, ValueError) as error:
        raise SettingsError(str(error)) from error
    click.echo(_table(result["rows"], result["worst"]))
    write_scores(target, result)


def _table(rows: Sequence[dict[str, Any]], worst: dict[str, Any]) -> str:
    width = max(5, *(len(row["photo"]) for row in rows))
    lines = [f"{'photo':<{width}}  sizes        depth differs  labels equal  of cells"]
    for row in rows:
        pair = " and ".join("1" if shrink == 1 else f"1/{shrink:g}" for shrink in row["shrinks"])
        lines.append(f"{row['photo']:<{width}}  {pair:<11}  {_scores(row)}  {_percent(row['label_cells'], 0):>8}")
    return "\n".join([*lines, f"{'worst':<{width}}  {'':<11}  {_scores(worst)}"])


def _scores(row: dict[str, Any]) -> str:
    return f"{_percent(row['depth_difference']):>13}  {_percent(row['labels_equal']):>12}"


def _percent(share: float | None, digits: int = 2) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"
