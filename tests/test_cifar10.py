"""CIFAR-10: the training command at a tiny scale, and what ships against its cards."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import card_of, load_net, load_shipped
from dtsnn_lite.chip import LayerShape, dtsnn_2023, spikesim_rram_64
from dtsnn_lite.comparison import Compared, by_chance, compared, holm
from dtsnn_lite.cost import EveryStep, Once, exit_check_cost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.data import CIFAR_CLASSES, Splits, as_input, cifar10
from dtsnn_lite.evidence import calibrate_pair
from dtsnn_lite.exits import ConfidenceExit, EntropyExit, calibrate, replay, run_of, trade_off
from dtsnn_lite.files import ASSETS
from dtsnn_lite.inference import record
from dtsnn_lite.models import ConvConfig, ResNetConfig, build, layer_shapes
from dtsnn_lite.networks import cifar10_small, resnet19, vgg16
from dtsnn_lite.proofs import recipes
from dtsnn_lite.proofs.facts import fact
from dtsnn_lite.proofs.papers import CIFAR10_SEEDS
from dtsnn_lite.proofs.recipes import RECIPES, recipe_of
from dtsnn_lite.proofs.throughput import shipped_throughput
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.reinforce import shipped_sweeps

CHAPTER = (Path(__file__).resolve().parents[1] / "book/cifar10.ipynb").read_text("utf8")


@pytest.fixture
def short(home, monkeypatch):
    """The shipped recipe on a CIFAR-10 of 240 images, an epoch for each of its phases, a quarter of the channels."""
    recipe = RECIPES["cifar10-small"]
    phases = tuple((timesteps, 1) for timesteps, _ in recipe.training.phases)
    legs = tuple((epochs, lr, 2) for epochs, (_, lr, _) in zip((1, 1, 1), recipe.training.legs, strict=True))
    tiny = replace(recipe.training, phases=phases, legs=legs, batch=60)
    monkeypatch.setitem(recipes.RECIPES, "cifar10-small", replace(recipe, net=narrow(recipe.net), training=tiny))
    monkeypatch.setenv("DTSNN_DATA", str(home))


def test_the_training_command_at_a_tiny_scale_stopped_and_continued(short, tmp_path, capsys):
    command = ["train", "cifar10-small", "--seed", "1", "--note", " (noise)", "--quiet", "--json"]
    made = {}
    for way, pieces in (("whole", [()]), ("stopped", [("--max-epochs", "1"), ("--max-epochs", "2"), ()])):
        for piece in pieces:
            assert main([*command, "--out", str(tmp_path / way), *piece]) == 0
        made[way] = json.loads(capsys.readouterr().out.splitlines()[-1])
    weights = [(tmp_path / way / "cifar10-small-seed1.safetensors").read_bytes() for way in made]
    assert weights[0] == weights[1]                       # to the bit, bfloat16 convolutions and all
    card = made["stopped"]
    assert card["dataset"] == "CIFAR-10 (noise)" and len(card["loss"]) == len(card["training_accuracy"]) == len(card["phases"])
    assert card["phases"][0][0] == 0 < card["phases"][-1][0]                    # an ANN at first
    assert card["command"] == "python -m dtsnn_lite train cifar10-small --seed 1"
    net, test = load_net(tmp_path / "stopped/cifar10-small-seed1.safetensors"), cifar10().test
    seen = Recording.load(tmp_path / "stopped/cifar10-small-seed1-test.npz")
    assert card["accuracy"]["test"] == [round(float(a), 4) for a in seen.accuracy] and seen.images == 40
    assert record(net, as_input(test.images), test.labels, 4).f == pytest.approx(seen.f, abs=1e-3, rel=2e-3)
    assert np.isfinite(seen.f).all() and seen.spike_rates.shape == (4, net.layers)


PAPERS_NETWORKS = ("cifar10-vgg16", "cifar10-resnet19")


def narrow(net: ConvConfig | ResNetConfig) -> ConvConfig | ResNetConfig:
    """As many layers, a quarter of the channels."""
    match net:
        case ConvConfig():
            return replace(net, stages=tuple(tuple(channels // 4 for channels in stage) for stage in net.stages))
        case ResNetConfig():
            return replace(net, stages=tuple((channels // 4, blocks) for channels, blocks in net.stages))


def few(splits: Splits) -> Splits:
    """Thirty images to train on, ten for each of the other splits."""
    return Splits(splits.train.chosen(np.arange(30)), splits.calibration.chosen(np.arange(10)), splits.test.chosen(np.arange(10)))


@pytest.mark.parametrize("name", PAPERS_NETWORKS)
def test_the_papers_networks_train_by_their_recipes_at_a_tiny_scale(name, home, tmp_path, monkeypatch, capsys):
    """Every phase and leg, in float32: narrow layers are slow in bfloat16, which the small network's run has."""
    recipe = RECIPES[name]
    phases = tuple((timesteps, 1) for timesteps, _ in recipe.training.phases)
    legs = tuple((n, lr, n + 1) for n, (_, lr, _) in zip((2, 1), recipe.training.legs, strict=True))
    tiny = replace(recipe.training, phases=phases, legs=legs, batch=15, half=False)
    monkeypatch.setenv("DTSNN_DATA", str(home))
    monkeypatch.setitem(recipes.RECIPES, name, replace(recipe, data=lambda: few(cifar10()), net=narrow(recipe.net), training=tiny))
    assert main(["train", name, "--half", "--quiet", "--json", "--out", str(tmp_path)]) == 0
    card = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert card["command"] == f"python -m dtsnn_lite train {name} --seed 0 --half"
    assert card["phases"] == [[0, 1], [2, 1], [4, 1]] and len(card["loss"]) == 3 and np.isfinite(card["loss"]).all()
    net, seen = load_net(tmp_path / f"{name}.safetensors"), Recording.load(tmp_path / f"{name}-test.npz")
    assert {v.dtype for v in load_file(tmp_path / f"{name}.safetensors").values()} <= {torch.float16, torch.int64}
    test = few(cifar10()).test
    assert record(net, as_input(test.images), test.labels, 4).f == pytest.approx(seen.f, abs=1e-3, rel=2e-3)
    assert card["accuracy"]["test"] == [round(float(a), 4) for a in seen.accuracy] and seen.images == 10
    assert np.ptp(seen.f, axis=2).min() > 0 and seen.spike_rates.shape == (4, net.layers)


