"""The array explorer: eight rows of a crossbar, cell by cell, from spikes to sums to what a column's read-out makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module

ROWS, OUTPUTS, PLANES = 8, 2, 3
READOUTS = {"ideal": "exactly", "adc": "by an ADC", "sa": "by a comparator", "ternary": "by two comparators"}
BITS, OFFSET, REFERENCE = (1, 6), (-2.0, 2.0), (-2.0, 2.0)
STEPS = [2 ** k for k in range(12)]         # of a converter


def some_weights(seed: int = 14) -> np.ndarray:
    """Whole numbers (R, O) in -7..7, bell-shaped as training leaves them."""
    return np.clip(np.rint(np.random.default_rng(seed).normal(0, 3, (ROWS, OUTPUTS))), -7, 7).astype(int)


def cells(weights: np.ndarray) -> np.ndarray:
    """One-bit cells (P, R, O) of differential pairs: sign(q) (|q| >> k & 1)."""
    return np.stack([np.sign(weights) * (np.abs(weights) >> k & 1) for k in range(PLANES)])


def every_pattern() -> np.ndarray:
    """All inputs that eight rows can have, (256, R): what the read-outs are fitted to."""
    return np.arange(2 ** ROWS)[:, None] >> np.arange(ROWS) & 1


@dataclass(frozen=True)
class Column:
    """What reads every column.

    readout    a key of READOUTS
    bits       of the ADC
    offset     zero point of the columns, in on-cell currents; the scales were fitted before it came up
    reference  what the comparator compares with, in on-cell currents
    """

    readout: str = "adc"
    bits: int = 3
    offset: float = 0.0
    reference: float = 0.0


def adc_read(p: np.ndarray, step: int, bits: int) -> np.ndarray:
    """step k + m; codes of an even step lie half a cell beside its multiples, so that their thresholds lie between whole sums."""
    m = 0.5 * (step % 2 == 0)
    return step * np.clip(np.floor((p - m) / step + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + m


def best_step(sums: np.ndarray, bits: int) -> int:
    """The power of two with the least squared error."""
    return STEPS[int(np.argmin([((sums - adc_read(sums, step, bits)) ** 2).sum() for step in STEPS]))]


def mean_size(sums: np.ndarray) -> np.ndarray:
    """A column's scale, mean |p| of the inputs (N, ...); that of an empty column is not quite 0."""
    return np.maximum(np.abs(sums).mean(axis=0), 1e-3)


@dataclass(frozen=True, eq=False)
class Read:
    """Of one input: what each column carries and what is read of it, (P, O), and the outputs (O,) exactly and as read."""

    sums: np.ndarray
    read: np.ndarray
    exact: np.ndarray
    found: np.ndarray


def read_array(weights: np.ndarray, spikes: Sequence[int], column: Column) -> Read:
    """y = sum_k 2^k read(p_k + offset), p_k = x b_k; spikes are the rows that carry one, from 0. Without one, a circuit reads nothing."""
    planes, places = cells(weights), 2 ** np.arange(PLANES)[:, None]
    x = np.isin(np.arange(ROWS), spikes).astype(int)
    sums, fitted = x @ planes, every_pattern() @ planes            # (P, O) and (P, 256, O)
    p, scale = sums + column.offset, mean_size(fitted.transpose(1, 0, 2))
    match column.readout:
        case "adc":
            step = best_step(fitted, column.bits)
            read = adc_read(p, step, column.bits)
        case "sa":
            read = np.where(p > column.reference, scale, -scale)
        case "ternary":
            read = np.where(np.abs(p) > scale / 2, np.sign(p) * scale, 0.0)
        case _:
            read = p
    if not spikes and column.readout != "ideal":
        read = np.zeros_like(p)                                   # no spike, no read
    return Read(sums, read, (places * sums).sum(axis=0), (places * read).sum(axis=0))


def _short(value: float) -> str:
    """A whole number as it is, another with two decimals."""
    return (f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}").replace("-", "\u2212")


def array_rows(out: Read) -> list[list[str]]:
    """The explorer's table: [name, current, as read], column by column, and then the outputs."""
    columns = [(o, k) for o in range(OUTPUTS) for k in reversed(range(PLANES))]
    return [*([f"output {o + 1}, plane of {2 ** k}", _short(out.sums[k, o]), _short(out.read[k, o])] for o, k in columns),
            *([f"output {o + 1}", _short(out.exact[o]), _short(out.found[o])] for o in range(OUTPUTS))]


# --- the widget ---------------------------------------------------------------------------

class ArrayExplorer(Explorer):
    """Eight rows and two outputs of 4-bit weights on one-bit cells: rows light up, columns add up, a read-out answers.

    spikes   rows that carry a spike, from 0
    readout  a key of READOUTS; bits of the ADC
    offset   zero point of the columns; reference of the comparator, both in on-cell currents
    clock    what has happened: 1 the rows, 2 the sums, 3 the read-outs, 4 the outputs
    """

    _esm = module("array_explorer")
    data = traitlets.Dict().tag(sync=True)
    spikes = traitlets.List(traitlets.Int(), [0, 1, 4, 5]).tag(sync=True)
    readout = traitlets.Unicode("adc").tag(sync=True)
    bits = traitlets.Int(3).tag(sync=True)
    offset = traitlets.Float(0.0).tag(sync=True)
    reference = traitlets.Float(0.0).tag(sync=True)
    clock = traitlets.Int(4).tag(sync=True)

    def __init__(self, *, heading: str = "Array explorer", hash_key: str = "array", **state: object) -> None:
        data = {"weights": some_weights().tolist(), "planes": PLANES, "steps": STEPS, "readouts": list(READOUTS.items()),
                "bits": BITS, "offset": OFFSET, "reference": REFERENCE}
        super().__init__(heading=heading, hash_key=hash_key, data=data, **state)
        checked_choice("readout", self.readout, tuple(READOUTS))
        for name, (low, high) in {"bits": BITS, "offset": OFFSET, "reference": REFERENCE, "clock": (0, 4)}.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies in [{low:g}, {high:g}] in this picture; got {getattr(self, name)}")
        if not all(0 <= row < ROWS for row in self.spikes):
            raise ValueError(f"spikes are rows from 0 to {ROWS - 1}; got {self.spikes}")
