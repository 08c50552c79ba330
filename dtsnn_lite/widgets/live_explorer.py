"""The live explorer: the digits network itself, one timestep after the other, on a digit that a reader writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost, static_cost
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets.exit_explorer import chip_bill, on_grid
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.folded import FoldedNet, folded
from dtsnn_lite.widgets.named_prices import lines_of
from dtsnn_lite.widgets.quantities import quantity, ratio

NETWORK = "digits"
GAMMAS = ("0", "1")             # of the mean of the logits, of their sum
OWN = "own"                     # the digit that the reader writes


@dataclass(frozen=True, eq=False)
class Given:
    """Digits to begin with: images uint8 (M, H, W), labels (M,), and their numbers in the set that they come from."""

    images: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 3 or not len(self.images) == len(self.labels) == len(self.numbers) > 0:
            raise ValueError(f"images is uint8 (M, H, W), with a label and a number each; got {self.images.dtype} {self.images.shape}, "
                             f"{len(self.labels)} labels and {len(self.numbers)} numbers")


def one_of_each(recording: Recording, images: np.ndarray, theta: float) -> Given:
    """A digit of each class, some easy and some hard: class k leaves at step 1 + k mod T, or as near to it as one does.

    Of those alike, a right answer before a wrong one, and then the first. So hard digits are far more frequent here than in the set.
    """
    run, T = replay(recording, EntropyExit(theta)), recording.timesteps
    numbers = []
    for k in np.unique(recording.labels):
        of_class = np.flatnonzero(recording.labels == k)
        off = np.abs(run.t_hat[of_class] - (1 + k % T))
        numbers.append(of_class[np.lexsort((~run.correct[of_class], off))[0]])
    chosen = np.array(numbers)
    return Given(images[chosen], recording.labels[chosen], chosen)


def live_rows(f: np.ndarray, theta: float, gamma: float, step: StepCost, check: ExitCheckCost) -> list[list[str]]:
    """The explorer's table of one image's f_t (T, K): [name, stops when sure, always T, ratio]."""
    T = len(f)
    run = replay(Recording(f[:, None], np.zeros(1, dtype=int), np.zeros((T, 1))), EntropyExit(theta, gamma))
    t_hat, bill, still = int(run.t_hat[0]), inference_cost(run.t_hat, step, check), static_cost(T, step)
    costs = [("energy", bill.energy_pj, still.energy_pj, "pJ"), ("delay", bill.latency_ns, still.latency_ns, "ns"),
             ("EDP", bill.edp_pj_ns, still.edp_pj_ns, "pJ ns")]
    return [["answer", str(run.predictions[0]), str(f[-1].argmax()), ""],
            ["timesteps", str(t_hat), str(T), ratio(t_hat / T)],
            *([name, quantity(float(now[0]), unit, float(then[0])), quantity(float(then[0]), unit), ratio(float(now[0]) / float(then[0]))]
              for name, now, then, unit in costs)]


def pack(net: FoldedNet, given: Given, cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]], timesteps: int) -> tuple[dict, bytes]:
    """The two traits of the explorer, `data` and `bytes`: float16 weights, then the given digits."""
    raw = b""

    def put(array: np.ndarray) -> list[int]:
        nonlocal raw
        start, raw = len(raw), raw + np.ascontiguousarray(array).tobytes()
        return [start, len(raw) - start]

    layers = [{"inputs": kernel.shape[0], "outputs": kernel.shape[3], "side": net.side >> n, "weights": put(kernel), "bias": put(bias)}
              for n, (kernel, bias) in enumerate(zip(net.kernels, net.biases, strict=True))]
    data = {"network": {"layers": layers, "head": {"weights": put(net.head), "bias": put(net.head_bias)},
                        "beta": net.beta, "v_th": net.v_th, "timesteps": timesteps},
            "given": {"pixels": put(given.images), "labels": given.labels.tolist(), "numbers": given.numbers.tolist()},
            "chips": [{**chip_bill(name, *costs, timesteps), "python": asdict(lines_of(NETWORK, *costs, hardware=name))}
                      for name, costs in cost_models.items()]}
    return data, raw


class LiveExplorer(Explorer):
    """The digits network in the page: write a digit, or take a given one, and watch it stop.

    LiveExplorer(one_of_each(recording, images, theta), {"chip": (step, check)})
    digit    which of the given ones, "0" to "9"; "own" is what the reader writes
    theta    the bar: leave when the entropy is below it
    gamma    "0": of the mean of the logits, "1": of their sum
    further  whether the timesteps after the exit are shown, too
    turn, right, down, dim   what is done to the digit: degrees, pixels, pixels, a share of its ink
    chip     a key of cost_models
    plays    whether it plays once by itself, as soon as it is seen
    """

    _esm = module("live_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    plays = traitlets.Bool(False).tag(sync=True)
    digit = traitlets.Unicode("0").tag(sync=True)
    theta = traitlets.Float(0.2).tag(sync=True)
    gamma = traitlets.Unicode("0").tag(sync=True)
    further = traitlets.Bool(False).tag(sync=True)
    turn = traitlets.Float(0.0).tag(sync=True)
    right = traitlets.Float(0.0).tag(sync=True)
    down = traitlets.Float(0.0).tag(sync=True)
    dim = traitlets.Float(0.0).tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)

    def __init__(self, given: Given, cost_models: Mapping[str, tuple[StepCost, ExitCheckCost]], *, theta: float = 0.2,
                 timesteps: int = 4, heading: str = "The network, live", hash_key: str = "live", **state: object) -> None:
        if not cost_models:
            raise ValueError("cost_models is empty: name at least one hardware with its (StepCost, ExitCheckCost)")
        data, raw = pack(folded(NETWORK), given, cost_models, timesteps)
        super().__init__(data=data, bytes=raw, theta=on_grid(theta), heading=heading, hash_key=hash_key,
                         **{"chip": next(iter(cost_models)), **state})
        checked_choice("digit", self.digit, (*map(str, range(len(given.labels))), OWN))
        checked_choice("gamma", self.gamma, GAMMAS)
        checked_choice("chip", self.chip, tuple(cost_models))
