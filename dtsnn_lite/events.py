"""Events: what a camera of changes says, and the T frames that a network sees of it.

An event is a pixel, an instant and a side: brighter (ON) or darker (OFF). Nothing else is said, and where nothing changes nobody
speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dtsnn_lite.guards import check_whole

MOST = 255      # events that a count of one byte holds
EDGE = 1e-9     # of a frame: an event on the edge opens the next one, however its time in decimals was rounded


@dataclass(frozen=True, eq=False)
class Events:
    """A stream of events in the order of their time.

    t_s     (E,) seconds
    x, y    (E,) pixel, from the upper left corner
    on      (E,) True: brighter, False: darker
    size    (height, width) of the camera

    >>> seen = Events(np.array([0.001, 0.004]), np.array([2, 0]), np.array([1, 1]), np.array([True, False]), size=(2, 3))
    >>> len(seen), seen.sign
    (2, array([ 1, -1], dtype=int8))
    """

    t_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    on: np.ndarray
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if len(self.size) != 2:
            raise ValueError(f"size is (height, width) of the camera in pixels; got {self.size}")
        for side in self.size:
            check_whole("a side of the camera in pixels", side)
        for what, dtype in (("t_s", np.float64), ("x", np.int16), ("y", np.int16), ("on", np.bool_)):
            object.__setattr__(self, what, _column(what, getattr(self, what), np.dtype(dtype)))
        _check_alike(self.t_s, self.x, self.y, self.on)
        if not len(self):
            return
        if not np.isfinite(self.t_s).all() or (np.diff(self.t_s) < 0).any():
            raise ValueError("t_s are finite times in order; sort the events by time first (`in_order`)")
        height, width = self.size
        if self.x.min() < 0 or self.x.max() >= width or self.y.min() < 0 or self.y.max() >= height:
            raise ValueError(f"a camera of {height} x {width} pixels has x in [0, {width}) and y in [0, {height}); got x "
                             f"{self.x.min()} to {self.x.max()}, y {self.y.min()} to {self.y.max()} (are x and y swapped?)")

    def __len__(self) -> int:
        return len(self.t_s)

    @property
    def sign(self) -> np.ndarray:
        """(E,) +1 for ON, -1 for OFF."""
        return np.where(self.on, 1, -1).astype(np.int8)

    def chosen(self, index: Any) -> Events:
        """The events at an index, a slice or a mask."""
        return replace(self, t_s=self.t_s[index], x=self.x[index], y=self.y[index], on=self.on[index])

    def between(self, begin_s: float, end_s: float) -> Events:
        """The events of [begin, end), whose clock then starts at `begin`."""
        if not begin_s < end_s:
            raise ValueError(f"a window begins before it ends; got {begin_s} s to {end_s} s")
        first, last = np.searchsorted(self.t_s, (begin_s, end_s))
        part = self.chosen(slice(first, last))
        return replace(part, t_s=part.t_s - begin_s)

    def windows(self, width_s: float, stride_s: float | None = None) -> Iterator[Events]:
        """One `between` after another, from 0 to the last event, each `stride_s` later (a window's width, if not said)."""
        stride_s = width_s if stride_s is None else stride_s
        if not (0 < width_s < np.inf and 0 < stride_s < np.inf):
            raise ValueError(f"a window and its stride are longer than 0 s, and finite; got {width_s} s and {stride_s} s")
        end_s = self.t_s[-1] if len(self) else 0.0
        k = 0
        while k == 0 or k * stride_s <= end_s:
            yield self.between(k * stride_s, (k + width_s / stride_s) * stride_s)      # the same number as where the next begins
            k += 1

    def mirrored(self) -> Events:
        """Left and right exchanged: right for a digit of 8, wrong for a gesture of the right hand, whose name then changes too."""
        return replace(self, x=self.size[1] - 1 - self.x)

    def inverted(self) -> Events:
        """ON and OFF exchanged: the same scene in negative."""
        return replace(self, on=~self.on)


def in_order(t_s: np.ndarray, x: np.ndarray, y: np.ndarray, on: np.ndarray, size: tuple[int, int]) -> Events:
    """Events of unsorted columns; what happens at one instant keeps its order."""
    t_s, x, y, on = (np.asarray(column) for column in (t_s, x, y, on))
    _check_alike(t_s, x, y, on)
    order = np.argsort(t_s, kind="stable")
    return Events(t_s[order], x[order], y[order], on[order], size)


def to_frames(events: Events, bins: int, seconds: float, most: int = 1) -> np.ndarray:
    """T frames of equal time: counts (T, 2, H, W) uint8, channel 0 ON and 1 OFF, of the events in [0, seconds).

    most  what a pixel can count in one frame and side; 1 keeps a bit, which a crossbar's row takes as it is

    >>> seen = Events([0.0, 0.011, 0.012], [0, 1, 1], [0, 0, 0], [True, False, False], size=(1, 2))
    >>> to_frames(seen, bins=2, seconds=0.02, most=9)[:, 1, 0]           # OFF
    array([[0, 0],
           [0, 2]], dtype=uint8)
    """
    check_whole("bins", bins)
    if not 0 < seconds < np.inf:
        raise ValueError(f"seconds is the time that the frames share, above 0 and finite; got {seconds}")
    seen = events.chosen((events.t_s >= 0) & (events.t_s < seconds))
    place = np.minimum((seen.t_s * (bins / seconds) + EDGE).astype(np.intp), bins - 1)        # rounding may not open a bin more
    return _counted(seen, place, bins, most)


def to_equal_frames(events: Events, bins: int, events_each: int, most: int = 1) -> np.ndarray:
    """T frames of equally many events, (T, 2, H, W) uint8: they last longer where less happens; what is left over is dropped.

    Too few events: the last frames are empty.
    """
    check_whole("bins", bins)
    check_whole("events_each", events_each)
    seen = events.chosen(slice(0, bins * events_each))
    return _counted(seen, np.arange(len(seen)) // events_each, bins, most)


def _counted(events: Events, place: np.ndarray, bins: int, most: int) -> np.ndarray:
    """How often each pixel and side speaks in each bin, up to `most`."""
    check_whole("most", most, 1, MOST)
    shape = (bins, 2, *events.size)
    flat = np.ravel_multi_index((place, (~events.on).astype(int), events.y, events.x), shape)
    return np.minimum(np.bincount(flat, minlength=int(np.prod(shape))), most).astype(np.uint8).reshape(shape)


def _check_alike(t_s: np.ndarray, x: np.ndarray, y: np.ndarray, on: np.ndarray) -> None:
    if len({len(t_s), len(x), len(y), len(on)}) > 1:
        raise ValueError(f"an event has t_s, x, y and on; got {len(t_s)}, {len(x)}, {len(y)} and {len(on)} of them")


def _column(what: str, values: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """One column of events, if the numbers keep their value in its type."""
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{what} is (E,), one an event; got shape {column.shape}")
    kept = column.astype(dtype)
    if len(column) and not np.array_equal(kept, column, equal_nan=dtype.kind == "f"):
        raise ValueError(f"{what} holds what {dtype} cannot: {column[kept != column][0]!r}")
    return kept
