"""Ratios of interleaved runs, on one thread: on a shared machine only those mean anything.

Seconds are the thread's own (process_time), so that a neighbour who takes the core costs nothing;
one who fills the cache still does.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3     # of glibc's malloc.h


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, the ratio, what the goal asks, and the peer's ratio."""

    goal: str
    what: str
    ours: str
    wanted: str
    met: bool | None = None     # None: shown for comparison


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """Median seconds of each run, taken A B C A B C ...; each timed run follows one of its own that warms the caches."""
    settle()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            began = time.process_time()
            run()
            seconds[name].append(time.process_time() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def settle() -> None:
    """Let glibc keep freed memory, so that no run pays for the pages that another gave back."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(M_MMAP_THRESHOLD, 2 ** 25)         # the most it takes: 32 MiB
    libc.mallopt(M_TRIM_THRESHOLD, 2 ** 30)


def at_most(goal: str, what: str, ratio: float, wanted: float, unit: str = "x") -> Row:
    """A row whose goal is an upper bound."""
    return Row(goal, what, f"{ratio:.2f}{unit}", f"<= {wanted:g}{unit}", ratio <= wanted)


def at_least(goal: str, what: str, ratio: float, wanted: float) -> Row:
    """A row whose goal is a lower bound."""
    return Row(goal, what, f"{ratio:.2f}x", f">= {wanted:g}x", ratio >= wanted)


def peer(goal: str, what: str, ratio: float, unit: str = "x") -> Row:
    """A row for comparison: another program on the same task."""
    return Row(goal, what, f"{ratio:.2f}{unit}", "")
