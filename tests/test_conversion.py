"""ANN to SNN: the activation counts spikes, the converted network says so, and bad input is named."""

import copy

import pytest
import torch
from torch import nn

from dtsnn_lite.checkpoints import shipped_ann
from dtsnn_lite.chip import spikesim_rram_64
from dtsnn_lite.conversion import IF, QCFS, U_0, AnnConfig, QuantisedANN, average_pools, convert
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.crossbar_layers import put_on
from dtsnn_lite.data import digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.evidence import calibrate_pair
from dtsnn_lite.exits import ConfidenceExit, EntropyExit, replay
from dtsnn_lite.inference import dynamic_inference, record
from dtsnn_lite.models import layer_shapes
from dtsnn_lite.neurons import lif_loop
from dtsnn_lite.recording import shipped

IN_SHAPE = (2, 8, 8)
SMALL = AnnConfig(IN_SHAPE, stages=((6, 6), (5,)), classes=3, levels=4)


def a_trained_ann(config=SMALL, seed=0) -> nn.Sequential:
    """An ANN whose batch norms have seen data and whose thresholds differ."""
    torch.manual_seed(seed)
    ann = QuantisedANN(config)
    for m in ann:
        if isinstance(m, QCFS):
            m.lam.data = 0.5 + torch.rand(())
    for _ in range(20):
        ann.train()(torch.rand(32, *config.in_shape))
    return ann.eval()


def spikes(current, T):
    """Spike counts of the converted neuron under constant current."""
    s, _ = lif_loop(current.expand(T, *current.shape), IF, torch.full_like(current, U_0))
    return s.sum(dim=0)


# --- the activation -----------------------------------------------------------------

def test_qcfs_by_hand():
    act = QCFS(levels=4, lam=2.0)
    x = torch.tensor([-1.0, 0.0, 0.24, 0.26, 1.1, 1.74, 1.76, 9.0])
    steps = torch.tensor([0, 0, 0, 1, 2, 3, 4, 4])          # floor(2 x + 1/2), at most 4
    torch.testing.assert_close(act(x), steps * 2.0 / 4)


