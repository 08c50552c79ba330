"""The hardware explorer: the networks on crossbars in the page are those of the package, partial sum by partial sum."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.crossbar_layers import crossbars
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets.folded import pooled
from dtsnn_lite.widgets.hardware_explorer import LAYER, NETWORKS, HardwareExplorer, hardware_rows, nibbles, pack
from dtsnn_lite.widgets.on_arrays import ArrayLayer, on_arrays, patches
from tests.test_live_explorer import T, given, test_images, torch_run
from tests.test_widgets import AFFINE, JS, PROPORTIONAL, needs_node

IMAGES = 200
COSTS = {"HP-ADC": AFFINE, "ADC-less": PROPORTIONAL}
every_network = pytest.mark.parametrize("name", NETWORKS)


def layer(q: list[list[int]], readout: str = "Ideal", bits: int = 0, scales: np.ndarray | float = 1.0, rows: int = 2) -> ArrayLayer:
    weights = np.array(q, np.int8)
    gain, shift = np.full(weights.shape[1], 0.5, np.float32), np.ones(weights.shape[1], np.float32)
    return ArrayLayer(weights, readout, bits, np.asarray(scales, np.float16), gain, shift, rows, 3)


# --- the arrays ------------------------------------------------------------------------

def test_partial_sums_by_hand():
    sums = layer([[5], [-2], [7]]).partial_sums(np.array([[1.0, 1.0, 1.0]]))
    assert sums[:, 0, :, 0].tolist() == [[1, -1, 1], [1, 1, 1]]          # 5 = 1 + 4, -2 in its second bit; the tile below holds 7 alone


def test_an_ideal_read_out_is_the_matrix_product():
    x, q = np.random.default_rng(0).integers(0, 2, (9, 5)).astype(float), np.random.default_rng(1).integers(-7, 8, (5, 4))
    assert np.array_equal(layer(q.tolist()).current(x), 0.5 * (x @ q) + 1)


def test_a_sign_and_a_converter_by_hand():
    sums = np.array([-3.0, 0.0, 2.0, 40.0]).reshape(1, 4, 1, 1)
    assert layer([[1]], "SenseAmp", scales=np.full((1, 1, 1), 0.5)).read(sums).ravel().tolist() == [-0.5, -0.5, 0.5, 0.5]
    assert layer([[1]], "HPADC", 5, np.array([1.0])).read(sums).ravel().tolist() == [-3.0, 0.0, 2.0, 15.0]
    assert layer([[1]], "HPADC", 5, np.array([2.0])).read(sums).ravel().tolist() == [-3.5, 0.5, 2.5, 30.5]       # of -4 and -3, ...
    with pytest.raises(ValueError, match="readout is one of"):
        layer([[1]], "Ternary").read(sums)


@every_network
def test_the_whole_weights_are_the_packages(name):
    net = on_arrays(NETWORKS[name])
    for ours, theirs in zip((*net.layers, net.head), crossbars(load_shipped(NETWORKS[name])), strict=True):
        assert np.array_equal(ours.q, theirs.whole_weights()[0].detach().flatten(1).T.numpy())


@every_network
def test_numpy_runs_the_packages_network(name):
    images = test_images()[:40]
    f, spikes = on_arrays(NETWORKS[name]).run(images, T)
    f_torch, spikes_torch = torch_run(load_shipped(NETWORKS[name]), images)
    assert all(np.array_equal(a.transpose(0, 1, 4, 2, 3), b) for a, b in zip(spikes, spikes_torch, strict=True))
    assert np.abs(f - f_torch).max() < 1e-4


def test_a_network_without_arrays_is_refused():
    with pytest.raises(ValueError, match="cells of one bit on a chip"):
        on_arrays("digits")


def test_two_whole_weights_fit_into_a_byte():
    assert nibbles(np.array([-7, 7, 0])).tolist() == [0 + 14 * 16, 7]


# --- JavaScript = PyTorch ----------------------------------------------------------------

def run_in_node(folder: Path, images: np.ndarray) -> Path:
    """The folder with what the page's networks make of the images."""
    data, raw = pack({name: on_arrays(asset) for name, asset in NETWORKS.items()}, given(), COSTS, T)
    (folder / "module.mjs").write_text(HardwareExplorer._esm, "utf8")
    (folder / "data.json").write_text(json.dumps(data), "utf8")
    (folder / "weights.bin").write_bytes(raw)
    (folder / "images.bin").write_bytes(images.tobytes())
    done = subprocess.run(["node", JS / "arrays_golden.mjs", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def in_node(tmp_path_factory) -> Path:
    return run_in_node(tmp_path_factory.mktemp("arrays"), test_images()[:IMAGES])


BORDERLINE: dict[str, list[int]] = {"ideal": [], "HP-ADC": [], "ADC-less": []}      # a spike within float32's rounding: none in all 1,000


def agrees(folder: Path, name: str, images: np.ndarray, borderline: list[int]) -> None:
    """The page's network against PyTorch's: exits and answers of all, spikes and logits of all but the borderline digits."""
    m, N, net = list(NETWORKS).index(name), len(images), load_shipped(NETWORKS[name])
    f = np.fromfile(folder / f"f{m}.bin", np.float32).reshape(T, N, 10)
    spikes = np.fromfile(folder / f"spikes{m}.bin", np.uint32).reshape(T, N, -1)
    parts = [torch_run(net, images[n:n + 100]) for n in range(0, N, 100)]
    f_torch = np.concatenate([part for part, _ in parts], axis=1)
    counts = np.concatenate([np.stack([each.sum(axis=(2, 3, 4)) for each in fired], axis=-1) for _, fired in parts], axis=1)
    assert np.flatnonzero((spikes != counts).any(axis=(0, 2))).tolist() == borderline
    assert np.abs(np.delete(f - f_torch, borderline, axis=1)).max() < 1e-4
    for theta in (0.05, 0.2, 0.5, 0.9):
        ours, theirs = (replay(Recording(each, np.zeros(N, int), np.zeros((T, 3))), EntropyExit(theta)) for each in (f, f_torch))
        assert np.array_equal(ours.t_hat, theirs.t_hat) and np.array_equal(ours.predictions, theirs.predictions)


@needs_node
@every_network
def test_the_page_and_pytorch_agree_on_arrays(in_node, name):
    agrees(in_node, name, test_images()[:IMAGES], BORDERLINE[name])


@needs_node
@every_network
def test_the_pages_partial_sums_are_pythons(in_node, name):
    m, net = list(NETWORKS).index(name), on_arrays(NETWORKS[name])
    _, spikes = net.run(test_images()[:1], 1)
    layer = net.layers[LAYER]
    expected = layer.partial_sums(patches(pooled(spikes[LAYER - 1][0])))
    found = np.fromfile(in_node / f"sums{m}.bin", np.float64).reshape(14 * 14, layer.tiles, layer.planes, -1)
    assert np.array_equal(found, expected.transpose(1, 0, 2, 3)) and np.array_equal(found, found.round())


@needs_node
def test_the_pages_table_is_pythons(tmp_path):
    folder, images = run_in_node(tmp_path, given().images), given().images
    f = [np.fromfile(folder / f"f{m}.bin", np.float32).reshape(T, 10, 10) for m in range(len(NETWORKS))]
    cases = [[digit, theta] for digit in range(len(images)) for theta in (0.05, 0.3, 0.8)]
    expected = [hardware_rows({name: f[m][:, digit] for m, name in enumerate(NETWORKS)}, theta, COSTS) for digit, theta in cases]
    chips = [network["chip"] for network in json.loads((folder / "data.json").read_text())["networks"]]
    (folder / "script.mjs").write_text(f"""
      import {{ hardwareRows, verdict }} from "./module.mjs";
      const {{ cases, f, chips }} = {json.dumps({"cases": cases, "f": [each.tolist() for each in f], "chips": chips})};
      console.log(JSON.stringify(cases.map(([digit, theta]) =>
        hardwareRows(f.map((means) => verdict(means.map((step) => step[digit]), theta, 0)), chips))));""", "utf8")
    done = subprocess.run(["node", folder / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


# --- the widget ------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong, words", [({"digit": "10"}, "digit is one of"), ({"t": 5}, "t is 1 to 4"), ({"map": 33}, "map is 1 to 32"),
                                          ({"row": 15}, "row is 1 to 14"), ({"theta": -1.0}, "theta lies in")])
def test_bad_input_to_the_hardware_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        HardwareExplorer(given(), COSTS, **wrong)


def test_a_price_of_an_unknown_read_out_is_refused():
    with pytest.raises(ValueError, match="cost_models names the read-outs ideal, HP-ADC, ADC-less"):
        HardwareExplorer(given(), {"mine": AFFINE})


def test_the_networks_of_the_explorer_are_those_of_the_recordings():
    for asset in NETWORKS.values():
        f, _ = on_arrays(asset).run(test_images()[:30], T)
        assert np.abs(f - shipped(f"{asset}-test").f[:, :30]).max() < 0.02, "recordings keep eleven bits"


def test_the_chapter_tells_what_its_five_does():
    runs = {}
    for name, asset in NETWORKS.items():
        f, _ = on_arrays(asset).run(given().images[5:6], T)
        assert f[0, 0].argmax() == 5
        runs[name] = int(replay(Recording(f, np.array([5]), np.zeros((T, 3))), EntropyExit(0.2)).t_hat[0])
    assert runs["ADC-less"] > max(runs["ideal"], runs["HP-ADC"])
