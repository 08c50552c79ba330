"""Training falls, resumes to the bit, and refuses what cannot work."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dtsnn_lite.chip import dtsnn_2023
from dtsnn_lite.data import Split
from dtsnn_lite.encoding import Rate, direct, events
from dtsnn_lite.losses import mean_output_loss, prefix_loss, tet_loss
from dtsnn_lite.models import ConvConfig, ResNetConfig, build
from dtsnn_lite.neurons import LIF, lif_step, rectified
from dtsnn_lite.training import Augment, TrainConfig, _groups, accuracy, answers, as_text, fit

NET = ConvConfig((1, 8, 8), ((6,), (8,)), 3)
SHORT = TrainConfig(phases=((1, 2), (3, 2)), batch=16, lr=0.1, augment=Augment(shift=1))
FROM_ANN = TrainConfig(phases=((0, 2), (3, 2)), legs=((3, 0.1, 5), (1, 0.05, 1)), batch=16, augment=Augment(shift=1), half=True)


def bars(n: int = 64, seed: int = 0) -> Split:
    """Noisy images of a bar in one of three places."""
    dice = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=dice)
    images = 0.3 * torch.rand(n, 1, 8, 8, generator=dice)
    for image, k in zip(images, labels, strict=True):
        image[0, :, 1 + 2 * k] += 0.7
    return Split(images.clamp(0, 1), labels)


def a_net(seed: int = 0):
    torch.manual_seed(seed)
    return build(NET)


def same_bits(a, b) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


# --- it learns ---------------------------------------------------------------------------

@pytest.mark.parametrize("loss", [prefix_loss, mean_output_loss])
def test_training_learns_where_the_bar_stands(loss):
    net, config = a_net(), TrainConfig(phases=((2, 8),), batch=16, lr=0.1, loss=loss)
    history = fit(net, bars(192), config, validation=bars(60, seed=1), progress=False)
    assert len(history.loss) == len(history.accuracy) == 8
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert history.accuracy[-1] > 0.9 and history.training_accuracy[-1] > 0.9 > history.training_accuracy[0]
    assert accuracy(net, bars(60, seed=1), 2) == history.accuracy[-1]


def test_without_a_validation_split_there_is_no_accuracy():
    history = fit(a_net(), bars(), TrainConfig(phases=((1, 1),)), progress=False)
    assert str(history.accuracy) == "[nan]"


def test_the_seed_decides_every_bit():
    nets = [a_net(), a_net(), a_net()]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        fit(net, bars(), TrainConfig(phases=((2, 2),), batch=16, seed=seed), progress=False)
    assert same_bits(nets[0], nets[1]) and not same_bits(nets[0], nets[2])


def test_weights_decay_and_thresholds_of_batch_norm_do_not():
    net = a_net()
    decayed, free = _groups(net, 0.1)
    assert decayed["weight_decay"] == 0.1 and free["weight_decay"] == 0.0
    assert {p.dim() for p in decayed["params"]} == {2, 4} and {p.dim() for p in free["params"]} == {1}
    assert len(decayed["params"]) + len(free["params"]) == len(list(net.parameters()))


# --- the schedule -----------------------------------------------------------------------------

def test_phases_follow_each_other():
    assert SHORT.epochs == 2 + 2
    assert [SHORT.timesteps_of(epoch) for epoch in range(4)] == [1, 1, 3, 3]
    with pytest.raises(IndexError, match="beyond the last epoch"):
        SHORT.timesteps_of(4)


def test_the_learning_rate_warms_up_and_falls_as_a_cosine():
    config = TrainConfig(phases=((1, 10),), lr=0.2, warmup=1.0)
    assert config.lr_of(0) < 0.01 * 0.2
    assert config.lr_of(5) == pytest.approx(0.2 / 2)
    assert config.lr_of(10) == pytest.approx(0.0)
    after = [config.lr_of(1 + k / 10) for k in range(90)]
    assert after == sorted(after, reverse=True)


def test_a_leg_follows_its_cosine_and_the_next_one_starts_afresh():
    whole, legs = (TrainConfig(phases=((1, 10),), lr=0.2, legs=legs) for legs in ((), ((6, 0.2, 10), (4, 0.05, 4))))
    times = [k / 10 for k in range(60)]
    assert [legs.lr_of(t) for t in times] == [whole.lr_of(t) for t in times]                     # to the bit
    assert [legs.lr_of(6 + t) for t in (0, 2, 4)] == pytest.approx([0.05, 0.025, 0.0])
    after = [legs.lr_of(6 + k / 10) for k in range(40)]
    assert after == sorted(after, reverse=True)
    one = TrainConfig(phases=((1, 10),), legs=((10, 0.2, 10),))
    assert [one.lr_of(k / 7) for k in range(71)] == [whole.lr_of(k / 7) for k in range(71)]


@pytest.mark.parametrize("legs, message", [
    (((3, 0.1, 3),), r"legs and phases are as many epochs, 4; got \(\(3, 0.1, 3\),\)"),
    (((4, 0.1, 3),), "period of a leg, in epochs, is a whole number, 4 or more; got 3"),
    (((0, 0.1, 3), (4, 0.1, 4)), "epochs of a leg is a whole number, 1 or more; got 0"),
    (((4, 0.0, 4),), "lr of a leg is a finite learning rate above 0; got 0.0")])
def test_legs_that_cannot_be_walked_are_refused(legs, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(phases=((1, 4),), legs=legs)


# --- starting as an ANN ------------------------------------------------------------------------------

def test_a_network_that_starts_as_an_ann_ends_as_a_spiking_one():
    net, config = a_net(), TrainConfig(phases=((0, 4), (3, 4)), batch=16, lr=0.1)
    history = fit(net, bars(192), config, validation=bars(60, seed=1), progress=False)
    assert history.accuracy[3] > 0.8 and history.accuracy[-1] > 0.9
    assert history.loss[-1] < 0.5 * history.loss[0]
    spikes = net.advance(bars(5).images[None], net.empty_state())[1]
    assert set(torch.cat([s.flatten() for s in spikes]).tolist()) == {0.0, 1.0}


def test_no_timesteps_is_the_same_weights_as_a_plain_ann():
    net, x = a_net(), 3 * bars(5).images        # batch norm of the batch: currents below 0, and some above 3 thresholds
    a = x
    for current in net.currents:
        a = torch.nn.functional.max_pool2d(current(a).clamp(0, 3), 2)
    assert torch.equal(answers(net, x, 0), net.head(a.flatten(1))[None])
    net.eval()
    split, right = Split(x.clamp(0, 1), torch.tensor([0, 1, 2, 0, 1])), answers(net, x.clamp(0, 1), 0)[0].argmax(1)
    assert accuracy(net, split, 0) == pytest.approx((right == split.labels).float().mean().item())


def test_a_network_spikes_again_after_its_answer_as_an_ann_even_if_that_failed():
    net, x = a_net().eval(), bars(5).images
    before = answers(net, x, 2)
    answers(net, x, 0)
    with pytest.raises(ValueError, match="input is"):
        answers(net, x[:, :, :4], 0)
    assert torch.equal(answers(net, x, 2), before)


@pytest.mark.parametrize("timesteps", [-1, 0.5, float("nan")])
def test_time_is_a_whole_number(timesteps):
    with pytest.raises(ValueError, match="timesteps is a whole number, 0 or more; got "):
        accuracy(a_net(), bars(5), timesteps)


def test_a_residual_network_starts_as_an_ann_too():
    net, x = build(ResNetConfig((1, 8, 8), ((4, 1), (6, 1)), classes=3)), bars(5).images
    a = net.stem(x).clamp(0, 3)
    for first, second, shortcut in zip(net.first, net.second, net.shortcuts, strict=True):
        a = (second(first(a).clamp(0, 3)) + shortcut(a)).clamp(0, 3)
    assert torch.allclose(answers(net, x, 0)[0], net.head(a.mean(dim=(2, 3))), atol=1e-5)


@pytest.mark.parametrize("lif", [LIF(), LIF(beta=0.9, v_th=0.4, hard_reset=False)])
def test_an_analog_neuron_passes_a_threshold_where_a_spiking_one_fires(lif):
    i = torch.linspace(-2, 5, 701) * lif.v_th
    a, (spikes, _) = rectified(i, lif), lif_step(i, torch.zeros_like(i), lif)
    assert torch.equal(a > lif.v_th, spikes == 1) and a.min() == 0 and a.max() == pytest.approx(3 * lif.v_th)
    between = (i > 0) & (i < 3 * lif.v_th)
    assert torch.equal(a[between], i[between])


def test_a_chip_has_no_analog_start():
    late = TrainConfig(phases=((1, 2), (0, 1), (1, 1)))
    for config in (FROM_ANN, late):             # before the first epoch
        with pytest.raises(ValueError, match="an ANN has no spikes, and a chip's crossbars below the first see spikes only"):
            fit(build(NET, dtsnn_2023), bars(), config, progress=False)


# --- how an image becomes T inputs ----------------------------------------------------------------

def test_a_network_learns_from_spikes_as_from_currents():
    net, config = a_net(), TrainConfig(phases=((4, 12),), batch=16, lr=0.1)
    history = fit(net, bars(192), config, validation=bars(60, seed=1), progress=False, coding=Rate(seed=3))
    assert history.accuracy[-1] > 0.9 and history.loss[-1] < 0.5 * history.loss[0]
    assert accuracy(net, bars(60, seed=1), 4, coding=Rate(seed=3)) == history.accuracy[-1]


def test_the_coding_is_asked_for_the_images_and_for_other_places_in_every_epoch():
    asked = []

    def listening(images: torch.Tensor, timesteps: int, at: torch.Tensor | None = None) -> torch.Tensor:
        asked.append((timesteps, len(images), at.tolist()))
        return direct(images, timesteps)

    fit(a_net(), bars(64), TrainConfig(phases=((1, 1), (3, 1)), batch=16), validation=bars(20), progress=False, coding=listening)
    assert [t for t, _, _ in asked] == 5 * [1] + 5 * [3] and all(n == len(at) for _, n, at in asked)
    first, second = (sum((at for _, _, at in asked[5 * k:5 * k + 4]), []) for k in (0, 1))
    assert sorted(first) == list(range(64)) and sorted(second) == list(range(64, 128))
    assert asked[4][2] == asked[9][2] == list(range(20))


def test_training_on_spikes_that_was_interrupted_ends_with_the_same_bits(tmp_path):
    whole, resumed, config = a_net(), a_net(seed=9), TrainConfig(phases=((2, 2),), batch=16)
    fit(whole, bars(), config, progress=False, coding=Rate())
    fit(a_net(), bars(), config, checkpoint=tmp_path / "c", progress=False, max_epochs=1, coding=Rate())
    for other in (direct, Rate(seed=1)):
        with pytest.raises(ValueError, match="was written with another coding; delete it"):
            fit(resumed, bars(), config, checkpoint=tmp_path / "c", progress=False, coding=other)
    fit(resumed, bars(), config, checkpoint=tmp_path / "c", progress=False, coding=Rate())
    assert same_bits(whole, resumed)


def test_a_checkpoint_from_before_codings_had_names_is_one_of_direct_coding(tmp_path):
    path = tmp_path / "c"
    fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, max_epochs=1)
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    assert notes.pop("coding") == "direct"
    save_file(tensors, path, metadata=notes)
    with pytest.raises(ValueError, match="with another coding"):
        fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, coding=Rate())
    assert len(fit(a_net(), bars(), SHORT, checkpoint=path, progress=False).loss) == SHORT.epochs


def test_recorded_events_are_trained_on_as_they_are():
    still = bars(48)
    moving = Split((still.images[:, None] > torch.rand(48, 3, 1, 8, 8)).float(), still.labels)
    net = a_net()
    history = fit(net, moving, TrainConfig(phases=((1, 1), (3, 2)), batch=16), progress=False, coding=events)
    assert history.loss[-1] < history.loss[0] and 0 <= accuracy(net, moving, 3, coding=events) <= 1


def test_an_ann_sees_the_image_itself():
    says = r"as an ANN \(T = 0\) a network sees the image itself, encoding.direct; got Rate\(seed=0\): begin at T = 1"
    with pytest.raises(ValueError, match=says):                 # before the first epoch
        fit(a_net(), bars(), replace(FROM_ANN, phases=((1, 2), (0, 1), (1, 1))), progress=False, coding=Rate())
    with pytest.raises(ValueError, match=says):
        answers(a_net(), bars(5).images, 0, Rate())


# --- the mode of the network ------------------------------------------------------------------------

@pytest.mark.parametrize("training", [True, False])
def test_training_and_asking_leave_a_network_in_the_mode_it_came_in(training):
    net = a_net().train(training)
    net.currents[0].eval()
    modes = [part.training for part in net.modules()]
    fit(net, bars(), TrainConfig(phases=((1, 1),)), validation=bars(20), progress=False)
    accuracy(net, bars(20), 1)
    with pytest.raises(ValueError, match="input is"):
        accuracy(net, Split(torch.zeros(4, 1, 5, 5), torch.zeros(4, dtype=torch.int64)), 1)
    assert [part.training for part in net.modules()] == modes


# --- augmentation --------------------------------------------------------------------------------

def test_an_augmented_image_is_a_shift_and_a_mirror_of_itself():
    x = torch.zeros(200, 1, 9, 9)
    x[:, 0, 4, 2] = 1
    y = Augment(shift=2, flip=True)(x, torch.Generator().manual_seed(0))
    at = {tuple(p.nonzero()[0].tolist()) for p in y[:, 0]}
    assert (y.sum(dim=(1, 2, 3)) == 1).all()
    places = {(4 + dy, column + dx) for dy in range(-2, 3) for dx in range(-2, 3) for column in (2, 8 - 2)}
    assert at <= places and len(at) > 20


@pytest.mark.parametrize("side", [1, 3, 4])
def test_an_erased_square_is_grey_and_lies_anywhere(side):
    x = torch.zeros(500, 2, 9, 7)
    y = Augment(shift=0, flip=False, erase=side)(x, torch.Generator().manual_seed(0))
    assert set(y.unique().tolist()) == {0.0, 0.5} and torch.equal(y[:, 0], y[:, 1])
    whole = side * side
    sizes = (y[:, 0] > 0).sum(dim=(1, 2))
    assert sizes.max() == whole and sizes.min() >= (side // 2) ** 2 and (sizes > 0).all()    # cut where it hangs over the edge
    assert ((y[:, 0] > 0).float().mean(dim=0) > 0).all()                                     # every pixel has its turn
    for image in y[sizes == whole][:20, 0]:
        rows, columns = image.nonzero().T
        assert rows.max() - rows.min() == columns.max() - columns.min() == side - 1


@pytest.mark.parametrize("wrong", ["shift", "erase"])
@pytest.mark.parametrize("value", [-1, 2.5])
def test_pixels_are_whole(wrong, value):
    with pytest.raises(ValueError, match=f"{wrong} is a whole number, 0 or more; got {value}"):
        Augment(**{wrong: value})


def test_a_sequence_is_shifted_as_one_and_not_timestep_by_timestep():
    sequences = torch.rand(6, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = Augment(shift=2)(sequences, torch.Generator().manual_seed(1))
    each = Augment(shift=2)(sequences[:, 1], torch.Generator().manual_seed(1))
    assert moved.shape == sequences.shape and torch.equal(moved[:, 1], each) and not torch.equal(moved, sequences)
    with pytest.raises(ValueError, match="no event"):
        Augment(erase=3)(sequences, torch.Generator())


def test_augmentation_without_shift_or_mirror_changes_nothing():
    x = torch.rand(3, 2, 5, 5)
    assert torch.equal(Augment(shift=0, flip=False)(x, torch.Generator().manual_seed(0)), x)


# --- training that survives being killed -----------------------------------------------------------

@pytest.mark.parametrize("config", [SHORT, FROM_ANN])
@pytest.mark.parametrize("stops", [[1], [2], [3], [1, 2, 3]])
def test_training_that_was_interrupted_ends_with_the_same_bits(tmp_path, stops, config):
    whole = a_net()
    expected = fit(whole, bars(), config, progress=False)
    for k, stop in enumerate(stops):
        fit(a_net(seed=k), bars(), config, checkpoint=tmp_path / "c", progress=False, max_epochs=stop)
    resumed = a_net(seed=9)                                     # the file alone decides
    history = fit(resumed, bars(), config, checkpoint=tmp_path / "c", progress=False)
    assert same_bits(whole, resumed)
    assert history.loss == expected.loss
    assert history.training_accuracy == expected.training_accuracy
    assert len(history.seconds) == config.epochs and min(history.seconds) > 0      # every epoch is paid once


class Dimmed:
    """An augmentation with a number of its own, and the repr that every object has: its type and its address."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x, dice):
        return self.factor * x


