"""What the parts of a chip cost: each number with its unit, its source and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

Tag = Literal["paper", "code", "derived", "measured", "estimate"]


@dataclass(frozen=True)
class Constant:
    """A number with its unit, where it was read, and the range it may lie in.

    source    a key of references.bib
    tag       paper: printed there; code: read in the authors' program; derived: arithmetic on those;
              measured: by us; estimate: a guess with a reason
    low/high  the range asked for by a band or a tornado plot; the value itself where nothing is known
    node_nm   technology node, in nanometres
    """

    value: float
    unit: str
    source: str
    tag: Tag
    low: float | None = None
    high: float | None = None
    node_nm: int | None = None

    def __post_init__(self) -> None:
        if not self.range[0] <= self.value <= self.range[1]:
            raise ValueError(f"a constant lies in its own range; got {self.value} in {self.range}")

    @property
    def range(self) -> tuple[float, float]:
        """(low, high)."""
        low = self.value if self.low is None else self.low
        return low, self.value if self.high is None else self.high


def constants(table: Prices) -> Iterator[tuple[str, Constant]]:
    """The constants of a cost table by name, in the order it lists them."""
    for entry in fields(table):
        if isinstance(constant := getattr(table, entry.name), Constant):
            yield entry.name, constant


@dataclass(frozen=True)
class Prices:
    """A price list: every entry a `Constant`, or the price list that scales it (abstract)."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not isinstance(getattr(self, entry.name), (Constant, Prices)):
                raise TypeError(f"{entry.name} is a Constant, with unit and source; got {getattr(self, entry.name)!r} "
                                f"(replace(prices.{entry.name}, value=...) changes its value)")


def _spikesim(value: float, unit: str, node_nm: int | None = 65) -> Constant:
    return Constant(value, unit, "moitra2022spikesimcode", "code", node_nm=node_nm)


@dataclass(frozen=True)
class PECycle(Prices):
    """SpikeSim's price list: one energy for each read of a processing element, spikes or no spikes.

    The program's users ask what its terms mean, and got no answer (issue 5 of its repository). Read from its formula:
    crossbar          one array read; a PE reads k^2 arrays
    adc, mux          X / 8 is the groups of 8 columns that share an ADC through a multiplexer (`Chip.mux`); in each of the X / 8 reads
                      of a cycle all groups convert
    subtractor        SUB, the digital difference of positive and negative columns: `subtractions` of it a group
    temporary_buffer  Temp_Buff, one a group: it holds a group's sums until the next group is read
    pes_a_tile        PEs of all layers stand in one row and are cut into tiles: neighbouring layers share one
    pe_cycle          clock cycles a PE cycle, at clock
    overlap           share of a layer's time after which the next layer starts
    All are of a 4-bit weight in one cell and a 4-bit ADC: a chip's `readout`, `weight_bits` and `cell_bits` do not change this bill, nor do
    the settings that `Chip` calls "only 65 nm".
    """

    crossbar: Constant = _spikesim(1.76423, "pJ")
    adc: Constant = _spikesim(2.03084, "pJ")
    mux: Constant = _spikesim(0.094245, "pJ")
    tile_buffer: Constant = _spikesim(397.0, "pJ")
    temporary_buffer: Constant = _spikesim(0.2, "pJ")
    subtractor: Constant = _spikesim(1.15e-6, "pJ")
    subtractions: Constant = _spikesim(16, "a group", None)
    pes_a_tile: Constant = _spikesim(8, "PEs", None)
    h_tree: Constant = _spikesim(19.64 * 8, "pJ")
    memory_fetch: Constant = _spikesim(4.64, "pJ")
    neuron: Constant = _spikesim(1.274 * 4, "pJ")
    pe_cycle: Constant = _spikesim(26, "cycles", None)
    clock: Constant = _spikesim(250, "MHz", None)
    overlap: Constant = _spikesim(0.75, "1", None)


def _dtsnn(value: float, unit: str, tag: Tag = "derived") -> Constant:
    return Constant(value, unit, "li2023dtsnn", tag, node_nm=None)


@dataclass(frozen=True)
class AffineSteps(Prices):
    """DT-SNN's Fig. 1: energy affine in T, latency proportional, and three shares.

    E(T) / E(1) = fixed + step T    from 4.9 times the energy at T = 8
    D(T) / D(1) = T                 from 8 times the latency at T = 8
    The shares of Fig. 1(A) are taken as those of a timestep; of which T they are, the text that we could read does not say.
    The figure is normalised: E(1) and D(1) of a network are `scale`'s, so only ratios are the paper's.
    """

    fixed: Constant = _dtsnn(1 - (4.9 - 1) / 7, "1")
    step: Constant = _dtsnn((4.9 - 1) / 7, "1")
    digital_peripherals: Constant = _dtsnn(0.45, "1", "paper")
    crossbar_and_adc: Constant = _dtsnn(0.25, "1", "paper")
    network_and_neurons: Constant = _dtsnn(0.30, "1")
    scale: PECycle = PECycle()


