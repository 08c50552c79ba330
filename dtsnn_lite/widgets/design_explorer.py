"""The design explorer: one network on the chip that a reader assembles, and stops when it is sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import traitlets

from dtsnn_lite.chip import HPADC, Chip, LayerShape, Parts65nm, SenseAmp, adc_less_65nm, hp_adc_65nm
from dtsnn_lite.components import constants
from dtsnn_lite.cost import exit_check_cost, inference_cost, timestep_cost
from dtsnn_lite.designs import POSITIONS, READOUTS, SIZES, Designs, shipped_designs
from dtsnn_lite.floorplan import area_mm2
from dtsnn_lite.mapping import unpadded_positions
from dtsnn_lite.reads import input_densities
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.quantities import quantity, ratio, signed

T = 4
PRICES = Parts65nm()
NAMES = {"sa": "sense amplifier (ADC-less)", "flash4": "4-bit flash", "flash5": "5-bit flash (HP-ADC)", "flash6": "6-bit flash",
         "sar5": "5-bit SAR"}
MUXES = ("1", "8")
MUX = {key: str(adc_less_65nm.mux if isinstance(readout, SenseAmp) else hp_adc_65nm.mux)      # that its chip is built with
       for key, readout in READOUTS.items()}
SPIKES = {"low": 0.25, "high": 4.0, "step": 0.25}


# --- the numbers: package functions only ------------------------------------------------


def chip_of(state: Mapping) -> Chip:
    """The chip that the controls describe, as it would be built: it stops, so it has its sums at each timestep.

    Its first layer keeps the 5-bit flash.
    """
    rows = int(state["rows"])
    return replace(hp_adc_65nm, rows=rows, cols=rows, readout=READOUTS[state["converter"]], mux=int(state["mux"]),
                   first_readout=HPADC(5), timesteps=T, as_printed=False, several_cycles=state["several"], leakage=state["leakage"],
                   charges=PRICES)


@dataclass(frozen=True, eq=False)
class DesignNumbers:
    """Means over images of one design at one threshold."""

    accuracy: float
    mean: float
    energy: float
    delay: float
    edp: float
    area: float
    trained: bool = True


def design_numbers(designs: Designs, state: Mapping) -> DesignNumbers:
    """Accuracy and bill of a state of the explorer."""
    chip, j = chip_of(state), round(state["theta"] * (POSITIONS - 1))
    left, right = designs.tables[f"{state['converter']}-{state['rows']}"]
    densities = np.minimum(1, input_densities(designs.densities, len(designs.shapes)) * state["spikes"])
    densities[:, 0] = 1                                     # an image conducts in every row, however many spikes there are
    step = timestep_cost(designs.shapes, chip, densities)
    t = np.arange(1, T + 1)
    bill = inference_cost(t, step, exit_check_cost(chip) if j else None)
    share = left[j] / designs.images
    return DesignNumbers(right[j] / designs.images, float(share @ t), float(share @ bill.energy_pj), float(share @ bill.latency_ns),
                         float(share @ bill.edp_pj_ns), area_mm2(designs.shapes, chip, PRICES),
                         f"{state['converter']}-{state['rows']}" not in designs.untrained)


REFERENCE = {"converter": "flash5", "rows": "64", "mux": "8", "theta": 0.0, "spikes": 1.0, "several": False, "leakage": False}


def design_rows(now: DesignNumbers, then: DesignNumbers) -> list[list[str]]:
    """The explorer's table: [name, this chip, static HP-ADC, ratio]."""
    costs = [("energy", now.energy, then.energy, "pJ"), ("delay", now.delay, then.delay, "ns"), ("EDP", now.edp, then.edp, "pJ ns")]
    return [["accuracy", f"{100 * now.accuracy:.1f} %", f"{100 * then.accuracy:.1f} %",
             f"{signed(100 * (now.accuracy - then.accuracy), 1)} pt"],
            ["timesteps", f"{now.mean:.3f}", f"{then.mean:.3f}", ratio(now.mean / then.mean)],
            *([name, quantity(a, unit, b), quantity(b, unit), ratio(a / b)] for name, a, b, unit in costs),
            ["area", f"{now.area:.1f} mm\u00b2", f"{then.area:.1f} mm\u00b2", ratio(now.area / then.area)]]


