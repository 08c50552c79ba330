"""The Python half of the explorers, and JavaScript = Python where node can run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost, steps_squared_ratio
from dtsnn_lite.evidence import GAMMAS
from dtsnn_lite.exits import THRESHOLD_POLICIES as POLICIES
from dtsnn_lite.exits import Run, replay, trade_off
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets import explorer
from dtsnn_lite.widgets.exit_explorer import (
    COLUMNS,
    POSITIONS,
    THRESHOLDS,
    ExitData,
    ExitExplorer,
    choose_images,
    exact_curve,
    exit_codes,
    exit_counts,
    on_grid,
    pack,
    surest,
    thin_curve,
    thinned,
)
from dtsnn_lite.widgets.explorer import module
from dtsnn_lite.widgets.lif_explorer import LIFExplorer, Neuron, levels, lif_trace
from dtsnn_lite.widgets.quantities import PREFIXES, quantity, ratio, signed, ticks

JS = Path(__file__).parent / "js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not here; the browser test compares the same")
AFFINE = (StepCost(fixed_pj=4430.5, step_pj=5571.25, fixed_ns=40.0, step_ns=812.5), ExitCheckCost(1.3, 4.2))
PROPORTIONAL = (StepCost(fixed_pj=0.0, step_pj=9.8e6, fixed_ns=0.0, step_ns=1e5), ExitCheckCost(25.0, 10.0))
CHIPS = {"affine": AFFINE, "proportional": PROPORTIONAL}


def recording(images: int = 120, timesteps: int = 4, classes: int = 10, seed: int = 0) -> Recording:
    """Logits that become right with time, some images hard, some scores exactly on the grid."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(0, 1.6, (timesteps, images, classes))
    logits[:, np.arange(images), labels] += 6 * rng.random(images) + np.linspace(0, 1, timesteps)[:, None]
    logits[:, : images // 10] = 0       # entropy is exactly 1, margin exactly 0
    return Recording(np.cumsum(logits, 0) / np.arange(1, timesteps + 1)[:, None, None], labels, rng.random((timesteps, 2)))


def drawings(images: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (images, 28, 28)).astype(np.uint8)


RECORDINGS = [recording(), recording(97, 2, 3, seed=1), recording(31, 1, 10, seed=2), recording(64, 8, 100, seed=4)]


# --- what is shipped ---------------------------------------------------------------

def codes_of(seen: Recording, score: str, gamma: float) -> np.ndarray:
    return exit_codes(surest(seen, POLICIES[score], gamma), POLICIES[score])


def position_of(i: int, score: str) -> int:
    """Slider position of the i-th threshold."""
    return i if POLICIES[score].falls else POSITIONS - 1 - i


@pytest.mark.parametrize("gamma", [0.0, 0.25, 1.0, 2.0])
@pytest.mark.parametrize("score", POLICIES)
@pytest.mark.parametrize("seen", RECORDINGS)
def test_comparing_a_code_with_the_slider_equals_replaying_the_threshold(seen, score, gamma):
    codes = codes_of(seen, score, gamma)
    gone = exit_counts(codes, seen.correct).cumsum(axis=1)
    for i in range(0, POSITIONS, 1 if gamma == 0 else 5):
        j, run = position_of(i, score), replay(seen, POLICIES[score](float(THRESHOLDS[i]), gamma))
        leaves = np.vstack([codes <= j, np.ones((1, seen.images), bool)])
        assert np.array_equal(leaves.argmax(axis=0) + 1, run.t_hat)
        assert [*gone[:-1, j], seen.images] == run.histogram.cumsum().tolist()
        assert seen.correct[-1].sum() + gone[-1, j] == run.correct.sum()


def test_a_score_that_equals_a_threshold_stays_since_the_comparison_is_strict():
    half = Recording(np.zeros((2, 1, 10)), [0], np.zeros((2, 1)))        # entropy is exactly 1
    assert codes_of(half, "entropy", 0).tolist() == [[POSITIONS]]         # never: 1 < theta has no theta on the grid
    assert codes_of(half, "margin", 0).tolist() == [[POSITIONS]]          # 0 > 0 is false


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("score", POLICIES)
@pytest.mark.parametrize("seen", RECORDINGS)
def test_the_pages_exact_curve_is_the_packages(seen, score, gamma):
    ours = exact_curve(surest(seen, POLICIES[score], gamma), seen.correct) / seen.images
    theirs = trade_off(seen, POLICIES[score], gamma)
    assert np.array_equal(ours, np.stack([theirs.mean_timesteps, theirs.accuracy], axis=1))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 1.75])
