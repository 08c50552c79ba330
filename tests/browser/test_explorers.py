"""The explorers in a real browser, from a file, with the network cut, on a stand-in for Jupyter's model."""

import base64
import contextlib
import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from ipywidgets.embed import embed_data
from stopwhensure import live_widgets

from dtsnn_lite.chip import dtsnn_2023, spikesim_rram_64
from dtsnn_lite.cost import exit_check_cost, timestep_cost
from dtsnn_lite.evidence import GAMMAS
from dtsnn_lite.exits import EntropyExit, calibrate, evidence, replay
from dtsnn_lite.networks import shipped_shapes
from dtsnn_lite.neurons import LIF
from dtsnn_lite.recording import shipped
from dtsnn_lite.widgets import explorer
from dtsnn_lite.widgets.exit_explorer import THRESHOLDS, ExitData, ExitExplorer, on_grid
from dtsnn_lite.widgets.lif_explorer import LIFExplorer, Neuron, levels, lif_trace
from tests.browser.waits import until
from tests.test_widgets import AFFINE, CHIPS, RECORDINGS, drawings, golden, recording

ROOT = Path(__file__).resolve().parents[2]

STAGE = (Path(__file__).parent / "stage.js").read_text("utf8")
OWN = ("_", "layout", "tabbable", "tooltip", "comm")


def state_of(widget) -> dict:
    """What a page knows of a widget; bytes travel as base64."""
    values = {name: getattr(widget, name) for name in widget.keys if not name.startswith(OWN)}
    return {name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in values.items()}


def safe(value) -> str:
    return json.dumps(value).replace("</", "<\\/")


def stills_of(widgets: list) -> list[str]:
    """The still view of each widget, as the book places it."""
    embedded = embed_data(views=widgets, drop_defaults=False)
    models, keys = embedded["manager_state"]["state"], [spec["model_id"] for spec in embedded["view_specs"]]
    places = "".join(f'<script type="application/vnd.jupyter.widget-view+json">{json.dumps({"model_id": key})}</script>' for key in keys)
    views = live_widgets.views_of(models, places, "stage")
    return [views[key] + live_widgets.WITHOUT_SCRIPTS for key in keys]


