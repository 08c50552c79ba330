"""Numbers with a pedigree and questions in the page: what they become, what they refuse, what they hide."""

from __future__ import annotations

import html
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from teaching.answers import compute
from teaching.numbers import Fact, make_fact_id, sources, who
from teaching.questions import shown

from dtsnn_lite.proofs.facts import facts as measured
from tests.small_book import ANSWERS, FACTS, build, write

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built_page(tmp_path_factory) -> Path:
    page, said = build(write(tmp_path_factory.mktemp("book")))
    assert said == ""
    return page


@pytest.fixture(scope="module")
def built(built_page) -> str:
    return built_page.read_text("utf8")


# One page with every fault, built once: what its author wrote, and what the build must say.
FAULTS = {
    "{fact}`digits.acuracy`": "no fact 'digits.acuracy' in book/facts.json; did you mean digits.accuracy",
    "{fact}`digits.test_images|.2q`": "fact 'digits.test_images' is 1000",
    "{paper}`li2023dtsnn`": "got 'li2023dtsnn'",
    "{paper}`li2023dtsnn|4`": "got 'li2023dtsnn|4'",
    "{paper}`li2023dtsnn:|4`": "got 'li2023dtsnn:|4'",
    "{paper}`li2023dtsnn:abstract|`": "got 'li2023dtsnn:abstract|'",
    "{paper}`li2023dtsn:abstract|4`": "no source 'li2023dtsn' in references.bib; did you mean li2023dtsnn",
    "```{check} unknown\nWhat?\n```": "page.toml has no answer to 'unknown'",
    "```{check} which-mean\n:kind: choice\nNo list.\n```": "which-mean: a question of kind choice ends with the list",
    "```{check} by-area\n:kind: order\nSort.\n\n- a\n- b\n- c\n```": "by-area: the options stand in the right order already",
    "```{check} edp-growth\nWhat?\n```": "a wrong answer lies within the tolerance of the right one",
    "```{check} what-grows\n:kind: guess\nWhat?\n```": '"guess" unknown',
    "```{predict} q\n:results: 1 | 2\nHow many?\n---\nOne.\n```": "results are one for each of your prediction; got 1, 2",
    "```{predict} r\n:kind: choice\n:results: c\nWhich?\n\n- one\n- two\n---\nOne.\n```": "results are one for each of a, b; got c",
    "```{predict} s\n:results: fact('no.such')\nHow many?\n---\nOne.\n```": "{predict} s: 'no.such'",
    "```{predict} p\nNo line of dashes.\n```": "a line of three dashes stands between",
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory) -> str:
    """What the build says of that page."""
    answers = ANSWERS.replace('"b,c,a"', '"a,b,c"').replace("answer = 4", "answer = 16.01")
    return build(write(tmp_path_factory.mktemp("faults"), "# Page\n\n" + "\n\n".join(FAULTS), answers))[1]


@pytest.mark.parametrize("source", FAULTS)
def test_what_cannot_work_fails_the_build_and_says_why(complaints, source):
    assert FAULTS[source] in complaints


# --- chapters ------------------------------------------------------------------------

PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]
CHAPTERS = [entry["file"] for part in PARTS if part["caption"] in ("Timesteps", "Stop when sure", "The chip") for entry in part["chapters"]]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_asks_before_it_shows_and_checks_at_least_three_times(name):
    cells = json.loads((ROOT / f"{name}.ipynb").read_text("utf8"))["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert prose.count("{predict}") in (1, 2)
    assert prose.count("{check}") >= 3


# --- numbers -----------------------------------------------------------------------


def test_a_fact_prints_its_value_and_describes_itself(built):
    number, note = re.search(r'<a href="[^"]*#fact-digits-accuracy" aria-describedby="note-0">(.*?)</a>(.*?)</p>', built, re.S).groups()
    assert number == "97.6\u202f%"
    assert 'role="tooltip" id="note-0"' in note
    assert "replay of digits-test" in note and "tests/test_facts.py::test_accuracy" in note


def test_a_published_number_names_its_source_and_place(built):
    assert "Published by Li et al. 2023c, abstract." in built
    assert re.search(r'<a href="[^"]*#id\d+" aria-describedby="note-\d+">1.46 timesteps</a>', built)


def test_the_table_of_facts_has_a_row_for_each(built):
    for fact in FACTS:
        row = re.search(rf'<tr id="{make_fact_id(fact["name"])}">(.*?)</tr>', built).group(1)
        assert fact["how"] in row and fact["text"].replace(" %", "\u202f%") in row


@pytest.mark.parametrize(("pattern", "shown"), [("", "97.6\u202f%"), (".0f", "98"), (".2e", "9.76e+01")])
def test_a_fact_is_shown_with_its_unit_or_in_the_format_asked_for(pattern, shown):
    assert Fact("a", 97.6, "%", "", "", "97.6 %").show(pattern) == shown


def test_authors_are_named_as_in_a_sentence():
    known = sources(ROOT)
    assert who(known["li2023dtsnn"]) == "Li et al. 2023c"
    assert who(known["williams1992reinforce"]) == "Williams 1992"


def test_no_two_sources_read_alike():
    names = [who(entry) for entry in sources(ROOT).values()]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


def test_the_file_of_facts_is_what_the_package_measures_now():
    written = json.loads((ROOT / "book/facts.json").read_text("utf8"))
    fresh = [{**asdict(one), "text": one.text} for one in measured()]
    message = "book/facts.json is out of date: make facts"
    assert [(row["name"], row["text"], row["how"], row["test"]) for row in written] == [
        (row["name"], row["text"], row["how"], row["test"]) for row in fresh], message
    assert [row["value"] for row in written] == pytest.approx([row["value"] for row in fresh], rel=1e-6), message


# --- questions ------------------------------------------------------------------------


def questions(built: str) -> dict[str, dict]:
    """The data of every form of a page."""
    found = re.findall(r'<form class="question [^"]*" id="([^"]*)" data-question="([^"]*)">', built)
    return {name: json.loads(html.unescape(data)) for name, data in found}


def test_a_page_asks_what_its_source_asks(built):
    assert list(questions(built)) == ["predict-the-bill", "predict-the-part", "check-edp-growth", "check-which-mean",
                                      "check-what-grows", "check-by-area"]


def test_no_answer_and_no_reply_stands_in_the_built_book(built_page):
    for path in (p for p in built_page.parents[1].rglob("*") if p.suffix in {".html", ".js", ".txt", ".inv", ".md"}):
        text = path.read_text("utf8", errors="replace")
        for secret in ("Secretly", "but not delay", "same argmax", "(8 / 2)", "edp-growth.wrong"):
            assert secret not in text, f"{path.name} holds {secret!r}"


def test_a_prediction_knows_what_came_out(built):
    found = questions(built)["predict-the-bill"]
    assert (found["results"], found["units"], found["whose"]) == (["8", "4.88"], ["times", "times"], "The paper")


@pytest.mark.parametrize(("value", "text"), [
    (970.6, "971"), (0.6667, "0.667"), (999.6, "1,000"), (12345.6, "12,346"), (27.6, "27.6"), (0, "0")])
def test_a_result_is_shown_to_three_digits(value, text):
    assert shown(value) == text


def test_every_control_has_a_label_and_no_control_stands_outside_a_form(built):
    inputs = re.findall(r"<input [^>]*>", "".join(re.findall(r"<form class=\"question.*?</form>", built, re.S)))
    assert len(inputs) == 2 + 2 + 1 + 3 + 3
    assert all('data-lm-suppress-shortcuts="true"' in each for each in inputs)


def test_the_scripts_come_only_where_a_question_is(built, tmp_path):
    page, said = build(write(tmp_path, "# Page\n\nNo question.\n"))
    assert said == "" and "/questions.js" not in page.read_text("utf8")
    assert built.index("seals.js") < built.index("/questions.js")


def test_a_reveal_is_a_plain_fold(built):
    assert re.search(r'<details class="question-reveal" data-reveals="predict-the-bill"><summary>Reveal</summary>', built)


# --- the file of answers ------------------------------------------------------------------


def test_an_answer_is_arithmetic_with_facts():
    assert compute("2 * fact('a.b') ** 2 - -1 / 4", {"a.b": 3.0}.__getitem__) == 18.25
    assert compute("10 * (exp(0.5 - 0.5) - 1)", {}.__getitem__) == 0
    assert compute("exp(1) ** 2", {}.__getitem__) == pytest.approx(7.389, abs=1e-3)


@pytest.mark.parametrize("text", ["__import__('os')", "fact(1)", "[1]", "a", "'text'", "fact.x('a')"])
def test_an_answer_runs_nothing(text):
    with pytest.raises(ValueError, match="arithmetic"):
        compute(text, lambda name: 1.0)


@pytest.mark.parametrize("path", sorted((ROOT / "book/answers").glob("*.toml")), ids=lambda path: path.stem)
def test_every_answer_belongs_to_a_question_of_its_page(path):
    import tomllib

    (source,) = (ROOT / "book").glob(f"{path.stem}.*")
    text = source.read_text("utf8")
    asked = set(re.findall(r"\{check\} ([\w-]+)", text))
    assert set(tomllib.loads(path.read_text("utf8"))) == asked
