"""Comparators that are not ideal: the measurement at a tiny scale, its file, and JavaScript = Python."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from dtsnn_lite.__main__ import main
from dtsnn_lite.checkpoints import load_shipped, save_net
from dtsnn_lite.chip import HPADC, Chip, Flaws, SenseAmp, at_zero
from dtsnn_lite.comparators import CHIPS, GRID_SIZES, NETWORKS, REACH, REFERENCES, SIZES, Shaken, shaken
from dtsnn_lite.crossbar_layers import fit_scales
from dtsnn_lite.data import Split, as_input, digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.inference import record
from dtsnn_lite.models import ConvConfig, SpikingConvNet
from dtsnn_lite.proofs import comparators
from dtsnn_lite.proofs.cards import versions
from dtsnn_lite.proofs.stages import on
from dtsnn_lite.recording import shipped
from dtsnn_lite.widgets.comparator_explorer import KINDS, ComparatorExplorer, comparator_rows, near
from tests.test_widgets import needs_node

TINY = ConvConfig((1, 8, 8), ((4,), (6,)), classes=3)


def a_folder(folder, stages=("hp-adc", "adc-less")):
    """Untrained tiny networks under the names of stages, and images for them."""
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for stage in stages:
        torch.manual_seed(0)
        readout = HPADC(5) if stage == "hp-adc" else at_zero
        net = SpikingConvNet(TINY, Chip(stage, rows=16, readout=readout, first_readout=HPADC(5), gated=False)).eval()
        fit_scales(net, direct(images, 2))
        save_net(net, folder / f"digits-{stage}-seed0.safetensors", {})
    return Split(images, torch.arange(12) % 3)


def test_the_measurement_runs_and_goes_on_at_a_tiny_scale(tmp_path, monkeypatch):
    split = a_folder(tmp_path)
    study = comparators.measure(tmp_path, test=split)
    assert set(study.right) == {(name, kind, 0) for name in ("hp-adc", "at-zero", "at-half") for kind in CHIPS}
    assert all(right.shape == (CHIPS[kind], len(SIZES), 12) for (_, kind, _), right in study.right.items())
    assert study.grid.shape == (2, len(GRID_SIZES), len(REFERENCES)) and study.sums[0].shape == (2, 2 * REACH + 1)
    monkeypatch.setattr(comparators, "_right", lambda *_: pytest.fail("measured twice"))
    monkeypatch.setattr(comparators, "column_sums", lambda *_: pytest.fail("counted twice"))
    study.save(tmp_path / "study.npz")
    again, loaded = comparators.measure(tmp_path, test=split), Shaken.load(tmp_path / "study.npz")
    for other in (again, loaded):
        assert (other.images, other.about) == (study.images, study.about) == (12, versions())
        assert np.array_equal(other.grid, study.grid) and np.array_equal(other.zeros, study.zeros)
        assert {key: right.tolist() for key, right in other.right.items()} == {key: right.tolist() for key, right in study.right.items()}
    (tmp_path / "study.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a whole measurement of comparators"):
        Shaken.load(tmp_path / "study.npz")


def test_the_command_makes_its_folder_before_it_measures(tmp_path, monkeypatch):
    out = tmp_path / "no" / "such folder" / "study.npz"
    monkeypatch.setattr(comparators, "measure", lambda *_: invented() if out.parent.is_dir() else pytest.fail("an hour for nothing"))
    assert main(["comparators", "--stages", str(tmp_path), "--out", str(out)]) == 0
    assert np.array_equal(Shaken.load(out).grid, invented().grid)


def test_column_sums_are_counted_by_hand(tmp_path):
    a_folder(tmp_path, ("adc-less",))
    net = comparators._net(tmp_path, "at-zero", 0)
    counts = comparators.column_sums(net, torch.zeros(2, 1, 8, 8), timesteps=1)
    tiles_of_the_head, planes = -(-6 * 2 * 2 // 16), 3
    assert counts.sum(axis=1).tolist()[1] == 2 * tiles_of_the_head * planes * 3       # images x tiles x planes x classes


# --- the explorer -------------------------------------------------------------------------


def invented(layers: int = 3) -> Shaken:
    dice = np.random.default_rng(3)
    grid = dice.integers(0, 50, (2, len(GRID_SIZES), len(REFERENCES)))
    right = {("at-zero", kind, 0): dice.random((chips, len(SIZES), 50)) < 0.5 for kind, chips in CHIPS.items()}
    return Shaken(right, {0: dice.integers(1, 1000, (layers, 2 * REACH + 1))}, grid, 50)


def test_sums_near_the_reference_by_hand():
    study = invented()
    sums = study.sums[0][1]
    assert near(study, 3, 0.5, 0.5) == 0 and near(study, 3, 0.5, 0.6) == pytest.approx((sums[REACH] + sums[REACH + 1]) / sums.sum())
    assert near(study, 3, 0.0, 0.001) == pytest.approx(study.zeros[0, 1])


@needs_node
def test_the_pages_comparator_is_pythons_at_every_state(tmp_path):
    (tmp_path / "module.mjs").write_text(ComparatorExplorer._esm, "utf8")
    cases = []
    for study in (invented(), invented(layers=4)):
        states = [{"kind": kind, "level": level, "reference": reference, "layer": str(layer)}
                  for kind, level, reference, layer in product(KINDS, range(len(GRID_SIZES)), REFERENCES, (2, 3, 4))]
        expected = [comparator_rows(study, **{**state, "layer": int(state["layer"])}) for state in states]
        cases.append({"data": ComparatorExplorer(study).data, "states": states, "expected": expected})
    (tmp_path / "script.mjs").write_text(f"""
      import {{ comparatorRows }} from "./module.mjs";
      const faults = {json.dumps(cases)}.flatMap(({{ data, states, expected }}) => states.flatMap((state, n) => {{
        const found = comparatorRows(data, state);
        return JSON.stringify(found) === JSON.stringify(expected[n]) ? [] : [[state, found, expected[n]]];
      }}));
      console.log(JSON.stringify(faults.slice(0, 3)));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("wrong, words", [({"kind": "drift"}, "kind is one of"), ({"layer": "1"}, "layer is one of"),
                                          ({"level": 4}, "level counts"), ({"reference": 0.3}, "reference is one of")])