def write_page(path: Path, widgets: list, text: str = "", body: str = "", theme: str = "light", still: bool = False) -> str:
    """A page with each widget live, and its still view before that where one is wanted."""
    stills = stills_of(widgets) if still else [""] * len(widgets)
    boxes = "".join(f'<div id="still{i}">{before}</div><div id="live{i}"></div>' for i, before in enumerate(stills))
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>stage</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<style>html[data-theme="dark"] {{ background: #14181e; color: #eee }} body {{ margin: 16px; font-family: sans-serif }}'
        f"{widgets[0]._css}</style>"
        f"<body {body}><main><h1>Stage</h1>{text}{boxes}</main>"
        f"<script>const STATES = {safe([state_of(w) for w in widgets])}, MODULES = {safe([w._esm for w in widgets])};\n{STAGE}</script>",
        "utf8")
    return path.as_uri()


@pytest.fixture
def stage(browser, tmp_path):
    """`stage(widgets, ...)` opens them; afterwards no error was logged and nothing was asked of the network."""
    complaints, asked = [], []
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script("""window.copied = []; Object.defineProperty(navigator, "clipboard",
        { value: { writeText: async (text) => { window.copied.push(text); } } });""")

    def show(*widgets, hash="", width=1280, **more):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
        page.goto(write_page(tmp_path / "stage.html", list(widgets), **more) + hash)
        until(page, "window.ready")
        return page

    yield show
    context.close()
    assert complaints == [] and asked == []


def exit_explorer(**more) -> ExitExplorer:
    origin = {"code": "RECORDINGS[0]", "imports": ("from tests.test_widgets import RECORDINGS",)}
    return ExitExplorer(RECORDINGS[0], CHIPS, drawings(120), **{**origin, **more})


def cells(page, box: str) -> list[str]:
    return page.eval_on_selector_all(f"#{box} td, #{box} th", "all => all.map(each => each.textContent)")


def field(page, name: str, box: str = "live0"):
    return page.locator(f"#{box} [data-field={name}]").locator("input, select")


def slide(page, value: float, box: str = "live0") -> None:
    field(page, "theta", box).fill(str(value))


# --- still = live ----------------------------------------------------------------------

# An element with its children; only an image that is drawn and a control that is not answered yet may differ.
TREE = """(box) => {
  const said = (e) => [...e.attributes].filter(({ name }) => !["disabled", "selected", "checked", "value"].includes(name))
    .map(({ name, value }) => `${name}=${value}`).sort();
  const tree = (e) => e.nodeType === 3 ? e.data
    : e.matches("canvas, img") ? ["image", e.ariaLabel ?? e.alt, e.className, e.getAttribute("width"), e.getAttribute("height")]
    : [e.tagName, ...said(e), e.matches("input, select") ? [e.value, e.checked ?? ""] : "", ...[...e.childNodes].map(tree)];
  return JSON.stringify(tree(document.querySelector(`#${box} > .dtsnn`)));
}"""


HEIGHTS = "['still0', 'live0'].map((box) => document.querySelector(`#${box} > .dtsnn`).getBoundingClientRect().height)"


def assert_still_is_live(page) -> None:
    """The still view is the live one, element by element, and takes the same room in any window."""
    assert page.evaluate(TREE, "still0") == page.evaluate(TREE, "live0")
    for width in (320, 360, 480, 760, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        still, live = page.evaluate(HEIGHTS)
        assert still == live > 0, width
    assert page.locator("#still0 :is(button, input, select, textarea):enabled").count() == 0


@pytest.mark.parametrize("seen", [RECORDINGS[0], RECORDINGS[1], RECORDINGS[2], recording(2500, 6), recording(150, 13)])
def test_the_still_view_is_the_live_one_and_as_tall(stage, seen):
    assert_still_is_live(stage(ExitExplorer(seen, CHIPS, drawings(seen.images), theta=0.3), still=True))


@pytest.mark.parametrize("state", [{}, {"spikes": [2, 3, 9], "current": 0.0, "weight": 0.8, "clock": 11},
                                   {"beta": 1.0, "reset_b": "soft", "v_th": 0.45, "current": 1.0}])
def test_the_still_lif_view_is_the_live_one_and_as_tall(stage, state):
    assert_still_is_live(stage(LIFExplorer(**state), still=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_images_of_a_still_view_hold_the_pixels_of_the_live_one(stage, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (97, 32, 32, channels)).astype(np.uint8)
    page = stage(ExitExplorer({"three": ExitData(RECORDINGS[1], CHIPS, pixels if channels == 3 else pixels[..., 0])}), still=True)
    drawn = page.evaluate("""async () => {
      const all = (box) => [...document.querySelectorAll(`#${box} .frame > *`)];
      const pixels = (source) => {
        const context = Object.assign(document.createElement("canvas"), { width: 32, height: 32 }).getContext("2d");
        context.drawImage(source, 0, 0);
        return context.getImageData(0, 0, 32, 32).data.join();
      };
      await Promise.all(all("still0").map((image) => image.decode()));
      return [all("still0").map(pixels), all("live0").map(pixels)];
    }""")
    assert drawn[0] == drawn[1] and len(drawn[0]) >= 8


# --- JavaScript = Python ----------------------------------------------------------------

def test_the_browser_computes_pythons_numbers_at_every_slider_position(stage):
    page = stage(exit_explorer())
    faults = page.evaluate("""async (golden) => {
      const { edpRows, exitNumbers, exitRows, exitTables, positionOf, unpack } = MODULE[0], faults = [];
      for (const { data, bytes, expected } of golden) {
        const raw = Uint8Array.from(bytes.match(/../g), (pair) => parseInt(pair, 16));
        const [set] = unpack({ get: (name) => (name === "data" ? data : new DataView(raw.buffer)) });
        for (const { score, gamma, theta, chip: name, rows, left, edp } of expected) {
          const T = set.timesteps, chip = set.chips.find((each) => each.name === name);
          const j = positionOf(theta, set.rules[score], set.positions);
          const tables = set.tables[`${score} ${gamma}`] ??= exitTables(set, score, gamma);
          const now = exitNumbers(tables, chip, j, T, set.images);
          const ways = edpRows(set, chip, now).map(([, value]) => value);
          const found = [exitRows(set, chip, now), ways, [...tables.left.slice(j * T, j * T + T)]];
          if (JSON.stringify(found) !== JSON.stringify([rows, edp, left])) faults.push([score, gamma, theta, found, rows, edp, left]);
        }
      }
      return faults.slice(0, 3);
    }""", golden())
    assert faults == []


def test_the_browsers_neuron_equals_pythons_to_the_last_bit(stage):
    rng = random.Random(2)
    cases = []
    for _ in range(200):
        current = [rng.choice([0.0, 0.3, 0.6, 1.1]) for _ in range(30)]
        neuron = Neuron("A", rng.randint(0, 100) / 100, rng.randint(4, 40) / 20, rng.choice(["hard", "soft"]))
        cases.append([current, vars(neuron), [values.tolist() for values in (*lif_trace(current, neuron), levels(current, neuron))]])
    page = stage(LIFExplorer())
    assert page.evaluate("""cases => cases.filter(([current, neuron, expected]) => {
        const found = MODULE[0].lifTrace(current, neuron);
        return JSON.stringify([found.h, found.u, found.s, MODULE[0].levelsOf(found, neuron)]) !== JSON.stringify(expected);
    }).length""", cases) == 0


# --- controls ---------------------------------------------------------------------------

def test_every_control_moves_the_numbers_and_tells_the_model(stage):
    page = stage(exit_explorer(theta=0.3))
    before = cells(page, "live0")
    slider = field(page, "theta")
    seen = set()
    for key in ("Home", "PageUp", "ArrowRight", "End"):
        slider.press(key)
        seen.add(tuple(cells(page, "live0")))
    assert len(seen) >= 3 and page.evaluate("MODELS[0].get('theta')") == 1
    slider.press("Home")
    assert page.evaluate("MODELS[0].get('theta')") == 0 and "4.000" in cells(page, "live0")
    field(page, "score").select_option("margin")
    assert "4.000" in cells(page, "live0")
    before = cells(page, "live0")
    field(page, "chip").select_option("proportional")
    assert cells(page, "live0") != before
    assert page.evaluate("[MODELS[0].get('score'), MODELS[0].get('chip')]") == ["margin", "proportional"]
    assert page.evaluate("MODELS[0].saved") > 0


@pytest.mark.parametrize("make", [exit_explorer, LIFExplorer])
def test_every_control_is_driven_to_both_ends_by_keyboard_and_the_page_answers(stage, make):
    page = stage(make())
    for fold in page.locator("#live0 details.fold:not(.lesson) > summary").all():
        fold.press("Enter")
    view = "() => document.querySelector('#live0 .view').innerHTML"
    for control in page.locator("#live0 [data-field]").all():
        inner, seen = control.locator("input, select"), set()
        start = inner.input_value()
        for key in ("Home", "PageUp", "PageDown", "ArrowRight", "End"):
            inner.press(key)
            seen.add(page.evaluate(view))
        assert len(seen) > 1, control.get_attribute("data-field")
        inner.select_option(start) if inner.evaluate("e => e.tagName") == "SELECT" else inner.fill(start)


def test_colour_images_and_class_names_stand_below_their_pictures(stage):
    colours = np.random.default_rng(0).integers(0, 256, (97, 32, 32, 3)).astype(np.uint8)
    page = stage(ExitExplorer({"three": ExitData(RECORDINGS[1], CHIPS, colours, class_names=("cat", "dog", "ship"))}))
    tiles = "box => [...document.querySelectorAll(`#${box} .tile`)].map(t => t.textContent)"
    assert set("".join(page.evaluate(tiles, "live0")).replace("cat", "").replace("dog", "").replace("ship", "")) <= {"\u2192"}
    drawn = page.evaluate("""() => {
        const c = document.querySelector('#live0 canvas'), p = c.getContext('2d').getImageData(0, 0, 32, 32).data;
        return [c.width, Math.min(...p.filter((_, i) => i % 4 === 3)), new Set(p).size > 100]; }""")
    assert drawn == [32, 255, True]


def test_where_there_are_no_pictures_the_opinions_stand_in_their_place_as_python_has_them(stage):
    seen, names = RECORDINGS[1], ("cat", "dog", "ship")
    data = ExitData(seen, CHIPS, class_names=names, absent="They are not ours.")
    page = stage(ExitExplorer({"three": data}, theta=0.3, gamma=0), still=True)
    assert_still_is_live(page)
    said = page.locator("#live0 .pictures > .none").text_content()
    assert said.startswith("They are not ours.") and page.locator("#live0 canvas").count() == 0
    for gamma in (0.0, 1.0):
        field(page, "gamma").fill(str(gamma))
        shown = page.locator("#live0 .opinion").evaluate_all("all => all.map((each) => each.getAttribute('aria-label'))")
        t_hat = replay(seen, EntropyExit(page.evaluate("MODELS[0].get('theta')"), gamma)).t_hat
        odds = np.exp(evidence(seen.f.astype(np.float32).astype(float), gamma))
        p = odds / odds.sum(axis=2, keepdims=True)
        known = set()
        for n, label in enumerate(seen.labels):
            lines = [f"{t + 1} {names[k]}, {100 * p[t, n, k]:.0f} percent" for t, k in enumerate(seen.predictions[: t_hat[n], n])]
            known.add(f"{names[label]}: at t = {'; '.join(lines)}")
        assert shown and set(shown) <= known
        assert page.locator("#live0 .opinion").first.locator(".thought").count() == seen.timesteps, "lines after the exit are kept, empty"


def test_a_recording_of_very_many_timesteps_has_neither_pictures_nor_opinions(stage):
    page = stage(ExitExplorer(recording(40, 12, 4, seed=6), CHIPS))
    assert page.locator("#live0 .pictures").is_hidden() and page.locator("#live0 .opinion").count() == 0


def test_a_slider_says_its_value_and_the_result_with_units(stage):
    page = stage(exit_explorer(theta=0.35))
    slide(page, 0.5)
    spoken = field(page, "theta").get_attribute("aria-valuetext")
    assert spoken.startswith("0.5, accuracy ") and " percent, " in spoken and spoken.endswith(" timesteps")
    field(page, "gamma").fill("1")
    assert page.get_by_role("slider", name="do looks add up?").get_attribute("aria-valuetext").startswith("sum, \u03b3 = 1, accuracy ")
    until(page, "document.querySelector('#live0 output').textContent.includes('timesteps on average')")


def mean_timesteps(page) -> float:
    return float(page.locator("#live0 .numbers tbody tr:nth-child(2) td").first.text_content())


def test_changing_the_score_keeps_the_mean_timesteps_near(stage):
    page = stage(exit_explorer(theta=0.3))
    before = mean_timesteps(page)
    field(page, "score").select_option("confidence")
    assert abs(mean_timesteps(page) - before) < 0.1


@pytest.mark.parametrize("score, theta", [("entropy", 0.3), ("confidence", 0.9), ("margin", 0.6)])
def test_another_gamma_keeps_the_mean_timesteps_and_the_way_back_leads_back(stage, score, theta):
    page = stage(ExitExplorer(shipped("digits-hard-test"), CHIPS, theta=theta, score=score))
    before, walked = mean_timesteps(page), []
    for key in ["ArrowRight"] * 8 + ["ArrowLeft"] * 8:
        field(page, "gamma").press(key)
        assert abs(mean_timesteps(page) - before) < 0.05
        walked.append(page.evaluate("[MODELS[0].get('gamma'), MODELS[0].get('theta')]"))
    assert [gamma for gamma, _ in walked] == [*GAMMAS[1:], *GAMMAS[-2::-1]]
    assert len({theta for _, theta in walked}) > 4, "a threshold belongs to its gamma"
    assert walked[-1] == [0, theta] and walked[:7] == walked[14:7:-1]


def test_the_sentence_the_label_and_the_picture_say_which_score_is_read(stage):
    page = stage(exit_explorer(theta=0.3, gamma=1))
    labels = lambda: [page.locator("#live0 .sentence").text_content(), page.locator("#live0 [data-field=theta] .name").text_content(),
                      page.locator("#live0 svg").first.get_attribute("aria-label"),
                      *page.locator("#live0 svg .note").all_text_contents()[:2]]
    sentence, threshold, picture, line, shadow = labels()
    assert "Reading the sum (\u03b3 = 1)" in sentence and "entropy of the sum <" in threshold
    assert "reading the sum; its shadow reads the mean" in picture and (line, shadow) == ("sum", "mean")
    field(page, "gamma").fill("0")
    until(page, "document.querySelector('#live0 .sentence').textContent.includes('the mean')")
    sentence, threshold, picture, line, shadow = labels()
    assert "Reading the mean (\u03b3 = 0)" in sentence and "entropy of the mean <" in threshold
    assert "reading the mean; its shadow reads the sum" in picture and (line, shadow) == ("mean", "sum")


def test_the_shadow_is_the_curve_that_stood_there(stage):
    page = stage(exit_explorer(theta=0.3, gamma=1))
    lines = lambda kind: page.locator(f"#live0 svg:first-child polyline.line{kind}").first.get_attribute("points")
    sum_, mean = lines(":not(.other, .shadow)"), lines(".shadow")
    assert sum_ != mean
    field(page, "gamma").fill("0")
    assert (lines(":not(.other, .shadow)"), lines(".shadow")) == (mean, sum_)
    field(page, "gamma").fill("0.5")
    assert lines(".shadow") == mean


def test_a_change_from_the_kernel_reaches_the_page_and_is_not_echoed(stage):
    page = stage(exit_explorer(theta=0.3))
    saved = page.evaluate("MODELS[0].saved")
    page.evaluate("MODELS[0].set('theta', 0.6)")
    assert field(page, "theta").input_value() == "0.6"
    assert page.evaluate("MODELS[0].saved") == saved


def test_cleaning_up_leaves_no_listener_and_no_element(stage):
    page = stage(exit_explorer())
    page.evaluate("CLEANUPS[0]()")
    assert page.evaluate("MODELS[0].listeners.length") == 0
    assert page.locator("#live0").inner_html() == ""
    page.evaluate("location.hash = '#exit?v=1&theta=0.9'")


def test_two_explorers_on_one_page_share_no_id(stage):
    page = stage(exit_explorer(), exit_explorer(hash_key="second"))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert ids == ["still0", "live0", "still1", "live1"]
    slide(page, 0.8, "live1")
    assert page.evaluate("[MODELS[0].get('theta'), MODELS[1].get('theta')]") == [0.35, 0.8]


def test_several_recordings_are_chosen_in_one_explorer(stage):
    sets = {"digits": ExitData(RECORDINGS[0], CHIPS, drawings(120)), "few": ExitData(RECORDINGS[1], {"only": AFFINE})}
    page = stage(ExitExplorer(sets))
    field(page, "recording").select_option("few")
    assert page.evaluate("[MODELS[0].get('recording'), MODELS[0].get('chip')]") == ["few", "only"]
    assert "97 images" in page.locator("#live0 caption").first.text_content()


def test_spikes_are_made_by_click_and_by_keyboard_and_travel_in_the_link(stage):
    page = stage(LIFExplorer(current=0.0, spikes=[]))
    page.get_by_label("input spike at step 3", exact=True).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert page.evaluate("MODELS[0].get('spikes')") == [2, 3, 29]
    assert page.locator("#live0 .strip [tabindex='0']").count() == 1
    page.get_by_role("button", name="Copy link").click()
    assert "spikes=2.3.29" in page.evaluate("copied[0]")
    again = stage(LIFExplorer(), hash="#" + page.evaluate("copied[0]").split("#")[1])
    assert cells(again, "live0") == cells(page, "live0")


def test_the_papers_neuron_is_copied_without_its_constants(stage):
    page = stage(LIFExplorer(current=0.4, spikes=[]))
    page.get_by_text("Copy as Python").click()
    until(page, "copied.length > 0")
    code, written = page.evaluate("copied.pop()"), {}
    assert '"A": LIF(),' in code and '"B": LIF(beta=0.9),' in code
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "copied", "exec"), written)
    assert written["lif"].beta == 0.9 and written["LIF"]() == LIF(beta=0.5, v_th=1.0, hard_reset=True)


def test_the_copied_python_of_the_lif_explorer_prints_its_spikes_and_rates(stage):
    page, rng = stage(LIFExplorer()), random.Random(3)
    for _ in range(8):
        state = {"current": rng.randint(0, 60) / 40, "beta": rng.randint(0, 100) / 100, "beta_b": rng.randint(0, 100) / 100,
                 "v_th": rng.randint(4, 40) / 20, "reset": rng.choice(["hard", "soft"]), "spikes": rng.sample(range(30), 3)}
        page.evaluate("state => Object.entries(state).forEach(([name, value]) => MODELS[0].set(name, value))", state)
        page.get_by_text("Copy as Python").click()
        until(page, "copied.length > 0")
        code, printed = page.evaluate("copied.pop()"), io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "copied", "exec"), {})
        numbers = "rows => rows.slice(0, 2).map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
        spikes, rates = page.eval_on_selector_all("#live0 tbody tr", numbers)
        assert printed.getvalue().splitlines() == [f"{name}: {n} spikes, rate {r}" for name, n, r in zip("AB", spikes, rates, strict=True)]


