"""Lines that a reader copies call chips and networks by their names, and charge the same to the last bit."""

from dataclasses import asdict, replace

import pytest

from dtsnn_lite import chip as chips
from dtsnn_lite.checkpoints import load_shipped, shipped_policy
from dtsnn_lite.circuits import layer_times_ns
from dtsnn_lite.cost import ExitCheckCost, StepCost, exit_check_cost, timestep_cost
from dtsnn_lite.files import ASSETS, POLICIES
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.networks import shipped_policy_shapes, shipped_shapes
from dtsnn_lite.recording import shipped
from dtsnn_lite.widgets.named_prices import CHIPS, Lines, lines_of, recorded_lines, stages_in_python
from dtsnn_lite.widgets.pipeline_explorer import Stages

SPIKING = sorted(path.stem for path in ASSETS.glob("*.safetensors") if not path.stem.endswith(("-ann", "-twin")))


def made_by(lines: Lines, **given: object) -> dict:
    """What copied lines leave behind."""
    names: dict = {**given}
    imports = [f"from {module} import {name}" for module, name in (each.split() for each in (*lines.names, *lines.looked_names))]
    exec("\n".join([*imports, *lines.lines, *lines.looked]), names)
    return names


def nameless(shapes: object) -> list:
    return [replace(shape, name="") for shape in shapes]


@pytest.mark.parametrize("network", SPIKING)
def test_a_card_knows_the_layers_that_its_network_runs(network):
    assert nameless(shipped_shapes(network)) == nameless(layer_shapes(load_shipped(network)))


@pytest.mark.parametrize("network", sorted(path.stem for path in POLICIES.glob("*.safetensors")))
def test_a_card_knows_the_layers_that_its_policy_runs(network):
    assert nameless(shipped_policy_shapes(network)) == nameless(layer_shapes(shipped_policy(network)))


@pytest.mark.parametrize("shapes", [shipped_shapes, shipped_policy_shapes])
def test_a_network_whose_weights_are_not_here_has_no_layers(shapes):
    with pytest.raises(FileNotFoundError, match="no shipped network 'digits-seed1'; there are"):
        shapes("digits-seed1")                                    # of it only the card is kept


@pytest.mark.parametrize("as_printed", [True, False])
@pytest.mark.parametrize("chip", CHIPS)
def test_prices_of_a_chip_of_the_package_are_called_by_its_name(chip, as_printed):
    seen, hardware = shipped("gestures-test"), replace(getattr(chips, chip), as_printed=as_printed)
    shapes, check = layer_shapes(load_shipped("gestures")), exit_check_cost(hardware, seen.classes)
    for reads in (None, seen.reads):
        step = timestep_cost(shapes, hardware, reads)
        lines = lines_of("gestures", step, check, reads=seen.reads, classes=seen.classes)
        again = made_by(lines, seen=seen)
        assert (again["step"], again["check"]) == (step, check)
        assert f"dtsnn_lite.chip {chip}" in lines.names and "StepCost" not in " ".join(lines.lines)


def test_a_policys_look_is_named_beside_its_network():
    for chip in (chips.dtsnn_2023, chips.spikesim_rram_64):
        step, look = (timestep_cost(layer_shapes(net), chip) for net in (load_shipped("digits-hard"), shipped_policy()))
        again = made_by(lines_of("digits-hard", step, exit_check_cost(chip), look=look))
        assert (again["step"], again["check"], again["look"]) == (step, exit_check_cost(chip), look)
        assert again["chip"] is chip


@pytest.mark.parametrize("network", ["digits", "none of the package's", ""])
def test_other_prices_are_plain_numbers(network):
    step, look, check = StepCost(1.5, 2.25, 0.0, 1 / 3), StepCost(0.0, 1e-7, 2.0, 3.0), ExitCheckCost(0.1, 4.0)
    lines = lines_of(network, step, check, look=look, hardware="of mine")
    again = made_by(lines)
    assert (again["step"], again["check"], again["look"]) == (step, check, look)
    assert lines.lines[-1].endswith("# of mine") and "chip" not in again


def test_a_price_that_is_off_by_a_trifle_has_no_name():
    step, check = timestep_cost(shipped_shapes("digits"), chips.dtsnn_2023), exit_check_cost(chips.dtsnn_2023)
    assert "chip = dtsnn_2023" in lines_of("digits", step, check).lines
    for other in (replace(step, step_pj=step.step_pj * (1 + 1e-15)), replace(step, fixed_ns=step.fixed_ns + 1e-9)):
        assert other != step and "chip = dtsnn_2023" not in lines_of("digits", other, check).lines
    assert "chip = dtsnn_2023" not in lines_of("digits", step, replace(check, latency_ns=check.latency_ns + 1)).lines
    assert "chip = dtsnn_2023" not in lines_of("digits-events", step, check).lines


def test_a_recording_says_which_network_and_how_many_classes():
    seen = shipped("gestures-test")
    step, check = timestep_cost(shipped_shapes("gestures"), chips.hp_adc_65nm, seen.reads), exit_check_cost(chips.hp_adc_65nm, 11)
    assert recorded_lines(seen, "", step, check) == asdict(lines_of("gestures", step, check, reads=seen.reads, classes=11))
    assert "step = timestep_cost(shapes, chip, seen.reads)" in recorded_lines(seen, "", step, check)["lines"]
    assert "check = exit_check_cost(chip, classes=11)" in recorded_lines(seen, "", step, check)["lines"]


@pytest.mark.parametrize("network", ["digits", ""])
def test_a_pipeline_is_made_again(network):
    chip, names = replace(chips.adc_less_65nm, as_printed=False), ("a", "b", "c", "d")
    times = layer_times_ns(shipped_shapes("digits"), chip, chip.charges)
    for layers in (times, [12.5, 1.0, 3.0, 1 / 3]):
        stages = Stages(names, tuple(layers), exit_check_cost(chip).latency_ns)
        lines = stages_in_python(network, names, layers, stages.check_ns)
        assert made_by(lines, Stages=Stages)["stages"] == stages
        assert any("adc_less_65nm" in name for name in lines.names) == (network == "digits" and layers is times)
