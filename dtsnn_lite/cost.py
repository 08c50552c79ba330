"""What an inference costs: energy, latency and EDP of each image, with the parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import assert_never

import numpy as np

from dtsnn_lite.chip import AffineSteps, Chip, LayerShape, Parts65nm, PECycle
from dtsnn_lite.circuits import Paid, accumulation_pj, converter_pj, each, layer_stages_ns, scales_pj, transport_pj
from dtsnn_lite.floorplan import Plan, floor_plan, leakage_uw, way_mm
from dtsnn_lite.guards import check_whole, checked_steps
from dtsnn_lite.mapping import Mapped
from dtsnn_lite.reads import Reads, input_densities


@dataclass(frozen=True)
class StepCost:
    """Energy and latency that are affine in the number of timesteps.

    E(t) = fixed_pj + step_pj t,   D(t) = fixed_ns + step_ns t
    parts: picojoules a timestep by part; they add up to step_pj
    """

    fixed_pj: float
    step_pj: float
    fixed_ns: float
    step_ns: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ExitCheckCost:
    """One run of the digital block that decides to stop (entropy module), a timestep and image."""

    energy_pj: float
    latency_ns: float


@dataclass(frozen=True, eq=False)
class Bill:
    """What each image cost: energy_pj (N,), latency_ns (N,)."""

    energy_pj: np.ndarray
    latency_ns: np.ndarray

    @property
    def edp_pj_ns(self) -> np.ndarray:
        """Energy-delay product of each image, (N,); its mean is E[E D], what the papers report."""
        return self.energy_pj * self.latency_ns

    @property
    def edp_of_means_pj_ns(self) -> float:
        """E[E] E[D]: never larger than E[E D], since both grow with the same t_hat; equal where every image stops alike."""
        return float(self.energy_pj.mean() * self.latency_ns.mean())


# --- how often the first layer is billed ----------------------------------------------

@dataclass(frozen=True)
class EveryStep:
    """The first layer is computed anew at each timestep, as every other layer is: what the papers' price lists charge."""


@dataclass(frozen=True)
class Once:
    """The first layer is computed at the first timestep and its sums are held: a still image, coded directly, has no others.

    E(t) = (fixed_pj + first_pj) + (step_pj - first_pj) t,   D(t) as before: the other layers keep their timetable

    Holding the sums is free here. Neurons integrate them at every timestep and stay in its price, but for SpikeSim's,
    whose update is a part of the PE cycle.
    """


FirstLayer = EveryStep | Once


# --- the bill of a run ----------------------------------------------------------------

def inference_cost(t_hat: np.ndarray, step: StepCost, check: ExitCheckCost | None = None) -> Bill:
    """The bill of a run: t_hat (N,) timesteps each, with the exit check (dynamic) or without (static).

    energy = fixed_pj + (step_pj + check_pj) t_hat, and latency alike

    >>> step = StepCost(fixed_pj=10.0, step_pj=5.0, fixed_ns=0.0, step_ns=2.0)
    >>> bill = inference_cost(np.array([1, 4]), step, ExitCheckCost(energy_pj=1.0, latency_ns=0.5))
    >>> bill.energy_pj, bill.latency_ns, bill.edp_pj_ns
    (array([16., 34.]), array([ 2.5, 10. ]), array([ 40., 340.]))
    """
    t = checked_steps(t_hat)
    check_pj, check_ns = (check.energy_pj, check.latency_ns) if check else (0.0, 0.0)
    return Bill(step.fixed_pj + (step.step_pj + check_pj) * t, step.fixed_ns + (step.step_ns + check_ns) * t)


def static_cost(timesteps: int, step: StepCost) -> Bill:
    """The bill of one image in the static network: `timesteps` steps and no exit check.

    >>> static_cost(4, StepCost(fixed_pj=10.0, step_pj=5.0, fixed_ns=0.0, step_ns=2.0)).energy_pj
    array([30.])
    """
    return inference_cost(np.array([timesteps]), step)


def steps_squared_ratio(t_hat: np.ndarray, timesteps: int) -> float:
    """(mean T_hat / T)^2: the EDP ratio if energy were proportional and every image average."""
    return float((checked_steps(t_hat, timesteps=timesteps).mean() / timesteps) ** 2)