# --- links --------------------------------------------------------------------------------

def test_a_link_sets_the_explorer_and_the_phrase_that_matches_is_marked(stage):
    text = '<p><a id="a" href="#exit?v=1&theta=0.2">a</a> <a id="b" href="#exit?v=1&theta=0.6&score=margin">b</a></p>'
    page = stage(exit_explorer(theta=0.35), text=text)
    page.click("#b")
    assert page.evaluate("[MODELS[0].get('theta'), MODELS[0].get('score')]") == [0.6, "margin"]
    page.wait_for_selector("#b[aria-current=true]")
    page.click("#a")
    page.wait_for_selector("#a[aria-current=true]")
    assert page.locator("#b").get_attribute("aria-current") is None
    slide(page, 0.9)
    until(page, "!document.querySelector('#a').hasAttribute('aria-current')")
    assert "theta=0.9" in page.evaluate("location.hash")


@pytest.mark.parametrize("link, expected", [
    ("theta=0.2&score=entropy", [0.2, 0]),             # from before there was a gamma
    ("theta=0.2&gamma=soon", [0.2, 0]),
    ("theta=0.2&gamma=1.25", [0.2, 1.25]),
    ("theta=0.2&gamma=1.3", [0.2, 1.25]),
    ("theta=0.2&gamma=9", [0.2, 2]),
    ("theta=0.2&gamma=-1", [0.2, 0]),
    ("gamma=0.5", [0.3, 0.5]),
    ("chip=proportional", [0.3, 1]),                   # it speaks of neither
])
def test_a_threshold_in_a_link_without_a_gamma_is_one_of_the_mean(stage, link, expected):
    for hash in (f"#exit?v=1&{link}", ""):
        page = stage(exit_explorer(theta=0.3, gamma=1), hash=hash, text=f'<a id="phrase" href="#exit?v=1&{link}">there</a>')
        if not hash:
            page.click("#phrase")
        assert page.evaluate("['theta', 'gamma'].map(name => MODELS[0].get(name))") == expected
        page.wait_for_selector("#phrase[aria-current=true]")


