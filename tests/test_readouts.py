"""The read-outs' kernels: their gradients by hand, a sixth of one's own all the way, and an unknown one refused."""

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from dtsnn_lite.checkpoints import chip_fields, chip_of, load_net, save_net
from dtsnn_lite.chip import HPADC, SARADC, Chip, Ideal, Parts65nm, Readout, SenseAmp, Ternary, adc_less_65nm, at_zero, readouts
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.crossbar import Arrays, fast_matmul, lsq, matmul, partial_sums, program, read
from dtsnn_lite.crossbar_layers import crossbars, fit_scales, put_on
from dtsnn_lite.encoding import direct
from dtsnn_lite.mapping import place
from dtsnn_lite.models import ConvConfig, SpikingConvNet, layer_shapes
from dtsnn_lite.networks import conv
from dtsnn_lite.readouts import ColumnSteps, Kernel, Stochastic, kernel_of
from dtsnn_lite.widgets.crossbar_explorer import read_tile

TINY = ConvConfig((1, 8, 8), ((4,), (6,)), classes=3)


@dataclass(frozen=True)
class Soft(Readout, Kernel):
    """A read-out that saturates softly: scale tanh(ps / scale), one scale a tile."""

    name, bits, comparators = "soft", 3, 6
    reach: float = 2.0

    def __call__(self, ps, scale):
        return scale * torch.tanh(ps / scale)

    def fitted(self, ps, gain=1.0, whole=True):
        return self.reach * ps.abs().mean().clamp(min=0.5)


@dataclass(frozen=True)
class SoftColumns(Soft):
    """The same with a learned scale a column."""

    a_scale_a_column = True

    def fitted(self, ps, gain=1.0, whole=True):
        return gain * self.reach * ps.abs().mean(0).clamp(min=0.5)


@dataclass(frozen=True)
class Unheard(Readout):
    """A circuit with a price, and no arithmetic."""

    name, bits, comparators = "unheard of", 3, 6


# --- gradients, by hand ---------------------------------------------------------------


def both_ways(readout, column, scale):
    """d y / d ps of partial sums: as `matmul` (autograd) and as `read` (written by hand) have it."""
    found = []
    for product in (matmul, read):
        x = torch.tensor(column)[:, None].requires_grad_()
        arrays = Arrays(torch.ones(1, 1), torch.ones(1), rows=1)            # one cell: its column's sum is its input
        scales = torch.full((1, 1) if readout.a_scale_a_column else (1,), scale)
        product(x, arrays, readout, scales).sum().backward()
        found.append(x.grad.flatten().tolist())
    return found


ENDS = [(HPADC(3), [-4.01, -4.0, 0.3, 3.0, 3.01], [0, 1, 1, 1, 0]), (SARADC(2), [-2.01, -2.0, 0.0, 1.0, 1.01], [0, 1, 1, 1, 0]),
        (Ternary(), [-1.01, -1.0, 0.2, 1.0, 1.01], [0, 1, 1, 1, 0]), (at_zero, [-2.01, -2.0, 0.2, 2.0, 2.01], [0, 1, 1, 1, 0]),
        (ColumnSteps(3), [-4.01, -4.0, 0.3, 3.0, 3.01], [0, 1, 1, 1, 0]),
        (Ideal(), [-9.0, 9.0], [1, 1])]