# --- what ships ------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CIFAR10_SEEDS)
def test_a_card_states_what_its_recordings_replay_to(name):
    card, recipe = card_of(name), RECIPES["cifar10-small"]
    for split in ("calibration", "test"):
        assert card["accuracy"][split] == pytest.approx(shipped(f"{name}-{split}").accuracy, abs=5e-5)
    assert card["dataset"] == "CIFAR-10 (JPEG re-encoding)"
    assert card["phases"] == [list(phase) for phase in recipe.training.phases]
    assert card["legs"] == [list(leg) for leg in recipe.training.legs]
    assert load_shipped(name).config == recipe.net and card["config"]["pooled"] == "currents"
    assert len(card["loss"]) == len(card["training_accuracy"]) == recipe.training.epochs
    assert card["loss"][-1] < 0.4 * card["loss"][0] and card["seconds"] > 600
    assert card["threads"] == 1                                 # the chapter says one core


@pytest.mark.parametrize("name", PAPERS_NETWORKS)
def test_a_card_of_a_papers_network_states_what_its_recordings_replay_to(name):
    card, recipe = card_of(name), RECIPES[name]
    for split in ("calibration", "test"):
        seen, small = shipped(f"{name}-{split}"), shipped(f"cifar10-small-{split}")
        assert card["accuracy"][split] == pytest.approx(seen.accuracy, abs=5e-5)
        assert (seen.labels == small.labels).all() and seen.timesteps == 4       # the same photographs in the same order
        assert seen.about["network"] == card["network"] == name
    assert card["phases"] == [list(phase) for phase in recipe.training.phases]
    assert card["legs"] == [list(leg) for leg in recipe.training.legs]
    net = build(recipe.net)
    assert card["config"] == json.loads(json.dumps({"kind": type(recipe.net).__name__, **asdict(recipe.net)}))
    assert card["weights"] == sum(p.numel() for p in net.parameters())
    assert shipped(f"{name}-test").spike_rates.shape[1] == net.layers
    assert card["command"] == f"python -m dtsnn_lite train {name} --seed 0 --device cuda --compile --half"
    assert card["dataset"] == "CIFAR-10 (JPEG re-encoding)" and "H200" in card["device"]
    assert len(card["loss"]) == len(card["training_accuracy"]) == recipe.training.epochs
    assert card["loss"][-1] < 0.1 * card["loss"][0] and not (ASSETS / f"{name}.safetensors").exists()