def test_an_old_links_numbers_are_those_of_the_mean(stage):
    run = replay(RECORDINGS[0], EntropyExit(0.2))
    page = stage(exit_explorer(gamma=1.5), hash="#exit?v=1&score=entropy&chip=affine&theta=0.2")
    assert cells(page, "live0")[4:6] == ["accuracy", f"{100 * run.accuracy:.1f} %"]
    assert mean_timesteps(page) == round(run.mean_timesteps, 3)


def test_a_copied_link_opens_the_same_state(stage):
    page = stage(exit_explorer())
    field(page, "gamma").fill("0.75")
    slide(page, 0.415)
    field(page, "chip").select_option("proportional")
    page.get_by_role("button", name="Copy link").click()
    address = page.evaluate("copied[0]")
    numbers = cells(page, "live0")
    again = stage(exit_explorer(), hash="#" + address.split("#")[1])
    assert cells(again, "live0") == numbers


def test_a_teachers_link_hides_fixes_and_asks(stage):
    page = stage(exit_explorer(), hash="#exit?v=1&theta=0.5&hide=chip&fix=score&q=" + "Where%20is%20the%20knee%3F")
    assert page.locator("#live0 .question").text_content() == "Where is the knee?"
    assert field(page, "chip").is_hidden() and field(page, "score").is_disabled()
    page = stage(exit_explorer(), hash="#exit?v=1&theta=0.5&gamma=1&hide=gamma&fix=theta")
    assert field(page, "gamma").is_hidden() and page.evaluate("MODELS[0].get('gamma')") == 1 and field(page, "theta").is_disabled()


