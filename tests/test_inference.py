"""The bridge: a recording replayed is a network that really stops."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import load_shipped, shipped_path, spiking_net
from dtsnn_lite.chip import hp_adc_65nm
from dtsnn_lite.crossbar_layers import put_on
from dtsnn_lite.data import as_input, digits
from dtsnn_lite.encoding import Rate, direct, events
from dtsnn_lite.exits import ChosenSteps, ConfidenceExit, EntropyExit, MarginExit, NeverExit, OracleExit, PatienceExit, replay, trade_off
from dtsnn_lite.inference import array_rows, dynamic_inference, folded, grouped_inference, input_shares, keep, record
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import ConvConfig, Current, ResNetConfig, SpikingNet, build, layer_shapes
from dtsnn_lite.neurons import LIF
from dtsnn_lite.policy import PolicyNet, choose_steps
from dtsnn_lite.recording import shipped

LOW = LIF(beta=0.6, v_th=0.3)
CONFIGS = {"conv": ConvConfig((1, 8, 8), ((6,), (8, 8)), 4, LOW), "currents": ConvConfig((1, 8, 8), ((6,), (8, 8)), 4, LOW, "currents"),
           "resnet": ResNetConfig((1, 8, 8), ((6, 1), (8, 2)), 4, LOW)}
N, T = 23, 5
RNG = np.random.default_rng(11)
LABELS = torch.from_numpy(RNG.integers(0, 4, N))
IMAGES = torch.from_numpy(RNG.random((N, 1, 8, 8), dtype=np.float32))
SEQUENCES = torch.from_numpy(np.random.default_rng(12).random((N, T + 1, 1, 8, 8), dtype=np.float32))
CODINGS = {"direct": (direct, IMAGES), "rate": (Rate(seed=3), IMAGES), "events": (events, SEQUENCES)}
EVERY = pytest.mark.parametrize("coding, items", CODINGS.values(), ids=list(CODINGS))


@pytest.fixture(scope="module", params=list(CONFIGS))
def net(request):
    """A random net that is unsure in an interesting way: its classifier is scaled up."""
    torch.manual_seed(4)
    net = build(CONFIGS[request.param]).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(0.1)
    with torch.no_grad():
        net.head.weight.mul_(8)
    return net


def policies(seen) -> list:
    """Every policy, with thresholds that send images out at every step."""
    middle = {p: trade_off(seen, p) for p in (EntropyExit, ConfidenceExit, MarginExit)}
    thresholded = [p((curve.thresholds[k] + curve.thresholds[k + 1]) / 2)
                   for p, curve in middle.items() for k in (len(curve.thresholds) // 3, 2 * len(curve.thresholds) // 3)]
    return thresholded + [EntropyExit(0.0), EntropyExit(1.0), NeverExit(), PatienceExit(1), PatienceExit(2), PatienceExit(3),
                          OracleExit(LABELS.numpy()), ChosenSteps(RNG.integers(1, T + 2, N))]


@pytest.mark.parametrize("batch", [1, 4, N, 100])
def test_replaying_a_recording_equals_really_stopping(net, batch):
    seen = record(net, IMAGES, LABELS, T)
    for policy in policies(seen):
        live, played = dynamic_inference(net, IMAGES, LABELS, policy, T, batch=batch), replay(seen, policy)
        assert np.array_equal(live.t_hat, played.t_hat), policy
        assert np.array_equal(live.predictions, played.predictions), policy
        assert np.array_equal(live.correct, played.correct), policy
        assert live.timesteps == played.timesteps == T


def test_the_test_above_saw_images_leave_at_every_step(net):
    seen = record(net, IMAGES, LABELS, T)
    leaves = sum(replay(seen, policy).histogram for policy in policies(seen))
    assert (leaves > 0).all()


def test_a_policy_that_answers_in_numbers_stops_nobody(net):
    """~1 is -2: taken for the numbers of images, others would leave than were meant."""
    class Mine:
        def stop(self, f_seen, image):
            return np.ones(len(image), dtype=int)

    with pytest.raises(TypeError, match="Mine's said int64"):
        dynamic_inference(net, IMAGES, LABELS, Mine(), T)


@EVERY
@pytest.mark.parametrize("batch", [1, 5, N])
def test_a_replay_is_a_live_run_whatever_the_coding(net, coding, items, batch):
    seen = record(net, items, LABELS, T, batch=7, coding=coding)
    for policy in policies(seen)[::3]:
        live, played = dynamic_inference(net, items, LABELS, policy, T, batch, coding=coding), replay(seen, policy)
        assert np.array_equal(live.t_hat, played.t_hat), policy
        assert np.array_equal(live.predictions, played.predictions), policy


@EVERY
def test_a_recording_is_the_forward_pass_over_the_coded_set(net, coding, items):
    with torch.no_grad():
        f = running_mean(net(coding(items, T)))
    torch.testing.assert_close(torch.from_numpy(record(net, items, LABELS, T, batch=6, coding=coding).f), f)


def test_codings_say_different_things(net):
    f = [record(net, items, LABELS, T, coding=coding).f for coding, items in CODINGS.values()]
    f.append(record(net, IMAGES, LABELS, T, coding=Rate(seed=4)).f)
    assert all(abs(a - b).max() > 0.01 for n, a in enumerate(f) for b in f[:n])


def test_an_image_that_left_costs_no_more_neurons(net):
    fired = []
    fire = net.fire
    net.fire = lambda current, u: fired.append(current.shape[1]) or fire(current, u)
    try:
        t_hat = np.arange(N) % T + 1
        dynamic_inference(net, IMAGES, LABELS, ChosenSteps(t_hat), T)
    finally:
        del net.fire
    assert fired == [n for t in range(1, T + 1) for n in [int((t_hat >= t).sum())] * net.layers]


def test_the_images_that_stay_keep_their_memory_order():
    u = torch.rand(6, 4, 5, 5).contiguous(memory_format=torch.channels_last)
    (kept,) = keep((u,), torch.tensor([5, 2]))
    assert torch.equal(kept, torch.stack([u[5], u[2]]))
    assert kept.is_contiguous(memory_format=torch.channels_last)


@EVERY
def test_the_first_convolution_runs_once_for_all_timesteps_only_where_they_are_alike(net, coding, items):
    seen = []
    first = next(m for m in net.modules() if isinstance(m, torch.nn.Conv2d))
    with first.register_forward_hook(lambda layer, x, y: seen.append(len(x[0]))):
        dynamic_inference(net, items, LABELS, NeverExit(), T, coding=coding)
        record(net, items, LABELS, T, coding=coding)
    assert seen == ([N, N] if coding is direct else [N] * T + [N * T])


def test_images_grouped_by_their_steps_see_their_own_spikes(net, monkeypatch):
    t_hat, coding = np.arange(N) % T + 1, Rate(seed=2)
    monkeypatch.setattr("dtsnn_lite.inference.choose_steps", lambda policy, images, timesteps: t_hat)
    run = grouped_inference(PolicyNet((1, 8, 8), T), net, IMAGES, LABELS, T, batch=3, coding=coding)
    again = replay(record(net, IMAGES, LABELS, T, coding=coding), ChosenSteps(t_hat))
    assert np.array_equal(run.t_hat, t_hat) and np.array_equal(run.predictions, again.predictions)


# --- labels, and modes -------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [list, lambda z: z.numpy(), lambda z: z.int(), lambda z: z.byte(), lambda z: z.numpy().astype(np.int16)])
def test_labels_may_be_any_whole_numbers(net, kind):
    for run in run_both(net, IMAGES, LABELS), run_both(net, IMAGES, kind(LABELS)):
        seen, stopped = (r() for r in run)
        assert seen.labels.dtype == np.int64 and np.array_equal(seen.labels, LABELS.numpy())
        assert np.array_equal(stopped.correct, stopped.predictions == LABELS.numpy())


def modes(net) -> list[bool]:
    return [module.training for module in net.modules()]


def half_frozen(net):
    """A copy in training mode but for its batch norms, as one trains with frozen statistics."""
    copied = copy.deepcopy(net).train()
    for module in copied.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return copied


def broken(images, timesteps, at=None):
    """A coding that fails on the second batch."""
    if at[0] > 0:
        raise RuntimeError("the disc is full")
    return direct(images, timesteps)


def test_running_a_net_leaves_every_modules_mode_alone_even_if_it_fails_in_the_middle(net):
    net, policy = half_frozen(net), half_frozen(PolicyNet((1, 8, 8), 2))
    before = modes(net), modes(policy)
    assert len(set(before[0])) == 2
    for coding in (direct, broken):
        for run in (lambda c: record(net, IMAGES, LABELS, 2, 10, coding=c),
                    lambda c: dynamic_inference(net, IMAGES, LABELS, NeverExit(), 2, 10, coding=c),
                    lambda c: grouped_inference(policy, net, IMAGES, LABELS, 2, 10, coding=c)):
            try:
                run(coding)
            except RuntimeError:
                assert coding is broken
            assert (modes(net), modes(policy)) == before
    with pytest.raises(ValueError, match=r"input is \(T, B, 1, 8, 8\)"):
        choose_steps(policy, IMAGES[:, :, :7], 2)
    assert modes(policy) == before[1]


def test_a_net_in_training_mode_is_recorded_as_in_evaluation_mode(net):
    assert np.array_equal(record(copy.deepcopy(net).train(), IMAGES, LABELS, T).f, record(net, IMAGES, LABELS, T).f)


def test_a_recording_holds_the_running_mean_of_the_forward_pass(net):
    seen = record(net, IMAGES, LABELS, T, batch=7)
    with torch.no_grad():
        f = running_mean(net(direct(IMAGES, T)))
    torch.testing.assert_close(torch.tensor(seen.f), f)
    assert np.array_equal(seen.labels, LABELS.numpy())


def test_the_batch_size_changes_no_recording(net):
    one, all_ = record(net, IMAGES, LABELS, T, batch=1), record(net, IMAGES, LABELS, T, batch=N)
    assert one.f == pytest.approx(all_.f, abs=1e-5)
    assert one.spike_rates == pytest.approx(all_.spike_rates, abs=1e-6)


def test_spike_rates_are_spikes_per_neuron_timestep_and_layer(net):
    seen = record(net, IMAGES, LABELS, T, batch=9)
    with torch.no_grad():
        _, spikes, _ = net.advance(direct(IMAGES, T), net.empty_state())
    by_hand = [[float(s[t].mean()) for s in spikes] for t in range(T)]
    assert seen.spike_rates == pytest.approx(np.array(by_hand), abs=1e-6)
    assert seen.spike_rates.shape == (T, net.layers)


def test_one_timestep_is_enough_for_everything(net):
    seen = record(net, IMAGES, LABELS, 1)
    assert dynamic_inference(net, IMAGES, LABELS, EntropyExit(0.5), 1).accuracy == replay(seen, EntropyExit(0.5)).accuracy
    assert (replay(seen, EntropyExit(0.0)).t_hat == 1).all()


# --- bad input -------------------------------------------------------------------------------

def run_both(net, images, labels, timesteps=2, batch=10):
    """Both ways to run a net."""
    yield lambda: record(net, images, labels, timesteps, batch)
    yield lambda: dynamic_inference(net, images, labels, NeverExit(), timesteps, batch)


@pytest.mark.parametrize("change, message", [
    (dict(images=IMAGES[:0], labels=LABELS[:0]), "the split is empty: there is no image to run"),
    (dict(labels=LABELS[:5]), "23 images but 5 labels"),
    (dict(timesteps=0), "timesteps is a whole number, 1 or more; got 0"),
    (dict(batch=0), "batch is a whole number, 1 or more; got 0"),
    (dict(labels=LABELS[:, None]), r"labels is \(23,\), one an image; got shape \(23, 1\)"),
    (dict(labels=torch.full_like(LABELS, 99)), r"labels lie in \[0, 4\); got 99 to 99"),
    (dict(images=torch.full_like(IMAGES, float("nan"))), "the images hold NaN or infinity"),
    (dict(images=IMAGES[:, 0]), r"images are \(B, C, H, W\)"),
    (dict(images=IMAGES[:, :, :7]), r"input is \(T, B, 1, 8, 8\)"),
])
def test_what_cannot_be_run_is_refused(net, change, message):
    for run in run_both(net, **{"images": IMAGES, "labels": LABELS, **change}):
        with pytest.raises(ValueError, match=message):
            run()


@pytest.mark.parametrize("change, message", [
    (dict(images=(255 * IMAGES).byte()), "floating point"),
    (dict(images=IMAGES.double()), "floating point as the weights are, torch.float32; got torch.float64"),
    (dict(images=IMAGES.numpy()), "images are a torch tensor .*; got a ndarray"),
    (dict(labels=LABELS.float()), "labels are class numbers"),
    (dict(net=torch.nn.Sequential()), "a spiking network runs timesteps; got a Sequential"),
])
def test_what_is_of_another_kind_is_refused(net, change, message):
    for run in run_both(**{"net": net, "images": IMAGES, "labels": LABELS, **change}):
        with pytest.raises(TypeError, match=message):
            run()


def test_a_diverged_network_is_refused(net):
    bias = net.head.bias.detach().clone()
    with torch.no_grad():
        net.head.bias[1] = float("nan")
    try:
        for run in run_both(net, IMAGES, LABELS):
            with pytest.raises(ValueError, match="NaN or infinity"):
                run()
    finally:
        with torch.no_grad():
            net.head.bias.copy_(bias)


# --- batch norm folded -------------------------------------------------------------------------

def test_a_folded_net_says_the_same_but_for_rounding(net):
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.2, 0.2)
                module.running_mean.uniform_(-0.2, 0.2)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    fast = folded(net)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fast.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    seen, again = record(net, IMAGES, LABELS, T), record(fast, IMAGES, LABELS, T)
    same = np.isclose(seen.f, again.f, atol=1e-4).all(axis=(0, 2))
    assert same.mean() >= 0.9                       # a current within rounding of the threshold may flip its spike
    assert (seen.predictions == again.predictions).mean() >= 0.95


def test_folding_the_shipped_digits_changes_hardly_an_answer():
    seen, test = shipped("digits-test"), digits().test
    again = record(folded(load_shipped("digits")), test.images, test.labels, 4)
    assert (seen.predictions == again.predictions).mean() >= 0.998


def test_a_batch_norm_that_stands_alone_cannot_be_folded():
    for odd in (torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Conv2d(1, 6, 3, padding=1)),
                torch.nn.Sequential(torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.BatchNorm2d(6, track_running_stats=False))):
        net = build(CONFIGS["conv"])
        net.currents[0] = odd
        with pytest.raises(ValueError, match=r"currents.0.\d cannot be folded: a batch norm becomes part of a convolution"):
            folded(net)


def test_a_policy_folds_too():
    policy = PolicyNet((1, 8, 8), T)
    for _ in range(5):
        policy.train()(direct(IMAGES, 1))
    fast = folded(policy)
    assert not any(isinstance(m, (torch.nn.BatchNorm2d, Current)) for m in fast.modules())
    torch.testing.assert_close(fast.first_current(IMAGES), policy.eval().first_current(IMAGES))


def test_a_net_on_a_chip_cannot_be_folded():
    net = build(CONFIGS["conv"]).eval()
    net.move_to(hp_adc_65nm)
    with pytest.raises(ValueError, match="HP-ADC, 65 nm, whose crossbars hold the weights before batch norm"):
        folded(net)
    net.move_to(None)
    put_on(net, hp_adc_65nm)                                # by the layers' own door: the network has no chip, its layers have
    with pytest.raises(ValueError, match="whose crossbars hold the weights before batch norm"):
        folded(net)


# --- what the layers read ------------------------------------------------------------------

def plain(stages: tuple[tuple[int, ...], ...], size: int = 4, channels: int = 1) -> SpikingNet:
    """A net whose first layer copies its input to each channel, twice as strong, and fires on each pixel above a half."""
    net = build(ConvConfig((channels, size, size), stages, 2, LIF(beta=0.0, v_th=1.0))).eval()
    with torch.no_grad():
        net.currents[0][0].weight.zero_()
        net.currents[0][0].weight[:, :, 1, 1] = 2.0
    return net


def test_a_pool_of_four_neurons_of_which_one_fires_is_read_four_times_as_full():
    images = torch.zeros(1, 1, 4, 4)
    images[0, 0, ::2, 1::2] = 1                                           # one of the four pixels under each pool
    seen = record(plain(((3,),)), images, torch.tensor([0]), 2)
    assert seen.spike_rates.tolist() == [[4 / 16]] * 2
    assert seen.densities.tolist() == [[4 / 16, 4 * 4 / 16]] * 2          # bits come in, and the head reads ones only
    assert seen.awake.tolist() == [[1.0, 1.0]] * 2                        # no 3 x 3 window misses all of them


def test_one_spiking_pixel_wakes_the_reads_that_see_it():
    """A 3 x 3 window sees one pixel in the middle of a 4 x 4 map from 9 of 16 places; a tile of 9 rows is one channel's window."""
    net = plain(((2, 2),))
    with torch.no_grad():
        net.currents[0][0].weight[0] = 0                                  # the first channel is silent
    x = torch.zeros(3, 1, 1, 4, 4)
    x[0, 0, 0, 1, 1] = 1                                                  # at the first of three timesteps
    for rows, awake in ((9, (0 + 9 / 16) / 2), (18, 9 / 16), (64, 9 / 16), (1, 9 / (18 * 16))):
        densities, shares = input_shares(net, x, rows)
        assert densities[:, 1] == pytest.approx([1 / 32, 0, 0])
        assert shares[:, 1] == pytest.approx([max(awake, 1 / 32), 0, 0])