@pytest.mark.parametrize("name, shapes", [*zip(PAPERS_NETWORKS, (vgg16, resnet19), strict=True)])
def test_the_facts_of_the_papers_networks_are_what_ships(name, shapes):
    card, seen, before, said = card_of(name), shipped(f"{name}-test"), shipped(f"{name}-calibration"), name.replace("-", ".")
    assert [fact(f"{said}.{what}").value for what in ("weights", "training_seconds")] == [card["weights"], card["seconds"]]
    for t, right in enumerate(card["accuracy"]["test"], start=1):
        assert fact(f"{said}.accuracy_T{t}").value == pytest.approx(100 * right, abs=5e-3)
    assert fact(f"{said}.oracle.accuracy").value == pytest.approx(100 * seen.correct.any(axis=0).mean())
    rules = {"dtsnn": calibrate(before, EntropyExit, max_drop=0.0), "sum": calibrate(before, EntropyExit, max_drop=0.0, gamma=1),
             "pair": calibrate_pair(before, EntropyExit, max_drop=0.0)}
    thresholds = [EntropyExit(theta) for theta in trade_off(before, EntropyExit).thresholds]
    saved, last = [], before.correct[-1].sum()                                  # thresholds rise, and the waiting falls
    greedy = next(rule for rule in thresholds[::-1] if replay(before, rule).correct.sum() >= last)
    assert [fact(f"{said}.anywhere.{what}").value for what in ("mean_timesteps", "change")] == pytest.approx(
        [replay(seen, greedy).mean_timesteps, 100 * (replay(seen, greedy).accuracy - seen.accuracy[-1])])
    for rule, policy in rules.items():
        run = replay(seen, policy)
        assert fact(f"{said}.{rule}.mean_timesteps").value == pytest.approx(run.t_hat.mean())
        assert fact(f"{said}.{rule}.change").value == pytest.approx(100 * (run.correct.mean() - seen.correct[-1].mean()))
        step, check = timestep_cost(shapes(), dtsnn_2023), exit_check_cost(dtsnn_2023)
        edp = (step.fixed_pj + run.t_hat * (step.step_pj + check.energy_pj)) * run.t_hat * (step.step_ns + check.latency_ns)
        saved.append(fact(f"{said}.{rule}.edp_saved").value)
        assert saved[-1] == pytest.approx(100 * (1 - edp.mean() / ((step.fixed_pj + 4 * step.step_pj) * 4 * step.step_ns)))
        won, lost = (run.correct & ~seen.correct[-1]).sum(), (~run.correct & seen.correct[-1]).sum()
        assert abs(int(won) - int(lost)) < 2.9 * np.sqrt(won + lost)            # no rule costs what 10,000 photographs could tell
    assert min(saved[1:]) > saved[0] + 5                                        # the score's doing, on these too


@pytest.mark.parametrize("name, shapes", [*zip(PAPERS_NETWORKS, (vgg16, resnet19), strict=True)])
def test_a_papers_network_is_billed_for_its_convolutions_of_3_by_3(name, shapes):
    def said(layers: list[LayerShape]) -> list[tuple[int, ...]]:
        return [(layer.in_channels, layer.out_channels, layer.out_height, layer.out_width) for layer in layers if layer.kernel == 3]

    ours = layer_shapes(build(RECIPES[name].net))
    assert ours[-1].kernel == 1 and said(ours) == said(shapes()) and len(said(ours)) == len(shapes())


def test_starting_as_an_ann_is_compared_with_as_many_epochs_of_spikes():
    recipe, gained = RECIPES["cifar10-small-spikes"], []
    for name in CIFAR10_SEEDS:
        card, ours = card_of(name.replace("small", "small-spikes")), card_of(name.replace("small", "small-short"))
        assert card["phases"] == [list(phase) for phase in recipe.training.phases] and card["phases"][0][0] > 0
        assert len(card["loss"]) == len(ours["loss"]) and card["config"] == ours["config"] and card["seed"] == ours["seed"]
        assert "train cifar10-small-spikes " in card["command"] and "train cifar10-small-short " in ours["command"]
        gained.append(100 * (ours["accuracy"]["test"][-1] - card["accuracy"]["test"][-1]))
    assert min(gained) > 1 and fact("cifar10.ann_start.gain").value == pytest.approx(np.mean(gained), abs=0.01)


