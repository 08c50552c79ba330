"""The exit explorer: what a threshold does to accuracy, timesteps, energy, delay and EDP, and how far looks add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost
from dtsnn_lite.evidence import GAMMAS
from dtsnn_lite.exits import THRESHOLD_POLICIES, ThresholdPolicy, calibrate, entropy, evidence, exit_curve, replay
from dtsnn_lite.files import ASSETS
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.named_prices import recorded_lines
from dtsnn_lite.widgets.quantities import ticks

LETTERS = {"theta": "\u03b8", "alpha": "\u03b1"}       # the page writes Greek
POSITIONS = 201
THRESHOLDS = np.arange(POSITIONS) / (POSITIONS - 1)     # 0, 0.005, ..., 1: every place the slider can stand
COLUMNS = 286                                           # pixels that core.js gives to the x axis of a plot
MOST_OPINIONS = 8                                       # timesteps that find room below each other
GREY_IMAGES, COLOUR_IMAGES = 96, 32                     # kept in the page: colour hardly compresses


@dataclass(frozen=True, eq=False)
class ExitData:
    """What one network said about one set of images, and what its hardware charges.

    recording    f_t of every image
    cost_models  name of the hardware -> (cost of a timestep, cost of an exit check)
    images       uint8 (N, H, W) or (N, H, W, 3), or only those at `index`; None shows none
    index        (M,) which images of the recording `images` are; None when it holds all N
    code         the Python expression that makes `recording` again, for the reader who copies it; found by
                 itself for a shipped recording, and without one there is nothing to copy
    caption      a line above the table of numbers
    imports      lines that `code` needs first
    class_names  what to call the classes below their pictures; their numbers when empty
    absent       why there are no pictures, where there are none
    """

    recording: Recording
    cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]]
    images: np.ndarray | None = None
    index: np.ndarray | None = None
    code: str = ""
    caption: str = ""
    imports: tuple[str, ...] = ("from dtsnn_lite.recording import shipped",)
    class_names: tuple[str, ...] = ()
    absent: str = "The images are not in this page."

    @cached_property
    def leaving(self) -> dict[str, list[Leaving]]:
        """What each score's thresholds do, one entry for each of GAMMAS."""
        return {score: [leaving(self.recording, policy, gamma) for gamma in GAMMAS] for score, policy in THRESHOLD_POLICIES.items()}

    @property
    def curves(self) -> list[np.ndarray]:
        """The thinned curves of all scores and gammas."""
        return [each.curve for at in self.leaving.values() for each in at]

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code or shipped_code(self.recording))
        if not self.cost_models:
            raise ValueError("cost_models is empty: name at least one hardware with its (StepCost, ExitCheckCost)")
        if self.images is not None:
            _check_images(self.images, self.recording.images if self.index is None else len(self.index))


def shipped_code(recording: Recording) -> str:
    """`shipped("digits-test")` for that recording; empty for one that does not come with the package."""
    name = "{network}-{split}".format_map({"network": "", "split": "", **recording.about})
    known = (ASSETS / f"{name}.npz").exists() and np.array_equal(shipped(name).f, recording.f)
    return f'shipped("{name}")' if known else ""


def _check_images(images: np.ndarray, wanted: int) -> None:
    if images.dtype != np.uint8 or not (images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3):
        raise ValueError(f"images is uint8 (M, H, W) or (M, H, W, 3), 0 to 255; got {images.dtype} "
                         f"{images.shape}: for floats in [0, 1] pass (255 * images).round().astype('uint8')")
    if len(images) != wanted:
        raise ValueError(f"{len(images)} images for {wanted} places: pass `index`, one a picture, or all images")


# --- what the page needs of a recording ---------------------------------------------

def rule_of(policy: type[ThresholdPolicy]) -> dict:
    """What the page must know of a threshold policy: its direction and its names."""
    return {"falls": policy.falls, "name": policy.name, "letter": LETTERS.get(policy.symbol, ""), "policy": policy.__name__,
            "symbol": policy.symbol}


def surest(recording: Recording, policy: type[ThresholdPolicy], gamma: float = 0.0) -> np.ndarray:
    """min_{s<=t} turned(score(z_s)) for t < T, (T-1, N): image n has left by t exactly if this is below the turned threshold."""
    first, later = recording.f[:-1][:1], evidence(recording.f, gamma)[1:-1]         # z_1 = f_1 whatever gamma is
    sure = policy.turned(np.concatenate([policy.score(first), policy.score(later)]))
    for t in range(1, len(sure)):       # a loop over rows beats minimum.accumulate along them
        np.minimum(sure[t - 1], sure[t], out=sure[t])
    return sure


