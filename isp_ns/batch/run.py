"""Running a plan: decoding in processes of its own, developing here, writing in a thread, all at the same time.

At most a few images are in flight, as many as memory allows. Whatever happens to one file is that file's record; the
batch goes on. An interrupted batch leaves whole outputs only, and the next one takes up what is missing.
"""

import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.batch.develop import Developed, Developer, Loaded
from isp_ns.batch.job import Facts, Job
from isp_ns.batch.listener import Listener, heard_warnings
from isp_ns.batch.memory import COMPUTE_BYTES, DECODE_BYTES, WRITE_BYTES, Budget, declared_pixels
from isp_ns.batch.plan import Plan
from isp_ns.batch.recipe import RENDERERS
from isp_ns.batch.report import Record, Report, Status
from isp_ns.batch.scan import Source, is_image
from isp_ns.batch.settings import Settings
from isp_ns.batch.state import input_digest
from isp_ns.batch.write import ShotTags, save, write_classes
from isp_ns.core.errors import IspError, OutputError, UnsupportedSensorError
from isp_ns.io.atomic import sweep_parts
from isp_ns.io.decode import DecodePool
from isp_ns.io.decoded import NO_BALANCE, NO_MATRIX, Decoded, DecodeOptions
from isp_ns.io.layout import RawLayout

if TYPE_CHECKING:
    from isp_ns.io.exifwrite import ExifData

__all__ = ["preview", "read_facts", "run_plan"]

PROCESSORS_PER_DECODER = 4
DECODER_MEMORY_MB = (1024, 8192)


def run_plan(plan: Plan, settings: Settings, listener: Listener) -> Report:
    """Do what `plan` says. Ctrl-C ends it with a report that says so.

    Raises:
        SettingsError: if a setting does not fit the pipeline.
        GraphError: if the pipeline cannot be built.
        OutputError: if the output folder cannot be written to.
    """
    return _Batch(plan, settings, listener).run()


def preview(plan: Plan) -> Report:
    """What `run_plan` would do, as a report, after the same checks.

    Raises:
        SettingsError: if a setting does not fit the pipeline.
        GraphError: if the pipeline cannot be built.
    """
    started = datetime.now(UTC)
    if plan.jobs:
        Developer(1, None).check(plan.draft)
    records = {record.input: record for record in plan.settled}
    for job in plan.jobs:
        source, outputs = str(job.source.path), tuple(map(str, job.outputs.values()))
        records[source] = Record(source, "planned", "", outputs, job.draft.recipe.name)
    return Report(_in_order(plan, records), started.isoformat(timespec="seconds"), 0.0)


def read_facts(items: Sequence[tuple[Source, Settings]]) -> Mapping[Path, Facts | str]:
    """Metadata of many files, without their pixels; the reason for those that cannot be read."""
    found: dict[Path, Facts | str] = {}
    with DecodePool(workers=min(4, len(items) or 1)) as pool:
        futures = {source.path: pool.submit(source.path, _options(own, pixels=False)) for source, own in items}
        for path, future in futures.items():
            try:
                decoded = future.result()
                found[path] = Facts(decoded.kind, decoded.values)
            except (IspError, OSError) as error:
                found[path] = _words(error, path)
    return found


def _options(settings: Settings, *, pixels: bool = True, render: str | None = None, limit: int = 0) -> DecodeOptions:
    layout = RawLayout.parse(settings.raw) if settings.raw is not None else None
    most = int(settings.max_megapixels * 1e6)
    return DecodeOptions(raw=layout, max_pixels=min(most, limit) if limit else most, pixels=pixels, render=render)


@dataclass(eq=False)
class _Task:
    """A job on its way: what its file looked like, how large it seems to be, and what is known so far."""

    job: Job
    found: os.stat_result
    pixels: int
    render: str | None
    kind: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    tags: "Future[ExifData | None] | None" = None