def test_the_teachers_form_writes_such_a_link(stage):
    page = stage(exit_explorer())
    page.get_by_text("For teachers").click()
    page.get_by_label("Question shown above").fill("What is E[E] E[D]? <b>&")
    page.locator("#live0 fieldset").first.get_by_label("hardware").check()
    page.locator("#live0 fieldset").last.get_by_label("do looks add up?").check()
    page.get_by_role("button", name="Copy link").click()
    address = page.evaluate("copied[0]")
    again = stage(exit_explorer(), hash="#" + address.split("#")[1])
    assert again.locator("#live0 .question").text_content() == "What is E[E] E[D]? <b>&"
    assert again.locator("#live0 .lesson input[type=text]").input_value() == "What is E[E] E[D]? <b>&"
    assert again.locator("#live0 .lesson input:checked").count() == 2
    assert field(again, "chip").is_hidden() and field(again, "gamma").is_disabled()


def test_a_class_cannot_touch_the_spikes_that_a_teacher_fixed(stage):
    page = stage(LIFExplorer(), hash="#lif?v=1&spikes=1.2&fix=spikes&hide=beta")
    assert page.get_by_label("input spike at step 5", exact=True).is_disabled()
    assert page.evaluate("MODELS[0].get('spikes')") == [1, 2] and field(page, "beta").is_hidden()


