"""Crossbars against loops by hand, against an ordinary product, and against autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dtsnn_lite.checkpoints import load_net, load_shipped, save_net
from dtsnn_lite.chip import (HPADC, SARADC, Chip, Flaws, Ideal, PowerLawDrift, SenseAmp, Ternary, Wires, adc_less_65nm, at_zero,
                             hp_adc_65nm)
from dtsnn_lite.crossbar import (Arrays, bit_planes, fast_matmul, gentle, is_lossless, largest_weight, lsq, matmul, partial_sums,
                                 place_values, program, read)
from dtsnn_lite.crossbar_layers import CrossbarConv2d, CrossbarLinear, crossbars, fit_scales, put_on, take_off
from dtsnn_lite.data import digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.inference import record
from dtsnn_lite.models import ConvConfig, ResNetConfig, SpikingConvNet, SpikingResNet, layer_shapes
from dtsnn_lite.readouts import kernel_of

@pytest.fixture(autouse=True)
def bytes_are_multiplied(monkeypatch):
    """As on a processor that has a product of bytes, whether or not this one does."""
    for module in ("crossbar", "crossbar_layers"):
        monkeypatch.setattr(f"dtsnn_lite.{module}.has_byte_product", lambda: True)


READOUTS = [Ideal(), HPADC(4), HPADC(3), SARADC(5), at_zero, SenseAmp(), Ternary()]
TINY = ConvConfig((1, 8, 8), ((4,), (6,)), classes=3)


def data(seed: int = 0, m: int = 40, rows: int = 150, out: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes (m, rows) and whole 4-bit weights (rows, out)."""
    dice = torch.Generator().manual_seed(seed)
    return ((torch.rand(m, rows, generator=dice) < 0.3).float(),
            torch.randint(-7, 8, (rows, out), generator=dice).float())


def scales_of(readout, tiles: int, columns: int, seed: int = 1) -> torch.Tensor:
    if isinstance(readout, (SenseAmp, Ternary)):
        return 0.5 + 2 * torch.rand(tiles, columns, generator=torch.Generator().manual_seed(seed))
    return torch.full((tiles,), 2.0)


