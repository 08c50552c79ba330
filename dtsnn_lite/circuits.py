"""What the circuits of a mapped layer use and how long they take: converters, adder trees, buffers, wires."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.floorplan import Plan, channels, clock_ns, floor_plan, held_steps, sum_bits, way_mm
from dtsnn_lite.mapping import Mapped

CORE_BITS, LINE_BITS, BUS_BITS = 1024, 32, 2048                 # a core of a tile's buffer and its line; the widest bus
GLOBAL_CORE_BITS, GLOBAL_LINE_BITS = 16_384, 128

# Everything below is affine in the timesteps: arrays (2,) of what is paid once an image, and what at each timestep.
Paid = np.ndarray


def once(amount: float) -> Paid:
    return np.array([amount, 0.0])


def each(amount: float) -> Paid:
    return np.array([0.0, amount])


def summed_up(amount: float, chip: Chip) -> Paid:
    """What happens to finished sums: once an image as printed, where T timesteps are the bits of one input; at each timestep as built."""
    return once(amount) if chip.as_printed else each(amount)


# --- converters ------------------------------------------------------------------------

def awake_share(rows: int, density: float) -> float:
    """1 - (1 - density)^rows: how often any of a tile's rows spikes, if rows spike independently (they do not)."""
    return 1 - (1 - density) ** rows


def read_share(rows: int, density: float, chip: Chip, awake: float | None = None) -> float:
    """Share of a tile's reads that happen: all, for its empty columns answer too, or on a gated chip those in which any row spikes.

    awake  that share as it was recorded; None: as if rows spiked independently
    """
    if not chip.gated:
        return 1.0
    return awake_share(rows, density) if awake is None else awake


def conversion_pj(rows: int, density: float, chip: Chip, prices: Parts65nm, awake: float | None = None) -> float:
    """Energy of one column read-out: (comparators + column + its conducting cells) x time, where it happens (`read_share`).

    A chip that is not gated reads what a gated one reads, and its empty columns besides.
    """
    awake = awake_share(rows, density) if awake is None else awake
    asleep = read_share(rows, density, chip, awake) - awake
    on_cells = rows * density / awake * prices.on_cells.value if awake else 0.0   # of a column that any row drives
    return awake * read_pj(on_cells, chip, prices) + asleep * read_pj(0.0, chip, prices)


def read_pj(on_cells: float, chip: Chip, prices: Parts65nm) -> float:
    """Energy of one read of a column in which so many cells conduct."""
    power_uw = chip.readout.comparators * prices.comparator_power.value + prices.column_power.value + on_cells * prices.cell_power.value
    return power_uw * chip.readout.column_ns(on_cells, prices) * 1e-3


def converter_pj(layer: Mapped, density: float, chip: Chip, prices: Parts65nm, awake: float | None = None) -> float:
    """Energy of all read-outs of a layer and timestep."""
    one_column = sum(count * conversion_pj(rows, density, chip, prices, awake) for rows, count in layer.filled_rows())
    return layer.columns * layer.positions * one_column


# --- accumulation ----------------------------------------------------------------------

def tree(inputs: int, bits: int, tick_ns: float, prices: Parts65nm) -> tuple[int, int]:
    """A tree that adds `inputs` numbers of so many bits: (ticks, one-bit additions); each level is a bit wider."""
    cycles = additions = 0
    for level in range(ceil(log2(inputs)) if inputs > 1 else 0):
        inputs //= 2
        cycles += ceil((bits + level) * prices.adder_time.value / tick_ns)
        additions += inputs * (bits + level)
    return cycles, additions


def turns(chip: Chip) -> int:
    """Turns of the trees a position: the multiplexer's over a weight's planes.

    Rounded down, as the program does: without a multiplexer its trees are free. A chip as built takes one turn at least.
    """
    return chip.mux // chip.planes if chip.as_printed else max(1, chip.mux // chip.planes)


def trees(plan: Plan, chip: Chip, prices: Parts65nm, layers: int, tick_ns: float = 1.0) -> tuple[float, float]:
    """Sums over arrays, over PEs and over tiles: (cycles, one-bit additions) of all positions."""
    layer, bits, pe = plan.read(chip), sum_bits(chip), plan.tile // 2
    reads, rows = layer.positions * turns(chip), min(layer.rows, plan.tile)
    block = rows if plan.in_each_pe else min(rows, pe)
    cycles, additions = tree(ceil(block / layer.array_rows), bits, tick_ns, prices)
    blocks = plan.row_tiles * plan.col_tiles * ceil(rows / block) * ceil(min(layer.columns, plan.tile) / pe)
    if chip.as_printed and plan.in_each_pe and plan.copies > 4:  # paid once an array instead of once a PE
        blocks = layer.arrays
    total_cycles, total = reads * cycles / plan.copies, reads * additions * blocks * ceil(pe / chip.mux)
    if not plan.in_each_pe:
        over_pes = ceil(rows / pe) if plan.copies > 1 else 2
        cycles, additions = tree(over_pes, bits + ceil(log2(pe / chip.rows)), tick_ns, prices)
        total_cycles += reads * cycles
        total += reads * additions * plan.row_tiles * plan.col_tiles * ceil(2 * channels(chip))
    merged = merge(plan, chip, prices, layers, tick_ns)
    return total_cycles + merged[0], total + merged[1]


