"""Weights of a finished run: the decoder without units that no held-out picture wakes, if the recipe says so."""

import pytest
import torch
import yaml

from isp_ns.nets.cards import load_space
from isp_ns.train.export import export_run
from isp_ns.train.loop import Budget
from isp_ns.train.run import open_trainer
from isp_ns.train.validate import validate

SILENT = -100.0


@pytest.mark.parametrize("leave_out", [True, False])
def test_a_decoder_without_units_that_nothing_wakes(job, tmp_path, leave_out):
    recipe, data = job
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "leave_out_dormant": leave_out}))
    trainer = open_trainer(recipe, tmp_path / "run", Budget(steps=2), data=data)
    trainer.run()
    decoder = trainer.average.d_rgb
    with torch.no_grad():
        for conv in decoder.refine:
            conv.bias[2:] = SILENT
    before = validate(trainer.average.eval(), trainer.holdout)
    export_run(trainer, "tiny", [], tmp_path, {})
    space, card = load_space("tiny", tmp_path)
    assert card.parameters["d_rgb"] == sum(weight.numel() for weight in space.d_rgb.parameters())
    assert space.d_rgb.head.in_channels == (2 if leave_out else decoder.head.in_channels)
    assert validate(space, trainer.holdout) == pytest.approx(before, abs=2e-3)