def dimmed(x, dice):
    return 0.5 * x


class OwnLoss(torch.nn.Module):
    def forward(self, logits, labels):
        return mean_output_loss(logits, labels)


OWN = {"a function changes the images": {"augment": dimmed}, "an object changes them": {"augment": Dimmed(0.5)},
       "a loss with its weight given": {"loss": partial(tet_loss, weight=0.1)}, "a loss that is a module": {"loss": OwnLoss()}}
NAMED = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from test_training import OWN, SHORT, as_text, replace
print(as_text(replace(SHORT, **OWN[{own!r}])))
"""


@pytest.mark.parametrize("own", OWN)
def test_training_with_a_loss_or_an_augmentation_of_ones_own_goes_on_in_another_process(tmp_path, own, request):
    config = replace(SHORT, **OWN[own])
    fit(a_net(), bars(), config, checkpoint=tmp_path / "c", progress=False, max_epochs=1)
    assert len(fit(a_net(seed=9), bars(), config, checkpoint=tmp_path / "c", progress=False).loss) == config.epochs
    code = NAMED.format(tests=str(request.path.parent), root=str(request.config.rootpath), own=own)
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert there == as_text(config)


@pytest.mark.parametrize("one, other", [({"loss": partial(tet_loss, weight=0.1)}, {"loss": partial(tet_loss, weight=0.2)}),
                                        ({"augment": Dimmed(0.5)}, {"augment": Dimmed(0.6)})])
def test_what_is_given_to_a_loss_or_an_augmentation_of_ones_own_belongs_to_the_configuration(one, other):
    assert as_text(replace(SHORT, **one)) != as_text(replace(SHORT, **other))


KILLED = """
import sys, torch
sys.path[:0] = [{tests!r}, {root!r}]
from test_training import SHORT, a_net, bars, fit
from pathlib import Path
torch.set_num_threads(1)
fit(a_net(), bars(), SHORT, checkpoint=Path({path!r}), progress=False)
"""


def test_training_killed_with_9_ends_with_the_same_bits(tmp_path):
    path = tmp_path / "c"
    here = os.path.dirname(__file__)
    code = KILLED.format(tests=here, root=os.path.dirname(here), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code])
    waited = time.monotonic() + 120
    while not path.exists() and child.poll() is None and time.monotonic() < waited:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)                           # wherever it is: in an epoch, or writing the next file
    child.wait()
    assert path.exists()
    whole, resumed = a_net(), a_net(seed=9)
    fit(whole, bars(), SHORT, progress=False)
    fit(resumed, bars(), SHORT, checkpoint=path, progress=False)
    assert same_bits(whole, resumed)


def test_a_half_written_checkpoint_never_takes_the_place_of_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "c"
    fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, max_epochs=1)
    before = path.read_bytes()

    def power_cut(*_):
        raise OSError("power cut")

    monkeypatch.setattr("dtsnn_lite.files.os.replace", power_cut)
    with pytest.raises(OSError, match="power cut"):
        fit(a_net(), bars(), SHORT, checkpoint=path, progress=False)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_finished_training_is_not_trained_further(tmp_path):
    net, again = a_net(), a_net(seed=9)
    fit(net, bars(), SHORT, checkpoint=tmp_path / "c", progress=False)
    fit(again, bars(), SHORT, checkpoint=tmp_path / "c", progress=False)
    assert same_bits(net, again)


def test_the_checkpoint_of_another_configuration_is_refused(tmp_path):
    fit(a_net(), bars(), SHORT, checkpoint=tmp_path / "c", progress=False, max_epochs=1)
    other = TrainConfig(phases=SHORT.phases, batch=16, lr=0.2, augment=SHORT.augment)
    with pytest.raises(ValueError, match="was written by another configuration; delete it or choose another file"):
        fit(a_net(), bars(), other, checkpoint=tmp_path / "c", progress=False)


def test_training_goes_on_with_the_images_it_began_with(tmp_path):
    fit(a_net(), bars(), SHORT, checkpoint=tmp_path / "c", progress=False, max_epochs=1)
    with pytest.raises(ValueError, match="was written on other images"):
        fit(a_net(), bars(seed=1), SHORT, checkpoint=tmp_path / "c", progress=False)


@pytest.mark.parametrize("lost", ["history", "net.head.weight"])
def test_a_training_checkpoint_without_one_of_its_parts_is_refused(tmp_path, lost):
    path = tmp_path / "c"
    fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, max_epochs=1)
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    save_file({k: v for k, v in tensors.items() if k != lost}, path, {k: v for k, v in notes.items() if k != lost})
    with pytest.raises(ValueError, match="is no whole training checkpoint"):
        fit(a_net(), bars(), SHORT, checkpoint=path, progress=False)


@pytest.mark.parametrize("keep", [0, 50, -1])
def test_a_damaged_training_checkpoint_is_refused_and_kept(tmp_path, keep):
    path = tmp_path / "c"
    fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, max_epochs=1)
    path.write_bytes(path.read_bytes()[:keep])
    size = path.stat().st_size
    with pytest.raises(ValueError, match="is no whole training checkpoint .*delete it to start again"):
        fit(a_net(), bars(), SHORT, checkpoint=path, progress=False)
    assert path.stat().st_size == size


def test_a_training_checkpoint_of_another_version_is_refused(tmp_path):
    path = tmp_path / "c"
    fit(a_net(), bars(), SHORT, checkpoint=path, progress=False, max_epochs=1)
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    short = {k: v for k, v in json.loads(notes["history"]).items() if k != "seconds"}
    save_file(tensors, path, metadata={**notes, "history": json.dumps(short)})
    with pytest.raises(ValueError, match="no whole training checkpoint .*another version of this package wrote it.*delete it"):
        fit(a_net(), bars(), SHORT, checkpoint=path, progress=False)


# --- bad input ----------------------------------------------------------------------------------------

EMPTY = Split(torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64))


def test_an_empty_split_is_refused():
    for train, validation in ((EMPTY, None), (bars(), EMPTY)):
        with pytest.raises(ValueError, match="the split is empty"):
            fit(a_net(), train, SHORT, validation, progress=False)
    with pytest.raises(ValueError, match="the split is empty"):
        accuracy(a_net(), EMPTY, 2)


@pytest.mark.parametrize("change, says", [
    (lambda s: Split(s.images * float("nan"), s.labels), "NaN or infinity"),
    (lambda s: Split(s.images, s.labels + 9), r"labels lie in \[0, 3\)"),
    (lambda s: Split(s.images, s.labels[:5]), "64 images but 5 labels")])
def test_images_and_labels_that_teach_nothing_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        fit(a_net(), change(bars()), SHORT, progress=False)


@pytest.mark.parametrize("kept", [lambda z: z.tolist(), lambda z: z.numpy(), lambda z: z.int(), lambda z: z.byte()])
def test_labels_teach_the_same_however_they_are_kept(kept):
    net, other, whole = a_net(), a_net(), bars()
    fit(net, whole, TrainConfig(phases=((1, 1),)), progress=False)
    fit(other, Split(whole.images, kept(whole.labels)), TrainConfig(phases=((1, 1),)), progress=False)
    assert same_bits(net, other)


def test_a_loss_that_explodes_stops_training_and_loses_no_checkpoint(tmp_path):
    path = tmp_path / "c"
    config = TrainConfig(phases=((1, 3),), batch=16, loss=exploding_loss)
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1: lower lr \(or give it a longer warmup\)"):
        fit(a_net(), bars(), config, checkpoint=path, progress=False)
    assert json.loads(history_in(path))["loss"][0] < 10          # the first epoch is still there


CALLS = []


def exploding_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A loss that is NaN from the second epoch on."""
    CALLS.append(1)
    return prefix_loss(logits, labels) * (float("nan") if len(CALLS) > 64 // 16 else 1.0)


def history_in(path) -> str:
    with safe_open(path, "pt") as file:
        return file.metadata()["history"]


@pytest.mark.parametrize("wrong, message", [
    (dict(phases=()), "phases are .* pairs, at least one; got none"),
    (dict(phases=((-1, 3),)), "timesteps of a phase is a whole number, 0 or more; got -1"),
    (dict(phases=((0.5, 3),)), "timesteps of a phase is a whole number, 0 or more; got 0.5"),
    (dict(phases=((4, 0),)), "epochs of a phase is a whole number, 1 or more; got 0"),
    (dict(phases=((0, 3),)), r"the last phase is a spiking network's, timesteps 1 or more; got \(\(0, 3\),\)"),
    (dict(batch=0), "batch is a whole number, 1 or more; got 0"),
    (dict(lr=0.0), "lr is a finite learning rate above 0; got 0.0"),
    (dict(lr=float("nan")), "lr is a finite learning rate above 0; got nan"),
])
def test_a_configuration_that_cannot_train_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**wrong)
