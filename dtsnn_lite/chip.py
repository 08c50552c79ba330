"""What the hardware is: one frozen `Chip` bends the numbers and is charged for them."""

from __future__ import annotations

from dataclasses import dataclass

from dtsnn_lite.components import AffineSteps, Constant, ExitUnit, PECycle, Tag

__all__ = ["AffineSteps", "Chip", "Constant", "ExitUnit", "HPADC", "Ideal", "LayerShape", "PECycle",
           "Readout", "SenseAmp", "Tag", "Ternary", "dtsnn_2023", "spikesim_rram_64"]


@dataclass(frozen=True)
class Ideal:
    """A read-out that returns each partial sum exactly."""


@dataclass(frozen=True)
class HPADC:
    """High-precision ADC: `bits` bits a partial sum (HP-ADC of Apolinario et al.)."""

    bits: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise ValueError(f"an ADC has 1 to 16 bits; got {self.bits}")


@dataclass(frozen=True)
class SenseAmp:
    """Sense amplifier as 1-bit ADC: the sign of each partial sum (ADC-less)."""


@dataclass(frozen=True)
class Ternary:
    """Two comparators a column: -1, 0 or +1 (1.5 bit)."""


Readout = Ideal | HPADC | SenseAmp | Ternary


@dataclass(frozen=True)
class LayerShape:
    """A convolution or linear layer as the mapper sees it; a linear layer has kernel = 1 and 1 x 1 maps."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int = 1
    out_height: int = 1
    out_width: int = 1
    in_height: int = 1
    in_width: int = 1

    @property
    def rows(self) -> int:
        """Weights a neuron: C_in k^2."""
        return self.in_channels * self.kernel ** 2

    @property
    def positions(self) -> int:
        """Output pixels: how often the crossbars are read a timestep."""
        return self.out_height * self.out_width

    @property
    def neurons(self) -> int:
        return self.out_channels * self.positions

    @property
    def macs(self) -> int:
        """Multiply-accumulates a timestep."""
        return self.rows * self.neurons


Charges = PECycle | AffineSteps


@dataclass(frozen=True)
class Chip:
    """An in-memory chip: what its crossbars do to the numbers, and its price list.

    rows, cols    cells of one crossbar
    weight_bits   bits of a weight, stored cell_bits a cell in neighbouring columns
    readout       how a column's partial sum becomes a number
    mux           columns that share one converter
    charges       the price list; None for a chip that only computes
    exit_unit     the block that decides to stop
    """

    name: str
    rows: int = 64
    cols: int = 64
    weight_bits: int = 4
    cell_bits: int = 1
    readout: Readout = HPADC(5)
    mux: int = 8
    charges: Charges | None = None
    exit_unit: ExitUnit = ExitUnit()

    def __post_init__(self) -> None:
        for what in ("rows", "cols", "weight_bits", "cell_bits", "mux"):
            if getattr(self, what) < 1:
                raise ValueError(f"{what} is a whole number from 1 up; got {getattr(self, what)}")
        if self.cell_bits > self.weight_bits:
            raise ValueError(f"a cell holds part of a weight: cell_bits <= weight_bits; "
                             f"got {self.cell_bits} > {self.weight_bits}")


spikesim_rram_64 = Chip("SpikeSim, 64 x 64 RRAM", cell_bits=4, readout=HPADC(4), charges=PECycle())
dtsnn_2023 = Chip("DT-SNN, 64 x 64 RRAM, as published", cell_bits=4, readout=HPADC(4), charges=AffineSteps())
