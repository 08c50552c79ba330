"""A league of read-outs: one spiking network trained for each, that stops when it is sure; accuracy against EDP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import LogLocator, NullLocator

from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.chip import HPADC, Chip, Readout, SenseAmp, Ternary, hp_adc_65nm
from dtsnn_lite.cost import exit_check_cost, inference_cost, timestep_cost
from dtsnn_lite.data import Splits
from dtsnn_lite.drift import HARD, hard_digits
from dtsnn_lite.exits import EntropyExit, ThresholdPolicy, calibrate, replay, trade_off
from dtsnn_lite.figures import COLOURS, MARKERS, legend_below
from dtsnn_lite.files import ASSETS, whole_file
from dtsnn_lite.models import SpikingNet, layer_shapes
from dtsnn_lite.proofs.cards import keep_recordings, versions
from dtsnn_lite.proofs.stages import TIMESTEPS, Stage, run_stage
from dtsnn_lite.readouts import ColumnSteps, Stochastic
from dtsnn_lite.recording import Recording
from dtsnn_lite.training import TrainConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENTRANTS: dict[str, Readout] = {
    "sign": SenseAmp(), "ternary": Ternary(), "stochastic": Stochastic(), "column-steps": ColumnSteps(2),
    "adc3": HPADC(3), "adc4": HPADC(4), "adc5": HPADC(5), "adc6": HPADC(6)}
REFERENCE = "adc5"
TRAINING = TrainConfig(phases=((1, 6), (4, 4)), lr=0.1, warmup=0.5, augment=HARD)
MAX_DROP = 0.005         # a free entrant may lose so much of its own accuracy; an iso one of the reference's
PJ_NS = 1e9              # pJ ns of one uJ us, in which the figure counts
ROUNDING = 1e-9          # means of accuracies closer than this are equal


@dataclass(frozen=True)
class Result:
    """One entrant from one seed: its accuracy with all timesteps, and what it reaches when it stops on its own terms or on the reference's.

    A pair is (accuracy, mean timesteps, EDP in pJ ns), on test images; iso is None where the calibration images never saw that accuracy.
    """

    entrant: str
    seed: int
    static: tuple[float, float, float]
    free: tuple[float, float, float]
    iso: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Place:
    """Where one entrant ends: its seeds' mean (accuracy, mean timesteps, EDP in pJ ns), as in `Result`.

    iso     None where the calibration images of some seed never saw the reference's accuracy
    behind  the entrants that are, stopping on their own terms, as accurate at least and as cheap at least, and in one of them better
    """

    entrant: str
    seeds: int
    static: tuple[float, float, float]
    free: tuple[float, float, float]
    iso: tuple[float, float, float] | None
    behind: tuple[str, ...]


def chip_for(readout: Readout) -> Chip:
    """The 65 nm chip with this read-out: converters shared by eight columns, comparators by none; neurons and scale factors billed.

    As built, its sums finished at each timestep: who merges them once a run has nothing to decide on before its end.
    """
    mux = hp_adc_65nm.mux if isinstance(readout, HPADC) else 1
    return replace(hp_adc_65nm, name=readout.name, readout=readout, mux=mux, first_readout=HPADC(5),
                   as_printed=False, neurons=True, scales=True)


def play(folder: Path, entrants: Iterable[str] = tuple(ENTRANTS), seeds: Iterable[int] = (0, 1, 2), net: SpikingNet | None = None,
         splits: Splits | None = None, training: TrainConfig = TRAINING, timesteps: int = TIMESTEPS) -> list[Result]:
    """Train each entrant from the digital network, record it and bill it; what stands in `folder` is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    net, splits, made_with = net or load_shipped("digits-hard"), splits or hard_digits(), versions()
    seen: dict[tuple[str, int], dict[str, Recording]] = {}
    for seed in seeds:
        for name in entrants:
            stem = folder / f"league-{name}-seed{seed}"
            files = {split: stem.with_name(f"{stem.name}-{split}.npz") for split in ("calibration", "test")}
            if not all(path.exists() for path in files.values()):
                stage = Stage(chip_for(ENTRANTS[name]), "full", training)
                trained, seconds = run_stage(stage, net, splits, seed, timesteps=timesteps, checkpoint=stem.with_suffix(".training"))
                about = {"network": f"league-{name}", "seed": seed, "phases": training.phases, "seconds": round(seconds, 1),
                         "versions": made_with}
                torch.manual_seed(seed)                          # of coins, where a read-out tosses them
                keep_recordings(trained, splits, timesteps, about, stem, halved=False)
            seen[name, seed] = {split: Recording.load(path) for split, path in files.items()}
    return results(seen, net)


