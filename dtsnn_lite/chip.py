"""What the hardware is: one frozen `Chip` bends the numbers and is charged for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from inspect import isabstract
from math import isfinite, sqrt

from dtsnn_lite.components import AffineSteps, Constant, ExitUnit, Parts65nm, PECycle, Tag
from dtsnn_lite.flaws import Flaws, PowerLawDrift, Wires, pcm_drift
from dtsnn_lite.guards import check_whole

__all__ = ["AffineSteps", "Charges", "Chip", "Constant", "Converter", "ExitUnit", "Flaws", "HPADC", "Ideal", "LayerShape",
           "PECycle", "Parts65nm", "PowerLawDrift", "Readout", "SARADC", "SenseAmp", "Tag", "Ternary", "Wires",
           "adc_less_65nm", "at_zero", "dtsnn_2023", "hp_adc_65nm", "pcm_drift", "readouts", "spikesim_rram_64"]


class Readout(ABC):
    """How a column's partial sum becomes a number (abstract): what its circuit is, and what that costs.

    Its arithmetic needs torch: readouts.py knows that of the five below. One of your own is a frozen dataclass
    that is a `Readout` and a `readouts.Kernel`, in one place; nothing else needs to hear of it.
    """

    a_scale_a_column = False        # its sums are multiplied by learned scales, one a column: what `Chip.scales` bills

    @property
    @abstractmethod
    def name(self) -> str:
        """What a picture calls it."""

    @property
    @abstractmethod
    def bits(self) -> int:
        """Bits that leave a conversion."""

    @property
    @abstractmethod
    def comparators(self) -> int:
        """Comparators of one circuit."""

    def tells_apart(self, largest: int) -> bool:
        """Whether it has a code of its own for each whole sum of 0 to `largest`."""
        return False

    def area_um2(self, prices: Parts65nm) -> float:
        """Area of one circuit."""
        return self.comparators * prices.comparator_area.value

    def sense_ns(self, prices: Parts65nm) -> float:
        """Sensing's share of a clock period."""
        return prices.sense_time.value

    def encode_ns(self, rows: int, prices: Parts65nm) -> float:
        """The share of a clock period that comes after sensing, on an array of so many rows."""
        return 0.0

    def column_ns(self, on_cells: float, prices: Parts65nm) -> float:
        """How long a column is sensed of whose rows so many cells conduct."""
        return prices.sense_time.value


@dataclass(frozen=True)
class Ideal(Readout):
    """A read-out that returns each partial sum exactly; no circuit does, so none has a price."""

    name = "ideal"

    @property
    def bits(self) -> int:
        raise ValueError("an ideal read-out has no price: choose one that can be built, such as HPADC(5) or SenseAmp()")

    @property
    def comparators(self) -> int:
        return self.bits

    def tells_apart(self, largest: int) -> bool:
        return True


@dataclass(frozen=True)
class Converter(Readout):
    """An analog-to-digital converter of `bits` bits a partial sum (abstract)."""

    bits: int = 5

    def __post_init__(self) -> None:
        check_whole("bits", self.bits, 1, 16)

    @property
    def codes(self) -> tuple[int, int]:
        """Its signed codes: -2^(b-1) to 2^(b-1) - 1."""
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    def tells_apart(self, largest: int) -> bool:
        return self.codes[1] >= largest


@dataclass(frozen=True)
class HPADC(Converter):
    """High-precision ADC: a flash converter, all codes at once (HP-ADC of Apolinario et al.)."""

    @property
    def name(self) -> str:
        return f"{self.bits}-bit ADC"

    @property
    def comparators(self) -> int:
        return 2 ** self.bits - 1

    def sense_ns(self, prices: Parts65nm) -> float:
        return prices.flash_time.value

    def encode_ns(self, rows: int, prices: Parts65nm) -> float:
        return prices.clock_encoder.value * 2 ** self.bits * rows

    def column_ns(self, on_cells: float, prices: Parts65nm) -> float:
        strongest = on_cells + 2.4 * sqrt(on_cells)                  # of an array's many columns
        slow = min(1.0, (strongest / prices.weak_column.value) ** 5)
        return max(prices.sense_time.value, prices.flash_time.value * slow)


@dataclass(frozen=True)
class SARADC(Converter):
    """A converter that finds its bits one after the other: small, slow; rounds like HPADC."""

    comparators = 1

    @property
    def name(self) -> str:
        return f"{self.bits}-bit SAR"

    def area_um2(self, prices: Parts65nm) -> float:
        return self.comparators * prices.comparator_area.value + self.bits * prices.sar_area.value

    def encode_ns(self, rows: int, prices: Parts65nm) -> float:
        return self.bits * prices.clock_sar.value

    def column_ns(self, on_cells: float, prices: Parts65nm) -> float:
        return self.bits * prices.sar_time.value


@dataclass(frozen=True)
class SenseAmp(Readout):
    """Sense amplifier as 1-bit ADC: on which side of its reference each partial sum lies (ADC-less).

    reference  in currents of an on cell. Sums of spikes are whole, so that none lies at half a cell;
               at 0 lies every empty column, and the comparator's own offset and noise decide for it
    """

    reference: float = 0.5

    name, bits, comparators = "sense amplifier (1 bit)", 1, 1
    a_scale_a_column = True

    def __post_init__(self) -> None:
        if not isfinite(self.reference):
            raise ValueError(f"a reference is a current, in on-cell currents and finite; got {self.reference}")


at_zero = SenseAmp(reference=0.0)       # the papers' ideal comparison


@dataclass(frozen=True)
class Ternary(Readout):
    """Two comparators a column: -1, 0 or +1 (1.5 bit, which leave as two)."""

    name, bits, comparators = "two comparators (ternary)", 2, 2
    a_scale_a_column = True


