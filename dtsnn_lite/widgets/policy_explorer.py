"""The policy explorer: what a price of errors makes a learned policy do, against thresholds, its own look billed."""

from __future__ import annotations

from collections.abc import Mapping
import numpy as np
import traitlets

from dtsnn_lite.calibration import THRESHOLD_RULES
from dtsnn_lite.cost import Bill, ExitCheckCost, StepCost, inference_cost
from dtsnn_lite.exits import Run, first_right, replay, right_from_then_on, run_of, trade_off
from dtsnn_lite.recording import Recording
from dtsnn_lite.reinforce import PolicySweep
from dtsnn_lite.widgets.exit_explorer import thin_curve
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.named_prices import recorded_lines
from dtsnn_lite.widgets.quantities import ticks

Prices = tuple[StepCost, StepCost, ExitCheckCost]      # a timestep of the network, a look of the policy, an exit check
KEPT_IMAGES = 96


# --- what the page needs ----------------------------------------------------------------

def summary(run: Run) -> dict:
    """Images a step, and right answers."""
    return {"counts": run.histogram.tolist(), "right": int(run.correct.sum())}


def rival_of(recording: Recording, rule: str, accuracy: float) -> dict:
    """The fastest threshold of a rule that is at least this accurate; where there is none, the most accurate."""
    policy, gamma = THRESHOLD_RULES[rule].policy, THRESHOLD_RULES[rule].gamma
    curve = trade_off(recording, policy, gamma)
    wanted = min(accuracy, float(curve.accuracy.max()))
    best = np.flatnonzero(curve.accuracy >= wanted - 1e-9)[-1]
    threshold = float(curve.thresholds[best])
    return {**summary(replay(recording, policy(threshold, gamma))), "threshold": threshold, "policy": policy.__name__,
            "gamma": gamma, "as_good": bool(wanted == accuracy)}


def billed_by_step(bill: Bill) -> dict:
    return {"energy_pj": bill.energy_pj.tolist(), "latency_ns": bill.latency_ns.tolist(), "edp_pj_ns": bill.edp_pj_ns.tolist()}


def chip_prices(name: str, prices: Prices, timesteps: int) -> dict:
    """What 1, ..., T steps cost: with a look before them, without, and with an exit check at each."""
    step, look, check = prices
    t = np.arange(1, timesteps + 1)
    free = inference_cost(t, step)
    looked = Bill(free.energy_pj + look.fixed_pj + look.step_pj, free.latency_ns + look.fixed_ns + look.step_ns)
    return {"name": name, "free": billed_by_step(free), "looked": billed_by_step(looked),
            "checked": billed_by_step(inference_cost(t, step, check))}


