"""What we reproduced: the numbers that the three papers print, and what we measure against each.

A row stands here only if its number was read in the source that `where` names. Nothing is rounded in our favour:
the verdict is taken from unrounded numbers, and a row that we cannot measure says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import sqrt
from typing import Literal, Protocol

import numpy as np

from dtsnn_lite.chip import HPADC, SenseAmp, dtsnn_2023, spikesim_rram_64
from dtsnn_lite.cost import StepCost, exit_check_cost, inference_cost, static_cost, timestep_cost
from dtsnn_lite.evidence import calibrate_pair
from dtsnn_lite.exits import ConfidenceExit, EntropyExit, Rule, Run, ThresholdPolicy, calibrate, replay, run_of, trade_off
from dtsnn_lite.files import ASSETS, POLICIES
from dtsnn_lite.networks import cifar10_small, resnet19, vgg9, vgg16
from dtsnn_lite.proofs.published import RUNS, Run65nm
from dtsnn_lite.recording import Recording, shipped
from dtsnn_lite.reinforce import shipped_sweeps

Verdict = Literal["reproduced", "not reproduced", "cannot fail", "not yet", "not comparable"]
# The shapes that are billed, for networks whose weights may not be at hand.
SHAPES = {"cifar10-vgg16": vgg16, "cifar10-resnet19": resnet19, "cifar10-small": cifar10_small, "cifar10-small-seed1": cifar10_small}
CIFAR10_SEEDS = ("cifar10-small", "cifar10-small-seed1")
Range = tuple[float, float]
Measure = Callable[[], Range | None]
MeasureOf = Callable[[str], Measure]                   # the network -> how it is measured


@dataclass(frozen=True)
class Row:
    """One published number, and how we get at it.

    source     a key of references.bib
    where      the place in it
    published  (low, high) in `unit`, the same twice for a single number
    tolerance  in `unit`, on either side; for a range of ours, all of it must fit
    measure    ours, (low, high); None: what it needs does not ship yet
    images     test images behind an accuracy: it gets its binomial interval
    alike      False if ours answers the same question on other data: no verdict then
    possible   every value that the row's premises allow; where all of it lies within the tolerance, the verdict cannot fail
    """

    source: str
    where: str
    what: str
    published: Range
    unit: str
    tolerance: float
    measure: Measure
    why: str
    images: int = 0
    alike: bool = True
    possible: Callable[[], Range] | None = None

    def compare(self) -> Comparison:
        """The row with our number in it."""
        ours = self.measure()
        if ours is None:
            return Comparison(self, None, "not yet")
        if not self.alike:
            return Comparison(self, ours, "not comparable")
        if self.possible and self.tolerates(self.possible()):
            return Comparison(self, ours, "cannot fail")
        return Comparison(self, ours, "reproduced" if self.tolerates(ours) else "not reproduced")

    def tolerates(self, span: Range) -> bool:
        """Whether all of it lies within the tolerance."""
        return self.published[0] - self.tolerance <= span[0] and span[1] <= self.published[1] + self.tolerance

    @property
    def power(self) -> float | None:
        """Share of what the premises allow that would have missed the tolerance: how much a hit proves; None where nothing bounds it."""
        if self.possible is None:
            return None
        low, high = self.possible()
        hit = min(high, self.published[1] + self.tolerance) - max(low, self.published[0] - self.tolerance)
        return 1 - max(0.0, hit) / (high - low)


@dataclass(frozen=True)
class Comparison:
    """A row, our number and the verdict."""

    row: Row
    ours: Range | None
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """Ours over theirs, where both are single numbers."""
        ours, published = self.ours, self.row.published
        return ours[0] / published[0] if ours and ours[0] == ours[1] and published[0] == published[1] else None

    @property
    def interval(self) -> Range | None:
        """The 95 % interval of an accuracy, in percent; of a range, from the lower one's low end to the higher one's high end."""
        if not (self.ours and self.row.images):
            return None
        return wilson(self.ours[0] / 100, self.row.images)[0], wilson(self.ours[1] / 100, self.row.images)[1]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it is printed: what, published, ours, ratio, tolerance, verdict, why."""
        row, unit = self.row, self.row.unit
        ours = "-" if self.ours is None else show(self.ours, unit)
        if self.ours and self.interval:
            of = "interval" if self.ours[0] == self.ours[1] else "intervals from"
            ours += f" (95 % {of} {show(self.interval, unit)}, {row.images} images)"
        if self.ours and row.possible:
            ours += f" (possible at all: {show(row.possible(), unit)}; power {100 * (row.power or 0):.0f}\u00a0%)"
        ratio = "-" if self.ratio is None else f"{self.ratio:.3f}"
        slack = "inside" if row.tolerance == 0 else f"{row.tolerance:g} {'points' if unit == '%' else unit}".strip()
        return row.what, f"{show(row.published, unit, 5)} ({row.where})", ours, ratio, slack, self.verdict, row.why


