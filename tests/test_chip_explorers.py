"""The crossbar explorer and the design explorer: Python's numbers, and JavaScript's."""

import json
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dtsnn_lite.cost import timestep_cost
from dtsnn_lite.designs import READOUTS as CONVERTERS
from dtsnn_lite.designs import SIZES as ARRAYS
from dtsnn_lite.designs import Designs, exit_tables
from dtsnn_lite.floorplan import area_mm2
from dtsnn_lite.networks import NETWORKS, conv, linear
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets import design_explorer as design_view
from dtsnn_lite.widgets.crossbar_explorer import READOUTS, SIZES, CrossbarExplorer, a_layer, crossbar_rows, read_layer
from dtsnn_lite.widgets.design_explorer import NAMES, REFERENCE, DesignExplorer, DesignNumbers, design_numbers, design_rows
from dtsnn_lite.widgets.explorer import module

JS = Path(__file__).parent / "js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not here; the browser tests compare as well")


def run_node(script: str, folder: Path, name: str, golden: dict) -> dict:
    (folder / "module.mjs").write_text(module(name), "utf8")
    (folder / "golden.json").write_text(json.dumps(golden), "utf8")
    ran = subprocess.run(["node", str(JS / script), str(folder)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


# --- the crossbar explorer ------------------------------------------------------------


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("rows", SIZES)
def test_the_explorers_layer_is_the_packages_crossbar(readout, rows):
    torch = pytest.importorskip("torch")
    from dtsnn_lite.chip import Chip
    from dtsnn_lite.crossbar import matmul, partial_sums, program
    from dtsnn_lite.readouts import kernel_of

    chip = Chip("explored", rows=int(rows), readout=READOUTS[readout], gated=False)           # the picture reads every tile
    layer = a_layer()
    out = read_layer(layer, readout, int(rows), 0.3)
    x, q = torch.tensor(out.spikes).float(), torch.tensor(layer.weights).float()
    arrays = program(q, chip)
    sums = partial_sums(x, arrays)
    scales = torch.stack([kernel_of(chip.readout).fitted(tile) for tile in sums])
    assert np.allclose(matmul(x, arrays, chip.readout, scales).numpy(), out.found, atol=0.05)
    assert np.array_equal(out.exact, out.spikes @ layer.weights)


@needs_node
def test_javascript_reads_the_crossbar_as_python_does(tmp_path):
    layer, expected = a_layer(), []
    for readout in READOUTS:
        for rows in SIZES:
            for density in (0.05, 0.2, 0.55, 1.0):
                state = {"readout": readout, "rows": rows, "density": density,
                         "input": 1 + len(expected) % 32, "column": 1 + len(expected) % 16}
                out = read_layer(layer, readout, int(rows), density)
                expected.append({"state": state, "rows": crossbar_rows(out, int(rows), state["input"], state["column"])})
    shown = CrossbarExplorer()
    golden = {"data": shown.data, "bytes": shown.bytes.hex(), "expected": expected}
    assert run_node("crossbar_golden.mjs", tmp_path, "crossbar_explorer", golden)["compared"] == 128


def test_on_dense_inputs_the_step_of_four_bits_doubles_and_no_sum_saturates():
    few, many = (read_layer(a_layer(), "4", 64, density) for density in (0.2, 0.9))
    assert many.saturated == 0
    errors = [np.square(out.found - out.exact).sum() / np.square(out.exact).sum() for out in (few, many)]
    assert errors[1] > 100 * errors[0]


@pytest.mark.parametrize("wrong, words", [({"readout": "7"}, "readout is one of"), ({"rows": "48"}, "rows is one of"),
                                          ({"density": 0.0}, "density lies in"), ({"column": 17}, "column 1 to 16")])
def test_bad_input_to_the_crossbar_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        CrossbarExplorer(**wrong)


# --- the design explorer ------------------------------------------------------------------


@cache
def invented_designs(images: int = 60) -> Designs:
    """A network's layers and exit tables, without training."""
    rng = np.random.default_rng(0)
    tables = {}
    for converter in CONVERTERS:
        for rows in ARRAYS:
            labels = rng.integers(0, 10, images)
            logits = rng.normal(0, 1.5, (4, images, 10))
            logits[:, np.arange(images), labels] += 5 * rng.random(images)
            f = np.cumsum(logits, 0) / np.arange(1, 5)[:, None, None]
            tables[f"{converter}-{rows}"] = exit_tables(Recording(f, labels, rng.random((4, 3))))
    shapes = (conv("a", 1, 16, 28), conv("b", 16, 32, 14), conv("c", 32, 64, 7), linear("d", 576, 10))
    return Designs(tables, shapes, rng.random((4, 3)) * 0.3, images, frozenset({"sa-128", "flash4-32"}))


def some_states(count: int = 60) -> list[dict]:
    rng = np.random.default_rng(1)
    return [{"converter": str(rng.choice(list(CONVERTERS))), "rows": str(rng.choice(ARRAYS)), "mux": str(rng.choice(["1", "8"])),
             "theta": int(rng.integers(0, 201)) / 200, "spikes": int(rng.integers(1, 17)) / 4, "several": bool(rng.integers(2)),
             "leakage": bool(rng.integers(2))}
            for _ in range(count)]


def all_designs(designs: Designs, state: dict) -> list[DesignNumbers]:
    """Every converter and size at a threshold, each with the mux its chip is built with."""
    return [design_numbers(designs, {**state, "converter": converter, "rows": rows, "mux": "1" if converter == "sa" else "8"})
            for converter in CONVERTERS for rows in ARRAYS]


def unbeaten(points: list[DesignNumbers]) -> list[int]:
    """The Pareto front by its definition: trained designs that no other beats in accuracy and EDP, by rising EDP."""
    front = [k for k, p in enumerate(points)
             if p.trained and not any(q.edp <= p.edp and q.accuracy >= p.accuracy and (q.edp, q.accuracy) != (p.edp, p.accuracy)
                                      for q in points if q.trained)]
    return sorted(front, key=lambda k: points[k].edp)


def test_the_exit_tables_are_replays():
    designs = invented_designs()
    left, right = designs.tables["sa-64"]
    assert (left.sum(axis=1) == 60).all() and (left[0] == [0, 0, 0, 60]).all() and right.max() <= 60


def test_exit_tables_of_many_images_survive_their_file(tmp_path):
    """More than two bytes count: they came back modulo 65,536."""
    designs = invented_designs()
    left = np.tile([0, 0, 0, 70_000], (201, 1))
    many = replace(designs, tables={"sa-64": (left, np.full(201, 66_000))}, images=70_000)
    many.save(tmp_path / "many.npz")
    back = Designs.load(tmp_path / "many.npz").tables["sa-64"]
    assert (back[0] == left).all() and (back[1] == 66_000).all()


def test_designs_survive_their_file(tmp_path):
    designs = invented_designs()
    designs.save(tmp_path / "designs.npz")
    again = Designs.load(tmp_path / "designs.npz")
    state = some_states(1)[0]
    assert again.untrained == designs.untrained == {"sa-128", "flash4-32"}
    assert design_rows(*(design_numbers(d, state) for d in (designs, again))) == design_rows(*(design_numbers(designs, state),) * 2)
    (tmp_path / "designs.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a whole file of designs"):
        Designs.load(tmp_path / "designs.npz")


@needs_node
def test_javascript_bills_a_chip_as_python_does(tmp_path):
    designs, bills = invented_designs(), []
    data, raw = design_view.pack(designs)
    for k, state in enumerate(some_states(48)):
        network = list(NETWORKS.values())[k % len(NETWORKS)]()
        chip = design_view.chip_of(state)
        densities = np.random.default_rng(k).random((3, len(network)))
        step = timestep_cost(network, chip, densities)
        assert (step.fixed_pj, step.fixed_ns) == (0, 0), "as built, nothing is paid once"
        bills.append({"shapes": [design_view.counts(shape) for shape in network], "densities": densities.tolist(),
                      "chip": {"converter": state["converter"], "mux": chip.mux, "rows": chip.rows, "planes": 4, "speedUp": 8,
                               "several": chip.several_cycles, "leakage": chip.leakage},
                      "expected": {"step_pj": step.step_pj, "step_ns": step.step_ns, "parts": step.parts,
                                   "area_mm2": area_mm2(network, chip, chip.charges)}})
    then = design_numbers(designs, REFERENCE)
    states = [{"state": state, "rows": design_rows(design_numbers(designs, state), then)} for state in [REFERENCE, *some_states()]]
    clouds = [({**REFERENCE, "theta": theta}, all_designs(designs, {**REFERENCE, "theta": theta})) for theta in (0.0, 0.2, 0.4, 0.8)]
    fronts = [{"state": state, "front": unbeaten(points),
               "points": [{"edp": p.edp, "accuracy": p.accuracy, "trained": p.trained} for p in points]} for state, points in clouds]
    assert all(1 < len(each["front"]) < len(each["points"]) == 15 for each in fronts), "a front to find, and designs that are beaten"
    golden = {"data": data, "bytes": raw.hex(), "states": states, "bills": bills, "reference": REFERENCE, "fronts": fronts}
    said = run_node("design_golden.mjs", tmp_path, "design_explorer", golden)
    assert (said["compared"], said["fronts"]) == (48 + 61, 4)


def test_every_converter_that_can_be_chosen_has_a_name():
    assert list(NAMES) == list(CONVERTERS)


@pytest.mark.parametrize("wrong, words", [({"converter": "abacus"}, "converter is one of"), ({"rows": "65"}, "rows is one of"),
                                          ({"theta": 2.0}, "theta lies in"), ({"spikes": 9.0}, "spikes lies in"),
                                          ({"mux": "4"}, "mux is one of")])
def test_bad_input_to_the_design_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        DesignExplorer(invented_designs(), **wrong)
