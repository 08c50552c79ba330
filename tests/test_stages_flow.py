"""The stages of the flow network at a tiny scale: trained, gone on with, recorded, shipped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import card_of, load_net
from dtsnn_lite.chip import HPADC, Ideal, SenseAmp, adc_less_65nm, hp_adc_65nm
from dtsnn_lite.cost import static_cost, timestep_cost
from dtsnn_lite.crossbar_layers import crossbars
from dtsnn_lite.encoding import events
from dtsnn_lite.flow import clip_set, flow_loss, record_flow, shipped_flow_net
from dtsnn_lite.flow_recording import FlowRecording, every_flow_seed, shipped_flow
from dtsnn_lite.floorplan import leakage_uw
from dtsnn_lite.models import FlowConfig, FlowNet, layer_shapes
from dtsnn_lite.proofs import stages, stages_flow
from dtsnn_lite.proofs.facts import fact
from dtsnn_lite.proofs.recipes_flow import FLOW
from dtsnn_lite.proofs.stages import LADDERS
from dtsnn_lite.proofs.stages_flow import run_flow_stage
from dtsnn_lite.training import TrainConfig

TINY = replace(FLOW, net=FlowConfig(channels=(3, 4)), train=8, test=5)
SHORT = TrainConfig(phases=((5, 1),), batch=4, lr=0.01)


@pytest.fixture
def tiny(monkeypatch):
    """The ladder of flow with short trainings of a small network, and how often one was trained."""
    ladder, trained = LADDERS["flow"], []
    small = {name: replace(stage, training=stage.training and SHORT) for name, stage in ladder.stages.items()}
    monkeypatch.setitem(LADDERS, "flow", replace(ladder, stages=small))
    torch.manual_seed(0)
    whole = FlowNet(TINY.net).eval()
    monkeypatch.setattr(stages_flow, "shipped_flow_net", lambda: whole)
    monkeypatch.setattr(stages_flow, "FLOW_ON_CHIP", TINY)
    fit_flow = stages_flow.fit_flow
    monkeypatch.setattr(stages_flow, "fit_flow", lambda *given: trained.append(given) or fit_flow(*given))
    return trained


def test_one_command_makes_the_stages_goes_on_and_ships(tiny, tmp_path, capsys):
    command = ["stages", "flow", "--seed", "1", "--out", str(tmp_path / "made"), "--quiet", "--json"]
    assert main([*command, "--only", "4-bit"]) == 0 and len(tiny) == 1
    assert list(json.loads(capsys.readouterr().out)) == ["4-bit"]
    assert main(command) == 0 and len(tiny) == 3, "4-bit stands there already, and two stages are only calibrated"
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(stages.FLOW_STAGES)
    (tmp_path / "out").mkdir()
    assert main([*command, "--ship", str(tmp_path / "out")]) == 0 and len(tiny) == 3
    shipped = json.loads(capsys.readouterr().out)
    for name in stages.FLOW_STAGES:
        stem = f"flow-{name}-seed1"
        seen, card = FlowRecording.load(tmp_path / "out" / f"{stem}-test.npz"), json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        assert shipped[stem] == found[name] == card["aee_px"]["test"]["spoken"] == pytest.approx(seen.error.mean(axis=1), abs=2e-3)
        assert card["command"] == "python -m dtsnn_lite stages flow --seed 1" and "sha256" not in card
        assert seen.fields.shape[1] == 0 and seen.about["seed"] == 1 and seen.clips == 5
        again = record_flow(load_net(tmp_path / "made" / f"{stem}.safetensors"), clip_set("test", 5), 5)
        assert np.allclose(again.error, seen.error, atol=0.01) and np.allclose(again.awake, seen.awake)


def test_every_layer_lies_on_its_stages_read_out_and_a_silent_tile_reads_nothing(tiny):
    read_by = {"4-bit": Ideal, "hp-adc": HPADC, "adc-less": SenseAmp, "adc-less-long": SenseAmp, "naive": SenseAmp}
    for name, stage in LADDERS["flow"].stages.items():
        net, _ = run_flow_stage(replace(stage, training=None), stages_flow.shipped_flow_net(), TINY, 0)
        layers = crossbars(net)
        assert len(layers) == net.layers + 1 and all(isinstance(layer.chip.readout, read_by[name]) for layer in layers)
        assert all(layer.chip.gated for layer in layers)
        silent = torch.zeros(1, 2, 32, 32)
        assert torch.equal(layers[0](silent), torch.zeros(1, 3, 32, 32))
    assert all(layer.chip.readout.reference == 0.5 for layer in layers), "half a cell: a sum of nothing is no tie"


def test_one_bit_passes_no_gradient_before_the_network_is_woken_and_does_afterwards():
    few = clip_set("train", 3)
    x = events(few.frames.float(), 3)
    net = stages.start_from(shipped_flow_net(), stages.FLOW_STAGES["adc-less"].chip, few.frames.float(), 3, events)

    def reaches_the_first_layer() -> float:
        net.zero_grad()
        flow_loss(net.train()(x), few.flow).backward()
        net.eval()
        return float(net.down[0][0].weight.grad.abs().max())

    asleep, momenta = reaches_the_first_layer(), {m.momentum for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    stages_flow.wake(net, x)
    assert momenta == {m.momentum for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)} and not net.training
    assert asleep == 0 and reaches_the_first_layer() > 1e-3


def test_two_seeds_are_two_trainings_and_one_seed_is_one(tiny, tmp_path):
    nets = [run_flow_stage(LADDERS["flow"].stages["adc-less"], stages_flow.shipped_flow_net(), TINY, seed)[0] for seed in (0, 0, 1)]
    a, b, c = ([p.detach() for p in net.parameters()] for net in nets)
    assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True)) and not all(torch.equal(p, q) for p, q in zip(a, c, strict=True))


def test_a_longer_training_says_so_and_does_not_pass_for_the_short_one(tiny, tmp_path, capsys):
    command = ["stages", "flow", "--only", "4-bit", "--quiet", "--out", str(tmp_path)]
    assert main([*command, "--times", "2"]) == 0
    card = json.loads((tmp_path / "flow-4-bit-seed0.json").read_text())
    assert card["phases"] == [[5, 2]] and card["command"] == "python -m dtsnn_lite stages flow --times 2 --seed 0"
    assert main(command) == 2 and "was trained for phases [[5, 2]], not [[5, 1]]: choose another --out" in capsys.readouterr().err
    assert main([*command, "--times", "0"]) == 2 and "times" in capsys.readouterr().err
    assert LADDERS["digits"].longer(3).phases("adc-less") == ((1, 24), (4, 36)) and LADDERS["digits"].longer(2).longer(3).times == 6
    assert LADDERS["flow"].longer(2).phases("naive") == ()


def test_flow_stages_ask_for_no_device_and_no_unknown_stage(tiny, tmp_path, capsys):
    command = ["stages", "flow", "--out", str(tmp_path / "made")]
    assert main([*command, "--device", "cuda"]) == 2 and "no use for --device" in capsys.readouterr().err
    assert main([*command, "--only", "full"]) == 2 and "flow has no stage 'full' to make; there are ['4-bit'" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    with pytest.raises(TypeError, match="a flow network answers at every pixel"):
        stages_flow._flow_net(stages.build(stages.RECIPES["digits"].net))


def test_a_stopped_training_goes_on_to_the_same_bits(tiny, tmp_path, monkeypatch):
    stage = replace(LADDERS["flow"].stages["4-bit"], training=replace(SHORT, phases=((5, 2),)))
    whole, _ = run_flow_stage(stage, stages_flow.shipped_flow_net(), TINY, 2)
    fit_flow = stages_flow.fit_flow
    monkeypatch.setattr(stages_flow, "fit_flow", lambda *given: fit_flow(*given, 1))            # epochs
    stopped, _ = run_flow_stage(stage, stages_flow.shipped_flow_net(), TINY, 2, tmp_path / "a.training")
    monkeypatch.setattr(stages_flow, "fit_flow", fit_flow)
    resumed, _ = run_flow_stage(stage, stages_flow.shipped_flow_net(), TINY, 2, tmp_path / "a.training")
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(stopped.parameters(), resumed.parameters(), strict=True))


# --- what ships -----------------------------------------------------------------------

NAMES = ("flow", *(f"flow-{stage}" for stage in stages.FLOW_STAGES))


def card(one: FlowRecording, network: str) -> dict:
    seed = one.about["seed"]
    return card_of(f"flow/{network}" if (network, seed) == ("flow", 0) else f"flow/{network}-seed{seed}")


@pytest.mark.parametrize("network", NAMES)
def test_recordings_that_ship_state_what_their_cards_do_and_are_of_the_same_clips(network):
    seeds = every_flow_seed(network)
    assert [one.about["seed"] for one in seeds] == sorted({one.about["seed"] for one in seeds}) and seeds[0].about["seed"] == 0
    for one in seeds:
        said = card(one, network)
        assert said["aee_px"]["test"]["spoken"] == pytest.approx(one.error.mean(axis=1), abs=2e-3)
        assert said["aee_px"]["test"]["everywhere"] == pytest.approx(one.everywhere.mean(axis=1), abs=2e-3)
        assert one.timesteps == 5 and np.array_equal(one.zero, shipped_flow("flow-test").zero) and "+" not in said["versions"]["dtsnn_lite"]
        phases = FLOW.training.phases if network == "flow" else LADDERS["flow"].phases(network.removeprefix("flow-"))
        assert said["phases"] == [list(phase) for phase in phases] and said["clips"]["test"] == FLOW.test == one.clips


def test_the_facts_of_flow_are_counted_clip_by_clip():
    full = every_flow_seed("flow")
    last = [sum(float(error) for error in one.error[4]) / one.clips for one in full]
    mean = sum(last) / len(last)
    assert fact("flow.aee").value == pytest.approx(mean, abs=1e-4)
    assert fact("flow.aee_spread").value == pytest.approx((sum((x - mean) ** 2 for x in last) / (len(last) - 1)) ** 0.5, abs=1e-4)
    assert (fact("flow.aee_best").value, fact("flow.aee_worst").value) == pytest.approx((min(last), max(last)), abs=1e-4)
    for stage in stages.FLOW_STAGES:
        seeds, name = every_flow_seed(f"flow-{stage}"), f"flow.{stage.replace('-', '_')}"
        aee = sum(float(error) for one in seeds for error in one.error[4]) / (len(seeds) * 60)
        assert fact(f"{name}.aee").value == pytest.approx(aee, abs=1e-4)
        assert fact(f"{name}.change").value == pytest.approx(aee - last[0], abs=1e-4)
        farther = sum(bool(a > b) for one in seeds for a, b in zip(one.error[4], full[0].error[4], strict=True)) / len(seeds)
        assert fact(f"{name}.farther").value == pytest.approx(farther)


def test_one_bit_without_training_knows_nothing_of_flow_and_converters_need_none():
    full, zero = shipped_flow("flow-test").error[-1].mean(), shipped_flow("flow-test").zero.mean()
    assert every_flow_seed("flow-naive")[0].error[-1].mean() > 0.9 * zero
    four, read = (every_flow_seed(f"flow-{stage}")[0].error[-1].mean() for stage in ("4-bit", "hp-adc"))
    assert abs(read - four) < 0.1 * full


def test_by_sizes_four_bits_of_one_seed_are_farther_off_and_of_the_others_hardly():
    full = every_flow_seed("flow")[0].error[-1]
    for stage in ("4-bit", "hp-adc"):
        apart = [one.error[-1] - full for one in every_flow_seed(f"flow-{stage}")]
        errors = [each.mean() / (each.std() / len(each) ** 0.5) for each in apart]
        assert errors[0] > 3 and 0 < max(errors[1:]) < 1.5


def test_a_network_that_is_only_calibrated_for_one_bit_still_spikes_but_for_its_read_out():
    full, naive = (every_flow_seed(name)[0].densities.mean(axis=0) for name in ("flow", "flow-naive"))
    assert naive[-1] < 0.001 and (naive[:-1] > 0.02).all()
    assert (naive[1:-1] < full[1:-1] / 3).any() and (naive[1:-1] > 1.3 * full[1:-1]).any()


def test_who_pays_for_flow_on_a_chip():
    """Shapes and spikes decide the decoder's share; scale factors cost more than converters; a chip left on between bins leaks most."""
    shapes, seen = layer_shapes(shipped_flow_net()), shipped_flow("flow-test")
    chips = [replace(chip, as_printed=False, scales=True) for chip in (hp_adc_65nm, adc_less_65nm)]

    def share(chip, encoder, decoder):
        pj = [timestep_cost((s,), chip, np.full((5, 1), encoder if s.name.startswith("down") else decoder)).parts["converters"]
              for s in shapes]
        return sum(pj[4:]) / sum(pj)

    assert [share(chip, 0.15, 0.05) for chip in chips] == pytest.approx([0.44, 0.67], abs=0.01)
    assert all(share(chip, 0.15, 0.15) > 0.75 for chip in chips)
    own = [every_flow_seed(f"flow-{stage}")[0].reads for stage in ("hp-adc", "adc-less-long")]
    steps = [timestep_cost(shapes, chip, reads) for chip, reads in zip(chips, own, strict=True)]
    assert steps[1].step_pj / steps[0].step_pj == pytest.approx(0.8, abs=0.02)
    assert steps[1].parts["scale factors"] > 10 * steps[1].parts["converters"] and steps[0].parts["scale factors"] == 0
    for chip in chips:
        clip_pj = static_cost(5, timestep_cost(shapes, chip, seen.reads)).energy_pj[0]
        assert 1e5 * leakage_uw(shapes, chip, chip.charges) > 10 * clip_pj                             # uW x 100 ms, in pJ
