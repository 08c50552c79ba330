"""One network on many chips: when its images leave, and how many are right, at every threshold of a slider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dtsnn_lite.chip import HPADC, SARADC, LayerShape, Readout, SenseAmp
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.files import ASSETS, save_arrays, saved_arrays
from dtsnn_lite.recording import Recording

POSITIONS = 201
READOUTS: dict[str, Readout] = {"sa": SenseAmp(), "flash4": HPADC(4), "flash5": HPADC(5), "flash6": HPADC(6), "sar5": SARADC(5)}
SIZES = ("32", "64", "128")


def exit_tables(seen: Recording) -> tuple[np.ndarray, np.ndarray]:
    """left (201, T): images that leave at each step at theta = 0, 0.005, ..., 1; right (201,): how many are right."""
    runs = [replay(seen, EntropyExit(j / (POSITIONS - 1))) for j in range(POSITIONS)]
    return np.stack([run.histogram for run in runs]), np.array([run.correct.sum() for run in runs])


@dataclass(frozen=True, eq=False)
class Designs:
    """Exit tables of one network on several chips: {"sa-64": (left, right)}, its layers and its spikes.

    densities  (T, L) share of what each layer reads that is not 0, on the reference chip; the first layer's image is full
    untrained  designs whose comparators nobody trained on their own arrays: what they guess is no choice to offer
    """

    tables: Mapping[str, tuple[np.ndarray, np.ndarray]]
    shapes: tuple[LayerShape, ...]
    densities: np.ndarray
    images: int
    untrained: frozenset[str] = frozenset()

    def save(self, path: str | Path) -> None:
        kind = np.uint16 if self.images < 2 ** 16 else np.uint32
        arrays = {f"left {name}": left.astype(kind) for name, (left, _) in self.tables.items()}
        arrays |= {f"right {name}": right.astype(kind) for name, (_, right) in self.tables.items()}
        layers = np.array([[s.in_channels, s.out_channels, s.kernel, s.out_height, s.out_width, s.in_height, s.in_width, s.stride]
                           for s in self.shapes])
        save_arrays(path, layers=layers, densities=self.densities, images=self.images,
                    untrained=np.array(sorted(self.untrained), dtype=str), **arrays)

    @staticmethod
    def load(path: str | Path) -> Designs:
        with saved_arrays(path, "file of designs", made_by="python -m dtsnn_lite stages --ship") as file:
            names = [key.removeprefix("left ") for key in file if key.startswith("left ")]
            shapes = tuple(LayerShape(f"layer {n + 1}", *map(int, row)) for n, row in enumerate(file["layers"]))
            tables = {name: (file[f"left {name}"].astype(int), file[f"right {name}"].astype(int)) for name in names}
            return Designs(tables, shapes, file["densities"], int(file["images"]), frozenset(map(str, file["untrained"])))


def shipped_designs() -> Designs:
    """The digits network on 15 chips, as `python -m dtsnn_lite stages --ship` makes it."""
    return Designs.load(ASSETS / "digits-designs.npz")