def test_what_a_teacher_fixed_stays_where_the_link_put_it(stage):
    page = stage(exit_explorer(), hash="#exit?v=1&theta=0.6&gamma=0.5&fix=theta,gamma")
    now = lambda: page.evaluate("['theta', 'gamma'].map(name => MODELS[0].get(name))")
    field(page, "score").select_option("margin")          # which brings a threshold of its own, elsewhere
    assert now() == [0.6, 0.5] and page.evaluate("MODELS[0].get('score')") == "margin"
    page.get_by_role("button", name="Reset").click()
    assert now() == [0.6, 0.5] and page.evaluate("MODELS[0].get('score')") == "entropy"
    until(page, "location.hash.includes('theta=0.6') && location.hash.includes('score=entropy')")
    page.evaluate("location.hash = '#exit?v=1&theta=0.2&gamma=0'")
    until(page, "MODELS[0].get('theta') === 0.2")          # another link is not the reader's hand


def test_a_question_typed_by_a_teacher_wakes_no_control_that_does_nothing(stage):
    page = stage(LIFExplorer(spikes=[]))
    page.get_by_text("For teachers").click()
    assert field(page, "weight").is_disabled()
    page.get_by_label("Question shown above").fill("When does it fire?")
    assert field(page, "weight").is_disabled() and field(page, "beta").is_enabled()


def test_a_control_that_a_teacher_fixed_says_so(stage):
    """One that is of no use in this state looks the same otherwise."""
    page = stage(LIFExplorer(spikes=[]), hash="#lif?v=1&spikes=&fix=weight,beta")
    names = {name: page.locator(f"#live0 [data-field={name}] .name") for name in ("weight", "beta", "v_th")}
    assert [name for name, words in names.items() if words.text_content().endswith(" (fixed)")] == ["weight", "beta"]
    page.evaluate("location.hash = '#lif?v=1&spikes=&fix=beta'")
    until(page, "!document.querySelector('#live0 [data-field=weight] .name').textContent.includes('fixed')")
    assert names["beta"].text_content().endswith(" (fixed)")


