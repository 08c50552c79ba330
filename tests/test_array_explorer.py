"""The array explorer: columns by hand, the package's crossbar, and JavaScript's numbers."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from dtsnn_lite.widgets.array_explorer import (
    PLANES,
    READOUTS,
    ROWS,
    ArrayExplorer,
    Column,
    array_rows,
    every_pattern,
    read_array,
    some_weights,
)
from tests.test_widgets import needs_node


def some_states(count: int, seed: int = 0) -> list[dict]:
    dice = np.random.default_rng(seed)
    return [{"spikes": np.flatnonzero(dice.integers(0, 2, ROWS)).tolist(), "readout": str(dice.choice(list(READOUTS))),
             "bits": int(dice.integers(1, 7)), "offset": int(dice.integers(-20, 21)) / 10,
             "reference": int(dice.integers(-20, 21)) / 10} for _ in range(count)]


def column_of(state: dict) -> Column:
    return Column(**{name: state[name] for name in ("readout", "bits", "offset", "reference")})


ONE_ROW = np.zeros((ROWS, 2), dtype=int)
ONE_ROW[0] = 5, -3                          # cells of 4, 2, 1: + 0 +, and 0 - -


def test_one_row_by_hand():
    exact = read_array(ONE_ROW, [0, 3], Column("ideal"))
    assert exact.sums.T.tolist() == [[1, 0, 1], [-1, -1, 0]] and exact.found.tolist() == [5, -3]
    signs = read_array(ONE_ROW, [0], Column("sa"))          # half of the 256 inputs carry row 1, so a column's size is one half or nearly 0
    assert signs.read.T == pytest.approx(np.array([[0.5, -0.001, 0.5], [-0.5, -0.5, -0.001]]))


def test_an_empty_column_reads_as_minus_until_its_offset_passes_the_reference():
    reads = [read_array(ONE_ROW, [3], Column("sa", offset=offset, reference=reference)).read[0, 0] for offset, reference in
             ((0.0, 0.0), (0.1, 0.0), (0.1, 0.5), (-0.1, -0.5))]
    assert reads == [-0.5, 0.5, -0.5, 0.5]


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_the_explorers_array_is_the_packages_crossbar(readout, bits):
    torch = pytest.importorskip("torch")
    from dtsnn_lite.chip import HPADC, Chip, Ideal, SenseAmp, Ternary
    from dtsnn_lite.crossbar import matmul, partial_sums, program
    from dtsnn_lite.readouts import kernel_of

    chip = Chip("explored", rows=ROWS, readout={"ideal": Ideal(), "adc": HPADC(bits), "sa": SenseAmp(), "ternary": Ternary()}[readout])
    x, arrays = torch.tensor(every_pattern()).float(), program(torch.tensor(some_weights()).float(), chip)
    scales = torch.stack([kernel_of(chip.readout).fitted(tile) for tile in partial_sums(x, arrays)])
    column = Column(readout, bits, reference=0.5)
    reads = [read_array(some_weights(), np.flatnonzero(pattern).tolist(), column) for pattern in every_pattern()]
    assert np.allclose(matmul(x, arrays, chip.readout, scales).numpy(), [each.found for each in reads], atol=1e-4)
    assert np.array_equal([each.exact for each in reads], every_pattern() @ some_weights())


@pytest.mark.parametrize("readout, reads", [("ideal", 0.7), ("adc", 0.0), ("sa", 0.0), ("ternary", 0.0)])
def test_without_a_spike_no_circuit_reads(readout, reads):
    assert (read_array(some_weights(), [], Column(readout, offset=0.7, reference=-1.0)).read == reads).all()


def test_an_offset_moves_the_currents_and_not_the_scales():
    before, after = (read_array(some_weights(), [1, 4], Column("ideal", offset=offset)).read for offset in (0.0, 0.7))
    assert np.allclose(after - before, 0.7)
    sizes = [np.abs(read_array(some_weights(), [1, 4], Column("sa", offset=offset)).read) for offset in (0.0, 2.0)]
    assert np.array_equal(*sizes)


def test_more_bits_never_read_the_columns_worse():
    def error(bits: int) -> float:
        reads = [read_array(some_weights(), np.flatnonzero(pattern).tolist(), Column("adc", bits)) for pattern in every_pattern()]
        return sum(((each.read - each.sums) ** 2).sum() for each in reads)

    errors = [error(bits) for bits in range(1, 7)]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1] == 0


@needs_node
def test_javascript_reads_the_array_as_python_does(tmp_path):
    (tmp_path / "module.mjs").write_text(ArrayExplorer._esm, "utf8")
    cases = [[state, array_rows(read_array(some_weights(), state["spikes"], column_of(state)))] for state in some_states(400)]
    assert {state["readout"] for state, _ in cases} == set(READOUTS) and len(cases[0][1]) == 2 * PLANES + 2
    (tmp_path / "script.mjs").write_text(f"""
      import {{ arrayRows, readArray }} from "./module.mjs";
      const data = {json.dumps(ArrayExplorer().data)}, cases = {json.dumps(cases)};
      const faults = cases.filter(([state, rows]) => JSON.stringify(arrayRows(readArray(data, state))) !== JSON.stringify(rows));
      console.log(JSON.stringify(faults.slice(0, 3)));""", "utf8")
    done = subprocess.run(["node", tmp_path / "script.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("wrong, words", [({"readout": "dial"}, "readout is one of"), ({"bits": 7}, "bits lies in"),
                                          ({"offset": 3.0}, "offset lies in"),
                                          ({"clock": 5}, "clock lies in"), ({"spikes": [8]}, "spikes are rows")])
def test_bad_input_to_the_array_explorer_is_refused_with_a_reason(wrong, words):
    with pytest.raises(ValueError, match=words):
        ArrayExplorer(**wrong)
