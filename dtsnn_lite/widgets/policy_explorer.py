"""The policy explorer: what a price of errors makes a learned policy do, against thresholds, its own look billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import log

import numpy as np
import traitlets

from dtsnn_lite.calibration import THRESHOLD_RULES, summed
from dtsnn_lite.cost import Bill, ExitCheckCost, StepCost, inference_cost
from dtsnn_lite.exits import Run, first_right, replay, right_from_then_on, run_of, trade_off
from dtsnn_lite.recording import Recording
from dtsnn_lite.reinforce import PolicySweep
from dtsnn_lite.widgets.drawing import Axis, Plot, bar, change, dot, line, note, number_table, picture, quantity, ratio, signed, tag, ticks
from dtsnn_lite.widgets.exit_explorer import SHOWN, thin_curve
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module, panels, static_view

Prices = tuple[StepCost, StepCost, ExitCheckCost]      # a timestep of the network, a look of the policy, an exit check
KEPT_IMAGES = 96


# --- what the page needs ----------------------------------------------------------------

def summary(run: Run) -> dict:
    """Images a step, and right answers."""
    return {"counts": run.histogram.tolist(), "right": int(run.correct.sum())}


def rival_of(recording: Recording, rule: str, accuracy: float) -> dict:
    """The fastest threshold of a rule that is at least this accurate; where there is none, the most accurate."""
    reads, policy = THRESHOLD_RULES[rule].reads, THRESHOLD_RULES[rule].policy
    scored = reads(recording)
    curve = trade_off(scored, policy)
    wanted = min(accuracy, float(curve.accuracy.max()))
    best = np.flatnonzero(curve.accuracy >= wanted - 1e-9)[-1]
    threshold = float(curve.thresholds[best])
    return {**summary(replay(scored, policy(threshold))), "threshold": threshold, "policy": policy.__name__, "summed": reads is summed,
            "as_good": bool(wanted == accuracy)}


def billed_by_step(bill: Bill) -> dict:
    return {"energy_pj": bill.energy_pj.tolist(), "latency_ns": bill.latency_ns.tolist(), "edp_pj_ns": bill.edp_pj_ns.tolist()}


def chip_prices(name: str, prices: Prices, timesteps: int) -> dict:
    """What 1, ..., T steps cost: with a look before them, without, and with an exit check at each."""
    step, look, check = prices
    t = np.arange(1, timesteps + 1)
    free = inference_cost(t, step)
    looked = Bill(free.energy_pj + look.fixed_pj + look.step_pj, free.latency_ns + look.fixed_ns + look.step_ns)
    plain = [{key: float(value) for key, value in asdict(price).items() if key != "parts"} for price in prices]
    return {"name": name, "free": billed_by_step(free), "looked": billed_by_step(looked),
            "checked": billed_by_step(inference_cost(t, step, check)), "prices": dict(zip(("step", "look", "check"), plain))}


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
    curves = {name: thin_curve(rule.reads(recording), rule.policy) for name, rule in THRESHOLD_RULES.items()}
    oracles = [{"name": name, "dy": dy, **summary(run_of(t_hat, recording))} for name, dy, t_hat in
               (("first right", -9, first_right(recording)), ("right from then on", -37, right_from_then_on(recording)))]
    methods = {name: [_policy(recording, sweep, k, index) for k in range(len(sweep.betas))] for name, sweep in sweeps.items()}
    data = {"images": recording.images, "timesteps": recording.timesteps, "steps": list(range(1, recording.timesteps + 1)),
            "caption": f"{recording.images:,} images, at most {recording.timesteps} timesteps. Means over images; EDP is the mean of E\u00d7D.",
            "methods": methods, "curves": curves, "oracles": oracles, "axes": _axes(recording, methods, curves, oracles),
            "chips": [chip_prices(name, prices, recording.timesteps) for name, prices in cost_models.items()],
            "highest": int(max(sweep.betas.max() for sweep in sweeps.values())), "python": dict(code), "pictures": None}
    if images is None:
        return data, b""
    kept = np.ascontiguousarray(images[index])
    data["pictures"] = {"height": kept.shape[1], "width": kept.shape[2], "label": recording.labels[index].tolist()}
    return data, kept.tobytes()


def _policy(recording: Recording, sweep: PolicySweep, k: int, index: np.ndarray) -> dict:
    counts = np.bincount(sweep.t_hat[k], minlength=recording.timesteps + 1)[1:].tolist()
    return {"beta": float(sweep.betas[k]), "counts": counts, "right": int(sweep.correct[k].sum()),
            "shown": sweep.t_hat[k][index].tolist(),
            "rivals": {rule: rival_of(recording, rule, float(sweep.accuracy[k])) for rule in THRESHOLD_RULES}}


def _axes(recording: Recording, methods: Mapping, curves: Mapping, oracles: list[dict]) -> dict:
    right = [each["right"] for policies in methods.values() for each in policies] + [each["right"] for each in oracles]
    right += [right for curve in curves.values() for _, right in curve]
    return {"x": list(range(1, max(recording.timesteps, 2) + 1)),
            "y": ticks(100 * min(right) / recording.images, 100 * max(right) / recording.images, 6)}


# --- the same numbers in Python -----------------------------------------------------------

def mean_over(counts: list[int], each: list[float], images: int) -> float:
    """sum_t counts_t each_t / images, added in the order of t as the page adds."""
    total = 0.0
    for count, value in zip(counts, each):
        total += count * value
    return total / images


def billed(stops: Mapping, bill: Mapping, images: int) -> dict:
    """Accuracy, timesteps, energy, delay and EDP of images that stop as `stops` says."""
    steps = range(1, len(stops["counts"]) + 1)
    return {"accuracy": stops["right"] / images, "timesteps": mean_over(stops["counts"], list(steps), images),
            **{part: mean_over(stops["counts"], bill[part], images) for part in ("energy_pj", "latency_ns", "edp_pj_ns")}}


def nearest(policies: list[dict], beta: float) -> dict:
    """The trained policy whose price is nearest, as prices are compared: by their ratio."""
    return min(policies, key=lambda policy: abs(log(policy["beta"] / beta)))


def policy_numbers(data: Mapping, beta: float, method: str, rival: str, chip: str, look: bool) -> tuple[dict, dict, dict, dict]:
    """The policy, the rule it is compared with, and the numbers of both."""
    policy = nearest(data["methods"][method], beta)
    prices = next(each for each in data["chips"] if each["name"] == chip)
    rule = policy["rivals"][rival]
    return (policy, rule, billed(policy, prices["looked" if look else "free"], data["images"]),
            billed(rule, prices["checked"], data["images"]))


def policy_rows(ours: Mapping, theirs: Mapping) -> list[list[str]]:
    """The explorer's table: [name, policy, threshold, ratio]."""
    costs = (("energy", "energy_pj", "pJ"), ("delay", "latency_ns", "ns"), ("EDP", "edp_pj_ns", "pJ ns"))
    return [["accuracy", f"{100 * ours['accuracy']:.1f} %", f"{100 * theirs['accuracy']:.1f} %", f"{signed(100 * (ours['accuracy'] - theirs['accuracy']), 1)} pt"],
            ["timesteps", f"{ours['timesteps']:.3f}", f"{theirs['timesteps']:.3f}", ratio(ours["timesteps"] / theirs["timesteps"])],
            *([name, quantity(ours[part], unit, theirs[part]), quantity(theirs[part], unit), ratio(ours[part] / theirs[part])]
              for name, part, unit in costs)]


