"""What a network said about a data set: the complete environment of every exit rule.

An exit never changes what the network would have computed, so f_t(x) for all
t and x is all that thresholds, learned policies, costs and widgets need.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, eq=False)
class Recording:
    """The running-mean logits of a network on labelled images.

    f_t(x) = (1/t) sum_{s<=t} logits_s(x)                        (DT-SNN, Eq. 1)

    f            (T, N, K) float32, finite
    labels       (N,) int64 in [0, K)
    spike_rates  (T, L) float32 in [0, 1]: spikes per neuron, timestep and layer
    about        where it comes from: network, data set, split, seed
    """

    f: np.ndarray
    labels: np.ndarray
    spike_rates: np.ndarray
    about: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        f = np.asarray(self.f, dtype=np.float32)
        if f.ndim != 3 or 0 in f.shape:
            raise ValueError(f"f is (timesteps, images, classes), each at least 1; got shape {f.shape}")
        if not np.isfinite(f).all():
            raise ValueError("f holds NaN or infinity: the network diverged, or its float16 overflowed")
        labels = checked_labels(self.labels, images=f.shape[1], classes=f.shape[2])
        rates = np.asarray(self.spike_rates, dtype=np.float32)
        if rates.ndim != 2 or rates.shape[0] != f.shape[0]:
            raise ValueError(f"spike_rates is (timesteps={f.shape[0]}, layers); got shape {rates.shape}")
        if not ((rates >= 0) & (rates <= 1 + 1e-6)).all():     # NaN fails too
            raise ValueError(f"spike_rates are spikes a neuron and timestep, in [0, 1]; got {rates.min()} to {rates.max()}")
        if not isinstance(self.about, dict):
            raise TypeError(f"about is a dict, as {{'network': 'digits'}}; got {self.about!r}")
        for name, value in (("f", f), ("labels", labels), ("spike_rates", rates)):
            object.__setattr__(self, name, value)

    @property
    def timesteps(self) -> int:
        return self.f.shape[0]

    @property
    def images(self) -> int:
        return self.f.shape[1]

    @property
    def classes(self) -> int:
        return self.f.shape[2]

    @property
    def predictions(self) -> np.ndarray:
        """The class with the largest f_t, (T, N)."""
        f = np.ascontiguousarray(np.moveaxis(self.f, 2, 0))     # (K, T, N): twice as fast as argmax along the last axis
        return (f == f.max(axis=0)).argmax(axis=0)

    @property
    def correct(self) -> np.ndarray:
        """Whether stopping at t would be right, (T, N) bool."""
        return self.predictions == self.labels

    @property
    def accuracy(self) -> np.ndarray:
        """The static network's accuracy with 1, 2, ..., T timesteps, (T,)."""
        return self.correct.mean(axis=1)

    def subset(self, index: np.ndarray) -> Recording:
        """The same recording on some of its images."""
        return Recording(self.f[:, index], self.labels[index], self.spike_rates, self.about)

    def halved(self) -> Recording:
        """The same with f rounded to float16: what a file of half the size holds. A tie may then change an answer."""
        return replace(self, f=self.f.astype(np.float16))

    def save(self, path: str | Path) -> None:
        """One .npz file: f as float16 (float32 where that would change an answer), labels, rates, and `about` as JSON."""
        with np.errstate(over="ignore"):
            half = self.f.astype(np.float16)
        same = np.isfinite(half).all() and np.array_equal(replace(self, f=half).predictions, self.predictions)
        save_arrays(path, f=half if same else self.f, labels=self.labels.astype(np.int32), spike_rates=self.spike_rates,
                    about=json.dumps(self.about))

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """The recording in a file written by `save`; nothing in it is ever unpickled."""
        with saved_arrays(path, "recording", made_by="python -m dtsnn_lite record") as z:
            return cls(z["f"], z["labels"], z["spike_rates"], json.loads(str(z["about"])))


# --- what every array of labels or exit steps must be ---------------------------------

def checked_labels(labels: np.ndarray, images: int, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (images,):
        raise ValueError(f"labels is ({images},), one an image; got shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels are class numbers (integers); got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels lie in [0, {classes}); got {labels.min()} to {labels.max()}")
    return labels.astype(np.int64)


def checked_steps(t_hat: np.ndarray, images: int | None = None, timesteps: int | None = None) -> np.ndarray:
    """t_hat itself, if it holds exit steps: whole numbers from 1 (up to T), one an image."""
    t_hat = np.asarray(t_hat)
    if t_hat.size == 0 or not np.issubdtype(t_hat.dtype, np.integer) or t_hat.min() < 1:
        raise ValueError("t_hat holds whole timesteps, 1 or more, one an image")
    if images is not None and t_hat.shape != (images,):
        raise ValueError(f"t_hat is ({images},), one exit step an image; got shape {t_hat.shape}")
    if timesteps is not None and t_hat.max() > timesteps:
        raise ValueError(f"t_hat lies in 1 to T = {timesteps}; got {t_hat.max()}: was it made for another T?")
    return t_hat


# --- files that are whole or not there ------------------------------------------------

@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A file written beside `path`, then put in its place: an error or a kill leaves the old one, never half."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save_arrays(path: str | Path, **arrays: object) -> None:
    """Named arrays in one .npz file, under exactly this name."""
    with whole_file(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays)


@contextmanager
def saved_arrays(path: str | Path, what: str, made_by: str) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of `save_arrays` while they are read; nothing in the file is ever unpickled."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no {what} at {path}; `{made_by}` makes one")
    try:
        with np.load(path, allow_pickle=False) as z:
            yield z
    except Exception as error:      # zip, header, missing key, JSON: each means a damaged file
        reason = "it holds a pickle, which is never opened" if "pickle" in str(error) else error
        raise ValueError(f"{path} is not a whole {what} ({reason}); make it again or fetch it again") from error


def shipped(name: str) -> Recording:
    """A recording that comes with the package, for example `digits-test`."""
    names = sorted(p.stem for split in ("calibration", "test") for p in ASSETS.glob(f"*-{split}.npz"))
    if name not in names:
        raise FileNotFoundError(f"no shipped recording {name!r}; there are {names}")
    return Recording.load(ASSETS / f"{name}.npz")
