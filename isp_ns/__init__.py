"""isp_ns: raw-camera image processing with typed pipeline graphs and a shared neural feature space.

The public names are imported when first used, so that `import isp_ns` and the command line's `--help` cost nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isp_ns.batch import process as process
    from isp_ns.core.document import graph_from_yaml as graph_from_yaml
    from isp_ns.core.document import graph_to_yaml as graph_to_yaml
    from isp_ns.core.errors import IspError as IspError
    from isp_ns.core.frame import Features as Features
    from isp_ns.core.frame import Frame as Frame
    from isp_ns.core.graph import Graph as Graph
    from isp_ns.core.graph import Node as Node
    from isp_ns.core.graph import Patch as Patch
    from isp_ns.core.graph import node as node
    from isp_ns.core.meta import Cfa as Cfa
    from isp_ns.core.meta import Meta as Meta
    from isp_ns.core.reach import WHOLE as WHOLE
    from isp_ns.core.reach import Footprint as Footprint
    from isp_ns.core.reach import Local as Local
    from isp_ns.core.reach import Reduce as Reduce
    from isp_ns.core.registry import all_specs as all_specs
    from isp_ns.core.run import Run as Run
    from isp_ns.core.stage import stage as stage
    from isp_ns.io.pipelines import load_patch as load_patch
    from isp_ns.io.pipelines import load_pipeline as load_pipeline
    from isp_ns.io.raw import read_raw as read_raw
    from isp_ns.io.write import write_image as write_image
    from isp_ns.metrics import psnr as psnr
    from isp_ns.metrics import ssim as ssim

__version__ = "0.1.0"

_PUBLIC = {
    "Cfa": "isp_ns.core.meta",
    "Features": "isp_ns.core.frame",
    "Footprint": "isp_ns.core.reach",
    "Frame": "isp_ns.core.frame",
    "Graph": "isp_ns.core.graph",
    "IspError": "isp_ns.core.errors",
    "Local": "isp_ns.core.reach",
    "Meta": "isp_ns.core.meta",
    "Node": "isp_ns.core.graph",
    "Patch": "isp_ns.core.graph",
    "Reduce": "isp_ns.core.reach",
    "Run": "isp_ns.core.run",
    "WHOLE": "isp_ns.core.reach",
    "all_specs": "isp_ns.core.registry",
    "graph_from_yaml": "isp_ns.core.document",
    "graph_to_yaml": "isp_ns.core.document",
    "load_patch": "isp_ns.io.pipelines",
    "load_pipeline": "isp_ns.io.pipelines",
    "node": "isp_ns.core.graph",
    "process": "isp_ns.batch",
    "psnr": "isp_ns.metrics",
    "read_raw": "isp_ns.io.raw",
    "ssim": "isp_ns.metrics",
    "stage": "isp_ns.core.stage",
    "write_image": "isp_ns.io.write",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module isp_ns has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
