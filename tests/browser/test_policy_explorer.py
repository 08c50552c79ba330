"""The policy explorer in a real browser: still = live, JavaScript = Python, and what it copies prints the same."""

import contextlib
import io
import random

import numpy as np
import pytest

from dtsnn_lite.calibration import THRESHOLD_RULES
from dtsnn_lite.cost import chosen_cost, inference_cost
from dtsnn_lite.exits import replay, run_of
from dtsnn_lite.recording import Recording
from dtsnn_lite.reinforce import PolicySweep
from dtsnn_lite.widgets.policy_explorer import PolicyExplorer, rival_of
from dtsnn_lite.widgets.quantities import quantity, ratio, signed
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage
from tests.browser.waits import until
from tests.test_widgets import AFFINE, PROPORTIONAL, recording

SEEN = recording(160)
BETAS = np.array([1.0, 4.0, 12.0, 50.0])


def sweep(seen: Recording, seed: int) -> PolicySweep:
    dice = np.random.default_rng(seed)
    t_hat = np.stack([dice.choice(np.arange(1, 5), size=seen.images, p=p) for p in
                      ([1, 0, 0, 0], [0.8, 0.2, 0, 0], [0.6, 0.2, 0.1, 0.1], [0.0, 0.2, 0.3, 0.5])])
    return PolicySweep(BETAS, t_hat, np.stack([run_of(row, seen).correct for row in t_hat]), 4)


SWEEPS = {"exact": sweep(SEEN, 1), "reinforce": sweep(SEEN, 2)}
PRICES = {name: (step, type(step)(step.fixed_pj / 9, step.step_pj / 13, step.fixed_ns, step.step_ns / 17), check)
          for name, (step, check) in {"affine": AFFINE, "proportional": PROPORTIONAL}.items()}
CODE = {"recording": "SEEN", "sweeps": "SWEEPS", "imports": ["from tests.browser.test_policy_explorer import SEEN, SWEEPS"]}


def policy_explorer(**more) -> PolicyExplorer:
    images = np.random.default_rng(3).integers(0, 256, (160, 28, 28)).astype(np.uint8)
    return PolicyExplorer(SEEN, SWEEPS, PRICES, images, code=CODE, **more)


def states(count: int) -> list[dict]:
    dice = random.Random(0)
    return [{"beta": dice.randint(1, 50), "method": dice.choice(list(SWEEPS)), "rival": dice.choice(list(THRESHOLD_RULES)),
             "chip": dice.choice(list(PRICES)), "look": dice.random() < 0.5} for _ in range(count)]


@pytest.mark.parametrize("state", [{}, {"beta": 1}, {"beta": 50, "rival": "entropy of the sum", "look": False, "method": "reinforce"}])
def test_the_still_view_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(policy_explorer(**state), still=True))


def policy_rows(beta: float, method: str, rival: str, chip: str, look: bool) -> list[list[str]]:
    """The explorer's table: [name, policy, threshold, ratio], from the images' own exits."""
    policies, (step, glance, check) = SWEEPS[method], PRICES[chip]
    k = int(np.abs(np.log(policies.prices / beta)).argmin())
    right, rule = float(policies.accuracy[k]), THRESHOLD_RULES[rival]
    run = replay(SEEN, rule.policy(rival_of(SEEN, rival, right)["threshold"], rule.gamma))
    ours, theirs = chosen_cost(policies.t_hat[k], step, glance if look else None), inference_cost(run.t_hat, step, check)
    costs = [("energy", ours.energy_pj.mean(), theirs.energy_pj.mean(), "pJ"),
             ("delay", ours.latency_ns.mean(), theirs.latency_ns.mean(), "ns"),
             ("EDP", ours.edp_pj_ns.mean(), theirs.edp_pj_ns.mean(), "pJ ns")]
    steps = float(policies.mean_timesteps[k])
    return [["accuracy", f"{100 * right:.1f} %", f"{100 * run.accuracy:.1f} %", f"{signed(100 * (right - run.accuracy), 1)} pt"],
            ["timesteps", f"{steps:.3f}", f"{run.mean_timesteps:.3f}", ratio(steps / run.mean_timesteps)],
            *([name, quantity(a, unit, b), quantity(b, unit), ratio(a / b)] for name, a, b, unit in costs)]


