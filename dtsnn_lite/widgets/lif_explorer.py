"""The LIF explorer: two leaky integrate-and-fire neurons on one input that the reader makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.widgets.drawing import Axis, Plot, line, note, number_table, tag, ticks
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, static_view

STEPS = 30
LONG = 200
CURRENTS = [round(0.025 * k, 3) for k in range(61)]
COLOURS = {"A": "", "B": " third"}


@dataclass(frozen=True)
class Neuron:
    """The constants of one neuron of the picture, as in neurons.LIF."""

    name: str
    beta: float
    v_th: float
    reset: str


def lif_trace(current: Sequence[float], neuron: Neuron) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Potential before the reset h, after it u, and spikes s, each (T,); neurons.lif_step without torch.

    h = beta u + i;   s = 1[h > v_th];   u = h (1 - s)  or  h - s v_th
    """
    h, u, s = np.zeros((3, len(current)))
    before = 0.0
    for t, i in enumerate(current):
        h[t] = neuron.beta * before + i
        s[t] = h[t] > neuron.v_th
        before = h[t] if not s[t] else 0.0 if neuron.reset == "hard" else h[t] - neuron.v_th
        u[t] = before
    return h, u, s


def rate_curve(neuron: Neuron) -> list[tuple[float, float]]:
    """Spikes a step under a constant current, for each current of the axis."""
    return [(i, float(lif_trace([i] * LONG, neuron)[2].sum()) / LONG) for i in CURRENTS]


