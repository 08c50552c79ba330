"""What a network said about a data set: the complete environment of every exit rule.

An exit never changes what the network would have computed, so f_t(x) for all
t and x is all that thresholds, learned policies, costs and widgets need.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from dtsnn_lite.files import ASSETS, save_arrays, saved_arrays
from dtsnn_lite.guards import checked_labels
from dtsnn_lite.reads import Reads, as_fired


class Counted:
    """What is counted of answers (abstract): predictions (T, N), the class with the largest f_t, against labels (N,)."""

    predictions: np.ndarray
    labels: np.ndarray

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether stopping at t would be right, (T, N) bool."""
        return _sealed(self.predictions == self.labels)

    @cached_property
    def accuracy(self) -> np.ndarray:
        """The static network's accuracy with 1, 2, ..., T timesteps, (T,)."""
        return _sealed(self.correct.mean(axis=1))


@dataclass(frozen=True, eq=False)
class Recording(Counted):
    """The running-mean logits of a network on labelled images.

    f_t(x) = (1/t) sum_{s<=t} logits_s(x)                        (DT-SNN, Eq. 1)

    f            (T, N, K) float32, finite; like all arrays here it can be read, not written
    labels       (N,) integers in [0, K)
    spike_rates  (T, L) float32 in [0, 1]: spikes per neuron, timestep and spiking layer, as they are fired, before any pool
    about        where it comes from: network, data set, split, seed
    densities    (T, L') float32: share of what each layer reads that is not 0, behind the pools; layers of weights, the first included
    awake        (T, L') float32: share of a layer's reads, a tile of `rows` rows at a position, in which any row conducts
    densities and awake are None where nobody measured them, as in files of earlier editions: bills then take `reads.as_fired`

    >>> f = np.array([[[1, 2], [3, 1]], [[2, 1], [3, 1]]])          # two timesteps, two images, two classes
    >>> seen = Recording(f, labels=np.array([0, 0]), spike_rates=np.zeros((2, 1)))
    >>> seen.accuracy                                               # with 1 and with 2 timesteps
    array([0.5, 1. ])
    """

    f: np.ndarray
    labels: np.ndarray
    spike_rates: np.ndarray
    about: dict = field(default_factory=dict)
    densities: np.ndarray | None = None
    awake: np.ndarray | None = None
    rows: int = 64

    def __post_init__(self) -> None:
        f = np.array(self.f, dtype=np.float32)              # its own: who hands it in may go on writing his
        if f.ndim != 3 or 0 in f.shape:
            raise ValueError(f"f is (timesteps, images, classes), each at least 1; got shape {f.shape}")
        if not np.isfinite(f).all():
            raise ValueError("f holds NaN or infinity: the network diverged, or its float16 overflowed")
        labels = checked_labels(self.labels, images=f.shape[1], classes=f.shape[2])
        rates = np.array(self.spike_rates, dtype=np.float32)
        if rates.ndim != 2 or rates.shape[0] != f.shape[0]:
            raise ValueError(f"spike_rates is (timesteps={f.shape[0]}, layers); got shape {rates.shape}")
        if not ((rates >= 0) & (rates <= 1 + 1e-6)).all():     # NaN fails too
            raise ValueError(f"spike_rates are spikes a neuron and timestep, in [0, 1]; got {rates.min()} to {rates.max()}")
        if not isinstance(self.about, dict):
            raise TypeError(f"about is a dict, as {{'network': 'digits'}}; got {self.about!r}")
        for name, value in (("f", f), ("labels", labels), ("spike_rates", rates), *self._checked_reads(len(f))):
            object.__setattr__(self, name, _sealed(value))

    def _checked_reads(self, timesteps: int) -> Iterator[tuple[str, np.ndarray]]:
        """Densities and awake shares by name, if there are any."""
        if self.densities is None and self.awake is None:
            return
        if self.densities is None or self.awake is None:
            raise ValueError("densities and awake are measured together: give both or neither")
        for name, share in (("densities", self.densities), ("awake", self.awake)):
            share = np.array(share, dtype=np.float32)
            if share.ndim != 2 or len(share) != timesteps:
                raise ValueError(f"densities and awake are (timesteps={timesteps}, layers); got {name} of shape {share.shape}")
            yield name, share
        Reads(self.densities, self.awake, self.rows)

    @property
    def reads(self) -> Reads:
        """What a chip is billed by: what the layers read, or `as_fired` where nobody measured it."""
        return as_fired(self.spike_rates) if self.densities is None else Reads(self.densities, self.awake, self.rows)

    @property
    def timesteps(self) -> int:
        return self.f.shape[0]

    @property
    def images(self) -> int:
        return self.f.shape[1]

    @property
    def classes(self) -> int:
        return self.f.shape[2]

    @cached_property
    def predictions(self) -> np.ndarray:            # type: ignore[override]  # of f, once; Answers holds them
        """The class with the largest f_t, (T, N)."""
        f = np.ascontiguousarray(np.moveaxis(self.f, 2, 0))     # (K, T, N): twice as fast as argmax along the last axis
        return _sealed((f == f.max(axis=0)).argmax(axis=0))

    def subset(self, index: np.ndarray) -> Recording:
        """The same recording on some of its images."""
        return replace(self, f=self.f[:, index], labels=self.labels[index])

    def halved(self) -> Recording:
        """The same with f rounded to float16: what a file of half the size holds. A tie may then change an answer."""
        return replace(self, f=self.f.astype(np.float16))

    def save(self, path: str | Path) -> None:
        """One .npz file: f as float16 (float32 where that would change an answer), labels, rates, reads, and `about` as JSON."""
        with np.errstate(over="ignore"):
            half = self.f.astype(np.float16)
        same = np.isfinite(half).all() and np.array_equal(replace(self, f=half).predictions, self.predictions)
        read = {} if self.densities is None else {"densities": self.densities, "awake": self.awake, "rows": self.rows}
        save_arrays(path, f=half if same else self.f, labels=self.labels.astype(np.int32), spike_rates=self.spike_rates,
                    about=json.dumps(self.about), **read)

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """The recording in a file written by `save`; nothing in it is ever unpickled."""
        with saved_arrays(path, "recording", made_by="python -m dtsnn_lite record") as z:
            read = (z["densities"], z["awake"], int(z["rows"])) if "densities" in z else ()
            return cls(z["f"], z["labels"], z["spike_rates"], json.loads(str(z["about"])), *read)

    def answers(self) -> Answers:
        """The answers alone; of a recording whose reads were measured."""
        if self.densities is None or self.awake is None:
            raise ValueError("nobody measured what the layers read: record the network again (python -m dtsnn_lite record)")
        return Answers(self.predictions, self.labels, self.densities, self.awake, self.about, self.rows)


