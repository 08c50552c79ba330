"""The table of `make bench`: our ratios beside the goals. Absolute times on shared machines mean nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import torch

from benchmarks import crossbar, curves, epochs, explorer, neurons, policy, stopping
from benchmarks.timing import Row

SUITES: dict[str, Callable[[], Iterator[Row]]] = {"neurons": neurons.rows, "epochs": epochs.rows, "stopping": stopping.rows,
                                                   "policy": policy.rows, "curves": curves.rows,
                                                   "crossbar": crossbar.rows, "explorer": explorer.rows}


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    p.add_argument("suites", nargs="*", help=f"which of {', '.join(SUITES)}; all by default")
    chosen = p.parse_args(argv).suites or list(SUITES)
    if unknown := set(chosen) - set(SUITES):
        p.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    torch.set_num_threads(1)
    print(f"{'goal':5} {'what':82} {'measured':>12} {'wanted':>10}  met", flush=True)
    for name in chosen:
        for row in SUITES[name]():
            met = {True: "yes", False: "NO", None: ""}[row.met]
            print(f"{row.goal:5} {row.what:82} {row.ours:>12} {row.wanted:>10}  {met}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