@pytest.mark.parametrize("score", POLICIES)
def test_the_thinned_curve_looks_like_the_exact_one(score, gamma):
    seen = recording(2000)
    exact = exact_curve(surest(seen, POLICIES[score], gamma), seen.correct)
    thin = np.array(thin_curve(seen, POLICIES[score], gamma))
    assert {*map(tuple, thin)} <= {*map(tuple, exact)}
    assert np.array_equal(thin[[0, -1]], exact[[0, -1]])
    assert 4 * (COLUMNS + 1) >= len(thin) < len(exact)
    steps, column = exact[::-1, 0], (exact[::-1, 0] - 2000) * COLUMNS // (3 * 2000)
    between = np.interp(steps, thin[::-1, 0], thin[::-1, 1])             # the line that is drawn
    for here in np.unique(column):
        drawn, found = between[column == here], exact[::-1, 1][column == here]
        assert drawn.min() == found.min() and drawn.max() == found.max()


def test_a_curve_by_hand_keeps_its_corners_only():
    flat = np.array([[80, 5], [70, 5], [60, 5], [59, 6], [50, 6], [41, 6], [40, 4]])      # 20 images, 4 steps
    assert thinned(flat, 4).tolist() == [[80, 5], [60, 5], [59, 6], [41, 6], [40, 4]]


def test_ten_thousand_images_three_scores_and_nine_gammas_travel_in_less_than_60_kilobytes():
    import gzip
    from base64 import b64encode

    data, raw = pack({"many": ExitData(recording(10_000), CHIPS)})
    assert len(gzip.compress(b64encode(raw))) + len(gzip.compress(json.dumps(data).encode())) < 60_000


def test_chosen_images_hold_the_hardest_and_are_never_more_than_asked_for():
    seen = recording()
    chosen = choose_images(seen, 20)
    hardness = POLICIES["entropy"].score(seen.f)[:-1].min(axis=0)
    assert len(chosen) <= 20 and np.all(np.diff(chosen) > 0)
    assert set(np.argsort(hardness, kind="stable")[-10:]) <= set(chosen)


# --- the widget ----------------------------------------------------------------------

def test_an_explorer_has_a_trait_for_each_control():
    shown = ExitExplorer(RECORDINGS[0], CHIPS, drawings(120), theta=0.2, gamma=1.25, score="margin", chip="proportional")
    assert (shown.theta, shown.gamma, shown.score, shown.chip) == (0.2, 1.25, "margin", "proportional")


def displayed(shown, monkeypatch) -> dict[str, str]:
    """The bundle that a notebook chooses from: ipywidgets 8 returns it, ipywidgets 7 publishes it itself."""
    if hasattr(shown, "_repr_mimebundle_"):
        return shown._repr_mimebundle_()[0]
    published = []
    monkeypatch.setattr("ipywidgets.widgets.widget.display", lambda bundle, raw: published.append(bundle))
    shown._ipython_display_()
    return published[0]


def test_where_nothing_draws_an_explorer_it_names_itself_and_its_controls(monkeypatch):
    shown = LIFExplorer(current=0.4, spikes=[3])
    bundle = displayed(shown, monkeypatch)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    said = bundle["text/plain"].removesuffix("…")                       # ipywidgets 7 cuts it after 110 characters
    assert re.match(r"LIFExplorer\(.*current=0\.4, .*spikes=\[3\]", said) and repr(shown).startswith(said)
    assert re.fullmatch(r"LIFExplorer\(.*\)", repr(shown))
    said = repr(ExitExplorer(RECORDINGS[0], CHIPS, drawings(120), theta=0.2))
    assert said == "ExitExplorer(chip='affine', gamma=0.0, recording='recording, 120 images', score='entropy', theta=0.2)"


def test_several_recordings_share_one_explorer():
    sets = {"digits": ExitData(RECORDINGS[0], CHIPS), "few": ExitData(RECORDINGS[1], {"affine": AFFINE}, code="other()")}
    shown = ExitExplorer(sets)
    assert [each["name"] for each in shown.data["sets"]] == ["digits", "few"]
    assert shown.recording == "digits"


