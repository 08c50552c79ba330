"""Pictures of runs, curves and bills: each function draws one thing on the axes it is given.

Colours are Okabe and Ito's, told apart by most colour-blind readers; line styles,
markers and hatches repeat what the colours say. Ink is dark and paper white on
purpose: a notebook shows that on any page, and the book exchanges just these.
Letters are matplotlib's, and one panel is as wide as a phone shows them legibly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.transforms import ScaledTranslation

from dtsnn_lite.calibration import binned
from dtsnn_lite.cost import StepCost
from dtsnn_lite.exits import Run, TradeOff
from dtsnn_lite.recording import Recording
from dtsnn_lite.reinforce import PolicySweep
from dtsnn_lite.schedules import Work

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#d9d9d9"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#f0e442")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
PREFIXES = {"pJ": ("pJ", "nJ", "uJ", "mJ", "J"), "ns": ("ns", "us", "ms", "s"), "um2": ("um2", "mm2")}
STEPS = {"um2": 1e6}      # from one prefix to the next; 1000 where not named
UNDER_THE_LABEL_PT = 32   # what ticks, their numbers and the label of an axis take
SYMBOLS = {"uJ": "\u00b5J", "us": "\u00b5s", "um2": "\u00b5m\u00b2", "mm2": "mm\u00b2"}


def panels(columns: int = 1, rows: int = 1, width: float = 4.5, height: float = 3.2) -> tuple[Figure, Axes | np.ndarray]:
    """A white figure and its axes, one or an array; width and height of one panel in inches."""
    size = (width * columns, height * rows)
    return plt.subplots(rows, columns, figsize=size, layout="constrained", facecolor="white")


def _frame(ax: Axes, title: str, x: str, y: str) -> None:
    """Title, axis labels with units, and no more ink than needed."""
    ax.set_facecolor("white")
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=INK)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def legend_below(ax: Axes, columns: int = 2) -> None:
    """The legend under the axis label, where beside bars and among curves there is no room for it."""
    below = ScaledTranslation(0, -UNDER_THE_LABEL_PT / 72, ax.figure.dpi_scale_trans)
    ax.legend(frameon=False, ncols=columns, loc="upper right", bbox_to_anchor=(1, 0), bbox_transform=ax.transAxes + below)


def _pen(k: int) -> dict:
    """Colour, line style and marker of the k-th curve."""
    return {"color": COLOURS[k % len(COLOURS)], "linestyle": STYLES[k % len(STYLES)]}


def _whole(ax: Axes, timesteps: int) -> None:
    """Ticks at whole timesteps, at most eight of them."""
    ax.set_xticks(range(1, timesteps + 1, max(1, timesteps // 8)))


def scale(largest: float, unit: str) -> tuple[float, str]:
    """The factor and the prefixed unit in which `largest` reads as 1 to 999: (1e-3, 'nJ') for 12345 pJ."""
    names, factor, k = PREFIXES[unit], STEPS.get(unit, 1000.0), 0
    while k + 1 < len(names) and abs(largest) >= factor ** (k + 1):
        k += 1
    return factor ** -k, SYMBOLS.get(names[k], names[k])


# --- when images leave ---------------------------------------------------------

def draw_trade_off(ax: Axes, curves: TradeOff | Mapping[str, TradeOff], recording: Recording | None = None,
                   title: str = "Accuracy against mean timesteps") -> None:
    """Exact curves, and the static network of `recording` at 1, ..., T timesteps."""
    if isinstance(curves, TradeOff):
        curves = {"stops when sure": curves}
    _frame(ax, title, "mean timesteps an image", "images right (%)")
    for k, (name, curve) in enumerate(curves.items()):
        ax.plot(curve.mean_timesteps, 100 * curve.accuracy, **_pen(k), linewidth=1.6, label=name)
    if recording is not None:
        t = np.arange(1, recording.timesteps + 1)
        ax.plot(t, 100 * recording.accuracy, color=INK, marker="o", linewidth=0.8, linestyle=":", label="always t steps")
        _whole(ax, recording.timesteps)
    ax.legend(frameon=False)


def draw_run(ax: Axes, run: Run, label: str = "", k: int = 1) -> None:
    """One run as a point of the trade-off plane."""
    ax.plot([run.mean_timesteps], [100 * run.accuracy], MARKERS[k % len(MARKERS)], color=COLOURS[k % len(COLOURS)],
            markersize=9, markeredgecolor="white", label=label or None, zorder=5)
    if label:
        ax.legend(frameon=False)


def draw_accuracy(ax: Axes, recordings: Mapping[str, Recording], title: str = "Accuracy of the static network") -> None:
    """Share of images right with 1, ..., T timesteps, one curve a recording."""
    _frame(ax, title, "timesteps", "images right (%)")
    for k, (name, recording) in enumerate(recordings.items()):
        t = np.arange(1, recording.timesteps + 1)
        ax.plot(t, 100 * recording.accuracy, **_pen(k), marker=MARKERS[k % len(MARKERS)], label=name)
        _whole(ax, recording.timesteps)
    if len(recordings) > 1:
        ax.legend(frameon=False)


def draw_exit_histogram(ax: Axes, run: Run, title: str = "When images leave") -> None:
    """Share of the images that leave at each timestep, with their number above each bar."""
    _frame(ax, title, "timestep of exit", "images (%)")
    share = 100 * run.histogram / run.histogram.sum()
    bars = ax.bar(np.arange(1, run.timesteps + 1), share, color=COLOURS[0], width=0.7)
    is_crowded = run.timesteps > 8      # numbers above narrow bars stand upright
    ax.bar_label(bars, [f"{n:,}" for n in run.histogram], padding=2, color=INK, rotation=90 if is_crowded else 0)
    ax.set_ylim(0, (1.25 if is_crowded else 1.12) * max(share.max(), 1))
    _whole(ax, run.timesteps)


def draw_scores(ax: Axes, score: np.ndarray, threshold: float | None = None, name: str = "normalised entropy",
                title: str = "How sure the network is") -> None:
    """Share of images (y) with at most a given score (x), one curve a timestep: score (T, N)."""
    _frame(ax, title, name, "images at or below (%)")
    share = 100 * np.arange(1, score.shape[1] + 1) / score.shape[1]
    for t, values in enumerate(np.sort(score, axis=1)):
        ax.step(values, share, where="post", **_pen(t), label=f"t = {t + 1}")
    if threshold is not None:
        ax.axvline(threshold, color=INK, linewidth=1)
        ax.annotate(f"threshold {threshold:.2f}", (threshold, 2), xytext=(4, 0), textcoords="offset points")
    ax.legend(frameon=False)


def draw_reliability(ax: Axes, confidence: np.ndarray, correct: np.ndarray, bins: int = 10,
                     title: str = "Is 90 % sure right 90 % of the time?") -> None:
    """Share right against mean confidence, bin by bin; on the diagonal the network is calibrated."""
    _frame(ax, title, "mean confidence (%)", "images right (%)")
    seen = binned(confidence, correct, bins)
    held = seen.count > 0
    mean, right, count = seen.confidence[held], seen.accuracy[held], seen.count[held]
    ax.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=":", label="calibrated")
    ax.plot(100 * mean, 100 * right, color=COLOURS[0], linewidth=1)
    ax.scatter(100 * mean, 100 * right, s=20 + 180 * count / count.max(), color=COLOURS[0], edgecolor="white",
               label="bin, larger with more images", zorder=3)
    ax.set(xlim=(0, 102), ylim=(0, 104))
    ax.legend(frameon=False, loc="lower right")


# --- neurons and images ----------------------------------------------------------

def draw_membrane(ax: Axes, u: np.ndarray, spikes: np.ndarray | None = None, v_th: float = 1.0,
                  title: str = "Membrane potential", name: str = "u") -> None:
    """u (T,), or h if `name` says so, against time with the firing threshold; a triangle marks each spike."""
    _frame(ax, title, "timestep", f"{name} ({'threshold units' if v_th == 1 else 'a.u.'})")
    t = np.arange(1, len(u) + 1)
    ax.plot(t, u, color=COLOURS[0], marker=".", linewidth=1.4, label=name)
    ax.axhline(v_th, color=COLOURS[1], linestyle="--", linewidth=1, label="v_th")
    if spikes is not None:
        at = t[np.asarray(spikes) > 0]
        ax.plot(at, np.full(len(at), v_th), "v", color=INK, markersize=7, label="spike")
    ax.legend(frameon=False)


def draw_raster(ax: Axes, spikes: np.ndarray, title: str = "Spikes", neuron: str = "neuron") -> None:
    """spikes (T, n) as dots, drawn by snnTorch's spikeplot."""
    import torch  # snnTorch's plots read tensors; figures alone need no torch
    from snntorch import spikeplot

    _frame(ax, title, "timestep", neuron)
    spikes = np.asarray(spikes)
    dots = spikeplot.raster(torch.as_tensor(spikes), ax, s=12, c=COLOURS[0], marker="|")
    offsets = np.asarray(dots.get_offsets(), dtype=float).reshape(-1, 2)
    dots.set_offsets(offsets + [1, 0])                      # spikeplot counts timesteps from 0, the book from 1
    ax.set(xlim=(0.5, len(spikes) + 0.5), ylim=(-0.5, (spikes.shape[1] if spikes.ndim > 1 else 1) - 0.5))
    _whole(ax, len(spikes))


