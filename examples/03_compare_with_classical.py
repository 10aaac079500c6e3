"""Two pipelines and LibRaw develop the same photographs; a page shows and measures what comes out.

    python examples/03_compare_with_classical.py [FOLDER OF PICTURES]

The pictures are the truth: a simulated camera photographs them. For RAW files of your own, which have no truth, leave
`simulate` out. Without a folder, one picture of leaf litter.
"""

import sys
from pathlib import Path

from isp_ns import Frame, write_image
from isp_ns.compare import compare
from isp_ns.data.leaves import dead_leaves
from isp_ns.ops.transfer import encode

pictures = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
if len(sys.argv) == 1:
    pictures.mkdir(exist_ok=True)
    write_image(pictures / "leaves.png", Frame(encode(dead_leaves((256, 384)), "srgb")), bit_depth=8)

camera = "fictitious-full-frame:100,6400"  # its name and its ISOs
result = compare(pictures, ["classic", "fast", "libraw"], "page", simulate=camera, tell=print)
for head in result.verdict:
    print(f"{head.question} {head.answer}. {head.detail}")
for mean in result.summaries:
    print(f"{mean.pipeline:8} {mean.means['psnr_db']:.2f} dB  ΔE2000 {mean.means['delta_e_2000']:.2f}")
print("open", Path("page", "index.html").resolve())