def test_a_full_map_is_never_less_awake_than_full():
    """Tiles of one row: those at the border of the window read padding, which no bill counts."""
    densities, awake = input_shares(plain(((2,),)), torch.ones(2, 1, 1, 4, 4), rows=1)
    assert (densities == 1).all() and (awake == 1).all()


def by_hand(layer: torch.nn.Module, x: torch.Tensor, timesteps: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Density and awake share of what a layer reads, out of its unfolded inputs, a tile after the other."""
    spikes = x.flatten(0, -2)[..., None]                                  # (reads, rows of the layer, 1)
    if isinstance(layer, torch.nn.Conv2d):
        spikes = torch.nn.functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    tiles = [(tile != 0).any(dim=1).reshape(timesteps, -1).double().mean(dim=1) for tile in spikes.split(rows, dim=1)]
    return (x != 0).reshape(timesteps, -1).double().mean(dim=1).numpy(), torch.stack(tiles).mean(dim=0).numpy()


@pytest.mark.parametrize("rows", [7, 16, 64])
def test_what_is_read_is_what_the_unfolded_inputs_hold(net, rows):
    x, found = (Rate(seed=3)(IMAGES, T) * 1.0), []
    layers = [m for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    hooks = [m.register_forward_hook(lambda layer, given, _: found.append(by_hand(layer, given[0], T, rows))) for m in layers]
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()
    densities, shares = input_shares(net, x, rows)
    assert densities.shape == shares.shape == (T, len(layer_shapes(net)))
    for n, (density, awake) in enumerate(found):
        assert densities[:, n] == pytest.approx(density, abs=1e-6)
        assert shares[:, n] == pytest.approx(np.maximum(awake, density), abs=1e-6)


@EVERY
def test_a_recording_holds_what_the_layers_read_whatever_the_batches(net, coding, items):
    seen = record(net, items, LABELS, T, batch=9, coding=coding)
    shares = [len(at) / N * np.stack(input_shares(net, coding(items[at], T, at))) for at in torch.arange(N).split(9)]
    assert np.stack([seen.densities, seen.awake]) == pytest.approx(np.sum(shares, axis=0), abs=1e-6)
    assert seen.rows == 64 and seen.densities.shape == (T, len(layer_shapes(net)))


def test_an_image_of_grey_values_is_full_and_one_of_bits_as_full_as_it_is(net):
    bits = (IMAGES > 0.5).float()
    grey, black_and_white = (record(net, images, LABELS, T) for images in (IMAGES, bits))
    assert (grey.densities[:, 0] == 1).all() and (grey.awake[:, 0] == 1).all()
    assert black_and_white.densities[:, 0] == pytest.approx(float(bits.mean()))
    mixed = record(net, torch.cat([bits[:20], IMAGES[20:]]), LABELS, T, batch=5)              # one grey batch of five
    assert (mixed.densities[:, 0] == 1).all()


def test_what_is_read_behind_a_pool_of_spikes_is_fuller_than_what_is_fired():
    images, labels, digits_net = as_input(digits().test.images[:60]), digits().test.labels[:60], load_shipped("digits")
    seen = record(digits_net, images, labels, 3, batch=25)
    with torch.no_grad():
        _, spikes, _ = digits_net.eval().advance(direct(images, 3), digits_net.empty_state())
    pooled = [[torch.nn.functional.max_pool2d(s[t], 2).mean().item() for s in spikes] for t in range(3)]
    np.testing.assert_allclose(seen.densities[:, 1:], pooled, atol=1e-6)
    assert (seen.densities[:, 1:] > seen.spike_rates).all() and (seen.densities[:, 1:] < 4 * seen.spike_rates + 1e-6).all()


def test_what_is_read_behind_a_pool_of_currents_is_what_is_fired():
    torch.manual_seed(0)
    net = build(CONFIGS["currents"]).eval()
    seen = record(net, IMAGES, LABELS, 4)
    np.testing.assert_allclose(seen.densities[:, 1:], seen.spike_rates, atol=1e-6)


def test_tiles_sleep_more_often_than_independent_spikes_would_let_them():
    seen, net, x = shipped("digits-test"), load_shipped("digits"), direct(as_input(digits().test.images[:50]), 4)
    assert (seen.awake >= seen.densities).all() and (seen.awake <= 1).all()
    assert (seen.awake[:, 1] < 1 - (1 - seen.densities[:, 1]) ** 64 - 0.2).all()
    assert (input_shares(net, x, rows=16)[1] <= input_shares(net, x)[1] + 1e-6).all()         # a smaller tile sees less


def test_a_net_on_a_chip_is_read_in_the_rows_of_its_arrays():
    net = build(CONFIGS["conv"]).eval()
    net.move_to(replace(hp_adc_65nm, rows=16, cols=16))
    seen = record(net, IMAGES, LABELS, 2)
    assert seen.rows == 16 and seen.reads.awake_on(64) is None
    low, high = (input_shares(net, direct(IMAGES, 2), rows)[1] for rows in (16, 64))
    assert seen.awake == pytest.approx(low, abs=1e-6) and (low[:, 1:] < high[:, 1:] - 0.01).any()


class Flat(SpikingNet):
    """A net whose first layer is linear, and is asked for one image or for all timesteps at once."""

    def __init__(self) -> None:
        super().__init__()
        self.in_shape, self.layers = (1, 8, 8), 1
        self.look, self.head = torch.nn.Linear(64, 5), torch.nn.Linear(5, 4)

    def first_current(self, x: torch.Tensor) -> torch.Tensor:
        return self.look(8 * x.flatten(1))

    def advance_from(self, current, state):
        s, u = self.fire(current, state[0])
        return self.head(s), [s], (u,)


def test_a_first_layer_may_be_linear():
    torch.manual_seed(2)
    net, bits = Flat().eval(), (IMAGES > 0.7).float()
    seen = record(net, bits, LABELS, T)
    assert seen.densities[:, 0] == pytest.approx(float(bits.mean())) and (seen.awake[:, 0] == 1).all()
    assert seen.densities[:, 1] == pytest.approx(seen.spike_rates[:, 0], abs=1e-6) and seen.densities[:, 1].min() > 0
    random = record(net, IMAGES, LABELS, T, coding=Rate(seed=3))
    assert random.densities[:, 0] == pytest.approx(Rate(seed=3)(IMAGES, T).flatten(1).mean(dim=1).numpy(), abs=1e-6)


def test_listening_changes_nothing_and_leaves_nothing_behind(net):
    net.train()
    input_shares(net, direct(IMAGES, 2))
    assert net.training and not any(module._forward_pre_hooks for module in net.modules())
    net.eval()
    assert record(net, IMAGES, LABELS, 2).f[0] == pytest.approx(net(direct(IMAGES, 2))[0].detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("name", ["digits", "digits-hard", "digits-4-bit", "digits-hp-adc", "digits-adc-less", "digits-converted",
                                  "gestures"])
def test_a_shipped_recording_knows_what_its_network_reads(name):
    net = spiking_net(shipped_path(name.replace("-converted", "-ann")))
    for split in ("calibration", "test"):
        seen = shipped(f"{name}-{split}")
        assert seen.densities.shape == (seen.timesteps, len(layer_shapes(net)))
        assert seen.rows == array_rows(net)
        assert (seen.densities[:, 1:] >= seen.spike_rates - 1e-5).all()


def test_the_shipped_shares_are_those_of_the_shipped_network():
    seen, test = shipped("digits-test"), digits().test
    densities, awake = input_shares(load_shipped("digits"), direct(as_input(test.images), 4))
    assert seen.densities == pytest.approx(densities, abs=1e-5) and seen.awake == pytest.approx(awake, abs=1e-5)
