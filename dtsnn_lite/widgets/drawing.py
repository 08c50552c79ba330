"""The pictures and tables of core.js, drawn once in Python: what a page shows before any script runs.

Every function here is the twin of the function of the same name in core.js and
makes the same elements with the same numbers; tests/browser holds them together.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, inf, log10

import numpy as np

PREFIXES = {
    "pJ": ("pJ", "nJ", "\u00b5J", "mJ", "J"),
    "ns": ("ns", "\u00b5s", "ms", "s"),
    "pJ ns": ("pJ ns", "nJ ns", "nJ \u00b5s", "\u00b5J \u00b5s", "\u00b5J ms", "mJ ms"),
}


def tag(name: str, *children: str, **attributes: object) -> str:
    """One element as text; a trailing _ leaves Python's word, an inner _ becomes a hyphen."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
                    for key, value in attributes.items() if value is not None)
    return f"<{name}{words}>{''.join(children)}</{name}>"


def quantity(value: float, unit: str, like: float | None = None) -> str:
    """Three digits with the prefix that fits `like`: 12345 pJ is 12.3 nJ."""
    scale, name = unit_for(value if like is None else like, unit)
    return f"{value / scale:.{_decimals(abs(value) / scale)}f} {name}"


def unit_for(value: float, unit: str) -> tuple[float, str]:
    """The prefix that fits a value: (scale, name)."""
    names, k = PREFIXES[unit], 0
    while k + 1 < len(names) and abs(value) >= 999.5 * float(f"1e{3 * k}"):
        k += 1
    return float(f"1e{3 * k}"), names[k]


def _decimals(size: float) -> int:
    return 3 if size < 0.9995 else 2 if size < 9.995 else 1 if size < 99.95 else 0


def ratio(value: float) -> str:
    """A ratio as a factor, 0.17x."""
    return f"{value:.{3 if value < 0.0995 else 2 if value < 9.995 else 1}f}\u00d7"


def signed(value: float, digits: int) -> str:
    """A difference with its sign, +0.3; none where it rounds to zero."""
    words = f"{abs(value):.{digits}f}"
    return words if float(words) == 0 else f"{chr(0x2212) if value < 0 else '+'}{words}"


def change(value: float) -> str:
    """A ratio as a saving: 0.08 is 92 % less. A trifle is not nothing: 1.0001 is less than 0.1 % more."""
    percent, way = abs(100 * (value - 1)), "more" if value > 1 else "less"
    if percent < 1e-9:
        return "no more"
    return f"less than 0.1 % {way}" if percent < 0.1 else f"{percent:.{1 if percent < 0.95 else 0}f} % {way}"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that cover [low, high] in at most `count` steps."""
    for k in range(-9, 13):
        for m in (1, 2, 5):
            step = float(f"{m}e{k}")
            first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
            if last - first <= count:
                return [float(f"{i * step:.{max(0, -k)}f}") for i in range(first, last + 1)]
    return [low, high]


def decade_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, from the last one below `low` to the first one above `high`."""
    marks = [float(f"{m}e{k}") for k in range(floor(log10(low)), ceil(log10(high)) + 1) for m in (1, 2, 5)]
    return [mark for before, mark, after in zip([0, *marks], marks, [*marks[1:], inf]) if after > low and before < high]


def _plain(value: float) -> str:
    """A number as JavaScript writes it: 4.0 is 4."""
    return str(int(value)) if value == int(value) else repr(float(value))


@dataclass(frozen=True)
class Axis:
    """One axis: its range, its ticks, its words and how a tick is written; linear, or in decades (log)."""

    low: float
    high: float
    ticks: Sequence[float]
    label: str
    log: bool = False
    format: Callable[[float], str] = _plain

    def words(self, tick: float) -> str:
        """A tick as it is written; the minus sign is as wide as the plus."""
        return self.format(tick).replace("-", "\u2212")


