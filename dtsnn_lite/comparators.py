"""What comparators are worth that are not ideal: which test digits stay right under offset and noise, recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dtsnn_lite.files import ASSETS, save_arrays, saved_arrays

NETWORKS = {"hp-adc": "5-bit ADC", "at-zero": "sense amplifier at 0", "at-half": "sense amplifier at 1/2",
            "hp-adc-noise": "5-bit ADC, trained with both", "adc-less-noise": "sense amplifier at 1/2, trained with both"}
CHIPS = {"offset": 2, "noise": 1}                       # zero points are drawn once a chip, noise anew at each of millions of reads
SIZES = (0.0, 0.001, 0.1, 0.2)                          # standard deviations, in on-cell currents
GRID_SIZES = (0.0, 0.001, 0.1, 0.2)
REFERENCES = (0.0, 0.25, 0.5, 0.75, 1.0)
REACH = 8                                               # partial sums beyond are counted with the outermost


@dataclass(frozen=True, eq=False)
class Shaken:
    """Networks of the digits whose columns have an offset or noise, in all layers at once.

    right   {(network, kind, seed): (chips, 4, N) bool}: the test digits that are right after the last timestep, by SIZES
    sums    {seed: (layers, 2 REACH + 1)}: how many partial sums of a one-bit layer are -REACH or less, ..., 0, ..., REACH or more
    grid    (2, 4, 5): how many of `images` digits seed 0's network has right, by kind, GRID_SIZES and REFERENCES
    about   what measured it: the commit of this package and the libraries
    """

    right: Mapping[tuple[str, str, int], np.ndarray]
    sums: Mapping[int, np.ndarray]
    grid: np.ndarray
    images: int
    about: dict = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        return sorted(self.sums)

    @property
    def zeros(self) -> np.ndarray:
        """The share of partial sums that is exactly 0: (seeds, layers)."""
        return np.stack([self.sums[seed][:, REACH] / self.sums[seed].sum(axis=1) for seed in self.seeds])

    def of(self, network: str, kind: str, size: float) -> np.ndarray:
        """Which digits are right, on every chip of every seed: (chips, N)."""
        return np.concatenate([self.right[network, kind, seed][:, SIZES.index(size)] for seed in self.seeds])

    def save(self, path: str | Path) -> None:
        bits = {f"right {network} {kind} {seed}": np.packbits(right, axis=-1) for (network, kind, seed), right in self.right.items()}
        digits = max((right.shape[-1] for right in self.right.values()), default=0)
        save_arrays(path, grid=self.grid.astype(np.uint16), images=self.images, digits=digits, about=json.dumps(self.about),
                    **{f"sums {seed}": sums for seed, sums in self.sums.items()}, **bits)

    @staticmethod
    def load(path: str | Path) -> Shaken:
        with saved_arrays(path, "measurement of comparators", made_by="python -m dtsnn_lite comparators") as file:
            named = {key: key.split(" ") for key in file if key.startswith(("right ", "sums "))}
            right = {(name[1], name[2], int(name[3])): np.unpackbits(file[key], axis=-1, count=int(file["digits"])).astype(bool)
                     for key, name in named.items() if name[0] == "right"}
            sums = {int(name[1]): file[key] for key, name in named.items() if name[0] == "sums"}
            return Shaken(right, sums, file["grid"].astype(int), int(file["images"]), json.loads(str(file["about"])))


def shaken() -> Shaken:
    """The measurement that comes with the package: the whole test set of the digits (`python -m dtsnn_lite comparators --seeds 0 1 2`)."""
    return Shaken.load(ASSETS / "digits-comparators.npz")