def lif_rows(traces: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[list[str]]:
    """The explorer's table: [name, neuron A, neuron B]."""
    return [
        ["spikes", *(f"{int(s.sum())}" for _, _, s in traces)],
        ["rate (spikes a step)", *(f"{s.sum() / STEPS:.3f}" for _, _, s in traces)],
        ["first spike at step", *(str(int(s.argmax()) + 1) if s.any() else "none" for _, _, s in traces)],
        ["highest potential", *(f"{h.max():.3f}" for h, _, _ in traces)],
    ]


# --- the view without a script ----------------------------------------------------------

def _short(value: float) -> str:
    """A number as the page writes it: 1.0 is 1."""
    return f"{value:g}"


def membrane(neuron: Neuron, trace: tuple[np.ndarray, np.ndarray, np.ndarray]) -> str:
    """u climbs to h, and where h passes the threshold a spike leaves and u drops."""
    h, u, s = trace
    marks = ticks(0, 1.1 * max(neuron.v_th, float(h.max())), 5)
    high = marks[-1]
    words = (f"Membrane potential of neuron {neuron.name} with beta {_short(neuron.beta)}, threshold {_short(neuron.v_th)} "
             f"and {neuron.reset} reset: {int(s.sum())} spikes in {STEPS} steps.")
    plot = Plot(f"Neuron {neuron.name}: \u03b2 = {_short(neuron.beta)}, {neuron.reset} reset", words,
                Axis(0, STEPS, (0, 10, 20, 30), "timestep"), Axis(0, high, marks, "potential u (dashed: threshold; marks: spikes)"))
    path = [(0, 0), *(point for t in range(len(h)) for point in ((t + 1, h[t]), (t + 1, u[t])))]
    fired = [line(plot, [(t + 1, high * 0.93), (t + 1, high)], "line warn") for t in np.flatnonzero(s)]
    return plot.svg([line(plot, [(0, neuron.v_th), (STEPS, neuron.v_th)], "line other"), *fired,
                     line(plot, path, f"line{COLOURS[neuron.name]}")])


def rate_picture(current: float, pair: Sequence[Neuron]) -> str:
    """Spikes a step against a constant current, for both neurons."""
    curves = [rate_curve(neuron) for neuron in pair]
    words = ", ".join(f"neuron {neuron.name} starts to fire above {_silent_until(curve)}" for neuron, curve in zip(pair, curves))
    plot = Plot("Rate against constant current", f"Firing rate against constant current: {words}.",
                Axis(0, 1.5, (0, 0.5, 1, 1.5), "input current i"), Axis(0, 1, (0, 0.25, 0.5, 0.75, 1), "spikes a step"))
    under, over = [line(plot, [(current, 0), (current, 1)], "line other")], []
    for k, (neuron, curve) in enumerate(zip(pair, curves)):
        at = next((point for point in curve if point[1] >= 0.2), curve[-1])
        under.append(line(plot, curve, f"line{COLOURS[neuron.name]}"))
        left = k or at[1] < 0.2      # A stands to the right of its curve, where there is one
        over.append(note(plot, *at, neuron.name, dx=-8 if k else -24 if left else 8, dy=-4 if left else 8,
                         class_="note third" if k else "note accent", text_anchor="end" if left else "start"))
    return plot.svg(under, over)


def _silent_until(curve: list[tuple[float, float]]) -> str:
    silent = [current for current, rate in curve if rate == 0]
    return f"{silent[-1]:.3f}" if silent else "0"


def _fires(n: int) -> str:
    return "fires once" if n == 1 else "never fires" if n == 0 else f"fires {n} times"


def static_html(state: dict, heading: str) -> str:
    """The explorer at one state, as plain HTML and SVG."""
    pair = (Neuron("A", state["beta"], state["v_th"], state["reset"]), Neuron("B", state["beta_b"], state["v_th_b"], state["reset_b"]))
    current = [state["current"] + (state["weight"] if t in state["spikes"] else 0) for t in range(STEPS)]
    traces = [lif_trace(current, neuron) for neuron in pair]
    controls = [("input current i", f"{state['current']:.3f}", "number"),
                ("\u03b2 of neuron A: fraction of u kept each step", f"{state['beta']:.2f}", "number"),
                ("threshold of neuron A", f"{state['v_th']:.2f}", "number")]
    a, b = (int(s.sum()) for _, _, s in traces)
    pictures = [membrane(neuron, trace) for neuron, trace in zip(pair, traces)] + [rate_picture(state["current"], pair)]
    table = number_table(f"In {STEPS} steps, one input for both", ["", "neuron A", "neuron B"], lif_rows(traces))
    spikes = ", ".join(str(t + 1) for t in sorted(state["spikes"])) or "none"
    return static_view(
        heading, controls, f"In {STEPS} steps neuron A {_fires(a)} and neuron B {_fires(b)}.",
        tag("p", f"Your own spikes, at steps: {spikes}", class_="head room"),
        tag("div", *(tag("div", picture, class_="panel") for picture in pictures), tag("div", table, class_="panel numbers"), class_="panels"), folded=True)


# --- the widget ---------------------------------------------------------------------------

class LIFExplorer(Explorer):
    """Membrane potential, spikes and rate of two neurons, A and B, under one input.

    current     input at every step
    spikes      steps, counted from 0, at which the reader's own spikes add `weight`
    beta, v_th, reset ("hard" or "soft") of neuron A; beta_b, v_th_b, reset_b of neuron B
    """

    _esm = module("lif_explorer")
    current = traitlets.Float(0.6).tag(sync=True)
    weight = traitlets.Float(0.5).tag(sync=True)
    beta = traitlets.Float(0.5).tag(sync=True)
    v_th = traitlets.Float(1.0).tag(sync=True)
    reset = traitlets.Unicode("hard").tag(sync=True)
    beta_b = traitlets.Float(0.9).tag(sync=True)
    v_th_b = traitlets.Float(1.0).tag(sync=True)
    reset_b = traitlets.Unicode("hard").tag(sync=True)
    spikes = traitlets.List(traitlets.Int(), [11, 12]).tag(sync=True)

    def __init__(self, *, heading: str = "LIF explorer", hash_key: str = "lif", **state: object) -> None:
        super().__init__(heading=heading, hash_key=hash_key, **state)
        self._check()
        self.static_html = static_html({name: getattr(self, name) for name in self.trait_names(sync=True)}, heading)

    def _check(self) -> None:
        ranges = {"current": (0, 1.5), "weight": (0, 1.5), "beta": (0, 1), "beta_b": (0, 1), "v_th": (0.2, 2), "v_th_b": (0.2, 2)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies in [{low}, {high}] in this picture; got {getattr(self, name)}")
        for name in ("reset", "reset_b"):
            checked_choice(name, getattr(self, name), ("hard", "soft"))
        if not all(0 <= t < STEPS for t in self.spikes):
            raise ValueError(f"spikes are steps from 0 to {STEPS - 1}; got {self.spikes}")
