"""The event player: a camera's events as they come, opinions that firm up, and the moment at which a network leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost
from dtsnn_lite.events import Events, to_frames
from dtsnn_lite.exits import EntropyExit, ExitPolicy, entropy, evidence, replay
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets.exit_explorer import Shelf, chip_bill, shipped_code
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.named_prices import recorded_lines
from dtsnn_lite.widgets.quantities import quantity, ratio, signed

SLICES = 5                                              # of a window: how finely the page knows when an event came
BARS = tuple(n / 10 for n in range(121))                # places of the bar, in decades below 1
THETAS = tuple(10 ** -bar for bar in BARS)              # and the thresholds that they stand for
GAMMAS = ("0", "1")                                     # of the mean of the outputs, of their sum
WIDTHS = (1, SLICES, 2 * SLICES, 4 * SLICES)             # slices that one picture shows
ENDS = 255                                              # a gap of so many zeros goes on in the next byte


@dataclass(frozen=True, eq=False)
class Clips:
    """What a camera saw, and what a network said of it: some recordings of a set to play, and the answers to all.

    seen         the recording of the whole set
    numbers      (M,) which of it can be played
    events       theirs, one stream each
    names        what the K classes are called
    seconds      of a stream: its T windows share them
    thetas       where the bar begins: of the mean, of the sum
    cost_models  name of the hardware -> (cost of a timestep, cost of an exit check)
    imports      lines that the reader's copy needs before `shipped`
    """

    seen: Recording
    numbers: np.ndarray
    events: Sequence[Events]
    names: tuple[str, ...]
    seconds: float
    thetas: tuple[float, float]
    cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]]
    imports: tuple[str, ...] = ("from dtsnn_lite.recording import shipped",)

    def __post_init__(self) -> None:
        if len(self.numbers) != len(self.events) or not len(self.events):
            raise ValueError(f"a clip has a number and a stream of events, and there is one or more; got {len(self.numbers)} numbers and "
                             f"{len(self.events)} streams")
        if len(self.names) != self.seen.classes:
            raise ValueError(f"each of the {self.seen.classes} classes has a name; got {len(self.names)}")
        if len({stream.size for stream in self.events}) > 1:
            raise ValueError(f"one camera saw all clips; got sizes {sorted({stream.size for stream in self.events})}")
        if not self.cost_models:
            raise ValueError("cost_models is empty: name at least one hardware with its (StepCost, ExitCheckCost)")

    @property
    def window_ms(self) -> float:
        return 1000 * self.seconds / self.seen.timesteps


def two_of_each(seen: Recording, policy: ExitPolicy) -> np.ndarray:
    """Two recordings of each class: its first, and of the others the quickest wrong answer (where none is wrong, the quickest).

    So wrong answers are far more frequent here than in the set. Of those alike, the first.
    """
    run, chosen = replay(seen, policy), []
    for k in np.unique(seen.labels):
        first, *others = np.flatnonzero(seen.labels == k)
        if not others:
            raise ValueError(f"two of each class need two recordings of it; class {k} has one")
        chosen += [first, others[np.lexsort((run.t_hat[others], run.correct[others]))[0]]]
    return np.array(chosen)


# --- what the page needs ---------------------------------------------------------------

def gaps(bits: np.ndarray) -> np.ndarray:
    """Where the ones of an array stand: how many zeros go before each, in bytes; 255 says that 255 go, and that the next byte goes on.

    >>> gaps(np.array([0, 0, 1, 1, *[0] * 300, 1])).tolist()
    [2, 0, 255, 45]
    """
    zeros = np.diff(np.flatnonzero(bits), prepend=-1) - 1
    places = np.cumsum(zeros // ENDS + 1)
    coded = np.full(places[-1] if len(places) else 0, ENDS, dtype=np.uint8)
    coded[places - 1] = zeros % ENDS
    return coded


def sliced(clips: Clips) -> np.ndarray:
    """The clips' events, a bit a pixel, side and slice: (M, SLICES T, 2, H, W); a window is what any of its slices holds."""
    return np.stack([to_frames(stream, SLICES * clips.seen.timesteps, clips.seconds) for stream in clips.events])


