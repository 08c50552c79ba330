"""The crossbar explorer: one layer on arrays, from spikes to partial sums to the error that is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.widgets.drawing import Axis, Plot, bar, dot, line, note, number_table, tag, ticks
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, static_view

ROWS, OUTPUTS, INPUTS, PLANES, BINS = 128, 16, 32, 3, 21
READOUTS = {"ideal": "ideal", "6": "6-bit ADC", "5": "5-bit ADC", "4": "4-bit ADC", "3": "3-bit ADC", "2": "2-bit ADC",
            "ternary": "two comparators (ternary)", "sa": "sense amplifier (1 bit)"}
SIZES = ("16", "32", "64", "128")
TABLE = "128 rows, 16 outputs of 4-bit weights, 32 inputs"


@dataclass(frozen=True, eq=False)
class Layer:
    """weights (R, O) in -7..7, draws (M, R) in 0..255: a row spikes where its draw < 256 density."""

    weights: np.ndarray
    draws: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        """(P, R, O): sign(q) (|q| >> k & 1)."""
        return np.stack([np.sign(self.weights) * (np.abs(self.weights) >> k & 1) for k in range(PLANES)])

    def spikes(self, density: float) -> np.ndarray:
        """(M, R) zeros and ones."""
        return (self.draws < int(256 * density + 0.5)).astype(int)


def a_layer(seed: int = 3) -> Layer:
    """Weights as training leaves them (bell-shaped), and even draws."""
    dice = np.random.default_rng(seed)
    weights = np.clip(np.rint(dice.normal(0, 2.4, (ROWS, OUTPUTS))), -7, 7).astype(int)
    return Layer(weights, dice.integers(0, 256, (INPUTS, ROWS)))


@dataclass(frozen=True, eq=False)
class Reading:
    """Partial sums and read-outs (tiles, P, M, O), outputs (M, O), and how many sums were out of range."""

    spikes: np.ndarray
    sums: np.ndarray
    read: np.ndarray
    exact: np.ndarray
    found: np.ndarray
    saturated: int


def adc_code(p: np.ndarray, step: int, bits: int) -> np.ndarray:
    return np.clip(np.floor(p / step + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def best_step(sums: np.ndarray, bits: int) -> int:
    """The power of two with the least squared error."""
    steps = [2 ** k for k in range(12)]
    return steps[int(np.argmin([((sums - step * adc_code(sums, step, bits)) ** 2).sum() for step in steps]))]


def read_tile(sums: np.ndarray, readout: str) -> tuple[np.ndarray, int]:
    """One tile's read-out of sums (P, M, O), and how many were out of range."""
    if readout == "ideal":
        return sums.astype(float), 0
    alpha = np.abs(sums).mean(axis=1, keepdims=True)
    if readout == "sa":
        return np.where(sums > 0, alpha, -alpha), 0
    if readout == "ternary":
        return np.where(np.abs(sums) > alpha / 2, np.sign(sums) * alpha, 0.0), 0
    bits = int(readout)
    step = best_step(sums, bits)
    out_of_range = np.floor(sums / step + 0.5) != adc_code(sums, step, bits)
    return step * adc_code(sums, step, bits), int(out_of_range.sum())


def read_layer(layer: Layer, readout: str, rows: int, density: float) -> Reading:
    """The whole layer: y = sum_k 2^k sum_i read(x_i b_ik)."""
    spikes = layer.spikes(density)
    sums = np.stack([spikes[:, i:i + rows] @ layer.cells[:, i:i + rows] for i in range(0, ROWS, rows)])
    tiles = [read_tile(tile, readout) for tile in sums]
    read = np.stack([tile for tile, _ in tiles])
    places = (2 ** np.arange(PLANES)).reshape(-1, 1, 1)
    exact, found = ((places * part).sum(axis=(0, 1)) for part in (sums, read))
    return Reading(spikes, sums, read, exact, found, sum(count for _, count in tiles))


def _minus(number: str) -> str:
    return number.replace("-", "\u2212")


def crossbar_rows(out: Reading, rows: int, input_: int, column: int) -> list[list[str]]:
    """The explorer's table: [name, value]."""
    at, tiles = (input_ - 1, column - 1), ROWS // rows
    error = float((((out.found - out.exact) ** 2).sum() / max((out.exact ** 2).sum(), 1)) ** 0.5)
    return [["this output, exact", _minus(f"{out.exact[at]:.0f}")], ["this output, as read", _minus(f"{out.found[at]:.2f}")],
            [f"relative error of all {out.exact.size} outputs", f"{error:.3f}"], ["read-outs an output", str(tiles * PLANES)],
            ["partial sums out of range", f"{100 * out.saturated / (out.exact.size * tiles * PLANES):.2f} %"]]


# --- the view without a script ----------------------------------------------------------


def cells_picture(layer: Layer, out: Reading, rows: int, input_: int, column: int) -> str:
    """The rows of one output: which spike, and what the planes hold."""
    plot = Plot("Rows: spikes and planes", f"The {ROWS} rows of one output: which spike, and what the three planes hold.",
                Axis(0, ROWS, (0, 32, 64, 96, 128), "row"),
                Axis(0, 4, (), "spikes, and the planes of 4, 2, 1: blue +1, orange \u22121"))
    under = []
    for r in range(ROWS):
        strips = [(3, "bar other")] if out.spikes[input_ - 1, r] else []
        strips += [(k, "bar" if cell > 0 else "bar warn") for k, cell in enumerate(layer.cells[:, r, column - 1]) if cell]
        under += [bar(plot, r, r + 1, level + 0.1, level + 0.85, kind) for level, kind in strips]
    names = [note(plot, 0, level + 0.475, name, dx=-4, dy=4, class_="tick", text_anchor="end") for level, name in enumerate(("1", "2", "4", "spikes"))]
    return plot.svg(under, [*(line(plot, [(i, 0), (i, 4)], "line other") for i in range(rows, ROWS, rows)), *names])