def draw_lines(ax: Axes, x: np.ndarray, curves: Mapping[str, np.ndarray], labels: tuple[str, str],
               title: str) -> None:
    """Named curves over one x; labels: what stands on the x and on the y axis, with units."""
    _frame(ax, title, *labels)
    for k, (name, y) in enumerate(curves.items()):
        ax.plot(x, y, **_pen(k), linewidth=1.6, label=name)
    ax.legend(frameon=False)


def draw_images(ax: Axes, images: np.ndarray, captions: Sequence[str], columns: int = 4, title: str = "") -> None:
    """Pictures (n, H, W) or (n, H, W, 3) in rows, each with its caption below."""
    if len(images) != len(captions):
        raise ValueError(f"{len(images)} images but {len(captions)} captions")
    ax.set_axis_off()
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    for n, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(n, columns)
        ax.imshow(image, cmap="gray_r", interpolation="none", extent=(column, column + 0.92, -row - 0.78, -row), aspect="auto")
        ax.text(column + 0.46, -row - 0.81, caption, ha="center", va="top", fontsize=9, color=INK)
    rows = -(-len(images) // columns)
    ax.set(xlim=(0, columns), ylim=(-rows - 0.05, 0.02))


def draw_map(ax: Axes, values: np.ndarray, labels: tuple[str, str], title: str, name: str, least: float = 0.0) -> None:
    """values (R, C) as shades from `least` to the largest, row 0 at the bottom, with a bar that says what a shade of `name` is."""
    _frame(ax, title, *labels)
    ax.grid(visible=False)
    shades = ax.imshow(values, cmap="cividis", vmin=least, interpolation="none", origin="lower")
    for stripes in ax.figure.colorbar(shades, ax=ax, label=name).ax.collections:
        stripes.set_rasterized(True)        # where a drawing is SVG: one picture, not 256 paths


def event_picture(frames: np.ndarray) -> np.ndarray:
    """Frames of events (n, 2, H, W) as pictures (n, H, W, 3): white where nobody spoke, blue ON, orange OFF, ink where both did."""
    on, off = frames[:, 0] > 0, frames[:, 1] > 0
    paint = np.array([[255, 255, 255], *([int(colour[k:k + 2], 16) for k in (1, 3, 5)] for colour in (*COLOURS[:2], INK))], np.uint8)
    return paint[on + 2 * off.astype(int)]


# --- bills -----------------------------------------------------------------------

def draw_energy(ax: Axes, steps: Mapping[str, StepCost], timesteps: int, title: str = "Energy of one image") -> None:
    """E(t) = fixed + step t of each hardware, t = 1, ..., T."""
    _draw_affine(ax, {name: (s.fixed_pj, s.step_pj) for name, s in steps.items()}, timesteps, "pJ", "energy an image")
    ax.set_title(title, loc="left", fontsize=11, color=INK)


def draw_latency(ax: Axes, steps: Mapping[str, StepCost], timesteps: int, title: str = "Delay of one image") -> None:
    """D(t) = fixed + step t of each hardware, t = 1, ..., T."""
    _draw_affine(ax, {name: (s.fixed_ns, s.step_ns) for name, s in steps.items()}, timesteps, "ns", "delay of an image")
    ax.set_title(title, loc="left", fontsize=11, color=INK)


def _draw_affine(ax: Axes, lines: Mapping[str, tuple[float, float]], timesteps: int, unit: str, what: str) -> None:
    factor, unit = scale(max(fixed + step * timesteps for fixed, step in lines.values()), unit)
    t = np.arange(1, timesteps + 1)
    _frame(ax, "", "timesteps", f"{what} ({unit})")
    for k, (name, (fixed, step)) in enumerate(lines.items()):
        ax.plot(t, factor * (fixed + step * t), **_pen(k), marker=MARKERS[k % len(MARKERS)], label=name)
    ax.set_ylim(bottom=0)
    _whole(ax, timesteps)
    ax.legend(frameon=False)


def draw_stacks(ax: Axes, bills: Mapping[str, Mapping[str, float]], unit: str = "pJ",
                title: str = "Energy by part") -> None:
    """One stacked bar a bill: {bill: {part: value}}; parts keep their colour and hatch from bar to bar."""
    what = {"um2": "area", "ns": "delay"}.get(unit, "energy")
    factor, unit = scale(max(sum(parts.values()) for parts in bills.values()), unit)
    _frame(ax, title, f"{what} ({unit})", "")
    names = list(dict.fromkeys(part for parts in bills.values() for part in parts))
    left = np.zeros(len(bills))
    for k, part in enumerate(names):
        width = factor * np.array([parts.get(part, 0.0) for parts in bills.values()])
        ax.barh(list(bills), width, left=left, color=COLOURS[k % len(COLOURS)], hatch=HATCHES[(k + k // len(COLOURS)) % len(HATCHES)],
                edgecolor="white", label=part)
        left += width
    ax.grid(axis="y", visible=False)
    ax.invert_yaxis()
    legend_below(ax)


def draw_schedule(ax: Axes, work: Sequence[Work], layers: int, title: str, answer_ns: float | None = None) -> None:
    """Who works when: a row a station, the exit check the last, a bar a timestep with its number; `answer_ns` a line."""
    _frame(ax, title, "time (ns)", "")
    for one in work:
        k = (one.step - 1) % len(HATCHES)
        ax.barh(one.station, one.end_ns - one.begin_ns, left=one.begin_ns, color=COLOURS[k], hatch=HATCHES[k], edgecolor="white")
        ax.text((one.begin_ns + one.end_ns) / 2, one.station, str(one.step), ha="center", va="center", color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})
    ax.set_yticks(range(layers + 1), [*(f"layer {n + 1}" for n in range(layers)), "check"])
    ax.invert_yaxis()
    if answer_ns is not None:
        ax.axvline(answer_ns, color=INK, linestyle="--")


def draw_promise(ax: Axes, drop: np.ndarray, epsilon: float, title: str = "A promise, kept or broken",
                 label: str = "accuracy drop (points)") -> None:
    """Histogram of the drops (or losses) that many calibration splits led to; right of epsilon the promise is broken."""
    _frame(ax, title, label, "calibration splits (%)")
    width = max(100 * float(np.ptp(drop)) / 24, 1e-3)
    edges = 100 * epsilon + width * np.arange(np.floor((100 * drop.min() - 100 * epsilon) / width),
                                              np.ceil((100 * drop.max() - 100 * epsilon) / width) + 1)
    for k, broken in enumerate((False, True)):
        part = 100 * drop[(drop > epsilon) == broken]
        ax.hist(part, edges.tolist(), weights=np.full(len(part), 100 / len(drop)), color=COLOURS[k], hatch=HATCHES[k],
                edgecolor="white", label="broken" if broken else "kept")
    ax.axvline(100 * epsilon, color=INK, linewidth=1)
    ax.legend(frameon=False)


def draw_sweeps(ax: Axes, sweeps: Mapping[str, PolicySweep]) -> None:
    """Learned policies in the trade-off plane: one point a price of errors, joined in the order of the prices."""
    for k, (name, sweep) in enumerate(sweeps.items(), start=1):
        ax.plot(sweep.mean_timesteps, 100 * sweep.accuracy, linewidth=0.8, marker=MARKERS[k % len(MARKERS)], markersize=6,
                color=COLOURS[k % len(COLOURS)], markeredgecolor="white", label=f"policy, {name}", zorder=4)
    ax.legend(frameon=False)
