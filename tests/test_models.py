"""Two nets that run step by step and over a sequence, with the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from dtsnn_lite.checkpoints import save_net
from dtsnn_lite.chip import LayerShape, hp_adc_65nm
from dtsnn_lite.conversion import AnnConfig
from dtsnn_lite.crossbar_layers import CrossbarConv2d, CrossbarLinear
from dtsnn_lite.data import Split
from dtsnn_lite.encoding import Rate, direct
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.inference import dynamic_inference, folded, record
from dtsnn_lite.mapping import place, unpadded_positions
from dtsnn_lite.models import (DIGITS, RESNET19, VGG16, ConvConfig, ResNetConfig, SpikingConvNet, SpikingNet, SpikingResNet, State, build,
                               compiling, evaluating, layer_shapes, over_time)
from dtsnn_lite.neurons import LIF, lif_loop
from dtsnn_lite.training import TrainConfig, fit

LOW = LIF(beta=0.6, v_th=0.4)          # random nets hardly fire at v_th = 1
SMALL_CONV = ConvConfig((2, 8, 8), ((4, 5), (6,)), 3, LOW)
SMALL_RES = ResNetConfig((2, 8, 8), ((4, 2), (6, 1)), 3, LOW)
SMALL_CURRENTS = replace(SMALL_CONV, pooled="currents")
BOTH = pytest.mark.parametrize("config", [SMALL_CONV, SMALL_CURRENTS, SMALL_RES], ids=["conv", "currents", "resnet"])


def a_net(config, seed: int = 0):
    torch.manual_seed(seed)
    net = build(config).eval()
    for module in net.modules():       # batch-norm statistics as after some training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.1, 0.5)
    return net


def images(n: int = 5, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


# --- two ways agree ------------------------------------------------------------------------

@BOTH
@pytest.mark.parametrize("code", [direct, Rate()])
def test_stepping_a_net_is_running_its_sequence(config, code):
    net, x = a_net(config), code(images(), 4)
    with torch.no_grad():
        whole, state, steps = net(x), None, []
        for x_t in x:
            logits, state = net.step(x_t, state)
            steps.append(logits)
    assert whole.shape == (4, 5, 3)
    assert whole.std(dim=0).min() > 0                       # the images differ
    torch.testing.assert_close(torch.stack(steps), whole)


@BOTH
def test_a_constant_first_layer_run_once_is_the_first_layer_run_every_step(config):
    net, x = a_net(config), direct(images(), 4)
    with torch.no_grad():
        torch.testing.assert_close(net(x), net(x.contiguous()))


@BOTH
def test_a_constant_first_layer_really_runs_once(config):
    net, calls = a_net(config), []
    first = next(m for m in net.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_hook(lambda layer, x, y: calls.append(len(x[0])))
    net(direct(images(), 4))
    assert calls == [5]
    net(direct(images(), 4).contiguous())
    assert calls == [5, 5 * 4]


@BOTH
def test_constant_input_gives_the_same_gradients_as_repeated_input(config):
    net, x, z = a_net(config), direct(images(), 3), torch.tensor([0, 1, 2, 0, 1])
    gradients = []
    for inputs in (x, x.contiguous()):
        net.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs).mean(0), z).backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert all(g.abs().sum() > 0 for g in gradients[0])     # every weight learns


@BOTH
def test_an_image_does_not_see_its_neighbours_in_the_batch(config):
    net, x = a_net(config), images()
    with torch.no_grad():
        together = net(direct(x, 3))
        for n in range(len(x)):
            torch.testing.assert_close(net(direct(x[n:n + 1], 3))[:, 0], together[:, n])


@BOTH
def test_channels_last_changes_nothing(config):
    net, x = a_net(config), direct(images(), 3)
    with torch.no_grad():
        plain = net(x)
        net = net.to(memory_format=torch.channels_last)
        torch.testing.assert_close(net(direct(images().contiguous(memory_format=torch.channels_last), 3)), plain)


@BOTH
def test_no_module_keeps_anything_between_calls(config):
    net, x = a_net(config), direct(images(), 3)
    with torch.no_grad():
        first = net(x)
        net.step(images(2, seed=9))
        assert torch.equal(net(x), first)


@BOTH
def test_every_layer_reports_its_spikes_as_bits(config):
    net = a_net(config)
    with torch.no_grad():
        _, spikes, state = net.advance(direct(images(), 3), net.empty_state())
    assert len(spikes) == len(state) == net.layers
    for s, u in zip(spikes, state, strict=True):
        assert s.shape == (3, *u.shape)
        assert set(s.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("pooled", ["spikes", "currents"])
def test_a_max_pool_stands_after_the_neurons_or_before_them(pooled):
    config = replace(SMALL_CONV, pooled=pooled)
    net, x = a_net(config), direct(images(20), 4)
    flat, expected = x.flatten(0, 1), []
    for layer, current in enumerate(net.currents):
        last = layer in (1, 2)                              # of its stage
        i = current(flat)
        i = max_pool2d(i, 2) if last and pooled == "currents" else i
        s, _ = lif_loop(i.unflatten(0, (4, 20)), LOW)
        expected.append(s)
        flat = max_pool2d(s.flatten(0, 1), 2) if last and pooled == "spikes" else s.flatten(0, 1)
    with torch.no_grad():
        logits, spikes, state = net.advance(x, net.empty_state())
    torch.testing.assert_close(logits, net.head(flat.flatten(1)).unflatten(0, (4, 20)))
    assert all(torch.equal(a, b) for a, b in zip(spikes, expected, strict=True))
    assert [tuple(u.shape[-2:]) for u in state] == {"spikes": [(8, 8), (8, 8), (4, 4)], "currents": [(8, 8), (4, 4), (2, 2)]}[pooled]


def test_pooling_currents_or_spikes_is_one_ann_and_one_first_step_but_two_spiking_networks():
    late, early, x = a_net(SMALL_CONV), a_net(SMALL_CURRENTS), images(20)
    with torch.no_grad():
        assert torch.equal(late.as_ann(x), early.as_ann(x))
        a, b = late(direct(x, 4)), early(direct(x, 4))
    assert torch.equal(a[0], b[0]) and not torch.allclose(a[1:], b[1:])


def test_pools_see_spikes_or_currents_and_nothing_else():
    with pytest.raises(ValueError, match="pooled is 'spikes' or 'currents'; got 'average'"):
        ConvConfig(pooled="average")


# --- the smallest network that SpikingNet's docstring describes -------------------------------

class Smallest(SpikingNet):
    """One spiking layer."""

    def __init__(self) -> None:
        super().__init__()
        self.in_shape, self.layers = (1, 4, 4), 1
        self.look = nn.Conv2d(1, 3, 3, padding=1)
        self.head = nn.Linear(3 * 4 * 4, 2)

    def first_current(self, x: torch.Tensor) -> torch.Tensor:
        return self.look(4 * x)

    def advance_from(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, list[torch.Tensor], State]:
        s, u = self.fire(current, state[0])
        return self.head(s.flatten(2)), [s], (u,)


def some(n: int = 20) -> Split:
    """Images whose upper or lower half is brighter."""
    labels = (torch.arange(n) % 2).int()
    x = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    x[:, :, 2:] *= labels[:, None, None, None].float()
    return Split(x, labels)


def assert_it_stops(net: SpikingNet) -> None:
    seen = record(net, *vars(some()).values(), 4)
    policy = EntropyExit(0.5)
    live, played = dynamic_inference(net, *vars(some()).values(), policy, 4, batch=3), replay(seen, policy)
    assert np.array_equal(live.t_hat, played.t_hat) and np.array_equal(live.predictions, played.predictions)
    assert seen.spike_rates.shape == (4, 1) and seen.spike_rates.mean() > 0


def test_the_smallest_network_is_recorded_and_really_stops():
    net = Smallest()
    assert_it_stops(net)
    x = direct(some().images, 3)
    logits, state = net.step(x[0])
    for x_t in x[1:]:
        logits, state = net.step(x_t, state)
    torch.testing.assert_close(logits, net(x)[-1])


def test_the_smallest_network_learns_also_as_an_ann():
    net, split = Smallest(), some(100)
    history = fit(net, split, TrainConfig(phases=((0, 4), (2, 6)), batch=10), validation=split, progress=False)
    assert history.accuracy[-1] > 0.9


def test_the_smallest_network_is_billed_and_moves_onto_a_chip():
    net = Smallest()
    assert layer_shapes(net) == (LayerShape("look", 1, 3, 3, 4, 4, 4, 4), LayerShape("head", 48, 2))
    net.move_to(hp_adc_65nm)
    assert isinstance(net.look, CrossbarConv2d) and isinstance(net.head, CrossbarLinear)
    assert_it_stops(net)


def test_the_smallest_network_is_folded_and_not_saved(tmp_path):
    net = Smallest()
    assert_it_stops(folded(net))
    with pytest.raises(ValueError, match="a Smallest has no configuration"):
        save_net(net, tmp_path / "net.safetensors", {})
    net.config = DIGITS
    with pytest.raises(ValueError, match="not the one that its configuration describes"):
        save_net(net, tmp_path / "net.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_a_network_without_the_two_methods_cannot_be_made():
    class Nothing(SpikingNet):
        pass

    with pytest.raises(TypeError, match="advance_from.*first_current"):
        Nothing()


# --- what they are ----------------------------------------------------------------------------

def test_the_digits_net_has_about_30_thousand_weights():
    assert sum(p.numel() for p in build(DIGITS).parameters()) == (
        9 * 16 + 9 * 16 * 32 + 9 * 32 * 64 + 2 * (16 + 32 + 64) + 64 * 3 * 3 * 10 + 10)


def test_layer_shapes_by_hand():
    shapes = layer_shapes(build(SMALL_CONV))
    assert shapes == (
        LayerShape("currents.0.0", 2, 4, 3, 8, 8, 8, 8), LayerShape("currents.1.0", 4, 5, 3, 8, 8, 8, 8),
        LayerShape("currents.2.0", 5, 6, 3, 4, 4, 4, 4), LayerShape("head", 6 * 2 * 2, 3))


def test_vgg16_is_the_papers_13_convolutions_and_one_linear_layer():
    shapes = layer_shapes(build(VGG16))
    assert [s.out_channels for s in shapes] == [64, 64, 128, 128, *[256] * 3, *[512] * 6, 10]
    assert [s.out_height for s in shapes[:-1]] == [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]


def test_resnet19_is_the_papers_17_convolutions_and_two_shortcuts():
    shapes = layer_shapes(build(RESNET19))
    wide = [s for s in shapes if s.kernel == 3]
    assert [s.out_channels for s in wide] == [128] * 7 + [256] * 6 + [512] * 4
    assert [s.in_channels for s in shapes if s.kernel == 1] == [128, 256, 512]        # two shortcuts and the head


def test_asking_for_layer_shapes_leaves_the_net_as_it_was():
    net = build(SMALL_RES).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    layer_shapes(net)
    assert net.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize("fails", [True, False])
def test_asking_for_layer_shapes_leaves_no_hook_and_every_mode_even_if_the_net_fails(monkeypatch, fails):
    net = build(SMALL_CONV).train()
    net.currents[1].eval()
    modes = [m.training for m in net.modules()]
    if fails:
        monkeypatch.setattr(net, "fire", lambda current, u: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            layer_shapes(net)
    else:
        layer_shapes(net)
    assert [m.training for m in net.modules()] == modes and len(set(modes)) == 2
    assert not any(m._forward_hooks for m in net.modules())


def test_evaluating_ends_with_its_block():
    net = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with pytest.raises(ZeroDivisionError), evaluating(net):
        assert not any(m.training for m in net.modules())
        raise ZeroDivisionError
    assert [m.training for m in net] == [True, False]


def test_compiling_ends_with_its_block():
    net = build(SMALL_CONV)
    with pytest.raises(ZeroDivisionError), compiling(net):
        assert net.compiled
        raise ZeroDivisionError
    assert not net.compiled
    with compiling(net, False):
        assert not net.compiled


def test_an_ann_is_asked_for_nothing_that_stays():
    net, x = a_net(SMALL_CONV), images()
    before = vars(net).copy()
    with torch.no_grad():
        spiking = net(direct(x, 2))
        assert net.as_ann(x).shape == (1, 5, 3) and vars(net) == before
        with pytest.raises(ValueError, match="input is"):
            net.as_ann(x[:, :, :7])
        assert torch.equal(net(direct(x, 2)), spiking)


# --- what the mapper would bill wrongly, or not at all ------------------------------------------

class Odd(Smallest):
    """The smallest network with another layer in front."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.odd = nn.Sequential(*layers)

    def first_current(self, x: torch.Tensor) -> torch.Tensor:
        return self.look(self.odd(x))