def three_ratios(bill: Bill, t_hat: np.ndarray, step: StepCost, timesteps: int) -> dict[str, float]:
    """EDP against the static network in three ways: E[E D], E[E] E[D], (mean T_hat / T)^2."""
    still = static_cost(timesteps, step)
    return {"mean_of_products": float(bill.edp_pj_ns.mean() / still.edp_pj_ns[0]),
            "product_of_means": bill.edp_of_means_pj_ns / still.edp_of_means_pj_ns,
            "steps_squared": steps_squared_ratio(t_hat, timesteps)}


def chosen_cost(t_hat: np.ndarray, step: StepCost, look: StepCost | None) -> Bill:
    """The bill of chosen timesteps: E = look + fixed + step t_hat, and the delay alike; no exit check.

    look  the policy's own cost; None leaves it out, which no chip can
    """
    bill = inference_cost(t_hat, step)
    if look is None:
        return bill
    return Bill(bill.energy_pj + look.fixed_pj + look.step_pj, bill.latency_ns + look.fixed_ns + look.step_ns)


# --- a timestep on a chip --------------------------------------------------------------

def timestep_cost(shapes: Sequence[LayerShape], chip: Chip, reads: Reads | np.ndarray | None = None,
                  first_layer: FirstLayer = EveryStep()) -> StepCost:
    """What one image pays on a chip: the affine bill of its layers, by part.

    reads        what the layers read, `Recording.reads`; or only the share of a layer's inputs that spike, (L,) or (T, L), one a layer;
                 with one less, the first layer's input is an image: every row conducts. Half of all inputs where nothing is given.
                 Where the share of awake reads is not known for arrays of the chip's rows, it is taken as
                 1 - (1 - density)^rows, as if rows spiked independently. Price lists blind to spikes ignore all of it.
    first_layer  how often it is billed, `EveryStep` or `Once`; DT-SNN's line is one network's as a whole, and knows no layers
    The 65 nm prices count unpadded positions, as NeuroSim does: a 3 x 3 kernel on a 2 x 2 map has none, so
    VGG-16's last three layers read nothing (`mapping.place` counts both ways).

    >>> from dtsnn_lite.chip import dtsnn_2023
    >>> from dtsnn_lite.networks import vgg16
    >>> step = timestep_cost(vgg16(), dtsnn_2023)
    >>> {part: f"{energy_pj / step.step_pj:.0%}" for part, energy_pj in step.parts.items()}
    {'digital peripherals': '45%', 'crossbar and ADC': '25%', 'interconnect and neurons': '30%'}
    >>> from dtsnn_lite.chip import spikesim_rram_64
    >>> held = timestep_cost(vgg16(), spikesim_rram_64, first_layer=Once())
    >>> print(f"{held.fixed_pj / (held.fixed_pj + held.step_pj):.1%} of the first timestep is the first convolution")
    10.8% of the first timestep is the first convolution
    """
    shapes = tuple(shapes)
    if reads is not None and not isinstance(reads, Reads):
        reads = Reads(reads)
    if not shapes:
        raise ValueError("a network has at least one layer; got no layer shapes")
    match chip.charges:
        case PECycle() as prices:
            return _pe_cycle_cost(shapes, chip, prices, first_layer)
        case AffineSteps() as prices:
            if first_layer != EveryStep():
                raise ValueError(f"{chip.name} charges a whole network along one line, which does not say what its fixed part is: "
                                 "a first layer that is billed once needs a price list that knows layers, such as PECycle()")
            return _affine_cost(shapes, chip, prices)
        case Parts65nm() as prices:
            awake = None if reads is None else reads.awake_on(chip.rows)
            densities = input_densities(None if reads is None else reads.densities, len(shapes))
            return _parts_cost(shapes, chip, prices, densities, first_layer,
                               None if awake is None else input_densities(awake, len(shapes)))
        case None:
            raise ValueError(f"{chip.name} has no price list: give the Chip its charges")
        case _:
            assert_never(chip.charges)