def show(span: Range, unit: str, digits: int = 4) -> str:
    """A number or a range with its unit: more digits than the paper prints."""
    low, high = (f"{value:.{digits}g}" for value in span)
    return f"{low if low == high else f'{low} to {high}'}\u00a0{unit}".strip()


def wilson(share: float, images: int, z: float = 1.96) -> Range:
    """The Wilson interval of a share, in percent: it stays inside 0 to 100.

    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    """
    centre = share + z ** 2 / (2 * images)
    half = z * sqrt(share * (1 - share) / images + z ** 2 / (4 * images ** 2))
    return 100 * (centre - half) / (1 + z ** 2 / images), 100 * (centre + half) / (1 + z ** 2 / images)


MARKS: dict[str, str] = {
    "reproduced": "\u2713", "not reproduced": "\u2717", "cannot fail": "=", "not yet": "\u2026", "not comparable": "\u2260"}


def table(comparisons: Iterable[Comparison]) -> str:
    """The rows as a Markdown table, the verdict with its mark beside what it is about, and below it why, each reason once."""
    rows = [comparison.cells for comparison in comparisons]
    reasons = list(dict.fromkeys(row[-1] for row in rows))
    head = ("what", "verdict", "published (where)", "ours", "ratio", "tolerance", "why")
    lines = [head, ("---",) * len(head)]
    for what, published, ours, ratio, slack, verdict, why in rows:
        lines.append((what, f"{MARKS[verdict]} {verdict}", published, ours, ratio, slack, f"({reasons.index(why) + 1})"))
    notes = [f"{number}. {reason}." for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *notes, ""])


def tally(comparisons: Iterable[Comparison]) -> dict[Verdict, int]:
    """How many rows have each verdict."""
    verdicts = [comparison.verdict for comparison in comparisons]
    return {word: verdicts.count(word) for word in ("reproduced", "not reproduced", "cannot fail", "not yet", "not comparable")}


# --- DT-SNN (li2023dtsnn) -------------------------------------------------------------


def _ships(network: str) -> bool:
    return all((ASSETS / f"{network}-{split}.npz").exists() for split in ("calibration", "test"))


class Choose(Protocol):
    """How calibration images choose a rule: `calibrate` at some gamma, or `calibrate_pair`."""

    def __call__(self, calibration: Recording, policy: type[Rule], max_drop: float | None = None,
                 mean_timesteps: float | None = None, /) -> Rule: ...


SUM: Choose = partial(calibrate, gamma=1.0)
SCORES: dict[str, Choose] = {"the mean": calibrate, "the sum": SUM, "a calibrated gamma": calibrate_pair}


def _exit_run(network: str, policy: type[ThresholdPolicy], choose: Choose = calibrate, max_drop: float | None = None,
              mean_timesteps: float | None = None) -> Run | None:
    """The test split under the rule that the calibration split chooses; None if the recordings do not ship."""
    if not _ships(network):
        return None
    return replay(shipped(f"{network}-test"), choose(shipped(f"{network}-calibration"), policy, max_drop, mean_timesteps))