@pytest.mark.parametrize("wrong, words", [
    ({"cost_models": {}}, "cost_models is empty"),
    ({"images": np.zeros((120, 28, 28), np.float32)}, "uint8"),
    ({"images": np.zeros((7, 28, 28), np.uint8)}, "7 images for 120 places"),
    ({"theta": 1.5}, "theta lies in"),
    ({"gamma": 2.5}, "gamma lies in"),
    ({"gamma": float("nan")}, "gamma lies in"),
    ({"score": "luck"}, "score is one of"),
    ({"chip": "abacus"}, "chip is one of"),
])
def test_bad_input_to_an_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        ExitExplorer(RECORDINGS[0], **{"cost_models": CHIPS, **wrong})


def test_copied_python_names_the_shipped_recording_that_is_shown():
    seen = shipped("digits-hard-test")
    assert ExitData(seen, CHIPS).code == 'shipped("digits-hard-test")'
    assert ExitData(seen.subset(np.arange(10)), CHIPS).code == ""           # part of it is another recording
    assert ExitData(RECORDINGS[0], CHIPS).code == ""


def test_an_explorer_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no recording to explore"):
        ExitExplorer({})


def test_a_threshold_moves_to_the_nearest_place_of_the_slider():
    assert on_grid(0.3512) == 0.35 and on_grid(1.0) == 1.0
    assert ExitExplorer(RECORDINGS[0], CHIPS, gamma=1.2).gamma == 1.25


def test_explorers_need_no_torch():
    code = "import sys, dtsnn_lite.widgets.exit_explorer as m; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


# --- the LIF explorer ---------------------------------------------------------------------

def test_the_explorers_neuron_equals_the_packages_step_by_step():
    torch = pytest.importorskip("torch")
    from dtsnn_lite.neurons import LIF, lif_step

    rng = np.random.default_rng(0)
    for reset in ("hard", "soft"):
        beta, v_th, current = float(rng.random()), float(0.2 + rng.random()), rng.random(50)
        _, u, s = lif_trace(current, Neuron("A", beta, v_th, reset))
        now = torch.zeros(1, dtype=torch.float64)
        for t, i in enumerate(current):
            fired, now = lif_step(torch.tensor([i]), now, LIF(beta=beta, v_th=v_th, hard_reset=reset == "hard"))
            assert (float(fired), float(now)) == pytest.approx((s[t], u[t]), abs=1e-6)


def test_a_neuron_by_hand_fires_at_the_third_step():
    h, u, s = lif_trace([0.6, 0.6, 0.6, 0.6], Neuron("A", 0.5, 1.0, "hard"))
    assert h == pytest.approx([0.6, 0.9, 0.5 * 0.9 + 0.6, 0.6])
    assert s.tolist() == [0, 0, 1, 0] and u[2] == 0
    assert lif_trace([1.5], Neuron("A", 0.5, 1.0, "soft"))[1] == pytest.approx([1.5 - 1.0])
    assert lif_trace([1.0], Neuron("A", 0.5, 1.0, "hard"))[2].tolist() == [0]        # strict: u = v_th is silent


def test_the_vessel_leaks_fills_and_is_emptied_by_hand():
    silent, leaks, fills, fires = 0.6, 0.5 * 0.6, 0.5 * 0.6 + 1.0, 0.0
    assert levels([0.6, 1.0], Neuron("A", 0.5, 1.0, "hard")) == pytest.approx([0.0, 0.0, silent, silent, leaks, fills, fires])


@pytest.mark.parametrize("wrong, words", [({"beta": 1.2}, "beta lies in"), ({"reset": "none"}, "reset is one of"),
                                          ({"spikes": [30]}, "steps from 0 to 29"), ({"clock": 91}, "ticks from 0 to 90")])
def test_bad_input_to_the_lif_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        LIFExplorer(**wrong)


# --- numbers as they are written ---------------------------------------------------------

@pytest.mark.parametrize("low, high, expected", [
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    (94.3, 97.8, [94, 95, 96, 97, 98]),
    (-3, 3, [-3, -2, -1, 0, 1, 2, 3]),
    (-3.5, 3, [-4, -2, 0, 2, 4]),
    (0.01, 0.03, [0.01, 0.015, 0.02, 0.025, 0.03]),
])
def test_ticks_are_the_finest_round_steps_that_cover_the_range_in_six(low, high, expected):
    assert ticks(low, high, 6) == expected