@pytest.mark.parametrize("way, than, what", [("or", "short", "longer"), ("currents", "or", "currents"), ("", "currents", "restart")])
def test_each_training_is_compared_with_the_one_before(way, than, what):
    ours, before = ([card_of(name.replace("small", "-".join(filter(None, ("small", w))))) for name in CIFAR10_SEEDS] for w in (way, than))
    for a, b in zip(ours, before, strict=True):
        for card, made in ((a, way), (b, than)):
            recipe = RECIPES["-".join(filter(None, ("cifar10-small", made)))]
            assert card["phases"] == [list(phase) for phase in recipe.training.phases] and card["phases"][0][0] == 0
            assert len(card["loss"]) == recipe.training.epochs
            assert card["config"].get("pooled", "spikes") == recipe.net.pooled
        assert a["seed"] == b["seed"] and a["dataset"] == b["dataset"] and a["config"]["stages"] == b["config"]["stages"]
    assert all("--half" in a["command"] or "half_precision" in a for a in (*ours, *before))
    rounded = [[(card.get("half_precision") or {"accuracy": card["accuracy"]["test"]})["accuracy"][-1] for card in cards]
               for cards in (ours, before)]
    gained = 100 * np.subtract(*rounded)                                        # all weights rounded to float16
    assert min(gained) > 0 and fact(f"cifar10.{what}.gain").value == pytest.approx(np.mean(gained), abs=0.01)
    hours = np.divide(*(sum(card["seconds"] for card in cards) for cards in (ours, before)))
    assert fact(f"cifar10.{what}.hours_ratio").value == pytest.approx(hours)


def test_the_currents_first_epochs_are_those_of_the_spikes():
    """As an ANN both are one function, and their schedules are one for as long."""
    for name in CIFAR10_SEEDS:
        ours, other = card_of(name.replace("small", "small-currents")), card_of(name.replace("small", "small-or"))
        n = ours["phases"][0][1]
        assert n == other["phases"][0][1] == 46 and ours["loss"][:n] == other["loss"][:n] and ours["loss"][n] != other["loss"][n]


def test_the_restart_goes_on_from_the_currents():
    for name in CIFAR10_SEEDS:
        ours, other = card_of(name), card_of(name.replace("small", "small-currents"))
        n = len(other["loss"])
        assert n == 65 and ours["legs"][:-1] == other["legs"] and sum(epochs for epochs, _, _ in other["legs"]) == n
        for what in ("loss", "training_accuracy"):
            assert ours[what][:n] == other[what] and len(ours[what]) == n + ours["legs"][-1][0]


@pytest.mark.parametrize("name, prefix", [*zip(CIFAR10_SEEDS, ("cifar10", "cifar10.seed1"), strict=True)])
def test_half_precision_is_not_shipped_where_it_changes_answers(name, prefix):
    card, halves = card_of(name), card_of(name)["half_precision"]
    assert {v.dtype for v in load_file(ASSETS / f"{name}.safetensors").values()} <= {torch.float32, torch.int64}
    assert 0 < halves["changed"] < 0.2 and len(halves["accuracy"]) == 4
    assert abs(halves["accuracy"][-1] - card["accuracy"]["test"][-1]) <= halves["changed"]
    gained = halves["won"] - halves["lost"]
    assert halves["accuracy"][-1] - card["accuracy"]["test"][-1] == pytest.approx(gained / 10_000)
    assert halves["lost"] + halves["won"] <= 10_000 * halves["changed"] + 0.5
    assert 0 < gained < 2 * np.sqrt(halves["won"] + halves["lost"])             # it rose, by no more than chance would do
    assert [fact(f"{prefix}.half_precision.{what}").value for what in ("lost", "won")] == [halves["lost"], halves["won"]]
    assert fact(f"{prefix}.half_precision.changed").value == pytest.approx(100 * halves["changed"])
    assert fact(f"{prefix}.half_precision.change").value == pytest.approx(100 * (halves["accuracy"][-1] - card["accuracy"]["test"][-1]))


