"""The live explorer: the network in the page is the network of the package, spike by spike."""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.cost import ExitCheckCost, StepCost
from dtsnn_lite.data import digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.models import SpikingConvNet
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets import folded as folding
from dtsnn_lite.widgets.folded import FoldedNet, current, folded, pooled
from dtsnn_lite.widgets.live_explorer import Given, LiveExplorer, live_rows, one_of_each, pack
from tests.test_widgets import AFFINE, CHIPS, JS, needs_node

T = 4
RULES = [{"theta": theta, "gamma": gamma} for theta in (0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1) for gamma in (0, 1)]


@lru_cache(maxsize=1)
def test_images() -> np.ndarray:
    return (255 * digits().test.images[:, 0]).round().byte().numpy()


test_images.__test__ = False


def given() -> Given:
    return one_of_each(shipped("digits-test"), test_images(), theta=0.2)


def rounded(net: FoldedNet, dtype: torch.dtype = torch.float32) -> SpikingConvNet:
    """The package's own network with the weights of the page."""
    same = load_shipped("digits").to(dtype)
    with torch.no_grad():
        for (conv, norm), kernel, bias in zip(same.currents, net.kernels, net.biases, strict=True):
            conv.weight.copy_(torch.from_numpy(kernel.astype(float).transpose(3, 0, 1, 2)))
            norm.bias.copy_(torch.from_numpy(bias.astype(float)))
            norm.weight.fill_(1)
            norm.running_mean.fill_(0)
            norm.running_var.fill_(1 - norm.eps)
        head = net.head.astype(float).reshape(3, 3, -1, 10).transpose(3, 2, 0, 1).reshape(10, -1)
        same.head.weight.copy_(torch.from_numpy(head))
        same.head.bias.copy_(torch.from_numpy(net.head_bias.astype(float)))
    return same


