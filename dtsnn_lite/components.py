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

    crossbar        one array read; a PE reads k^2 arrays
    adc, mux        a group of `mux` columns, each of the X / mux reads of a cycle
    pe_cycle        clock cycles a PE cycle, at clock
    overlap         share of a layer's time after which the next layer starts
    """

    crossbar: Constant = _spikesim(1.76423, "pJ")
    adc: Constant = _spikesim(2.03084, "pJ")
    mux: Constant = _spikesim(0.094245, "pJ")
    tile_buffer: Constant = _spikesim(397.0, "pJ")
    temporary_buffer: Constant = _spikesim(0.2, "pJ")
    subtractor: Constant = _spikesim(1.15e-6, "pJ")
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
    """Prices of the parts of an HP-ADC or ADC-less chip at 65 nm, fitted to re-runs of the authors' program.

    One conversion: (comparator_power x comparators + column_power (active rows)^column_exponent) x sensing time.
    The sensing time is sense_time for one comparator and flash_time for a flash converter, less for a column
    whose strongest current stays under weak_column of the array; a SAR converter takes sar_time a bit.
    """

    comparator_power: Constant = _part(8.4147, "uW", "code", "peng2021neurosim", 1.2)
    column_power: Constant = _part(28.5, "uW")
    column_exponent: Constant = _part(0.575, "1", spread=1.1)
    sense_time: Constant = _part(1.0, "ns", "code", "peng2021neurosim", 1.2)
    flash_time: Constant = _part(10.0, "ns", "code", "peng2021neurosim", 1.5)
    sar_time: Constant = _part(1.46, "ns a bit")
    weak_column: Constant = _part(0.119, "1", spread=1.2)
    clock_register: Constant = _part(0.189, "ns")
    clock_mux: Constant = _part(0.761, "ns")
    clock_encoder: Constant = _part(2.5e-4, "ns a level and row")
    clock_sar: Constant = _part(1.166, "ns a bit")
    shift_add: Constant = _part(0.114, "pJ a conversion and bit")
    mux_latch: Constant = _part(0.443, "pJ a multiplexed conversion")
    array_sum: Constant = _part(14.6, "pJ an array read")
    final_merge: Constant = _part(33.3, "pJ an output and inference")
    wire: Constant = _part(0.1185, "pJ a bit and mm")
    mux_line: Constant = _part(0.259, "pJ a multiplexed conversion")
    comparator_area: Constant = _part(60.0, "um2")
    sar_area: Constant = _part(205.0, "um2 a bit")
    accumulator_area: Constant = _part(31.4, "um2 a bit")
    accumulator_bits: Constant = _part(2.3, "bits")
    row_area: Constant = _part(398.0, "um2 a row")
    tile_side: Constant = Constant(1024, "cells", "apolinario2022adclesscode", "derived", node_nm=65)
    merge_cycles: Constant = _part(0.939, "cycles a row tile")
    wire_cycles: Constant = _part(9.51e-4, "cycles a bit and mm")
    mux_cycles: Constant = _part(7.46, "cycles a column")
    array_leakage: Constant = _part(62.0, "uW an array of 64 rows", spread=2.0)
    lif_update: Constant = _part(6.0, "pJ", "derived", spread=1.5)
    scale_multiply: Constant = Constant(0.35, "pJ", "horowitz2014energy", "estimate", 0.1, 1.0, 65)


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
