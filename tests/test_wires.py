"""Ladders by hand, against Kirchhoff's law at every node, and in arrays of pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dtsnn_lite.wires
from dtsnn_lite.chip import HPADC, Chip, Flaws, Ideal, SenseAmp, Wires
from dtsnn_lite.crossbar import bit_planes, fast_matmul, matmul, partial_sums, program, read
from dtsnn_lite.crossbar_layers import CrossbarLinear
from dtsnn_lite.proofs.nodal import cell_currents
from dtsnn_lite.wires import column_currents, row_voltages

OHM = 1 / 6000          # of a cell of 6 kilohm


def spikes_and_cells(seed: int, rows: int, cols: int, density: float, on: float) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (rows,) and cells (rows, cols) that conduct or not."""
    dice = np.random.default_rng(seed)
    return (dice.random(rows) < density) * 1.0, (dice.random((rows, cols)) < on) * 1.0


def ladders(x: np.ndarray, g: np.ndarray, row: float, column: float) -> np.ndarray:
    cells = torch.tensor(g)
    driven = cells * row_voltages(cells, row) if row else cells
    return column_currents(torch.tensor(x)[None], cells, driven, column)[0].numpy()


# --- one wire ---------------------------------------------------------------------


def test_a_row_of_two_cells_is_a_ladder_by_hand():
    far = 1 / (1 + 0.1)                                                    # the far cell and the wire before it
    near = 1 / (1 + 0.1 * (1 + far))
    assert torch.allclose(row_voltages(torch.ones(1, 2), 0.1), torch.tensor([[near, near * far]]))
    divided = 1 / (1 + 2 * 0.2)                                            # two wires, then a cell of half an on cell's resistance
    assert torch.allclose(row_voltages(torch.tensor([[0.0, 2.0]]), 0.1), torch.tensor([[divided * (1 + 2 * 0.1), divided]]))


def test_a_column_of_two_cells_is_a_ladder_by_hand(monkeypatch):
    one = torch.ones(1, 2), torch.ones(2, 1)
    assert column_currents(*one, one[1], 0.1).item() == pytest.approx(2 / (1 + 2 * 0.15))      # both a cell and a half away
    monkeypatch.setattr(dtsnn_lite.wires, "BLOCK", 1)
    both = 1 + 1 / (1 + 0.1)
    assert column_currents(*one, one[1], 0.1).item() == pytest.approx(both / (1 + 0.1 * both))


@pytest.mark.parametrize("row, column", [(20 * OHM, 0.0), (0.0, 20 * OHM)], ids=["rows", "columns"])
def test_walked_cell_by_cell_either_wire_alone_is_exact(monkeypatch, row, column):
    monkeypatch.setattr(dtsnn_lite.wires, "BLOCK", 1)
    for seed in range(5):
        x, g = spikes_and_cells(seed, 23, 17, 0.6, 0.5)
        x, g = x * np.random.default_rng(seed).random(23), g + 0.1         # grey values, and cells that leak
        assert np.allclose(ladders(x, g, row, column), cell_currents(x, g, row, column).sum(0), atol=1e-9)


# --- both, against the exact solution ------------------------------------------------


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_sum_is_off_by_a_tenth_of_the_drop_and_of_a_cell_at_most(size):
    worst = 0.0
    for seed, (ohm, density, on) in enumerate((o, d, c) for o in (0.5, 1.0, 2.5) for d in (0.1, 0.3, 0.5, 1.0) for c in (0.15, 0.3, 0.5)):
        x, g = spikes_and_cells(seed, size, size, density, on)
        for row, column in ((0.0, ohm * OHM), (ohm * OHM, ohm * OHM)):
            exact = cell_currents(x, g, row, column).sum(0)
            drop = (x @ g - exact).max()
            error = np.abs(ladders(x, g, row, column) - exact).max()
            assert error <= 0.1 * drop + 0.1, (ohm, density, on, row)
            worst = max(worst, drop)
    assert worst > {16: 0.1, 32: 1, 64: 5}[size]                              # the grid holds arrays that lose something


def test_kirchhoffs_law_holds_at_every_node_of_the_exact_solution():
    x, g = spikes_and_cells(1, 6, 4, 1.0, 0.7)
    current = cell_currents(x, g, 0.3, 0.2)
    for i, j in np.ndindex(current.shape):
        along_the_row = sum(0.3 * current[i, k:].sum() for k in range(j + 1))
        along_the_column = sum(0.2 * current[k:, j].sum() for k in range(i + 1))
        assert current[i, j] == pytest.approx(g[i, j] * (x[i] - along_the_row - along_the_column))


# --- laws --------------------------------------------------------------------------


def test_the_drop_grows_with_the_distance_and_is_worst_in_the_far_corner():
    kept = cell_currents(np.ones(20), np.ones((20, 16)), 5 * OHM, 5 * OHM)
    assert (np.diff(kept, axis=0) < 0).all() and (np.diff(kept, axis=1) < 0).all() and kept.argmin() == 20 * 16 - 1
    voltages = row_voltages(torch.ones(1, 16), 5 * OHM)
    assert (voltages.diff() < 0).all()
    alone = column_currents(torch.eye(20), torch.ones(20, 1), torch.ones(20, 1), 5 * OHM).flatten()         # one spike at a time
    assert (alone.diff() <= 0).all() and alone[0] > alone[-1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10 ** 6), st.integers(2, 40), st.floats(0.05, 1), st.floats(0, 0.05))
