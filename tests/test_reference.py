"""The package's reference: docstrings that read well, every module on one page, first mentions that lead there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from book.extensions.stopwhensure.docstrings import is_kept, prose, restructured
from book.extensions.stopwhensure.mentions import imported, meant, only_one
from book.extensions.stopwhensure.reference import names_of, of_statement

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dtsnn_lite"
PAGES = sorted((ROOT / "book").glob("api*.md"))

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book/extensions")!r})
extensions = ["myst_parser", "stopwhensure.reference", "stopwhensure.mentions"]
project, language, root_doc, nitpicky = "Reference", "en", "chapter", True
toc_object_entries = False
nitpick_ignore_regex = [["py:class", "(?!dtsnn_lite).*"]]
"""

MODULE = '''
"""Whatever is `first`, second_ and *third*."""
from dataclasses import dataclass

Kind = int | str
LIMIT = 3


@dataclass(frozen=True)
class Policy:
    """A rule | a *row*.

    theta    below which it stops: f_t, 2 * 3, `name`
    labels_  one an image,
             or none
    """

    theta: float = 0.1 * (2 + 1)
    kind: Kind = "a"

    @property
    def steps(self) -> int:
        return 1

    def hidden(self) -> None: ...


def replay(policy: Policy, *, seed: int = 0) -> Kind:
    """T_hat(x): the first t.

    E = sum_k p_k    (DT-SNN)
      = 1

    >>> 1 + 1
    2
    """


def no_words() -> None: ...
'''

CHAPTER = """
# Chapter

`replay` and `replay(seen)`, then `Policy.steps`, `LIMIT`, `unknown_name`, [`Policy`](reference.md).

```python
from dtsnn_lite.rules import replay
```

```{toctree}
reference
```
"""

