"""The league of read-outs at a tiny scale: every entrant trains, is recorded once, stops and is billed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.chip import HPADC, SenseAmp
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.crossbar import matmul, program
from dtsnn_lite.data import Split, Splits
from dtsnn_lite.exits import replay
from dtsnn_lite.models import ConvConfig, SpikingConvNet, layer_shapes
from dtsnn_lite.proofs import league
from dtsnn_lite.proofs.league import ENTRANTS, Result, chip_for, cheapest, keep, loaded, placed, play, played
from dtsnn_lite.readouts import ColumnSteps, Stochastic, kernel_of
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.training import TrainConfig

TINY = ConvConfig((1, 8, 8), ((4,), (6,)), classes=3)


def test_every_entrant_plays_at_a_tiny_scale_and_goes_on_where_it_was(tmp_path, monkeypatch):
    labels = torch.arange(24) % 3
    images = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images[torch.arange(24), 0, 2 * labels] += 1
    part = Split(images, labels)
    torch.manual_seed(0)
    net, short = SpikingConvNet(TINY), TrainConfig(phases=((2, 1),), batch=12, lr=0.05)
    game = {"net": net, "splits": Splits(part, part, part), "training": short, "timesteps": 2}
    found = play(tmp_path, seeds=(0,), **game)
    assert [result.entrant for result in found] == list(ENTRANTS)
    for result in found:
        assert result.free[2] <= result.static[2] * 1.1 and 1 <= result.free[1] <= result.static[1] == 2
    keep(found, tmp_path)
    assert loaded(tmp_path / "league.json") == found and (tmp_path / "league.svg").stat().st_size > 1000
    monkeypatch.setattr(league, "run_stage", lambda *_, **__: pytest.fail("trained twice"))
    assert play(tmp_path, seeds=(0,), **game) == found


def test_comparators_share_no_column_and_converters_do():
    assert {chip_for(readout).mux for readout in ENTRANTS.values() if isinstance(readout, HPADC)} == {8}
    assert chip_for(SenseAmp()).mux == chip_for(Stochastic()).mux == 1


def test_every_chip_of_the_league_has_finished_sums_at_each_timestep_to_decide_on():
    assert not any(chip_for(readout).as_printed for readout in ENTRANTS.values())


def test_places_are_means_of_seeds_and_say_who_is_ahead():
    static = 0.9, 4.0, 100.0
    found = [Result("sign", 0, static, (0.80, 2.0, 10.0), (0.8, 3.0, 20.0)), Result("sign", 1, static, (0.90, 4.0, 30.0), None),
             Result("adc3", 0, static, (0.85, 2.0, 19.0), (0.8, 3.0, 20.0)), Result("adc3", 1, static, (0.85, 2.0, 21.0), (0.9, 2.0, 10.0)),
             Result("adc4", 0, static, (0.86, 2.0, 20.0), None), Result("adc6", 0, static, (0.95, 2.0, 21.0), None)]
    sign, adc3, adc4, adc6 = placed(found)
    assert (sign.entrant, sign.seeds, adc4.seeds) == ("sign", 2, 1)
    assert sign.free == pytest.approx((0.85, 3.0, 20.0)) and adc3.iso == pytest.approx((0.85, 2.5, 15.0)) and sign.iso is None
    assert (sign.behind, adc3.behind) == (("adc4",), ("adc4",))      # the two are as good as each other, and neither is ahead
    assert adc4.behind == adc6.behind == ()


def test_the_shipped_results_are_of_entrants_that_stop_early_and_pay_less_for_it():
    found = played()
    assert {(result.entrant, result.seed) for result in found} == {(name, seed) for name in ENTRANTS for seed in range(3)}
    assert len(found) == 3 * len(ENTRANTS)
    for result in found:
        assert 0.5 < result.free[0] <= 1 and 1 <= result.free[1] < result.static[1] == 4 and result.free[2] < result.static[2]
    # What the chapter says of them: who leaves nearly at once loses more than was allowed, and nobody else loses much.
    at_once = [result for result in found if result.free[1] < 1.15]
    assert len(at_once) == 5 and sum(result.entrant == "adc6" for result in at_once) == 3
    assert all(0.01 < result.static[0] - result.free[0] < 0.045 for result in at_once)
    assert all(result.static[0] - result.free[0] < 0.012 for result in found if result not in at_once)
    lost = sorted(((result.static[0] - result.free[0], result in at_once) for result in found), reverse=True)
    assert sum(drop > 0.005 + 1e-9 for drop, _ in lost) == 14 and all(early for _, early in lost[:5])
    (sign,) = (place for place in placed(found) if place.entrant == "sign")
    assert sign.behind == ("adc3", "adc4", "adc5", "adc6")


def test_scale_factors_of_all_reads_are_a_percent_or_two_more_than_those_of_reads_that_happen():
    """The shipped results bill all; a gated chip leaves silent tiles out."""
    net, reads = load_shipped("digits-hard"), shipped("digits-hard-test").reads
    for readout in ENTRANTS.values():
        if readout.a_scale_a_column:
            gated, every = (timestep_cost(layer_shapes(net), replace(chip_for(readout), gated=gate), reads) for gate in (True, False))
            assert 0.01 < (every.parts["scale factors"] - gated.parts["scale factors"]) / gated.step_pj < 0.02


def test_the_cheapest_exit_that_is_accurate_enough_by_hand():
    f = np.zeros((2, 4, 2))
    f[0, :, 0] = 1.0, 2.0, 3.0, 4.0                              # the surer, the smaller its entropy; the first says 0 and is 1
    f[1, :, 0] = -9.0, 2.0, 3.0, 4.0
    seen = Recording(f, np.array([1, 0, 0, 0]), np.zeros((2, 1)))
    assert replay(seen, cheapest(seen, 1.0)).t_hat.tolist() == [2, 1, 1, 1]
    assert replay(seen, cheapest(seen, 0.7)).t_hat.tolist() == [1, 1, 1, 1]
    assert cheapest(Recording(f, np.array([1, 1, 0, 0]), np.zeros((2, 1))), 1.0) is None


def test_a_coin_has_two_faces_the_mean_of_a_tanh_and_its_gradient():
    torch.manual_seed(0)
    ps, scale = torch.full((20_000, 1), 0.7, requires_grad=True), torch.tensor([2.0])
    y = kernel_of(Stochastic())(ps, scale)
    assert set(y.flatten().tolist()) == {-2.0, 2.0} and y.mean().item() == pytest.approx(2 * np.tanh(0.35), abs=0.05)
    y.sum().backward()
    assert ps.grad[0].item() == pytest.approx(1 - np.tanh(0.35) ** 2, rel=1e-5)


def test_learned_column_steps_round_clip_and_have_lsqs_gradient():
    ps = torch.tensor([[-9.0], [-0.6], [0.4], [1.3], [9.0]])
    scale = torch.tensor([2.0], requires_grad=True)
    y = kernel_of(ColumnSteps(2))(ps, scale)                     # codes -2 to 1
    assert y.flatten().tolist() == [-4, 0, 0, 2, 2]
    y.sum().backward()
    assert scale.grad.item() == pytest.approx(-2 + 0.3 - 0.2 + (1 - 0.65) + 1)
    x, q = torch.ones(3, 5), torch.ones(5, 2)
    arrays = program(q, chip_for(ColumnSteps(3)))
    assert torch.equal(matmul(x, arrays, ColumnSteps(3), torch.full((1, 6), 1.0)), torch.full((3, 2), 3.0))       # 5 clips to 3
