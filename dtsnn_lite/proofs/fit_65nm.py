"""Fit the 65 nm price list to the published runs and print what is left over.

python -m dtsnn_lite.proofs.fit_65nm          residuals of today's constants, and each run predicted without itself
python -m dtsnn_lite.proofs.fit_65nm --refit  the constants that a new fit from today's gives
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from dtsnn_lite.chip import Readout
from dtsnn_lite.components import Parts65nm
from dtsnn_lite.cost import static_cost, timestep_cost
from dtsnn_lite.floorplan import area_mm2, clock_ns
from dtsnn_lite.mapping import place
from dtsnn_lite.proofs.published import CONVERTERS, RUNS, SPARSE_RUNS, Run65nm

# weak_column is a cliff (a tile just strong enough costs ten times as much): set by hand, not by slope
FREE = ("column_power", "column_exponent", "sar_time", "clock_register", "clock_mux", "clock_encoder",
        "shift_add", "mux_latch", "array_sum", "final_merge", "wire", "mux_line", "accumulator_area",
        "accumulator_bits", "row_area", "merge_cycles", "wire_cycles", "mux_cycles")


def measured(run: Run65nm) -> dict[str, float]:
    """The printed numbers of a run, by name."""
    names = ("energy_mj", "converters_mj", "accumulation_mj", "other_mj", "clock_ns", "area_mm2", "latency_ms")
    return {name: getattr(run, name) for name in names if getattr(run, name) is not None}


def modelled(run: Run65nm, prices: Parts65nm) -> dict[str, float]:
    """The same numbers from a price list."""
    chip = replace(run.chip, charges=prices)
    step = timestep_cost(run.shapes, chip, run.spike_rates())
    bill = static_cost(run.timesteps, step)
    t = run.timesteps
    return {"energy_mj": bill.energy_pj[0] * 1e-9, "latency_ms": bill.latency_ns[0] * 1e-6,
            "converters_mj": t * step.parts["converters"] * 1e-9,
            "accumulation_mj": (t * step.parts["accumulation"] + step.fixed_pj) * 1e-9,
            "other_mj": t * step.parts["buffers and wires"] * 1e-9,
            "clock_ns": clock_ns(chip, prices), "area_mm2": area_mm2(run.shapes, chip, prices)}


def conversion_pj(array: int, readout: Readout, mux: int, prices: Parts65nm) -> float:
    """Mean energy of a conversion on DVSNet, T = 20, fed as the program feeds it."""
    run = replace(RUNS[2], array=array, readout=readout, mux=mux)
    step = timestep_cost(run.shapes, replace(run.chip, charges=prices), run.spike_rates())
    return step.parts["converters"] / sum(place(shape, run.chip).conversions for shape in run.shapes)


def residuals(runs: Sequence[Run65nm], prices: Parts65nm) -> np.ndarray:
    """log(modelled / measured); parts of the energy weigh by their share of it."""
    left = []
    for run in runs:
        ours = modelled(run, prices)
        for name, value in measured(run).items():
            weight = value / run.energy_mj if name in ("converters_mj", "accumulation_mj", "other_mj") else 1.0
            left.append(weight * np.log(ours[name] / value))
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


def left_out(run: Run65nm, runs: Sequence[Run65nm], start: Parts65nm) -> dict[str, float]:
    """modelled / measured of a run by a price list that never saw it."""
    prices = fit([other for other in runs if other is not run], start, rounds=3)
    ours = modelled(run, prices)
    return {name: ours[name] / value for name, value in measured(run).items()}


def table(rows: dict[str, dict[str, float]]) -> str:
    names = ["energy_mj", "converters_mj", "accumulation_mj", "other_mj", "clock_ns", "area_mm2", "latency_ms"]
    lines = [f"{'modelled / measured':36}" + "".join(f"{n.split('_')[0]:>13}" for n in names)]
    for title, row in rows.items():
        lines.append(f"{title:36}" + "".join(f"{row[n]:13.3f}" if n in row else f"{'':13}" for n in names))
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--refit", action="store_true")
    runs, prices = RUNS + SPARSE_RUNS, Parts65nm()
    if arguments.parse_args().refit:
        prices = fit(runs, prices, rounds=15)
        for name in FREE:
            print(f"{name:20} {getattr(prices, name).value:.4g}")
    ours = {run: modelled(run, prices) for run in runs}
    print(table({run.name: {k: ours[run][k] / v for k, v in measured(run).items()} for run in runs}))
    print("\nleave one out")
    print(table({run.name: left_out(run, runs, prices) for run in RUNS}))


if __name__ == "__main__":
    main()