def pe_cycle_parts_pj(chip: Chip, prices: PECycle, kernel: int = 3) -> dict[str, float]:
    """Energy of one PE cycle by part: k^2 arrays are read, and X / mux groups of columns converted."""
    groups = chip.cols / chip.mux
    return {
        "crossbar": groups * kernel ** 2 * prices.crossbar.value,
        "adc": groups ** 2 * prices.adc.value,
        "mux": groups ** 2 * prices.mux.value,
        "tile buffer": prices.tile_buffer.value,
        "H-tree": prices.h_tree.value,
        "temporary buffer": groups * (prices.temporary_buffer.value + prices.subtractions.value * prices.subtractor.value),
        "neuron": prices.neuron.value,
        "memory fetch": prices.memory_fetch.value,
    }


def _pe_cycles(shape: LayerShape, chip: Chip) -> int:
    """PE cycles of a layer and timestep: ceil(C_out / cols) ceil(C_in / rows) positions; a PE holds k^2 arrays."""
    return ceil(shape.out_channels / chip.cols) * ceil(shape.in_channels / chip.rows) * shape.positions


def pe_tiles(shapes: Sequence[LayerShape], chip: Chip, prices: PECycle) -> tuple[int, int]:
    """Processing elements of a network, and the tiles that hold them: ceil(PEs / PEs a tile), which neighbouring layers share.

    >>> from dtsnn_lite.chip import spikesim_rram_64
    >>> from dtsnn_lite.networks import vgg9
    >>> pe_tiles(vgg9(), spikesim_rram_64, spikesim_rram_64.charges)
    (48, 6)
    """
    pes = sum(ceil(shape.out_channels / chip.cols) * ceil(shape.in_channels / chip.rows) for shape in shapes)
    return pes, ceil(pes / prices.pes_a_tile.value)


def _pe_cycle_cost(shapes: Sequence[LayerShape], chip: Chip, prices: PECycle, first_layer: FirstLayer) -> StepCost:
    layers = [{part: energy_pj * _pe_cycles(shape, chip) for part, energy_pj in pe_cycle_parts_pj(chip, prices, shape.kernel).items()}
              for shape in shapes]
    once_pj, parts = _billed(layers, first_layer)
    return StepCost(once_pj, sum(parts.values()), 0.0, _overlapped_ns(shapes, prices), parts)


def _billed(layers: Sequence[dict[str, float]], first_layer: FirstLayer) -> tuple[float, dict[str, float]]:
    """What is paid once, and the parts of a timestep, of layers that hold the same parts."""
    match first_layer:
        case EveryStep():
            once_pj, each_step = 0.0, layers
        case Once():
            once_pj, each_step = sum(layers[0].values()), layers[1:]
        case _:
            assert_never(first_layer)
    return once_pj, {part: float(sum(layer[part] for layer in each_step)) for part in layers[0]}


def _overlapped_ns(shapes: Sequence[LayerShape], prices: PECycle) -> float:
    """End of the last layer when each starts at `overlap` of the one before; one output channel at a time."""
    cycle_ns = prices.pe_cycle.value * 1000 / prices.clock.value
    layers_ns = [shape.out_channels * shape.positions * cycle_ns for shape in shapes]
    return prices.overlap.value * sum(layers_ns[:-1]) + layers_ns[-1]


def _affine_cost(shapes: Sequence[LayerShape], chip: Chip, prices: AffineSteps) -> StepCost:
    """One line for a whole network. The figure's shares are taken of what a timestep adds: our choice, the paper does not say of what."""
    one = _pe_cycle_cost(shapes, chip, prices.scale, EveryStep())
    step_pj = prices.step.value * one.step_pj
    shares = {"digital peripherals": prices.digital_peripherals, "crossbar and ADC": prices.crossbar_and_adc,
              "interconnect and neurons": prices.network_and_neurons}
    parts = {part: share.value * step_pj for part, share in shares.items()}
    return StepCost(prices.fixed.value * one.step_pj, step_pj, 0.0, one.step_ns, parts)


