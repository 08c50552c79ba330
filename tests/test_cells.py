"""Cells that leak, drift and shake: sizes by hand, and laws."""

from dataclasses import replace

import pytest
import torch

from dtsnn_lite.cells import conductances
from dtsnn_lite.chip import Chip, Flaws, Ideal, PowerLawDrift, pcm_drift
from dtsnn_lite.crossbar import fast_matmul, matmul, partial_sums, program

DAY = 86_400.0


def cells(flaws: Flaws, wanted: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return conductances(wanted, 1, flaws, torch.Generator().manual_seed(seed))


def test_a_drift_is_a_power_of_time_by_hand():
    g = cells(Flaws(drift=PowerLawDrift(exponent=0.5, seconds=400.0, from_seconds=100.0)), torch.ones(3))
    assert torch.allclose(g, torch.full((3,), 4 ** -0.5))
    leaky = cells(Flaws(on_off=10, drift=PowerLawDrift(exponent=0.5, seconds=400.0, from_seconds=100.0)), torch.zeros(3))
    assert torch.allclose(leaky, torch.full((3,), 0.1 * 4 ** -0.5))


def test_at_its_start_a_drift_has_changed_no_bit():
    q = torch.randint(-7, 8, (150, 7)).float()
    fresh = program(q, Chip("fresh", flaws=Flaws(drift=pcm_drift)))
    assert torch.equal(fresh.planes, program(q, Chip("any")).planes)
    old = program(q, Chip("old", flaws=Flaws(drift=replace(pcm_drift, seconds=DAY))))
    assert not torch.equal(old.planes, fresh.planes)


def test_cells_drift_apart_by_the_spread_of_their_exponents_and_none_grows():
    day = replace(pcm_drift, seconds=DAY)
    logs = cells(Flaws(drift=day), torch.ones(20_000)).log()
    assert logs.mean().item() == pytest.approx(-0.049 * torch.tensor(DAY / 20).log().item(), rel=0.01)
    assert logs.std().item() == pytest.approx(0.008 * torch.tensor(DAY / 20).log().item(), rel=0.03)
    assert (cells(Flaws(drift=replace(day, spread=1.0)), torch.ones(1000)) <= 1).all()


def test_off_cells_vary_about_their_mean_and_on_cells_stay():
    wanted = torch.tensor([0.0, 1.0]).repeat_interleave(40_000)
    off, on = cells(Flaws(on_off=10, off_variation=0.5), wanted).chunk(2)
    assert torch.equal(on, torch.ones(40_000))
    assert off.log().std().item() == pytest.approx(0.5, rel=0.03) and off.mean().item() == pytest.approx(0.1, rel=0.03)


def test_cells_that_are_stuck_off_vary_like_off_cells_and_those_stuck_on_do_not():
    g = cells(Flaws(on_off=10, stuck=1.0, off_variation=0.5), torch.ones(2000))
    stuck_on = g == 1
    assert 0.45 < stuck_on.float().mean() < 0.55 and len(g[~stuck_on].unique()) > 900


def test_a_columns_noise_grows_with_the_root_of_its_conducting_cells():
    arrays = program(torch.ones(64, 3), Chip("shaking", weight_bits=2, flaws=Flaws(cell_noise=0.1)))
    for spikes in (0, 1, 16, 64):
        x = torch.zeros(4000, 64)
        x[:, :spikes] = 1.0
        off = partial_sums(x, arrays, dice=torch.Generator().manual_seed(0)) - spikes
        assert off.std().item() == pytest.approx(0.1 * spikes ** 0.5, rel=0.03, abs=1e-6)


def test_both_cells_of_a_pair_shake_by_what_they_conduct():
    q = torch.tensor([[3.0, 0.0]]).repeat(50, 1)                                    # 2 bits a cell: three on-cell currents, or none
    leaky = Chip("leaky", weight_bits=3, cell_bits=2, flaws=Flaws(cell_noise=0.1, on_off=4))
    still = replace(leaky, flaws=Flaws(on_off=4))
    off = partial_sums(torch.ones(6000, 50), program(q, leaky)) - partial_sums(torch.ones(1, 50), program(q, still))
    for column, g in ((0, 3.0), (1, 3 / 4)):                                        # beside an off cell, each leaking 3 / 4
        assert off[0, :, column].std().item() == pytest.approx(0.1 * (50 * (g ** 2 + (3 / 4) ** 2)) ** 0.5, rel=0.04)


def test_noise_of_cells_and_of_columns_adds_in_squares_with_and_without_gradients():
    q, x = torch.ones(64, 3), torch.ones(4000, 64)
    arrays = program(q, Chip("shaking", weight_bits=2, flaws=Flaws(cell_noise=0.1)))
    for product in (matmul, fast_matmul):
        torch.manual_seed(0)
        off = product(x, arrays, Ideal(), torch.ones(1), noise=0.6) - 64
        assert off.std().item() == pytest.approx((0.6 ** 2 + 64 * 0.1 ** 2) ** 0.5, rel=0.03)
