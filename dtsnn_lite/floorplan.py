"""The 65 nm chip as parts times counts: area, clock, cycles and energy of a mapped network."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.mapping import Mapped, place


def array_area_um2(chip: Chip, prices: Parts65nm) -> float:
    """One crossbar: its rows, and cols / mux times a converter with an accumulator as wide as a run is long."""
    width_bits = chip.timesteps + chip.readout.bits + prices.accumulator_bits.value
    channel_um2 = chip.readout.area_um2(prices) + width_bits * prices.accumulator_area.value
    return chip.rows * prices.row_area.value + chip.cols / chip.mux * channel_um2


def tiles(layer: Mapped, prices: Parts65nm) -> int:
    """Whole tiles that a layer takes: no tile serves two layers."""
    side = prices.tile_side.value
    return ceil(layer.rows / side) * ceil(layer.columns / side)


def area_mm2(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> float:
    """Area of all tiles of a network."""
    total_um2 = 0.0
    for n, shape in enumerate(shapes):
        own = chip.of_layer(n)
        arrays = tiles(place(shape, own), prices) * prices.tile_side.value ** 2 / (own.rows * own.cols)
        total_um2 += arrays * array_area_um2(own, prices)
    return total_um2 * 1e-6


def clock_ns(chip: Chip, prices: Parts65nm) -> float:
    """Clock period, set by the sensing path: sense, register, multiplexer, encoder."""
    period = prices.clock_register.value + (prices.clock_mux.value if chip.mux > 1 else 0.0)
    return period + chip.readout.sense_ns(prices) + chip.readout.encode_ns(chip.rows, prices)


def conversion_pj(rows: int, density: float, chip: Chip, prices: Parts65nm) -> float:
    """Energy of one column read-out: (comparators + column current) x time; nothing where no row spikes."""
    active = rows * density
    awake = 1 - (1 - density) ** rows
    column_uw = prices.column_power.value * active ** prices.column_exponent.value
    power_uw = chip.readout.comparators * prices.comparator_power.value + column_uw
    return awake * power_uw * chip.readout.column_ns(active / 2, chip.rows, prices) * 1e-3


def converter_pj(layer: Mapped, density: float, chip: Chip, prices: Parts65nm) -> float:
    """Energy of all read-outs of a layer and timestep."""
    one_column = sum(count * conversion_pj(rows, density, chip, prices) for rows, count in layer.filled_rows())
    return layer.columns * layer.positions * one_column


def accumulation_pj(layer: Mapped, chip: Chip, prices: Parts65nm) -> float:
    """Shift-and-add of the planes and the sum over an array's columns, a timestep."""
    a_conversion = prices.shift_add.value * chip.readout.bits
    a_conversion += prices.mux_latch.value if chip.mux > 1 else 0.0
    array_reads = layer.conversions / chip.cols
    return layer.conversions * a_conversion + array_reads * prices.array_sum.value


def transport_pj(layer: Mapped, side_mm: float, chip: Chip, prices: Parts65nm) -> float:
    """Buffers and wires: every bit in or out crosses the chip."""
    lines_pj = layer.conversions * prices.mux_line.value if chip.mux > 1 else 0.0
    return layer.moved_bits * side_mm * prices.wire.value + lines_pj


def layer_cycles(layer: Mapped, side_mm: float, chip: Chip, prices: Parts65nm) -> float:
    """Clock cycles of a layer and timestep: merge the row tiles, move the bits, read column after column.

    A tile holds `copies` copies of a narrow layer, which read at the same time.
    """
    copies = max(1.0, prices.tile_side.value / layer.columns)
    a_position = prices.merge_cycles.value * layer.row_tiles + prices.mux_cycles.value * chip.mux / copies
    return layer.positions * a_position + layer.moved_bits * side_mm * prices.wire_cycles.value


def layer_times_ns(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> list[float]:
    """Time of each pipeline stage in one timestep.

    The slowest is the initiation interval (what NeuroSim reports); their sum is the way of one image through.
    """
    side_mm = sqrt(area_mm2(shapes, chip, prices))
    period = max(clock_ns(chip.of_layer(n), prices) for n in range(len(shapes)))
    return [period * layer_cycles(place(shape, chip.of_layer(n)), side_mm, chip.of_layer(n), prices)
            for n, shape in enumerate(shapes)]


def leakage_uw(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> float:
    """Leakage power of the arrays that hold weights, in proportion to their rows."""
    arrays = sum(place(shape, chip).arrays for shape in shapes)
    return arrays * prices.array_leakage.value * chip.rows / 64
