"""Recordings of event cameras from a user's own folder: N-MNIST, DVS128 Gesture, AEDAT, .npy, .h5.

A file is read whole or not at all: what is cut off, or of another kind, is an error that says where.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dtsnn_lite.events import Events, in_order
from dtsnn_lite.gestures import GESTURES

MICRO = 1e-6
NMNIST_SIZE = (34, 34)
DVS128_SIZE = (128, 128)
PACKET = np.dtype([("type", "<i2"), ("source", "<i2"), ("size", "<i4"), ("time_at", "<i4"), ("overflow", "<i4"),
                   ("capacity", "<i4"), ("number", "<i4"), ("valid", "<i4")])      # the 28 bytes before a packet of AEDAT 3.1
POLARITY = 1            # the packet type of events of change


# --- one recording a file ----------------------------------------------------------

def read_nmnist(path: str | Path, size: tuple[int, int] = NMNIST_SIZE) -> Events:
    """A recording of N-MNIST or N-Caltech101 (orchard2015nmnist), 5 bytes an event: x, y, ON in the top bit, 23 bits of microseconds.

    size  that of N-Caltech101 is its camera's, (180, 240): its pictures fill different parts of it
    Rows of y = 240 are no events: they mark that the camera's clock has passed 2^13 microseconds once more.
    """
    raw = _whole(path, 5).reshape(-1, 5).astype(np.int64)
    clock = raw[:, 1] == 240
    time = ((raw[:, 2] & 127) << 16) + (raw[:, 3] << 8) + raw[:, 4] + (clock.cumsum() << 13)
    seen = raw[~clock]
    return _events(path, time[~clock] * MICRO, seen[:, 0], seen[:, 1], seen[:, 2] >= 128, size)


def read_aedat2(path: str | Path) -> Events:
    """A recording of a DVS128 in AEDAT 2.0: big-endian pairs of an address and microseconds, 4 bytes each.

    Address bits: 0 OFF, 1 to 7 x, 8 to 14 y, 15 a signal from outside, which is no event. The camera counts x from the right and y from
    below, ours from the upper left; side and corner as its makers' program jAER reads them (`DVS128.java`).
    """
    body = _after_header(path, b"2")
    if len(body) % 8:
        raise _damaged(path, f"{len(body)} bytes of events are no whole number of 8")
    address, time = np.frombuffer(body, ">i4").astype(np.int64).reshape(-1, 2).T
    inside = address >> 15 == 0
    address, time = address[inside], time[inside]
    return _events(path, time * MICRO, 127 - (address >> 1 & 127), 127 - (address >> 8 & 127), address & 1 == 0, DVS128_SIZE)


def read_aedat31(path: str | Path, size: tuple[int, int] = DVS128_SIZE) -> Events:
    """A recording in AEDAT 3.1, as those of DVS128 Gesture are: packets of 8 bytes an event, little-endian.

    Data bits: 0 valid, 1 ON, 2 to 16 y, 17 to 31 x; then microseconds, whose 2^31's stand in the packet's header. Packets of other
    kinds (special events, inertial ones) are passed over; events that their camera has declared invalid too.
    """
    body, at, columns = _after_header(path, b"3.1"), 0, []
    while at < len(body):
        if at + PACKET.itemsize > len(body):
            raise _damaged(path, f"the packet's header at byte {at} is cut off")
        head = np.frombuffer(body, PACKET, 1, at)[0]
        begin, length = at + PACKET.itemsize, int(head["capacity"]) * int(head["size"])
        if min(head["capacity"], head["size"], head["number"]) < 0 or head["number"] > head["capacity"] or begin + length > len(body):
            raise _damaged(path, f"the packet at byte {at} asks for {head['capacity']} events of {head['size']} bytes, and "
                                 f"{len(body) - begin} bytes are left")
        if head["type"] == POLARITY:
            if head["size"] != 8:
                raise _damaged(path, f"the packet at byte {at} has events of {head['size']} bytes, not 8")
            data, time = np.frombuffer(body, "<u4", 2 * int(head["number"]), begin).astype(np.int64).reshape(-1, 2).T
            columns.append(np.stack([data, time + (int(head["overflow"]) << 31)]))
        at = begin + length
    data, time = np.concatenate(columns, axis=1) if columns else np.zeros((2, 0), np.int64)
    valid = data & 1 == 1
    data, time = data[valid], time[valid]
    return _events(path, time * MICRO, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1 == 1, size)


def read_npy(path: str | Path, size: tuple[int, int], columns: str = "xypt", tick_s: float = MICRO) -> Events:
    """A .npy file: fields x, y, t, p of a structured array, or (E, 4) numbers whose order `columns` says; p above 0 is ON.

    tick_s  seconds of one unit of t; DVS128 Gesture as tonic hands it out has milliseconds, 1e-3
    """
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _damaged(path, f"it is no whole .npy file of numbers ({error})") from error
    return from_array(table, size, columns, tick_s, path)


def from_array(table: np.ndarray, size: tuple[int, int], columns: str = "xypt", tick_s: float = MICRO,
               path: str | Path = "the array") -> Events:
    """Events of a structured array, as tonic's data sets give them, or of (E, 4) numbers: `read_npy` without the file."""
    if table.dtype.names is not None:
        if not {"x", "y", "t", "p"} <= set(table.dtype.names):
            raise _damaged(path, f"its fields are {', '.join(table.dtype.names)}; events have x, y, t and p")
        by = {name: table[name] for name in "xypt"}
    elif table.ndim == 2 and table.shape[1] == 4 and sorted(columns) == ["p", "t", "x", "y"]:
        by = dict(zip(columns, table.T, strict=True))
    else:
        raise _damaged(path, f"it has shape {table.shape} and columns {columns!r}; events are (E, 4), in an order of x, y, p and t")
    return _events(path, np.asarray(by["t"], dtype=np.float64) * tick_s, by["x"], by["y"], np.asarray(by["p"]) > 0, size)