@pytest.mark.parametrize("layer", [nn.Conv2d(1, 1, (3, 1), padding=(1, 0)), nn.Conv2d(1, 1, 3, padding=2, dilation=2),
                                   nn.Conv2d(1, 1, 3, padding=1, stride=(1, 2))])
def test_a_convolution_that_is_not_square_and_plain_is_refused_by_name(layer):
    with pytest.raises(ValueError, match="odd.0 cannot be billed: a bill knows convolutions of a square kernel"):
        layer_shapes(Odd(layer))


def test_grouped_convolutions_are_refused_by_name():
    net = Smallest()
    for groups in (3, 1):
        net.look = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1, groups=groups))
        if groups == 3:
            with pytest.raises(ValueError, match="look.1 cannot be billed: .* groups=3"):
                layer_shapes(net)
    assert [s.rows for s in layer_shapes(net)] == [9, 27, 48]


@pytest.mark.parametrize("layer, kind", [(nn.ConvTranspose2d(1, 1, 3, padding=1), "ConvTranspose2d"), (nn.Conv1d(4, 4, 1), "Conv1d"),
                                         (nn.LSTM(4, 4), "LSTM"), (nn.Bilinear(4, 4, 4), "Bilinear")])
def test_weights_that_the_mapper_does_not_know_are_refused_by_name(layer, kind):
    with pytest.raises(ValueError, match=f"odd.0 cannot be billed: the weights of a {kind} lie on no crossbar"):
        layer_shapes(Odd(layer))