def _steps(network: str, choose: Choose = calibrate) -> Measure:
    """Mean timesteps of the entropy exit that gives up no accuracy on the calibration split."""
    def measure() -> Range | None:
        run = _exit_run(network, EntropyExit, choose, max_drop=0.0)
        return None if run is None else _one(run.mean_timesteps)
    return measure


def _edp_saved(network: str, choose: Choose = calibrate) -> Measure:
    """EDP saved by that exit against the static network, image by image, its check billed, in percent."""
    def measure() -> Range | None:
        run = _exit_run(network, EntropyExit, choose, max_drop=0.0)
        if run is None:
            return None
        step = timestep_cost(SHAPES[network](), dtsnn_2023)
        bill = inference_cost(run.t_hat, step, exit_check_cost(dtsnn_2023))
        return _one(100 * (1 - bill.edp_pj_ns.mean() / static_cost(run.timesteps, step).edp_pj_ns[0]))
    return measure


def _steps_in_hindsight(network: str, gamma: float) -> Measure:
    """Fewest mean timesteps at which the entropy exit is as accurate as all T, with the test labels in hand."""
    def measure() -> Range | None:
        if not _ships(network):
            return None
        seen = shipped(f"{network}-test")
        curve = trade_off(seen, EntropyExit, gamma)
        return _one(curve.mean_timesteps[curve.accuracy >= seen.accuracy[-1] - 1e-12].min())
    return measure


def exit_shares(recording: Recording, mean_timesteps: float, gamma: float) -> tuple[float, ...]:
    """Shares of images that leave at t = 1, ..., T, (T,), under the entropy exit with the largest mean that is at most this one.

    No label chooses anything here.
    """
    curve = trade_off(recording, EntropyExit, gamma)
    within = np.flatnonzero(curve.mean_timesteps <= mean_timesteps + 1e-12)
    run = replay(recording, EntropyExit(float(curve.thresholds[within[0]]), gamma))
    return tuple(float(share) for share in run.histogram / recording.images)


def _edp_by_arithmetic(network: str, mean_timesteps: float, gamma: float) -> Measure:
    """EDP saved on Fig. 1(B)'s line, which is VGG-16's, if images leave as those of this network do at this mean, in percent."""
    def measure() -> Range | None:
        if not _ships(network):
            return None
        shares = exit_shares(shipped(f"{network}-test"), mean_timesteps, gamma)
        return _one(100 * (1 - edp_ratio(shares, timestep_cost(vgg16(), dtsnn_2023))))
    return measure


def possible_edp(mean_timesteps: float, step: StepCost, timesteps: int = 4) -> Range:
    """Least and most EDP that any histogram of exit steps with this mean can save, in percent.

    min, max of  sum_t share_t E(t) D(t)   with   sum_t share_t = 1,  sum_t share_t t = mean,  share_t >= 0
    A linear programme with two equations: its extremes are histograms of two exit steps at most.
    """
    edp = [static_cost(t, step).edp_pj_ns[0] for t in range(1, timesteps + 1)]
    ratios = []
    for early, late in combinations(range(1, timesteps + 1), 2):
        if early <= mean_timesteps <= late:
            waits = (mean_timesteps - early) / (late - early)
            ratios.append(((1 - waits) * edp[early - 1] + waits * edp[late - 1]) / edp[-1])
    return 100 * (1 - max(ratios)), 100 * (1 - min(ratios))


def _possible(mean_timesteps: float) -> Callable[[], Range]:
    return lambda: possible_edp(mean_timesteps, timestep_cost(vgg16(), dtsnn_2023))


def edp_ratio(shares: tuple[float, ...], step: StepCost) -> float:
    """sum_t share_t E(t) D(t) / (E(T) D(T)): EDP image by image against all T timesteps."""
    edp = [static_cost(t, step).edp_pj_ns[0] for t in range(1, len(shares) + 1)]
    return float(np.dot(shares, edp) / edp[-1])


def _one(value: float) -> Range:
    return float(value), float(value)


