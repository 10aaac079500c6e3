"""Running a comparison: every photograph through every pipeline, aligned, measured and shown."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from isp_ns.compare.align import Offset, common_boxes, display_srgb, exposure_gain, find_offset, with_gain
from isp_ns.compare.areas import cut, measured_boxes
from isp_ns.compare.blind import without_truth
from isp_ns.compare.cases import Case
from isp_ns.compare.colorchecker import chart_differences
from isp_ns.compare.gallery import Gallery
from isp_ns.compare.renderers import Look, Renderer, Rendering
from isp_ns.compare.results import Row, Status
from isp_ns.compare.truth_measures import against_truth, pooled_psnr
from isp_ns.core.errors import IspError, UnsupportedSensorError
from isp_ns.io.raw import inspect_raw
from isp_ns.io.read import read_image

__all__ = ["Align", "Options", "run_cases"]

Align = Literal["exposure", "none"]

LARGEST_GAIN_EV = 6.0
_16_BIT = 65535.0


@dataclass(frozen=True)
class Options:
    """How to compare: exposure alignment, border to leave out, look, what hears of the progress."""

    align: Align = "exposure"
    crop_px: int = 8
    look: Look = "neutral"
    tell: Callable[[str], None] = field(default=lambda text: None)


@dataclass(frozen=True, eq=False)
class _Developed:
    """One rendering as it lies on disk, and its row so far."""

    row: Row
    file: Path

    def image(self) -> Tensor:
        """(3, H, W) float32 in 0..1."""
        import numpy as np

        return torch.from_numpy(np.load(self.file)).float().div_(_16_BIT)


def run_cases(
    cases: Sequence[Case], renderers: Sequence[Renderer], gallery: Gallery, options: Options
) -> tuple[Row, ...]:
    """Develop, align and measure all photographs.

    What goes wrong with one rendering is a row, not an exception.

    Args:
        cases: the photographs.
        renderers: the pipelines, with unique names.
        gallery: takes the pictures.
        options: how to compare.

    Returns:
        A row for each photograph and pipeline.

    """
    rows: list[Row] = []
    warm: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="isp_ns-") as name:
        folder = Path(name)
        for case in cases:
            try:
                raw = case.raw_file(folder)
            except IspError as error:
                rows += [_unphotographed(case, renderer, error, options) for renderer in renderers]
                continue
            blank = _blank_row(case, raw)
            developed: list[_Developed] = []
            for number, renderer in enumerate(renderers):
                row = replace(blank, pipeline=renderer.name)
                result = _develop(renderer, raw, folder / f"{number}.npy", row, warm)
                options.tell(_told(result))
                if isinstance(result, Row):
                    rows.append(result)
                else:
                    developed.append(result)
            rows += _compare_case(case, developed, gallery, options)
            if case.simulation is not None:
                raw.unlink(missing_ok=True)
    order = {renderer.name: place for place, renderer in enumerate(renderers)}
    return tuple(sorted(rows, key=lambda row: (row.case, order[row.pipeline])))


def _unphotographed(case: Case, renderer: Renderer, error: IspError, options: Options) -> Row:
    """The row of a photograph that could not be simulated."""
    row = _failed(Row(case=case.number, scene=case.scene, pipeline=renderer.name, iso=case.iso), error)
    options.tell(_told(row))
    return row


def _blank_row(case: Case, raw: Path) -> Row:
    iso, camera = case.iso, ""
    with contextlib.suppress(IspError, OSError):
        meta = inspect_raw(raw).meta()
        iso = iso or meta.iso
        camera = " ".join(filter(None, [meta.make, meta.model]))
    return Row(case=case.number, scene=case.scene, pipeline="", iso=iso, camera=camera)


def _develop(renderer: Renderer, raw: Path, target: Path, row: Row, warm: set[str]) -> "_Developed | Row":
    """Render one file and put the picture on disk; the first file is rendered twice, and the second time counts."""
    try:
        rendering = renderer.render(raw)
        if renderer.name not in warm:
            warm.add(renderer.name)
            rendering = renderer.render(raw)
        return _put(rendering, target, row)
    except Exception as error:  # noqa: BLE001 - whatever a stage raises is recorded, and the others go on
        return _failed(row, error)


def _put(rendering: Rendering, target: Path, row: Row) -> _Developed:
    import numpy as np

    image = display_srgb(rendering.frame)
    np.save(target, image.mul_(_16_BIT).round_().to(torch.int32).numpy().astype(np.uint16))
    nodes = [
        {"node": n.node, "stage": n.stage, "ms": n.milliseconds, "mb_made": n.bytes / 1e6} for n in rendering.nodes
    ]
    done = replace(
        row,
        height_px=image.shape[1],
        width_px=image.shape[2],
        decode_ms=rendering.decode_ms,
        render_ms=rendering.render_ms,
        peak_mb=rendering.peak_bytes / 1e6 or None,
        nodes=nodes,
    )
    return _Developed(done, target)


def _failed(row: Row, error: BaseException) -> Row:
    status: Status = "unsupported" if isinstance(error, UnsupportedSensorError) else "failed"
    words = [str(error) or type(error).__name__, *getattr(error, "__notes__", ())]
    return replace(row, status=status, reason="; ".join(words))


def _told(result: "_Developed | Row") -> str:
    row = result if isinstance(result, Row) else result.row
    where = f"{row.scene}" + (f", ISO {row.iso:g}" if row.iso else "")
    if row.status != "done":
        return f"{row.status}  {where}, {row.pipeline}: {row.reason}"
    return f"done  {where}, {row.pipeline}: {row.decode_ms + row.render_ms:.0f} ms"


def _compare_case(case: Case, developed: Sequence[_Developed], gallery: Gallery, options: Options) -> list[Row]:
    """Align the renderings of one photograph and measure them."""
    try:
        truth = display_srgb(read_image(case.truth)) if case.truth is not None else None
        placed, failed = _placed(developed, truth)
    except (IspError, ValueError) as error:
        return [_failed(each.row, error) for each in developed]
    if not placed:
        return failed
    rows = {each.row.pipeline: replace(each.row, offset_px=(offset.y, offset.x)) for each, offset in placed}
    sizes = [(each.row.height_px, each.row.width_px) for each, _ in placed]
    offsets = [offset for _, offset in placed]
    whole = [(truth.shape[1], truth.shape[2])] if truth is not None else []
    try:
        boxes = common_boxes([*sizes, *whole], [*offsets, *(Offset(0, 0, 1.0) for _ in whole)])
        measured_boxes((boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]), options.crop_px)
    except (IspError, ValueError) as error:
        return [*failed, *(_failed(row, error) for row in rows.values())]
    images = {each.row.pipeline: cut(each.image(), box) for (each, _), box in zip(placed, boxes, strict=False)}
    truth = cut(truth, boxes[-1]) if truth is not None else None
    found = _measured(images, truth, options)
    title = _title(case, next(iter(rows.values())))
    differences = gallery.add(case.number, title, images, truth)
    if truth is None:
        for name in rows:
            found[name]["difference_delta_e_2000"] = differences[name]
    return [*failed, *(replace(row, **found[name]) for name, row in rows.items())]


def _placed(developed: Sequence[_Developed], truth: Tensor | None) -> tuple[list[tuple[_Developed, Offset]], list[Row]]:
    """Renderings with their offsets from the reference (the truth, or the first rendering), and rows without one."""
    if not developed:
        return [], []
    reference = developed[0].image() if truth is None else truth
    placed, failed = [], []
    for number, each in enumerate(developed):
        if truth is None and number == 0:
            placed.append((each, Offset(0, 0, 1.0)))
            continue
        try:
            placed.append((each, find_offset(each.image(), reference)))
        except IspError as error:
            failed.append(_failed(each.row, error))
    return placed, failed


def _measured(images: dict[str, Tensor], truth: Tensor | None, options: Options) -> dict[str, dict[str, Any]]:
    """All measures by pipeline; `images` are brought to the reference's exposure in place."""
    reference = next(iter(images.values())) if truth is None else truth
    boxes = measured_boxes((reference.shape[1], reference.shape[2]), options.crop_px)
    found: dict[str, dict[str, Any]] = {name: {} for name in images}
    for name, image in images.items():
        if truth is not None:
            found[name]["psnr_db_as_rendered"] = pooled_psnr(image, truth, boxes)
        if options.align == "exposure":
            gain = exposure_gain(image, reference)
            found[name]["exposure_gain_ev"] = float(torch.tensor(gain).log2().clamp(-LARGEST_GAIN_EV, LARGEST_GAIN_EV))
            images[name] = with_gain(image, 2.0 ** found[name]["exposure_gain_ev"])
        if truth is not None:
            found[name].update(against_truth(images[name], truth, boxes))
    if truth is None:
        for name, values in without_truth(images, boxes).items():
            found[name].update(values)
        for name, delta in chart_differences(images).items():
            found[name]["chart_delta_e_2000"] = delta
    return found


def _title(case: Case, row: Row) -> str:
    return case.scene + (f" · ISO {row.iso:g}" if row.iso else "")