def choose_shown(sweeps: Mapping[str, PolicySweep], count: int = KEPT_IMAGES) -> np.ndarray:
    """Images worth showing: half of those that some policy sends on, and a spread of the others."""
    sent = next(iter(sweeps.values())).t_hat.max(axis=0)
    mean = next(iter(sweeps.values())).t_hat.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    often, rest = order[: count // 2], order[count // 2:]
    spread = rest[np.linspace(0, len(rest) - 1, min(count - count // 2, len(rest))).round().astype(int)]
    return np.unique(np.concatenate([often, spread])) if sent.max() > 1 else np.arange(min(count, len(sent)))


def pack(recording: Recording, sweeps: Mapping[str, PolicySweep], cost_models: Mapping[str, Prices],
         images: np.ndarray | None, code: Mapping) -> tuple[dict, bytes]:
    """The two traits of the explorer, `data` and `bytes`."""
    index = choose_shown(sweeps) if images is not None else np.array([], dtype=int)
    curves = {name: thin_curve(recording, rule.policy, rule.gamma) for name, rule in THRESHOLD_RULES.items()}
    oracles = [{"name": name, "dy": dy, **summary(run_of(t_hat, recording))} for name, dy, t_hat in
               (("first right", -9, first_right(recording)), ("right from then on", -37, right_from_then_on(recording)))]
    methods = {name: [_policy(recording, sweep, k, index) for k in range(len(sweep.prices))] for name, sweep in sweeps.items()}
    data = {"images": recording.images, "timesteps": recording.timesteps, "steps": list(range(1, recording.timesteps + 1)),
            "caption": f"{recording.images:,} images, at most {recording.timesteps} timesteps. "
                       "Means over images; EDP is the mean of E\u00d7D.",
            "methods": methods, "curves": curves, "oracles": oracles, "axes": _axes(recording, methods, curves, oracles),
            "chips": [{**chip_prices(name, prices, recording.timesteps),
                       "python": recorded_lines(recording, name, step=prices[0], look=prices[1], check=prices[2])}
                      for name, prices in cost_models.items()],
            "highest": int(max(sweep.prices.max() for sweep in sweeps.values())), "python": dict(code), "pictures": None}
    if images is None:
        return data, b""
    kept = np.ascontiguousarray(images[index])
    data["pictures"] = {"height": kept.shape[1], "width": kept.shape[2], "label": recording.labels[index].tolist()}
    return data, kept.tobytes()


def _policy(recording: Recording, sweep: PolicySweep, k: int, index: np.ndarray) -> dict:
    counts = np.bincount(sweep.t_hat[k], minlength=recording.timesteps + 1)[1:].tolist()
    return {"beta": float(sweep.prices[k]), "counts": counts, "right": int(sweep.correct[k].sum()),
            "shown": sweep.t_hat[k][index].tolist(),
            "rivals": {rule: rival_of(recording, rule, float(sweep.accuracy[k])) for rule in THRESHOLD_RULES}}


def _axes(recording: Recording, methods: Mapping, curves: Mapping, oracles: list[dict]) -> dict:
    right = [each["right"] for policies in methods.values() for each in policies] + [each["right"] for each in oracles]
    right += [right for curve in curves.values() for _, right in curve]
    return {"x": list(range(1, max(recording.timesteps, 2) + 1)),
            "y": ticks(100 * min(right) / recording.images, 100 * max(right) / recording.images, 6)}


# --- the widget -------------------------------------------------------------------------------

class PolicyExplorer(Explorer):
    """A slider for the price of errors over trained policies, against thresholds of equal accuracy.

    PolicyExplorer(recording, sweeps, {"chip": (step, look, check)}, images=test_images)
    beta     the price; the policy trained at the nearest price is shown
    method   a key of sweeps: how the policies were trained
    rival    a key of THRESHOLD_RULES: entropy, confidence or margin, of the mean of logits or of the sum
    look     whether the policy's own look is in its bill
    chip     a key of cost_models
    """

    _esm = module("policy_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    beta = traitlets.Float(12.0).tag(sync=True)
    method = traitlets.Unicode("").tag(sync=True)
    rival = traitlets.Unicode("confidence").tag(sync=True)
    look = traitlets.Bool(True).tag(sync=True)
    chip = traitlets.Unicode("").tag(sync=True)

    def __init__(self, recording: Recording, sweeps: Mapping[str, PolicySweep], cost_models: Mapping[str, Prices],
                 images: np.ndarray | None = None, *, beta: float = 12, method: str | None = None, rival: str = "confidence",
                 look: bool = True, chip: str | None = None, heading: str = "Policy explorer", hash_key: str = "policy",
                 code: Mapping | None = None) -> None:
        _check(recording, sweeps, cost_models, images)
        method = checked_choice("method", method or next(iter(sweeps)), tuple(sweeps))
        chip = checked_choice("chip", chip or next(iter(cost_models)), tuple(cost_models))
        checked_choice("rival", rival, tuple(THRESHOLD_RULES))
        data, raw = pack(recording, sweeps, cost_models, images, code or DIGITS_CODE)
        if not 1 <= beta <= data["highest"]:
            raise ValueError(f"beta lies in [1, {data['highest']}], the prices that were trained; got {beta!r}")
        beta = float(round(beta))
        super().__init__(data=data, bytes=raw, beta=beta, method=method, rival=rival, look=look, chip=chip, heading=heading,
                         hash_key=hash_key)


DIGITS_CODE = {"recording": 'shipped("digits-hard-test")', "sweeps": 'shipped_sweeps("digits-hard")',
               "imports": ["from dtsnn_lite.recording import shipped", "from dtsnn_lite.reinforce import shipped_sweeps"]}


def _check(recording: Recording, sweeps: Mapping, cost_models: Mapping, images: np.ndarray | None) -> None:
    if not sweeps or not cost_models:
        raise ValueError("pass at least one PolicySweep and one hardware with its (step, look, check) costs")
    for name, sweep in sweeps.items():
        if sweep.timesteps != recording.timesteps or sweep.t_hat.shape[1] != recording.images:
            raise ValueError(f"the policies {name!r} chose among T = {sweep.timesteps} for {sweep.t_hat.shape[1]} images; the recording "
                             f"has T = {recording.timesteps} and {recording.images} images: take the recording they were run on")
    if images is not None and (images.dtype != np.uint8 or images.shape[0] != recording.images or images.ndim != 3):
        raise ValueError(f"images is uint8 (N, H, W), one an image of the recording; got {images.dtype} {images.shape}")