def test_the_facts_are_those_of_the_first_seed():
    card, seen = card_of(CIFAR10_SEEDS[0]), shipped(f"{CIFAR10_SEEDS[0]}-test")
    for t, right in enumerate(card["accuracy"]["test"], start=1):
        assert fact(f"cifar10.accuracy_T{t}").value == pytest.approx(100 * right, abs=5e-3)
    assert 3600 * fact("cifar10.training_hours").value == pytest.approx(card["seconds"])
    assert fact("cifar10.spike_rate").value == pytest.approx(100 * seen.spike_rates.mean())


@pytest.mark.parametrize("name", CIFAR10_SEEDS)
def test_the_splits_are_the_publishers(name):
    test, calibration = shipped(f"{name}-test"), shipped(f"{name}-calibration")
    assert np.bincount(test.labels).tolist() == 10 * [1000] and np.bincount(calibration.labels).tolist() == 10 * [500]
    assert (test.timesteps, fact("cifar10.test_images").value, fact("cifar10.calibration_images").value) == (4, 10_000, 5_000)


@pytest.mark.parametrize("name", CIFAR10_SEEDS)
def test_the_weights_are_counted(name):
    net = load_shipped(name)
    assert sum(p.numel() for p in net.parameters()) == card_of(name)["weights"] == fact("cifar10.weights").value
    assert net.layers == shipped(f"{name}-test").spike_rates.shape[1] == 7


def nameless(shapes: list[LayerShape]) -> list[LayerShape]:
    return [replace(shape, name="") for shape in shapes]


def test_the_shapes_that_are_billed_are_those_of_the_network():
    assert nameless(cifar10_small()) == nameless(layer_shapes(load_shipped("cifar10-small")))


def test_two_seeds_tell_the_same_story():
    runs = []
    for name in CIFAR10_SEEDS:
        seen, before = shipped(f"{name}-test"), shipped(f"{name}-calibration")
        rule = calibrate(before, EntropyExit, max_drop=0.0)
        runs.append(replay(seen, rule))
        change, variance = [], 0.0
        for recording in (before, seen):                    # lost and won images, as two coins
            gained = replay(recording, rule).correct.astype(int) - recording.correct[-1]
            change.append(gained.mean())
            variance += np.abs(gained).sum() / recording.images ** 2
        assert change[0] >= 0 and abs(change[1] - change[0]) < 3 * np.sqrt(variance)
        assert abs(runs[-1].accuracy - seen.accuracy[-1]) < 0.002 and runs[-1].mean_timesteps < 3.2
        assert (np.diff(seen.accuracy) > 0).all()
    a, b = (shipped(f"{name}-test").accuracy[-1] for name in CIFAR10_SEEDS)
    assert min(a, b) >= 0.86                                    # what the project promised of this network
    assert abs(a - b) < 0.015 and abs(runs[0].mean_timesteps - runs[1].mean_timesteps) < 0.6
    assert fact("cifar10.accuracy_T4_mean_of_2_seeds").value == pytest.approx(50 * (a + b))
    assert fact("cifar10.seed1.accuracy_T4").value == pytest.approx(100 * b)
    assert fact("cifar10.seed1.dtsnn.mean_timesteps").value == pytest.approx(runs[1].mean_timesteps)
    assert fact("cifar10.seed1.dtsnn.change").value == pytest.approx(100 * (runs[1].accuracy - b))


def test_on_both_seeds_evidence_stops_sooner_and_the_photographs_tell_no_other_accuracy():
    for name, prefix in zip(CIFAR10_SEEDS, ("cifar10", "cifar10.seed1"), strict=True):
        seen, before = shipped(f"{name}-test"), shipped(f"{name}-calibration")
        mean, total = (calibrate(before, EntropyExit, max_drop=0.0, gamma=gamma) for gamma in (0, 1))
        pair = calibrate_pair(before, EntropyExit, max_drop=0.0)
        rules = {"dtsnn": mean, "sum": total, "pair": pair}
        runs = {rule: replay(seen, policy) for rule, policy in rules.items()}
        steps = [runs[rule].mean_timesteps for rule in ("pair", "sum", "dtsnn")]
        assert steps == sorted(steps) and steps[1] < steps[2] - 0.4 and fact(f"{prefix}.pair.gamma").value == pair.gamma >= 1
        for rule, run in runs.items():
            assert fact(f"{prefix}.{rule}.mean_timesteps").value == pytest.approx(run.t_hat.mean())
            assert fact(f"{prefix}.{rule}.change").value == pytest.approx(100 * (run.accuracy - seen.accuracy[-1]))
            won, lost = (run.correct & ~seen.correct[-1]).sum(), (~run.correct & seen.correct[-1]).sum()
            assert abs(int(won) - int(lost)) < 2.9 * np.sqrt(won + lost)      # six comparisons: 1 in 20 for them all together