# --- the view without a script --------------------------------------------------------------

def _sentence(policy: Mapping, rule: Mapping, ours: Mapping, theirs: Mapping, rival: str, look: bool) -> str:
    against = f"the threshold on {rival} of equal accuracy" if rule["as_good"] else f"the most accurate threshold on {rival}"
    return (f"The policy trained at a price of {policy['beta']:g} answers {100 * ours['accuracy']:.1f} % right in {ours['timesteps']:.2f} "
            f"timesteps, with {change(ours['energy_pj'] / theirs['energy_pj'])} energy than {against}, its look "
            f"{'billed' if look else 'left out'}.")


def plane_picture(data: Mapping, method: str, rival: str, policy: Mapping, ours: Mapping, theirs: Mapping) -> str:
    """All policies of one training, the curve of the rule, the oracles, and the two points compared."""
    x, y, images = data["axes"]["x"], data["axes"]["y"], data["images"]
    label = (f"The policy stands at {ours['timesteps']:.2f} timesteps and {100 * ours['accuracy']:.1f} percent, the threshold on {rival} "
             f"at {theirs['timesteps']:.2f} and {100 * theirs['accuracy']:.1f} percent.")
    plot = Plot("Accuracy against mean timesteps", label, Axis(x[0], x[-1], x, "mean timesteps"), Axis(y[0], y[-1], y, "images right (%)"))

    def at(stops: Mapping) -> tuple[float, float]:
        return mean_over(stops["counts"], data["steps"], images), 100 * stops["right"] / images
    policies = [at(each) for each in data["methods"][method]]
    oracles = [(each, at(each)) for each in data["oracles"]]
    rule = theirs["timesteps"], 100 * theirs["accuracy"]
    named = [mark for oracle, each in oracles for mark in (_leader(plot, each, oracle["dy"]), note(plot, *each, oracle["name"], dx=-2, dy=oracle["dy"], class_="note other"))]
    return plot.svg([line(plot, [(steps / images, 100 * right / images) for steps, right in data["curves"][rival]]),
                     line(plot, policies, "line third"), *(dot(plot, *each, "dot third", 3) for each in policies),
                     *(dot(plot, *each, "dot other", 3.5) for _, each in oracles)],
                    [*named, dot(plot, *rule),
                     dot(plot, *at(policy), "dot now"), note(plot, *rule, rival, dx=4, dy=18, class_="note accent"),
                     note(plot, *at(policy), "policy", dx=8, dy=-9, class_="note now")])