def exit_codes(sure: np.ndarray, policy: type[ThresholdPolicy]) -> np.ndarray:
    """First slider position at which image n has left by step t, (T-1, N) uint8; POSITIONS is never.

    position j = 0..200 stands for theta_j, or theta_{200-j} where a sure image scores high, so that more images leave as j rises
    code = #{turned(theta_j) <= sure_t}
    so 'the image has left by t' is code <= j, with no floating point left.
    """
    return np.searchsorted(np.sort(policy.turned(THRESHOLDS)), sure, side="right").astype(np.uint8)


def exit_counts(codes: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """What a step of the slider changes: images gone by t = 1, ..., T-1, and right answers, (T, POSITIONS + 1) int.

    Sums up to position j say how many have left by t, and how many more are right than after T steps.
    """
    def count(code: np.ndarray, each: np.ndarray | None = None) -> np.ndarray:
        return np.rint(np.bincount(code.ravel(), each, POSITIONS + 1)).astype(int)

    won = correct[:-1].astype(int) - correct[1:]          # by leaving at t and not at t + 1
    return np.stack([*(count(code) for code in codes), count(codes, won.ravel())])


def exact_curve(sure: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Total timesteps and right answers at every threshold that makes a difference, from never to always, (M, 2) int."""
    v, right, steps = exit_curve(np.concatenate([sure, np.zeros((1, sure.shape[1]))]), correct)      # nobody asks at step T
    last = np.flatnonzero(np.append(v[1:] > v[:-1], True))[:v.size]             # of images that leave together
    ends = np.concatenate(([0], last + 1))
    return np.stack([steps[ends], right[ends]], axis=1)


def thinned(curve: np.ndarray, timesteps: int, columns: int = COLUMNS) -> np.ndarray:
    """The corners of an exact curve; of those in one column of pixels the first, the highest, the lowest and the last."""
    steps, right = curve.T
    moves = np.flatnonzero(right[1:] != right[:-1])
    corners = np.unique(np.concatenate(([0], moves, moves + 1, [len(steps) - 1])))
    images = steps[0] // timesteps
    column = (steps[corners] - images) * columns // max(1, images * (timesteps - 1))
    shown = [group[[0, right[group].argmax(), right[group].argmin(), -1]]
             for group in np.split(corners, np.flatnonzero(np.diff(column)) + 1)]
    return curve[np.unique(np.concatenate(shown))]


@dataclass(frozen=True, eq=False)
class Leaving:
    """What the thresholds of one score do at one gamma: slider positions (T-1, N) at which images leave, and the thinned curve (M, 2)."""

    codes: np.ndarray
    curve: np.ndarray


def leaving(recording: Recording, policy: type[ThresholdPolicy], gamma: float) -> Leaving:
    """Both of one recording, from the same scores."""
    sure = surest(recording, policy, gamma)
    return Leaving(exit_codes(sure, policy), thinned(exact_curve(sure, recording.correct), recording.timesteps))


def thin_curve(recording: Recording, policy: type[ThresholdPolicy], gamma: float = 0.0) -> list[list[int]]:
    """The exact curve as [total timesteps, images right], thinned to what a plot can show."""
    return leaving(recording, policy, gamma).curve.tolist()


def choose_images(recording: Recording, count: int = GREY_IMAGES) -> np.ndarray:
    """Images worth showing: the hardest half by entropy, and a spread from easy to hard."""
    hardness = entropy(recording.f[:max(1, recording.timesteps - 1)]).min(axis=0)
    order = np.argsort(hardness, kind="stable")
    count = min(count, recording.images)
    spread = order[np.linspace(0, recording.images - 1, count - count // 2).round().astype(int)]
    return np.unique(np.concatenate([order[recording.images - count // 2:], spread]))


def chip_bill(name: str, step: StepCost, check: ExitCheckCost, timesteps: int) -> dict:
    """What leaving at 1, ..., T costs on one chip, and what the static network costs."""
    bill, still = inference_cost(np.arange(1, timesteps + 1), step, check), static_cost(timesteps, step)
    return {"name": name, "energy_pj": bill.energy_pj.tolist(), "latency_ns": bill.latency_ns.tolist(),
            "edp_pj_ns": bill.edp_pj_ns.tolist(),
            "static": {"energy_pj": float(still.energy_pj[0]), "latency_ns": float(still.latency_ns[0]),
                       "edp_pj_ns": float(still.edp_pj_ns[0])}}


def calibrated_places(recording: Recording) -> dict[str, dict]:
    """Where the slider lets each image leave where `calibrate` lets it: "score gamma" -> the threshold, and the recording that chose.

    Of a recording that comes with the package beside one of calibration images; elsewhere no place has a name.
    """
    name = f"{recording.about.get('network', '')}-calibration"
    if not (shipped_code(recording) and (ASSETS / f"{name}.npz").exists()):
        return {}
    held_out, places = shipped(name), {}
    for score, policy in THRESHOLD_POLICIES.items():
        for gamma in (0.0, 1.0):
            rule = calibrate(held_out, policy, max_drop=0.0, gamma=gamma)
            theta = on_grid(float(getattr(rule, policy.symbol)))
            if np.array_equal(replay(recording, policy(theta, gamma)).t_hat, replay(recording, rule).t_hat):
                places[f"{score} {gamma:g}"] = {"theta": theta, "held_out": f'shipped("{name}")'}
    return places


class Shelf:
    """Byte strings one after the other; `put` says where each lies."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def put(self, array: np.ndarray) -> list[int]:
        start = sum(map(len, self.parts))
        self.parts.append(np.ascontiguousarray(array).tobytes())
        return [start, len(self.parts[-1])]

    def put_whole(self, numbers: np.ndarray) -> list[int]:
        """Signed whole numbers, the low bytes of all before the next bytes: [start, how many, bytes of each]."""
        small = np.result_type(np.int8, *map(np.min_scalar_type, (numbers.min(), -1 - numbers.max())))     # what holds -1 - m holds m
        planes = numbers.astype(small.newbyteorder("<")).reshape(-1, 1).view(np.uint8)
        return [self.put(planes.T)[0], len(planes), small.itemsize]


def pack(sets: Mapping[str, ExitData]) -> tuple[dict, bytes]:
    """The two traits of the explorer, `data` and `bytes`."""
    shelf = Shelf()
    return {"sets": [_packed(name, data, shelf) for name, data in sets.items()]}, b"".join(shelf.parts)


def _packed(name: str, data: ExitData, shelf: Shelf) -> dict:
    seen = data.recording
    moved = {score: [np.diff(each.curve, axis=0, prepend=each.curve[:1]) for each in at] for score, at in data.leaving.items()}
    return {
        "name": name, "images": seen.images, "timesteps": seen.timesteps, "caption": data.caption or caption_of(data),
        "steps": list(range(1, seen.timesteps + 1)), "stepticks": step_ticks(seen.timesteps), "ticks": accuracy_ticks(data),
        "xticks": timestep_ticks(data), "right": seen.correct.sum(axis=1).tolist(), "positions": POSITIONS, "gammas": list(GAMMAS),
        "rules": {score: rule_of(policy) for score, policy in THRESHOLD_POLICIES.items()},
        "counts": {score: [shelf.put_whole(exit_counts(each.codes, seen.correct)) for each in at] for score, at in data.leaving.items()},
        "curves": {score: [shelf.put_whole(each.T) for each in at] for score, at in moved.items()},
        "chips": [{**chip_bill(chip, *costs, seen.timesteps), "python": recorded_lines(seen, chip, *costs)}
                  for chip, costs in data.cost_models.items()],
        "calibrated": calibrated_places(seen),
        "python": {"recording": data.code, "imports": list(data.imports)},
        "pictures": _packed_images(data, shelf),
    }


def _packed_images(data: ExitData, shelf: Shelf) -> dict | None:
    """Some images, and when they leave; where there are none, f_t of some, of which the page draws how the opinion moved."""
    if data.images is not None:
        index, images = _shown_images(data, data.images)
        shown = {"pixels": shelf.put(images), "height": images.shape[1], "width": images.shape[2], "channels": 1 if images.ndim == 3 else 3}
    elif data.recording.timesteps <= MOST_OPINIONS:
        index = choose_images(data.recording, COLOUR_IMAGES)
        f = np.moveaxis(data.recording.f[:, index], 1, 0).astype("<f4")
        shown = {"pixels": None, "absent": data.absent, "f": shelf.put(f), "classes": data.recording.classes}
    else:
        return None
    return {**shown, "count": len(index), "names": list(data.class_names),
            "codes": {score: [shelf.put(each.codes[:, index]) for each in at] for score, at in data.leaving.items()},
            "label": data.recording.labels[index].tolist(), "said": data.recording.predictions[:, index].T.tolist()}


def _shown_images(data: ExitData, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if data.index is not None:
        return np.asarray(data.index), images
    index = choose_images(data.recording, GREY_IMAGES if images.ndim == 3 else COLOUR_IMAGES)
    return index, images[index]


def caption_of(data: ExitData) -> str:
    seen = data.recording
    return (f"{seen.images:,} images, at most {seen.timesteps} timesteps. "
            "Means over images; EDP is the mean of E\u00d7D; the exit check is billed.")


def accuracy_ticks(data: ExitData) -> list[float]:
    """Ticks, in percent, that hold every point of every curve."""
    seen = data.recording
    low = min(*(curve[:, 1].min() / seen.images for curve in data.curves), seen.accuracy.min())
    high = max(*(curve[:, 1].max() / seen.images for curve in data.curves), seen.accuracy.max())
    marks = ticks(100 * low, 100 * high, 6)
    return marks if len(marks) > 1 else [marks[0] - 1, marks[0] + 1]


def timestep_ticks(data: ExitData) -> Sequence[float]:
    """The whole range 1..T, or its first part where every curve is as good as all T steps that early."""
    seen, T = data.recording, data.recording.timesteps
    early, full = 1 + (T - 1) / 3, seen.correct[-1].sum()
    settled = max(steps[right >= full].min() for steps, right in (curve.T for curve in data.curves))
    return ticks(1, early, 5) if T > 2 and settled / seen.images <= 1 + (early - 1) / 2 else step_ticks(max(T, 2))


def step_ticks(T: int) -> list[int]:
    """1..T, or 1, every fourth and T where there are many."""
    return [t for t in range(1, T + 1) if T <= 8 or t in (1, T) or (t % 4 == 0 and T - t > 1)]


# --- the widget -------------------------------------------------------------------------

class ExitExplorer(Explorer):
    """A slider for the exit threshold over a recorded network, replayed image by image.

    ExitExplorer(recording, cost_models, images=test_images)
    ExitExplorer({"digits": ExitData(...), "CIFAR-10": ExitData(...)})
    theta       the threshold, on a grid of 0.005
    gamma       how far looks add up, one of GAMMAS: 0 reads the mean of the logits, 1 their sum
    score       entropy, confidence or margin
    chip        a key of cost_models
    recording   which data, when there are several
    """

    _esm = module("exit_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    recording = traitlets.Unicode("").tag(sync=True)
    theta = traitlets.Float(0.35).tag(sync=True)
    gamma = traitlets.Float(0.0).tag(sync=True)
    score = traitlets.Unicode("entropy").tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)

    def __init__(self, recording: Recording | Mapping[str, ExitData],
                 cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]] | None = None,
                 images: np.ndarray | None = None, index: np.ndarray | None = None, *,
                 theta: float = 0.35, gamma: float = 0.0, score: str = "entropy", chip: str | None = None,
                 heading: str = "Exit explorer", hash_key: str = "exit", **more: Any) -> None:
        if isinstance(recording, Recording):
            name = f"{recording.about.get('dataset', 'recording')}, {recording.images:,} images"
            recording, more = {name: ExitData(recording, cost_models or {}, images, index, **more)}, {}
        if not recording:
            raise ValueError("no recording to explore: pass a Recording, or a mapping name -> ExitData")
        name, first = next(iter(recording.items()))
        checked_choice("score", score, tuple(THRESHOLD_POLICIES))
        chip = checked_choice("chip", chip or next(iter(first.cost_models)), tuple(first.cost_models))
        data, raw = pack(recording)
        super().__init__(data=data, bytes=raw, recording=name, theta=on_grid(theta), gamma=nearest_gamma(gamma), score=score,
                         chip=chip, heading=heading, hash_key=hash_key, **more)


def on_grid(theta: float) -> float:
    """The place of the slider nearest to a threshold."""
    if not 0 <= theta <= 1:
        raise ValueError(f"theta lies in [0, 1], where every score lives; got {theta!r}")
    return float(THRESHOLDS[round(theta * (POSITIONS - 1))])


def nearest_gamma(gamma: float) -> float:
    """The place of the other slider nearest to a gamma."""
    if not GAMMAS[0] <= gamma <= GAMMAS[-1]:
        raise ValueError(f"gamma lies in [{GAMMAS[0]:g}, {GAMMAS[-1]:g}] in this picture (0 is the mean of the logits, 1 their sum); "
                         f"got {gamma!r}")
    return min(GAMMAS, key=lambda each: abs(each - gamma))
