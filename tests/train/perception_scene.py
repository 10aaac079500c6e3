"""Made-up labelled pictures for tests of the training of heads: bright things are near and have label 1."""

import torch

from isp_ns.data.labelled import LabelTable, Sample

HEIGHT, WIDTH = 48, 64


class Scenes:
    """A few pictures of two halves, one dark and far, one bright and near."""

    table = LabelTable("two", "two", ("dark", "bright"), ((0, 0, 0), (255, 255, 255)), ((0,), (1,)))

    def __init__(self, count=4, seed=0):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        rng = torch.Generator().manual_seed(1000 * self.seed + index)
        edge = int(torch.randint(16, 48, (), generator=rng))
        bright = torch.arange(WIDTH).expand(1, HEIGHT, WIDTH) >= edge
        noise = torch.randint(-10, 10, (3, HEIGHT, WIDTH), generator=rng)
        image = (torch.where(bright, 180, 60) + noise).to(torch.uint8)
        depth = torch.where(bright, 1.5, 4.0)
        depth[0, 0] = 0
        labels = bright.long()
        labels[0, -1] = 255
        return Sample(image, depth, labels, 51.89, f"{index:04d}")