# --- the widget ---------------------------------------------------------------------------


def circuit(chip: Chip) -> dict:
    """What the page's formulas need of a chip's converter."""
    readout = chip.readout
    return {"kind": type(readout).__name__, "bits": readout.bits, "comparators": readout.comparators}


def counts(shape: LayerShape) -> dict[str, int]:
    """What the page's formulas need of a layer."""
    return {"rows": shape.rows, "channels": shape.out_channels, "positions": unpadded_positions(shape), "height": shape.in_height,
            "kernel": shape.kernel, "inputs": shape.inputs, "neurons": shape.neurons}


def pack(designs: Designs, code: Mapping | None = None) -> tuple[dict, bytes]:
    """The two traits `data` and `bytes`: everything the page needs to compute the bill again."""
    places, parts, start = {}, [], 0
    for name, (left, right) in designs.tables.items():
        raw = np.concatenate([left.flatten(), right]).astype("<u2").tobytes()
        places[name] = {"start": start, "trained": name not in designs.untrained}
        parts.append(raw)
        start += len(raw)
    check, first = exit_check_cost(hp_adc_65nm), chip_of(REFERENCE).of_layer(0)
    converters = {key: {"name": name, "mux": MUX[key], **circuit(chip_of({**REFERENCE, "converter": key}))} for key, name in NAMES.items()}
    data = {"designs": places, "shapes": [counts(shape) for shape in designs.shapes],
            "densities": input_densities(designs.densities, len(designs.shapes)).tolist(),
            "prices": {name: constant.value for name, constant in constants(PRICES)}, "images": designs.images,
            "planes": hp_adc_65nm.planes, "speed_up": hp_adc_65nm.speed_up,
            "check": {"energy_pj": check.energy_pj, "latency_ns": check.latency_ns},
            "timesteps": T, "positions": POSITIONS, "converters": converters, "first": {"mux": first.mux, **circuit(first)},
            "sizes": list(SIZES), "muxes": list(MUXES), "spikes": SPIKES, "reference": REFERENCE,
            "caption": f"{designs.images:,} test digits, at most {T} timesteps; means over images, EDP is the mean of E\u00d7D; "
                       "neurons and scale factors not billed", "python": dict(code) if code else None}
    return data, b"".join(parts)


SHIPPED_CODE = {"imports": ["from dtsnn_lite.designs import shipped_designs"], "designs": "shipped_designs()"}


class DesignExplorer(Explorer):
    """The digits network on 15 chips: converter, rows, mux, spikes, clock, leakage and the exit threshold.

    Designs whose comparators nobody trained on their own arrays stand beside the Pareto front, not on it.


    converter  a key of NAMES       rows  "32", "64" or "128"       mux  "1" or "8"
    theta      exit threshold; 0 never stops early and pays for no check
    spikes     times the recorded share of what layers read; so changed, rows are taken for independent
    several    a conversion may take several clock cycles         leakage  bill it as well
    """

    _esm = module("design_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    converter = traitlets.Unicode("sa").tag(sync=True)
    rows = traitlets.Unicode("64").tag(sync=True)
    theta = traitlets.Float(0.0).tag(sync=True)
    mux = traitlets.Unicode("1").tag(sync=True)
    spikes = traitlets.Float(1.0).tag(sync=True)
    several = traitlets.Bool(False).tag(sync=True)
    leakage = traitlets.Bool(False).tag(sync=True)

    def __init__(self, designs: Designs | None = None, *, heading: str = "Design explorer", hash_key: str = "design",
                 code: Mapping | None = None, **state: object) -> None:
        code = SHIPPED_CODE if designs is None else code
        designs = designs or shipped_designs()
        data, raw = pack(designs, code)
        super().__init__(data=data, bytes=raw, heading=heading, hash_key=hash_key, **state)
        checked_choice("converter", self.converter, tuple(READOUTS))
        checked_choice("rows", self.rows, SIZES)
        checked_choice("mux", self.mux, MUXES)
        if not 0 <= self.theta <= 1:
            raise ValueError(f"theta lies in [0, 1], where entropy lives; got {self.theta}")
        if not SPIKES["low"] <= self.spikes <= SPIKES["high"]:
            raise ValueError(f"spikes lies in [{SPIKES['low']:g}, {SPIKES['high']:g}] in this picture; got {self.spikes}")
