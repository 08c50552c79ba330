"""The exit explorer: what a threshold does to accuracy, timesteps, energy, delay and EDP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost, steps_squared_ratio
from dtsnn_lite.exits import THRESHOLD_POLICIES, Run, ThresholdPolicy, entropy, replay, trade_off
from dtsnn_lite.files import ASSETS
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.widgets.drawing import Axis, Plot, bar, change, dot, line, note, number_table, picture, quantity, ratio, signed, tag, ticks
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, panels, static_view

LETTERS = {"theta": "\u03b8", "alpha": "\u03b1"}       # the page writes Greek
POSITIONS = 201
THRESHOLDS = np.arange(POSITIONS) / (POSITIONS - 1)     # 0, 0.005, ..., 1: every place the slider can stand
SHOWN = 8                                               # pictures in a row
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

    def name_of(self, label: int) -> str:
        """What the pictures call a class."""
        return self.class_names[label] if self.class_names else str(label)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.code or shipped_code(self.recording))
        if not self.cost_models:
            raise ValueError("cost_models is empty: name at least one hardware with its (StepCost, ExitCheckCost)")
        if self.images is not None:
            _check_images(self)


def shipped_code(recording: Recording) -> str:
    """`shipped("digits-test")` for that recording; empty for one that does not come with the package."""
    name = "{network}-{split}".format_map({"network": "", "split": "", **recording.about})
    known = (ASSETS / f"{name}.npz").exists() and np.array_equal(shipped(name).f, recording.f)
    return f'shipped("{name}")' if known else ""


def _check_images(data: ExitData) -> None:
    images = data.images
    if images.dtype != np.uint8 or not (images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3):
        raise ValueError(f"images is uint8 (M, H, W) or (M, H, W, 3), 0 to 255; got {images.dtype} "
                         f"{images.shape}: for floats in [0, 1] pass (255 * images).round().astype('uint8')")
    wanted = data.recording.images if data.index is None else len(data.index)
    if len(images) != wanted:
        raise ValueError(f"{len(images)} images for {wanted} places: pass `index`, one a picture, or all images")


# --- what the page needs of a recording ---------------------------------------------

def rule_of(policy: type[ThresholdPolicy]) -> dict:
    """What the page must know of a threshold policy: its direction and its names."""
    sign, letter = "<" if policy.falls else ">", LETTERS.get(policy.symbol)
    when = f" {letter}: leave when {policy.name} {sign} {letter}" if letter else f": leave when the {policy.name} {sign} it"
    return {"falls": policy.falls, "label": f"threshold{when}", "policy": policy.__name__, "symbol": policy.symbol}


def exit_codes(recording: Recording, policy: type[ThresholdPolicy]) -> np.ndarray:
    """First slider position at which image n has left by step t, (T-1, N) uint8; 201 is never.

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
        "accuracy": float(seen.accuracy[-1]), "static": seen.accuracy.tolist(),
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
    index, images = _shown_images(data)
    return {"pixels": shelf.put(images), "height": images.shape[1], "width": images.shape[2],
            "channels": 1 if images.ndim == 3 else 3, "index": index.tolist(), "names": list(data.class_names),
            "label": data.recording.labels[index].tolist(), "said": data.recording.predictions[:, index].T.tolist()}


def _shown_images(data: ExitData) -> tuple[np.ndarray, np.ndarray]:
    if data.index is not None:
        return np.asarray(data.index), data.images
    index = choose_images(data.recording, GREY_IMAGES if data.images.ndim == 3 else COLOUR_IMAGES)
    return index, data.images[index]


def caption_of(data: ExitData) -> str:
    seen = data.recording
    return f"{seen.images:,} images, at most {seen.timesteps} timesteps. Means over images; EDP is the mean of E\u00d7D; the exit check is billed."


def accuracy_ticks(data: ExitData) -> list[float]:
    """Ticks, in percent, that hold every point of every curve."""
    seen = data.recording
    right = [right for curve in data.curves.values() for _, right in curve]
    low = min(min(right) / seen.images, seen.accuracy.min())
    high = max(max(right) / seen.images, seen.accuracy.max())
    marks = ticks(100 * low, 100 * high, 6)
    return marks if len(marks) > 1 else [marks[0] - 1, marks[0] + 1]


