"""The design explorer: one network on the chip that a reader assembles, and stops when it is sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import traitlets

from dtsnn_lite.chip import HPADC, Chip, hp_adc_65nm
from dtsnn_lite.components import constants
from dtsnn_lite.cost import StepCost, exit_check_cost, inference_cost, input_densities, timestep_cost
from dtsnn_lite.designs import POSITIONS, READOUTS, SIZES, Designs, shipped_designs
from dtsnn_lite.floorplan import area_mm2
from dtsnn_lite.mapping import unpadded_positions
from dtsnn_lite.widgets.drawing import (Axis, Plot, bar, change, decade_ticks, dot, line, note, number_table, quantity, ratio,
                                        signed, tag, ticks, unit_for)
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, panels, static_view

T = 4
NAMES = {"sa": "sense amplifier (ADC-less)", "flash4": "4-bit flash", "flash5": "5-bit flash (HP-ADC)", "flash6": "6-bit flash", "sar5": "5-bit SAR"}
PART_CLASSES = {"converters": "bar", "accumulation": "bar warn", "buffers and wires": "bar third", "leakage": "bar other",
                "final merge": "bar fourth", "exit checks": "bar fifth"}
FAR_BELOW = 0.1     # designs that much below the best stand on the floor of the picture, with their accuracy beside them


# --- the numbers: package functions only ------------------------------------------------


def chip_of(state: Mapping) -> Chip:
    """The chip that the controls describe; its first layer keeps the 5-bit flash."""
    rows = int(state["rows"])
    return replace(hp_adc_65nm, rows=rows, cols=rows, readout=READOUTS[state["converter"]], mux=int(state["mux"]),
                   first_readout=HPADC(5), timesteps=T, leakage=state["leakage"])


@dataclass(frozen=True, eq=False)
class DesignNumbers:
    """Means over images of one design at one threshold."""

    accuracy: float
    mean: float
    energy: float
    delay: float
    edp: float
    area: float
    step: StepCost
    check_pj: float

    @property
    def parts(self) -> dict[str, float]:
        """The energy of the mean image by part; the parts add up to all of it."""
        parts = {name: pj * self.mean for name, pj in self.step.parts.items()} | {"final merge": self.step.fixed_pj}
        return parts | ({"exit checks": self.check_pj * self.mean} if self.check_pj else {})


def design_numbers(designs: Designs, state: Mapping) -> DesignNumbers:
    """Accuracy and bill of a state of the explorer."""
    chip, j = chip_of(state), round(state["theta"] * (POSITIONS - 1))
    left, right = designs.tables[f"{state['converter']}-{state['rows']}"]
    densities = input_densities(np.minimum(1, designs.densities * state["spikes"]), len(designs.shapes))
    densities[:, 0] = 1
    step = timestep_cost(designs.shapes, chip, densities)
    t = np.arange(1, T + 1)
    check = exit_check_cost(chip) if j else None
    bill = inference_cost(t, step, check)
    share = left[j] / designs.images
    return DesignNumbers(right[j] / designs.images, float(share @ t), float(share @ bill.energy_pj), float(share @ bill.latency_ns),
                         float(share @ bill.edp_pj_ns), area_mm2(designs.shapes, chip, chip.charges), step, check.energy_pj if check else 0.0)


REFERENCE = {"converter": "flash5", "rows": "64", "mux": "8", "theta": 0.0, "spikes": 1.0, "leakage": False}


def design_rows(now: DesignNumbers, then: DesignNumbers) -> list[list[str]]:
    """The explorer's table: [name, this chip, static HP-ADC, ratio]."""
    costs = [("energy", now.energy, then.energy, "pJ"), ("delay", now.delay, then.delay, "ns"), ("EDP", now.edp, then.edp, "pJ ns")]
    return [["accuracy", f"{100 * now.accuracy:.1f} %", f"{100 * then.accuracy:.1f} %",
             f"{signed(100 * (now.accuracy - then.accuracy), 1)} pt"],
            ["timesteps", f"{now.mean:.3f}", f"{then.mean:.3f}", ratio(now.mean / then.mean)],
            *([name, quantity(a, unit, b), quantity(b, unit), ratio(a / b)] for name, a, b, unit in costs),
            ["area", f"{now.area:.1f} mm\u00b2", f"{then.area:.1f} mm\u00b2", ratio(now.area / then.area)]]


