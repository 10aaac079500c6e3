"""A pipeline put together from stages in Python, changed at one node, and looked into while it runs.

    python examples/02_compose_a_graph.py [RAW]

Without a RAW file, a simulated camera photographs leaf litter. `isp-ns stages` lists the stages and their parameters.
"""

import sys
from pathlib import Path

from isp_ns import Graph, Node, node, read_raw, write_image
from isp_ns.data.synth import synthesise


def pipeline() -> Graph:
    """Nine stages; each is given the names of the nodes that it reads."""
    nodes: dict[str, Node] = {
        "level": node("raw.black_level", "raw"),
        "awb": node("measure.grey_world", "level"),
        "wb": node("raw.gains", "level", "awb"),
        "highlights": node("highlight.reconstruct_mosaic", "wb"),
        "rgb": node("demosaic.malvar", "highlights"),
        "ccm": node("colour.camera_to_linear", "rgb", space="linear-srgb"),
        "tone": node("tone.filmic", "ccm"),
        "crop": node("geometry.default_crop", "tone"),
        "encode": node("encode.display", "crop"),
    }
    return Graph(inputs={"raw": "sensor"}, nodes=nodes, outputs={"image": "encode"})


raw = Path(sys.argv[1] if len(sys.argv) > 1 else "leaves.dng")
if len(sys.argv) == 1:
    synthesise(None, raw, iso=800, size=(480, 640))
graph = pipeline().replace("tone", contrast=1.2)  # another graph; the first stays as it is
run = graph.run(raw=read_raw(raw), want=["image", "awb", "ccm"])  # an output, a value and an intermediate picture
write_image("composed.jpg", run["image"])
print("gains of red, green and blue:", [round(gain, 3) for gain in run["awb"].tolist()])
print(f"linear light runs from {run['ccm'].data.min():.3f} to {run['ccm'].data.max():.3f}")
print(run.trace)