def naive(x, q, chip, scales) -> np.ndarray:
    """Cell by cell, column by column, in plain Python."""
    x, q, scales = x.numpy(), q.numpy().astype(int), scales.numpy().astype(float)
    planes = -(-(chip.weight_bits - 1) // chip.cell_bits)
    y = np.zeros((len(x), q.shape[1]))
    for m in range(len(x)):
        for o in range(q.shape[1]):
            for n, first in enumerate(range(0, len(q), chip.rows)):
                for k in range(planes):
                    ps = 0
                    if chip.gated and not x[m, first:first + chip.rows].any():
                        continue                                        # no spike, no read
                    for r in range(first, min(first + chip.rows, len(q))):
                        cell = (abs(q[r, o]) >> (k * chip.cell_bits)) % 2 ** chip.cell_bits
                        ps += int(x[m, r]) * int(np.sign(q[r, o])) * cell
                    scale = scales[n] if scales.ndim == 1 else scales[n, k * q.shape[1] + o]
                    y[m, o] += 2 ** (k * chip.cell_bits) * naive_code(ps, chip.readout, scale)
    return y


def naive_code(ps, readout, scale) -> float:
    match readout:
        case SenseAmp(reference):
            return scale if ps > reference else -scale
        case Ternary():
            return scale * np.clip(np.round(ps / scale), -1, 1)
        case HPADC(bits) | SARADC(bits):
            middle = 0.5 if scale % 2 == 0 else 0.0
            return scale * np.clip(np.floor((ps - middle) / scale + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + middle
    return ps


# --- weights ---------------------------------------------------------------------


@pytest.mark.parametrize("weight_bits, cell_bits", [(4, 1), (4, 2), (4, 4), (3, 1), (8, 3)])
def test_planes_shifted_and_added_are_the_weight(weight_bits, cell_bits):
    top = 2 ** (weight_bits - 1) - 1
    q = torch.arange(-top, top + 1).float()
    planes = bit_planes(q, weight_bits, cell_bits)
    assert torch.equal((planes * place_values(weight_bits, cell_bits)[:, None]).sum(0), q)
    assert planes.abs().max() <= 2 ** cell_bits - 1
    if cell_bits == 1:
        assert set(planes.unique().tolist()) == {-1.0, 0.0, 1.0}


def test_quantised_weights_are_whole_and_clipped_by_hand():
    w, step = torch.tensor([0.04, 0.26, -0.31, 5.0, -5.0]), torch.tensor(0.1)
    assert lsq(w, step, 4).tolist() == [0, 3, -3, 7, -7]


def test_the_gradient_of_a_weight_passes_straight_through_unless_it_is_clipped():
    w = torch.tensor([0.24, 5.0], requires_grad=True)
    (0.1 * lsq(w, torch.tensor(0.1), 4)).sum().backward()
    assert w.grad.tolist() == pytest.approx([1.0, 0.0])


def test_the_gradient_of_the_step_is_lsqs_in_per_cent_of_the_step():
    w, step = torch.tensor([0.24, 5.0, -5.0]), torch.tensor(0.1, requires_grad=True)
    soft = gentle(step, w, 4)
    (soft * lsq(w, soft, 4)).sum().backward()
    by_hand = (2 - 2.4) + 7 - 7                   # round(v) - v inside, +-Q where clipped
    assert soft.item() == pytest.approx(0.1)
    assert step.grad.item() == pytest.approx(by_hand * 0.1 ** 2 / (7 * 3) ** 0.5)


def test_planes_share_a_weights_gradient_so_that_an_ideal_chip_has_the_digital_one():
    x, q = data()
    q.requires_grad_(True)
    chip = Chip("ideal", readout=Ideal())
    target = torch.randn(len(x), q.shape[1], generator=torch.Generator().manual_seed(3))
    (matmul(x, program(q, chip), Ideal(), torch.ones(3)) * target).sum().backward()
    assert torch.allclose(q.grad, x.T @ target, atol=1e-4)


# --- read-out ----------------------------------------------------------------------


@pytest.mark.parametrize("readout", READOUTS, ids=str)
@pytest.mark.parametrize("rows, cell_bits", [(64, 1), (32, 2), (150, 1), (200, 4)])
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "always read"])
def test_the_crossbar_equals_loops_over_every_cell(readout, rows, cell_bits, gated):
    x, q = data(m=6)
    x[0], x[1, :64], x[2, 64:] = 0, 0, 0                                # tiles without a spike
    chip = Chip("loops", rows=rows, cell_bits=cell_bits, readout=readout, gated=gated)
    arrays = program(q, chip)
    scales = scales_of(readout, len(arrays.tiles()), arrays.planes.shape[1])
    by_hand = naive(x, q, chip, scales)
    whole = isinstance(readout, (Ideal, HPADC, SARADC))
    for ours in (matmul(x, arrays, readout, scales), fast_matmul(x, arrays, readout, scales),
                 fast_matmul(x.to(torch.int8), arrays, readout, scales)):
        assert np.array_equal(ours.numpy(), by_hand) if whole else np.allclose(ours.numpy(), by_hand, atol=1e-4)


@pytest.mark.parametrize("step", [0.25, 0.5, 1.0, 1.5, 3.0, 4.0])
@pytest.mark.parametrize("flaws", [Flaws(), Flaws(variation=0.2)], ids=["whole cells", "flawed cells"])
def test_bytes_give_the_numbers_of_floats_at_every_step_and_cell(step, flaws):
    x, q = data()
    arrays, steps = program(q, Chip("steps", readout=HPADC(5), flaws=flaws)), torch.full((3,), step)
    assert torch.allclose(fast_matmul(x.to(torch.int8), arrays, HPADC(5), steps), matmul(x, arrays, HPADC(5), steps), atol=1e-3)


@pytest.mark.parametrize("rows", [40, 64, 130])
@pytest.mark.parametrize("readout", [Ideal(), HPADC(5), SenseAmp()], ids=str)
def test_one_row_reads_alike_in_any_strides(rows, readout, monkeypatch):
    x, q = data(m=1, rows=rows)
    arrays = program(q, Chip("one row", readout=readout))
    scales = scales_of(readout, len(arrays.tiles()), arrays.planes.shape[1])
    by_hand = matmul(x, arrays, readout, scales)
    product = torch._int_mm

    def believes_strides(a, b):
        """As the fast product of bytes does: it takes the distance of two rows from the strides, even of a single one."""
        assert a.stride() == (a.shape[1], 1)
        return product(a, b)

    monkeypatch.setattr(torch, "_int_mm", believes_strides)
    many = torch.zeros(rows, 3)
    many[:, 1] = x[0]
    plain = x.to(torch.int8)
    for odd in (many[:, 1:2].T, many.to(torch.int8)[:, 1:2].T, torch.as_strided(plain, (1, rows), (1, 1)),
                torch.as_strided(plain, (1, rows), (0, 1))):
        assert torch.equal(fast_matmul(odd, arrays, readout, scales), by_hand)
    assert torch.equal(read(many[:, 1:2].T, arrays, readout, scales), by_hand)


def test_one_sample_out_of_many_reads_alike_with_and_without_gradient():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 10, bias=False))
    put_on(net, hp_adc_65nm)
    fit_scales(net, (torch.rand(50, 64) > 0.7).float())
    x = (torch.rand(64, 3) > 0.7).float()[:, :1].T                           # features by samples: strides (1, 3)
    with torch.no_grad():
        found = net(x)
    assert torch.equal(found, net(x))