def sums_picture(out: Reading, input_: int, column: int) -> str:
    """The partial sums of one output, exact and as read."""
    exact, read = (part[:, :, input_ - 1, column - 1].flatten() for part in (out.sums, out.read))
    top = max(1, float(np.abs(exact).max()), float(np.abs(read).max()))
    marks, tiles = ticks(-top, top, 6), len(out.sums)
    plot = Plot("Partial sums, and what is read", f"{len(exact)} partial sums of one output: bars exact, dots as read.",
                Axis(0, len(exact), (0, len(exact)), f"{tiles} {'tile' if tiles == 1 else 'tiles'} of 3 planes"),
                Axis(marks[0], marks[-1], marks, "bars: exact; dots: as read (on-cell currents)"))
    bars = [bar(plot, j + 0.2, j + 0.8, min(0, p), max(0, p)) for j, p in enumerate(exact)]
    dots = [dot(plot, j + 0.5, p, "dot now", 3.5) for j, p in enumerate(read)]
    return plot.svg(bars, dots + [line(plot, [(3 * i, marks[0]), (3 * i, marks[-1])], "line other") for i in range(1, tiles)])


def error_picture(out: Reading) -> str:
    """How far the outputs are off."""
    errors = (out.found - out.exact).flatten()
    most = max(1, float(np.abs(errors).max()))
    marks = ticks(-most, most, 6)
    top = max(-marks[0], marks[-1])
    bins = np.clip(np.floor((errors + top) / (2 * top) * BINS), 0, BINS - 1).astype(int)
    counts, width = np.bincount(bins, minlength=BINS), 2 * top / BINS
    plot = Plot("Error of the output", f"Histogram of the errors of {len(errors)} outputs; {counts[10]} lie in the middle bin.",
                Axis(-top, top, (-top, 0, top), "output as read \u2212 exact"), Axis(0, 100, (0, 25, 50, 75, 100), "outputs (%)"))
    return plot.svg([bar(plot, -top + j * width, -top + (j + 0.92) * width, 0, 100 * count / len(errors))
                     for j, count in enumerate(counts) if count])


def static_html(layer: Layer, state: dict, heading: str) -> str:
    """The explorer at one state, as plain HTML and SVG."""
    rows, at = int(state["rows"]), (state["input"], state["column"])
    out = read_layer(layer, state["readout"], rows, state["density"])
    cells = crossbar_rows(out, rows, *at)
    name = READOUTS[state["readout"]]
    controls = [("read-out of a column", name, "choice"), ("rows of an array", state["rows"], "choice"),
                ("share of rows that spike", f"{state['density']:.2f}", "number")]
    sentence = (f"With {rows} rows an array and the read-out \"{name}\", the outputs are off by {cells[2][1]} of their size.")
    pictures = [cells_picture(layer, out, rows, *at), sums_picture(out, *at), error_picture(out)]
    table = number_table(TABLE, ["", "value"], cells)
    return static_view(heading, controls, sentence, tag(
        "div", *(tag("div", picture, class_="panel") for picture in pictures), tag("div", table, class_="panel numbers"), class_="panels"), folded=True)


# --- the widget ---------------------------------------------------------------------------


class CrossbarExplorer(Explorer):
    """One layer of 4-bit weights on one-bit cells, read by a converter that the reader chooses.

    readout   a key of READOUTS
    rows      rows of an array, as text: "16", "32", "64" or "128"
    density   share of rows that spike
    input, column   which of the 32 inputs and 16 outputs is looked into, from 1
    """

    _esm = module("crossbar_explorer")
    bytes = traitlets.Bytes(b"").tag(sync=True)
    readout = traitlets.Unicode("4").tag(sync=True)
    rows = traitlets.Unicode("64").tag(sync=True)
    density = traitlets.Float(0.2).tag(sync=True)
    input = traitlets.Int(1).tag(sync=True)
    column = traitlets.Int(1).tag(sync=True)

    def __init__(self, *, heading: str = "Crossbar explorer", hash_key: str = "crossbar", **state: object) -> None:
        layer = a_layer()
        raw = np.concatenate([(layer.weights + 7).flatten(), layer.draws.flatten()]).astype(np.uint8).tobytes()
        super().__init__(heading=heading, hash_key=hash_key, bytes=raw, **state)
        checked_choice("readout", self.readout, tuple(READOUTS))
        checked_choice("rows", self.rows, SIZES)
        if not 0.05 <= self.density <= 1:
            raise ValueError(f"density lies in [0.05, 1] in this picture; got {self.density}")
        if not (1 <= self.input <= INPUTS and 1 <= self.column <= OUTPUTS):
            raise ValueError(f"input is 1 to {INPUTS} and column 1 to {OUTPUTS}; got {self.input} and {self.column}")
        state = {name: getattr(self, name) for name in ("readout", "rows", "density", "input", "column")}
        self.static_html = static_html(layer, state, heading)