def readouts() -> dict[str, type[Readout]]:
    """Every read-out that is defined so far, by its class's name: these five, and your own."""
    found, kinds = {}, [Readout]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if not isabstract(kind):
            found[kind.__name__] = kind
    return found


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
    stride: int = 1

    def __post_init__(self) -> None:
        for what in ("in_channels", "out_channels", "kernel", "out_height", "out_width", "in_height", "in_width", "stride"):
            check_whole(f"{what} of {self.name}", getattr(self, what))
        if self.out_height < self.unpadded(self.in_height) or self.out_width < self.unpadded(self.in_width):
            raise ValueError(f"{self.name} makes {self.out_height} x {self.out_width} of {self.in_height} x {self.in_width}, fewer than a "
                             f"kernel of {self.kernel} makes without padding: is its stride {self.stride}, and not more?")

    def unpadded(self, size: int) -> int:
        """Where the kernel fits along a side: (size - k) // stride + 1, or 0."""
        return max(0, (size - self.kernel) // self.stride + 1)

    @property
    def inputs(self) -> int:
        """Inputs of a timestep: C_in H W."""
        return self.in_channels * self.in_height * self.in_width

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


Charges = PECycle | AffineSteps | Parts65nm


@dataclass(frozen=True)
class Chip:
    """An in-memory chip: what its crossbars do to the numbers, and its price list.

    rows, cols    cells of one crossbar
    weight_bits   bits of a weight, stored cell_bits a cell in neighbouring columns
    readout       how a column's partial sum becomes a number
    mux           columns that share one converter; an array pays cols / mux of them
    first_readout the first layer's own converter (its input is an image, not spikes); None: as the others
    gated         no spike, no read: a tile without one reads 0, and not what its read-out makes of an empty column
    timesteps     the longest run the accumulators are built for
    flaws         what its cells, wires and comparators do wrong
    charges       the price list; None for a chip that only computes
    exit_unit     the block that decides to stop
    speed_up      copies of a layer along each side of its map, at most; 1 copies none for speed
    as_printed    count as the authors' program does, its slips included (see circuits.py); False: as it would be built
    several_cycles  a conversion may take several cycles of the logic's clock; False: one clock waits for the slowest
    image_bits    bits of a grey value, read one after the other by the first layer (only 65 nm); 1: the input is spikes, or billed so
    neurons, membranes, pools, scales, leakage: also bill LIF updates, the memory of their potentials, max-pools, scale factors
                  of 1-bit sums, leakage; the published totals hold none of them (only 65 nm)

    >>> chip = Chip("mine", rows=128, cols=128, readout=SenseAmp(), charges=Parts65nm())
    >>> chip.planes, replace(chip, weight_bits=8, cell_bits=2).planes
    (4, 4)
    """

    name: str
    rows: int = 64
    cols: int = 64
    weight_bits: int = 4
    cell_bits: int = 1
    readout: Readout = HPADC(5)
    mux: int = 8
    first_readout: Readout | None = None
    gated: bool = True
    timesteps: int = 4
    flaws: Flaws = Flaws()
    charges: Charges | None = None
    exit_unit: ExitUnit = ExitUnit()
    speed_up: int = 8
    as_printed: bool = True
    several_cycles: bool = False
    image_bits: int = 1
    neurons: bool = False
    membranes: bool = False
    pools: bool = False
    scales: bool = False
    leakage: bool = False

    def __post_init__(self) -> None:
        for what, least, most in (("rows", 1, None), ("cols", 1, None), ("weight_bits", 2, 16), ("cell_bits", 1, None),
                                  ("mux", 1, self.cols), ("timesteps", 1, None), ("speed_up", 1, None), ("image_bits", 1, 16)):
            check_whole(what, getattr(self, what), least, most)
        for what, kinds, such in (("readout", Readout, "HPADC(5)"), ("first_readout", Readout | None, "HPADC(5) or None"),
                                  ("flaws", Flaws, "Flaws()"), ("charges", Charges | None, "Parts65nm() or None"),
                                  ("exit_unit", ExitUnit, "ExitUnit()")):
            if not isinstance(getattr(self, what), kinds):
                raise TypeError(f"{what} is an object such as {such}; got {getattr(self, what)!r}")
        if self.cell_bits > self.weight_bits:
            raise ValueError(f"a cell holds part of a weight: cell_bits <= weight_bits; "
                             f"got {self.cell_bits} > {self.weight_bits}")

    @property
    def planes(self) -> int:
        """Columns that a weight is billed for: ceil(weight_bits / cell_bits), sign bit included.

        It is what the authors' program counts, and the 65 nm prices are its runs' totals over so many
        conversions (4 of a 4-bit weight in one-bit cells). crossbar.py computes with magnitudes in
        differential pairs, ceil((weight_bits - 1) / cell_bits) = 3 signed planes, as the papers train.
        """
        return -(-self.weight_bits // self.cell_bits)

    def of_layer(self, layer: int) -> Chip:
        """The chip as layer number `layer` sees it: the first one may keep its own converter, 8 columns each."""
        if layer > 0 or self.first_readout is None:
            return self
        return replace(self, readout=self.first_readout, mux=min(8, self.cols))


spikesim_rram_64 = Chip("SpikeSim, 64 x 64 RRAM", cell_bits=4, readout=HPADC(4), charges=PECycle())
dtsnn_2023 = Chip("DT-SNN, 64 x 64 RRAM, as published", cell_bits=4, readout=HPADC(4), charges=AffineSteps())
hp_adc_65nm = Chip("HP-ADC, 65 nm", readout=HPADC(5), mux=8, charges=Parts65nm())
adc_less_65nm = Chip("ADC-less, 65 nm", readout=SenseAmp(), mux=1, charges=Parts65nm())
