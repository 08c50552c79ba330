"""Two nets that run step by step and over a sequence, with the same numbers."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import max_pool2d

from dtsnn_lite.chip import LayerShape
from dtsnn_lite.encoding import Rate, direct
from dtsnn_lite.models import (DIGITS, RESNET19, VGG16, ConvConfig, ResNetConfig, SpikingConvNet, SpikingResNet, build,
                               layer_shapes, over_time)
from dtsnn_lite.neurons import LIF, lif_loop

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
    for a, b in zip(*gradients):
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
    for s, u in zip(spikes, state):
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
    assert all(torch.equal(a, b) for a, b in zip(spikes, expected))
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


def test_build_makes_the_net_of_its_configuration():
    assert isinstance(build(SMALL_CONV), SpikingConvNet)
    assert isinstance(build(SMALL_RES), SpikingResNet)
    with pytest.raises(TypeError, match="config is a ConvConfig or a ResNetConfig; got dict"):
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