def test_two_networks_for_one_step_each_are_billed_twice():
    a, b = (shipped(f"{name}-test") for name in CIFAR10_SEEDS)
    assert (a.labels == b.labels).all()                                     # the same photographs in the same order
    right = np.mean(((a.f[0].astype(float) + b.f[0]) / 2).argmax(axis=1) == a.labels)
    assert fact("cifar10.two_networks.accuracy").value == pytest.approx(100 * right) == pytest.approx(85.68)
    assert max(a.accuracy[1], b.accuracy[1]) < right < min(a.accuracy[2], b.accuracy[2])
    step = timestep_cost(cifar10_small(), dtsnn_2023)
    one, four = step.fixed_pj + step.step_pj, step.fixed_pj + 4 * step.step_pj
    assert fact("cifar10.two_networks.energy_ratio").value == pytest.approx(2 * one / four)
    assert fact("cifar10.two_networks.edp_ratio").value == pytest.approx(2 * one / (4 * four))


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_the_policies_sweeps_agree_with_the_recording(split):
    seen, sweep = shipped(f"cifar10-small-{split}"), shipped_sweeps("cifar10-small", split)["exact"]
    rows = np.stack([run_of(t_hat, seen).correct for t_hat in sweep.t_hat])
    assert np.mean(rows != sweep.correct) < 0.002
    assert sweep.mean_timesteps[0] < sweep.mean_timesteps[-1]        # errors are cheap at first, dear in the end
    card = card_of("policies/cifar10-small")
    assert card["beta"] in sweep.prices and card["dataset"] == "CIFAR-10 (JPEG re-encoding)"


def test_what_ships_is_small():
    sizes = {path.name: path.stat().st_size for path in ASSETS.rglob("*cifar10*")}
    assert max(sizes.values()) < 15e6 and sum(sizes.values()) < 30e6


def test_the_converted_network_rises_with_its_timesteps_to_its_ann():
    seen, card = shipped("cifar10-converted-test"), card_of("cifar10-ann")
    assert card["accuracy"]["test"] == pytest.approx(seen.accuracy, abs=5e-5)
    assert seen.timesteps == 16 and seen.accuracy[0] < seen.accuracy[-1] - 0.1
    assert seen.accuracy[-1] > card["ann_accuracy"] - 0.03
    assert card["dataset"] == "CIFAR-10 (JPEG re-encoding)" and card["config"]["stages"] == card_of("cifar10-small")["config"]["stages"]


@pytest.mark.parametrize("name", CIFAR10_SEEDS)
def test_on_a_copy_of_the_photographs_the_shipped_weights_say_what_was_recorded(name):
    try:
        test = recipe_of("cifar10-small").data().test
    except FileNotFoundError:
        pytest.skip("no CIFAR-10 here")
    seen = shipped(f"{name}-test")
    at = np.arange(0, len(test), 50)
    again = record(load_shipped(name), as_input(test.images[at]), test.labels[at], 4)
    # 200 images of the reader's copy, which need not be the re-encoded ones: their own scatter is 2.7 points
    assert again.accuracy == pytest.approx(seen.subset(at).accuracy, abs=0.06)


def test_what_the_chapter_says_of_policies_that_learned_from_held_out_photographs():
    """Dice are as good at choosing whom to send where; the exit is faster than who waits, and beyond luck ahead five times of twelve."""
    test, calibration = (shipped(f"cifar10-resnet19-{split}") for split in ("test", "calibration"))
    learned, judged = (shipped_sweeps("cifar10-resnet19-held-out", split) for split in ("test", "calibration"))
    p, spreads = [], 0
    for way, sweep in learned.items():
        for k, sent in enumerate(sweep.t_hat):
            spreads += np.bincount(sent).max() < 0.99 * sent.size
            dice, spread = by_chance(sent, test)
            assert run_of(sent, test).accuracy - dice < min(0.002, 2 * spread) or spread == 0
            budget = max(1.0, judged[way].mean_timesteps[k])
            left = replay(test, calibrate(calibration, ConfidenceExit, gamma=1, mean_timesteps=budget))
            if (sent > 1).any():
                assert left.mean_timesteps < sent.mean() and left.accuracy > sweep.accuracy[k]
            p.append(compared(left, run_of(sent, test)).p)
    assert len(p) == 12 and sum(12 * each < 0.05 for each in p) == 5
    assert spreads == 8 and "Eight of these twelve spread their photographs" in CHAPTER


