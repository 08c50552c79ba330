"""A flow network: what it must not know, what a mirror does to it, and that stopping is what replaying says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dtsnn_lite import flow as flow_module
from dtsnn_lite.checkpoints import load_net, save_net
from dtsnn_lite.chip import Chip, Flaws, LayerShape, adc_less_65nm, hp_adc_65nm
from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.crossbar_layers import crossbars
from dtsnn_lite.encoding import events
from dtsnn_lite.flow import (Clips, clip_set, dynamic_flow, endpoint_error, fit_flow, flow_loss, flows, record_flow,
                             turned_over)
from dtsnn_lite.flow_recording import MovementExit, replay_flow
from dtsnn_lite.inference import input_shares
from dtsnn_lite.losses import running_mean
from dtsnn_lite.models import FlowConfig, FlowNet, build, layer_shapes
from dtsnn_lite.scenes import FLOW_S, flow_scene, grid
from dtsnn_lite.training import TrainConfig

SMALL = FlowConfig(channels=(4, 6, 8))
TRAINING = TrainConfig(phases=((5, 3),), lr=5e-3, batch=8, warmup=0.5)


def net_of(seed: int = 0, config: FlowConfig = SMALL) -> FlowNet:
    """A network that speaks: fresh weights with larger gains, so that no layer is silent."""
    torch.manual_seed(seed)
    net = FlowNet(config)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 2, 6)
            torch.nn.init.uniform_(module.bias, 0, 1)
    return net.eval()


@pytest.fixture(scope="module")
def clips():
    return clip_set("test", 12)


# --- clips --------------------------------------------------------------------------------

def test_a_clips_flow_is_its_scenes_displacement(clips):
    for n in (0, 5):
        scene = flow_scene(2_000_000 + n)
        assert np.allclose(clips.flow[n].numpy(), np.moveaxis(scene.flow(0, FLOW_S), -1, 0), atol=1e-5)
        middle = clips.flow[n].numpy()[:, 15:17, 15:17].mean(axis=(1, 2))
        assert np.allclose(middle, scene.v * FLOW_S, atol=0.2)                       # around the middle nothing turns


def test_no_texture_is_in_two_splits_and_a_longer_split_begins_as_a_shorter_one(clips):
    assert torch.equal(clip_set("test", 3).frames, clips.frames[:3])
    assert not torch.equal(clip_set("calibration", 3).flow, clips.flow[:3])
    with pytest.raises(ValueError, match="a split is one of train, calibration, test; got 'valid'"):
        clip_set("valid", 3)


def test_most_pixels_of_a_texture_speak_and_the_others_do_not_count(clips):
    spoken = clips.spoken
    assert 0.5 < spoken.float().mean() < 1
    wrong = clips.flow + torch.where(spoken[:, None], 0.0, 100.0)
    assert endpoint_error(wrong, clips.flow, spoken).max() < 1e-5 < endpoint_error(wrong, clips.flow).min()


def test_clips_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="of the same size"):
        Clips(torch.zeros(2, 5, 2, 8, 8), torch.zeros(2, 2, 8, 9))


# --- errors and loss ------------------------------------------------------------------------

def test_an_endpoint_error_is_the_length_of_what_is_missing():
    said, flow = torch.zeros(1, 2, 1, 2), torch.tensor([[[[3.0, 0.0]], [[4.0, 1.0]]]])
    assert endpoint_error(said, flow).item() == pytest.approx((5 + 1) / 2)
    assert endpoint_error(said, flow, torch.tensor([[[True, False]]])).item() == pytest.approx(5)


def test_the_loss_counts_every_prefix():
    reads, flow = torch.randn(4, 3, 2, 5, 5), torch.randn(3, 2, 5, 5)
    each = [endpoint_error(reads[:t].mean(dim=0), flow).mean() for t in (1, 2, 3, 4)]
    assert torch.allclose(flow_loss(reads, flow), torch.stack(each).mean(), atol=1e-6)


def test_a_turned_over_clip_is_one_that_the_camera_could_have_seen():
    """A point at x that flows to x + f: in the turned clip its image flows to the image of x + f."""
    scene, dice = flow_scene(11), torch.Generator().manual_seed(0)
    flow = torch.from_numpy(np.moveaxis(scene.flow(0, FLOW_S), -1, 0).astype(np.float32))[None]
    here = torch.from_numpy(np.moveaxis(grid(scene.size), -1, 0).astype(np.float32))
    ways = set()
    for _ in range(60):
        places, turned = turned_over(here[:, None].expand(2, 2, 32, 32)[None], flow, dice)      # where each pixel comes from, as a clip
        x, y = places[0, 0, 0].round(decimals=1), places[0, 1, 0].round(decimals=1)
        ways.add((x[0, 0].item(), x[0, -1].item(), y[0, 0].item(), y[-1, 0].item()))
        assert torch.allclose(turned.square().sum(1).sqrt()[0], _at(flow.square().sum(1).sqrt()[0], x, y), atol=1e-4)
    assert len(ways) == 8


def _at(values, x, y):
    return values[(y + 15.5).long(), (x + 15.5).long()]


def test_a_mirror_turns_the_sign_of_x_exchanged_axes_exchange_its_parts_and_a_negative_changes_nothing():
    x, flow = torch.zeros(1, 1, 2, 2, 2), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]])
    x[0, 0, 0, 0, 1] = 1                                                                  # one ON event, above on the right
    found = {}
    for seed in range(200):
        turned, f = turned_over(x, flow, torch.Generator().manual_seed(seed))
        found[tuple(torch.nonzero(turned)[0, 2:].tolist()), tuple(f.flatten().tolist())] = True
    assert ((0, 0, 0), (-2.0, -1.0, -4.0, -3.0, 6.0, 5.0, 8.0, 7.0)) in found               # left and right
    assert ((0, 1, 0), (5.0, 7.0, 6.0, 8.0, 1.0, 3.0, 2.0, 4.0)) in found                   # the axes
    assert ((1, 0, 1), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)) in found                   # the negative
    assert len(found) == 16


# --- the network ------------------------------------------------------------------------------

def test_it_answers_at_every_pixel_and_a_step_is_a_part_of_the_sequence(clips):
    net, x = net_of(), clips.frames[:3].float().transpose(0, 1)
    whole, state = net(x), None
    assert whole.shape == (5, 3, 2, 32, 32)
    for t in range(5):
        read, state = net.step(x[t], state)
        assert torch.allclose(read, whole[t], atol=1e-5)
    assert (whole[-1] - whole[0]).abs().max() > 1e-3


def test_what_comes_later_changes_no_answer_before(clips):
    net, frames = net_of(), clips.frames[:3].clone()
    before = flows(net, frames, 5)
    frames[:, 3:] = 1 - frames[:, 3:]
    after = flows(net, frames, 5)
    assert torch.equal(before[:3], after[:3]) and not torch.equal(before[3:], after[3:])
    assert torch.allclose(before, running_mean(net(frames.float().transpose(0, 1)))[:], atol=10)


def test_each_level_comes_back_to_the_size_of_its_like():
    shapes = {shape.name: shape for shape in layer_shapes(net_of())}
    assert [(s.rows, s.out_channels, s.positions) for s in shapes.values()] == [
        (9 * 2, 4, 1024), (9 * 4, 6, 256), (9 * 6, 8, 64), (9 * 8, 8, 64), (9 * (8 + 6), 6, 256), (9 * (6 + 4), 4, 1024), (4, 2, 1024)]
    assert isinstance(shapes["up.1.0"], LayerShape) and shapes["up.1.0"].in_height == 32


def test_a_decoder_is_billed_at_the_size_of_its_output():
    """Doubled pixels are read one by one: the last decoder layer alone costs more than the encoder below the first layer."""
    shapes = layer_shapes(net_of())
    cost = {shape.name: timestep_cost((shape,), hp_adc_65nm).parts["converters"] for shape in shapes}
    assert cost["up.1.0"] > cost["down.1.0"] + cost["down.2.0"] + cost["down.3.0"]
    unpadded = (32 - 3 + 1) ** 2
    assert cost["up.1.0"] / cost["down.0.0"] == pytest.approx(math.ceil(90 / 64), rel=0.6) and unpadded == 900


def test_every_layer_goes_onto_the_chip_and_comes_off_again(clips):
    net = net_of()
    x = clips.frames[:2].float().transpose(0, 1)
    digital = net(x)
    net.move_to(replace(adc_less_65nm, first_readout=hp_adc_65nm.readout))
    assert len(crossbars(net)) == len(layer_shapes(net)) == net.layers + 1
    assert net(x).shape == digital.shape and not torch.equal(net(x), digital)
    net.move_to(None)
    assert torch.equal(net(x), digital)


def test_a_saved_flow_network_answers_as_before(tmp_path, clips):
    net = net_of()
    save_net(net, tmp_path / "net.safetensors", {"note": "test"})
    again = load_net(tmp_path / "net.safetensors")
    assert isinstance(again, FlowNet) and again.config == SMALL
    assert torch.equal(flows(net, clips.frames[:2], 5), flows(again, clips.frames[:2], 5))
    assert isinstance(build(SMALL), FlowNet)


@pytest.mark.parametrize("wrong, message", [({"channels": (8,)}, "two levels or more"), ({"channels": (8, 0)}, "two levels or more"),
                                            ({"in_shape": (2, 30, 32)}, "without a rest; got 30 x 32")])
def test_a_map_that_does_not_halve_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **wrong)


# --- training ---------------------------------------------------------------------------------

def test_training_goes_on_to_the_bit_where_it_was_stopped(tmp_path, clips):
    nets, histories = [], []
    for stops in ((None,), (1, 2, None)):
        for stop in stops:
            torch.manual_seed(1)
            net = FlowNet(SMALL)
            history = fit_flow(net, clips, TRAINING, tmp_path / f"{len(stops)}.training", progress=False, max_epochs=stop)
        nets.append(net)
        histories.append(history)
    assert all(torch.equal(a, b) for a, b in zip(*(net.state_dict().values() for net in nets), strict=True))
    assert histories[0].loss == histories[1].loss and len(histories[0].loss) == 3 * 2          # twelve clips, eight a batch
    assert histories[0].epochs(2) == [sum(histories[0].loss[n:n + 2]) / 2 for n in (0, 2, 4)]
    with pytest.raises(ValueError, match="another configuration"):
        fit_flow(FlowNet(SMALL), clips, replace(TRAINING, seed=1), tmp_path / "1.training", progress=False)


def test_training_that_is_killed_within_an_epoch_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(flow_module, "KEPT_EVERY", 1)
    few, keep_it, saved = clip_set("train", 20), flow_module._save, []
    whole, killed = _fresh(), _fresh()
    fit_flow(whole, few, TRAINING, progress=False)

    def save_and_die(*given):
        keep_it(*given)
        saved.append(given)
        if len(saved) == 5:                                                             # of nine batches, the second of an epoch of three
            raise KeyboardInterrupt

    monkeypatch.setattr(flow_module, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        fit_flow(_fresh(), few, TRAINING, tmp_path / "a.training", progress=False)
    history = fit_flow(killed, few, TRAINING, tmp_path / "a.training", progress=False)
    assert len(history.loss) == 9 and len(saved) == 9
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), killed.state_dict().values(), strict=True))


def _fresh(chip: Chip | None = None) -> FlowNet:
    torch.manual_seed(1)
    return FlowNet(SMALL, chip)


def test_training_on_a_noisy_chip_goes_on_to_the_bit_and_leaves_torchs_dice_alone(tmp_path, clips):
    noisy, nets = replace(hp_adc_65nm, flaws=Flaws(noise=0.3)), []
    for stops in ((None,), (1, None)):
        for n, stop in enumerate(stops):
            net = _fresh(noisy)
            torch.manual_seed(7 + n)                                     # another process has other dice
            before = torch.get_rng_state()
            fit_flow(net, clips, TRAINING, tmp_path / f"{len(stops)}.training", progress=False, max_epochs=stop)
            assert torch.equal(before, torch.get_rng_state())
        nets.append(net)
    assert all(torch.equal(a, b) for a, b in zip(*(net.state_dict().values() for net in nets), strict=True))


def test_training_goes_on_with_the_clips_it_began_with_and_from_a_whole_file(tmp_path, clips):
    path = tmp_path / "a.training"
    fit_flow(_fresh(), clips, TRAINING, path, progress=False, max_epochs=1)
    with pytest.raises(ValueError, match="was written on other clips; delete it or choose another file"):
        fit_flow(_fresh(), Clips(clips.frames[:10], clips.flow[:10]), TRAINING, path, progress=False)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="is no whole training checkpoint .*delete it to start again"):
        fit_flow(_fresh(), clips, TRAINING, path, progress=False)


def test_a_checkpoint_that_does_not_name_its_clips_is_one_of_these(tmp_path, clips):
    path = tmp_path / "a.training"
    fit_flow(_fresh(), clips, TRAINING, path, progress=False, max_epochs=1)
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    save_file(tensors, path, {what: text for what, text in notes.items() if what != "data"})
    assert len(fit_flow(_fresh(), clips, TRAINING, path, progress=False).loss) == 3 * 2


def test_clips_that_are_not_square_train_too():
    dice, config = torch.Generator().manual_seed(0), FlowConfig((2, 8, 16), (4, 6))
    few = Clips((torch.rand(6, 5, 2, 8, 16, generator=dice) < 0.2).byte(), torch.randn(6, 2, 8, 16, generator=dice))
    assert len(fit_flow(FlowNet(config), few, replace(TRAINING, batch=1), progress=False).loss) == 18
    ways = {tuple(turned_over(few.frames[:1], few.flow[:1], torch.Generator().manual_seed(seed))[1].flatten().tolist())
            for seed in range(100)}
    assert len(ways) == 4


def test_a_little_training_says_where_everything_goes():
    """Clips that all move alike: the network learns at least that."""
    few = clip_set("train", 48)
    one_way = Clips(few.frames, few.flow * 0 + torch.tensor([3.0, -1.0]).view(2, 1, 1))
    torch.manual_seed(0)
    net = FlowNet(SMALL)
    still = endpoint_error(torch.zeros_like(one_way.flow), one_way.flow).mean()
    before = [p.clone() for p in net.parameters()]
    history = fit_flow(net, one_way, TrainConfig(phases=((5, 4),), lr=2e-2, batch=8, warmup=0.5), progress=False)
    epochs = history.epochs(6)
    assert epochs[-1] < epochs[0] < 1.2 * still
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


# --- recording and stopping --------------------------------------------------------------------

def test_replaying_a_recording_equals_really_stopping(clips):
    net = net_of()
    seen = record_flow(net, clips, 5, batch=5)
    for delta in np.quantile(seen.moved[1:], [0.0, 0.3, 0.7]):
        rule = MovementExit(float(delta) * 1.001)
        replayed, live = replay_flow(seen, rule), dynamic_flow(net, clips, rule, 5)
        assert replayed.t_hat.tolist() == live.t_hat.tolist()
        assert np.allclose(replayed.error, live.error, atol=1e-4)
    assert len(set(replayed.t_hat)) > 1


def test_a_recording_holds_the_errors_of_the_fields_it_keeps(clips):
    net = net_of()
    seen = record_flow(net, clips, 5, keep_fields=4)
    fields = torch.from_numpy(seen.fields.astype(np.float32))
    assert np.allclose(endpoint_error(fields, clips.flow[:4], clips.spoken[:4]), seen.error[:, :4], atol=0.02)
    assert np.allclose(endpoint_error(fields, clips.flow[:4]), seen.everywhere[:, :4], atol=0.02)
    assert np.allclose((fields[2] - fields[1]).square().sum(1).mean((1, 2)).sqrt(), seen.moved[2, :4], atol=0.02)
    assert np.allclose(endpoint_error(torch.zeros_like(clips.flow), clips.flow, clips.spoken), seen.zero, atol=1e-4)


def test_shares_are_those_of_the_inputs_and_tiles_are_awake_where_one_row_is(clips):
    net, frames = net_of(), clips.frames[:4]
    densities, awake = input_shares(net, events(frames.float(), 5))
    assert densities.shape == awake.shape == (5, len(layer_shapes(net)))
    assert np.allclose(densities[:, 0], frames.float().mean(dim=(0, 2, 3, 4)))
    windows = torch.nn.functional.max_pool2d(frames.flatten(0, 1).float().amax(dim=1, keepdim=True), 3, 1, 1)        # 18 rows: one tile
    assert np.allclose(awake[:, 0], windows.unflatten(0, (4, 5)).mean(dim=(0, 2, 3, 4)), atol=1e-6)
    assert (awake >= densities - 1e-6).all()