def _leader(plot: Plot, at: tuple[float, float], dy: float) -> str:
    """A line from a dot to its name, `dy` above it."""
    x, y = plot.to_x(at[0]), plot.to_y(at[1])
    return tag("line", class_="base", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=f"{y - 5:.1f}", y2=f"{y + dy + 3:.1f}")


def stops_picture(data: Mapping, policy: Mapping, rule: Mapping) -> str:
    """Where policy and threshold let the images stop, side by side."""
    words = [", ".join(f"{count} at {t}" for t, count in enumerate(each["counts"], 1)) for each in (policy, rule)]
    T, images = data["timesteps"], data["images"]
    plot = Plot("Steps that the images get", f"Policy: {words[0]}. Threshold: {words[1]}.",
                Axis(0.5, T + 0.5, data["steps"], "timesteps; left bar policy, right bar threshold"),
                Axis(0, 112, (0, 25, 50, 75, 100), "images (%)"))
    marks = []
    for i, (mine, other) in enumerate(zip(policy["counts"], rule["counts"])):
        a, b = 100 * mine / images, 100 * other / images
        marks += [bar(plot, i + 0.64, i + 0.98, 0, a, "bar warn"), bar(plot, i + 1.02, i + 1.36, 0, b),
                  note(plot, i + 0.81, a, str(mine), dy=-5, text_anchor="middle"),
                  note(plot, i + 1.19, b, str(other), dy=-5, text_anchor="middle")]
    return plot.svg(over=marks)


def choices_html(data: Mapping, raw: bytes, policy: Mapping) -> str:
    """Some images of each choice that was made."""
    if not data["pictures"]:
        return ""
    kept = np.frombuffer(raw, np.uint8).reshape(-1, data["pictures"]["height"], data["pictures"]["width"])
    rows = []
    for t in (t for t in data["steps"] if policy["counts"][t - 1] > 0):
        shown = [m for m, steps in enumerate(policy["shown"]) if steps == t][:SHOWN]
        tiles = "".join(tag("li", tag("span", picture(kept[m], f"a {data['pictures']['label'][m]}"), class_="frame"),
                            tag("span", str(data["pictures"]["label"][m])), class_="tile") for m in shown)
        body = tag("ul", tiles) if shown else tag("p", "None of the images kept in this page.", class_="none")
        rows.append(tag("div", tag("p", f"Sent to {t} {'step' if t == 1 else 'steps'}", class_="head"), body))
    return tag("div", *rows, class_="pictures")


def static_html(data: Mapping, raw: bytes, heading: str, beta: float, method: str, rival: str, chip: str, look: bool) -> str:
    """The explorer at one state, as plain HTML and SVG."""
    policy, rule, ours, theirs = policy_numbers(data, beta, method, rival, chip, look)
    controls = [("against the threshold on", rival, "choice"), ("the policy's look is in the bill", "yes" if look else "no", "choice"),
                ("price of an error, beta", f"{beta:g}", "number")]
    numbers = number_table(data["caption"], ["", "policy", "threshold", "ratio"], policy_rows(ours, theirs))
    return static_view(heading, controls, _sentence(policy, rule, ours, theirs, rival, look), tag("div", numbers, class_="numbers"),
                       panels(plane_picture(data, method, rival, policy, ours, theirs), stops_picture(data, policy, rule)),
                       choices_html(data, raw, policy), folded=True)


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
                         hash_key=hash_key, static_html=static_html(data, raw, heading, beta, method, rival, chip, look))


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
