"""Questions and numbers with notes in a real browser: by keyboard, from a folder, with and without scripts."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomllib
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from teaching.answers import compute
from teaching.numbers import facts

from tests.browser.waits import until
from tests.small_book import build, write
from tests.test_seals import golden

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = sorted((ROOT / "book/answers").glob("*.toml"))

STORE = "stop-when-sure/answers"
REFUSE = """
for (const name of ["getItem", "setItem", "removeItem"]) {
  const usual = Storage.prototype[name];
  Storage.prototype[name] = function (key, ...more) {
    if (key.startsWith("stop-when-sure")) throw new Error("refused");
    return usual.call(this, key, ...more);
  };
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    page, complaints = build(write(tmp_path_factory.mktemp("book")))
    assert complaints == ""
    return page


@pytest.fixture
def visit(browser: Browser, small: Path) -> Iterator[Callable[..., Page]]:
    """visit(...): the page in a fresh browser profile, from its folder; afterwards no error was logged."""
    errors, contexts = [], []

    def open_it(before: str = "", **settings) -> Page:
        contexts.append(browser.new_context(reduced_motion="reduce", **settings))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        if before:
            page.add_init_script(before)
        page.goto(small.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []


def verdict(page: Page, question: str) -> str:
    return page.locator(f"#{question} .question-verdict").inner_text().removeprefix("\u2713").strip()


def kept(page: Page) -> dict:
    return json.loads(page.evaluate(f"localStorage.getItem('{STORE}')") or "{}")


def answer(page: Page, question: str, text: str) -> str:
    """Types an answer, presses Enter, and returns what the page says."""
    page.locator(f"#{question} input").fill(text)
    page.locator(f"#{question} input").press("Enter")
    return verdict(page, question)


def test_the_browser_agrees_with_python(visit):
    page = visit()
    faults = page.evaluate("""({ digests, numbers, checks }) => {
        const { sha256, hex, check } = Seals, { readings } = Typed, faults = [];
        const compare = (found, expected) => JSON.stringify(found) !== JSON.stringify(expected) && faults.push([found, expected]);
        for (const [text, expected] of digests) compare(hex(sha256(text)), expected);
        for (const [text, asked, expected] of numbers) compare(readings(text, asked), expected);
        for (const [question, given, expected] of checks) compare(check(question, given), expected);
        return faults.slice(0, 3);
    }""", golden())
    assert faults == []


# --- checks ----------------------------------------------------------------------------


def test_a_number_is_checked(visit):
    page = visit()
    assert answer(page, "check-edp-growth", "16") == "Right. Secretly, both factors grow alike."
    assert answer(page, "check-edp-growth", "32/2").startswith("Right.")
    assert answer(page, "check-edp-growth", "17") == "Not yet. There is a hint below. (Your right answer, 16, is kept.)"
    assert "like 0.25" in answer(page, "check-edp-growth", "much")
    assert answer(page, "check-edp-growth", "") == "Choose or type an answer first."


def test_a_wrong_answer_that_people_give_is_answered_by_name(visit):
    page = visit()
    assert answer(page, "check-edp-growth", "4.0") == "Not yet. You multiplied energy by T but not delay: EDP grows as T squared."


def test_a_choice_is_made_with_the_arrow_keys(visit):
    page = visit()
    page.locator("#check-which-mean input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert verdict(page, "check-which-mean") == "Right. Secretly, Eq. 1."


def test_a_set_is_ticked_with_the_space_bar(visit):
    page = visit()
    for place in (0, 2):
        page.locator("#check-what-grows input").nth(place).focus()
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert verdict(page, "check-what-grows") == "Right. Secretly, two."


def test_an_order_is_made_by_buttons_that_keep_the_focus(visit):
    page = visit()
    page.locator("#check-by-area [data-letter=a] [data-move='1']").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert "number 3 of 3" in verdict(page, "check-by-area")
    page.keyboard.press("Enter")
    assert "is last already" in verdict(page, "check-by-area")
    page.locator("#check-by-area button[type=submit]").press("Enter")
    assert verdict(page, "check-by-area") == "Right. Secretly, by comparators."


# --- predictions ---------------------------------------------------------------------------


def test_a_reveal_waits_for_a_prediction(visit):
    page = visit()
    reveal = page.locator("[data-reveals=predict-the-bill]")
    reveal.locator("summary").press("Enter")
    assert reveal.get_attribute("open") is None
    assert verdict(page, "predict-the-bill") == "Lock a prediction first, or skip this one."
    page.keyboard.type("8")
    page.keyboard.press("Tab")
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    assert verdict(page, "predict-the-bill") == "You predicted: Delay (times): 8; Energy (times): 8."
    assert reveal.get_attribute("open") is not None
    assert page.locator("#predict-the-bill input").first.is_disabled()


def test_a_prediction_can_be_skipped(visit):
    page = visit()
    page.locator("#predict-the-part [data-do=skip]").press("Enter")
    assert verdict(page, "predict-the-part") == "You skipped this one."
    assert page.locator("[data-reveals=predict-the-part]").get_attribute("open") is not None


def test_a_prediction_stays_locked_when_the_page_is_read_again(visit):
    page = visit()
    page.get_by_label("the buffers").check()
    page.get_by_role("button", name="Lock my prediction").nth(1).click()
    page.reload()
    assert verdict(page, "predict-the-part") == "You predicted: the buffers."
    assert page.get_by_label("the buffers").is_disabled()
    assert kept(page)["page/the-part"]["question"] == "Which part is largest?"


# --- what is kept -----------------------------------------------------------------------------


def test_answers_are_saved_as_markdown_and_json(visit):
    page = visit()
    answer(page, "check-edp-growth", "4")
    answer(page, "check-edp-growth", "16")
    page.get_by_text("Your answers (1)").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as Markdown").click()
    row = ("| page/edp-growth | By what factor does EDP grow from \\\\(T = 2\\\\) to \\\\(T = 8\\\\)? | 16 | right at try 2 (first: 4) "
           "| Secretly, both factors grow alike. |")
    assert row in saved.value.path().read_text("utf8")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    entry = json.loads(saved.value.path().read_text("utf8"))["answers"]["page/edp-growth"]
    assert (entry["given"], entry["right"], entry["tries"]) == ("16", True, 2)


def test_a_right_answer_outlives_a_later_slip(visit):
    page = visit()
    answer(page, "check-edp-growth", "16")
    assert answer(page, "check-edp-growth", "17") == "Not yet. There is a hint below. (Your right answer, 16, is kept.)"
    entry = kept(page)["page/edp-growth"]
    assert (entry["given"], entry["right"], entry["tries"], entry["slips"]) == ("16", True, 1, 1)
    assert page.evaluate("Answers.markdown()").count("right at try 1; 1 later try not right") == 1


def test_a_reader_who_comes_back_finds_everything_as_it_was_left(visit):
    page = visit()
    answer(page, "check-edp-growth", "4")
    page.locator("#check-by-area [data-letter=a] [data-move='1']").click()
    page.locator("#check-what-grows input").first.check()
    page.locator("#predict-the-bill input").first.fill("7")
    page.get_by_label("the mean of all logits so far").check()
    page.locator("#check-which-mean button[type=submit]").click()
    page.reload()
    assert page.locator("#check-edp-growth input").input_value() == "4"
    assert verdict(page, "check-edp-growth").startswith("Not yet. You multiplied energy by T")
    assert page.locator("#check-by-area li").evaluate_all("all => all.map((it) => it.dataset.letter)") == ["b", "a", "c"]
    assert page.locator("#check-what-grows input").first.is_checked()
    assert page.locator("#predict-the-bill input").first.input_value() == "7" and page.locator("#predict-the-bill input").first.is_enabled()
    assert page.get_by_label("the mean of all logits so far").is_checked()
    assert verdict(page, "check-which-mean") == "Right. Secretly, Eq. 1."
    page.locator("#check-edp-growth input").fill("5")
    page.reload()
    assert verdict(page, "check-edp-growth").startswith("You answered 4. Not yet.")


def test_two_tabs_add_to_each_other(visit):
    one = visit()
    two = one.context.new_page()
    two.goto(one.url)
    answer(one, "check-edp-growth", "16")
    until(two, "document.querySelector('#check-edp-growth .question-verdict').dataset.mood === 'right'")
    answer(two, "check-edp-growth", "17")
    two.locator("#predict-the-part [data-do=skip]").click()
    until(one, "document.querySelector('#predict-the-part').hasAttribute('data-locked')")
    assert {key: entry["right"] for key, entry in kept(one).items()} == {"page/edp-growth": True, "page/the-part": None}
    assert one.locator(".your-answers summary").inner_text() == two.locator(".your-answers summary").inner_text() == "Your answers (2)"


def test_a_tab_that_was_told_nothing_erases_nothing(visit):
    page = visit("addEventListener('storage', (event) => event.stopImmediatePropagation(), true)")
    page.evaluate(f"""localStorage.setItem('{STORE}', JSON.stringify({{ 'other/page': {{
        role: 'check', question: 'What?', given: '1', right: true, tries: 1, at: 'now' }} }}))""")
    answer(page, "check-edp-growth", "16")
    assert set(kept(page)) == {"other/page", "page/edp-growth"}


def test_a_prediction_is_set_against_what_came_out(visit):
    page = visit()
    page.locator("#predict-the-bill input").first.fill("8 times")
    page.locator("#predict-the-bill input").last.fill("4,5")
    page.locator("#predict-the-bill button[type=submit]").click()
    said = page.locator("[data-reveals=predict-the-bill] .prediction-against p")
    assert said.all_inner_texts() == ["Delay (times). You: 8 times. The paper: 8 times.",
                                      "Energy (times). You: 4.5 times. The paper: 4.88 times."]
    page.locator("#predict-the-part input").first.check()
    page.locator("#predict-the-part button[type=submit]").click()
    said = page.locator("[data-reveals=predict-the-part] .prediction-against")
    assert said.inner_text() == "You: the crossbars. The network: the buffers."
    assert "predicted; it is the buffers" in page.evaluate("Answers.markdown()")


def test_right_and_wrong_differ_in_colour_edge_mark_and_words(visit):
    page = visit()
    looks = []
    for given in ("16", "17"):
        answer(page, "check-edp-growth", given)
        looks.append(page.locator("#check-edp-growth .question-verdict").evaluate("""(it) => {
            const style = getComputedStyle(it), mark = getComputedStyle(it, "::before").content;
            return [style.backgroundColor, style.borderLeftColor, style.borderLeftStyle, mark, it.textContent.split(".")[0]]; }"""))
    assert all(one != other for one, other in zip(*looks, strict=True))


def test_a_table_row_is_not_broken_by_what_was_typed(visit):
    page = visit()
    page.locator("#predict-the-bill input").first.fill("8 | <img src=x onerror=alert(1)>")
    page.locator("#predict-the-bill button[type=submit]").click()
    assert page.locator("#predict-the-bill img").count() == 0
    page.get_by_text("Your answers (1)").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as Markdown").click()
    row = saved.value.path().read_text("utf8").splitlines()[4]
    assert row.replace("\\|", "").count("|") == 7


def test_forgetting_leaves_nothing(visit):
    page = visit()
    answer(page, "check-edp-growth", "16")
    page.get_by_text("Your answers (1)").click()
    page.locator("#check-what-grows input").first.check()
    page.get_by_role("button", name="Forget all").click()
    assert kept(page) == {} and page.evaluate("localStorage.getItem('stop-when-sure/drafts')") is None
    assert page.locator("#check-edp-growth input").input_value() == "" and verdict(page, "check-edp-growth") == ""
    assert not page.locator("#check-what-grows input").first.is_checked()


@pytest.mark.parametrize("rubbish", ["{", "null", "[1]", '{"page/the-part": {"given": 5}}', '{"page/the-part": null}', '"x"'])
def test_rubbish_in_the_store_breaks_nothing(visit, rubbish):
    page = visit(f"localStorage.setItem('{STORE}', {json.dumps(rubbish)})")
    assert answer(page, "check-edp-growth", "16").startswith("Right.")


def test_a_browser_that_keeps_nothing_still_answers(visit):
    page = visit(REFUSE)
    assert answer(page, "check-edp-growth", "16").startswith("Right.")
    page.locator("#predict-the-part [data-do=skip]").click()
    assert "does not let the page keep it" in verdict(page, "predict-the-part")


# --- numbers with notes --------------------------------------------------------------------------


def test_a_note_opens_on_focus_and_on_hover_and_stays_in_the_window(visit):
    page = visit(viewport={"width": 360, "height": 700})
    number, note = page.locator(".sourced a").first, page.locator(".sourced-note").first
    assert not note.is_visible()
    page.keyboard.press("Tab")
    number.focus()
    page.wait_for_timeout(50)
    box = note.bounding_box()
    assert box and 0 <= box["x"] and box["x"] + box["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    assert not note.is_visible()
    number.hover()
    assert note.is_visible()
    note.hover()
    assert note.is_visible()


# --- looks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [360, 1280])
def test_axe_finds_nothing_to_object_to(visit, scheme, width_px):
    page = visit(viewport={"width": width_px, "height": 900}, color_scheme=scheme)
    page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    answer(page, "check-edp-growth", "16")
    page.locator("#predict-the-part [data-do=skip]").click()
    for fold in page.locator("article summary, .your-answers summary").all():
        fold.click()
    context = {"include": [["article"]], "exclude": [[".citation-list"]]}  # the bibliography is not ours to judge
    found = Axe().run(page, context=context, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_questions_are_there_and_no_dead_control(visit):
    page = visit(java_script_enabled=False)
    assert page.get_by_text("By what factor does EDP grow").is_visible()
    assert page.get_by_text("the mean of all logits so far").is_visible()
    assert page.locator("form.question button:visible").count() == 0
    assert page.locator("form.question noscript p:visible").count() == page.locator("form.question").count()
    reveal = page.locator("[data-reveals=predict-the-bill]")
    reveal.locator("summary").click()
    assert reveal.get_by_text("8 times").is_visible()


def test_on_paper_the_questions_stand_without_their_buttons(visit):
    page = visit()
    page.emulate_media(media="print")
    assert page.get_by_text("By what factor does EDP grow").is_visible()
    assert page.locator("form.question button:visible, .your-answers:visible").count() == 0
    assert page.locator("[data-reveals=predict-the-bill]").get_by_text("8 times").is_visible()


# --- every question of the book ---------------------------------------------------------------------


def answered(path: Path) -> list[tuple[str, str, str, bool]]:
    """(name, what a reader gives, what is said to it, whether it is right) for every answer in a file of answers."""
    known = {name: one.value for name, one in facts(ROOT).items()}.__getitem__
    rows = []
    for name, entry in tomllib.loads(path.read_text("utf8")).items():
        said = [(entry["answer"], entry["right"], True), *((each["answer"], each["reply"], False) for each in entry.get("wrong", []))]
        number = "tolerance" in entry
        rows += [(name, repr(compute(str(given), known)) if number else given.replace(" ", ""), reply, right)
                 for given, reply, right in said]
    return rows


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_every_question_of_the_book_knows_its_answers(browser, book, path):
    page = browser.new_page()
    page.goto((book / "book" / f"{path.stem}.html").as_uri())
    for name, given, reply, right in answered(path):
        found = page.evaluate("([id, given]) => Seals.check(JSON.parse(document.getElementById(id).dataset.question), given)",
                              [f"check-{name}", given])
        assert found == {"right": right, "reply": reply, "known": True}, f"{name}: {given}"
    page.close()


def test_no_reply_of_the_book_can_be_read_before_its_answer_is_given(book):
    replies = {reply for path in ANSWERS for _, _, reply, _ in answered(path) if len(reply) > 20}
    for path in (path for path in book.rglob("*") if path.suffix in {".html", ".js", ".json", ".txt", ".ipynb", ".toml"}):
        text = html.unescape(path.read_text("utf8", errors="replace"))
        assert not [reply for reply in replies if reply in text], path
