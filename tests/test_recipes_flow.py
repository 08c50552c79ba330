"""The flow network and what it is compared with are what their command makes, at a tiny scale."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest

from dtsnn_lite import __main__ as command
from dtsnn_lite.checkpoints import load_net
from dtsnn_lite.flow import clip_set, record_flow
from dtsnn_lite.flow_recording import FlowRecording
from dtsnn_lite.models import FlowConfig
from dtsnn_lite.proofs import recipes_flow
from dtsnn_lite.proofs.recipes_flow import FLOW, make_baselines, make_flow

TINY = replace(FLOW, net=FlowConfig(channels=(3, 4)), training=replace(FLOW.training, phases=((5, 2),), legs=(), batch=8), train=24,
               calibration=6, test=6, kept=2)


def test_one_command_remakes_weights_recordings_and_card_to_the_bit(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes_flow, "FLOW", TINY)
    for name, stops in (("a", [[]]), ("b", [["--max-epochs", "1"], []])):
        for stop in stops:
            assert command.main(["flow", "--out", str(tmp_path / name), "--quiet", "--json", *stop]) == 0
    assert '"epochs": 1, "of": 2' in capsys.readouterr().out
    a, b = (load_net(tmp_path / name / "flow.safetensors") for name in ("a", "b"))
    assert all((x == y).all() for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    card = json.loads((tmp_path / "a" / "flow.json").read_text())
    seen = FlowRecording.load(tmp_path / "a" / "flow-test.npz")
    assert card["aee_px"]["test"]["spoken"] == pytest.approx(seen.error.mean(axis=1), abs=2e-3) and len(card["loss"]) == 2
    assert card["command"] == "python -m dtsnn_lite flow --seed 0" and "torch" in card["versions"] and seen.fields.shape[1] == 2
    again = record_flow(a, clip_set("test", 6), 5)
    assert np.allclose(again.error, seen.error, atol=0.01)


def test_another_seed_has_a_name_of_its_own(tmp_path):
    made = make_flow(TINY.seeded(3), tmp_path, progress=False)
    assert made["network"] == "flow-seed3" and made["seed"] == 3 and (tmp_path / "flow-seed3-test.npz").exists()


def test_the_baselines_are_measured_on_the_same_clips(tmp_path):
    made = make_baselines(5, tmp_path)
    with np.load(tmp_path / "baselines.npz") as z:
        errors = {name: z[name].astype(float) for name in z.files}
    test = clip_set("test", 5)
    assert np.allclose(errors["zero flow"][1], test.flow.square().sum(1).sqrt().mean((1, 2)), rtol=2e-3)
    assert errors["contrast maximisation, translation"][0].mean() < 0.7 * errors["zero flow"][0].mean()
    said = {name: of["spoken"] for name, of in made["aee_px"].items()}
    assert {name: both[0].mean() for name, both in errors.items()} == pytest.approx(said, abs=1e-3)
    has_opencv = importlib.util.find_spec("cv2") is not None
    assert ("Farneback on perfect frames" in said) == has_opencv == ("opencv" in made["versions"])


def test_nothing_is_trained_for_the_baselines(capsys, tmp_path):
    assert command.main(["flow", "--baselines", "--max-epochs", "3", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: there is no use for --max-epochs: nothing is trained")
