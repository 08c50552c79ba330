"""What a flow network said of a set of clips, and when one may stop waiting for more of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dtsnn_lite.chip import Chip
from dtsnn_lite.comparison import Compared
from dtsnn_lite.cost import ExitCheckCost
from dtsnn_lite.files import FLOWS, save_arrays, saved_arrays
from dtsnn_lite.guards import check_whole, checked_steps
from dtsnn_lite.reads import Reads

FIRST_EXIT = 2              # one bin holds no motion: an answer that has not moved yet is not one that has come to rest


@dataclass(frozen=True, eq=False)
class FlowRecording:
    """How far the running means f_t of a network's flow are from the truth, and how much they still move.

    f_t(x) = (1/t) sum_{s<=t} r_s(x),   AEE_t = mean over pixels of |f_t - flow|

    error       (T, N) AEE in pixels, over the pixels that spoke in the clip
    everywhere  (T, N) the same over all pixels
    moved       (T, N) root mean square over all pixels of f_t - f_(t-1), f_0 = 0, in pixels
    zero        (N,) AEE of saying that nothing moves, over the pixels that spoke
    fields      (T, M, 2, H, W) float16: f_t itself, of the first M clips
    densities   (T, L) share of each layer's inputs that spike, the events' own first
    awake       (T, L) share of reads, a tile of `rows` rows at a position, that see a spike at all
    about       where it comes from: network, data set, split, seed

    >>> half, one_clip = [[0.5], [0.5]], [[4.0], [1.0]]                  # two bins, one layer, one clip
    >>> seen = FlowRecording(one_clip, one_clip, [[0.0], [3.0]], [4.0], np.zeros((2, 0, 2, 8, 8)), half, half)
    >>> seen.timesteps, seen.clips, seen.error.mean(axis=1)
    (2, 1, array([4., 1.], dtype=float32))
    """

    error: np.ndarray
    everywhere: np.ndarray
    moved: np.ndarray
    zero: np.ndarray
    fields: np.ndarray
    densities: np.ndarray
    awake: np.ndarray
    about: dict = field(default_factory=dict)
    rows: int = 64

    def __post_init__(self) -> None:
        for name in ("error", "everywhere", "moved", "zero", "densities", "awake"):
            value = np.array(getattr(self, name), dtype=np.float32)
            if not (np.isfinite(value) & (value >= 0)).all():
                raise ValueError(f"{name} is finite, 0 or more; got {value.min()} to {value.max()}")
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        if self.error.ndim != 2 or 0 in self.error.shape:
            raise ValueError(f"error is (timesteps, clips), each at least 1; got shape {self.error.shape}")
        T, N = self.error.shape
        if not self.error.shape == self.everywhere.shape == self.moved.shape or self.zero.shape != (N,):
            raise ValueError(f"error, everywhere and moved are (T, N) = {self.error.shape}, zero is ({N},); got {self.everywhere.shape}, "
                             f"{self.moved.shape} and {self.zero.shape}")
        if self.densities.shape != self.awake.shape or self.densities.ndim != 2 or len(self.densities) != T:
            raise ValueError(f"densities and awake are (T, L), T = {T}; got {self.densities.shape} and {self.awake.shape}")
        Reads(self.densities, self.awake, self.rows)
        fields = np.asarray(self.fields, dtype=np.float16)
        if fields.ndim != 5 or len(fields) != T or fields.shape[1] > N:
            raise ValueError(f"fields are (T, M, 2, H, W) of the first M clips; got {fields.shape} for T = {T}, N = {N}")
        object.__setattr__(self, "fields", fields)

    @property
    def timesteps(self) -> int:
        return self.error.shape[0]

    @property
    def clips(self) -> int:
        return self.error.shape[1]

    @property
    def reads(self) -> Reads:
        """What a chip is billed by."""
        return Reads(self.densities, self.awake, self.rows)

    def save(self, path: str | Path) -> None:
        """One .npz file, numbers a clip as float16 (float32 where one would overflow): errors of pixels, told to a hundredth."""
        numbers = {name: getattr(self, name) for name in ("error", "everywhere", "moved", "zero")}
        most = np.finfo(np.float16).max
        halves = {name: value.astype(np.float16) if (value <= most).all() else value for name, value in numbers.items()}
        save_arrays(path, **halves, fields=self.fields, densities=self.densities, awake=self.awake, rows=self.rows,
                    about=json.dumps(self.about))

    @classmethod
    def load(cls, path: str | Path) -> FlowRecording:
        """The recording in a file written by `save`; nothing in it is ever unpickled."""
        with saved_arrays(path, "flow recording", made_by="python -m dtsnn_lite flow") as z:
            arrays = {name: z[name] for name in ("error", "everywhere", "moved", "zero", "fields", "densities", "awake")}
            return cls(**arrays, about=json.loads(str(z["about"])), rows=int(z["rows"]) if "rows" in z else 64)


def shipped_flow(name: str) -> FlowRecording:
    """A flow recording that comes with the package, for example `flow-test`."""
    path, others = FLOWS / f"{name}.npz", {"baselines", "saccades"}
    if not path.exists() or name in others:
        names = sorted({p.stem for p in FLOWS.glob("*.npz")} - others)
        raise FileNotFoundError(f"no shipped flow recording {name!r}; there are {names}")
    return FlowRecording.load(path)


def every_flow_seed(network: str) -> list[FlowRecording]:
    """What each seed of a network that ships said of the test clips, in the order of the seeds, for example of `flow-adc-less`."""
    paths = [path for pattern in ("test", "seed*-test") for path in FLOWS.glob(f"{network}-{pattern}.npz")]
    if not paths:
        shipped_flow(f"{network}-test")
    return sorted((shipped_flow(path.stem) for path in paths), key=lambda one: one.about["seed"])


def nearer(error: np.ndarray, other: np.ndarray) -> Compared:
    """On how many clips the one answer is nearer to the truth than the other (won), on how many farther (lost); errors (N,) each.

    >>> print(nearer(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0, 3.0, 3.0])))
    2 won, 1 lost (p = 1)
    """
    if error.shape != other.shape or error.ndim != 1:
        raise ValueError(f"two errors of each clip, (N,) and (N,), of the same clips; got {error.shape} and {other.shape}")
    return Compared(int((error < other).sum()), int((error > other).sum()))


# --- when to stop --------------------------------------------------------------------

@dataclass(frozen=True)
class MovementExit:
    """Stop at the first t >= 2 whose answer has hardly moved: rms(f_t - f_(t-1)) < delta.

    delta  pixels; 0 never stops early
    """

    delta: float

    def __post_init__(self) -> None:
        if not self.delta >= 0:
            raise ValueError(f"delta is how many pixels an answer may still move, 0 or more (0 never stops early); got {self.delta!r}")

    def stops(self, moved: np.ndarray, t: int) -> np.ndarray:
        """Whether clips whose answers have moved by so much at step t (from 1) leave: (n,) -> (n,) bool."""
        return (moved < self.delta) & (t >= FIRST_EXIT)


@dataclass(frozen=True, eq=False)
class FlowRun:
    """What a rule did: each clip's exit step t_hat (N,) and its error there (N,), in pixels."""

    t_hat: np.ndarray
    error: np.ndarray

    @property
    def mean_error(self) -> float:
        return float(self.error.mean())

    @property
    def mean_timesteps(self) -> float:
        return float(self.t_hat.mean())