def bar_codes(seen: Recording, gamma: float) -> np.ndarray:
    """How many places of the bar let recording n leave by step t, (T-1, N) uint8: the first ones, since the bar falls along them.

    #{theta > min_{s<=t} E(z_s)}
    """
    sure = np.minimum.accumulate(entropy(evidence(seen.f, gamma)[:-1]))
    return np.searchsorted(-np.array(THETAS), -sure, side="left").astype(np.uint8)


def exit_steps(codes: np.ndarray, place: int) -> np.ndarray:
    """The exit step of each recording at one place of the bar, (N,) in 1 to T."""
    left = codes > place
    return np.where(left.any(axis=0), left.argmax(axis=0), len(codes)) + 1


def near(theta: float) -> float:
    """The place of the bar nearest to a threshold, in decades below 1."""
    if not THETAS[-1] <= theta <= THETAS[0]:
        raise ValueError(f"theta lies in [{THETAS[-1]:g}, 1] in this picture; got {theta!r}")
    return BARS[round(-10 * log10(theta))]


def pack(sets: Mapping[str, Clips]) -> tuple[dict, bytes]:
    """The two traits of the player, `data` and `bytes`."""
    shelf = Shelf()
    return {"slices": SLICES, "bars": len(BARS), "widths": list(WIDTHS),
            "sets": [_packed(name, clips, shelf) for name, clips in sets.items()]}, b"".join(shelf.parts)


def _packed(name: str, clips: Clips, shelf: Shelf) -> dict:
    seen, shown = clips.seen, clips.numbers
    codes = {gamma: bar_codes(seen, float(gamma)) for gamma in GAMMAS}
    steps = {gamma: [exit_steps(code, place) for place in range(len(BARS))] for gamma, code in codes.items()}
    everybody = np.arange(seen.images)
    return {
        "name": name, "timesteps": seen.timesteps, "window_ms": clips.window_ms, "size": list(clips.events[0].size),
        "classes": list(clips.names), "numbers": shown.tolist(), "labels": seen.labels[shown].tolist(),
        "said": seen.predictions[:, shown].T.tolist(), "images": seen.images, "right": int(seen.correct[-1].sum()),
        "gaps": shelf.put(gaps(sliced(clips))),
        "f": shelf.put(np.moveaxis(seen.f[:, shown], 1, 0).astype("<f4")),
        "codes": {gamma: shelf.put(code[:, shown]) for gamma, code in codes.items()},
        "left": {gamma: shelf.put(np.stack([np.bincount(t, minlength=seen.timesteps + 1)[1:] for t in at]).astype("<u2"))
                 for gamma, at in steps.items()},
        "rights": {gamma: [int(seen.correct[t - 1, everybody].sum()) for t in at] for gamma, at in steps.items()},
        "begins": {gamma: near(theta) for gamma, theta in zip(GAMMAS, clips.thetas, strict=True)},
        "chips": [{**chip_bill(chip, *costs, seen.timesteps), "python": recorded_lines(seen, chip, *costs)}
                  for chip, costs in clips.cost_models.items()],
        "python": {"recording": shipped_code(seen), "imports": list(clips.imports)},
    }


# --- the tables ------------------------------------------------------------------------

