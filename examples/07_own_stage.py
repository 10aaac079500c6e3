"""A stage of one's own in a shipped pipeline: a soft glow, made tile by tile like every other stage.

    python examples/07_own_stage.py [RAW]

Here the decorator registers it. A package that others install offers it to the command line and to YAML files with
an entry point, named after the family, the part of the stage's name before the dot:

    [project.entry-points."isp_ns.stages"]
    mylab = "mylab.isp_stages"
"""

import sys
from pathlib import Path
from typing import Annotated

from torch.nn.functional import avg_pool2d

from isp_ns import Local, Patch, load_pipeline, node, read_raw, stage, write_image
from isp_ns.core.parameters import Between
from isp_ns.core.ports import LinearRgb
from isp_ns.data.synth import synthesise


@stage("mylab.glow", reach=Local(halo=lambda params: params["radius_px"]))
def glow(rgb: LinearRgb, *, radius_px: int = 12, amount: Annotated[float, Between(0, 1)] = 0.4) -> LinearRgb:
    """Add the light of the neighbourhood to each pixel."""
    around = avg_pool2d(rgb.data, 2 * radius_px + 1, 1, radius_px, count_include_pad=False)
    return rgb.with_data(rgb.data + amount * (around - rgb.data))


raw = Path(sys.argv[1] if len(sys.argv) > 1 else "leaves.dng")
if len(sys.argv) == 1:
    synthesise(None, raw, iso=800, size=(480, 640))
# The new node reads what the next one read, and the next one now reads the new node.
patch = Patch(nodes={"glow": node("mylab.glow", "ccm", radius_px=20), "warp": node("geometry.warp", "glow")})
graph = load_pipeline("fast").patch(patch)
tiled, whole = (graph.run(raw=read_raw(raw), tile_px=side, want=["glow", "image"]) for side in (128, 8192))
write_image("glow.jpg", tiled["image"])
print(f"128-pixel tiles and the whole differ by {(tiled['glow'].data - whole['glow'].data).abs().max():.1e} at most")