@torch.no_grad()
def torch_run(net: SpikingConvNet, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """f_t (T, N, K) and the spikes of each layer (T, N, C, H, W), of the images that `digits` gives."""
    x = torch.from_numpy((images / 255.0).astype(np.float32))[:, None].to(net.head.weight.dtype)
    logits, spikes, _ = net.advance(direct(x, T), net.empty_state())
    return (logits.cumsum(0) / torch.arange(1, T + 1).view(-1, 1, 1)).numpy(), [layer.numpy().astype(bool) for layer in spikes]


# --- folding -------------------------------------------------------------------------

def test_a_current_by_hand_adds_the_weights_around_a_spike():
    x, kernel = np.zeros((1, 3, 3, 1)), np.arange(9, dtype=np.float16).reshape(1, 3, 3, 1)
    x[0, 0, 0] = 1
    assert current(x, kernel, np.array([10], np.float16))[0, :, :, 0].tolist() == [[10 + 4, 10 + 3, 10], [10 + 1, 10 + 0, 10], [10, 10, 10]]


def test_a_pool_of_spikes_leaves_an_odd_edge_out():
    spikes = np.zeros((1, 5, 5, 1), bool)
    spikes[0, 1, 2] = spikes[0, 4, 4] = True
    assert pooled(spikes)[0, :, :, 0].tolist() == [[False, True], [False, False]]


def test_folding_changes_nothing_but_the_rounding_of_weights():
    net = folded("digits")
    for n, (conv, norm) in enumerate(load_shipped("digits").currents):
        x = torch.rand(1, conv.in_channels, 7, 7, generator=torch.Generator().manual_seed(n))
        with torch.no_grad():
            exact = norm(conv(x)).numpy().transpose(0, 2, 3, 1)
        found = current(x.numpy().transpose(0, 2, 3, 1), net.kernels[n], net.biases[n])
        most = 2.0 ** -11 * (np.abs(net.kernels[n].astype(float)).sum(axis=(0, 1, 2)) + np.abs(net.biases[n].astype(float)))
        assert (np.abs(found - exact) <= most + 1e-5).all(), "float16 rounds each weight by at most 2^-11 of itself"


def test_spikes_in_numpy_are_torchs_to_the_last_one():
    net, images = folded("digits"), test_images()[:60]
    f, spikes = net.run(images, T)
    f_torch, spikes_torch = torch_run(rounded(net, torch.float64), images)
    assert all(np.array_equal(a.transpose(0, 1, 4, 2, 3), b) for a, b in zip(spikes, spikes_torch, strict=True))
    assert np.abs(f - f_torch).max() < 1e-12


def test_a_network_that_the_picture_cannot_draw_is_refused():
    with pytest.raises(ValueError, match="digits-hp-adc is not what this picture draws"):
        folded("digits-hp-adc")
    with pytest.raises(ValueError, match="cifar10-small is not what"):
        folded("cifar10-small")


def test_folding_reads_the_file_that_the_package_loads():
    config, arrays = folding.shipped_arrays("digits")
    assert config["classes"] == 10
    assert all(np.array_equal(value.numpy(), arrays[name]) for name, value in load_shipped("digits").state_dict().items())


# --- JavaScript = PyTorch ----------------------------------------------------------------

def run_in_node(folder: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict]:
    """f_t (T, N, K), spikes that each layer fires (T, N, L), the digits written large and centred again, and the verdicts."""
    data, raw = pack(folded("digits"), given(), CHIPS, T)
    for name, content in (("module.mjs", LiveExplorer._esm), ("data.json", json.dumps(data)), ("rules.json", json.dumps(RULES))):
        (folder / name).write_text(content, "utf8")
    (folder / "weights.bin").write_bytes(raw)
    (folder / "images.bin").write_bytes(images.tobytes())
    done = subprocess.run(["node", JS / "live_golden.mjs", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kinds = {"f": np.float32, "spikes": np.uint32, "again": np.uint8}
    read = {name: np.fromfile(folder / f"{name}.bin", kind) for name, kind in kinds.items()}
    N = len(images)
    return read["f"].reshape(T, N, 10), read["spikes"].reshape(T, N, -1), read["again"].reshape(images.shape), json.loads(done.stdout)


@pytest.fixture(scope="module")
def in_node(tmp_path_factory) -> tuple:
    return run_in_node(tmp_path_factory.mktemp("live"), test_images())


@pytest.fixture(scope="module")
def in_torch() -> tuple:
    """The same 1,000 digits in PyTorch, float32, as the book runs them."""
    net, images = rounded(folded("digits")), test_images()
    parts = [torch_run(net, images[n:n + 100]) for n in range(0, len(images), 100)]
    counts = [np.stack([layer.sum(axis=(2, 3, 4)) for layer in spikes], axis=-1) for _, spikes in parts]
    return np.concatenate([f for f, _ in parts], axis=1), np.concatenate(counts, axis=1)


BORDERLINE = [227]        # test digits with a potential so near the threshold that float32, which rounds, decides otherwise


@needs_node
def test_the_page_and_pytorch_agree_on_every_test_digit(in_node, in_torch):
    (f, spikes, _, printed), (f_torch, spikes_torch) = in_node, in_torch
    assert np.flatnonzero((spikes != spikes_torch).any(axis=(0, 2))).tolist() == BORDERLINE
    assert f.shape[1] == 1000 and np.abs(np.delete(f - f_torch, BORDERLINE, axis=1)).max() < 1e-4
    f_double, spikes_double = torch_run(rounded(folded("digits"), torch.float64), test_images()[BORDERLINE])
    assert np.array_equal(spikes[:, BORDERLINE], np.stack([layer.sum(axis=(2, 3, 4)) for layer in spikes_double], axis=-1))
    assert np.abs(f[:, BORDERLINE] - f_double).max() < 1e-5
    seen = Recording(f_torch, shipped("digits-test").labels, np.zeros((T, 3)))
    for rule, said in zip(RULES, printed["said"], strict=True):
        run = replay(seen, EntropyExit(**rule))
        assert np.array_equal(said, np.stack([run.t_hat, run.predictions], axis=1)), rule


@needs_node
def test_half_of_a_weights_bits_change_few_answers(in_node):
    f, whole = in_node[0], shipped("digits-test")
    for theta in (0.1, 0.2, 0.35):
        ours, theirs = replay(Recording(f, whole.labels, np.zeros((T, 3))), EntropyExit(theta)), replay(whole, EntropyExit(theta))
        changed = (ours.t_hat != theirs.t_hat) | (ours.predictions != theirs.predictions)
        assert changed.sum() <= 5 and abs(ours.accuracy - theirs.accuracy) <= 0.002


@needs_node
def test_the_first_run_leaves_the_page_its_turn_between_two_layers_and_comes_to_the_same(in_node):
    calm = in_node[3]["calm"]
    assert calm["isSame"] and calm["turns"] >= 3 * T, "three layers a timestep"


@needs_node
def test_a_timestep_is_quick(in_node):
    assert in_node[3]["milliseconds"] < 50 / 4, "a fourth of what a reader with a slow phone may wait"


@needs_node
def test_a_test_digit_written_large_is_centred_to_itself(in_node):
    again, images = in_node[2], test_images()
    assert (again == images).all(axis=(1, 2)).sum() >= 999
    f, _ = folded("digits").run(again[(again != images).any(axis=(1, 2))], T)
    g, _ = folded("digits").run(images[(again != images).any(axis=(1, 2))], T)
    assert np.array_equal(f.argmax(-1), g.argmax(-1))


# --- the widget ------------------------------------------------------------------------------

def test_the_given_digits_are_one_of_each_class_easy_and_hard():
    run, chosen = replay(shipped("digits-test"), EntropyExit(0.2)), given()
    assert chosen.labels.tolist() == list(range(10))
    assert set(run.t_hat[chosen.numbers].tolist()) == {1, 2, 3, 4}
    assert np.array_equal(chosen.images, test_images()[chosen.numbers])


def test_the_given_digits_leave_in_the_page_when_they_leave_in_the_book():
    chosen, whole = given(), shipped("digits-test")
    f, _ = folded("digits").run(chosen.images, T)
    for theta in (0.1, 0.2, 0.5):
        here = replay(Recording(f, chosen.labels, np.zeros((T, 3))), EntropyExit(theta))
        there = replay(whole.subset(chosen.numbers), EntropyExit(theta))
        assert np.array_equal(here.t_hat, there.t_hat) and np.array_equal(here.predictions, there.predictions)


def test_the_first_page_tells_what_its_digits_do():
    f, _ = folded("digits").run(given().images, T)
    seen = Recording(f, np.arange(10), np.zeros((T, 3)))
    run, careless = replay(seen, EntropyExit(0.2)), replay(seen, EntropyExit(0.9))
    assert (run.t_hat[[0, 3, 5]].tolist(), seen.predictions[:2, 5].tolist()) == ([1, 4, 2], [9, 5])
    assert (careless.t_hat[5], careless.predictions[5]) == (1, 9)


def test_the_table_by_hand():
    f = np.array([[2.0, 1.9], [9.0, 0.0]])
    step, check = StepCost(fixed_pj=10.0, step_pj=5.0, fixed_ns=0.0, step_ns=2.0), ExitCheckCost(energy_pj=1.0, latency_ns=0.5)
    assert live_rows(f, 0.2, 0.0, step, check) == [
        ["answer", "0", "0", ""], ["timesteps", "2", "2", "1.00\u00d7"],
        ["energy", "22.0 pJ", "20.0 pJ", "1.10\u00d7"], ["delay", "5.00 ns", "4.00 ns", "1.25\u00d7"],
        ["EDP", "110 pJ ns", "80.0 pJ ns", "1.38\u00d7"]]


@pytest.mark.parametrize("wrong, words", [({"digit": "10"}, "digit is one of"), ({"gamma": "0.5"}, "gamma is one of"),
                                          ({"theta": 1.2}, "theta lies in"), ({"chip": "none"}, "chip is one of")])
def test_bad_input_to_the_live_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        LiveExplorer(given(), {"affine": AFFINE}, **wrong)


def test_digits_without_a_label_each_are_refused():
    with pytest.raises(ValueError, match="with a label and a number each"):
        Given(test_images()[:3], np.arange(2), np.arange(3))
    with pytest.raises(ValueError, match="cost_models is empty"):
        LiveExplorer(given(), {})


@needs_node
def test_the_pages_table_is_pythons(tmp_path):
    (tmp_path / "module.mjs").write_text(LiveExplorer._esm, "utf8")
    data, raw = pack(folded("digits"), given(), CHIPS, T)
    cases = [[digit, theta, gamma, chip] for digit in range(10) for theta in (0.05, 0.2, 0.6) for gamma in (0, 1) for chip in (0, 1)]
    f, _ = folded("digits").run(given().images, T)
    expected = [live_rows(f[:, digit], theta, gamma, *list(CHIPS.values())[chip]) for digit, theta, gamma, chip in cases]
    (tmp_path / "script.mjs").write_text(f"""
      import {{ liveRows, verdict }} from "./module.mjs";
      const {{ cases, f, chips }} = {json.dumps({"cases": cases, "f": f.astype(np.float32).tolist(), "chips": data["chips"]})};
      console.log(JSON.stringify(cases.map(([digit, theta, gamma, chip]) =>
        liveRows(verdict(f.map((step) => step[digit]), theta, gamma), chips[chip]))));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