def results(seen: Mapping[tuple[str, int], Mapping[str, Recording]], net: SpikingNet) -> list[Result]:
    """Every entrant's result; iso against the reference of the same seed, where it played."""
    found = []
    for (name, seed), own in seen.items():
        chip = chip_for(ENTRANTS[name])
        still = _billed(own["test"], np.full(own["test"].images, own["test"].timesteps), chip, net)
        free = _stopping(own, calibrate(own["calibration"], EntropyExit, max_drop=MAX_DROP), chip, net)
        reference = seen.get((REFERENCE, seed))
        rule = cheapest(own["calibration"], reference["calibration"].accuracy[-1] - MAX_DROP) if reference else None
        found.append(Result(name, seed, still, free, _stopping(own, rule, chip, net) if rule else None))
    return found


def cheapest(calibration: Recording, accuracy: float) -> EntropyExit | None:
    """The exit that needs the fewest timesteps among those that are as accurate on calibration images; None without one."""
    curve = trade_off(calibration, EntropyExit)
    able = np.flatnonzero(curve.accuracy >= accuracy - 1e-12)
    return EntropyExit(float(curve.thresholds[able[curve.mean_timesteps[able].argmin()]])) if len(able) else None


def _stopping(own: Mapping[str, Recording], rule: ThresholdPolicy, chip: Chip, net: SpikingNet) -> tuple[float, float, float]:
    run = replay(own["test"], rule)
    step = timestep_cost(layer_shapes(net), chip, own["test"].reads)
    return run.accuracy, run.mean_timesteps, float(inference_cost(run.t_hat, step, exit_check_cost(chip)).edp_pj_ns.mean())


def _billed(seen: Recording, t_hat: np.ndarray, chip: Chip, net: SpikingNet) -> tuple[float, float, float]:
    step = timestep_cost(layer_shapes(net), chip, seen.reads)
    return float(seen.accuracy[-1]), float(t_hat.mean()), float(inference_cost(t_hat, step).edp_pj_ns.mean())


def played() -> list[Result]:
    """The results that come with the package (`python -m dtsnn_lite league`)."""
    return loaded(ASSETS / "league.json")


def loaded(path: Path) -> list[Result]:
    """What `keep` wrote."""
    return [Result(each["entrant"], each["seed"], tuple(each["static"]), tuple(each["free"]), tuple(each["iso"]) if each["iso"] else None)
            for each in json.loads(path.read_text())]


def placed(found: Iterable[Result]) -> list[Place]:
    """Every entrant's place, in the order of their results."""
    own: dict[str, list[Result]] = {}
    for result in found:
        own.setdefault(result.entrant, []).append(result)
    free = {name: _mean(result.free for result in results) for name, results in own.items()}
    behind = {name: tuple(other for other in free if _ahead(free[other], free[name])) for name in free}
    return [Place(name, len(results), _mean(result.static for result in results), free[name],
                  _mean_if_all(result.iso for result in results), behind[name]) for name, results in own.items()]


def _mean(triples: Iterable[tuple[float, float, float]]) -> tuple[float, float, float]:
    accuracy, timesteps, edp = np.mean(list(triples), axis=0)
    return float(accuracy), float(timesteps), float(edp)


def _mean_if_all(triples: Iterable[tuple[float, float, float] | None]) -> tuple[float, float, float] | None:
    there = list(triples)
    able = [triple for triple in there if triple]
    return _mean(able) if len(able) == len(there) else None


def _ahead(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    more, less = one[0] - other[0], other[2] - one[2]
    return more > -ROUNDING and less >= 0 and (more > ROUNDING or less > 0)


def keep(found: list[Result], folder: Path) -> None:
    """league.json, and league.svg: accuracy against EDP."""
    with whole_file(folder / "league.json") as part:
        part.write_text(json.dumps([asdict(result) for result in found], indent=1) + "\n")
    figure = plt.figure(figsize=(6.5, 4.0), layout="constrained", facecolor="white")
    draw(figure.add_subplot(), found)
    figure.savefig(folder / "league.svg")
    plt.close(figure)


def draw(ax: Axes, found: list[Result]) -> None:
    """Accuracy against EDP, an entrant a colour and a mark, its seeds apart; hollow where nobody stops early."""
    for k, name in enumerate(dict.fromkeys(result.entrant for result in found)):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        own = [result for result in found if result.entrant == name]
        for pick, face in ((attrgetter("free"), colour), (attrgetter("static"), "none")):
            ax.scatter([pick(r)[2] / PJ_NS for r in own], [100 * pick(r)[0] for r in own], facecolors=face, edgecolors=colour,
                       marker=marker, label=name if face == colour else None)
    ax.set(xscale="log", ylabel="test images right (%)", xlabel="EDP (\u00b5J \u00b5s); hollow: always all timesteps")
    ax.set_title("A league of read-outs", loc="left")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    legend_below(ax, columns=3)
