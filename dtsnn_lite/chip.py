"""What the hardware is: one frozen `Chip` bends the numbers and is charged for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tag = Literal["paper", "code", "derived", "measured", "estimate"]


@dataclass(frozen=True)
class Constant:
    """A number with its unit and where it was read.

    source  a key of references.bib
    tag     paper: printed there; code: read in the authors' program; derived: arithmetic on those;
            measured: by us; estimate: a guess with a reason
    """

    value: float
    unit: str
    source: str
    tag: Tag


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