@dataclass(frozen=True)
class Plot:
    """A picture with two axes; `svg(...)` closes it around what was drawn."""

    title: str
    label: str
    x: Axis
    y: Axis
    width: float = 340
    height: float = 240
    margin: dict[str, float] = field(default_factory=lambda: {"left": 40, "right": 14, "top": 44, "bottom": 38})

    @property
    def box(self) -> dict[str, float]:
        """The drawing area in the picture's own units."""
        return {"left": self.margin["left"], "right": self.width - self.margin["right"],
                "top": self.margin["top"], "bottom": self.height - self.margin["bottom"]}

    def to_x(self, value: float) -> float:
        return _scaled(value, self.x, self.box["left"], self.box["right"])

    def to_y(self, value: float) -> float:
        return _scaled(value, self.y, self.box["bottom"], self.box["top"])

    def svg(self, under: Sequence[str] = (), over: Sequence[str] = ()) -> str:
        """The whole picture: axes, a layer below the base line and one above."""
        box = self.box
        base = tag("line", class_="base", x1=_plain(box["left"]), x2=_plain(box["right"]),
                   y1=_plain(box["bottom"]), y2=_plain(box["bottom"]))
        return tag("svg", *self._words(), *self._ticks(), tag("g", *under), base, tag("g", *over),
                   viewBox=f"0 0 {_plain(self.width)} {_plain(self.height)}", role="img", aria_label=self.label)

    def _words(self) -> list[str]:
        return [text(0, 13, self.title, class_="title"), text(0, 31, self.y.label, class_="axis"),
                text(self.box["right"], self.height - 4, self.x.label, class_="axis", text_anchor="end")]

    def _ticks(self) -> list[str]:
        box, marks = self.box, []
        for value in self.y.ticks:
            at = f"{self.to_y(value):.1f}"
            marks.append(tag("line", class_="grid", x1=_plain(box["left"]), x2=_plain(box["right"]), y1=at, y2=at))
            marks.append(text(box["left"] - 6, self.to_y(value) + 4, self.y.words(value), class_="tick", text_anchor="end"))
        return marks + [text(self.to_x(value), box["bottom"] + 16, self.x.words(value), class_="tick", text_anchor="middle")
                        for value in self.x.ticks]


def _scaled(value: float, axis: Axis, start: float, end: float) -> float:
    low, high = axis.low, axis.high
    if axis.log:
        value, low, high = log10(value), log10(low), log10(high)
    return start + ((value - low) / (high - low)) * (end - start)


def text(x: float, y: float, words: str, **attributes: object) -> str:
    return tag("text", escape(words), x=f"{x:.1f}", y=f"{y:.1f}", **attributes)


def line(plot: Plot, pairs: Sequence[tuple[float, float]], class_: str = "line") -> str:
    points = " ".join(f"{plot.to_x(a):.1f},{plot.to_y(b):.1f}" for a, b in pairs)
    return tag("polyline", class_=class_, points=points)


def bar(plot: Plot, left: float, right: float, low: float, high: float, class_: str = "bar") -> str:
    x, y = plot.to_x(left), plot.to_y(high)
    return tag("rect", class_=class_, x=f"{x:.1f}", width=f"{plot.to_x(right) - x:.1f}",
               y=f"{y:.1f}", height=f"{plot.to_y(low) - y:.1f}")


def dot(plot: Plot, a: float, b: float, class_: str = "dot", r: float = 5) -> str:
    return tag("circle", class_=class_, cx=f"{plot.to_x(a):.1f}", cy=f"{plot.to_y(b):.1f}", r=_plain(r))


def note(plot: Plot, a: float, b: float, words: str, dx: float = 0, dy: float = 0, **attributes: object) -> str:
    """A direct label beside a point."""
    return text(plot.to_x(a) + dx, plot.to_y(b) + dy, words, **{"class_": "note", **attributes})


def number_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose rows begin with their head: [[row head, cell, cell, ...], ...]."""
    head = [tag("th", escape(words), scope="col") if words else tag("td") for words in heads]
    body = [tag("tr", tag("th", escape(first), scope="row"), *(tag("td", escape(cell)) for cell in cells))
            for first, *cells in rows]
    return tag("table", tag("caption", escape(caption)), tag("thead", tag("tr", *head)), tag("tbody", *body))


def picture(pixels: np.ndarray, label: str) -> str:
    """An image of bytes (H, W) as ink, or (H, W, 3) in colour, as a PNG inside the page."""
    ink = pixels.ndim == 2
    if ink:     # grey 0, alpha = ink: black on light, turned white on dark by the style sheet
        pixels = np.stack([np.zeros_like(pixels), pixels], axis=2)
    height, width, channels = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 4 if channels == 2 else 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in (
        (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")))
    source = "data:image/png;base64," + b64encode(data).decode("ascii")
    return f'<img class="{"ink" if ink else "photo"}" width="{width}" height="{height}" alt="{escape(label)}" src="{source}">'


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