@dataclass(frozen=True, eq=False)
class Answers(Counted):
    """What a network answered, and not how sure it was: a recording a thirtieth as large, for counts and bills; no exit can read it.

    predictions  (T, N) class with the largest f_t, as in `Recording`
    labels       (N,) integers, 0 or more
    densities, awake  (T, L), with about and rows as in `Recording`

    >>> seen = Answers(np.array([[0, 1], [0, 0]]), np.array([0, 0]), np.full((2, 1), 0.1), np.full((2, 1), 0.5))
    >>> seen.accuracy, seen.reads.awake_on(64)[0]
    (array([0.5, 1. ]), array([0.5]))
    """

    predictions: np.ndarray
    labels: np.ndarray
    densities: np.ndarray
    awake: np.ndarray
    about: dict = field(default_factory=dict)
    rows: int = 64

    def __post_init__(self) -> None:
        predictions, labels = np.array(self.predictions), np.array(self.labels)
        for what, classes in (("predictions", predictions), ("labels", labels)):
            if not np.issubdtype(classes.dtype, np.integer) or classes.size == 0 or classes.min() < 0:
                raise ValueError(f"{what} are class numbers, whole and 0 or more; got {classes.dtype} of shape {classes.shape}")
        if predictions.ndim != 2 or labels.shape != predictions.shape[1:]:
            raise ValueError(f"predictions are (timesteps, images) and labels (images,); got {predictions.shape} and {labels.shape}")
        object.__setattr__(self, "predictions", _sealed(predictions.astype(np.int64)))
        object.__setattr__(self, "labels", _sealed(labels.astype(np.int64)))
        for name in ("densities", "awake"):
            share = np.array(getattr(self, name), dtype=np.float32)
            if share.ndim != 2 or len(share) != self.timesteps:
                raise ValueError(f"densities and awake are (timesteps={self.timesteps}, layers); got {name} of shape {share.shape}")
            object.__setattr__(self, name, _sealed(share))
        Reads(self.densities, self.awake, self.rows)

    @property
    def timesteps(self) -> int:
        return len(self.predictions)

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def reads(self) -> Reads:
        """What a chip is billed by."""
        return Reads(self.densities, self.awake, self.rows)

    def save(self, path: str | Path) -> None:
        """One .npz file: answers and labels as bytes (int32 beyond 256 classes), reads, and `about` as JSON."""
        kind = np.uint8 if max(self.predictions.max(), self.labels.max()) < 256 else np.int32
        save_arrays(path, predictions=self.predictions.astype(kind), labels=self.labels.astype(kind), densities=self.densities,
                    awake=self.awake, rows=self.rows, about=json.dumps(self.about))

    @classmethod
    def load(cls, path: str | Path) -> Answers:
        """The answers in a file written by `save`; nothing in it is ever unpickled."""
        with saved_arrays(path, "file of answers", made_by="python -m dtsnn_lite stages") as z:
            return cls(z["predictions"], z["labels"], z["densities"], z["awake"], json.loads(str(z["about"])), int(z["rows"]))


def _sealed(array: np.ndarray) -> np.ndarray:
    """The array itself, no longer writable: what was computed from it once would stay as it was."""
    array.setflags(write=False)
    return array


def shipped(name: str) -> Recording:
    """A recording that comes with the package, for example `digits-test`.

    >>> seen = shipped("digits-test")
    >>> seen.timesteps, seen.images, seen.classes
    (4, 1000, 10)
    """
    names = sorted(p.stem for split in ("calibration", "test") for p in ASSETS.glob(f"*-{split}.npz"))
    if name not in names:
        raise FileNotFoundError(f"no shipped recording {name!r}; there are {names}")
    return Recording.load(ASSETS / f"{name}.npz")


ANSWERS = "-answers.npz"


def shipped_answers(name: str) -> Answers:
    """Answers that come with the package, for example `gestures-adc-less-seed0`."""
    names = sorted(path.name.removesuffix(ANSWERS) for path in ASSETS.glob(f"*{ANSWERS}"))
    if name not in names:
        raise FileNotFoundError(f"no shipped answers {name!r}; there are {names}")
    return Answers.load(ASSETS / f"{name}{ANSWERS}")


def every_seed(network: str) -> list[Answers]:
    """The answers of each seed of a network that ships, in the order of the seeds, for example of `gestures-adc-less`."""
    seeds = [path.name.removesuffix(ANSWERS) for path in ASSETS.glob(f"{network}-seed*{ANSWERS}")]
    if not seeds:
        shipped_answers(network)
    return sorted(map(shipped_answers, seeds), key=lambda one: one.about["seed"])