def _spikesim_growth(what: str) -> Callable[[], Range]:
    """What a VGG-16 image costs at T = 8 over T = 1 on SpikeSim's price list."""
    def measure() -> Range:
        step = timestep_cost(vgg16(), spikesim_rram_64)
        eight, one = (getattr(static_cost(t, step), what)[0] for t in (8, 1))
        return _one(eight / one)
    return measure


def _spikesim_share(*parts: str) -> Callable[[], Range]:
    """Share of these parts in a VGG-16 timestep on SpikeSim's price list, in percent."""
    def measure() -> Range:
        step = timestep_cost(vgg16(), spikesim_rram_64)
        return _one(100 * sum(step.parts[part] for part in parts) / step.step_pj)
    return measure


OTHER_LIST = ("the same group's public price list has other constants; the affine preset takes this number as an input, "
              "so its agreement would prove nothing. Ours is a share of one timestep; the text that we could read does not say "
              "of how many timesteps the figure's is")
MEASURED = ("arithmetic: Fig. 1(B)'s energy line, which is VGG-16's, EDP image by image, and the exit steps of our own VGG-16 or "
            "ResNet-19 at the threshold where their mean is the published one; *possible at all* is what any histogram with that mean "
            "saves, and *power* the share of that interval that would have missed")
SHORT = ("the papers' network, trained in the minutes of a GPU; that it had fewer epochs than theirs, and images that went through JPEG, "
         "may be why, and is untested")
TRAINED = f"it is right less often than SEENN reports of such networks, and probably wins more by waiting: {SHORT}"
MOSTLY_TO_THE_END = f"{TRAINED}; of the images that stay, most stay to the end, since the score is the mean"


def _arithmetic_rows(network: str) -> tuple[Row, ...]:
    place, mean_timesteps, saved = HEADLINES[network]
    return tuple(Row("li2023dtsnn", place, f"EDP saved at {mean_timesteps} timesteps, by arithmetic, exits on {score}", _one(saved), "%", 2,
                     _edp_by_arithmetic(network, mean_timesteps, gamma), MEASURED, possible=_possible(mean_timesteps))
                 for gamma, score in enumerate(("the mean", "the sum")))


def _dtsnn_rows(name: str, where: str, mean_timesteps: float, saved: float, why: Mapping[str, str],
                of: Callable[[MeasureOf], Measure]) -> tuple[Row, ...]:
    """A headline of DT-SNN, asked of each score: timesteps, timesteps in hindsight, EDP saved.

    why  score -> the reason
    of   measures a network, or the range of several
    """
    steps, percent = _one(mean_timesteps), _one(saved)
    return (
        *(Row("li2023dtsnn", where, f"{name}, entropy exit on {score}, mean timesteps, nothing lost on calibration images",
              steps, "timesteps", 0.1, of(partial(_steps, choose=choose)), why[score]) for score, choose in SCORES.items()),
        *(Row("li2023dtsnn", where, f"{name}, entropy exit on {score}, mean timesteps at the accuracy of 4, in hindsight",
              steps, "timesteps", 0.1, of(partial(_steps_in_hindsight, gamma=gamma)), f"the test labels choose the threshold; {why[score]}")
          for gamma, score in enumerate(("the mean", "the sum"))),
        *(Row("li2023dtsnn", where, f"{name}, EDP saved by the exit on {score}, nothing lost on calibration images",
              percent, "%", 2, of(partial(_edp_saved, choose=choose)), why[score]) for score, choose in SCORES.items()),
    )


def _of(network: str) -> Callable[[MeasureOf], Measure]:
    return lambda measure_of: measure_of(network)


def _trained(more: str = "") -> dict[str, str]:
    """Why our copy of a paper's network waits, score by score."""
    return {score: (MOSTLY_TO_THE_END if score == "the mean" else TRAINED) + more for score in SCORES}