def all_designs(designs: Designs, state: Mapping) -> tuple[list[DesignNumbers], int]:
    """Every converter and size at this threshold, and which of them is the reader's."""
    points, own = [], 0
    for converter in READOUTS:
        for rows in SIZES:
            mine = (converter, rows) == (state["converter"], state["rows"])
            own = len(points) if mine else own
            mux = state["mux"] if mine else "1" if converter == "sa" else "8"
            points.append(design_numbers(designs, {**state, "converter": converter, "rows": rows, "mux": mux}))
    return points, own


def pareto_front(points: list[DesignNumbers]) -> list[int]:
    """Designs that no other beats in both accuracy and EDP, by rising EDP."""
    front, best = [], -1.0
    for k in sorted(range(len(points)), key=lambda k: (points[k].edp, -points[k].accuracy)):
        if points[k].accuracy > best:
            front.append(k)
            best = points[k].accuracy
    return front


# --- the view without a script ----------------------------------------------------------


def split_picture(now: DesignNumbers, then: DesignNumbers) -> str:
    """Energy by part, of this chip and of the static HP-ADC chip."""
    marks = ticks(0, 100 * max(1, now.energy / then.energy), 5)
    words = ", ".join(f"{name} {100 * pj / now.energy:.0f} %" for name, pj in now.parts.items())
    plot = Plot("Energy by part", f"Energy of this chip by part: {words}.",
                Axis(0, 2, (), "left: this chip; right: the static HP-ADC chip"),
                Axis(0, marks[-1], marks, "energy, static HP-ADC chip = 100"))
    under, over = [], []
    for k, chip in enumerate((now, then)):
        start = 0.0
        for name, pj in chip.parts.items():
            end = start + 100 * pj / then.energy
            under.append(bar(plot, k + 0.03, k + 0.28, start, end, PART_CLASSES[name]))
            if end - start > 0.07 * marks[-1]:
                over.append(note(plot, k + 0.31, (start + end) / 2, name, dy=4, class_="note other"))
            start = end
    return plot.svg(under, over)


def front_picture(points: list[DesignNumbers], own: int, then: DesignNumbers) -> str:
    """Accuracy against EDP of every design, and the Pareto front."""
    edps, accuracies = [point.edp for point in points], [100 * point.accuracy for point in points]
    near = [accuracy for accuracy in accuracies if accuracy >= max(accuracies) - 100 * FAR_BELOW]
    marks, front = ticks(min(near) - 0.2, min(100, max(near) + 0.2), 5), pareto_front(points)
    decades, (size, unit) = decade_ticks(min(edps), max(edps)), unit_for(then.edp, "pJ ns")
    plot = Plot("All converters and sizes, this threshold",
                f"Accuracy against EDP of {len(points)} designs: this chip at {accuracies[own]:.1f} % and {quantity(edps[own], 'pJ ns', then.edp)}; "
                f"{len(front)} are on the Pareto front.",
                Axis(decades[0], decades[-1], decades, f"EDP ({unit})", log=True, format=lambda value: f"{value / size:g}"),
                Axis(marks[0], marks[-1], marks, "images right (%); dashed: Pareto front"))
    at = [(edp, max(marks[0], accuracy)) for edp, accuracy in zip(edps, accuracies)]
    low = [accuracy < marks[0] for accuracy in accuracies]
    over = [dot(plot, *at[k], "dot other" if low[k] else "dot", 3.5) for k in range(len(points)) if k != own]
    over += [note(plot, *at[k], f"{accuracies[k]:.0f} %", dy=-9, text_anchor="middle", class_="note other") for k in range(len(points)) if low[k]]
    return plot.svg([line(plot, [at[k] for k in front], "line other")] if len(front) > 1 else [], [*over, dot(plot, *at[own], "dot now")])


