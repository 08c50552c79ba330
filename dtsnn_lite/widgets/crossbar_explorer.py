"""The crossbar explorer: one layer on arrays, from spikes to partial sums to the error that is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.chip import HPADC, Converter, Ideal, Readout, SenseAmp, Ternary
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module

ROWS, OUTPUTS, INPUTS, PLANES = 128, 16, 32, 3
READOUTS: dict[str, Readout] = {"ideal": Ideal(), **{str(bits): HPADC(bits) for bits in (6, 5, 4, 3, 2)},
                               "ternary": Ternary(), "sa": SenseAmp()}
SIZES = ("16", "32", "64", "128")
DENSITY = {"low": 0.05, "high": 1.0, "step": 0.05}
STEPS = [2 ** k for k in range(12)]         # of a converter


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


def middle(step: int) -> float:
    """Where the codes of a converter lie: half a cell beside the multiples of an even step, as `readouts.middle`."""
    return 0.5 * (step % 2 == 0)


def adc_code(p: np.ndarray, step: int) -> np.ndarray:
    """The code of each sum, if a converter had codes without end."""
    return np.floor((p - middle(step)) / step + 0.5)


def adc_read(p: np.ndarray, step: int, readout: Converter) -> np.ndarray:
    return step * np.clip(adc_code(p, step), *readout.codes) + middle(step)


def best_step(sums: np.ndarray, readout: Converter) -> int:
    """The power of two with the least squared error."""
    return STEPS[int(np.argmin([((sums - adc_read(sums, step, readout)) ** 2).sum() for step in STEPS]))]


def read_tile(sums: np.ndarray, readout: Readout) -> tuple[np.ndarray, int]:
    """One tile's read-out of sums (P, M, O), and how many were out of range: readouts.py without torch."""
    scale = np.abs(sums).mean(axis=1, keepdims=True)
    match readout:
        case Ideal():
            return sums.astype(float), 0
        case SenseAmp(reference):
            return np.where(sums > reference, scale, -scale), 0
        case Ternary():
            return np.where(np.abs(sums) > scale / 2, np.sign(sums) * scale, 0.0), 0
        case Converter():
            step = best_step(sums, readout)
            code = adc_code(sums, step)
            return adc_read(sums, step, readout), int((code != np.clip(code, *readout.codes)).sum())
    raise TypeError(f"the explorer does not know what {type(readout).__name__} makes of a sum: say it here and in crossbar_explorer.js")


def read_layer(layer: Layer, readout: str, rows: int, density: float) -> Reading:
    """The whole layer: y = sum_k 2^k sum_i read(x_i b_ik)."""
    checked_choice("readout", readout, tuple(READOUTS))
    spikes = layer.spikes(density)
    sums = np.stack([spikes[:, i:i + rows] @ layer.cells[:, i:i + rows] for i in range(0, ROWS, rows)])
    tiles = [read_tile(tile, READOUTS[readout]) for tile in sums]
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


# --- the widget ---------------------------------------------------------------------------


def pack(layer: Layer) -> tuple[dict, bytes]:
    """The two traits `data` and `bytes`: the sizes of the layer and what reads it, then its weights and its draws, a byte each."""
    readouts = [(key, {"name": readout.name, "kind": type(readout).__name__,
                       "codes": readout.codes if isinstance(readout, Converter) else [],
                       "reference": readout.reference if isinstance(readout, SenseAmp) else 0}) for key, readout in READOUTS.items()]
    data = {"rows": ROWS, "outputs": OUTPUTS, "inputs": INPUTS, "planes": PLANES, "sizes": list(SIZES), "density": DENSITY,
            "readouts": readouts, "steps": STEPS,
            "caption": f"{ROWS} rows, {OUTPUTS} outputs of {PLANES + 1}-bit weights, {INPUTS} inputs"}
    raw = np.concatenate([(layer.weights + 2 ** PLANES - 1).flatten(), layer.draws.flatten()])
    return data, raw.astype(np.uint8).tobytes()


class CrossbarExplorer(Explorer):
    """One layer of 4-bit weights on one-bit cells, read by a converter that the reader chooses.

    readout   a key of READOUTS
    rows      rows of an array, as text: "16", "32", "64" or "128"
    density   share of rows that spike
    input, column   which of the 32 inputs and 16 outputs is looked into, from 1
    """

    _esm = module("crossbar_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    readout = traitlets.Unicode("4").tag(sync=True)
    rows = traitlets.Unicode("64").tag(sync=True)
    density = traitlets.Float(0.2).tag(sync=True)
    input = traitlets.Int(1).tag(sync=True)
    column = traitlets.Int(1).tag(sync=True)

    def __init__(self, *, heading: str = "Crossbar explorer", hash_key: str = "crossbar", **state: object) -> None:
        data, raw = pack(a_layer())
        super().__init__(heading=heading, hash_key=hash_key, data=data, bytes=raw, **state)
        checked_choice("readout", self.readout, tuple(READOUTS))
        checked_choice("rows", self.rows, SIZES)
        if not DENSITY["low"] <= self.density <= DENSITY["high"]:
            raise ValueError(f"density lies in [{DENSITY['low']:g}, {DENSITY['high']:g}] in this picture; got {self.density}")
        if not (1 <= self.input <= INPUTS and 1 <= self.column <= OUTPUTS):
            raise ValueError(f"input is 1 to {INPUTS} and column 1 to {OUTPUTS}; got {self.input} and {self.column}")