# Where DT-SNN prints its headlines, mean timesteps and EDP saved in percent.
HEADLINES = {"cifar10-vgg16": ("abstract", 1.46, 80.0), "cifar10-resnet19": ("introduction", 1.27, 84.0)}
DT_SNN = (
    *_dtsnn_rows("VGG-16", *HEADLINES["cifar10-vgg16"],
                 _trained("; the abstract names neither network nor data set, we take VGG-16 and CIFAR-10"), _of("cifar10-vgg16")),
    *_arithmetic_rows("cifar10-vgg16"),
    *_dtsnn_rows("ResNet-19", *HEADLINES["cifar10-resnet19"], _trained("; its EDP is on the line of Fig. 1(B), which is VGG-16's"),
                 _of("cifar10-resnet19")),
    *_arithmetic_rows("cifar10-resnet19"),
    Row("li2023dtsnn", "Fig. 1(A)", "VGG-16, share of digital peripherals", (45, 45), "%", 2,
        _spikesim_share("tile buffer", "temporary buffer", "memory fetch"), OTHER_LIST),
    Row("li2023dtsnn", "Fig. 1(A)", "VGG-16, share of crossbar and ADC", (25, 25), "%", 2,
        _spikesim_share("crossbar", "adc", "mux"), OTHER_LIST),
    Row("li2023dtsnn", "Fig. 1(A)", "VGG-16, share of interconnect and neurons", (30, 30), "%", 2,
        _spikesim_share("H-tree", "neuron"), OTHER_LIST),
    Row("li2023dtsnn", "Fig. 1(B)", "VGG-16, energy at T = 8 over T = 1", (4.9, 4.9), "", 0.1, _spikesim_growth("energy_pj"),
        "the same group's public price list has no fixed part, so that it must miss; the affine preset is derived from this number, "
        "so its agreement would prove nothing"),
    Row("li2023dtsnn", "Fig. 1(B)", "VGG-16, delay at T = 8 over T = 1", (8, 8), "", 0.1, _spikesim_growth("latency_ns"),
        "the same group's public price list, which knows nothing of the figure"),
)


# --- SEENN (li2023seenn) ----------------------------------------------------------------


def _confident(network: str, mean_timesteps: float, choose: Choose = calibrate) -> Measure:
    """Accuracy of the confidence exit allowed this many timesteps on average, in percent."""
    def measure() -> Range | None:
        run = _exit_run(network, ConfidenceExit, choose, mean_timesteps=mean_timesteps)
        return None if run is None else _one(100 * run.accuracy)
    return measure


def _percent_right(run: Run) -> float:
    return 100 * run.accuracy


def _steps_of_policy(run: Run) -> float:
    return run.mean_timesteps


def _policy_within(network: str, mean_timesteps: float, of: Callable[[Run], float] = _percent_right) -> Measure:
    """Of the learned policy that is the best on the calibration images with at most this many timesteps; its accuracy, in percent.

    The policy says how long each image waits, and the recording of the network what it is taken for then.
    """
    def measure() -> Range | None:
        if not (POLICIES / f"{network}-test.npz").exists():
            return None
        held_out, sweep = (shipped_sweeps(network, split)["exact"] for split in ("calibration", "test"))
        allowed = np.flatnonzero(held_out.mean_timesteps <= mean_timesteps)
        if not len(allowed):
            raise ValueError(f"no policy of {network} stays within {mean_timesteps} timesteps: the fewest are "
                             f"{held_out.mean_timesteps.min():.2f}")
        sent = sweep.t_hat[allowed[held_out.accuracy[allowed].argmax()]]
        return _one(of(run_of(sent, shipped(f"{network.removesuffix('-held-out')}-test"))))
    return measure


def _seenn1_rows(name: str, why: str, of: Callable[[MeasureOf], Measure]) -> tuple[Row, ...]:
    """SEENN-I's accuracies within the published mean timesteps on calibration images, on the mean and on the sum."""
    return tuple(Row("li2023seenn", QUOTED, f"{name}, confidence exit on {score}, accuracy within {steps:.2f} timesteps", _one(published),
                     "%", 0.5, of(partial(_confident, mean_timesteps=steps, choose=SCORES[score])), why, 10_000)
                 for steps, published in SEENN_I_POINTS for score in ("the mean", "the sum"))


def _seenn2_row(name: str, why: str, network: str) -> Row:
    steps, published = SEENN_II_POINT
    return Row("li2023seenn", "abstract", f"{name}, learned policy, accuracy within {steps:.2f} timesteps", _one(published), "%", 0.5,
               _policy_within(network, steps), why, 10_000)


