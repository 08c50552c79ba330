"""What real cells, wires and comparators do wrong; each is off by default, and none of it needs torch.

Temperature is not modelled: it moves conductances, their drift and a comparator's offset, each device's in its own way.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import isfinite, isnan


@dataclass(frozen=True)
class Wires:
    """Resistance of an array's wires: V at a cell = what drives its row - sum over the row's wire - sum over the column's wire.

    row_ohm     of a row's wire, from one cell to the next and from the driver to the first, in ohm
    column_ohm  of a column's wire, from one cell to the next and from the first row to the read-out, in ohm
    on_ohm      resistance of a cell that carries one on-cell current, in ohm; only the ratios to it count
    """

    row_ohm: float = 0.0
    column_ohm: float = 0.0
    on_ohm: float = 6000.0

    def __post_init__(self) -> None:
        if not all(map(isfinite, astuple(self))) or min(self.row_ohm, self.column_ohm) < 0 or self.on_ohm <= 0:
            raise ValueError(f"wires have 0 ohm a cell or more, an on cell more than 0, all of them finite; got {self}")

    @property
    def row(self) -> float:
        """A row's wire from cell to cell, in resistances of an on cell."""
        return self.row_ohm / self.on_ohm

    @property
    def column(self) -> float:
        """A column's wire from cell to cell, in resistances of an on cell."""
        return self.column_ohm / self.on_ohm


@dataclass(frozen=True)
class PowerLawDrift:
    """Conductance that falls with time, a power law: G(t) = G(t0) (t / t0)^-nu, nu drawn once a cell, never below 0.

    exponent   mean of nu; on and off cells share it
    spread     standard deviation of nu from cell to cell
    seconds    t, since the cells were programmed
    from_seconds  t0, when they were as programmed
    """

    exponent: float = 0.0
    spread: float = 0.0
    seconds: float = 20.0
    from_seconds: float = 20.0

    def __post_init__(self) -> None:
        if not all(map(isfinite, astuple(self))) or min(self.exponent, self.spread) < 0:
            raise ValueError(f"a drift's exponent and its spread are 0 or more (G falls as t^-nu), its times finite; got {self}")
        if not 0 < self.from_seconds <= self.seconds:
            raise ValueError(f"cells drift from t0 > 0 to t >= t0, in seconds; got t0 = {self.from_seconds}, t = {self.seconds}")


# Phase-change cells that conduct fully: a model (nandakumar2019pcm) fitted to a million devices (joshi2020pcm), read at 20 s.
# The less such a cell conducts the faster it drifts, up to nu = 0.1 with a spread of 0.045; filaments of oxide have no such law.
pcm_drift = PowerLawDrift(exponent=0.049, spread=0.008)


@dataclass(frozen=True)
class Flaws:
    """What real cells, wires and comparators do wrong; each is off by default.

    variation  sigma / mu of a conductance, drawn once, when the cell is programmed
    off_variation  standard deviation of the logarithm of an off cell's conductance, about the same mean, drawn once, and beside
               `variation`; needs off cells that conduct. Log-normal is what is reported of filaments that are broken
               (Karpov and Niraula, SRC publication P091169)
    on_off     conductance of an on cell over that of an off cell
    stuck      share of cells that stay fully on or off, half each, drawn once
    noise      standard deviation of a column's current at each read, in on-cell currents
    cell_noise sigma / mu of each cell's current at each read: a column's is it times the root of its conducting on cells
    offset     standard deviation of a column's zero point, drawn once, in on-cell currents
    drift      what time takes from the conductances
    wires      what the wires take from the currents
    seed       which chip this is; None: another one at every pass, which is how to train for all of them
    """

    variation: float = 0.0
    off_variation: float = 0.0
    on_off: float = float("inf")
    stuck: float = 0.0
    noise: float = 0.0
    cell_noise: float = 0.0
    offset: float = 0.0
    drift: PowerLawDrift = PowerLawDrift()
    wires: Wires = Wires()
    seed: int | None = 0

    def __post_init__(self) -> None:
        sizes = (self.variation, self.off_variation, self.stuck, self.noise, self.cell_noise, self.offset)
        if not all(map(isfinite, sizes)) or isnan(self.on_off):
            raise ValueError(f"flaws are finite numbers (only on_off may be infinite: cells that do not leak); got {self}")
        if min(sizes) < 0 or self.stuck > 1:
            raise ValueError(f"flaws are 0 or more, and stuck is a share of cells; got {self}")
        if self.on_off <= 1:
            raise ValueError(f"an on cell conducts more than an off cell: on_off > 1; got {self.on_off}")
        if self.off_variation and self.on_off == float("inf"):
            raise ValueError(f"off cells that do not conduct cannot vary: off_variation = {self.off_variation} needs a finite on_off")
        for what, kind in (("drift", PowerLawDrift), ("wires", Wires)):
            if not isinstance(getattr(self, what), kind):
                raise TypeError(f"{what} is an object such as {kind.__name__}(); got {getattr(self, what)!r}")
