"""The examples in the docstrings: each prints what it says, and the names that readers meet first have one."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from dtsnn_lite import (calibration, checkpoints, chip, conversion, cost, crossbar_layers, exits, inference, losses, models, neurons,
                        recording)

PACKAGE = Path(__file__).resolve().parents[1] / "dtsnn_lite"
MODULES = [".".join(("dtsnn_lite", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in sorted(PACKAGE.rglob("*.py"))]
MET_FIRST = (
    recording.Recording, recording.shipped, inference.record, inference.dynamic_inference, losses.running_mean,
    exits.entropy, exits.EntropyExit, exits.ConfidenceExit, exits.MarginExit, exits.replay, exits.calibrate, exits.trade_off,
    calibration.risk_controlled, chip.Chip, cost.timestep_cost, cost.inference_cost, cost.static_cost, cost.exit_check_cost,
    checkpoints.load_shipped, models.layer_shapes, neurons.LIF, neurons.lif_step, neurons.lif_sequence, conversion.convert,
    crossbar_layers.put_on,
)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith(("__init__", "__main__"))])
def test_the_examples_of_a_module_print_what_they_say(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("thing", MET_FIRST, ids=lambda thing: thing.__name__)
def test_a_name_that_readers_meet_first_shows_an_example(thing):
    assert doctest.DocTestParser().get_examples(thing.__doc__)
