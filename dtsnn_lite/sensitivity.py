"""How far a result may be off: each constant moved over its range, one at a time or all together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dtsnn_lite.chip import Charges
from dtsnn_lite.components import constants

Measure = Callable[[Charges], float]      # a price list -> the number in question


def tornado(measure: Measure, prices: Charges) -> dict[str, tuple[float, float]]:
    """(at the low end, at the high end) of each constant's range, the widest swing first."""
    swings: dict[str, tuple[float, float]] = {}
    for name, constant in constants(prices):
        low, high = constant.range
        if low < high:
            swings[name] = measure(_with(prices, name, low)), measure(_with(prices, name, high))
    return dict(sorted(swings.items(), key=lambda item: -abs(item[1][1] - item[1][0])))


def band(measure: Measure, prices: Charges) -> tuple[float, float, float]:
    """(low, value, high): swings of independent constants add as squares.

    high - value = sqrt(sum over constants of (largest rise)^2), and low alike
    """
    value = measure(prices)
    swings = tornado(measure, prices).values()
    down = sum(max(0.0, value - min(pair)) ** 2 for pair in swings) ** 0.5
    up = sum(max(0.0, max(pair) - value) ** 2 for pair in swings) ** 0.5
    return value - down, value, value + up


def _with(prices: Charges, name: str, value: float) -> Charges:
    constant = getattr(prices, name)
    return replace(prices, **{name: replace(constant, value=value)})