def test_without_a_product_of_bytes_floats_give_the_same_numbers(monkeypatch):
    from dtsnn_lite import crossbar

    x, q = data()
    arrays, steps = program(q, Chip("steps", readout=HPADC(5))), torch.full((3,), 2.0)
    with_bytes = fast_matmul(x.to(torch.int8), arrays, HPADC(5), steps)
    monkeypatch.undo()
    crossbar.has_byte_product.cache_clear()
    monkeypatch.delattr(torch, "_int_mm")                                   # as before torch 2.4
    assert not crossbar.has_byte_product()
    crossbar.has_byte_product.cache_clear()
    monkeypatch.setattr(crossbar, "has_byte_product", lambda: False)
    assert torch.equal(fast_matmul(x.to(torch.int8), arrays, HPADC(5), steps), with_bytes)


def test_black_and_white_images_are_recognised_as_well_as_grey_ones():
    test, net = digits().test, load_shipped("digits-hp-adc")
    binary = (test.images[:200] > 0.5).float()
    grey = binary.clone()
    grey[:, 0, 0, 0] = 1e-3
    seen = [record(net, x, test.labels[:200], 1).accuracy[0] for x in (binary, grey)]
    assert seen[0] == pytest.approx(seen[1], abs=0.01) and seen[0] > 0.9


@given(st.integers(1, 200), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_with_enough_bits_the_crossbar_is_the_matrix_product(rows, cell_bits, seed):
    x, q = data(seed)
    readout = HPADC(13)
    assert is_lossless(readout, rows, cell_bits)
    arrays = program(q, Chip("many bits", rows=rows, cell_bits=cell_bits, readout=readout))
    assert torch.equal(matmul(x, arrays, readout, torch.ones(len(arrays.tiles()))), x @ q)


@given(st.integers(0, 10), st.sampled_from([32, 64, 128]))
@settings(max_examples=20, deadline=None)
def test_more_bits_never_make_the_read_out_error_larger(seed, rows):
    x, q = data(seed)
    sums = partial_sums(x, program(q, Chip("any", rows=rows)))
    errors = []
    for bits in range(1, 10):
        converter = kernel_of(HPADC(bits))
        errors.append((converter(sums, converter.fitted(sums)) - sums).square().mean().item())
    assert errors == sorted(errors, reverse=True) and errors[-1] == 0


def test_tiles_and_planes_in_any_order_give_the_same_sum():
    x, q = data(rows=192)
    chip = Chip("order", readout=HPADC(4))
    scales = torch.full((3,), 2.0)
    straight = matmul(x, program(q, chip), chip.readout, scales)
    order = torch.cat([torch.arange(64, 128), torch.arange(128, 192), torch.arange(64)])
    assert torch.equal(matmul(x[:, order], program(q[order], chip), chip.readout, scales), straight)
    arrays = program(q, chip)
    backwards = arrays.planes.unflatten(1, (3, -1)).flip(1).flatten(1)
    assert torch.equal(matmul(x, Arrays(backwards, arrays.places.flip(0), 64), chip.readout, scales), straight)


@pytest.mark.parametrize("readout", [HPADC(3), SenseAmp(), Ternary()], ids=str)
def test_gradients_computed_again_equal_autograd_of_the_surrogate(readout):
    x, q = data()
    grads = []
    for run in (matmul, None):
        xx, qq = x.clone().requires_grad_(True), q.clone().requires_grad_(True)
        arrays = program(qq, Chip("grad", readout=readout))
        scales = scales_of(readout, 3, 21).requires_grad_(isinstance(readout, (SenseAmp, Ternary)))
        y = matmul(xx, arrays, readout, scales) if run else read(xx, arrays, readout, scales)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        grads.append([xx.grad, qq.grad] + ([scales.grad] if scales.requires_grad else []))
    for surrogate, ours in zip(*grads, strict=True):
        assert torch.allclose(surrogate, ours, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 0.3])
@pytest.mark.parametrize("readout", [HPADC(3), SenseAmp()], ids=str)
def test_behind_a_gate_some_inputs_read_some_tiles_and_gradients_are_the_surrogates(readout, offset):
    x, q = data()
    x[::3, :64], x[1::2, 64:128], x[::5] = 0, 0, 0                        # other inputs are silent in other tiles, some in all
    found = []
    for product in (matmul, read):
        xx, qq = x.clone().requires_grad_(), q.clone().requires_grad_()
        scales = scales_of(readout, 3, 21).requires_grad_(readout.a_scale_a_column)
        y = product(xx, program(qq, Chip("gated", readout=readout, flaws=Flaws(offset=offset))), readout, scales)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        found.append([y, xx.grad, qq.grad] + ([scales.grad] if scales.requires_grad else []))
    for surrogate, ours in zip(*found, strict=True):
        assert torch.allclose(surrogate, ours, rtol=1e-4, atol=1e-4) and (ours != 0).any()
    assert (found[1][1][::3, :64] == 0).all() and (found[1][1][1::3, :64] != 0).any()


