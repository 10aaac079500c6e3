"""The smallest neural space, trained for two minutes, develops a RAW file: from pictures to weights to a photo.

    python examples/08_train_a_tiny_space.py [--pictures FOLDER] [--raw FILE] [--time SECONDS | --steps N]

Without files it learns from leaf litter. `isp-ns train RECIPE` makes weights that are good; this shows the parts.
"""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

from isp_ns import Patch, content, load_pipeline, read_raw, write_image
from isp_ns.data.leaves import dead_leaves
from isp_ns.data.synth import synthesise
from isp_ns.train.export import export_run
from isp_ns.train.loop import Budget, Trainer
from isp_ns.train.patches import PatchSource, load_rgb8
from isp_ns.train.recipe import load_recipe
from isp_ns.train.validate import Holdout

parser = ArgumentParser()
for option, kind in (("--pictures", Path), ("--raw", Path), ("--time", float), ("--steps", int)):
    parser.add_argument(option, type=kind)
asked = parser.parse_args()
leaves = ((255 * dead_leaves((256, 256), seed).pow(1 / 2.2)).byte() for seed in range(6))
pictures = [load_rgb8(path) for path in sorted(asked.pictures.iterdir())] if asked.pictures else list(leaves)
recipe = replace(load_recipe(content.find("data_tools/recipes", "ns-lite")), space_id="tiny-1", workers=1)
budget = Budget(steps=asked.steps) if asked.steps else Budget(time_s=asked.time or 120.0)
holdout = Holdout([pictures[0][:, :256, :256]])
trainer = Trainer(recipe, PatchSource(pictures[1:]), holdout, budget, Path("tiny"), tell=print)
trainer.run()
print("weights and card:", export_run(trainer, "tiny", [], Path("tiny"), measured={}))
frame = read_raw(asked.raw) if asked.raw else synthesise(None, "leaves.dng", iso=800, size=(480, 640))
own = Patch(nodes={name: {"weights": "tiny/tiny.safetensors"} for name in ("features", "clean", "rgb")})
write_image("tiny.jpg", load_pipeline("neural").patch(own).run(raw=frame)["image"])