def test_the_browser_prints_pythons_table_in_every_state(stage):
    wanted = [[state, policy_rows(**state)] for state in states(300)]
    page = stage(policy_explorer())
    assert page.evaluate("""(cases) => cases.filter(([state, rows]) => {
        const data = MODELS[0].get("data"), found = MODULE[0].policyRows(data, MODULE[0].policyNumbers(data, state));
        return JSON.stringify(found) !== JSON.stringify(rows);
    }).slice(0, 2)""", wanted) == []


def test_the_slider_has_a_stop_for_each_policy_and_no_other(stage):
    page = stage(policy_explorer(beta=1))
    slider = field(page, "beta")
    slider.press("Home")
    found = [page.evaluate("MODELS[0].get('beta')")]
    for _ in range(len(BETAS)):
        slider.press("ArrowRight")
        found.append(page.evaluate("MODELS[0].get('beta')"))
    assert found == [*BETAS, BETAS[-1]]
    assert slider.get_attribute("aria-valuetext").startswith("50, accuracy ")
    page.evaluate("location.hash = '#policy?v=1&beta=7'")
    until(page, "MODELS[0].get('beta') === 4 || MODELS[0].get('beta') === 12")
    assert page.evaluate("MODELS[0].get('beta')") == 12, "a link of before, to the nearest by its ratio: 12 / 7 < 7 / 4"


def test_the_stops_are_those_of_the_training(stage):
    few = PolicySweep(BETAS[1:3], SWEEPS["exact"].t_hat[1:3], SWEEPS["exact"].correct[1:3], 4)
    page = stage(PolicyExplorer(SEEN, {"exact": SWEEPS["exact"], "few": few}, PRICES, beta=50, code=CODE))
    page.evaluate("location.hash = '#policy?v=1&method=few'")
    until(page, "MODELS[0].get('method') === 'few'")
    assert page.evaluate("MODELS[0].get('beta')") == 12
    assert field(page, "beta").input_value() == field(page, "beta").get_attribute("max") == "1"


def test_the_copied_python_prints_the_tables_numbers(stage):
    page = stage(policy_explorer())
    for state in states(6):
        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
        page.get_by_text("Copy as Python").click()
        until(page, "copied.length > 0")
        code, printed = page.evaluate("copied.pop()"), io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "copied", "exec"), {})
        rows = page.eval_on_selector_all("#live0 tbody tr", "rows => rows.map(r => [...r.children].map(c => c.textContent))")
        table = {row[0]: row[1:] for row in rows}
        wanted = [f"accuracy {table['accuracy'][0]} {table['accuracy'][1]}",
                  f"timesteps {table['timesteps'][0]} {table['timesteps'][1]}",
                  f"energy ratio {table['energy'][2][:-1]}", f"EDP ratio {table['EDP'][2][:-1]}"]
        assert printed.getvalue().splitlines() == wanted


def test_leaving_the_look_out_of_the_bill_makes_the_policy_cheaper(stage):
    page = stage(policy_explorer())
    before = cells(page, "live0")
    field(page, "look").uncheck()
    after = cells(page, "live0")
    energy = before.index("energy") + 3
    assert float(after[energy][:-1]) < float(before[energy][:-1])
    assert page.evaluate("MODELS[0].get('look')") is False


def test_a_phrase_sets_price_and_bill(stage):
    page = stage(policy_explorer(), text='<p><a id="a" href="#policy?v=1&beta=50&look=0">a</a></p>')
    page.click("#a")
    assert page.evaluate("[MODELS[0].get('beta'), MODELS[0].get('look')]") == [50, False]
    page.wait_for_selector("#a[aria-current=true]")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_explorer_is_accessible_and_fits_the_window(stage, objections, theme, width):
    page = stage(policy_explorer(), theme=theme, width=width)
    assert objections(page) == []


def test_every_control_is_driven_to_both_ends_by_keyboard_and_the_page_answers(stage):
    page = stage(policy_explorer())
    page.locator("#live0 details.fold:not(.lesson) > summary").first.press("Enter")
    view = "() => document.querySelector('#live0 .view').innerHTML"
    for control in page.locator("#live0 [data-field]").all():
        inner, seen = control.locator("input, select"), {page.evaluate(view)}
        for key in ("Home", "PageUp", "ArrowRight", "End", "Space"):
            inner.press(key)
            seen.add(page.evaluate(view))
        assert len(seen) > 1, control.get_attribute("data-field")


def test_policies_of_another_recording_are_refused():
    with pytest.raises(ValueError, match="take the recording they were run on"):
        PolicyExplorer(recording(50), SWEEPS, PRICES)
    with pytest.raises(ValueError, match="prices that were trained"):
        policy_explorer(beta=500)