def player_rows(clips: Clips, clip: int, gamma: float, bar: float, chip: str) -> list[list[str]]:
    """The player's two tables in one, [name, leaves when sure, sees all windows, ratio]: of a clip (from 0), then of the set."""
    step, check = clips.cost_models[chip]
    seen, run, T = clips.seen, replay(clips.seen, EntropyExit(10 ** -bar, gamma)), clips.seen.timesteps
    paid, full = inference_cost(np.arange(1, T + 1), step, check).energy_pj.tolist(), float(static_cost(T, step).energy_pj[0])
    n, N = clips.numbers[clip], seen.images
    mean = float(np.cumsum(run.histogram * paid)[-1]) / N       # as the page adds it up, in turn: from Python 3.12 on sum() is more exact
    return [["answer", *("right" if right else "wrong" for right in (run.correct[n], seen.correct[-1, n])), ""],
            *_waited_and_paid(float(run.t_hat[n]), paid[run.t_hat[n] - 1], T, full, clips.window_ms),
            ["accuracy", f"{100 * run.correct.sum() / N:.1f} %", f"{100 * seen.correct[-1].sum() / N:.1f} %",
             f"{signed(100 * (int(run.correct.sum()) - int(seen.correct[-1].sum())) / N, 1)} pt"],
            *_waited_and_paid(run.t_hat.sum() / N, mean, T, full, clips.window_ms)]


def _waited_and_paid(steps: float, energy_pj: float, T: int, full_pj: float, window_ms: float) -> list[list[str]]:
    return [["waited", f"{steps * window_ms:.0f} ms", f"{T * window_ms:.0f} ms", ratio(steps / T)],
            ["energy", quantity(energy_pj, "pJ", full_pj), quantity(full_pj, "pJ"), ratio(energy_pj / full_pj)]]


# --- the widget ------------------------------------------------------------------------

class EventPlayer(Explorer):
    """Clips of an event camera, played beside what a network thinks of them, until it is sure and leaves.

    EventPlayer({"gestures": Clips(...)})
    recording  a key of the sets
    clip       "1" to the number of clips
    gamma      what the exit reads: "0" the mean of the outputs, "1" their sum
    bar        decades: leave when the entropy is below theta = 10 ** -bar
    width      slices of time that one picture shows; a window of the network is SLICES of them
    clock      slices that have passed; where the network leaves, if not said
    chip       a key of the cost models
    """

    _esm = module("event_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    recording = traitlets.Unicode("").tag(sync=True)
    clip = traitlets.Unicode("1").tag(sync=True)
    gamma = traitlets.Unicode("1").tag(sync=True)
    bar = traitlets.Float(0.0).tag(sync=True)
    width = traitlets.Unicode(str(SLICES)).tag(sync=True)
    clock = traitlets.Int(0).tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)

    def __init__(self, sets: Mapping[str, Clips], *, gamma: str = "1", clip: str = "1", bar: float | None = None, clock: int | None = None,
                 heading: str = "The event player", hash_key: str = "events", **state: object) -> None:
        if not sets:
            raise ValueError("no clips to play: pass a mapping name -> Clips")
        if len(found := {clips.seen.timesteps for clips in sets.values()}) > 1:
            raise ValueError(f"the sets of one player have one clock, equally many windows each; got {sorted(found)}")
        name = checked_choice("recording", str(state.pop("recording", next(iter(sets)))), tuple(sets))
        chosen = sets[name]
        checked_choice("gamma", gamma, GAMMAS)
        checked_choice("clip", clip, [str(n + 1) for n in range(len(chosen.numbers))])
        bar = near(chosen.thetas[GAMMAS.index(gamma)] if bar is None else 10 ** -bar)
        if clock is None:
            run = replay(chosen.seen, EntropyExit(10 ** -bar, float(gamma)))
            clock = SLICES * int(run.t_hat[chosen.numbers[int(clip) - 1]])
        if not 0 <= clock <= SLICES * chosen.seen.timesteps:
            raise ValueError(f"clock lies in [0, {SLICES * chosen.seen.timesteps}] slices; got {clock}")
        data, raw = pack(sets)
        super().__init__(data=data, bytes=raw, gamma=gamma, clip=clip, bar=bar, clock=clock, heading=heading, hash_key=hash_key,
                         recording=name, **{"chip": next(iter(chosen.cost_models)), **state})
        checked_choice("chip", self.chip, tuple(chosen.cost_models))
        checked_choice("width", self.width, tuple(map(str, WIDTHS)))
