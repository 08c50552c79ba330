"""What wires take from the currents of an array: its rows and columns as ladders of resistors, each walked once.

Kirchhoff's laws at every cell would be a linear system for every read (proofs/nodal.py solves it). Two ladders come near:

row      its driver stands left of column 0. With all columns at 0 V the voltage at each of its cells is exact, and a property of
         the cells alone: it is found once, when the array is programmed.
column   its read-out stands below row 0 and holds it at 0 V. From the far end to the near one, all that lies beyond a point is one
         current in parallel with one conductance (Norton): a wire of resistance R divides both by 1 + G R, a cell adds its own.

A cell conducts where its row has a spike; those of silent rows are switched off by their transistors. What is left out is that
a column which is not at 0 V draws less from its rows: the drop of rows is a little too large where both wires are long. BLOCK rows
are walked as if they stood together in their middle. A sum is off by a tenth of the largest drop and a tenth of a cell at most, on
16 to 64 cells a side with up to 2.5 ohm beside cells of 6 kilohm, whatever the density (tests/test_wires.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dtsnn_lite.chip import Chip

BLOCK = 8           # rows that are walked together


def row_voltages(g: Tensor, row: float) -> Tensor:
    """Voltage at each cell of rows that are driven with 1 V, all columns at 0 V: g (R, C) -> (R, C).

    row  resistance of the wire from cell to cell, in resistances of an on cell
    """
    beyond, loads = g.new_zeros(len(g)), []
    for cell in reversed(g.T.unbind()):                       # conductance of all that lies at a cell and right of it
        beyond = cell + beyond / (1 + row * beyond)
        loads.append(beyond)
    voltage, voltages = g.new_ones(len(g)), []
    for load in reversed(loads):
        voltage = voltage / (1 + row * load)
        voltages.append(voltage)
    return torch.stack(voltages, 1)


def column_currents(x: Tensor, g: Tensor, driven: Tensor, column: float) -> Tensor:
    """Currents at the read-outs of columns: x (M, R), g (R, J) -> (M, J).

    driven  g times the voltage of each cell whose row is driven with 1 V; g itself where rows have no resistance
    column  resistance of the wire from cell to cell, in resistances of an on cell
    """
    on, one = (x != 0).to(x.dtype), x.new_ones(())
    current = x.new_zeros(len(x), g.shape[1])
    conductance = current if driven is g and torch.equal(x, on) else current.clone()
    for block, wire in _from_the_far_end(len(g)):
        current.addmm_(x[:, block], driven[block])
        if conductance is not current:
            conductance.addmm_(on[:, block], g[block])
        divided = torch.add(one, conductance, alpha=column * wire)
        current.div_(divided)
        if conductance is not current:
            conductance.div_(divided)
    return current


def _from_the_far_end(rows: int) -> list[tuple[slice, float]]:
    """Blocks of rows, the farthest first, and the cells of wire from the middle of each to that of the next, or to the read-out."""
    blocks = [slice(first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK)]
    middles = [0.0, *((block.start + 1 + block.stop) / 2 for block in blocks)]              # row 0 is one cell of wire away
    return [(block, far - near) for block, near, far in zip(blocks, middles[:-1], middles[1:], strict=True)][::-1]


@dataclass(frozen=True, eq=False)
class Wired:
    """Cells behind wires: the columns of currents that are added, (J = P O), then those that are subtracted.

    cells   (R, 2 J): their conductances, in on cells
    driven  (R, 2 J): those times the voltage that their row's wire leaves them
    column  resistance of a column's wire from cell to cell, in on cells
    """

    cells: Tensor
    driven: Tensor
    column: float

    def sums(self, x: Tensor, tile: slice) -> Tensor:
        """The differences of the columns' currents: x (M, rows of the tile) -> (M, J)."""
        cells = self.cells[tile]
        driven = cells if self.driven is self.cells else self.driven[tile]
        plus, minus = column_currents(x, cells, driven, self.column).chunk(2, 1)
        return plus - minus


def behind_wires(plus: Tensor, minus: Tensor, chip: Chip) -> Wired:
    """Pairs of cells (R, J) on arrays of `chip.cols` columns: both columns of a pair lie side by side, pair after pair."""
    cells, wires = torch.cat([plus, minus], 1), chip.flaws.wires
    if not wires.row:
        return Wired(cells, cells, wires.column)
    laid = torch.stack([plus, minus], 2).flatten(1)                             # (R, 2 J), as they lie
    missing = -laid.shape[1] % chip.cols
    arrays = nn.functional.pad(laid, (0, missing)).view(-1, chip.cols)
    voltages = row_voltages(arrays, wires.row).view(len(plus), -1)[:, :laid.shape[1]]
    return Wired(cells, cells * torch.cat([voltages[:, ::2], voltages[:, 1::2]], 1), wires.column)