def read_h5(path: str | Path, size: tuple[int, int], group: str = "events", tick_s: float = MICRO) -> Events:
    """An .h5 file with data sets x, y, t and p in one group; it needs h5py."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{path} is read by h5py: pip install h5py") from error
    try:
        with h5py.File(path) as file:
            columns = [np.asarray(file[group][name]) for name in "txyp"]
    except (OSError, KeyError) as error:
        raise _damaged(path, f"it is no HDF5 file with {group}/x, y, t and p ({error})") from error
    return _events(path, columns[0].astype(np.float64) * tick_s, columns[1], columns[2], columns[3] > 0, size)


# --- data sets as their publishers pack them -----------------------------------------

def nmnist_files(folder: str | Path) -> list[tuple[Path, int]]:
    """The files of one split of N-MNIST, `Train` or `Test`, and their digits: the name of the folder that each is in."""
    found = [(path, int(path.parent.name)) for path in sorted(Path(folder).glob("[0-9]/*.bin"))]
    if not found:
        raise FileNotFoundError(f"{folder} holds no 0/*.bin to 9/*.bin, as Train and Test of N-MNIST do")
    return found


def gestures(folder: str | Path, trials: str = "trials_to_train.txt") -> Iterator[tuple[Events, int]]:
    """The gestures of DVS128 Gesture (amir2017gesture), cut out of their recordings, and their classes 0 to 10 (`GESTURES`).

    trials  the list of recordings: trials_to_train.txt or trials_to_test.txt
    """
    folder = Path(folder)
    for name in (folder / trials).read_text("utf8").split():
        seen, labels = read_aedat31(folder / name), folder / f"{Path(name).stem}_labels.csv"
        with open(labels, encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                try:
                    label, begin, end = (int(row[key]) for key in ("class", "startTime_usec", "endTime_usec"))
                except (KeyError, TypeError, ValueError) as error:
                    raise _damaged(labels, f"a row is class,startTime_usec,endTime_usec; got {row}") from error
                if not 1 <= label <= len(GESTURES):
                    raise _damaged(labels, f"classes are 1 to {len(GESTURES)}; got {label}")
                if not begin < end:
                    raise _damaged(labels, f"a gesture begins before it ends; got {begin} to {end} microseconds")
                yield seen.between(begin * MICRO, end * MICRO), label - 1


# --- bytes -------------------------------------------------------------------------

def _whole(path: str | Path, row: int) -> np.ndarray:
    raw = np.fromfile(path, dtype=np.uint8)
    if len(raw) % row:
        raise _damaged(path, f"{len(raw)} bytes are no whole number of {row}")
    return raw


def _after_header(path: str | Path, version: bytes) -> bytes:
    """What follows the comment lines, if the first of them names this version of AEDAT."""
    raw = Path(path).read_bytes()
    first = raw.split(b"\n", 1)[0].strip()
    if not first.startswith(b"#!AER-DAT" + version):
        raise _damaged(path, f"it does not begin with #!AER-DAT{version.decode()}; its first bytes are {raw[:16]!r}")
    at, ended = 0, False
    while raw[at:at + 1] == b"#" and not ended:
        end = raw.find(b"\n", at)
        if end < 0:
            raise _damaged(path, "its header has no end")
        ended = raw[at:end].strip() == b"#!END-HEADER"
        at = end + 1
    return raw[at:]


def _events(path: str | Path, t_s: np.ndarray, x: np.ndarray, y: np.ndarray, on: np.ndarray, size: tuple[int, int]) -> Events:
    try:
        return in_order(t_s, x, y, on, size)
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: str | Path, why: str) -> ValueError:
    return ValueError(f"{path} is no whole recording of this kind: {why}")