def timestep_ticks(data: ExitData) -> list[float]:
    """The whole range 1..T, or its first part where every curve is as good as all T steps that early."""
    seen, T = data.recording, data.recording.timesteps
    early, full = 1 + (T - 1) / 3, seen.correct[-1].sum()
    settled = max(min(steps for steps, right in curve if right >= full) for curve in data.curves.values())
    return ticks(1, early, 5) if T > 2 and settled / seen.images <= 1 + (early - 1) / 2 else step_ticks(max(T, 2))


def step_ticks(T: int) -> list[int]:
    """1..T, or 1, every fourth and T where there are many."""
    return [t for t in range(1, T + 1) if T <= 8 or t in (1, T) or (t % 4 == 0 and T - t > 1)]


# --- the view without a script --------------------------------------------------------

def exit_rows(run: Run, recording: Recording, step: StepCost, check: ExitCheckCost) -> list[list[str]]:
    """The explorer's table: [name, stops when sure, always T, ratio]."""
    bill, still = inference_cost(run.t_hat, step, check), static_cost(recording.timesteps, step)
    digits, T, static = 2 if recording.images > 2000 else 1, recording.timesteps, float(recording.accuracy[-1])
    costs = [("energy", bill.energy_pj, still.energy_pj, "pJ"), ("delay", bill.latency_ns, still.latency_ns, "ns"),
             ("EDP", bill.edp_pj_ns, still.edp_pj_ns, "pJ ns")]
    return [
        ["accuracy", f"{100 * run.accuracy:.{digits}f} %", f"{100 * static:.{digits}f} %",
         f"{signed(100 * (run.accuracy - static), digits)} pt"],
        ["timesteps", f"{run.mean_timesteps:.3f}", f"{T:.3f}", ratio(run.mean_timesteps / T)],
        *([name, quantity(float(now.mean()), unit, float(then[0])), quantity(float(then[0]), unit),
           ratio(float(now.mean()) / float(then[0]))] for name, now, then, unit in costs),
    ]


def edp_rows(run: Run, recording: Recording, step: StepCost, check: ExitCheckCost) -> list[list[str]]:
    """EDP against the static network, averaged in three ways."""
    bill, still = inference_cost(run.t_hat, step, check), static_cost(recording.timesteps, step)
    return [
        ["E[E\u00d7D]: each image's own product, then the mean (reported)", ratio(float(bill.edp_pj_ns.mean() / still.edp_pj_ns[0]))],
        ["E[E]\u00d7E[D]: product of the two means", ratio(float(bill.edp_of_means_pj_ns / still.edp_of_means_pj_ns))],
        ["(mean timesteps / T)\u00b2: energy in proportion to T", ratio(steps_squared_ratio(run.t_hat, recording.timesteps))],
    ]


def curve_picture(data: ExitData, score: str, run: Run) -> str:
    """The exact curve, the static network at 1..T steps, and the point of this threshold."""
    seen, marks, T = data.recording, accuracy_ticks(data), data.recording.timesteps
    accuracy, static = 100 * run.accuracy, 100 * float(seen.accuracy[-1])
    digits = 2 if seen.images > 2000 else 1
    label = (f"Accuracy against mean timesteps. The point stands at {run.mean_timesteps:.2f} timesteps and {accuracy:.{digits}f} %; "
             f"the static network needs {T} for {static:.{digits}f} %.")
    xticks = timestep_ticks(data)
    plot = Plot("Accuracy against mean timesteps", label, Axis(1, xticks[-1], xticks, f"mean timesteps, of at most {T}"),
                Axis(marks[0], marks[-1], marks, "images right (%); grey: without stopping early"))
    pairs = [(steps / seen.images, 100 * right / seen.images) for steps, right in data.curves[score]]
    still = [(t + 1, 100 * float(a)) for t, a in enumerate(seen.accuracy) if t + 1 <= xticks[-1]]
    beyond = run.mean_timesteps > xticks[-1]
    at = xticks[-1] if beyond else run.mean_timesteps
    x, y, box = plot.to_x(at), plot.to_y(accuracy), plot.box
    below = y + 34 < box["bottom"]      # below the point, or beside it where it lies low
    words = tag("text", f"{run.mean_timesteps:.2f} steps, {accuracy:.{digits}f} %{' ' + chr(0x2192) if beyond else ''}", class_="note now",
                text_anchor="middle", x=f"{min(box['right'] - 66, x + (64 if below else 74)):.1f}", y=f"{y + 34 if below else y + 4:.1f}")
    return plot.svg([line(plot, [(1, static), (xticks[-1], static)], "line other"),
                     line(plot, [pair for pair in pairs if pair[0] <= xticks[-1]]), *(dot(plot, *pair, "dot other", 3.5) for pair in still)],
                    [dot(plot, at, accuracy, "dot now"), words])


