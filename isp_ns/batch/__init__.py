"""Batches: many files through a pipeline, safely. `process` is the whole of it in one call."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.batch.report import Record as Record
from isp_ns.batch.report import Report as Report

if TYPE_CHECKING:
    from isp_ns.batch.listener import Listener
    from isp_ns.core.graph import Graph

__all__ = ["Record", "Report", "process"]


def process(
    inputs: str | Path | Iterable[str | Path],
    output_dir: str | Path,
    pipeline: "str | Path | Graph | None" = None,
    *,
    listener: "Listener | None" = None,
    **settings: Any,
) -> Report:
    """Develop files and folders of files into photos, as `isp-ns process` does.

        report = isp_ns.process("card/DCIM", "photos", "classic", recursive=True, quality=90)
        for record in report.records:
            print(record.status, record.input, record.reason)

    Args:
        inputs: files and folders.
        output_dir: where the photos go, mirrored by folder; or a file name for a single input.
        pipeline: a name, a path to a YAML file, a `Graph` with one input, or None to choose by the sensor.
        listener: hears of every file as it is done.
        settings: any field of `isp_ns.batch.settings.Settings`, such as `on_exists="if-changed"`.

    Returns:
        What became of every file. Files that fail are records, not exceptions.

    Raises:
        SettingsError: for settings, names or inputs that make no sense.
        GraphError: if the pipeline cannot be built.
        OutputError: if the output folder cannot be used, or an output would fall on an input.
        KeyboardInterrupt: after Ctrl-C, when everything is in order.
    """
    from isp_ns.batch.listener import Silent
    from isp_ns.batch.plan import make_plan
    from isp_ns.batch.run import read_facts, run_plan
    from isp_ns.batch.settings import Layer, Settings

    named = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    asked = Settings().layered({"pipeline": pipeline, **settings}, Layer.FLAG, "process")
    report = run_plan(make_plan(named, output_dir, asked, read_facts), asked, listener or Silent())
    if report.interrupted:
        raise KeyboardInterrupt
    return report