@pytest.mark.parametrize("learns", ["inputs", "weights"])
def test_a_gradient_is_the_same_where_only_the_inputs_or_only_the_weights_learn(learns):
    x, q = data()
    of, chip, found = {"inputs": x, "weights": q}[learns].requires_grad_(), Chip("grad", readout=HPADC(3)), []
    for product in (matmul, read):
        y = product(x, program(q, chip), HPADC(3), torch.full((3,), 2.0))
        found += torch.autograd.grad((y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum(), of)
    assert torch.allclose(*found, rtol=1e-4, atol=1e-4) and (found[0] != 0).any()


def test_a_sense_amplifier_has_two_levels_and_reads_a_sum_at_its_reference_as_the_lower():
    ps, alpha = torch.tensor([[-3.0], [0.0], [0.5], [1.0]]), torch.tensor([2.0])
    assert kernel_of(at_zero)(ps, alpha).flatten().tolist() == [-2, -2, 2, 2]
    assert kernel_of(SenseAmp())(ps, alpha).flatten().tolist() == [-2, -2, -2, 2]
    with pytest.raises(ValueError, match="a current, in on-cell currents and finite; got nan"):
        SenseAmp(float("nan"))


def test_half_a_cell_reads_whole_sums_as_zero_does_and_no_offset_below_half_changes_that():
    x, q = data()
    one = {readout: program(q, Chip("one bit", readout=readout)) for readout in (at_zero, SenseAmp())}
    scales = scales_of(SenseAmp(), 3, 21)
    ideal = matmul(x, one[at_zero], at_zero, scales)
    assert torch.equal(matmul(x, one[SenseAmp()], SenseAmp(), scales), ideal)
    for zero in (-0.49, 0.49):
        moved = replace(one[at_zero], offset=torch.full((3, 21), zero))
        assert torch.equal(matmul(x, moved, SenseAmp(), scales), ideal)
        assert torch.equal(matmul(x, moved, at_zero, scales), ideal) == (zero < 0)       # every empty column tips over


def test_a_tile_without_a_spike_is_not_read_and_moves_no_weight():
    x, q = data()
    x[:, 64:128] = 0
    scales = scales_of(SenseAmp(), 3, 21)
    for flaws in (Flaws(), Flaws(offset=3.0, variation=0.3)):
        chip = Chip("gated", readout=SenseAmp(), flaws=flaws)
        without = scales.clone()
        without[1] = 100.0                                                # what the tile would say, if it were asked
        weights = q.clone().requires_grad_()
        y = read(x, program(weights, chip), SenseAmp(), without)
        assert torch.equal(y, fast_matmul(x.to(torch.int8), program(q, chip), SenseAmp(), scales))
        y.sum().backward()
        assert (weights.grad[64:128] == 0).all() and (weights.grad[:64] != 0).any()
    asked = program(q, Chip("not gated", readout=SenseAmp(), gated=False))
    assert not torch.equal(matmul(x, asked, SenseAmp(), scales), matmul(x, asked, SenseAmp(), without))


def test_scales_are_fitted_on_the_reads_that_happen():
    x, gated = torch.zeros(100, 70), CrossbarLinear(70, 4)
    x[:10, :64] = 1.0                                                     # nine of ten inputs are silent, and the second tile is always
    found = {}
    for gate in (True, False):
        gated.settle(Chip("few", readout=SenseAmp(), gated=gate), 0)
        gated.fit(x)
        found[gate] = gated.scales().detach().clone()
    filled = found[True][0] > 1e-3
    assert filled.any() and torch.allclose(found[True][0][filled], 10 * found[False][0][filled]) and (found[True][1] == 1e-3).all()


def test_a_converter_is_lossless_by_its_bits_and_its_step():
    assert [is_lossless(HPADC(bits), 64, 1) for bits in (7, 8)] == [False, True]          # the largest code, 63 or 127
    assert [is_lossless(HPADC(bits), 64, 1, step=0.5) for bits in (8, 9)] == [False, True]
    assert not any(is_lossless(HPADC(16), 64, 1, step=step) for step in (2.0, 0.4, 0.75))
    layer, x = CrossbarLinear(64, 5), (torch.rand(9, 64) < 0.4).float()
    layer.settle(Chip("coarse", readout=HPADC(8)), 0)
    fine = layer(x)
    layer.scale.fill_(2.0)
    assert (layer(x) - fine).abs().max() > 0.4 * layer.step                               # the shortcut would not have seen it


def test_a_lossless_converter_is_detected_and_costs_one_product(monkeypatch):
    layer = CrossbarLinear(64, 5)
    layer.settle(Chip("lossless", readout=HPADC(8)), 0)
    monkeypatch.setattr("dtsnn_lite.crossbar_layers.program", lambda *_: pytest.fail("programmed the arrays"))
    x = (torch.rand(9, 64) < 0.4).float()
    q = lsq(layer.weight, layer.step, 4)
    assert torch.allclose(layer(x), x @ q.T * layer.step + layer.bias, atol=1e-5)


# --- flaws ---------------------------------------------------------------------------


@pytest.mark.parametrize("flaws", [Flaws(variation=0.2), Flaws(on_off=10), Flaws(stuck=0.05), Flaws(offset=1.0),
                                   Flaws(on_off=10, off_variation=0.5), Flaws(drift=PowerLawDrift(0.05, 0.01, 1e6)),
                                   Flaws(wires=Wires(1.0, 1.0))], ids=str)
def test_a_flaw_belongs_to_the_chip_and_its_seed(flaws):
    x, q = data()
    def output(chosen):
        return matmul(x, program(q, Chip("flawed", readout=Ideal(), flaws=chosen)), Ideal(), torch.ones(3))
    assert torch.equal(output(flaws), output(flaws))
    assert not torch.equal(output(flaws), output(Flaws()))
    if flaws not in (Flaws(on_off=10), Flaws(wires=Wires(1.0, 1.0))):               # which are not drawn
        assert not torch.equal(output(flaws), output(replace(flaws, seed=1)))


@pytest.mark.parametrize("rows, tiles", [(150, 1), (64, 3), (50, 3), (49, 4)])
def test_every_column_of_every_tile_has_a_zero_point_of_its_own(rows, tiles):
    offset = program(data()[1], Chip("offset", rows=rows, flaws=Flaws(offset=2.0))).offset          # 150 rows, 3 planes of 7
    assert offset.shape == (tiles, 3 * 7) and len(offset.unique()) == offset.numel()


def test_without_a_seed_every_pass_meets_another_chip():
    x, q = data()
    chip = Chip("any", readout=Ideal(), flaws=Flaws(offset=1.0, seed=None))
    torch.manual_seed(3)
    first, second = (program(q, chip).offset for _ in range(2))
    torch.manual_seed(3)
    assert not torch.equal(first, second) and torch.equal(program(q, chip).offset, first)


def test_flaws_are_off_by_default_and_vanish_with_their_size():
    x, q = data()
    arrays = program(q, Chip("good", readout=Ideal(), flaws=Flaws(variation=1e-9, on_off=1e9)))
    assert torch.allclose(matmul(x, arrays, Ideal(), torch.ones(3)), x @ q, atol=1e-2)


def test_a_finite_on_off_ratio_shrinks_differential_sums_and_moves_nothing_else():
    x, q = data()
    arrays = program(q, Chip("leaky", readout=Ideal(), flaws=Flaws(on_off=10)))
    assert torch.allclose(matmul(x, arrays, Ideal(), torch.ones(3)), 0.9 * (x @ q), atol=1e-3)


def test_a_cell_that_is_stuck_off_still_leaks_like_any_off_cell():
    planes = program(torch.ones(400, 3), Chip("all stuck", weight_bits=2, flaws=Flaws(stuck=1.0, on_off=10))).planes
    apart = {round(float(current), 5) for current in planes.unique()}
    assert apart == {round(-(1 - 1 / 10), 5), 0.0, round(1 - 1 / 10, 5)}           # on - off, equal, off - on


def test_conductance_variation_has_its_size_and_no_bias():
    ones = torch.full((4000, 1), 1.0)
    planes = program(ones, Chip("varied", weight_bits=2, flaws=Flaws(variation=0.2))).planes
    assert planes.mean().item() == pytest.approx(1.0, abs=0.02)
    assert planes.std().item() == pytest.approx(0.2, rel=0.05)


def test_read_noise_is_new_at_each_read_and_reproducible():
    x, q = data()
    arrays = program(q, Chip("noisy"))
    first, second = (matmul(x, arrays, Ideal(), torch.ones(3), noise=0.5) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(7)
    once = matmul(x, arrays, Ideal(), torch.ones(3), noise=0.5)
    torch.manual_seed(7)
    assert torch.equal(matmul(x, arrays, Ideal(), torch.ones(3), noise=0.5), once)


def test_noise_is_the_same_with_and_without_gradients_but_for_the_draw():
    x, q = data(m=2000)
    x[:500] = 0                                                             # silent in every tile: a gate hears no noise
    for gated in (True, False):
        arrays = program(q, Chip("noisy", gated=gated))
        torch.manual_seed(0)
        off = [product(x, arrays, Ideal(), torch.ones(3), noise=0.5) - x @ q for product in (matmul, fast_matmul)]
        size = 0.5 * (3 * (1 + 4 + 16)) ** 0.5                              # 3 tiles of planes worth 1, 2 and 4
        for one in off:
            assert one[500:].std().item() == pytest.approx(size, rel=0.03) and one[500:].mean().item() == pytest.approx(0, abs=0.3)
            assert one[:500].std().item() == pytest.approx(0 if gated else size, rel=0.05)


def test_read_noise_has_its_size_and_no_bias_whatever_is_read():
    dice = torch.Generator().manual_seed(0)
    arrays = program(data()[1], Chip("noisy"))                              # 150 rows: 3 tiles
    for x in (torch.zeros(400, 150), torch.ones(400, 150)):
        off = partial_sums(x, arrays, noise=0.5, dice=dice) - partial_sums(x, arrays)
        assert off.mean().item() == pytest.approx(0.0, abs=5 * 0.5 / off.numel() ** 0.5)
        assert off.std().item() == pytest.approx(0.5, rel=0.05)


def test_bad_flaws_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="on_off > 1; got 0.5"):
        Flaws(on_off=0.5)
    with pytest.raises(ValueError, match="share of cells"):
        Flaws(stuck=1.5)
    with pytest.raises(ValueError, match="at least 2 bits; got 1"):
        largest_weight(1)
    for wrong in ("variation", "on_off", "stuck", "noise", "offset"):
        with pytest.raises(ValueError, match="flaws are finite numbers"):
            Flaws(**{wrong: float("nan")})
    with pytest.raises(ValueError, match="flaws are finite numbers"):
        Flaws(variation=float("inf"))


def test_a_convolution_padded_with_anything_but_zeros_stays_off_the_chip():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ValueError, match="padded with zeros; got padding_mode='reflect'"):
        put_on(net, Chip("any"))