def exits_picture(data: ExitData, run: Run) -> str:
    """How many images leave at each step."""
    seen, counts = data.recording, run.histogram
    label = "Images that leave at each timestep: " + ", ".join(f"{count} at {t}" for t, count in enumerate(counts, 1)) + "."
    plot = Plot("When images leave", label, Axis(0.5, seen.timesteps + 0.5, step_ticks(seen.timesteps), "timestep"),
                Axis(0, 112, (0, 25, 50, 75, 100), "images that leave (%)"))
    marks = []
    for t, count in enumerate(counts, 1):
        share = 100 * count / seen.images
        marks += [bar(plot, t - 0.35, t + 0.35, 0, share),
                  note(plot, t, share, str(count), dy=-5, text_anchor="middle", class_="note small" if seen.timesteps > 8 else "note")]
    return plot.svg(over=marks)


def pictures_html(data: ExitData, run: Run) -> str:
    """Some images that leave first and last, with what the network said."""
    if data.images is None:
        return ""
    index, images = _shown_images(data)
    used, rows = np.flatnonzero(run.histogram) + 1, []
    ends = [(int(used[0]), "Leave first"), (int(used[-1]), "Leave last")] if len(used) > 1 else [(int(used[0]), "All leave")]
    for step, head in ends:
        shown = [m for m in range(len(index)) if run.t_hat[index[m]] == step][:SHOWN]
        tiles = "".join(_tile(images[m], data.name_of(data.recording.labels[index[m]]), data.name_of(run.predictions[index[m]])) for m in shown)
        body = tag("ul", tiles) if shown else tag("p", "None of the images kept in this page.", class_="none")
        rows.append(tag("div", tag("p", f"{head}, at t = {step}", class_="head"), body))
    return tag("div", *rows, class_="pictures")


def _tile(pixels: np.ndarray, truth: str, said: str) -> str:
    words = truth if said == truth else f"{truth}\u2192{said}"
    return tag("li", tag("span", picture(pixels, f"a {truth}, read as {said}"), class_="frame"), tag("span", words),
               class_="tile" if said == truth else "tile wrong")


def static_html(data: ExitData, theta: float, score: str, chip: str, heading: str, name: str | None = None) -> str:
    """The explorer at one state, as plain HTML and SVG; `name` of the data where there are several."""
    seen, costs = data.recording, data.cost_models[chip]
    policy = THRESHOLD_POLICIES[score]
    run = replay(seen, policy(theta))
    controls = [("how sure?", score, "choice"), ("hardware", chip, "choice"), (rule_of(policy)["label"], f"{theta:.3f}", "number")]
    numbers = number_table(data.caption or caption_of(data), ["", "stops when sure", f"always {seen.timesteps}", "ratio"],
                           exit_rows(run, seen, *costs))
    ways = number_table(f"EDP against always {seen.timesteps} steps", ["", "ratio"], edp_rows(run, seen, *costs))
    if name is not None:
        controls.insert(0, ("network and images", name, "choice"))
    return static_view(heading, controls, _sentence(run, seen, *costs), tag("div", numbers, class_="numbers"),
                       panels(curve_picture(data, score, run), exits_picture(data, run)),
                       tag("details", tag("summary", "EDP in three ways"), ways, class_="fold"), pictures_html(data, run))


def _sentence(run: Run, seen: Recording, step: StepCost, check: ExitCheckCost) -> str:
    bill, still = inference_cost(run.t_hat, step, check), static_cost(seen.timesteps, step)
    digits = 2 if seen.images > 2000 else 1
    return (f"Stopping when sure answers {100 * run.accuracy:.{digits}f} % right in {run.mean_timesteps:.2f} timesteps on average, with "
            f"{change(float(bill.energy_pj.mean()) / float(still.energy_pj[0]))} energy and "
            f"{change(float(bill.edp_pj_ns.mean()) / float(still.edp_pj_ns[0]))} EDP than always running {seen.timesteps}.")


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
                 heading: str = "Exit explorer", hash_key: str = "exit", **more: object) -> None:
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
                         hash_key=hash_key, static_html=static_html(first, theta, score, chip, heading, name if len(recording) > 1 else None), **more)


def on_grid(theta: float) -> float:
    """The place of the slider nearest to a threshold."""
    if not 0 <= theta <= 1:
        raise ValueError(f"theta lies in [0, 1], where every score lives; got {theta!r}")
    return float(THRESHOLDS[round(theta * (POSITIONS - 1))])