class _Batch:
    """One run of a plan."""

    def __init__(self, plan: Plan, settings: Settings, listener: Listener) -> None:
        self.plan, self.settings, self.listener = plan, settings, listener
        workers = settings.jobs or _processors()
        self.decoders = max(1, workers // PROCESSORS_PER_DECODER)
        self.developer = Developer(workers, settings.tile)
        self.budget = Budget()
        self.largest = min(int(settings.max_megapixels * 1e6), self.budget.total_bytes // DECODE_BYTES)
        self.waiting = deque(plan.jobs)
        self.decoding: dict[Future[Any], _Task] = {}
        self.writing: Future[None] | None = None
        self.records = {record.input: record for record in plan.settled}
        self.tags = ShotTags()
        self.lock = threading.Lock()
        self.stopped = self.interrupted = False

    def run(self) -> Report:
        began, started = datetime.now(UTC), time.perf_counter()
        if self.waiting:
            self._prepare_folder()
            self.listener.begin(len(self.waiting))
            self._run_jobs()
        seconds = time.perf_counter() - started
        records = _in_order(self.plan, self.records)
        report = Report(records, began.isoformat(timespec="seconds"), seconds, self.interrupted, self.stopped)
        self.listener.end(report)
        return report

    def _prepare_folder(self) -> None:
        try:
            self.plan.folder.mkdir(parents=True, exist_ok=True)
            removed = sweep_parts(self.plan.folders)
        except OSError as error:
            raise OutputError(f"the output folder {self.plan.folder} cannot be used ({error.strerror})") from error
        if removed:
            self.listener.note(f"removed {removed} incomplete file(s) of a batch that was killed")

    def _run_jobs(self) -> None:
        low, high = DECODER_MEMORY_MB
        memory_mb = max(low, min(high, self.budget.total_bytes >> 20))
        self.pool = DecodePool(self.decoders, timeout_s=self.settings.timeout, memory_mb=memory_mb)
        # Closing waits for the decoder, which may hang: it is left to a thread that nothing waits for for long.
        self.closing = threading.Thread(target=self.pool.close, daemon=True)
        try:
            with ThreadPoolExecutor(1, "write") as self.writer, ThreadPoolExecutor(1, "read") as self.reader:
                self._work()
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self._close_pool()
            self.tags.close()
            self.closing.join(0.0 if self.interrupted else 5.0)

    def _close_pool(self) -> None:
        if self.closing.ident is None:
            self.closing.start()

    def _work(self) -> None:
        """Keep everything busy until nothing is left. The decoder gets its first files before torch is imported."""
        self._feed()
        self.tags.start()
        self.developer.check(self.plan.draft)
        while self.waiting or self.decoding:
            self._feed()
            if not self.decoding:
                self._finish_writing()
                continue
            wait(self.decoding, return_when=FIRST_COMPLETED)
            # The first in order of submission, so that a batch goes through its files in order.
            future = next(future for future in self.decoding if future.done())
            self._take(self.decoding.pop(future), future)
            if self.stopped:
                break
        self._finish_writing()

    def _feed(self) -> None:
        """Give the decoder files, one more than it can work on at a time, as far as memory allows."""
        while self.waiting and len(self.decoding) <= self.decoders:
            job = self.waiting[0]
            try:
                found = job.source.path.stat()
            except OSError as error:
                self.waiting.popleft()
                self._settle(Record(str(job.source.path), "failed", _words(error, job.source.path)))
                continue
            renderer = job.draft.recipe.renderer
            pixels = min(declared_pixels(job.source.path), self.largest)
            task = _Task(job, found, pixels, RENDERERS[renderer] if renderer else None)
            if not self.budget.take(task, pixels * DECODE_BYTES):
                return
            self.waiting.popleft()
            self._submit(task)

    def _submit(self, task: _Task) -> None:
        path = task.job.source.path
        options = _options(task.job.draft.settings, render=task.render, limit=self.largest)
        future: Future[Any]
        if is_image(path):
            future = self.reader.submit(Loaded.of_image, path, options.max_pixels)
        else:
            future = self.pool.submit(path, options)
        self.decoding[future] = task

    def _take(self, task: _Task, future: "Future[Any]") -> None:
        """Develop a file that has been read and hand the result to the writer."""
        try:
            found = future.result()
            loaded = Loaded.of_decoded(found) if isinstance(found, Decoded) else found
            del found
            task.seconds["decode"] = task.seconds.get("decode", 0.0) + loaded.seconds
            task.pixels = loaded.size[0] * loaded.size[1]
            if self._rerouted(task, loaded.kind):
                return
            task.tags = self.tags.ask(task.job.source.path)
            self._make_room(task)
            started = time.perf_counter()
            with heard_warnings(task.warnings):
                developed = self.developer.develop(loaded, task.job.draft, task.job.outputs)
            task.seconds["compute"] = time.perf_counter() - started
            self.listener.detail(f"{task.job.source.path}\n{developed.trace}")
            task.warnings[:0] = [*_unanswered(loaded.notes, task.job.draft.settings), *developed.remarks]
            del loaded
        except Exception as error:  # noqa: BLE001 - whatever a stage raises is recorded, and the other files go on
            self._fail(task, error)
            self.budget.give_back(task)
            return
        self._finish_writing()
        self.budget.hold(task, task.pixels * WRITE_BYTES)
        self.writing = self.writer.submit(self._write, task, developed)

    def _rerouted(self, task: _Task, kind: str) -> bool:
        """Send an X-Trans file back to be rendered by LibRaw, unless a pipeline was named for it."""
        task.kind = task.kind or kind
        if kind != "xtrans" or task.job.draft.recipe.pipeline is not None:
            return False
        name, task.render = next(iter(RENDERERS.items()))
        task.warnings.append(f"X-Trans mosaic: rendered by {name}")
        self._submit(task)
        return True

    def _make_room(self, task: _Task) -> None:
        """Account for developing `task`; let the writer finish first where memory is short. Then decode ahead."""
        self.budget.hold(task, task.pixels * COMPUTE_BYTES)
        if self.budget.used_bytes > self.budget.total_bytes:
            self._finish_writing()
        self._feed()
        if not self.waiting and not self.decoding:
            self._close_pool()

    def _finish_writing(self) -> None:
        if self.writing is not None:
            self.writing.result()
            self.writing = None

    def _write(self, task: _Task, developed: Developed) -> None:
        """Runs in the writer's thread."""
        job, started = task.job, time.perf_counter()
        try:
            tags, orientation = self._tags(task), job.draft.settings.orientation
            for name, frame in developed.frames.items():
                path, form = job.outputs[name], job.draft.formats[name]
                if name == "labels" and developed.classes:
                    write_classes(path, frame, developed.classes, orientation)
                else:
                    save(path, frame, form, source=job.source.path, orientation=orientation, tags=tags)
            self._remember(task)
        except Exception as error:  # noqa: BLE001 - whatever a writer raises is recorded, and the other files go on
            self._fail(task, error)
            return
        finally:
            self.budget.give_back(task)
        task.seconds["write"] = time.perf_counter() - started
        size = next(iter(developed.frames.values())).size
        self._settle(self._record(task, "done", "", developed.pipeline, size))

    def _tags(self, task: _Task) -> "ExifData | None":
        try:
            return task.tags.result() if task.tags is not None else None
        except (OutputError, OSError) as error:
            task.warnings.append(f"only part of the metadata is carried over: {error}")
            return None

    def _remember(self, task: _Task) -> None:
        """Note what the outputs were made of, unless the input has changed since it was read."""
        path = task.job.source.path
        sha256, now = input_digest(path), path.stat()
        if (now.st_size, now.st_mtime_ns) != (task.found.st_size, task.found.st_mtime_ns):
            task.warnings.append("the input changed while it was read")
            return
        for output in task.job.outputs.values():
            self.plan.state.add(output, path, sha256, now, task.job.draft.digest)

    def _record(
        self, task: _Task, status: Status, reason: str, pipeline: str = "", size: tuple[int, int] | None = None
    ) -> Record:
        outputs = tuple(map(str, task.job.outputs.values())) if status == "done" else ()
        name = pipeline or task.job.draft.recipe.name
        source, warnings = str(task.job.source.path), tuple(task.warnings)
        return Record(source, status, reason, outputs, name, task.kind, size, dict(task.seconds), warnings)

    def _fail(self, task: _Task, error: Exception) -> None:
        if not isinstance(error, IspError | OSError):
            self.listener.detail("".join(traceback.format_exception(error)))
        status: Status = "unsupported" if isinstance(error, UnsupportedSensorError) else "failed"
        self._settle(self._record(task, status, _words(error, task.job.source.path)))

    def _settle(self, record: Record) -> None:
        with self.lock:
            self.records[record.input] = record
            self.listener.settle(record)
        if record.status == "failed" and self.settings.fail_fast:
            self.stopped = True
            self.waiting.clear()


def _unanswered(notes: Iterable[str], settings: Settings) -> list[str]:
    """Remarks of the decoder but for those on what the user has given."""
    given = set()
    if settings.matrix not in (None, "auto"):
        given.add(NO_MATRIX)
    if settings.wb not in (None, "as-shot"):
        given.add(NO_BALANCE)
    return [note for note in notes if note not in given]


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(plan: Plan, records: Mapping[str, Record]) -> tuple[Record, ...]:
    return tuple(records[name] for name in dict.fromkeys(plan.order) if name in records)


def _words(error: BaseException, path: Path) -> str:
    """What went wrong, without the name of the file, and where in the pipeline."""
    if isinstance(error, IspError):
        text = str(error).removeprefix(f"{path.name}: ").removeprefix(f"{path}: ")
    elif isinstance(error, OSError):
        text = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join([text, *(f"({note})" for note in getattr(error, "__notes__", ()))])