def test_quantities_have_three_digits_and_a_prefix():
    assert quantity(999.4, "pJ") == "999 pJ"
    assert quantity(12_345, "pJ") == "12.3 nJ"
    assert quantity(1.0e6, "ns") == "1.00 ms"
    assert quantity(85, "pJ", like=20_000) == "0.085 nJ"


# --- one module from two files -----------------------------------------------------------

EXPLORERS = sorted(path.stem for path in explorer.HERE.glob("*_explorer.js"))


@needs_node
def test_a_name_of_the_core_is_free_in_an_explorer_that_does_not_import_it(tmp_path, monkeypatch):
    (tmp_path / "core.js").write_text("const line = 1, dot = 2;\nexport { line };\n", "utf8")
    (tmp_path / "it.js").write_text('import { line } from "./core.js";\nconst dot = 3;\nexport default { sum: line + dot };\n', "utf8")
    monkeypatch.setattr(explorer, "HERE", tmp_path)
    assert run_node(tmp_path, module("it") + "console.log(JSON.stringify(line + dot));") == 1 + 3
    (tmp_path / "it.js").write_text("export default {};\n", "utf8")
    with pytest.raises(ValueError, match="imports from the core once"):
        module("it")


@needs_node
def test_what_two_files_import_stands_once_and_before_them(tmp_path, monkeypatch):
    (tmp_path / "core.js").write_text("const made = [];\nexport { made };\n", "utf8")
    (tmp_path / "part.js").write_text('import { made } from "./core.js";\nmade.push("part");\nconst own = made;\nexport { own };\n', "utf8")
    (tmp_path / "it.js").write_text('import { made } from "./core.js";\nimport { own } from "./part.js";\n', "utf8")
    monkeypatch.setattr(explorer, "HERE", tmp_path)
    assert run_node(tmp_path, module("it") + "console.log(JSON.stringify([made, own === made]));") == [["part"], True]
    assert module("it").count("const made = []") == 1


def names_in(braces: str) -> set[str]:
    return set(re.findall(r"\w+", braces))


def test_everything_that_the_core_exports_is_used_and_everything_imported_as_well():
    scripts = {name: (explorer.HERE / f"{name}.js").read_text("utf8") for name in EXPLORERS}
    imported = {name: names_in(explorer.IMPORT.search(script)[1]) for name, script in scripts.items()}
    exported = names_in(explorer.EXPORT.search((explorer.HERE / "core.js").read_text("utf8"))[1])
    assert set().union(*imported.values()) == exported
    for name, script in scripts.items():
        body = explorer.IMPORT.sub("", script)
        assert [word for word in imported[name] if not re.search(rf"\b{word}\(", body)] == [], name


# --- JavaScript = Python -----------------------------------------------------------------

def exit_rows(run: Run, seen: Recording, step: StepCost, check: ExitCheckCost) -> list[list[str]]:
    """The explorer's table: [name, stops when sure, always T, ratio]."""
    bill, still = inference_cost(run.t_hat, step, check), static_cost(seen.timesteps, step)
    digits, T, static = 2 if seen.images > 2000 else 1, seen.timesteps, float(seen.accuracy[-1])
    costs = [("energy", bill.energy_pj, still.energy_pj, "pJ"), ("delay", bill.latency_ns, still.latency_ns, "ns"),
             ("EDP", bill.edp_pj_ns, still.edp_pj_ns, "pJ ns")]
    return [
        ["accuracy", f"{100 * run.accuracy:.{digits}f} %", f"{100 * static:.{digits}f} %",
         f"{signed(100 * (run.accuracy - static), digits)} pt"],
        ["timesteps", f"{run.mean_timesteps:.3f}", f"{T:.3f}", ratio(run.mean_timesteps / T)],
        *([name, quantity(float(now.mean()), unit, float(then[0])), quantity(float(then[0]), unit),
           ratio(float(now.mean()) / float(then[0]))] for name, now, then, unit in costs),
    ]


def edp_ratios(run: Run, seen: Recording, step: StepCost, check: ExitCheckCost) -> list[str]:
    """EDP against the static network: the mean of each image's own, the product of the means, (T_hat / T)^2."""
    bill, still = inference_cost(run.t_hat, step, check), static_cost(seen.timesteps, step)
    return [ratio(float(bill.edp_pj_ns.mean() / still.edp_pj_ns[0])), ratio(float(bill.edp_of_means_pj_ns / still.edp_of_means_pj_ns)),
            ratio(steps_squared_ratio(run.t_hat, seen.timesteps))]