def test_a_matrix_of_the_networks_own_is_refused():
    net = Smallest()
    net.extra = nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match="the network itself cannot be billed: the weights of a Smallest"):
        layer_shapes(net)


@pytest.mark.parametrize("look, out_size, unpadded", [
    (nn.Conv2d(1, 3, 3), 2, 2 * 2),                         # at 0 and 1: no padding, stride 1
    (nn.Conv2d(1, 3, 3, stride=2, padding=1), 2, 1 * 1),    # at -1 and 1, of which 1 lies at 0 without padding
    (nn.Conv2d(1, 3, 2, stride=3), 1, 1 * 1),               # at 0 alone, though 4 / 1 is 4
    (nn.Conv2d(1, 3, 3, padding=2), 6, 2 * 2)])             # more outputs than inputs
def test_the_positions_of_a_convolution_are_counted_with_its_own_stride(look, out_size, unpadded):
    net = Smallest()
    net.look = look
    net.head = nn.Linear(3 * out_size ** 2, 2)
    shape, _ = layer_shapes(net)
    assert (shape.positions, unpadded_positions(shape)) == (out_size ** 2, unpadded)
    assert (place(shape, hp_adc_65nm, padded=True).positions, place(shape, hp_adc_65nm).positions) == (out_size ** 2, unpadded)