def test_what_the_chapter_says_of_equal_accuracy_and_of_the_classes_that_pay():
    """Against a fair rival nearly half and more than a third of the EDP are saved; no class is shown to pay for the pair."""
    step, check = timestep_cost(layer_shapes(load_shipped("cifar10-small")), dtsnn_2023), exit_check_cost(dtsnn_2023)
    for name, low, high in ((CIFAR10_SEEDS[0], 0.43, 0.5), (CIFAR10_SEEDS[1], 1 / 3, 0.4)):
        seen = shipped(f"{name}-test")
        run = replay(seen, calibrate_pair(shipped(f"{name}-calibration"), EntropyExit, max_drop=0.005))
        assert compared(run, run_of(np.full(seen.images, 2), seen)).p > 0.2
        assert low < 1 - inference_cost(run.t_hat, step, check).edp_pj_ns.mean() / static_cost(2, step).edp_pj_ns[0] < high
    seen = shipped("cifar10-small-test")
    run = replay(seen, calibrate_pair(shipped("cifar10-small-calibration"), EntropyExit, max_drop=0.0))
    last = seen.correct[-1]
    paid = {name: Compared(int((run.correct & ~last)[seen.labels == k].sum()), int((last & ~run.correct)[seen.labels == k].sum()))
            for k, name in enumerate(CIFAR_CLASSES)}
    assert paid["deer"] == Compared(9, 23) and paid["frog"] == Compared(5, 16) and paid["bird"].won > paid["bird"].lost
    assert holm([each.p for each in paid.values()]).min() > 0.2


def test_what_the_chapter_says_of_how_long_vgg_16_waits_beside_the_small_networks():
    """On the sum and on the pair about as long as seed 1, and longer than seed 0: of its pair and seed 1's, its own is the shorter."""
    waits = {}
    for name in (*CIFAR10_SEEDS, "cifar10-vgg16"):
        seen, before = shipped(f"{name}-test"), shipped(f"{name}-calibration")
        rules = calibrate(before, EntropyExit, max_drop=0.0, gamma=1), calibrate_pair(before, EntropyExit, max_drop=0.0)
        waits[name] = np.array([replay(seen, rule).t_hat.mean() for rule in rules])
    zero, one, vgg = waits.values()
    assert np.abs(vgg - one).max() < 0.01 and (vgg > zero + 0.05).all() and vgg[1] < one[1]
    assert "waits about as long as seed 1 on the sum and on the pair, and longer than seed 0" in CHAPTER


def test_what_the_chapter_says_of_a_first_layer_that_is_billed_once():
    """Of the energy saved on SpikeSim's list more than two fifths of the digits', a sixth of the photographs', was the first layer's."""
    gone = []
    for network, rule in (("digits", calibrate), ("cifar10-small", calibrate_pair)):
        stops = replay(shipped(f"{network}-test"), rule(shipped(f"{network}-calibration"), EntropyExit, max_drop=0.0)).t_hat
        saved = []
        for first_layer in (EveryStep(), Once()):
            step = timestep_cost(layer_shapes(load_shipped(network)), spikesim_rram_64, first_layer=first_layer)
            bill = inference_cost(stops, step, exit_check_cost(spikesim_rram_64))
            saved.append(1 - bill.energy_pj.mean() / static_cost(4, step).energy_pj[0])
        gone.append(1 - saved[1] / saved[0])
    assert 0.4 < gone[0] < 0.45 and gone[1] == pytest.approx(1 / 6, abs=0.01)
    assert "more than two fifths of the energy that the digits saved, and a sixth of what the photographs saved" in CHAPTER


def test_what_the_chapter_says_of_two_timings_of_the_same_static_pass():
    cpu = shipped_throughput("cifar10-vgg16")["CPU (x86_64)"]
    assert 1.25 < cpu["sum, batch 1"].static_ms / cpu["mean, batch 1"].static_ms < 1.3
    assert "the one took more than a quarter longer than the other" in CHAPTER
