"""One RAW file becomes a photo, a depth map and class labels, all from features that are computed once.

    python examples/05_depth_and_labels.py [RAW]

Without a RAW file, a simulated camera photographs a room that is drawn. `isp-ns process --outputs image,depth,labels`
writes such files from the command line.
"""

import sys
from pathlib import Path

from isp_ns import Frame, load_patch, load_pipeline, read_raw, write_image
from isp_ns.data.scenes import random_room, render
from isp_ns.data.synth import synthesise
from isp_ns.io.maps import depth_preview, labels_overlay, write_labels
from isp_ns.ops.transfer import encode
from isp_ns.stages.neural_weights import heads_card

if len(sys.argv) > 1:
    frame = read_raw(sys.argv[1])
else:
    room = render(random_room(seed=1), (480, 640))
    write_image("drawn.png", Frame(encode(room.rgb, "srgb")), bit_depth=8)
    synthesise("drawn.png", "drawn.dng", iso=400)
    frame = read_raw("drawn.dng").with_meta("user", focal_35mm=36.0 * room.focal_px / 640)  # without it no metres

graph = load_pipeline("classic").patch(load_patch("neural")).patch(load_patch("perception"))
run = graph.run(raw=frame, want=["image", "depth", "labels"])
classes = heads_card(graph.nodes["classes"].values["weights"]).domain["classes"]
table = [each["name"] for each in classes], [tuple(each["colour"]) for each in classes]

depth, labels = run["depth"], run["labels"]
write_image("room.jpg", run["image"])
write_image("room_depth.tif", depth)
write_image("room_depth_preview.jpg", depth_preview(depth))
write_labels(Path("room_labels.png"), labels, *table)
write_image("room_labels_overlay.jpg", labels_overlay(run["image"], labels, *table))
print(f"depth from {depth.data.min():.2f} to {depth.data.max():.2f}, {depth.meta.depth_unit}")
print(f"tiles encoded: {run.trace['features'].calls}, decoded to a picture: {run.trace['rgb'].calls}")