def flow_run_of(t_hat: np.ndarray, seen: FlowRecording) -> FlowRun:
    """The run of a recording with given exit steps t_hat (N,)."""
    t_hat = checked_steps(t_hat, seen.clips, seen.timesteps)
    return FlowRun(t_hat, seen.error[t_hat - 1, np.arange(seen.clips)])


def replay_flow(seen: FlowRecording, rule: MovementExit) -> FlowRun:
    """T_hat(x): the first t at which the rule stops, else T."""
    T = seen.timesteps
    stops = np.stack([rule.stops(seen.moved[t - 1], t) for t in range(1, T)] + [np.ones(seen.clips, dtype=bool)])
    return flow_run_of(stops.argmax(axis=0) + 1, seen)


@dataclass(frozen=True, eq=False)
class FlowTradeOff:
    """AEE against mean timesteps: values (M,) of what is turned, error (M,) in pixels, mean_timesteps (M,)."""

    values: np.ndarray
    error: np.ndarray
    mean_timesteps: np.ndarray


def movement_trade_off(seen: FlowRecording) -> FlowTradeOff:
    """Every delta that makes a difference, from never stopping early to always at t = 2.

    m[t, n] = min(moved[2..t, n]): as delta rises past it, clip n leaves at t instead of t + 1.
    """
    if seen.timesteps <= FIRST_EXIT:
        raise ValueError(f"the rule sees two answers or more before it stops early: T is {FIRST_EXIT + 1} or more; got {seen.timesteps}")
    m = np.minimum.accumulate(seen.moved[FIRST_EXIT - 1:-1], axis=0)
    order = m.argsort(axis=None, kind="stable")
    bars = m.ravel()[order]
    change = (seen.error[FIRST_EXIT - 1:-1] - seen.error[FIRST_EXIT:]).astype(float).ravel()[order]
    last = np.flatnonzero(np.append(bars[1:] > bars[:-1], True))            # clips that cross together go together
    total = seen.error[-1].sum(dtype=float) + change.cumsum()[last]
    deltas = np.append(0.0, np.nextafter(bars[last], np.inf, dtype=np.float32))
    return FlowTradeOff(deltas, np.append(seen.error[-1].mean(dtype=float), total / seen.clips),
                        seen.timesteps - np.append(0, last + 1) / seen.clips)


