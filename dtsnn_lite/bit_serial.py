"""An ANN on the same crossbars: its activations are read bit by bit, as a spiking network's timesteps are.

T timesteps of a neuron tell T + 1 counts apart, so that b = ceil(log2(T + 1)) bits say as much (yan2026reconsidering): the ANN is
read b times, the spiking network T times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.components import Constant, Prices
from dtsnn_lite.cost import Bill, ExitCheckCost, Once, StepCost, static_cost, timestep_cost
from dtsnn_lite.guards import check_whole

FREE = ExitCheckCost(0.0, 0.0)


def bits_of(timesteps: int) -> int:
    """Bits that tell the counts of T timesteps apart: b = ceil(log2(T + 1)).

    >>> [bits_of(timesteps) for timesteps in (1, 2, 3, 4, 7, 8)]
    [1, 2, 2, 3, 3, 4]
    """
    check_whole("timesteps", timesteps)
    return int(timesteps).bit_length()


def bit_rates(codes: np.ndarray, bits: int) -> np.ndarray:
    """Share of ones in each bit of whole numbers, the lowest bit first, (bits,).

    >>> bit_rates(np.array([0, 1, 3, 4]), bits=3)                   # 000 001 011 100
    array([0.5 , 0.25, 0.25])
    """
    check_whole("bits", bits, 1, 16)
    codes = np.asarray(codes)
    if codes.size == 0 or codes.min() < 0 or codes.max() >= 2 ** bits or (codes != codes.astype(np.int64)).any():
        raise ValueError(f"codes of {bits} bits are whole numbers in [0, {2 ** bits - 1}]; got {codes.dtype} "
                         + (f"from {codes.min()} to {codes.max()}" if codes.size else "and none of them"))
    whole = codes.astype(np.int64).ravel()
    return np.array([(whole >> bit & 1).mean() for bit in range(bits)])


# --- its bill --------------------------------------------------------------------------

def read_cost(shapes: Sequence[LayerShape], chip: Chip, rates: np.ndarray) -> StepCost:
    """What a bit-serial ANN pays on a chip, affine in its bits: the image is read once, all other layers once a bit.

    E(b) = fixed_pj + step_pj b,   D(b) = fixed_ns + step_ns b
    rates  (b, L - 1) share of ones in each bit that a layer reads, the first layer's image left aside, as `bit_rates` has them
    A neuron of the spiking network updates its potential at each timestep, an ANN's makes one activation; both are
    billed as an update where the chip bills neurons. The same first layer, once, stands in both bills: `Once`.
    """
    silent = timestep_cost(shapes, replace(chip, neurons=False), rates, Once())
    if not chip.neurons:
        return silent
    updates_pj = timestep_cost(shapes, chip, rates, Once()).step_pj - silent.step_pj
    return replace(silent, fixed_pj=silent.fixed_pj + updates_pj)


def ann_bill(shapes: Sequence[LayerShape], chip: Chip, rates: np.ndarray) -> Bill:
    """The bill of one image in a bit-serial ANN: as many reads as `rates` (b, L - 1) has bits."""
    return static_cost(len(rates), read_cost(shapes, chip, rates))


# --- when it is dearer -------------------------------------------------------------------

def break_even_steps(rival: Bill, step: StepCost, check: ExitCheckCost = FREE) -> float:
    """Mean timesteps at which a spiking network costs as much energy as its rival: fixed_pj + (step_pj + check_pj) t = E.

    0 where the fixed part alone costs as much.

    >>> rival = Bill(np.array([40.0]), np.array([6.0]))
    >>> break_even_steps(rival, StepCost(fixed_pj=10.0, step_pj=9.0, fixed_ns=0.0, step_ns=2.0), ExitCheckCost(1.0, 0.0))
    3.0
    """
    return max(0.0, (float(rival.energy_pj.mean()) - step.fixed_pj) / (step.step_pj + check.energy_pj))


def break_even_steps_of_edp(rival: Bill, step: StepCost, check: ExitCheckCost = FREE) -> float:
    """Timesteps at which energy times delay is the rival's, if all images leave alike: (F + s t)(f + d t) = EDP.

    Where they do not, the mean must be lower: an image that stays long pays twice. 0 where the fixed parts alone cost as much.
    """
    s, d = step.step_pj + check.energy_pj, step.step_ns + check.latency_ns
    b, c = step.fixed_pj * d + s * step.fixed_ns, step.fixed_pj * step.fixed_ns - float(rival.edp_pj_ns.mean())
    return 0.0 if c >= 0 else -2 * c / (b + sqrt(b * b - 4 * s * d * c))    # the root that s d = 0 leaves finite


def break_even_density(rival: Bill, shapes: Sequence[LayerShape], chip: Chip, rates: np.ndarray, timesteps: int) -> float:
    """How much of its spikes a static spiking network may keep to cost no more energy than its rival: a factor of its rates.

    rates  (T, L - 1) or (L - 1,) share of inputs that spike; where not even silence is cheap enough, 0
    The answer is the largest factor at which no rate exceeds 1, if even that is cheap enough.
    """
    if not np.max(rates) > 0:
        raise ValueError("a network without spikes has none to give up: all its rates are 0")

    def energy_pj(factor: float) -> float:
        return float(static_cost(timesteps, timestep_cost(shapes, chip, factor * np.asarray(rates), Once())).energy_pj[0])

    low, high = 0.0, 1 / float(np.max(rates))
    if energy_pj(low) > rival.energy_pj[0]:
        return low
    if energy_pj(high) <= rival.energy_pj[0]:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if energy_pj(middle) <= rival.energy_pj[0] else (low, middle)
    return low


# --- a machine that moves spikes as addresses ---------------------------------------------

def _horowitz(value: float, unit: str) -> Constant:
    return Constant(value, unit, "horowitz2014energy", "paper", node_nm=45)


@dataclass(frozen=True)
class EventMachine(Prices):
    """A digital machine that is no crossbar: what it moves and adds for one input and one weight.

    moved_bit     a bit out of a memory of 8 kB: 10 pJ for 64 of them
    multiply_add  of 8 bits: 0.2 pJ and 0.03 pJ
    add           of 8 bits
    """

    moved_bit: Constant = Constant(10 / 64, "pJ a bit", "horowitz2014energy", "derived", node_nm=45)
    multiply_add: Constant = _horowitz(0.23, "pJ")
    add: Constant = _horowitz(0.03, "pJ")


def break_even_rate(timesteps: int, address_bits: float, machine: EventMachine = EventMachine(), fan_out: float = 0.0,
                    zeros: float = 0.0) -> float:
    """Spikes a neuron and timestep at which an event-driven machine pays as much for the spiking network as for the ANN.

    s T (a e_bit + m e_add) = (1 - zeros) (b e_bit + m e_mac),   b = ceil(log2(T + 1))

    address_bits  a: a spike says who fired; an activation's place says it
    fan_out       m: weights that are used for each moved input; 0 leaves arithmetic out, infinity leaves moving out
    zeros         share of the ANN's activations that are 0 and skipped
    Weights are moved alike for both, and left out.

    >>> print(f"{break_even_rate(5, address_bits=10.5):.1%}")
    5.7%
    """
    bits, move = bits_of(timesteps), machine.moved_bit.value
    if not (0 <= zeros < 1 and address_bits > 0 and fan_out >= 0):               # NaN fails too
        raise ValueError("zeros is a share in [0, 1), addresses have bits, and a fan-out is 0 or more; "
                         f"got {zeros}, {address_bits}, {fan_out}")
    if fan_out == float("inf"):
        return (1 - zeros) * machine.multiply_add.value / (timesteps * machine.add.value)
    dense = bits * move + fan_out * machine.multiply_add.value
    return (1 - zeros) * dense / (timesteps * (address_bits * move + fan_out * machine.add.value))
