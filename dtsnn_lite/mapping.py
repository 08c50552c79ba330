"""How a layer lies on the crossbars: row tiles, planes, positions, conversions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from dtsnn_lite.chip import Chip, LayerShape


@dataclass(frozen=True)
class Mapped:
    """One layer on a chip's arrays; every count is a timestep's.

    row_tiles     arrays one above the other: ceil(C_in k^2 / rows)
    columns       billed columns: C_out x Chip.planes (one plane a cell's worth of weight bits, the sign's included)
    positions     output pixels without padding, (H - k + 1)(W - k + 1) over the stride: as NeuroSim counts
    """

    rows: int
    row_tiles: int
    out_channels: int
    columns: int
    positions: int
    array_rows: int
    array_cols: int

    @property
    def col_tiles(self) -> int:
        return ceil(self.columns / self.array_cols)

    @property
    def arrays(self) -> int:
        return self.row_tiles * self.col_tiles

    @property
    def conversions(self) -> int:
        """Column read-outs: columns x row tiles x positions."""
        return self.columns * self.row_tiles * self.positions

    @property
    def outputs(self) -> int:
        return self.out_channels * self.positions

    @property
    def moved_bits(self) -> int:
        """Spikes in and spikes out: (rows + C_out) positions."""
        return (self.rows + self.out_channels) * self.positions

    def filled_rows(self) -> list[tuple[int, int]]:
        """(rows in use, how many row tiles have so many): full tiles, then the rest."""
        full, rest = divmod(self.rows, self.array_rows)
        return [(rows, count) for rows, count in ((self.array_rows, full), (rest, 1)) if rows and count]


def unpadded_positions(shape: LayerShape) -> int:
    """((H - k) // stride + 1)((W - k) // stride + 1); 0 where the kernel does not fit."""
    return shape.unpadded(shape.in_height) * shape.unpadded(shape.in_width)


def place(shape: LayerShape, chip: Chip, padded: bool = False) -> Mapped:
    """A layer on a chip; padded = True counts every output pixel, as a real convolution computes them."""
    positions = shape.positions if padded else unpadded_positions(shape)
    columns = shape.out_channels * chip.planes
    return Mapped(shape.rows, ceil(shape.rows / chip.rows), shape.out_channels, columns, positions,
                  chip.rows, chip.cols)


def macs(shapes: Sequence[LayerShape]) -> int:
    """Multiply-accumulates of one timestep."""
    return sum(shape.macs for shape in shapes)