# --- layers and networks -----------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_on_crossbars_is_the_convolution(stride):
    conv = CrossbarConv2d(3, 5, 3, stride, padding=1)
    conv.settle(Chip("fine", weight_bits=12, readout=HPADC(16)), 0)
    x = (torch.rand(2, 3, 8, 6) < 0.5).float()
    exact = torch.nn.functional.conv2d(x, conv.weight, conv.bias, stride, 1)
    assert torch.allclose(conv(x), exact, atol=0.02)
    forced = conv.product(conv.rows_of(x)).view(2, *exact.shape[2:], 5).permute(0, 3, 1, 2) + conv.bias[:, None, None]
    assert torch.allclose(forced, conv(x), atol=1e-5)


@pytest.mark.parametrize("readout", READOUTS, ids=str)
def test_a_network_on_a_chip_steps_as_it_runs(readout):
    torch.manual_seed(0)
    net = SpikingConvNet(TINY, Chip("any", rows=16, readout=readout, first_readout=HPADC(6)))
    x = direct(torch.rand(5, 1, 8, 8), 3)
    fit_scales(net, x)
    net.eval()
    with torch.no_grad():
        whole, state, steps = net(x), None, []
        for x_t in x:
            logits, state = net.step(x_t, state)
            steps.append(logits)
    assert torch.allclose(torch.stack(steps), whole, atol=1e-4)