def merge(plan: Plan, chip: Chip, prices: Parts65nm, layers: int, tick_ns: float) -> tuple[float, float]:
    """Sums over tiles: (cycles, one-bit additions). The program also adds up tiles that hold the same weights, which is no sum at all."""
    summed = plan.row_tiles * (plan.groups if chip.as_printed else 1)
    if summed == 1:
        return 0.0, 0.0
    side_by_side = max(1, plan.tile // chip.mux)
    reads = ceil(plan.col_tiles * plan.layer.outputs / side_by_side)
    bits = sum_bits(chip) + ceil(log2(plan.tile / chip.rows * (layers + 1)))
    cycles, additions = tree(summed, bits, tick_ns, prices)
    return reads * cycles, reads * additions * side_by_side


def shifted(layer: Mapped) -> int:
    """Columns that are shifted and added at a timestep: those of whole arrays, used or not."""
    return layer.col_tiles * layer.array_cols * layer.row_tiles * layer.positions


def accumulation_pj(plan: Plan, chip: Chip, prices: Parts65nm, layers: int) -> Paid:
    """Shift-and-add at each conversion; the trees once an image as printed, at each timestep as built."""
    a_conversion = prices.shift_add.value * chip.readout.bits + prices.latch.value
    a_conversion += prices.mux_latch.value if chip.mux > 1 else 0.0
    summed_pj = trees(plan, chip, prices, layers)[1] * prices.bit_add.value
    return each(shifted(plan.read(chip)) * a_conversion) + summed_up(summed_pj, chip)


def scales_pj(layer: Mapped, density: float, chip: Chip, prices: Parts65nm, awake: float | None = None) -> float:
    """Scale factors of one-bit sums, a timestep: one for each read that happens, fetched and added with its sign; nothing is multiplied."""
    if not chip.readout.a_scale_a_column:
        return 0.0
    reads = layer.columns * layer.positions * sum(count * read_share(rows, density, chip, awake) for rows, count in layer.filled_rows())
    return reads * (prices.scale_fetch.value + prices.scale_bits.value * prices.bit_add.value)


# --- buffers and wires -----------------------------------------------------------------

def bus_bits(plans: Sequence[Plan], chip: Chip) -> float:
    """Width of the global bus: what all tiles take and give, halved until it can be built."""
    width = (plans[0].tile + plans[0].tile / chip.mux) * sum(plan.tiles for plan in plans)
    while width > BUS_BITS:
        width /= 2
    return width


def moved_bits(plan: Plan) -> float:
    """Spikes in and, behind the pool, spikes out: bits of a timestep that cross the chip."""
    return plan.layer.rows * plan.layer.positions + plan.layer.outputs / plan.pooled


def driven_bits(plan: Plan, plans: Sequence[Plan], chip: Chip) -> float:
    """Bits that the bus is driven for, a timestep: a run of all timesteps fills its last word."""
    word = bus_bits(plans, chip)
    return word * ceil(held_steps(chip) * moved_bits(plan) / word) / held_steps(chip)


def tile_bits(plan: Plan, chip: Chip) -> Paid:
    """Bits that one tile takes in at each timestep, and hands out as sums once an image."""
    layer, sums = plan.layer, sum_bits(chip) + 1 + ceil(log2(plan.tile // 2 / chip.rows))
    outputs = min(layer.columns, plan.tile) / chip.planes * layer.positions
    handed = outputs * (1 + sums)
    return each(min(layer.rows, plan.tile) * layer.positions) + summed_up(handed, chip)


def lines_a_cycle(bits: float, chip: Chip, held: float) -> float:
    """Bits that a tile's buffer moves a cycle: one line of registers while it is small, else 32 bits a core."""
    if held < CORE_BITS:
        return bits
    return LINE_BITS * min(ceil(held / CORE_BITS), ceil(2 * chip.rows / LINE_BITS))


def buffer_cycles(plan: Plan, plans: Sequence[Plan], shapes: Sequence[LayerShape], chip: Chip) -> Paid:
    """Cycles of the global buffer, of a tile's two (written, then read), and of its PEs'."""
    held = held_steps(chip) * sum(shape.inputs for shape in shapes) // 2
    cores = min(max(1, ceil(held / GLOBAL_CORE_BITS)), ceil(bus_bits(plans, chip) / GLOBAL_LINE_BITS))
    waits = ceil(sum(each_plan.tiles for each_plan in plans) / plan.tiles)
    shared = each(moved_bits(plan) / GLOBAL_LINE_BITS / cores * waits)
    taken, sums = tile_bits(plan, chip), sum_bits(chip) + 1 + ceil(log2(plan.tile // 2 / chip.rows))
    widths = np.array([lines_a_cycle(2 * sums, chip, 2 * sums * channels(chip)),
                       lines_a_cycle(2 * chip.rows, chip, 2 * held_steps(chip) * chip.rows)])
    in_pe = 4 if plan.in_each_pe else plan.copies
    rows, columns = min(plan.layer.rows, plan.tile), min(plan.layer.columns, plan.tile)
    if not plan.in_each_pe:
        rows, columns = min(rows, plan.tile // 2), min(columns, plan.tile // 2)
    in_pes = (rows / chip.rows + columns / chip.planes / channels(chip)) * plan.layer.positions / in_pe
    return shared + 2 * taken / widths + summed_up(in_pes, chip)


def transport_pj(plan: Plan, plans: Sequence[Plan], side_mm: float, chip: Chip, prices: Parts65nm) -> Paid:
    """Buffers and wires: the bus across the chip, and the lines that a conversion moves."""
    lines_pj = plan.read(chip).conversions * (prices.line.value + (prices.mux_line.value if chip.mux > 1 else 0.0))
    return each(driven_bits(plan, plans, chip) * side_mm * prices.wire.value + lines_pj)


# --- time ------------------------------------------------------------------------------

def clocks_ns(owns: Sequence[Chip], prices: Parts65nm) -> tuple[float, float]:
    """The clock of a chip, and the tick that its cycles are counted in.

    One synchronous clock waits for the slowest converter of the chip. Where a conversion may take several cycles, it is that of a sense
    amplifier. The program counts its adders' and wires' cycles at the clock that was asked for, and charges each at the slow one.
    """
    chip, slowest = owns[0], max(clock_ns(own, prices) for own in owns)
    clock = min(slowest, prices.clock_register.value + prices.sense_time.value) if chip.several_cycles else slowest
    return clock, prices.asked_clock.value if chip.as_printed else clock


def layer_cycles(plan: Plan, plans: Sequence[Plan], shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm, tick_ns: float,
                 hop: float) -> dict[str, Paid]:
    """Clock cycles of a layer by mechanism, (2,): once an image, and at each timestep.

    sense         one column of a multiplexer after the other, copies beside each other
    accumulate    shift and add, then the trees
    buffers       written and read, line by line
    interconnect  the bus of the chip, `hop` cycles each, and one cycle each in the tile
    neurons       outputs handed on, as many at a time as a tile has channels
    """
    positions, summed = plan.layer.positions, trees(plan, chip, prices, len(shapes), tick_ns)[0]
    handed = plan.layer.outputs / (plan.tile / chip.mux)
    return {"sense": each(positions * chip.mux / plan.copies),
            "accumulate": each(positions * (chip.mux + turns(chip)) / plan.copies) + summed_up(summed, chip),
            "buffers": buffer_cycles(plan, plans, shapes, chip),
            "interconnect": each(driven_bits(plan, plans, chip) / bus_bits(plans, chip) * hop) + tile_bits(plan, chip) / (2 * chip.rows),
            "neurons": summed_up(handed, chip)}


def layer_stages_ns(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> list[dict[str, Paid]]:
    """Time of each pipeline stage by mechanism, (2,), once an image and at each timestep: cycles x clock."""
    plans, owns = floor_plan(shapes, chip), [chip.of_layer(n) for n in range(len(shapes))]
    clock, tick_ns = clocks_ns(owns, prices)
    hop = max(1.0, way_mm(shapes, chip, prices) * prices.hop_time.value / tick_ns)
    stages: list[dict[str, Paid]] = []
    for plan, own in zip(plans, owns, strict=True):
        cycles = layer_cycles(plan, plans, shapes, own, prices, tick_ns, hop)
        cycles["sense"] = cycles["sense"] * ceil(clock_ns(own, prices) / clock - 1e-9)
        bits = chip.image_bits if not stages else 1
        stages.append({name: clock * paid * (1, bits) for name, paid in cycles.items()})
    return stages


def layer_times_ns(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> list[float]:
    """Time of each pipeline stage in one timestep, the mean of a run of chip.timesteps.

    The slowest is the initiation interval (what NeuroSim reports); their sum is the way of one image through.
    """
    a_step = np.array([1 / chip.timesteps, 1.0])
    return [float(sum(paid @ a_step for paid in stage.values())) for stage in layer_stages_ns(shapes, chip, prices)]