def _parts_cost(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm, densities: np.ndarray,
                first_layer: FirstLayer, awake: np.ndarray | None) -> StepCost:
    plans = floor_plan(shapes, chip)
    layers = [_layer_parts(n, plans, way_mm(shapes, chip, prices), chip, prices, densities, awake) for n in range(len(plans))]
    once_pj, parts = _billed([{part: float(paid[1]) for part, paid in layer.items()} for layer in layers], first_layer)
    once_pj += float(sum(paid[0] for layer in layers for paid in layer.values()))
    fixed_ns, step_ns = _slowest_ns(shapes, chip, prices)
    parts |= _extras_pj(plans, chip, prices)
    if chip.leakage:
        leaks_uw = leakage_uw(shapes, chip, prices)
        once_pj, parts["leakage"] = once_pj + leaks_uw * fixed_ns * 1e-3, leaks_uw * step_ns * 1e-3
    return StepCost(once_pj, sum(parts.values()), fixed_ns, step_ns, parts)


def _layer_parts(n: int, plans: Sequence[Plan], side_mm: float, chip: Chip, prices: Parts65nm, densities: np.ndarray,
                 awake: np.ndarray | None) -> dict[str, Paid]:
    """What layer n's sums cost by part, once an image and at each timestep."""
    plan, own = plans[n], chip.of_layer(n)
    shares: list[float | None] = [None] * len(densities) if awake is None else awake[:, n].tolist()

    def read_out(cost_pj: Callable[[Mapped, float, Chip, Parts65nm, float | None], float]) -> Paid:
        """Mean over the timesteps that were recorded."""
        return each(float(np.mean([cost_pj(plan.read(own), density, own, prices, share)
                                   for density, share in zip(densities[:, n].tolist(), shares, strict=True)])))

    parts = {"converters": read_out(converter_pj), "accumulation": accumulation_pj(plan, own, prices, len(plans)),
             "buffers and wires": transport_pj(plan, plans, side_mm, own, prices)}
    if chip.scales:
        parts["scale factors"] = read_out(scales_pj)
    bits = chip.image_bits if n == 0 else 1                     # of a grey value, each read as a timestep's spikes are
    return {part: paid * (1, bits) for part, paid in parts.items()}


def _extras_pj(plans: Sequence[Plan], chip: Chip, prices: Parts65nm) -> dict[str, float]:
    """What is billed on request, a timestep: also for the first layer's neurons, which integrate what is held."""
    outputs = sum(plan.layer.outputs for plan in plans)
    pooled = sum(plan.layer.outputs for plan in plans if plan.pooled > 1)
    asked = (("neurons", chip.neurons, outputs * prices.lif_update.value),
             ("membrane memory", chip.membranes, 2 * outputs * prices.membrane_access.value),      # read, and written back
             ("pooling", chip.pools, pooled * prices.pool.value))
    return {part: float(energy_pj) for part, on, energy_pj in asked if on}


def _slowest_ns(shapes: Sequence[LayerShape], chip: Chip, prices: Parts65nm) -> tuple[float, float]:
    """Time of the slowest stage: once an image, and a timestep."""
    stages = [np.sum(list(stage.values()), axis=0) for stage in layer_stages_ns(shapes, chip, prices)]
    slowest = max(stages, key=lambda paid: float(paid @ (1, chip.timesteps)))
    return float(slowest[0]), float(slowest[1])


def exit_check_cost(chip: Chip, classes: int = 10) -> ExitCheckCost:
    """What one look at the score costs: two table reads and two multiply-adds a class, one comparison.

    energy_pj  = 2 K (table_read + multiply_add) + compare
    latency_ns = (K cycles_a_class + cycles_to_fill) cycle

    >>> from dtsnn_lite.chip import dtsnn_2023
    >>> check = exit_check_cost(dtsnn_2023, classes=10)
    >>> print(f"{check.energy_pj:.0f} pJ, {check.latency_ns:.0f} ns")
    66 pJ, 112 ns
    """
    check_whole("classes", classes, 2)
    unit = chip.exit_unit
    energy_pj = 2 * classes * (unit.table_read.value + unit.multiply_add.value) + unit.compare.value
    cycles = classes * unit.cycles_a_class.value + unit.cycles_to_fill.value
    return ExitCheckCost(energy_pj, cycles * unit.cycle.value)
