"""The stream explorer: digits arrive one after the other, wait, and leave through their own exit; beside them a lane that always runs T."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets.exit_explorer import exit_codes, on_grid, surest
from dtsnn_lite.widgets.explorer import Explorer, module
from dtsnn_lite.widgets.quantities import quantity, ratio

CLOSEST, WIDEST = 0.5, 4.0      # timesteps between two arrivals


@dataclass(frozen=True, eq=False)
class Lane:
    """When each digit of a stream arrives, starts and leaves, in ns, where one is run at a time."""

    arrives: np.ndarray
    starts: np.ndarray
    leaves: np.ndarray

    @property
    def delays_ns(self) -> np.ndarray:
        """Waiting included: what the one who asked sees."""
        return self.leaves - self.arrives

    @property
    def a_digit_ns(self) -> float:
        """From the first arrival to the last exit, by the number of digits: one over the throughput."""
        return float(self.leaves[-1] / len(self.leaves))


def lane(runs_ns: np.ndarray, spacing_ns: float) -> Lane:
    """First come, first served: start_n = max(n spacing, leave_{n-1}), leave_n = start_n + run_n.

    >>> lane(np.array([4.0, 1.0, 1.0]), spacing_ns=2.0).leaves
    array([4., 5., 6.])
    """
    arrives, starts, leaves = spacing_ns * np.arange(len(runs_ns)), [], []
    free = 0.0
    for arrived, run in zip(arrives.tolist(), runs_ns.tolist(), strict=True):
        starts.append(max(arrived, free))
        free = starts[-1] + run
        leaves.append(free)
    return Lane(arrives, np.array(starts), np.array(leaves))


def stream_rows(seen: Recording, theta: float, spacing: float, step: StepCost, check: ExitCheckCost) -> list[list[str]]:
    """The explorer's table: [name, stops when sure, always T, ratio]; a digit arrives every `spacing` timesteps."""
    run, T, N = replay(seen, EntropyExit(theta)), seen.timesteps, seen.images
    bill, still = inference_cost(run.t_hat, step, check), static_cost(T, step)
    lanes = [lane(ns, spacing * step.step_ns) for ns in (bill.latency_ns, np.full(N, still.latency_ns[0]))]
    pairs = [("time a digit", "ns", [each.a_digit_ns for each in lanes]),
             ("mean delay", "ns", [float(each.delays_ns.mean()) for each in lanes]),
             ("worst delay", "ns", [float(each.delays_ns.max()) for each in lanes]),
             ("energy a digit", "pJ", [float(bill.energy_pj.mean()), float(still.energy_pj[0])])]
    right = [int(run.correct.sum()), int(seen.correct[-1].sum())]
    return [["right answers", f"{right[0]} of {N}", f"{right[1]} of {N}", ""],
            *([name, quantity(now, unit, then), quantity(then, unit), ratio(now / then)] for name, unit, (now, then) in pairs)]


class StreamExplorer(Explorer):
    """A stream of digits under a bar that the reader moves, beside the lane that always runs T timesteps.

    StreamExplorer(recording of the digits that arrive, in their order, step, check)
    theta     the bar: leave when the entropy is below it
    spacing   timesteps between two arrivals
    """

    _esm = module("stream_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    theta = traitlets.Float(0.2).tag(sync=True)
    spacing = traitlets.Float(2.0).tag(sync=True)

    def __init__(self, recording: Recording, step: StepCost, check: ExitCheckCost, *, theta: float = 0.2, spacing: float = 2.0,
                 heading: str = "Digits in a stream", hash_key: str = "stream") -> None:
        if not CLOSEST <= spacing <= WIDEST:
            raise ValueError(f"spacing lies in [{CLOSEST:g}, {WIDEST:g}] timesteps in this picture; got {spacing!r}")
        if step.step_ns <= 0:
            raise ValueError(f"a timestep takes time here: step_ns is above 0; got {step.step_ns!r}")
        T, t = recording.timesteps, np.arange(1, recording.timesteps + 1)
        bill, still = inference_cost(t, step, check), static_cost(T, step)
        data = {"labels": recording.labels.tolist(), "said": recording.predictions.T.tolist(), "timesteps": T, "step_ns": step.step_ns,
                "energy_pj": bill.energy_pj.tolist(), "latency_ns": bill.latency_ns.tolist(),
                "static": {"energy_pj": float(still.energy_pj[0]), "latency_ns": float(still.latency_ns[0])}}
        codes = exit_codes(surest(recording, EntropyExit), EntropyExit)
        super().__init__(data=data, bytes=codes.tobytes(), theta=on_grid(theta), spacing=spacing, heading=heading, hash_key=hash_key)