def test_the_gradient_passes_straight_through_the_floor_and_stops_where_it_clips():
    act = QCFS(levels=4, lam=2.0)
    x = torch.tensor([-0.5, 0.3, 1.2, 2.5], requires_grad=True)
    act(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]
    by_clip = 1.0                                            # dy/dlam = 1 where x > lam
    by_floor = sum(((v / 2 * 4 + 0.5) // 1) / 4 - v / 2 for v in (0.3, 1.2))
    assert act.lam.grad.item() == pytest.approx(by_clip + by_floor, abs=1e-5)


@pytest.mark.parametrize("levels", [1, 3, 4, 8])
def test_a_neuron_fires_as_often_as_its_quantised_activation_says(levels):
    lam = 1.7
    x = torch.empty(2000).uniform_(-1, 3, generator=torch.Generator().manual_seed(levels))
    counted = lam * spikes(x / lam, levels) / levels
    torch.testing.assert_close(counted, QCFS(levels, lam)(x).detach())


def test_without_the_half_threshold_at_the_start_the_neuron_rounds_down():
    x = torch.tensor([0.7])
    s, _ = lif_loop(x.expand(4, 1), IF)
    assert s.sum() == 2 and spikes(x, 4) == 3                # 2.8 spikes: down to 2, or to the nearest, 3


# --- the network --------------------------------------------------------------------

def test_the_first_layer_over_l_steps_is_the_ann_layer():
    ann = a_trained_ann()
    net, x = convert(ann, IN_SHAPE), torch.rand(5, *IN_SHAPE)
    _, s, _ = net.advance(direct(x, SMALL.levels), net.empty_state())
    torch.testing.assert_close(s[0].mean(dim=0) * ann[2].lam.detach(), ann[:3](x).detach(), atol=1e-5, rtol=0)


def test_the_weights_swallow_batch_norm_and_thresholds():
    ann = a_trained_ann()
    net, x = convert(ann, IN_SHAPE), torch.rand(3, *IN_SHAPE)
    torch.testing.assert_close(net.first_current(x) * ann[2].lam, ann[:2](x))
    bits = torch.randint(0, 2, (3, 6, 8, 8)).float()
    torch.testing.assert_close(net.currents[1](bits) * ann[5].lam, ann[3:5](bits * ann[2].lam))


def test_with_time_the_network_becomes_the_ann_of_infinitely_many_levels():
    ann = a_trained_ann()
    x = torch.rand(64, *IN_SHAPE)
    seen = record(convert(ann, IN_SHAPE), x, torch.zeros(64, dtype=torch.long), 256)
    for m in ann:
        if isinstance(m, QCFS):
            m.levels = 1_000_000
    gap = [abs(seen.f[t - 1] - ann(x).detach().numpy()).mean() for t in (4, 32, 256)]
    assert gap[0] > 3 * gap[1] and gap[1] > 3 * gap[2]


def test_after_one_step_it_is_the_ann_of_one_level_and_later_uneven_spikes_cost_more_than_few_levels():
    seen, ann = shipped("digits-converted-test"), shipped_ann("digits-ann")
    right = {}
    for levels in (1, 2, 4, 8):
        for m in ann:
            if isinstance(m, QCFS):
                m.levels = levels
        with torch.no_grad():
            says = ann(digits().test.images).argmax(dim=1).numpy()
        right[levels] = (says == seen.labels).mean()
        if levels == 1:
            assert (says == seen.f[0].argmax(axis=1)).mean() > 0.99
    assert right[2] - right[1] > (right[8] - right[1]) / 2
    assert all(right[t] > 0.98 and right[t] - seen.accuracy[t - 1] > 0.02 for t in (4, 8))


def test_the_converted_network_costs_more_than_the_trained_one_though_not_always_twice_as_much():
    def times(converted, trained):
        run = replay(shipped(f"{converted}-test"), calibrate_pair(shipped(f"{converted}-calibration"), EntropyExit, max_drop=0.005))
        return run.mean_timesteps / (1 + int((shipped(f"{trained}-test").accuracy >= run.accuracy).argmax()))
    assert times("digits-converted", "digits") > 2 > times("cifar10-converted", "cifar10-small") > 1.5


def test_a_convolution_keeps_its_padding():
    ann = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), QCFS(), nn.Flatten(), nn.Linear(3 * 64, 2))
    x = torch.rand(2, *IN_SHAPE)
    torch.testing.assert_close(convert(ann, IN_SHAPE).first_current(x) * ann[1].lam, ann[0](x))


def test_conversion_leaves_the_ann_alone():
    ann = a_trained_ann().train()
    before = copy.deepcopy(ann.state_dict())
    convert(ann, IN_SHAPE)
    assert all(torch.equal(v, before[k]) for k, v in ann.state_dict().items())
    assert all(m.training for m in ann.modules())


def test_of_a_frozen_ann_nothing_learns():
    assert not any(p.requires_grad for p in convert(a_trained_ann().requires_grad_(False), IN_SHAPE).parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_converted_network_steps_as_it_runs_a_sequence_in_every_precision(dtype):
    net, x, state, steps = convert(a_trained_ann(), IN_SHAPE).to(dtype), torch.rand(20, *IN_SHAPE).to(dtype), None, []
    with torch.no_grad():
        for _ in range(30):
            logits, state = net.step(x, state)
            steps.append(logits)
        whole = net(direct(x, 30))
    assert torch.equal(torch.stack(steps), whole)


def test_a_converted_network_steps_stops_and_is_billed_like_any_other():
    net = convert(a_trained_ann(), IN_SHAPE)
    x, labels = torch.rand(40, *IN_SHAPE), torch.zeros(40, dtype=torch.long)
    policy = ConfidenceExit(0.5)
    run, again = dynamic_inference(net, x, labels, policy, 8), replay(record(net, x, labels, 8), policy)
    assert (run.t_hat == again.t_hat).all() and (run.predictions == again.predictions).all()
    state = None
    for _ in range(3):
        logits, state = net.step(x, state)
    torch.testing.assert_close(logits, net(direct(x, 3))[-1])
    assert timestep_cost(layer_shapes(net), spikesim_rram_64).step_pj > 0


def test_a_slice_of_an_ann_is_a_part_without_its_configuration():
    ann = a_trained_ann()
    part = ann[:3]
    assert type(part) is nn.Sequential and [*part] == [*ann][:3] and ann[2] is [*ann][2]
    assert ann.config == SMALL


def test_conversion_keeps_the_precision_and_plain_order_of_weights():
    ann = a_trained_ann().double().to(memory_format=torch.channels_last)
    net, x = convert(ann, IN_SHAPE), torch.rand(3, *IN_SHAPE, dtype=torch.float64)
    torch.testing.assert_close(net.first_current(x) * ann[2].lam, ann[:2](x))
    assert all(p.dtype == torch.float64 and p.is_contiguous() for p in net.parameters())


def test_max_pools_become_averages_and_nothing_else_changes():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, stride=1), QCFS())
    changed = average_pools(layers)
    assert changed[0] is layers[0] and changed[2] is layers[2]
    assert isinstance(changed[1], nn.AvgPool2d) and (changed[1].kernel_size, changed[1].stride) == (2, 1)


