"""The design explorer: one network on the chip that a reader assembles, and stops when it is sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, log10

import numpy as np
import traitlets

from dtsnn_lite.chip import HPADC, Chip, hp_adc_65nm
from dtsnn_lite.components import constants
from dtsnn_lite.cost import StepCost, exit_check_cost, inference_cost, input_densities, timestep_cost
from dtsnn_lite.designs import POSITIONS, READOUTS, SIZES, Designs, shipped_designs
from dtsnn_lite.floorplan import area_mm2
from dtsnn_lite.mapping import unpadded_positions
from dtsnn_lite.widgets.drawing import Axis, Plot, bar, change, dot, line, note, number_table, quantity, ratio, tag, ticks
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, panels, static_view

T = 4
NAMES = {"sa": "sense amplifier (ADC-less)", "flash4": "4-bit flash", "flash5": "5-bit flash (HP-ADC)", "flash6": "6-bit flash", "sar5": "5-bit SAR"}
PART_CLASSES = ("bar", "bar warn", "bar third", "bar other")


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


def design_numbers(designs: Designs, state: Mapping) -> DesignNumbers:
    """Accuracy and bill of a state of the explorer."""
    chip, j = chip_of(state), round(state["theta"] * (POSITIONS - 1))
    left, right = designs.tables[f"{state['converter']}-{state['rows']}"]
    densities = input_densities(np.minimum(1, designs.densities * state["spikes"]), len(designs.shapes))
    densities[:, 0] = 1
    step = timestep_cost(designs.shapes, chip, densities)
    t = np.arange(1, T + 1)
    bill = inference_cost(t, step, exit_check_cost(chip)) if j else inference_cost(t, step)
    share = left[j] / designs.images
    return DesignNumbers(right[j] / designs.images, float(share @ t), float(share @ bill.energy_pj), float(share @ bill.latency_ns),
                         float(share @ bill.edp_pj_ns), area_mm2(designs.shapes, chip, chip.charges), step)


REFERENCE = {"converter": "flash5", "rows": "64", "mux": "8", "theta": 0.0, "spikes": 1.0, "leakage": False}


def design_rows(now: DesignNumbers, then: DesignNumbers) -> list[list[str]]:
    """The explorer's table: [name, this chip, static HP-ADC, ratio]."""
    costs = [("energy", now.energy, then.energy, "pJ"), ("delay", now.delay, then.delay, "ns"), ("EDP", now.edp, then.edp, "pJ ns")]
    return [["accuracy", f"{100 * now.accuracy:.1f} %", f"{100 * then.accuracy:.1f} %", ""],
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
    sizes = [{name: pj * each.mean for name, pj in each.step.parts.items()} for each in (now, then)]
    totals = [sum(parts.values()) for parts in sizes]
    marks = ticks(0, 100 * max(1, totals[0] / totals[1]), 5)
    words = ", ".join(f"{name} {100 * pj / totals[0]:.0f} %" for name, pj in sizes[0].items())
    plot = Plot("Energy by part", f"Energy of this chip by part: {words}.",
                Axis(0, 2, (), "left: this chip, right: the static HP-ADC chip"),
                Axis(0, marks[-1], marks, "energy, static HP-ADC chip = 100"))
    under, over = [], []
    for k, parts in enumerate(sizes):
        start = 0.0
        for (name, pj), kind in zip(parts.items(), PART_CLASSES):
            end = start + 100 * pj / totals[1]
            under.append(bar(plot, k + 0.15, k + 0.5, start, end, kind))
            if end - start > 0.06 * marks[-1]:
                over.append(note(plot, k + 0.53, (start + end) / 2, name, dy=4, class_="note other"))
            start = end
    return plot.svg(under, over)


def front_picture(points: list[DesignNumbers], own: int) -> str:
    """Accuracy against EDP of every design, and the Pareto front."""
    edps = [point.edp for point in points]
    low, high = floor(log10(min(edps))), ceil(log10(max(edps)))
    accuracies = [100 * point.accuracy for point in points]
    marks, front = ticks(min(accuracies), max(accuracies), 5), pareto_front(points)
    plot = DecadePlot("All converters and sizes, this threshold",
                      f"Accuracy against EDP of {len(points)} designs; {len(front)} of them are on the Pareto front.",
                      Axis(10.0 ** low, 10.0 ** high, [10.0 ** k for k in range(low, high + 1)], "EDP (pJ ns), decades", log=True),
                      Axis(marks[0], marks[-1], marks, "accuracy (%)"))
    under = [line(plot, [(edps[k], accuracies[k]) for k in front], "line other")] if len(front) > 1 else []
    over = [dot(plot, edps[k], accuracies[k], "dot", 3.5) for k in range(len(points)) if k != own]
    return plot.svg(under, [*over, dot(plot, edps[own], accuracies[own], "dot now")])


class DecadePlot(Plot):
    """A plot whose x ticks are written as powers of ten."""

    def _ticks(self) -> list[str]:
        count = len(self.x.ticks)
        marks = super()._ticks()
        words = [f"1e{round(log10(value))}" for value in self.x.ticks]
        return marks[:-count] + [_relabel(mark, word) for mark, word in zip(marks[-count:], words)]


def _relabel(mark: str, words: str) -> str:
    """The same text element with other words."""
    return mark[:mark.index(">") + 1] + words + mark[mark.rindex("</"):]


def design_sentence(now: DesignNumbers, then: DesignNumbers) -> str:
    return (f"This chip answers {100 * now.accuracy:.1f} % right with {change(now.energy / then.energy)} energy, "
            f"{change(now.delay / then.delay)} delay and {change(now.edp / then.edp)} EDP than the static HP-ADC chip.")


def caption_of(designs: Designs) -> str:
    return f"{designs.images:,} test digits, at most {T} timesteps; means over images, EDP is the mean of E\u00d7D"


def static_html(designs: Designs, state: Mapping, heading: str) -> str:
    """The explorer at one state, as plain HTML and SVG."""
    now, then = design_numbers(designs, state), design_numbers(designs, REFERENCE)
    controls = [("converter of a column", NAMES[state["converter"]], "choice"), ("rows of an array", state["rows"], "choice"),
                ("exit threshold \u03b8 (0: never stop early)", f"{state['theta']:.3f}", "number")]
    table = number_table(caption_of(designs), ["", "this chip", "static HP-ADC", "ratio"], design_rows(now, then))
    return static_view(heading, controls, design_sentence(now, then), tag("div", table, class_="numbers"),
                       panels(split_picture(now, then), front_picture(*all_designs(designs, state))))


# --- the widget ---------------------------------------------------------------------------


def pack(designs: Designs) -> tuple[dict, bytes]:
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
            "planes": hp_adc_65nm.planes, "check": {"energy_pj": check.energy_pj, "latency_ns": check.latency_ns}, "caption": caption_of(designs)}
    return data, b"".join(parts)


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

    def __init__(self, designs: Designs | None = None, *, heading: str = "Design explorer", hash_key: str = "design", **state: object) -> None:
        designs = designs or shipped_designs()
        data, raw = pack(designs)
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