@pytest.mark.parametrize("readout, column, passes", ENDS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("ends", ["as installed", "as another torch has them"])
def test_the_ends_of_a_range_pass_the_whole_gradient_and_beyond_them_none_does(readout, column, passes, ends, monkeypatch):
    if ends != "as installed":                  # clamp's own gradient at its ends changed between versions of torch
        clamp = torch.Tensor.clamp
        monkeypatch.setattr(torch.Tensor, "clamp", lambda v, *at, **named: clamp(v.detach(), *at, **named))
    assert both_ways(readout, column, 1.0) == [passes, passes]
    if readout != Ideal():
        assert both_ways(readout, [2.5 * ps for ps in column], 2.5) == [passes, passes]


@pytest.mark.parametrize("readout, scale, low, high", [
    (SenseAmp(), 1.5, 0.5 - 2 * 1.5, 0.5 + 2 * 1.5), (SenseAmp(-1.0), 1.5, -1 - 2 * 1.5, -1 + 2 * 1.5),
    (HPADC(3), 2.0, 0.5 - 4 * 2, 0.5 + 3 * 2), (HPADC(3), 4.0, 0.5 - 4 * 4, 0.5 + 3 * 4)], ids=str)
def test_a_gradients_range_lies_around_the_reference_or_the_middle_of_code_zero(readout, scale, low, high):
    assert both_ways(readout, [low - 0.01, low + 0.01, high - 0.01, high + 0.01], scale) == [[0, 1, 1, 0]] * 2


def test_a_weight_at_the_end_of_its_range_learns_and_one_beyond_does_not(monkeypatch):
    clamp = torch.Tensor.clamp
    monkeypatch.setattr(torch.Tensor, "clamp", lambda v, *at, **named: clamp(v.detach(), *at, **named))
    w = torch.tensor([-7.1, -7.0, 3.2, 7.0, 7.1], requires_grad=True)
    lsq(w, torch.tensor(1.0), 4).sum().backward()
    assert w.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("readout", [at_zero, SenseAmp(), Ternary(), ColumnSteps(2)], ids=str)
def test_a_learned_scale_has_the_gradient_of_what_it_multiplies(readout):
    x, scales = torch.tensor([[-3.0], [0.5], [1.5]]), torch.full((1, 1), 2.0, requires_grad=True)
    by_hand = {at_zero: -1 + 1 + 1,                             # the signs
               SenseAmp(): -1 - 1 + 1,                          # half a cell is not above half a cell
               Ternary(): -1 + (0 - 0.25) + (1 - 0.75),         # code - v inside, the code beyond
               ColumnSteps(2): (-2 + 1.5) + (0 - 0.25) + (1 - 0.75)}[readout]
    for product in (matmul, read):
        scales.grad = None
        product(x, Arrays(torch.ones(1, 1), torch.ones(1), rows=1), readout, scales).sum().backward()
        assert scales.grad.item() == pytest.approx(by_hand)


@pytest.mark.parametrize("readout", [Stochastic(), ColumnSteps(1), ColumnSteps(3), Ternary()], ids=str)
def test_what_is_written_by_hand_is_what_follows_from_the_conversion_alone(readout):
    dice = torch.Generator().manual_seed(2)
    kernel, ps, g = kernel_of(readout), 4 * torch.randn(300, 5, generator=dice), torch.randn(300, 5, generator=dice)
    scale, begun = 0.5 + torch.rand(5, generator=dice), torch.randn(300, 5, generator=dice)
    dscale, wanted_dscale, total, wanted_total = torch.zeros(5), torch.zeros(5), begun.clone(), begun.clone()
    dps, wanted_dps = kernel.through(ps.clone(), g, scale, dscale), Kernel.through(kernel, ps.clone(), g, scale, wanted_dscale)
    torch.testing.assert_close(dps, wanted_dps)
    torch.testing.assert_close(dscale, wanted_dscale, rtol=1e-4, atol=1e-4)
    for adds, to in ((kernel.add_to, total), (partial(Kernel.add_to, kernel), wanted_total)):
        torch.manual_seed(3)                                     # of coins: the same ones
        adds(to, ps.clone(), scale)
    torch.testing.assert_close(total, wanted_total)


def test_a_coin_has_the_gradients_of_its_mean_whichever_side_it_fell_on():
    ps, scales = 2 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([[0.7, 1.0, 2.5]])
    found = []
    for product in (matmul, read, matmul):
        x, own = ps.clone().requires_grad_(), scales.clone().requires_grad_()
        product(x, Arrays(torch.eye(3), torch.ones(1), rows=3), Stochastic(), own).sum().backward()
        found.append((x.grad, own.grad))
    x, own = ps.clone().requires_grad_(), scales.clone().requires_grad_()
    (own * torch.tanh(x / own)).sum().backward()
    for dx, dscale in found:
        torch.testing.assert_close(dx, x.grad)
        torch.testing.assert_close(dscale, own.grad)


@pytest.mark.parametrize("step", [1.0, 2.0, 4.0, 8.0, 3.0])
def test_a_converters_thresholds_lie_between_whole_sums_and_its_codes_in_their_middle(step):
    sums = torch.arange(-60.0, 61.0)
    converter = kernel_of(HPADC(8))
    codes = converter(sums, torch.tensor(step))
    for shake in (-0.49, 0.49):                                  # of half a cell: no whole sum is near a threshold
        assert torch.equal(converter(sums + shake, torch.tensor(step)), codes)
    for code in codes[(sums > -50) & (sums < 50)].unique():
        assert sums[codes == code].mean() == code and len(sums[codes == code]) == step


@pytest.mark.parametrize("bits, step", [(5, 1.0), (4, 2.0), (3, 4.0), (6, 0.5), (4, 3.0)])
def test_off_ties_a_converter_is_crosssims(bits, step):
    quantizer = pytest.importorskip("simulator.circuits.adc.quantizer_adc", reason="CrossSim is not installed")
    quantizer.ComputeBackend(use_gpu=False)
    theirs, (low, high), middle = object.__new__(quantizer.QuantizerADC), HPADC(bits).codes, 0.5 * (step % 2 == 0)
    theirs.bits, theirs.levels, theirs.adc_params = bits, 2 ** bits, SimpleNamespace(stochastic_rounding=False)
    theirs.min, theirs.max = low * step + middle, high * step + middle              # the limits its user would set: between whole sums
    theirs.range = theirs.max - theirs.min
    whole, between = torch.arange(-80.0, 81.0), 40 * torch.randn(1000, generator=torch.Generator().manual_seed(0))
    for sums in (whole, between):
        off_ties = (((sums - middle) / step + 0.5).remainder(1) - 0.5).abs() < 0.499999
        assert torch.allclose(kernel_of(HPADC(bits))(sums, torch.tensor(step))[off_ties],
                              torch.tensor(theirs.convert(sums.double().numpy().copy()))[off_ties].float(), atol=1e-5)


@pytest.mark.parametrize("bits, step, half_up, between", [(6, 2.0, 0.3, 0.1), (6, 4.0, 0.3, 0.2)])
def test_rounding_half_up_is_biased_where_sums_are_whole_and_the_middle_of_a_code_is_not(bits, step, half_up, between):
    dice = torch.Generator().manual_seed(0)
    x, q = (torch.rand(300, 1152, generator=dice) < 0.5).float(), torch.randint(-7, 8, (1152, 16), generator=dice).float()
    arrays = program(q, Chip("128 rows", rows=128, readout=HPADC(bits)))
    exact, sums = x @ q, partial_sums(x, arrays)
    low, high = HPADC(bits).codes
    up = sum(((sums / step + 0.5).floor().clamp(low, high) * step).sum(0)[:, 16 * k:16 * k + 16] * 2 ** k for k in range(3))
    ours = matmul(x, arrays, HPADC(bits), torch.full((9,), step))
    size = exact.square().mean().sqrt()
    bias = lambda y: (y - exact).mean().abs() / size
    assert (up - exact).square().mean().sqrt() / size > half_up > between > (ours - exact).square().mean().sqrt() / size
    assert bias(ours) < 0.1 * bias(up)


def test_a_converter_of_few_bits_finds_steps_up_to_two_thousand():
    sums = 2048.0 * torch.arange(-4, 4)
    assert kernel_of(HPADC(3)).fitted(sums).item() == 2048


def test_a_step_below_one_is_for_sums_that_are_not_whole():
    sums, converter = 2.0 ** -10 * torch.arange(-4, 4), kernel_of(HPADC(3))
    assert (converter.fitted(sums).item(), converter.fitted(sums, whole=False).item()) == (1, 2.0 ** -10)
    assert converter.fitted(sums / 4, whole=False).item() == 2.0 ** -12


@pytest.mark.parametrize("readout", [SenseAmp(), Ternary()], ids=str)
def test_a_columns_first_scale_is_its_mean_size_and_never_nothing(readout):
    ps = torch.tensor([[-3.0, 0.0], [1.0, 0.0]])                # the second column is always empty
    assert kernel_of(readout).fitted(ps).tolist() == pytest.approx([(3 + 1) / 2, 1e-3])
    assert kernel_of(readout).fitted(ps, gain=2.0).tolist() == pytest.approx([3 + 1, 1e-3])


def test_codes_and_names_are_the_bits():
    assert HPADC(4).codes == SARADC(4).codes == (-8, 7)
    assert (HPADC(4).name, HPADC(4).comparators, SARADC(4).comparators, SenseAmp().bits, Ternary().bits) == ("4-bit ADC", 15, 1, 1, 2)
    assert {"Ideal", "HPADC", "SARADC", "SenseAmp", "Ternary"} <= set(readouts()) and "Converter" not in readouts()


# --- a sixth one, all the way ------------------------------------------------------------


@pytest.mark.parametrize("readout", [Soft(), Soft(reach=3.0), SoftColumns()], ids=str)
def test_a_read_out_of_ones_own_is_put_on_run_trained_billed_saved_and_loaded(readout, tmp_path):
    torch.manual_seed(0)
    net = SpikingConvNet(TINY)
    net.move_to(Chip("own", rows=16, readout=readout, first_readout=HPADC(6), charges=Parts65nm(), scales=True))
    x = direct(torch.rand(4, 1, 8, 8), 2)
    fit_scales(net, x)
    layer = crossbars(net)[1]
    assert layer.scale.shape == ((3 * 3 * 6,) if readout.a_scale_a_column else (3,))       # 36 rows in 3 tiles, 3 planes of 6
    assert (layer.scale > 0.5).any()

    net(x).sum().backward()
    assert layer.weight.grad.abs().sum() > 0
    assert isinstance(layer.scale, torch.nn.Parameter) == readout.a_scale_a_column
    if readout.a_scale_a_column:
        assert layer.scale.grad.abs().sum() > 0

    step = timestep_cost(layer_shapes(net), replace(net.chip, gated=False))                # every read happens
    scaled = sum(place(shape, net.chip).conversions for shape in layer_shapes(net)[1:])
    a_scale = Parts65nm().scale_fetch.value + Parts65nm().scale_bits.value * Parts65nm().bit_add.value
    assert step.parts["converters"] > 0
    assert step.parts["scale factors"] == pytest.approx(a_scale * scaled * readout.a_scale_a_column)

    save_net(net.eval(), tmp_path / "net.safetensors", {})
    again = load_net(tmp_path / "net.safetensors")
    assert again.chip == net.chip and torch.equal(again(x), net(x))


@pytest.mark.parametrize("readout", [Soft(), SoftColumns()], ids=str)
def test_what_a_kernel_leaves_unsaid_follows_from_its_conversion(readout, monkeypatch):
    monkeypatch.setattr("dtsnn_lite.crossbar.has_byte_product", lambda: True)
    dice = torch.Generator().manual_seed(1)
    x, q = (torch.rand(9, 40, generator=dice) < 0.4).float(), torch.randint(-7, 8, (40, 5), generator=dice).float()
    tiles, scale = program(q, Chip("own", rows=16, readout=readout)), 1.5
    scales = torch.full((3, 15) if readout.a_scale_a_column else (3,), scale)
    by_hand = sum(plane_value * scale * torch.tanh(x[:, rows] @ tiles.planes[rows, 5 * k:5 * k + 5] / scale)
                  for rows in (slice(0, 16), slice(16, 32), slice(32, 40)) for k, plane_value in enumerate((1, 2, 4)))
    for fed in (x, x.to(torch.int8)):
        assert torch.allclose(fast_matmul(fed, tiles, readout, scales), by_hand, atol=1e-4)
    grads = []
    for product in (matmul, read):
        weights, own = q.clone().requires_grad_(), scales.clone().requires_grad_()
        product(x, program(weights, Chip("own", rows=16, readout=readout)), readout, own).square().sum().backward()
        grads.append((weights.grad, own.grad))
    for autograd, ours in zip(*grads, strict=True):
        assert torch.allclose(autograd, ours, rtol=1e-4, atol=1e-3)


def test_the_price_of_a_read_out_of_ones_own_grows_with_its_comparators_as_that_of_others_does():
    shapes = [conv("a", 8, 4, 6)]
    one, two, six = (timestep_cost(shapes, replace(adc_less_65nm, readout=readout)).parts["converters"]
                     for readout in (SenseAmp(), Ternary(), Soft()))
    assert six - two == pytest.approx((6 - 2) * (two - one))


# --- an unknown one ----------------------------------------------------------------------


def test_a_read_out_without_arithmetic_is_refused_by_name_before_anything_moves():
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Linear(4, 2))
    for chip in (Chip("any", readout=Unheard()), Chip("any", first_readout=Unheard())):
        with pytest.raises(TypeError, match="what Unheard makes of a current"):
            put_on(net, chip)
        assert [type(layer) for layer in net] == [torch.nn.Linear] * 2
    arrays, x = program(torch.ones(6, 4), Chip("any")), torch.ones(2, 6)
    for product in (matmul, fast_matmul, read):
        with pytest.raises(TypeError, match="what Unheard makes of a current"):
            product(x, arrays, Unheard(), torch.ones(1))
    with pytest.raises(TypeError, match="what Unheard makes of a sum"):
        read_tile(torch.ones(1, 1, 1).numpy(), Unheard())


def test_a_read_out_that_was_never_defined_is_refused_by_name_when_its_file_is_loaded():
    saved = chip_fields(Chip("any", readout=Soft()))
    assert chip_of(saved).readout == Soft()
    with pytest.raises(ValueError, match="nobody knows the read-out Abacus: known are .*HPADC"):
        chip_of({**saved, "readout": {"kind": "Abacus"}})
    with pytest.raises(ValueError, match="nobody knows the price list Barter: known are .*PECycle"):
        chip_of({**saved, "charges": "Barter"})


def test_a_read_out_says_what_it_costs_or_does_not_exist():
    class Free(Readout):
        name = "free"

    with pytest.raises(TypeError, match="abstract.*bits.*comparators"):
        Free()
    with pytest.raises(ValueError, match="an ideal read-out has no price"):
        timestep_cost([conv("a", 8, 4, 6)], replace(adc_less_65nm, readout=Ideal()))