def oracle_trade_off(seen: FlowRecording, prices: np.ndarray) -> FlowTradeOff:
    """What no rule beats: t_hat = argmin_t AEE_t + price t, which has to know the truth; prices (M,) in pixels a timestep.

    For its mean timesteps each of these runs has the least error of all.
    """
    t = np.arange(1, seen.timesteps + 1)[:, None]
    runs = [flow_run_of((seen.error + price * t).argmin(axis=0) + 1, seen) for price in prices]
    return FlowTradeOff(np.asarray(prices), np.array([run.mean_error for run in runs]), np.array([run.mean_timesteps for run in runs]))


def calibrate_movement(seen: FlowRecording, mean_timesteps: float) -> MovementExit:
    """The rule of the least error on a calibration recording that needs at most so many timesteps on average."""
    if not FIRST_EXIT <= mean_timesteps <= seen.timesteps:
        raise ValueError(f"mean_timesteps lies between {FIRST_EXIT} and T = {seen.timesteps}; got {mean_timesteps!r}")
    curve = movement_trade_off(seen)
    allowed = np.flatnonzero(curve.mean_timesteps <= mean_timesteps + 1e-12)
    return MovementExit(float(curve.values[allowed[curve.error[allowed].argmin()]]))


def movement_check_cost(chip: Chip, pixels: int) -> ExitCheckCost:
    """What one look at the movement costs: a difference and its square for both numbers of each pixel, one comparison.

    energy_pj  = 4 P multiply_add + compare,   latency_ns = (P cycles_a_class + cycles_to_fill) cycle
    A subtraction is billed as a multiply-add; the root is not taken, since delta^2 does as well. f_(t-1) is held for the mean anyway.
    """
    check_whole("pixels", pixels)
    unit = chip.exit_unit
    cycles = pixels * unit.cycles_a_class.value + unit.cycles_to_fill.value
    return ExitCheckCost(4 * pixels * unit.multiply_add.value + unit.compare.value, cycles * unit.cycle.value)