def test_residual_networks_run_on_a_chip_too():
    torch.manual_seed(0)
    net = SpikingResNet(ResNetConfig((1, 8, 8), ((4, 1), (6, 1)), classes=3), Chip("res", rows=16, readout=SenseAmp()))
    x = direct(torch.rand(2, 1, 8, 8), 2)
    fit_scales(net, x)
    logits = net(x)
    logits.sum().backward()
    assert logits.shape == (2, 2, 3) and len(crossbars(net)) == len(layer_shapes(net))


def test_the_first_layer_keeps_its_converter_and_no_other_does():
    net = SpikingConvNet(TINY, Chip("mixed", readout=SenseAmp(), first_readout=HPADC(5)))
    assert [type(layer.chip.readout) for layer in crossbars(net)] == [HPADC, SenseAmp, SenseAmp]
    assert crossbars(net)[-1] is net.head


def test_the_fit_gives_one_bit_its_least_squares_scale():
    net = SpikingConvNet(TINY, Chip("sa", rows=16, readout=SenseAmp(), first_readout=HPADC(6), gated=False))
    layer = crossbars(net)[1]
    x = (torch.rand(50, 4, 4, 4) < 0.4).float()
    fit_scales(layer, x)
    sums = partial_sums(layer.rows_of(x), program(lsq(layer.weight, layer.step, 4).flatten(1).T, layer.chip))
    assert torch.allclose(layer.scales(), sums.abs().mean(1).clamp(min=1e-3), atol=1e-5)


def test_a_fit_that_fails_leaves_no_mode_behind():
    net = SpikingConvNet(TINY, Chip("sa", rows=16, readout=SenseAmp(), first_readout=HPADC(6)))
    net.currents[0].eval()
    modes, before = [m.training for m in net.modules()], [layer.scale.clone() for layer in crossbars(net)]
    with pytest.raises(ValueError, match="input is"):
        fit_scales(net, torch.rand(2, 3, 1, 9, 9))
    with pytest.raises(ValueError, match="gain multiplies scales .* got 0"):
        fit_scales(net, direct(torch.rand(2, 1, 8, 8), 2), gain=0)
    net(direct(torch.rand(2, 1, 8, 8), 2))
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(layer.scale, old) for layer, old in zip(crossbars(net), before, strict=True))