def golden() -> list[dict]:
    """What Python says at every slider position, score and chip, and at every gamma, with the bytes the page gets."""
    cases = []
    for seen in RECORDINGS:
        data, raw = pack({"it": ExitData(seen, CHIPS)})
        expected, curves = [], []
        for score, policy in POLICIES.items():
            for k, gamma in enumerate(GAMMAS):
                for i in range(0 if gamma in (0, 1) else k, POSITIONS, 1 if gamma in (0, 1) else 9):
                    run, chip = replay(seen, policy(float(THRESHOLDS[i]), gamma)), list(CHIPS)[i % 2]
                    expected.append({"score": score, "gamma": gamma, "theta": float(THRESHOLDS[i]), "chip": chip,
                                     "left": run.histogram.tolist(), "rows": exit_rows(run, seen, *CHIPS[chip]),
                                     "edp": edp_ratios(run, seen, *CHIPS[chip])})
                shown = np.array(thin_curve(seen, policy, gamma)) / seen.images
                curves.append({"score": score, "gamma": gamma, "points": shown.tolist()})
        cases.append({"data": data, "bytes": raw.hex(), "expected": expected, "curves": curves})
    return cases


@needs_node
def test_the_pages_numbers_equal_pythons_at_every_slider_position(tmp_path):
    (tmp_path / "module.mjs").write_text(module("exit_explorer"), "utf8")
    (tmp_path / "golden.json").write_text(json.dumps(golden()), "utf8")
    done = subprocess.run(["node", JS / "exit_golden.mjs", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["compared"] > len(RECORDINGS) * len(POLICIES) * (2 * POSITIONS + 7 * (POSITIONS // 9))
    assert said["curves"] == len(RECORDINGS) * len(POLICIES) * len(GAMMAS)


@needs_node
def test_a_curve_is_thinned_to_the_pixels_that_a_plot_has(tmp_path):
    script = (explorer.HERE / "core.js").read_text("utf8")
    assert run_node(tmp_path, f"{script}\nconsole.log(WIDTH - MARGIN.left - MARGIN.right);") == COLUMNS


def run_node(folder: Path, script: str) -> object:
    """What a script prints."""
    (folder / "script.mjs").write_text(script, "utf8")
    done = subprocess.run(["node", folder / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_the_core(folder: Path, name: str, calls: list[list]) -> list:
    """What a function of core.js returns for each call."""
    script = (explorer.HERE / "core.js").read_text("utf8")
    return run_node(folder, f"{script}\nconsole.log(JSON.stringify({json.dumps(calls)}.map((call) => {name}(...call))));")


@needs_node
def test_numbers_are_rounded_in_the_page_as_in_python(tmp_path):
    values = [0.5, 1.5, 2.5, 0.125, 0.375, 97.25, 97.35, 1e-9, 12345.678, 0.0, -1.25, -0.375, 1 / 3, 999.5, 2.675]
    calls = [[x, digits] for x in values for digits in range(4)]
    assert in_the_core(tmp_path, "fixed", calls) == [f"{x:.{digits}f}" for x, digits in calls]


@needs_node
def test_quantities_and_ticks_are_the_same_in_the_page(tmp_path):
    values = [[x, unit] for x in (0.001, 1.0, 9.995, 99.95, 999.5, 1e3, 12345.6, 7e7, 3e12) for unit in PREFIXES]
    ranges = [[low, low + width, 6] for low in (0, 0.3, 94.3, -7.1) for width in (0.02, 1, 3.6, 250)]
    assert in_the_core(tmp_path, "quantity", values) == [quantity(*value) for value in values]
    assert in_the_core(tmp_path, "ticks", ranges) == [ticks(*each) for each in ranges]


@needs_node
def test_a_trifle_is_never_called_nothing(tmp_path):
    said = {0.08: "92 % less", 1.03: "3 % more", 0.996: "0.4 % less", 1.0001: "less than 0.1 % more", 0.9999: "less than 0.1 % less",
            1.0096: "1 % more", 3: "200 % more", 1: "no more", 1 - 1e-15: "no more"}
    assert in_the_core(tmp_path, "change", [[value] for value in said]) == list(said.values())
