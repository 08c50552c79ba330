"""The policy explorer in a real browser: still = live, JavaScript = Python, and what it copies prints the same."""

import contextlib
import io
import random

import numpy as np
import pytest

from dtsnn_lite.calibration import THRESHOLD_RULES
from dtsnn_lite.exits import run_of
from dtsnn_lite.recording import Recording
from dtsnn_lite.reinforce import PolicySweep
from dtsnn_lite.widgets.policy_explorer import PolicyExplorer, policy_numbers, policy_rows
from tests.browser.test_explorers import assert_still_is_live, cells, field, stage  # noqa: F401
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
def test_the_still_view_draws_and_prints_what_the_live_one_does(stage, state):  # noqa: F811
    page = stage(policy_explorer(**state))
    assert_still_is_live(page)


def test_the_browser_prints_pythons_table_in_every_state(stage):  # noqa: F811
    widget, wanted = policy_explorer(), []
    for state in states(300):
        _, _, ours, theirs = policy_numbers(widget.data, **state)
        wanted.append([state, policy_rows(ours, theirs)])
    page = stage(widget)
    assert page.evaluate("""(cases) => cases.filter(([state, rows]) => {
        const data = MODELS[0].get("data"), found = MODULE[0].policyRows(data, MODULE[0].policyNumbers(data, state));
        return JSON.stringify(found) !== JSON.stringify(rows);
    }).slice(0, 2)""", wanted) == []


def test_the_copied_python_prints_the_tables_numbers(stage):  # noqa: F811
    page = stage(policy_explorer())
    for state in states(6):
        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
        page.get_by_text("Copy as Python").click()
        page.wait_for_function("copied.length > 0")
        code, printed = page.evaluate("copied.pop()"), io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "copied", "exec"), {})
        rows = page.eval_on_selector_all("#live0 tbody tr", "rows => rows.map(r => [...r.children].map(c => c.textContent))")
        table = {row[0]: row[1:] for row in rows}
        wanted = [f"accuracy {table['accuracy'][0]} {table['accuracy'][1]}",
                  f"timesteps {table['timesteps'][0]} {table['timesteps'][1]}",
                  f"energy ratio {table['energy'][2][:-1]}", f"EDP ratio {table['EDP'][2][:-1]}"]
        assert printed.getvalue().splitlines() == wanted


def test_leaving_the_look_out_of_the_bill_makes_the_policy_cheaper(stage):  # noqa: F811
    page = stage(policy_explorer())
    before = cells(page, "live0")
    field(page, "look").uncheck()
    after = cells(page, "live0")
    energy = before.index("energy") + 3
    assert float(after[energy][:-1]) < float(before[energy][:-1])
    assert page.evaluate("MODELS[0].get('look')") is False


def test_a_phrase_sets_price_and_bill(stage):  # noqa: F811
    page = stage(policy_explorer(), text='<p><a id="a" href="#policy?v=1&beta=50&look=0">a</a></p>')
    page.click("#a")
    assert page.evaluate("[MODELS[0].get('beta'), MODELS[0].get('look')]") == [50, False]
    page.wait_for_selector("#a[aria-current=true]")


@pytest.mark.parametrize("width", [360, 760])
def test_the_text_below_stays_put_when_the_script_takes_over(stage, width):  # noqa: F811
    page = stage(policy_explorer(), width=width)
    page.wait_for_function("document.querySelector('#live0 output').textContent")
    still, live = page.evaluate("['static0', 'live0'].map(id => document.getElementById(id).offsetHeight)")
    assert abs(still - live) < 16
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_explorer_is_accessible_and_fits_the_window(stage, theme, width):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = stage(policy_explorer(), theme=theme, width=width)
    for fold in page.locator("#live0 summary").all():
        fold.click()
    found = axe.run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_control_is_driven_to_both_ends_by_keyboard_and_the_page_answers(stage):  # noqa: F811
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
