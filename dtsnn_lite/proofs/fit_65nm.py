"""Fit the 65 nm price list to the published runs and print what is left over.

python -m dtsnn_lite.proofs.fit_65nm          what today's constants leave over, on runs that they saw and on those that they saw in part
python -m dtsnn_lite.proofs.fit_65nm --refit  the constants that a new fit from today's gives
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from dtsnn_lite.chip import Readout
from dtsnn_lite.circuits import accumulation_pj
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.cost import static_cost, timestep_cost
from dtsnn_lite.floorplan import area_mm2, clock_ns, floor_plan, leakage_uw
from dtsnn_lite.mapping import place
from dtsnn_lite.proofs.published import CONVERTERS, LAYER_RUNS, OTHER_RUNS, RUNS, SPARSE_RUNS, Run65nm

# weak_column is a cliff (a column just strong enough costs ten times as much), adder_time is counted in whole cycles: both set by hand,
# not by slope.
FREE = ("column_power", "cell_power", "sar_time", "clock_register", "clock_mux", "clock_encoder", "shift_add", "latch", "mux_latch",
        "bit_add", "wire", "line", "mux_line", "hop_time", "channel_area", "row_area", "buffer_area", "row_leakage", "bit_leakage",
        "channel_leakage", "comparator_leakage")
NAMES = ("energy_mj", "converters_mj", "accumulation_mj", "other_mj", "clock_ns", "area_mm2", "latency_ms", "leakage_mw")
FITTED, HELD_OUT = LAYER_RUNS, RUNS + SPARSE_RUNS + OTHER_RUNS     # of the latter it has seen areas, RUNS' converters, ON_CELLS


def measured(run: Run65nm) -> dict[str, float]:
    """The printed numbers of a run, by name."""
    return {name: getattr(run, name) for name in NAMES if getattr(run, name) is not None}


def modelled(run: Run65nm, prices: Parts65nm) -> dict[str, float]:
    """The same numbers from a price list."""
    chip, t = run.on(prices), run.timesteps
    step = timestep_cost(run.shapes, chip, run.spike_rates())
    bill, plans = static_cost(t, step), floor_plan(run.shapes, chip)
    summed_pj = sum(float(accumulation_pj(plan, chip, prices, len(plans)) @ (1, t)) for plan in plans)
    return {"energy_mj": bill.energy_pj[0] * 1e-9, "latency_ms": bill.latency_ns[0] * 1e-6,
            "converters_mj": t * step.parts["converters"] * 1e-9, "accumulation_mj": summed_pj * 1e-9,
            "other_mj": t * step.parts["buffers and wires"] * 1e-9, "leakage_mw": leakage_uw(run.shapes, chip, prices) * 1e-3,
            "clock_ns": clock_ns(chip, prices), "area_mm2": area_mm2(run.shapes, chip, prices)}


def conversion_pj(array: int, readout: Readout, mux: int, prices: Parts65nm) -> float:
    """Mean energy of a conversion on DVSNet, T = 20, fed as the program feeds it."""
    run = replace(RUNS[2], array=array, readout=readout, mux=mux)
    step = timestep_cost(run.shapes, run.on(prices), run.spike_rates())
    return step.parts["converters"] / sum(place(shape, run.chip).conversions for shape in run.shapes)


def residuals(runs: Sequence[Run65nm], prices: Parts65nm) -> np.ndarray:
    """log(modelled / measured); parts of the energy weigh by their share of it."""
    left = []
    for run in runs:
        ours = modelled(run, prices)
        for name, value in measured(run).items():
            weight = value / run.energy_mj if name in ("converters_mj", "accumulation_mj", "other_mj") else 1.0
            left.append(weight * np.log(ours[name] / value))
    left += [np.log(area_mm2(run.shapes, run.on(prices), prices) / run.area_mm2) for run in RUNS if run.area_mm2]
    left += [np.log(conversion_pj(array, readout, mux, prices) / energy_pj)
             for array, readout, mux, _, energy_pj in CONVERTERS]
    return np.array(left)


def fit(runs: Sequence[Run65nm], start: Parts65nm, free: Sequence[str] = FREE, rounds: int = 8) -> Parts65nm:
    """Gauss-Newton on the logarithms of the free constants, lightly held to the start."""
    prices, first = start, logs(start, free)
    for _ in range(rounds):
        here, r = logs(prices, free), residuals(runs, prices)
        slope = np.stack([(residuals(runs, scaled(prices, [name], [1e-4])) - r) / 1e-4 for name in free], axis=1)
        hold = 0.01
        lhs = slope.T @ slope + hold * np.eye(len(free))
        step = np.linalg.solve(lhs, -slope.T @ r - hold * (here - first))
        prices = scaled(prices, free, np.clip(step, -0.3, 0.3))
    return prices


def logs(prices: Parts65nm, free: Sequence[str]) -> np.ndarray:
    return np.log([getattr(prices, name).value for name in free])


def scaled(prices: Parts65nm, names: Sequence[str], steps: Iterable[float]) -> Parts65nm:
    """The price list with each named constant times exp(step)."""
    changed = {}
    for name, step in zip(names, steps, strict=True):
        constant = getattr(prices, name)
        value = constant.value * float(np.exp(step))
        changed[name] = replace(constant, value=value, low=None, high=None)
    return replace(prices, **changed)


def off(run: Run65nm, prices: Parts65nm) -> dict[str, float]:
    """modelled / measured, for each number that was printed."""
    ours = modelled(run, prices)
    return {name: ours[name] / value for name, value in measured(run).items()}


def table(rows: dict[str, dict[str, float]]) -> str:
    lines = [f"{'modelled / measured':44}" + "".join(f"{n.split('_')[0]:>13}" for n in NAMES)]
    for title, row in rows.items():
        lines.append(f"{title:44}" + "".join(f"{row[n]:13.3f}" if n in row else f"{'':13}" for n in NAMES))
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--refit", action="store_true")
    prices = Parts65nm()
    if arguments.parse_args().refit:
        prices = fit(FITTED, prices, rounds=15)
        for name in FREE:
            print(f"{name:20} {getattr(prices, name).value:.4g}")
    for title, runs in (("runs that the prices are fitted to", FITTED), ("runs whose totals they never saw", HELD_OUT)):
        print(f"{title}\n{table({run.name: off(run, prices) for run in runs})}\n")


if __name__ == "__main__":
    main()