REFERENCE = """
# Reference

```{eval-rst}
.. module-summary:: rules
```

## rules

```{eval-rst}
.. module-reference:: rules
```
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, str]:
    """A book of a chapter and a reference, without a warning."""
    root = tmp_path_factory.mktemp("reference")
    (root / "dtsnn_lite").mkdir()
    for name, text in (("conf.py", CONF), ("dtsnn_lite/rules.py", MODULE), ("chapter.md", CHAPTER), ("reference.md", REFERENCE)):
        (root / name).write_text(text, "utf8")
    ran = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", root, root / "out"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return {page: (root / "out" / f"{page}.html").read_text("utf8") for page in ("chapter", "reference")}


# --- docstrings -----------------------------------------------------------------------


def test_signs_of_the_prose_are_signs_and_names_are_code():
    assert prose("a *b* c_ `d_` |e|::") == "\\ a \\*b\\* c\\_ \\ ``d_``\\  \\|e\\|:\\:"


def test_a_list_of_meanings_takes_its_second_lines_and_its_longest_name():
    made = restructured("rows, cols    cells of one\n              crossbar\nfirst_readout its own\nAnd then prose.")
    assert made == ["``rows, cols``", "   \\ cells of one crossbar", "``first_readout``", "   \\ its own", "", "\\ And then prose.", ""]


@pytest.mark.parametrize("lines", [["E(t) = fixed + step t,   D(t) = t"], ["h = beta u + i"], ["a        | b", "each     | c"],
                                   ["    token   what"], ["one  a key       two  another key"]])
def test_lines_in_columns_and_equations_stay_as_they_are(lines):
    assert is_kept(lines) and restructured("\n".join(lines))[0] == ".. code-block:: text"


@pytest.mark.parametrize("line", ["Prose of one line.", "beta  the fraction", "betas (M,), correct (M, N) bool; timesteps: T = 4"])
def test_prose_and_meanings_do_not(line):
    assert not is_kept([line])


def test_an_example_is_left_to_doctest():
    assert restructured(">>> 1 + 1\n2") == [">>> 1 + 1", "2", ""]


def test_prose_below_an_equation_is_prose():
    assert restructured("E(T) = T    from 8\nThe figure is normalised.")[-2] == "\\ The figure is normalised."


# --- the page -------------------------------------------------------------------------


def test_the_page_shows_names_with_signatures_types_and_docstrings(built):
    page = built["reference"]
    for name in ("Kind", "Policy", "Policy.steps", "replay"):
        assert f'id="dtsnn_lite.rules.{name}"' in page
    assert '<code class="docutils literal notranslate"><span class="pre">labels_</span></code>' in page
    assert "2 * 3" in page and "*row*" in page and "(DT-SNN)" in page and 'class="gp">&gt;&gt;&gt; ' in page


def test_what_has_no_docstring_or_is_a_constant_is_not_listed(built):
    assert not re.search("no_words|hidden|LIMIT", built["reference"])


def test_a_default_that_is_arithmetic_is_not_shown():
    policy = next(node for node in ast.parse(MODULE).body if isinstance(node, ast.ClassDef))
    assert next(of_statement(policy)) == ".. py:class:: Policy(theta: float = ..., kind: Kind = 'a')"


def test_the_first_mention_of_a_name_leads_to_it_and_no_other_does(built):
    link = r'<a class="reference internal" href="reference.html#([^"]+)"><code[^>]*><span class="pre">([^<]+)'
    links = re.findall(link, built["chapter"])
    assert links == [("dtsnn_lite.rules.replay", "replay"), ("dtsnn_lite.rules.Policy.steps", "Policy.steps")]


# --- which name is meant --------------------------------------------------------------


def test_a_page_means_what_its_code_imports():
    code = "from dtsnn_lite.exits import (calibrate,  # a threshold\n    replay as again)\nfrom dtsnn_lite.chip import Chip"
    assert imported(code) == {"calibrate": "dtsnn_lite.exits.calibrate", "again": "dtsnn_lite.exits.replay", "Chip": "dtsnn_lite.chip.Chip"}


def test_a_word_or_a_shared_name_is_meant_only_where_it_is_imported():
    unique = only_one(["p.exits.trade_off", "p.exits.calibrate", "p.a.read_it", "p.b.read_it", "p.exits.Run"])
    assert unique == {"trade_off": "p.exits.trade_off", "exits.trade_off": "p.exits.trade_off", "Run": "p.exits.Run",
                      "exits.Run": "p.exits.Run", "a.read_it": "p.a.read_it", "b.read_it": "p.b.read_it"}
    assert meant("calibrate", {}, unique) is None
    assert meant("calibrate(x)", {"calibrate": "p.exits.calibrate"}, unique) == "p.exits.calibrate"
    assert meant("theta < 0.3", {}, unique) is None


# --- the book's own pages ---------------------------------------------------------------


def modules() -> set[str]:
    """Every module that a reader can import; the command line has its own help."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for path in PACKAGE.rglob("*.py")}
    return names - {"__init__", "__main__"}


@pytest.mark.parametrize("directive", ["module-reference", "module-summary"])
def test_every_module_stands_on_one_page_of_the_reference(directive):
    text = "\n".join(page.read_text("utf8") for page in PAGES)
    named = [name for line in re.findall(rf"^\.\. {directive}:: (.*)", text, re.M) for name in line.split()]
    assert sorted(named) == sorted(modules())


def test_every_page_of_the_reference_stands_in_the_contents():
    contents = (ROOT / "_toc.yml").read_text("utf8")
    assert all(f"file: book/{page.stem}\n" in contents for page in PAGES)


def test_the_names_that_the_readme_imports_are_listed():
    for module, names in re.findall(r"^from dtsnn_lite\.(\w+) import (.*)", (ROOT / "README.md").read_text("utf8"), re.M):
        assert set(names.split(", ")) <= set(names_of(ast.parse((PACKAGE / f"{module}.py").read_text("utf8"))))