def test_bad_input_to_the_comparator_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        ComparatorExplorer(invented(), **wrong)


# --- what ships ---------------------------------------------------------------------------


def test_the_shipped_measurement_holds_every_network_on_the_whole_test_set():
    study = shaken()
    assert set(study.right) == {(name, kind, seed) for name in NETWORKS for kind in CHIPS for seed in (0, 1, 2)}
    assert all(right.shape == (CHIPS[kind], len(SIZES), 1000) for (_, kind, _), right in study.right.items())
    assert study.about["dtsnn_lite"] and study.about["torch"]


def test_without_flaws_the_shipped_measurement_is_the_shipped_recordings():
    study = shaken()
    for name, recording in (("hp-adc", "digits-hp-adc-test"), ("at-zero", "digits-adc-less-test"), ("at-half", "digits-adc-less-test")):
        found = study.of(name, "noise", 0.0)[0]
        assert (found != shipped(recording).correct[-1]).mean() < 0.003


def test_the_shipped_measurement_can_be_measured_again():
    study, test = shaken(), digits().test
    net = load_shipped("digits-adc-less")
    assert net.chip is not None
    for name, reference in (("at-zero", 0.0), ("at-half", 0.5)):
        shaky = on(net, replace(net.chip, readout=SenseAmp(reference), flaws=Flaws(offset=0.1)))
        right = record(shaky, as_input(test.images[:60]), test.labels[:60], 4).correct[-1]
        assert (right != study.right[name, "offset", 0][0, SIZES.index(0.1), :60]).mean() <= 0.02
    counted = comparators.column_sums(on(net, replace(net.chip, readout=at_zero)), test.images[:10])
    assert np.abs(counted / counted.sum(1, keepdims=True) - study.sums[0] / study.sums[0].sum(1, keepdims=True)).max() < 0.03


def test_an_ideal_comparison_at_zero_is_worth_what_no_offset_leaves_of_it():
    study = shaken()
    for kind in CHIPS:
        clean, shaky = (study.of("at-zero", kind, size).mean() for size in (0.0, 0.001))
        assert clean - shaky > 0.1
        assert study.of("at-half", kind, 0.0).mean() - study.of("at-half", kind, 0.1).mean() < 0.02
        assert study.of("at-half", kind, 0.1).mean() - study.of("at-zero", kind, 0.1).mean() > 0.1
    assert (study.zeros[0] > (0.4, 0.2, 0.05)).all()