def test_more_active_cells_lose_a_larger_part_of_their_sum(seed, rows, density, column):
    x, g = spikes_and_cells(seed, rows, 3, density, 1.0)
    few, all_of_them = (ladders(spikes, g, 0.0, column) for spikes in (x, np.ones(rows)))
    assert (few <= x.sum() + 1e-12).all() and (few >= 0).all()
    if x.any() and x[-1]:                                                     # as far away as all of them
        assert all_of_them[0] / rows <= few[0] / x.sum() + column * 8         # a block's rows stand together
    assert (ladders(x, g, 0.0, 2 * column) <= few + 1e-12).all()


def test_cells_of_silent_rows_change_nothing():
    x, g = spikes_and_cells(0, 30, 8, 0.4, 0.5)
    other = np.where(x[:, None] == 0, 1 - g, g)
    assert np.array_equal(ladders(x, g, OHM, OHM), ladders(x, other, OHM, OHM))
    assert np.allclose(cell_currents(x, g, OHM, OHM), cell_currents(x, other, OHM, OHM))


# --- in arrays -----------------------------------------------------------------------


def data(m: int = 40, rows: int = 150, out: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    dice = torch.Generator().manual_seed(0)
    return (torch.rand(m, rows, generator=dice) < 0.3).float(), torch.randint(-7, 8, (rows, out), generator=dice).float()


def test_wires_without_resistance_change_no_bit():
    x, q = data()
    ideal, wired = (program(q, Chip("any", flaws=flaws)) for flaws in (Flaws(), Flaws(wires=Wires(0.0, 0.0, on_ohm=50.0))))
    for product in (matmul, fast_matmul):
        assert torch.equal(product(x, wired, HPADC(5), torch.ones(3)), product(x, ideal, HPADC(5), torch.ones(3)))
    near = partial_sums(x, program(q, Chip("any", flaws=Flaws(wires=Wires(1e-6, 1e-6)))))
    assert torch.allclose(near, partial_sums(x, ideal), atol=1e-4)


def test_pairs_lie_side_by_side_on_arrays_of_so_many_columns():
    x, q = data(m=3, rows=37, out=5)
    chip = Chip("small", rows=16, cols=8, flaws=Flaws(wires=Wires(row_ohm=20.0)))
    planes = bit_planes(q, 4, 1).permute(1, 0, 2).reshape(37, 15).numpy()
    laid = np.stack([planes.clip(min=0), (-planes).clip(min=0)], 2).reshape(37, 30)          # + - + - ...
    for n, first in enumerate(range(0, 37, 16)):
        for m in range(3):
            rows = slice(first, first + 16)
            spikes = x[m, rows].numpy()
            currents = np.concatenate([cell_currents(spikes, laid[rows, c:c + 8], 20 * OHM, 0.0).sum(0) for c in range(0, 30, 8)])
            found = partial_sums(x, program(q, chip))[n, m].numpy()
            assert np.allclose(found, currents[::2] - currents[1::2], atol=1e-5)
    assert (partial_sums(x, program(q, chip)) - partial_sums(x, program(q, replace(chip, flaws=Flaws())))).abs().max() > 0.1


@pytest.mark.parametrize("readout", [HPADC(4), SenseAmp()], ids=str)
@pytest.mark.parametrize("grey", [False, True], ids=["spikes", "grey values"])
def test_every_way_through_the_arrays_meets_the_same_wires(readout, grey):
    x, q = data()
    x = x * torch.rand(x.shape) if grey else x
    chip = Chip("wired", readout=readout, flaws=Flaws(variation=0.1, on_off=20, wires=Wires(5.0, 5.0)))
    arrays, bare = program(q, chip), program(q, replace(chip, flaws=replace(chip.flaws, wires=Wires())))
    scales = torch.ones(3, 21) if readout.a_scale_a_column else torch.ones(3)
    slow = matmul(x, arrays, readout, scales)
    assert torch.allclose(fast_matmul(x, arrays, readout, scales), slow, atol=1e-4)
    assert torch.allclose(read(x, arrays, readout, scales), slow, atol=1e-4)
    assert not torch.allclose(slow, matmul(x, bare, readout, scales), atol=0.5)


def test_gradients_pass_the_wires_as_if_there_were_none():
    (x, q), chip = data(), Chip("any", flaws=Flaws(wires=Wires(5.0, 5.0)))
    x, q = x.requires_grad_(), q.requires_grad_()
    y = matmul(x, program(q, chip), Ideal(), torch.ones(3))
    y.square().sum().backward()
    assert not torch.allclose(y, x @ q, atol=0.5)
    assert torch.allclose(x.grad, 2 * y @ q.T, rtol=1e-4, atol=1e-2) and torch.allclose(q.grad, 2 * x.T @ y, rtol=1e-4, atol=1e-2)


def test_both_matrix_products_have_the_same_gradients_behind_wires():
    found = []
    for product in (matmul, read):
        x, q = data()
        x, q = x.requires_grad_(), q.requires_grad_()
        arrays = program(q, Chip("wired", readout=HPADC(4), flaws=Flaws(wires=Wires(5.0, 5.0))))
        product(x, arrays, HPADC(4), torch.ones(3)).square().sum().backward()
        found.append((x.grad, q.grad))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-2) for a, b in zip(*found, strict=True))


def test_a_layer_behind_wires_is_the_same_with_and_without_gradients():
    torch.manual_seed(0)
    layer, x = CrossbarLinear(100, 6), (torch.rand(50, 100) < 0.4).float()
    layer.settle(Chip("wired", readout=HPADC(5), flaws=Flaws(wires=Wires(5.0, 5.0))), 0)
    layer.fit(x)
    with torch.no_grad():
        fast = layer(x)
    assert torch.allclose(layer(x), fast, atol=1e-5)
    layer.chip = replace(layer.chip, flaws=Flaws())
    assert not torch.allclose(layer(x), fast, atol=1e-3)