def _part(value: float, unit: str, tag: Tag = "derived", source: str = "apolinario2022adclesscode",
          spread: float = 1.3) -> Constant:
    return Constant(value, unit, source, tag, value / spread, value * spread, 65)


@dataclass(frozen=True)
class Parts65nm(Prices):
    """Prices of the parts of an HP-ADC or ADC-less chip at 65 nm, read in the authors' program or fitted to re-runs of it.

    One conversion: (comparator_power x comparators + column_power + cell_power x conducting cells) x sensing time.
    The sensing time is sense_time for one comparator and flash_time for a flash converter, less for a column
    whose strongest current stays under weak_column cells; a SAR converter takes sar_time a bit.
    Delay is cycles (circuits.py) x one clock: register, multiplexer, sensing, encoder. The program counts adders and wires
    in cycles of asked_clock.
    Not in its totals, and billed on request: lif_update, membrane_access (16 bits, of 8 kB), pool, scale_fetch (8 bits, of 8 kB)
    and an addition that is scale_bits wider, leakage.
    """

    comparator_power: Constant = _part(8.4147, "uW", "code", "peng2019neurosim", 1.2)
    column_power: Constant = _part(36.0, "uW")
    cell_power: Constant = _part(16.3, "uW a conducting cell", spread=1.1)
    on_cells: Constant = _part(0.5, "1", "estimate")
    sense_time: Constant = _part(1.0, "ns", "code", "peng2019neurosim", 1.2)
    flash_time: Constant = _part(10.0, "ns", "code", "peng2019neurosim", 1.5)
    sar_time: Constant = _part(1.42, "ns a bit")
    weak_column: Constant = _part(6.4, "conducting cells", spread=1.2)
    clock_register: Constant = _part(0.189, "ns")
    clock_mux: Constant = _part(0.761, "ns")
    clock_encoder: Constant = _part(2.5e-4, "ns a level and row")
    clock_sar: Constant = _part(1.166, "ns a bit")
    asked_clock: Constant = Constant(1.0, "ns", "apolinario2022adclesscode", "code", node_nm=65)
    shift_add: Constant = _part(0.119, "pJ a conversion and bit", spread=1.1)
    latch: Constant = _part(0.136, "pJ a conversion", spread=1.1)
    mux_latch: Constant = _part(0.14, "pJ a multiplexed conversion", spread=1.1)
    bit_add: Constant = _part(0.057, "pJ a one-bit addition", spread=1.1)
    adder_time: Constant = _part(0.293, "ns a bit", spread=1.1)
    wire: Constant = _part(0.0435, "pJ a bit and mm", spread=1.1)
    line: Constant = _part(0.132, "pJ a conversion", spread=1.1)
    mux_line: Constant = _part(0.37, "pJ a multiplexed conversion", spread=1.1)
    hop_time: Constant = _part(0.26, "ns a mm", spread=1.2)
    comparator_area: Constant = _part(60.0, "um2")
    sar_area: Constant = _part(205.0, "um2 a bit")
    channel_area: Constant = _part(387.0, "um2 a converter")
    row_area: Constant = _part(143.0, "um2 a row")
    buffer_area: Constant = _part(45.3, "um2 a bit")
    row_leakage: Constant = _part(0.735, "nW a row", spread=1.2)
    bit_leakage: Constant = _part(0.455, "nW a row and timestep", spread=1.2)
    channel_leakage: Constant = _part(13.7, "nW a converter", spread=1.2)
    comparator_leakage: Constant = _part(0.532, "nW a comparator", spread=1.2)
    lif_update: Constant = _part(6.0, "pJ", "derived", spread=1.5)
    membrane_access: Constant = Constant(2.5, "pJ", "horowitz2014energy", "estimate", 0.6, 5.0, 45)
    pool: Constant = Constant(0.03, "pJ an input", "horowitz2014energy", "estimate", 0.01, 0.1, 45)
    scale_fetch: Constant = Constant(1.25, "pJ", "horowitz2014energy", "estimate", 0.3, 2.5, 45)
    scale_bits: Constant = Constant(8, "bits", "saxena2023partial", "derived", 4, 16)


def _unit(value: float, unit: str, low: float, high: float, source: str = "horowitz2014energy") -> Constant:
    return Constant(value, unit, source, "estimate", low, high, 45)


@dataclass(frozen=True)
class ExitUnit(Prices):
    """The digital block that decides to stop (a sigma-E style unit): tables, multiplier, comparator.

    Each class logit goes through an exp table, a normalising multiply, a log table and a
    multiply-accumulate; one comparison with theta ends the check. Our estimate from published
    energies of an 8-bit multiply-add (0.23 pJ) and of a read from an 8 kB memory (10 pJ) at 45 nm.
    """

    table_read: Constant = _unit(2.5, "pJ", 0.5, 10.0)
    multiply_add: Constant = _unit(0.8, "pJ", 0.23, 3.2)
    compare: Constant = _unit(0.1, "pJ", 0.03, 0.3)
    cycles_a_class: Constant = _unit(2, "cycles", 1, 4)
    cycles_to_fill: Constant = _unit(8, "cycles", 4, 16)
    cycle: Constant = _unit(4.0, "ns", 1.0, 10.0)
