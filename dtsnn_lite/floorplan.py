"""The 65 nm chip as a plan of tiles: how often a layer is copied, what area and clock follow, what leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log2, sqrt

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.mapping import Mapped, place


@dataclass(frozen=True)
class Plan:
    """One layer on whole tiles of 2 x 2 processing elements (PEs); no tile serves two layers.

    tile          cells along a tile's side
    down, across  copies of the layer one above the other and side by side: its maps are large, and the slowest layer waits for none
    groups        groups of tiles that hold the same weights
    pooled        maps that become one behind it: 4 where a pool follows, else 1
    """

    layer: Mapped
    tile: int
    down: int
    across: int
    groups: int
    pooled: int = 1

    @property
    def copies(self) -> int:
        return self.down * self.across

    @property
    def row_tiles(self) -> int:
        return ceil(self.layer.rows / self.tile)

    @property
    def col_tiles(self) -> int:
        return ceil(self.layer.columns / self.tile)

    @property
    def tiles(self) -> int:
        return self.row_tiles * self.col_tiles * self.groups

    @property
    def arrays(self) -> int:
        """Arrays of its tiles, whether they hold weights or not; where arrays do not divide a tile, as many as cover it."""
        return self.tiles * ceil(self.tile / self.layer.array_rows) * ceil(self.tile / self.layer.array_cols)

    @property
    def in_each_pe(self) -> bool:
        """Whether each of the four PEs of a tile holds the whole matrix."""
        return self.down >= 2 and self.across >= 2

    def read(self, chip: Chip) -> Mapped:
        """The layer as it is read.

        As printed, the program loses rows of a layer of four copies, and reads one of many copies as a single tall array.
        """
        layer, pe = self.layer, self.tile // 2
        arrays = pe // chip.rows
        if not (chip.as_printed and self.in_each_pe):
            return layer
        if self.copies == 4:
            full, rest = divmod(layer.rows, self.tile)
            rows = full * pe + min(rest, pe)
            return replace(layer, rows=rows, row_tiles=ceil(rows / chip.rows), columns=min(layer.columns, pe))
        if min(self.down, self.across) > 2 * (arrays - 1):
            return replace(layer, row_tiles=self.row_tiles, array_rows=min(layer.rows, self.tile))
        return layer


def tile_side(shapes: Sequence[LayerShape], chip: Chip) -> int:
    """Cells along a tile's side: the power of two, from the widest layer down to eight arrays, that wastes the fewest cells."""
    layers = [place(shape, chip) for shape in shapes]
    side = max(2 ** ceil(log2(max(layer.columns for layer in layers))), 4 * chip.rows)
    sides = [side]
    while sides[-1] > 8 * chip.rows:
        sides.append(sides[-1] // 2)
    return min(sides, key=lambda s: sum(ceil(layer.rows / s) * ceil(layer.columns / s) * s * s for layer in layers))


def fits(layer: Mapped, outer: int, rows: int, cols: int) -> tuple[int, int]:
    """How often a layer, in blocks of rows x cols cells, fits into a square of `outer` cells: (down, across)."""
    if layer.rows > outer and layer.columns > outer:
        return 1, 1
    return max(1, outer // rows // ceil(layer.rows / rows)), max(1, outer // cols // ceil(layer.columns / cols))


def wanted_copies(shape: LayerShape, shapes: Sequence[LayerShape], chip: Chip) -> int:
    """Copies that keep a layer in step: ceil((own map / b)^2), b = largest map / min(chip.speed_up, largest / smallest map)."""
    maps = [each.in_height for each in shapes if each.kernel > 1] or [1]
    slowest = ceil(shapes[0].in_height / min(chip.speed_up, max(maps) // min(maps)))
    return ceil((shape.in_height / slowest) ** 2)


def floor_plan(shapes: Sequence[LayerShape], chip: Chip) -> list[Plan]:
    """Where each layer lies: as often as a tile holds it, in as many groups of tiles as its copies need."""
    side, plans = tile_side(shapes, chip), []
    for n, shape in enumerate(shapes):
        layer = place(shape, chip)
        pes, arrays = fits(layer, side, side // 2, side // 2), fits(layer, side // 2, chip.rows, chip.cols)
        down, across = pes[0] * arrays[0], pes[1] * arrays[1]
        groups = ceil(wanted_copies(shape, shapes, chip) / (down * across))
        plans.append(Plan(layer, side, down * groups, across, groups, pooled(shape, shapes[n + 1:])))
    return plans


def pooled(shape: LayerShape, following: Sequence[LayerShape]) -> int:
    """4 where the next layer takes fewer inputs than this one has neurons, else 1."""
    return 4 if following and following[0].inputs < shape.neurons else 1


# --- area, distance, leakage -----------------------------------------------------------

def channels(chip: Chip) -> float:
    """Converters of one array."""
    return chip.cols / chip.mux


def held_steps(chip: Chip) -> int:
    """Timesteps that sums and buffers hold: all of a run as printed, where they are the bits of one input; one as built."""
    return chip.timesteps if chip.as_printed else 1


def sum_bits(chip: Chip) -> int:
    """Width of an array's sums: converter, timesteps that are held, planes and a carry."""
    return chip.readout.bits + held_steps(chip) + chip.planes + 1


def array_area_um2(chip: Chip, prices: Parts65nm) -> float:
    """One crossbar: its rows, and cols / mux times a converter with its shift-and-add."""
    return chip.rows * prices.row_area.value + channels(chip) * (chip.readout.area_um2(prices) + prices.channel_area.value)


def buffer_bits(chip: Chip) -> float:
    """Buffers of a tile: what goes in and comes out, once for each of its four PEs and twice for itself."""
    return 6 * (held_steps(chip) * chip.rows + channels(chip) * (sum_bits(chip) + 1))


def area_mm2(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> float:
    """Area of all tiles of a network."""
    total_um2 = 0.0
    for n, plan in enumerate(floor_plan(shapes, chip)):
        own = chip.of_layer(n)
        total_um2 += plan.arrays * array_area_um2(own, prices) + plan.tiles * buffer_bits(own) * prices.buffer_area.value
    return total_um2 * 1e-6


def way_mm(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> float:
    """Length of the tree of wires from the global buffer to a tile: 2 (2^n - 1) + 3 tiles long on a grid of up to 2^n x 2^n."""
    tiles = sum(plan.tiles for plan in floor_plan(shapes, chip))
    grid = 2 ** ceil(log2(ceil(sqrt(tiles))))
    return (2 * (grid - 1) + 3) * sqrt(area_mm2(shapes, chip, prices) / tiles)


def leakage_uw(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> float:
    """Leakage power of all arrays: their rows, their channels, and the bits that both hold of each timestep."""
    total_nw = 0.0
    for n, plan in enumerate(floor_plan(shapes, chip)):
        own = chip.of_layer(n)
        row_nw = prices.row_leakage.value + prices.bit_leakage.value * held_steps(own)
        channel_nw = prices.channel_leakage.value + prices.comparator_leakage.value * own.readout.comparators
        total_nw += plan.arrays * (own.rows * row_nw + channels(own) * channel_nw)
    return total_nw * 1e-3


def clock_ns(chip: Chip, prices: Parts65nm) -> float:
    """Clock period, set by the sensing path: sense, register, multiplexer, encoder."""
    period = prices.clock_register.value + (prices.clock_mux.value if chip.mux > 1 else 0.0)
    return period + chip.readout.sense_ns(prices) + chip.readout.encode_ns(chip.rows, prices)