def design_sentence(now: DesignNumbers, then: DesignNumbers) -> str:
    return (f"This chip answers {100 * now.accuracy:.1f} % right with {change(now.energy / then.energy)} energy, "
            f"{change(now.delay / then.delay)} delay and {change(now.edp / then.edp)} EDP than the static HP-ADC chip.")


def caption_of(designs: Designs) -> str:
    return f"{designs.images:,} test digits, at most {T} timesteps; means over images, EDP is the mean of E\u00d7D; neurons and scale factors not billed"


def static_html(designs: Designs, state: Mapping, heading: str) -> str:
    """The explorer at one state, as plain HTML and SVG."""
    now, then = design_numbers(designs, state), design_numbers(designs, REFERENCE)
    controls = [("converter of a column", NAMES[state["converter"]], "choice"), ("rows of an array", state["rows"], "choice"),
                ("exit threshold \u03b8 (0: never stop early)", f"{state['theta']:.3f}", "number")]
    table = number_table(caption_of(designs), ["", "this chip", "static HP-ADC", "ratio"], design_rows(now, then))
    return static_view(heading, controls, design_sentence(now, then), tag("div", table, class_="numbers"),
                       panels(split_picture(now, then), front_picture(*all_designs(designs, state), then)), folded=True)


# --- the widget ---------------------------------------------------------------------------


def pack(designs: Designs, code: Mapping | None = None) -> tuple[dict, bytes]:
    """The two traits `data` and `bytes`: everything the page needs to compute the bill again."""
    places, parts, start = {}, [], 0
    for name, (left, right) in designs.tables.items():
        raw = np.concatenate([left.flatten(), right]).astype("<u2").tobytes()
        places[name] = {"start": start}
        parts.append(raw)
        start += len(raw)
    check = exit_check_cost(hp_adc_65nm)
    shapes = [{"rows": s.rows, "channels": s.out_channels, "positions": unpadded_positions(s)} for s in designs.shapes]
    data = {"designs": places, "shapes": shapes, "densities": input_densities(designs.densities, len(designs.shapes)).tolist(),
            "prices": {name: constant.value for name, constant in constants(hp_adc_65nm.charges)}, "images": designs.images,
            "planes": hp_adc_65nm.planes, "check": {"energy_pj": check.energy_pj, "latency_ns": check.latency_ns}, "caption": caption_of(designs), "python": dict(code) if code else None}
    return data, b"".join(parts)


SHIPPED_CODE = {"imports": ["from dtsnn_lite.designs import shipped_designs"], "designs": "shipped_designs()"}


class DesignExplorer(Explorer):
    """The digits network on 15 chips: converter, rows, mux, spikes, leakage and the exit threshold.

    converter  a key of NAMES       rows  "32", "64" or "128"       mux  "1" or "8"
    theta      exit threshold; 0 never stops early and pays for no check
    spikes     times the recorded rates         leakage  bill it as well
    """

    _esm = module("design_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    converter = traitlets.Unicode("sa").tag(sync=True)
    rows = traitlets.Unicode("64").tag(sync=True)
    theta = traitlets.Float(0.0).tag(sync=True)
    mux = traitlets.Unicode("1").tag(sync=True)
    spikes = traitlets.Float(1.0).tag(sync=True)
    leakage = traitlets.Bool(False).tag(sync=True)

    def __init__(self, designs: Designs | None = None, *, heading: str = "Design explorer", hash_key: str = "design",
                 code: Mapping | None = None, **state: object) -> None:
        code = SHIPPED_CODE if designs is None else code
        designs = designs or shipped_designs()
        data, raw = pack(designs, code)
        super().__init__(data=data, bytes=raw, heading=heading, hash_key=hash_key, **state)
        checked_choice("converter", self.converter, tuple(READOUTS))
        checked_choice("rows", self.rows, SIZES)
        checked_choice("mux", self.mux, ("1", "8"))
        if not 0 <= self.theta <= 1:
            raise ValueError(f"theta lies in [0, 1], where entropy lives; got {self.theta}")
        if not 0.25 <= self.spikes <= 4:
            raise ValueError(f"spikes lies in [0.25, 4] in this picture; got {self.spikes}")
        state = {name: getattr(self, name) for name in REFERENCE}
        self.static_html = static_html(designs, state, heading)
