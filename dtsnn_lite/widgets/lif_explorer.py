"""The LIF explorer: two leaky integrate-and-fire neurons on one input that the reader makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module

STEPS = 30


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


def levels(current: Sequence[float], neuron: Neuron) -> np.ndarray:
    """What the vessel of the picture holds at each tick of its clock, (3 T + 1,): 0, then of each step beta u, h and the new u."""
    h, u, _ = lif_trace(current, neuron)
    before = np.concatenate([[0.0], u[:-1]])
    return np.concatenate([[0.0], np.stack([neuron.beta * before, h, u], axis=1).flatten()])


# --- the widget ---------------------------------------------------------------------------

class LIFExplorer(Explorer):
    """Two neurons, A and B, that leak, fill, fire and are reset under one input; their potentials, spikes and rates.

    clock       ticks that it has run, three a step: leak, input, reset; at first all of them
    current     input at every step
    spikes      steps, counted from 0, at which the reader's own spikes add `weight`
    beta, v_th, reset ("hard" or "soft") of neuron A; beta_b, v_th_b, reset_b of neuron B
    """

    _esm = module("lif_explorer")
    steps = traitlets.Int(STEPS, read_only=True).tag(sync=True)
    current = traitlets.Float(0.6).tag(sync=True)
    weight = traitlets.Float(0.5).tag(sync=True)
    beta = traitlets.Float(0.5).tag(sync=True)
    v_th = traitlets.Float(1.0).tag(sync=True)
    reset = traitlets.Unicode("hard").tag(sync=True)
    beta_b = traitlets.Float(0.9).tag(sync=True)
    v_th_b = traitlets.Float(1.0).tag(sync=True)
    reset_b = traitlets.Unicode("hard").tag(sync=True)
    spikes = traitlets.List(traitlets.Int(), [11, 12]).tag(sync=True)
    clock = traitlets.Int(3 * STEPS).tag(sync=True)

    def __init__(self, *, heading: str = "LIF explorer", hash_key: str = "lif", **state: object) -> None:
        super().__init__(heading=heading, hash_key=hash_key, **state)
        self._check()

    def _check(self) -> None:
        ranges = {"current": (0, 1.5), "weight": (0, 1.5), "beta": (0, 1), "beta_b": (0, 1), "v_th": (0.2, 2), "v_th_b": (0.2, 2)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies in [{low}, {high}] in this picture; got {getattr(self, name)}")
        for name in ("reset", "reset_b"):
            checked_choice(name, getattr(self, name), ("hard", "soft"))
        if not 0 <= self.clock <= 3 * STEPS:
            raise ValueError(f"clock counts ticks from 0 to {3 * STEPS}, three a step; got {self.clock}")
        if not all(0 <= t < STEPS for t in self.spikes):
            raise ValueError(f"spikes are steps from 0 to {STEPS - 1}; got {self.spikes}")
