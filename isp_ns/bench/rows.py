"""The rows of a result: what was measured of one stage, pipeline, convolution, set of outputs or pair of programs."""

from dataclasses import dataclass, field
from typing import Literal

from isp_ns.bench.statistic import Spread

__all__ = [
    "GROUPS",
    "NodeShare",
    "OutputsRow",
    "PairRow",
    "PeakRow",
    "PipelineRow",
    "ProgramNumbers",
    "Row",
    "StageRow",
    "Status",
]

Status = Literal["done", "skipped", "failed"]

GROUPS = ("stages", "pipelines", "outputs", "processes")
"""The groups of measurements, in the order in which they run."""


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage on one thread.

    Attributes:
        name: the stage.
        status: "done", or why there are no numbers, in `reason`.
        input: kind of its first input.
        size: height and width of the frame.
        tile_px: side of a tile; a stage that needs the whole image gets the frame in one piece.
        ns_per_pixel: nanoseconds of wall time per pixel of the frame, halos included.
        cpu_ns_per_pixel: nanoseconds of processor time, the little that the runner takes included; other work on the
            machine hardly changes it.
        bytes_per_pixel: bytes of results made, by their shapes, per pixel of the frame.
        other_cpu_share: share of the processors' time that other work took, None if unknown.
    """

    name: str
    status: Status
    reason: str = ""
    input: str = ""
    size: tuple[int, int] = (0, 0)
    tile_px: int = 0
    ns_per_pixel: Spread | None = None
    cpu_ns_per_pixel: Spread | None = None
    bytes_per_pixel: float | None = None
    other_cpu_share: float | None = None
    group: Literal["stages"] = "stages"


@dataclass(frozen=True, kw_only=True)
class NodeShare:
    """One node of a pipeline.

    Attributes:
        node: its name.
        stage: its stage.
        ms: milliseconds, added up over the threads, median of the runs.
        share: of the time of all nodes, 0..1.
        bytes: bytes of results made, by their shapes, halos included.
        kmac_per_pixel: thousand multiply-accumulates of convolutions per pixel, for neural nodes.
        gmac_per_s: milliards of these per second and thread, without what halos add.
        share_of_peak: by precision, `gmac_per_s` over the convolution peak of one thread, its best run.
    """

    node: str
    stage: str
    ms: float
    share: float
    bytes: int
    kmac_per_pixel: float | None = None
    gmac_per_s: float | None = None
    share_of_peak: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PipelineRow:
    """One pipeline in this process, from counts in memory to finished pixels in memory.

    Attributes:
        name: the pipeline.
        status: "done", or why there are no numbers, in `reason`.
        device: torch device.
        threads: tiles at work at a time.
        size: height and width of the frame.
        seconds: wall time of a run.
        cpu_s: processor time of a run, all threads.
        megapixels_per_s: of the frame.
        peak_rss_bytes: largest resident memory of this process during the runs, None if unknown.
        nodes: where the time went, in the order of the pipeline.
        other_cpu_share: share of the processors' time that other work took, None if unknown.
    """

    name: str
    status: Status
    reason: str = ""
    device: str = "cpu"
    threads: int = 0
    size: tuple[int, int] = (0, 0)
    seconds: Spread | None = None
    cpu_s: Spread | None = None
    megapixels_per_s: Spread | None = None
    peak_rss_bytes: int | None = None
    nodes: tuple[NodeShare, ...] = ()
    other_cpu_share: float | None = None
    group: Literal["pipelines"] = "pipelines"


@dataclass(frozen=True, kw_only=True)
class PeakRow:
    """The most multiply-accumulates per second that 3×3 convolutions reach here.

    Attributes:
        precision: "float32" or "bfloat16".
        device: torch device.
        threads: how many threads convolve at a time, each an image of its own.
        shape: of the fastest input tried, (1, C, H, W).
        gmac_per_s: milliards per second over all threads.
    """

    precision: str
    device: str
    threads: int
    shape: tuple[int, int, int, int]
    gmac_per_s: Spread
    name: str = "convolution peak"
    status: Status = "done"
    reason: str = ""
    group: Literal["peak"] = "peak"


@dataclass(frozen=True, kw_only=True)
class OutputsRow:
    """Some of the outputs image, depth and labels of one picture, and what the networks behind them take.

    Attributes:
        name: the outputs, or what the row adds up or looks at.
        status: "done", or why there are no numbers, in `reason`.
        heads: the weights of depth and labels.
        outputs: what is made.
        size: height and width of the picture.
        parameters: of the networks that run, each counted once per net.
        kmac_per_pixel: thousand multiply-accumulates of their convolutions per raw pixel, without what halos add.
        gmac: milliards of these for the whole picture.
        ms: milliseconds of the neural nodes, added up over the threads.
        seconds: wall time of the whole run.
        heads_share: share of the time of all nodes that depth and labels add to the image, 0..1; of the photo only.
        other_cpu_share: share of the processors' time that other work took, None if unknown.
    """

    name: str
    status: Status
    reason: str = ""
    heads: str = ""
    outputs: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    parameters: int | None = None
    kmac_per_pixel: float | None = None
    gmac: float | None = None
    ms: Spread | None = None
    seconds: Spread | None = None
    heads_share: float | None = None
    other_cpu_share: float | None = None
    group: Literal["outputs"] = "outputs"


@dataclass(frozen=True, kw_only=True)
class ProgramNumbers:
    """What the runs of one program of a pair took.

    Attributes:
        wall_s: seconds of a run.
        cpu_s: user and system seconds of its processes.
        peak_tree_bytes: largest sum of resident memory over its processes, None if unknown.
        max_rss_bytes: largest resident memory of any of its processes.
        other_cpu_share: share of the processors' time that other work took, None if unknown.
    """

    wall_s: Spread
    cpu_s: Spread
    peak_tree_bytes: Spread | None
    max_rss_bytes: Spread
    other_cpu_share: Spread | None


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """A pipeline of isp-ns beside a rival: whole processes from DNG files to photos, in pairs A B A B.

    Attributes:
        name: the pipeline.
        rival: the rival's name, None where no rival was asked for or installed.
        status: "done", or why there are no numbers, in `reason`.
        photos: files developed by each run.
        ours: numbers of `isp-ns process`.
        theirs: numbers of the rival.
        ratios: "wall", "cpu" and "memory", ours / theirs, pair by pair; above 1, ours is slower or larger.
    """

    name: str
    rival: str | None
    status: Status
    reason: str = ""
    photos: int = 1
    ours: ProgramNumbers | None = None
    theirs: ProgramNumbers | None = None
    ratios: dict[str, Spread] = field(default_factory=dict)
    group: Literal["processes"] = "processes"


Row = StageRow | PipelineRow | PeakRow | OutputsRow | PairRow