def _seenn2_steps_row(name: str, why: str, network: str) -> Row:
    steps, _ = SEENN_II_POINT
    return Row("li2023seenn", "abstract", f"{name}, the same policy, mean timesteps", _one(steps), "timesteps", 0.05,
               _policy_within(network, steps, _steps_of_policy), why)


QUOTED = "as quoted in Table 4 of a later paper"
SEENN_I_POINTS = ((1.20, 96.38), (1.09, 96.07))        # mean timesteps, accuracy in percent
SEENN_II_POINT = (1.08, 96.1)
NO_ORACLE = "an oracle that stops it at its first right answer stays below the published accuracy"
NOT_AT_T = f"{NO_ORACLE}, {SHORT}; the quotation does not name the network, we ask both"
FEW_TO_LEARN_FROM = ("one seed, and a small policy that learned from recorded answers to 5,000 held-out photographs; the best one "
                     "within 1.08 timesteps on calibration images sends everybody to one step, one image of 5,000 ahead of one that waits")
TO_ONE_STEP = "another network than the abstract's ResNet-19, one seed, and a small policy that then sends everybody to one step"
SEENN_II = (
    _seenn2_row("ResNet-19", f"{FEW_TO_LEARN_FROM}; {NO_ORACLE}", "cifar10-resnet19-held-out"),
    _seenn2_steps_row("ResNet-19", FEW_TO_LEARN_FROM, "cifar10-resnet19-held-out"),
    _seenn2_row("VGG-16", f"{TO_ONE_STEP}; {NO_ORACLE}", "cifar10-vgg16"),
    _seenn2_steps_row("VGG-16", TO_ONE_STEP, "cifar10-vgg16"),
)
SEENN_I = (*_seenn1_rows("ResNet-19", NOT_AT_T, _of("cifar10-resnet19")), *_seenn1_rows("VGG-16", NOT_AT_T, _of("cifar10-vgg16")))
SEENN = (*SEENN_II, *SEENN_I)


# --- the same questions on CIFAR-10, asked of a network that trains on one core -----------------

def _both(measure_of: MeasureOf) -> Measure:
    """From the lower to the higher of the two seeds, each with its own calibration."""
    def measure() -> Range | None:
        found = [measure_of(network)() for network in CIFAR10_SEEDS]
        known = [one for one in found if one is not None]
        return (min(low for low, _ in known), max(high for _, high in known)) if len(known) == len(found) else None
    return measure


OTHER_NET = ("another network: seven convolutions instead of thirteen or more, fewer epochs, JPEG re-encoded images; "
             "ours is the range of two seeds")
CIFAR10 = (
    *_dtsnn_rows("small net", *HEADLINES["cifar10-vgg16"], dict.fromkeys(SCORES, OTHER_NET), _both),
    *_seenn1_rows("small net", OTHER_NET, _both),
    _seenn2_row("small net", TO_ONE_STEP, "cifar10-small"),
)


# --- ADC-less in-memory computing (apolinario2023adcless) ----------------------------------


def _pairs() -> list[tuple[Run65nm, Run65nm]]:
    """(5-bit HP-ADC with eight columns each, sense amplifiers) for each network and array that the program was run on."""
    flash = [run for run in RUNS if run.readout == HPADC(5)]
    less = {(run.network, run.array): run for run in RUNS if run.readout == SenseAmp() and run.mux == 1}
    return [(run, less[run.network, run.array]) for run in flash]


def _modelled(run: Run65nm) -> tuple[float, float]:
    """(energy in mJ, latency in ms) of that run on our price list."""
    bill = static_cost(run.timesteps, timestep_cost(run.shapes, run.chip, run.spike_rates()))
    return bill.energy_pj[0] * 1e-9, bill.latency_ns[0] * 1e-6


