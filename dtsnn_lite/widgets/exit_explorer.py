"""The exit explorer: what a threshold does to accuracy, timesteps, energy, delay and EDP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost
from dtsnn_lite.exits import THRESHOLD_POLICIES, ThresholdPolicy, entropy, trade_off
from dtsnn_lite.files import ASSETS
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.quantities import ticks

LETTERS = {"theta": "\u03b8", "alpha": "\u03b1"}       # the page writes Greek
POSITIONS = 201
THRESHOLDS = np.arange(POSITIONS) / (POSITIONS - 1)     # 0, 0.005, ..., 1: every place the slider can stand
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
    """

    recording: Recording
    cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]]
    images: np.ndarray | None = None
    index: np.ndarray | None = None
    code: str = ""
    caption: str = ""
    imports: tuple[str, ...] = ("from dtsnn_lite.recording import shipped",)
    class_names: tuple[str, ...] = ()

    @cached_property
    def curves(self) -> dict[str, list[list[int]]]:
        """The thinned curve of each threshold policy."""
        return {score: thin_curve(self.recording, policy) for score, policy in THRESHOLD_POLICIES.items()}

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
    sign, letter = "<" if policy.falls else ">", LETTERS.get(policy.symbol)
    when = f" {letter}: leave when {policy.name} {sign} {letter}" if letter else f": leave when the {policy.name} {sign} it"
    return {"falls": policy.falls, "label": f"threshold{when}", "policy": policy.__name__, "symbol": policy.symbol}


def exit_codes(recording: Recording, policy: type[ThresholdPolicy]) -> np.ndarray:
    """First slider position at which image n has left by step t, (T-1, N) uint8; POSITIONS is never.

    position j = 0..200 stands for theta_j, or theta_{200-j} where a sure image scores high, so that more images leave as j rises
    code = #{turned(theta_j) <= min_{s<=t} turned(score_s)}
    so 'the image has left by t' is code <= j, with no floating point left.
    """
    positions, values = np.sort(policy.turned(THRESHOLDS)), policy.turned(policy.score(recording.f[:-1]))
    return np.searchsorted(positions, np.minimum.accumulate(values, axis=0), side="right").astype(np.uint8)


def thin_curve(recording: Recording, policy: type[ThresholdPolicy], columns: int = 286) -> list[list[int]]:
    """The exact curve as [total timesteps, images right], thinned to what `columns` pixels can show."""
    curve = trade_off(recording, policy)
    N, T = recording.images, recording.timesteps
    steps, right = np.rint(curve.mean_timesteps * N).astype(int), np.rint(curve.accuracy * N).astype(int)
    column = ((steps - N) * columns) // max(1, N * (T - 1))
    keep: list[int] = []
    for group in np.split(np.arange(len(steps)), np.flatnonzero(np.diff(column)) + 1):
        highest, lowest = group[right[group].argmax()], group[right[group].argmin()]
        keep += sorted({int(group[0]), int(highest), int(lowest), int(group[-1])})
    return [[int(steps[k]), int(right[k])] for k in keep]


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
    prices = {key: value for key, value in asdict(step).items() if key != "parts"}
    return {"name": name, "energy_pj": bill.energy_pj.tolist(), "latency_ns": bill.latency_ns.tolist(),
            "edp_pj_ns": bill.edp_pj_ns.tolist(),
            "static": {"energy_pj": float(still.energy_pj[0]), "latency_ns": float(still.latency_ns[0]),
                       "edp_pj_ns": float(still.edp_pj_ns[0])},
            "step": {key: float(value) for key, value in prices.items()},
            "check": {key: float(value) for key, value in asdict(check).items()}}


class _Shelf:
    """Byte strings one after the other; `put` says where each lies."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def put(self, array: np.ndarray) -> list[int]:
        start = sum(map(len, self.parts))
        self.parts.append(np.ascontiguousarray(array).tobytes())
        return [start, len(self.parts[-1])]


def pack(sets: Mapping[str, ExitData]) -> tuple[dict, bytes]:
    """The two traits of the explorer, `data` and `bytes`."""
    shelf = _Shelf()
    return {"sets": [_packed(name, data, shelf) for name, data in sets.items()]}, b"".join(shelf.parts)


def _packed(name: str, data: ExitData, shelf: _Shelf) -> dict:
    seen = data.recording
    return {
        "name": name, "images": seen.images, "timesteps": seen.timesteps, "caption": data.caption or caption_of(data),
        "steps": list(range(1, seen.timesteps + 1)), "ticks": accuracy_ticks(data), "xticks": timestep_ticks(data),
        "accuracy": float(seen.accuracy[-1]), "static": seen.accuracy.tolist(), "positions": POSITIONS,
        "rules": {score: rule_of(policy) for score, policy in THRESHOLD_POLICIES.items()},
        "codes": {score: shelf.put(exit_codes(seen, policy)) for score, policy in THRESHOLD_POLICIES.items()},
        "right": shelf.put(np.packbits(seen.correct, bitorder="little")),
        "curves": data.curves,
        "chips": [chip_bill(chip, *costs, seen.timesteps) for chip, costs in data.cost_models.items()],
        "python": {"recording": data.code, "imports": list(data.imports)},
        "pictures": _packed_images(data, shelf),
    }


def _packed_images(data: ExitData, shelf: _Shelf) -> dict | None:
    if data.images is None:
        return None
    index, images = _shown_images(data, data.images)
    return {"pixels": shelf.put(images), "height": images.shape[1], "width": images.shape[2],
            "channels": 1 if images.ndim == 3 else 3, "index": index.tolist(), "names": list(data.class_names),
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
    right = [right for curve in data.curves.values() for _, right in curve]
    low = min(min(right) / seen.images, seen.accuracy.min())
    high = max(max(right) / seen.images, seen.accuracy.max())
    marks = ticks(100 * low, 100 * high, 6)
    return marks if len(marks) > 1 else [marks[0] - 1, marks[0] + 1]


def timestep_ticks(data: ExitData) -> Sequence[float]:
    """The whole range 1..T, or its first part where every curve is as good as all T steps that early."""
    seen, T = data.recording, data.recording.timesteps
    early, full = 1 + (T - 1) / 3, seen.correct[-1].sum()
    settled = max(min(steps for steps, right in curve if right >= full) for curve in data.curves.values())
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
    score       entropy, confidence or margin
    chip        a key of cost_models
    recording   which data, when there are several
    """

    _esm = module("exit_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    recording = traitlets.Unicode("").tag(sync=True)
    theta = traitlets.Float(0.35).tag(sync=True)
    score = traitlets.Unicode("entropy").tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)

    def __init__(self, recording: Recording | Mapping[str, ExitData],
                 cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]] | None = None,
                 images: np.ndarray | None = None, index: np.ndarray | None = None, *,
                 theta: float = 0.35, score: str = "entropy", chip: str | None = None,
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
        theta = on_grid(theta)
        super().__init__(data=data, bytes=raw, recording=name, theta=theta, score=score, chip=chip, heading=heading,
                         hash_key=hash_key, **more)


def on_grid(theta: float) -> float:
    """The place of the slider nearest to a threshold."""
    if not 0 <= theta <= 1:
        raise ValueError(f"theta lies in [0, 1], where every score lives; got {theta!r}")
    return float(THRESHOLDS[round(theta * (POSITIONS - 1))])