# --- bad input ------------------------------------------------------------------------

@pytest.mark.parametrize("layers, says", [
    ([nn.Conv2d(1, 2, 3), QCFS(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)], "average_pools makes them"),
    ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)], r"put QCFS\(levels\) in its place"),
    ([nn.Conv2d(1, 2, 3), QCFS(), nn.GELU(), nn.Flatten(), nn.Linear(8, 2)], "GELU cannot be converted"),
    ([nn.Flatten(), nn.Linear(8, 2)], "no QCFS activation"),
    ([nn.Conv2d(1, 2, 3), QCFS(), nn.Conv2d(2, 2, 3)], "ends with a Linear layer"),
    ([nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), QCFS(), nn.Linear(8, 2)], "just before it"),
    ([nn.Linear(4, 4), nn.Linear(4, 4), QCFS(), nn.Linear(4, 2)], "exactly one layer with weights"),
])
def test_an_unsupported_layer_is_named_with_what_to_do(layers, says):
    with pytest.raises(ValueError, match=says):
        convert(nn.Sequential(*layers), (1, 4, 4))


def test_an_ann_on_a_chip_is_refused():
    ann = a_trained_ann()
    put_on(ann, spikesim_rram_64)
    with pytest.raises(ValueError, match="this ANN runs on a chip"):
        convert(ann, IN_SHAPE)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2, track_running_stats=False)])
def test_a_batch_norm_without_numbers_of_its_own_is_refused(norm):
    with pytest.raises(ValueError, match="affine=True and track_running_stats=True"):
        convert(nn.Sequential(nn.Conv2d(1, 2, 3), norm, QCFS(), nn.Flatten(), nn.Linear(8, 2)), (1, 4, 4))


def test_a_threshold_that_training_brought_to_zero_is_refused():
    ann = a_trained_ann()
    ann[2].lam.data.zero_()
    with pytest.raises(ValueError, match="a threshold lies above 0"):
        convert(ann, IN_SHAPE)


def test_at_a_tie_the_activation_rounds_up_and_the_neuron_fires_once_less():
    x, act = torch.tensor([0.25]), QCFS(levels=4, lam=2.0)
    assert (act(x) * 4 / 2).item() == 1 and spikes(x / 2, 4).item() == 0


def test_an_impossible_activation_is_refused():
    with pytest.raises(ValueError, match="levels counts"):
        QCFS(levels=0)
    with pytest.raises(ValueError, match="lam is a threshold"):
        QCFS(lam=0.0)


def test_a_converted_network_is_not_asked_for_its_ann():
    net = convert(a_trained_ann(), IN_SHAPE)
    with pytest.raises(ValueError, match="ask the ANN that it was converted from"):
        net.as_ann(torch.rand(2, *IN_SHAPE))


@pytest.mark.parametrize("stages", [(), ((6,), ())])
def test_an_ann_without_a_layer_is_refused(stages):
    with pytest.raises(ValueError, match=r"stages are .*one or more in each; got \("):
        AnnConfig(stages=stages)
