"""Depth and label heads of random weights, or of known answers, on the shipped space, for tests around them."""

import math
from dataclasses import replace

import torch

from isp_ns.nets.cards import Card, features_digest, load_perception, load_space, save_perception, weights_folder
from isp_ns.nets.heads import HeadSpec, PerceptionNet
from isp_ns.nets.pooling import packed_channels, pooled_channels

CLASSES = [{"name": f"class {index}", "colour": [20 * index, 255 - 20 * index, 128]} for index in range(13)]


def save_random_heads(folder, name="nyu-lite", tasks=None, by_focal=False):
    """The shipped space, and heads NAME, in a folder."""
    for path in weights_folder().glob("ns-lite.*"):
        (folder / path.name).symlink_to(path)
    space, card = load_space("ns-lite", folder)
    torch.manual_seed(0)
    channels = packed_channels(pooled_channels(space.spec.z_b, space.spec.z_t))
    spec = HeadSpec(channels, (8, 12, 16), (0, 1, 1), by_focal)
    net = PerceptionNet(spec, tasks or {"depth": None, "labels": 13})
    values = {"name": name, "kind": "perception", "space_id": card.space_id, "sizes": net.spec.sizes()}
    values |= {"recipe": "none", "data": {"nothing": "CC0"}, "seed": 0, "steps": 0, "wall_time_s": 0.0}
    values |= {"machine": "a test", "noise": {}, "parameters": {}, "macs_per_pixel": {}, "halo_px": 0}
    domain = {"tasks": net.tasks, "classes": CLASSES, "features_digest": features_digest(space)}
    save_perception(net, Card(**values, domain=domain), folder)


def save_known_heads(
    folder, name="nyu-lite", metres=None, label=None, protocol="nyu13-ign39", tasks=None, slope=None, **domain
):
    """Random heads, or heads that say the same depth and label everywhere; returns the path of their weights.

    `slope` is that of the depth's logarithm by that of the focal length.
    """
    save_random_heads(folder, name, tasks, slope is not None)
    net, card = load_perception(name, folder)
    with torch.no_grad():
        if metres is not None:
            out = net.decoder("depth").out
            out.weight.zero_()
            out.bias.copy_(torch.tensor([math.log(metres), -1.0, *([] if slope is None else [slope])]))
        if label is not None:
            out = net.decoder("labels").out
            out.weight.zero_()
            out.bias.copy_(torch.nn.functional.one_hot(torch.tensor(label), len(out.bias)))
    save_perception(net, replace(card, domain={**card.domain, "label_protocol": protocol, **domain}), folder)
    return folder / f"{name}.safetensors"