# --- moving ------------------------------------------------------------------------------


FINE = Chip("fine", weight_bits=12, readout=HPADC(16))


@pytest.mark.parametrize("padding", ["same", "valid", 1, (2, 1)])
@pytest.mark.parametrize("kernel", [3, 4, (2, 5)])
@pytest.mark.parametrize("readout", [HPADC(16), HPADC(12)], ids=["as one product", "tile by tile"])
def test_a_moved_convolution_keeps_its_padding(padding, kernel, readout):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(5, 7, kernel, padding=padding))
    x = (torch.rand(2, 5, 8, 9) < 0.5).float()
    x[0, 0, 0, 0] = 0.5 if readout == HPADC(12) else 0.0                      # no spike: no shortcut
    digital = net(x)
    put_on(net, replace(FINE, readout=readout))
    net[0].scale.fill_(0.5)
    assert net(x).shape == digital.shape
    assert torch.allclose(net(x), digital, atol=0.05)
    assert torch.allclose(net(x[1]), net(x)[1], atol=1e-6)                                  # a single image, as nn.Conv2d takes it


def test_a_move_keeps_weights_dtype_modes_hooks_and_what_is_frozen():
    net = torch.nn.Sequential(torch.nn.Linear(9, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)).double()
    net[0].eval().requires_grad_(False)
    seen, layer, weight = [], net[0], net[0].weight
    layer.register_forward_hook(lambda *_: seen.append("called"))
    put_on(net, adc_less_65nm)
    assert net[0] is layer and layer.weight is weight and weight.dtype == torch.float64
    assert not layer.training and net[2].training
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {"1.weight", "1.bias", "2.weight", "2.bias", "2.scale"}
    assert net(torch.rand(4, 9).double()).dtype == torch.float64 and seen == ["called"]


def test_a_move_stays_on_the_layers_device():
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, device="meta"), torch.nn.Linear(4, 2, device="meta"))
    put_on(net, hp_adc_65nm)
    assert {t.device.type for t in net.state_dict().values()} == {"meta"}
    assert "0.scale" in net.state_dict() and "1.step" in net.state_dict()


@pytest.mark.parametrize("chip", [hp_adc_65nm, adc_less_65nm, Chip("ideal", readout=Ideal())], ids=lambda chip: chip.name)
def test_a_round_trip_is_the_digital_network_again(chip):
    torch.manual_seed(0)
    net, x = SpikingConvNet(TINY).eval(), direct(torch.rand(3, 1, 8, 8), 2)
    before, weights = net(x), {name: t.clone() for name, t in net.state_dict().items()}
    net.move_to(chip)
    assert net.chip == chip and len(crossbars(net)) == 3
    net.move_to(None)
    assert net.chip is None and crossbars(net) == []
    assert list(net.state_dict()) == list(weights) and all(torch.equal(t, weights[name]) for name, t in net.state_dict().items())
    assert torch.equal(net(x), before) and type(net.head) is torch.nn.Linear


def test_from_chip_to_chip_is_by_way_of_the_digital_network():
    torch.manual_seed(0)
    net, x = SpikingConvNet(TINY).eval(), direct(torch.rand(3, 1, 8, 8), 2)
    net.move_to(adc_less_65nm)
    fit_scales(net, x)
    net.move_to(hp_adc_65nm)
    torch.manual_seed(0)
    straight = SpikingConvNet(TINY).eval()
    straight.move_to(hp_adc_65nm)
    for moved in (net, straight):
        fit_scales(moved, x)
    assert torch.equal(net(x), straight(x)) and list(net.state_dict()) == list(straight.state_dict())


def test_a_layer_alone_is_moved_too():
    layer = torch.nn.Linear(9, 3)
    put_on(layer, hp_adc_65nm)
    assert isinstance(layer, CrossbarLinear) and crossbars(layer) == [layer]
    take_off(layer)
    assert type(layer) is torch.nn.Linear


def test_a_layer_that_is_used_twice_is_one_set_of_arrays():
    layer = torch.nn.Linear(9, 9)
    net = torch.nn.Sequential(layer, torch.nn.ReLU(), layer)
    put_on(net, hp_adc_65nm)
    assert net[0] is net[2] and crossbars(net) == [layer] and isinstance(layer, CrossbarLinear)


