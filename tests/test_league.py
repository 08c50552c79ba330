"""The league of read-outs at a tiny scale: every entrant trains, is recorded once, stops and is billed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dtsnn_lite.chip import HPADC, SenseAmp
from dtsnn_lite.crossbar import matmul, program
from dtsnn_lite.data import Split, Splits
from dtsnn_lite.exits import replay
from dtsnn_lite.models import ConvConfig, SpikingConvNet
from dtsnn_lite.proofs import league
from dtsnn_lite.proofs.league import ENTRANTS, chip_for, cheapest, keep, play
from dtsnn_lite.readouts import ColumnSteps, Stochastic, kernel_of
from dtsnn_lite.recording import Recording
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
    assert len(json.loads((tmp_path / "league.json").read_text())) == len(ENTRANTS) and (tmp_path / "league.svg").stat().st_size > 1000
    monkeypatch.setattr(league, "run_stage", lambda *_, **__: pytest.fail("trained twice"))
    assert play(tmp_path, seeds=(0,), **game) == found


def test_comparators_share_no_column_and_converters_do():
    assert {chip_for(readout).mux for readout in ENTRANTS.values() if isinstance(readout, HPADC)} == {8}
    assert chip_for(SenseAmp()).mux == chip_for(Stochastic()).mux == 1


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