def _gain(which: int) -> Callable[[], Range]:
    """Smallest and largest gain of ADC-less over the pairs: energy (0) or latency (1)."""
    def measure() -> Range:
        gains = [_modelled(flash)[which] / _modelled(less)[which] for flash, less in _pairs()]
        return min(gains), max(gains)
    return measure


FITTED = ("our price list follows the authors' own program, so this shows that the program and the abstract agree; "
          "DVSNet and SNN-VGG16 only, no optical flow. Ours lies inside the range and reaches neither end")
ADC_LESS = (
    Row("apolinario2023adcless", "abstract", "energy of HP-ADC over ADC-less", (2, 7), "", 0, _gain(0), FITTED),
    Row("apolinario2023adcless", "abstract", "latency of HP-ADC over ADC-less", (8.9, 24.6), "", 0, _gain(1), FITTED),
)


# --- not papers: programs of their authors, which were run -----------------------------------


def _vgg9(what: str, scale: float) -> Callable[[], Range]:
    return lambda: _one(getattr(static_cost(5, timestep_cost(vgg9(), spikesim_rram_64)), what)[0] * scale)


def _ratio_rows() -> tuple[Row, ...]:
    """Energy and latency gains of each pair of runs, theirs against ours."""
    rows = []
    for flash, less in _pairs():
        name = f"{flash.network}, {flash.array} x {flash.array}"
        for which, (word, gain, slack) in enumerate((("energy", flash.energy_mj / less.energy_mj, 0.1),
                                                     ("latency", _latency_ms(flash) / _latency_ms(less), 0.1))):
            rows.append(Row("apolinario2022adclesscode", "output", f"{name}: {word}, HP-ADC over ADC-less", _one(gain), "",
                            float(f"{slack * gain:.2g}"), _pair_gain(flash, less, which),
                            "prices fitted to other runs of the program and to the areas of these; the share of cells that are on, one "
                            "number for all, to these"))
    return tuple(rows)


def _latency_ms(run: Run65nm) -> float:
    if run.latency_ms is None:
        raise ValueError(f"the program printed no latency of {run.name}")
    return run.latency_ms


def _pair_gain(flash: Run65nm, less: Run65nm, which: int) -> Callable[[], Range]:
    return lambda: _one(_modelled(flash)[which] / _modelled(less)[which])


PROGRAMS = (
    Row("moitra2022spikesimcode", "output", "VGG-9 on CIFAR-10, T = 5, energy", (15.907, 15.907), "uJ", 0.01, _vgg9("energy_pj", 1e-6),
        "the same constants and formula, written anew"),
    Row("moitra2022spikesimcode", "output", "VGG-9 on CIFAR-10, T = 5, delay", (62.83, 62.83), "ms", 0.01, _vgg9("latency_ns", 1e-6),
        "the same constants and formula, written anew"),
    *_ratio_rows(),
)


# --- the same questions on the data that ships ------------------------------------------------


def _digits(policy: type[ThresholdPolicy], what: str, scale: float) -> Callable[[], Range]:
    return lambda: _one(scale * getattr(_exit_run("digits", policy, max_drop=0.0), what))


OTHER_DATA = "handwritten digits are easier than CIFAR-10"
DIGITS = (
    Row("li2023dtsnn", "abstract, CIFAR-10", "digits, entropy exit on the mean, mean timesteps at the accuracy of 4",
        (1.46, 1.46), "timesteps", 0.1, _digits(EntropyExit, "mean_timesteps", 1), OTHER_DATA, alike=False),
    Row("li2023seenn", f"{QUOTED}, CIFAR-10", "digits, confidence exit on the mean, mean timesteps", (1.20, 1.20), "timesteps", 0.1,
        _digits(ConfidenceExit, "mean_timesteps", 1), OTHER_DATA, alike=False),
    Row("li2023seenn", f"{QUOTED}, CIFAR-10", "digits, confidence exit on the mean, accuracy", (96.38, 96.38), "%", 0.5,
        _digits(ConfidenceExit, "accuracy", 100), OTHER_DATA, 1_000, alike=False),
)


def compare(rows: Iterable[Row]) -> list[Comparison]:
    """Every row with our number in it."""
    return [row.compare() for row in rows]
