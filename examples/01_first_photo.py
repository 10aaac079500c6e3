"""A RAW file becomes a photo; a second pipeline makes it again, and the difference is a number."""

import sys

import isp_ns as isp

frame = isp.read_raw(sys.argv[1])  # counts, and all that is known about them
classic = isp.load_pipeline("classic")  # checked when loaded
run = classic.run(raw=frame)  # one pass over the tiles
isp.write_image("photo.jpg", run["image"])

fast = isp.load_pipeline("fast").run(raw=frame)
print(f"classic against fast: {isp.psnr(run['image'].data / 255, fast['image'].data / 255):.2f} dB")
print(run.trace)