def test_a_layer_that_runs_twice_is_billed_twice():
    shared = nn.Conv2d(1, 1, 3, padding=1)
    assert [s.name for s in layer_shapes(Odd(shared, shared))] == ["odd.0", "odd.0", "look", "head"]


def test_a_linear_layer_over_positions_is_read_once_for_each():
    shapes = layer_shapes(Odd(nn.Linear(4, 4)))         # each of the 4 rows of the image
    assert (shapes[0].rows, shapes[0].positions, shapes[0].macs) == (4, 4, 4 * 4 * 4)


def test_norms_and_other_vectors_cost_no_crossbar():
    assert len(layer_shapes(Odd(nn.BatchNorm2d(1), nn.PReLU(1)))) == 2


def test_build_makes_the_net_of_its_configuration():
    assert isinstance(build(SMALL_CONV), SpikingConvNet)
    assert isinstance(build(SMALL_RES), SpikingResNet)
    with pytest.raises(TypeError, match="config is a ConvConfig, a ResNetConfig or a FlowConfig; got dict"):
        build({})


def test_over_time_of_a_constant_is_one_call_seen_T_times():
    x = direct(images(), 4)
    y = over_time(torch.nn.Identity(), x)
    assert y.stride(0) == 0 and torch.equal(y, x)


