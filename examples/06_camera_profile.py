"""A camera profile made by hand from a dark frame, and a photo that is developed with it.

    python examples/06_camera_profile.py [RAW DARK]

DARK is a shot at the same ISO with the lens cap on. Without files, a simulated camera takes both. What else a profile
may hold is in calibration/README.md; `isp-ns process --profile my_camera.yaml` uses it for a folder.
"""

import sys
from pathlib import Path

import torch

from isp_ns import Frame, load_pipeline, read_raw, write_image
from isp_ns.data.synth import synthesise
from isp_ns.io.profile import Levels, NoiseModel, Profile, profile_to_yaml

if len(sys.argv) < 3:
    write_image("black.png", Frame(torch.zeros(3, 480, 640)), bit_depth=8)
    synthesise("black.png", "dark.dng", camera="fictitious-phone", iso=800)
    synthesise(None, "leaves.dng", camera="fictitious-phone", iso=800, size=(480, 640))
raw, dark = sys.argv[1:3] if len(sys.argv) > 2 else ("leaves.dng", "dark.dng")
shot, counts = read_raw(raw), read_raw(dark).data[0].double()
iso, white = shot.meta.iso or 100.0, shot.meta.white

black = tuple(tuple(round(float(counts[row::2, column::2].mean()), 2) for column in (0, 1)) for row in (0, 1))
at = {colour: counts[row::2, column::2] for colour, row, column in shot.cfa.planes()}
offset = tuple(float(at[c].var()) / (white[0] - float(at[c].mean())) ** 2 for c in range(3))  # read noise
scale = tuple(scale for scale, _ in shot.meta.noise)  # shot noise: as the file says, or as estimated on the picture
how = {"procedure": f"levels and read noise of {Path(dark).name}; shot noise and matrices as {Path(raw).name} has them"}
noise = (NoiseModel(iso, scale, offset),)
levels = (Levels(iso, black, white),)
profile = Profile(shot.meta.make or "", shot.meta.model or "", levels, noise, shot.meta.calibrations, provenance=how)
Path("my_camera.yaml").write_text(profile_to_yaml(profile), encoding="utf-8")

again = read_raw(raw, profile="my_camera.yaml")
for name in ("black", "noise", "calibrations", "white"):
    print(f"{name:12} {shot.meta.source.get(name)} -> {again.meta.source[name]}")
print(f"black {black[0][0]:.2f} counts, read noise {offset[1] ** 0.5 * white[0]:.2f} counts at ISO {iso:g}")
write_image("profiled.jpg", load_pipeline("classic").run(raw=again)["image"])
