"""A tiny training job that every test of training can run."""

import hashlib

import pytest
import torch
import yaml
from PIL import Image

from isp_ns.nets.space import SPECS, SpaceSpec

PHASES = [
    {"name": "autoencode", "until": 0.2, "rgb_every": 1, "batch": 2, "patch_px": 32},
    {"name": "demosaic", "until": 0.5, "rgb_every": 4, "batch": 2, "patch_px": 32, "mix": {"clean": 1.0}},
    {
        "name": "denoise",
        "until": 1.0,
        "rgb_every": 4,
        "batch": 6,
        "patch_px": 32,
        "loss": "mse",
        "mix": {"clean": 0.34, "awgn": 0.33, "camera": 0.33},
    },
]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A recipe for a tiny net on two small pictures, and the folder of its data."""
    monkeypatch.setitem(SPECS, "tiny", SpaceSpec(16, 16, 16, 1, 1, 1, 1, 8, 8))
    data, content = tmp_path / "data" / "pictures", tmp_path / "data_tools"
    for folder in (data, content / "recipes", content / "manifests"):
        folder.mkdir(parents=True)
    digests = {}
    generator = torch.Generator().manual_seed(0)
    for name in ("a.png", "b.png"):
        coarse = torch.rand(1, 3, 24, 24, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size=96, mode="bicubic")[0].clamp(0, 1)
        Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy()).save(data / name)
        digests[name] = hashlib.sha256((data / name).read_bytes()).hexdigest()
    manifest = {"schema": 1, "name": "two", "origin": "a test", "licence": "CC0", "folder": "pictures"}
    manifest |= {"train": {"a.png": digests["a.png"]}, "holdout": {"b.png": digests["b.png"]}}
    (content / "manifests" / "two.yaml").write_text(yaml.safe_dump(manifest))
    recipe = {"space": "tiny", "space_id": "tiny-1", "seed": 3, "manifests": ["two"], "phases": PHASES}
    recipe |= {"threads": 1, "dtype": "float32", "sync_every": 2, "rescale_share": 0.2}
    path = content / "recipes" / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path, tmp_path / "data"