@pytest.mark.parametrize("rows", [64, 256])
@pytest.mark.parametrize("readout", [HPADC(5), SenseAmp()])
def test_half_precision_changes_no_tile_of_at_most_256_rows(rows, readout):
    # Sums of at most 256 ones and minus ones need 8 bits, which is what bfloat16 holds; a longer tile's would be rounded.
    x, q = data(rows=300)
    x[0], q[:, 0] = 1.0, 7.0
    arrays = program(q, replace(adc_less_65nm, rows=rows, readout=readout))
    scales = torch.full((-(-300 // rows), arrays.planes.shape[1]), 1.25) if readout.a_scale_a_column else torch.ones(-(-300 // rows))
    whole = read(x, arrays, readout, scales)
    with torch.autocast("cpu", torch.bfloat16):
        assert partial_sums(x, arrays).dtype == torch.bfloat16
        assert torch.equal(read(x, arrays, readout, scales), whole)


def test_a_longer_tile_would_be_rounded_in_half_precision():
    arrays = program(torch.ones(257, 1), replace(adc_less_65nm, rows=512))
    with torch.autocast("cpu", torch.bfloat16):
        assert partial_sums(torch.ones(1, 257), arrays).max() == 256


@pytest.mark.parametrize("readout", READOUTS, ids=str)
def test_weights_that_are_all_zero_give_the_bias(readout):
    layer = torch.nn.Linear(9, 3)
    torch.nn.init.zeros_(layer.weight)
    put_on(layer, Chip("any", readout=readout))
    y = layer(torch.rand(5, 9))
    assert torch.isfinite(y).all()
    if not isinstance(readout, SenseAmp):                                     # which reads an empty column as -1
        assert torch.equal(y, layer.bias.expand(5, 3))


class OwnLinear(torch.nn.Linear):
    """A layer whose subclass may compute anything."""


@pytest.mark.parametrize("other", [torch.nn.ConvTranspose2d(5, 1, 1), torch.nn.Conv1d(2, 3, 3), torch.nn.Bilinear(2, 3, 4), OwnLinear(3, 3),
                                   torch.nn.Embedding(4, 3), torch.nn.LSTM(3, 3), torch.nn.LazyLinear(3)], ids=lambda m: type(m).__name__)
def test_a_layer_that_would_stay_off_the_bill_is_refused_by_name_and_nothing_moves(other):
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.PReLU(3), torch.nn.LayerNorm((2, 3)), other)
    with pytest.raises(ValueError, match=rf"4 \({type(other).__name__}\) holds weights that no crossbar takes"):
        put_on(net, hp_adc_65nm)
    assert type(net[0]) is torch.nn.Linear


@pytest.mark.parametrize("odd, says", [({"groups": 2}, "groups=2"), ({"dilation": 2}, r"dilation=\(2, 2\)")])
def test_grouped_and_dilated_convolutions_are_refused_by_name(odd, says):
    with pytest.raises(ValueError, match=rf"no groups, no dilation; the layer \(Conv2d\) has .*{says}"):
        put_on(torch.nn.Conv2d(2, 4, 3, **odd), hp_adc_65nm)


def test_scales_of_files_of_the_first_edition_load_under_their_old_names():
    for chip, old in ((hp_adc_65nm, "adc_step"), (adc_less_65nm, "alpha")):
        net = torch.nn.Sequential(torch.nn.Linear(70, 3))
        put_on(net, chip)
        saved = {name: 2 * t for name, t in net.state_dict().items()}
        saved[f"0.{old}"] = saved.pop("0.scale")
        net.load_state_dict(saved)
        assert (net[0].scale == 2).all()


def test_a_network_on_a_chip_survives_its_file(tmp_path):
    torch.manual_seed(0)
    net = SpikingConvNet(TINY, Chip("filed", rows=16, readout=Ternary(), first_readout=HPADC(6)))
    x = direct(torch.rand(4, 1, 8, 8), 2)
    fit_scales(net, x)
    save_net(net.eval(), tmp_path / "net.safetensors", {})
    again = load_net(tmp_path / "net.safetensors")
    assert again.chip == net.chip and torch.equal(again(x), net(x))


# --- hardware-aware training --------------------------------------------------------------


def test_every_stage_trains_at_a_tiny_scale():
    from dtsnn_lite.data import Split, Splits
    from dtsnn_lite.proofs.stages import STAGES, run_stages, with_flaws
    from dtsnn_lite.training import TrainConfig

    dice = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 3
    images = torch.rand(48, 1, 8, 8, generator=dice)
    images[torch.arange(48), 0, 2 * labels] += 1
    part = Split(images, labels)
    tiny = TrainConfig(phases=((2, 2),), batch=16, lr=0.05)
    stages = {name: replace(stage, training=stage.training and tiny) for name, stage in STAGES.items()}
    torch.manual_seed(0)
    nets = run_stages(SpikingConvNet(TINY), 0, Splits(part, part, part), stages, timesteps=2)
    assert list(nets) == ["full", *STAGES]
    assert nets["full"].chip is None and isinstance(nets["adc-less"].chip.readout, SenseAmp)
    x = direct(images, 2)
    for name, net in nets.items():
        assert torch.isfinite(net(x)).all(), name
    flawed = with_flaws(nets["4-bit"], Flaws(variation=0.5))
    assert not torch.equal(flawed.first_current(images), nets["4-bit"].first_current(images))