# --- bad input -----------------------------------------------------------------------------------

@BOTH
@pytest.mark.parametrize("shape", [(2, 8, 8), (5, 2, 8, 8), (3, 5, 1, 8, 8), (3, 5, 2, 9, 8), (0, 5, 2, 8, 8), (3, 0, 2, 8, 8)])
def test_an_input_of_another_shape_is_refused(config, shape):
    with pytest.raises(ValueError, match=r"input is \(T, B, 2, 8, 8\); got .*encoding.direct"):
        build(config)(torch.zeros(shape))


@BOTH
def test_bytes_are_refused(config):
    with pytest.raises(TypeError, match="input is floating point as the weights are, torch.float32; got torch.uint8"):
        build(config)(torch.zeros(3, 1, 2, 8, 8, dtype=torch.uint8))


@BOTH
def test_the_state_of_another_net_or_batch_is_refused(config):
    net = build(config).eval()
    _, state = net.step(images(5))
    with pytest.raises(ValueError, match=f"one membrane potential a spiking layer, {net.layers}; got {net.layers - 1}"):
        net.step(images(5), state[:-1])
    with pytest.raises(ValueError, match="u is .* as one timestep of i; got"):
        net.step(images(4), state)


def test_more_pooling_than_pixels_is_refused():
    with pytest.raises(ValueError, match=r"3 stages halve \(4, 4\) images below one pixel"):
        ConvConfig((1, 4, 4), ((2,), (2,), (2,)))
    with pytest.raises(ValueError, match=r"3 stages halve \(4, 4\) images below one pixel"):
        AnnConfig((1, 4, 4), ((2,), (2,), (2,)))


def test_a_residual_network_of_a_map_that_does_not_halve_is_refused():
    """The branch would round an odd side up, and the shortcut's average down."""
    with pytest.raises(ValueError, match="3 stages halve the image 2 times, without a rest; got 34 x 34 pixels"):
        ResNetConfig((2, 34, 34), ((4, 1), (6, 1), (8, 1)), 3)
    assert build(ResNetConfig((2, 34, 36), ((4, 1), (6, 1)), 3)).eval()(torch.zeros(1, 1, 2, 34, 36)).shape == (1, 1, 3)


@pytest.mark.parametrize("wrong", [lambda: ConvConfig(stages=()), lambda: ConvConfig(stages=((4,), ())), lambda: ResNetConfig(stages=()),
                                   lambda: ResNetConfig(stages=((4, 0),))])
def test_a_network_without_a_layer_is_refused(wrong):
    with pytest.raises(ValueError, match=r"stages are .*one or more.*; got \("):
        wrong()
