"""Kirchhoff's law at every node of an array, solved exactly: what wires.py comes near to, and is tested against."""

from __future__ import annotations

import numpy as np


def cell_currents(x: np.ndarray, g: np.ndarray, row: float, column: float) -> np.ndarray:
    """Current through each cell, in on-cell currents: x (R,) volts at the rows' drivers, g (R, C) on cells -> (R, C).

    g_ij (V_ij - v_ij), and what flows into a node flows out of it. Wires as in wires.py: `row` and `column` resistances of an on cell
    from cell to cell, drivers left of column 0, read-outs at 0 V below row 0, cells of rows without input open.
    """
    g = np.where(x[:, None] != 0, g, 0.0)
    seen = [_row_seen_from_its_columns(drive, cells, row) for drive, cells in zip(x, g, strict=True)]
    v = _column_voltages([source for source, _ in seen], [load for _, load in seen], column)
    return np.stack([source - load @ node for (source, load), node in zip(seen, v, strict=True)])


def _row_seen_from_its_columns(drive: float, cells: np.ndarray, row: float) -> tuple[np.ndarray, np.ndarray]:
    """(source, load): the current that a row sends into each of its columns is source - load v, v (C,) the columns' voltages there."""
    if row == 0:
        return cells * drive, np.diag(cells)
    count = len(cells)
    wire = (2 * np.eye(count) - np.eye(count, k=1) - np.eye(count, k=-1)) / row
    wire[-1, -1] = 1 / row                                                 # the last cell has no wire on its right
    voltages = np.linalg.inv(wire + np.diag(cells))                        # of the row's nodes for currents into them
    return cells * voltages[:, 0] * drive / row, np.diag(cells) - cells[:, None] * voltages * cells


def _column_voltages(sources: list[np.ndarray], loads: list[np.ndarray], column: float) -> list[np.ndarray]:
    """The columns' voltages at each row, (C,) each: rows are eliminated from the far end, then put back from the near one."""
    if column == 0:
        return [np.zeros_like(source) for source in sources]
    wire, far = np.eye(len(sources[0])) / column, []
    lent, stiff = np.zeros_like(sources[0]), 0.0 * wire                    # of all rows beyond: the current, and the conductance
    for source, load in zip(sources[::-1], loads[::-1], strict=True):
        inverse = np.linalg.inv(load + stiff + wire)
        far.append((inverse, source + lent))
        lent, stiff = inverse @ (source + lent) / column, wire - inverse / column ** 2
    v = [np.zeros_like(sources[0])]                                        # the read-out
    for inverse, current in far[::-1]:
        v.append(inverse @ (current + v[-1] / column))
    return v[1:]
