"""No loose number in the prose: what the linter finds, what it leaves alone, and that the book has none."""

from __future__ import annotations

import re

import pytest

from dtsnn_lite.proofs.papers import ADC_LESS, DT_SNN, SEENN
from tools.prose import loose_numbers, markdown_of, pages, prose


def found(text: str) -> list[tuple[str, str]]:
    return [(loose.text, loose.kind) for loose in loose_numbers(text, "here")]


@pytest.mark.parametrize(("text", "number", "kind"), [
    ("It reads 97.7 % of them.", "97.7 %", "percentage"),
    ("It reads 97.7% of them.", "97.7%", "percentage"),
    ("a drop of 0.3 points", "0.3 points", "percentage"),
    ("Between 2 and 3 percent are wrong.", "2 and 3 percent", "percentage"),
    ("EDP falls by **80 %**", "80 %", "percentage"),
    ("a saving of -84 %", "-84 %", "percentage"),
    ("It is 4.9 times as dear.", "4.9 times", "ratio"),
    ("4.9x the energy", "4.9x", "ratio"),
    ("It costs 4.9 \u00d7 as much", "4.9 \u00d7", "ratio"),
    ("a 10-fold gain", "10-fold", "ratio"),
    ("2 to 7 times", "2 to 7 times", "ratio"),
    ("15.9 uJ an image", "15.9 uJ", "energy"),
    ("15.9 \u00b5J", "15.9 \u00b5J", "energy"),
    ("828 picojoules", "828 picojoules", "energy"),
    ("104 ns a cycle", "104 ns", "time"),
    ("ends after 62.8 ms.", "62.8 ms", "time"),
    ("It trains for 81 seconds.", "81 seconds", "time"),
    ("It trains for 81 s.", "81 s", "time"),
    ("on average 1.46 timesteps", "1.46 timesteps", "mean timesteps"),
    ("| accuracy | 97.7 % |", "97.7 %", "percentage"),
    ("```{note}\nIt reads 97.7 % of them.\n```", "97.7 %", "percentage"),
    ("````{note}\n```{tip}\n97.7 %\n```\n````", "97.7 %", "percentage"),
    ("```{predict} p\nHow much?\n\n---\nIt is 8 times.\n```", "8 times", "ratio"),
    ("[97.7 % of them](dtsnn.ipynb)", "97.7 %", "percentage"),
    ("with an accuracy of 0.977", "accuracy of 0.977", "accuracy"),
    ("If theta < 0.5, it saves 30 % for T > 2.", "30 %", "percentage"),
    ("An open ` backtick.\n\nIt saves 30 %, and ` another.", "30 %", "percentage"),
    ("It costs $ 5.\n\nIt saves 30 %, not 6 $.", "30 %", "percentage"),
    ("Reading takes 20 minutes.", "20 minutes", "time"),
])
def test_a_number_typed_by_hand_is_found(text, number, kind):
    assert found(text) == [(number, kind)]


@pytest.mark.parametrize("text", [
    "{fact}`digits.accuracy_T4` of the digits", "the paper says {paper}`li2023dtsnn:abstract|1.46 timesteps`",
    "Assume {given}`75 %`.", "$97.7\\,\\%$ of them", "$$\n4.9 \\times E(1) = 8 ms\n$$", "it prints `97.7 %` there",
    "``a ` 8 ms``", "```\n97.7 %\n```", "```python\nt = '8 ms'\n```", "```{math}\n4.9 x\n```",
    "```{check} edp\n:unit: times\nA chip spends 80 % on wires.\n```", "```{predict} p\nWhat of 30 % more?\n\n---\nMore.\n```",
    "**Time** 25 minutes. **Level** first course", "**Time:** about 20 minutes", "64 x 64 crossbars", "64x64", "3x3 kernels",
    "T = 4 timesteps", "8 timesteps and 4-bit weights", "1,000 images", "in 2023", "the 1990s", "Fig. 1(B)", "Table 4 shows",
    "[a link](https://example.org/97%20x/8 ms)", "<a href=\"#exit?v=1&theta=80%\">with no exit</a>", "a VGG-16 x ResNet-19",
    "<!-- 97.7 % -->", "two times", "ResNet-20 times out", "32 nm CMOS", "price list $5, then 6$", "theta = 0.2",
    "\\begin{align}\n 5 \\times 8 % \n\\end{align}", ":::{math}\n8 ms\n:::", "several times", "a memo (6 points)", "at 1 hand", "4 steps",
])
def test_what_is_no_claim_is_left_alone(text):
    assert found(text) == []


def test_a_fault_is_reported_where_it_stands_and_with_the_fact_that_it_may_be():
    text = "# Title\n\n```python\nx = 1\n```\n\nIt reads\n97.7 % of them.\n"
    (loose,) = loose_numbers(text, "dtsnn.ipynb, cell 3")
    assert str(loose) == ("dtsnn.ipynb, cell 3, line 8: '97.7 %' is a percentage typed by hand; print it with {fact}, mark it as "
                          "published with {paper}, or as a premise with {given} (it may be {fact}`digits.accuracy_T4`)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_no_number_of_the_prose_is_typed_by_hand(path):
    loose = [str(each) for place, text in markdown_of(path) for each in loose_numbers(text, place)]
    assert not loose, "\n".join(loose)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_no_page_says_a_sentence_twice(path):
    text = prose("\n\n".join(text for _, text in markdown_of(path)))
    sentences = [" ".join(each.split()) for each in re.split(r"(?<=[.!?])\s+|\n\s*\n|\n(?=[-*\d])", text)]
    twice = {each for each in sentences if len(each.split()) > 7 and sentences.count(each) > 1}
    assert not twice, "\n".join(twice)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_a_line_ends_where_it_ends_and_not_with_a_backslash_and_an_n(path):
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "", prose("\n\n".join(text for _, text in markdown_of(path))))
    assert not re.findall(r".{30}\\n(?=[-*A-Z ])", text)


def quotations() -> list[tuple[str, str, str, str]]:
    """(page, key, place, words) of every published number in the prose."""
    written = re.compile(r"\{paper\}`([^:`]+):([^|`]+)\|([^`]+)`")
    return [(path.name, *quoted) for path in pages() for _, text in markdown_of(path) for quoted in written.findall(text)]


def test_a_number_quoted_from_the_three_papers_is_a_row_of_what_we_reproduced():
    rows = (*DT_SNN, *SEENN, *ADC_LESS)
    printed = {(row.source, row.where, number) for row in rows for number in row.published}
    ours = [quoted for quoted in quotations() if quoted[1] in {row.source for row in rows} and not quoted[2].endswith("by subtraction")]
    assert ours
    for page, key, place, words in ours:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", words)]
        assert numbers and all((key, place, number) in printed for number in numbers), (
            f"{page} quotes {words!r} from {key}, {place}: no such row in dtsnn_lite/proofs/papers.py")