def test_a_neuron_that_no_current_fires_is_said_to_be_silent(stage):
    page = stage(LIFExplorer(beta=0.0, v_th=2.0, beta_b=0.5, v_th_b=1.0))
    rates = page.locator("#live0 svg[aria-label^='Firing rate']")
    assert rates.get_attribute("aria-label").endswith("neuron A never fires, at most at 1.500, neuron B starts to fire above 0.500.")


def hostile_hashes(count: int) -> list[str]:
    rng = random.Random(5)
    pieces = ["v=1", "v=2", "v=", "theta=0.5", "theta=NaN", "theta=1e308", "theta=-5", "theta=99999999999999999999", "theta=0x10",
              "gamma=1", "gamma=NaN", "gamma=1e9", "gamma=-0.1", "gamma=0.3",
              "score=entropy", "score=__proto__", "score=<img src=x onerror=alert(1)>", "chip=%3Cscript%3Ealert(1)%3C/script%3E",
              "chip=%E0%A4%A", "hide=score,chip,theta", "hide=__proto__,constructor", "fix=%00", "q=<svg onload=alert(1)>",
              "q=" + "x" * 3000, "%", "&&&", "=", "theta", "__proto__=1", "constructor=2", "score=entropy&score=margin", "\u202e", "#", "?"]
    made = ["#exit?" + "&".join(rng.choice(pieces) for _ in range(rng.randint(1, 8))) for _ in range(count)]
    return [*made, "#exit", "#exit?", "#", "#exit?v=1" + "&a" * 9000]


def test_hostile_links_never_break_the_page_or_insert_markup(stage):
    page = stage(exit_explorer())
    page.on("dialog", lambda dialog: pytest.fail("a link ran a script"))
    tags = """() => [...document.querySelectorAll('#live0 *')].filter((e) =>
        /^(script|iframe|b|object)$/i.test(e.tagName) || [...e.attributes].some((a) => a.name.startsWith('on'))).length"""
    for hash in hostile_hashes(150):
        page.evaluate("hash => { location.hash = hash; dispatchEvent(new HashChangeEvent('hashchange')); }", hash)
        theta, gamma, score, chip = page.evaluate("['theta', 'gamma', 'score', 'chip'].map(name => MODELS[0].get(name))")
        assert 0 <= theta <= 1 and theta in THRESHOLDS and gamma in GAMMAS, hash
        assert score in ("entropy", "confidence", "margin") and chip in CHIPS, hash
    assert page.evaluate(tags) == 0 and page.locator("#live0 img, #live0 svg[onload]").count() == 0
    assert len(page.locator("#live0 .question").text_content()) <= 300
    assert page.evaluate("({}).polluted === undefined && Object.prototype.v === undefined")


# --- copying --------------------------------------------------------------------------------

def test_the_copied_python_runs_and_prints_the_numbers_of_the_table(stage):
    page = stage(exit_explorer())
    rng = random.Random(1)
    for _ in range(12):
        field(page, "score").select_option(rng.choice(["entropy", "confidence", "margin"]))
        field(page, "chip").select_option(rng.choice(list(CHIPS)))
        field(page, "gamma").fill(str(rng.choice(GAMMAS)))
        slide(page, rng.randint(0, 200) / 200)
        page.get_by_text("Copy as Python").click()
        until(page, "copied.length > 0")
        code, printed = page.evaluate("copied.pop()"), io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "copied", "exec"), {})
        first_two = "rows => rows.map(row => row.children[0].textContent + ' ' + row.children[1].textContent)"
        rows = page.eval_on_selector_all("#live0 .numbers tbody tr", first_two)
        assert printed.getvalue().splitlines() == [row.replace("\u00b5", "u") for row in rows]


def test_the_copied_python_of_a_shipped_recording_prints_its_numbers(stage):
    page = stage(ExitExplorer(shipped("digits-hard-test"), CHIPS, score="confidence", theta=0.9))
    page.get_by_text("Copy as Python").click()
    code, printed = page.evaluate("copied[0]"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "copied", "exec"), {})
    assert printed.getvalue().splitlines()[0] == "accuracy " + page.locator("#live0 .numbers td").nth(1).text_content()


