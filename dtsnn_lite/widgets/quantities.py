"""Numbers as the explorers write them; core.js has the same functions, and a test holds that the strings are equal."""

from __future__ import annotations

from math import ceil, floor

PREFIXES = {
    "pJ": ("pJ", "nJ", "\u00b5J", "mJ", "J"),
    "ns": ("ns", "\u00b5s", "ms", "s"),
    "pJ ns": ("pJ ns", "nJ ns", "nJ \u00b5s", "\u00b5J \u00b5s", "\u00b5J ms", "mJ ms"),
}


def quantity(value: float, unit: str, like: float | None = None) -> str:
    """Three digits with the prefix that fits `like`: 12345 pJ is 12.3 nJ."""
    names, k = PREFIXES[unit], 0
    while k + 1 < len(names) and abs(value if like is None else like) >= 999.5 * float(f"1e{3 * k}"):
        k += 1
    scaled = value / float(f"1e{3 * k}")
    return f"{scaled:.{_decimals(abs(scaled))}f} {names[k]}"


def _decimals(size: float) -> int:
    return 3 if size < 0.9995 else 2 if size < 9.995 else 1 if size < 99.95 else 0


def ratio(value: float) -> str:
    """A ratio as a factor, 0.17x."""
    return f"{value:.{3 if value < 0.0995 else 2 if value < 9.995 else 1}f}\u00d7"


def signed(value: float, digits: int) -> str:
    """A difference with its sign, +0.3; none where it rounds to zero."""
    words = f"{abs(value):.{digits}f}"
    return words if float(words) == 0 else f"{chr(0x2212) if value < 0 else '+'}{words}"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that cover [low, high] in at most `count` steps."""
    for k in range(-9, 13):
        for m in (1, 2, 5):
            step = float(f"{m}e{k}")
            first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
            if last - first <= count:
                return [float(f"{i * step:.{max(0, -k)}f}") for i in range(first, last + 1)]
    return [low, high]