def test_copied_lines_call_what_the_book_calls_by_a_name(stage):
    costs = {name: (timestep_cost(shipped_shapes("digits"), chip), exit_check_cost(chip))
             for name, chip in (("DT-SNN", dtsnn_2023), ("SpikeSim", spikesim_rram_64))}
    seen, held_out = shipped("digits-test"), shipped("digits-calibration")
    theta = on_grid(calibrate(held_out, EntropyExit, max_drop=0.0).theta)
    page, asked = stage(ExitExplorer(seen, costs, theta=theta)), 'calibrate(shipped("digits-calibration"), EntropyExit, max_drop=0.0)'
    for chip, name in (("DT-SNN", "dtsnn_2023"), ("SpikeSim", "spikesim_rram_64")):
        field(page, "chip").select_option(chip)
        for at, rule in ((theta, asked), (0.2, "EntropyExit(theta=0.2)")):
            slide(page, at)
            page.get_by_text("Copy as Python").click()
            until(page, "copied.length > 0")
            code, printed = page.evaluate("copied.pop()"), io.StringIO()
            assert code.startswith("# %pip install -q ") and f"chip = {name}\n" in code and f"run = replay(seen, {rule})\n" in code
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "copied", "exec"), {})
            first_two = "rows => rows.map(row => row.children[0].textContent + ' ' + row.children[1].textContent)"
            rows = page.eval_on_selector_all("#live0 .numbers tbody tr", first_two)
            assert printed.getvalue().splitlines() == [row.replace("\u00b5", "u") for row in rows]


def test_a_recording_that_no_line_can_make_has_nothing_to_copy(stage):
    assert stage(ExitExplorer(RECORDINGS[0], CHIPS)).get_by_text("Copy as Python").count() == 0


def test_a_control_that_does_nothing_is_off(stage):
    page = stage(LIFExplorer(spikes=[]))
    assert field(page, "weight").is_disabled()
    page.get_by_label("input spike at step 3", exact=True).click()
    assert field(page, "weight").is_enabled()


def test_the_copied_table_row_is_markdown_with_the_numbers_of_the_table(stage):
    page = stage(exit_explorer())
    page.get_by_text("Copy as table row").click()
    head, rule, row = page.evaluate("copied[0]").splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert page.locator("#live0 .numbers tbody tr").first.locator("td").first.text_content() in row


# --- the page for contributors ---------------------------------------------------------------

def blocks(language: str) -> list[str]:
    page = (Path(__file__).parents[2] / "book" / "adding_an_explorer.md").read_text("utf8")
    return [block.split("```")[0] for block in page.split(f"```{language}\n")[1:]]


def test_the_explorer_of_the_contributors_page_works_as_printed(stage, tmp_path, monkeypatch):
    for name in ("core.js", "core.css"):
        shutil.copy(explorer.HERE / name, tmp_path / name)
    (tmp_path / "affine_explorer.js").write_text(blocks("javascript")[0], "utf8")
    monkeypatch.setattr(explorer, "HERE", tmp_path)
    written = {"__name__": "affine_explorer"}
    exec(compile(blocks("python")[0], "affine_explorer.py", "exec"), written)
    page = stage(written["AffineExplorer"](), text='<a id="phrase" href="#affine?v=1&timesteps=8">at T = 8</a>', still=True)
    assert_still_is_live(page)
    states = [(timesteps, share / 100) for timesteps in range(1, 9) for share in range(0, 91, 7)]
    assert page.evaluate("states => states.map(([timesteps, fixed]) => MODULE[0].affineRows({ timesteps, fixed }))", states) \
        == [written["affine_rows"](*state) for state in states]
    page.click("#phrase")
    assert page.evaluate("MODELS[0].get('timesteps')") == 8
    page.wait_for_selector("#phrase[aria-current=true]")


# --- looks -----------------------------------------------------------------------------------

@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("make", [exit_explorer, LIFExplorer])
def test_an_explorer_is_accessible_and_fits_the_window(stage, objections, make, theme, width):
    page = stage(make(), theme=theme, width=width)
    assert objections(page) == []
    assert page.evaluate("[...document.querySelectorAll('#live0 input')].every(e => e.dataset.lmSuppressShortcuts === 'true')")


def test_in_a_notebook_the_address_is_left_alone(stage):
    page = stage(exit_explorer(), body='data-jp-theme-light="false"')
    slide(page, 0.7)
    page.wait_for_timeout(400)
    assert page.evaluate("location.hash") == "" and page.get_by_role("button", name="Copy link").count() == 0
    dark = page.evaluate("getComputedStyle(document.querySelector('#live0 .dtsnn')).getPropertyValue('--ink').trim()")
    assert dark == "#e8ebee"


@pytest.mark.parametrize("make", [exit_explorer, LIFExplorer])
def test_without_scripts_the_default_state_is_there_to_see_to_hear_and_to_print(browser, tmp_path, make):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_page(tmp_path / "still.html", [make()], still=True))
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert page.locator("#still0 svg[role=img][aria-label]").first.is_visible() and page.locator("#still0 table").first.is_visible()
        assert page.locator("#still0 .sentence").is_visible()
        assert not page.locator("#still0 .tools").is_visible() and not page.locator("#still0 .lesson").is_visible()
    assert all(image.is_visible() and image.get_attribute("alt") for image in page.locator("#still0 img").all())
    page.emulate_media(media="screen")
    assert page.locator("#still0 noscript p").is_visible()
    assert page.get_by_role("slider").first.is_disabled()
    context.close()
