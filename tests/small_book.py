"""A book of one page, with the teaching extension and the book's theme: what the tests of questions look at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book/extensions")!r})
project, html_title, language = "Small book", "Small book", "en"
extensions = ["myst_parser", "sphinxcontrib.bibtex", "teaching"]
myst_enable_extensions = ["dollarmath"]
bibtex_bibfiles = ["references.bib"]
html_theme, html_context = "sphinx_book_theme", {{"default_mode": "auto"}}
html_static_path = [{str(ROOT / "book/assets")!r}, "static"]
html_copy_source = False
root_doc = "book/page"
mathjax_path = "no-equations.js"
"""

FACTS = [
    {"name": "digits.accuracy", "value": 97.6, "unit": "%", "how": "replay of digits-test",
     "test": "tests/test_facts.py::test_accuracy", "text": "97.6 %"},
    {"name": "digits.test_images", "value": 1000.0, "unit": "images", "how": "count",
     "test": "tests/test_facts.py::test_images", "text": "1,000 images"},
]

PAGE = """
# Page

The network reads {fact}`digits.accuracy` of {fact}`digits.test_images|,.0f` digits, and the paper
reports {paper}`li2023dtsnn:abstract|1.46 timesteps`, in a sentence that is long enough to wrap on a phone.

```{predict} the-bill
:fields: delay (times) | energy (times)
:results: 8 | fact('digits.accuracy') / 20
:whose: The paper
Compare 8 timesteps with 1.

---
The delay is {paper}`li2023dtsnn:Fig. 1(B)|8 times` as long.
```

```{predict} the-part
:kind: choice
:results: b
Which part is largest?

- the crossbars
- the buffers

---
The buffers.
```

```{check} edp-growth
:unit: times
:hint: EDP is a product.
By what factor does EDP grow from $T = 2$ to $T = 8$?
```

```{check} which-mean
:kind: choice
Which one is the **running mean**?

- the last logits
- the mean of all logits so far
- their sum
```

```{check} what-grows
:kind: several
What grows with T?

- energy
- accuracy, always
- delay
```

```{check} by-area
:kind: order
Sort from small to large.

1. 5-bit converter
2. sense amplifier
3. 4-bit converter
```

```{facts-table}
```

```{bibliography}
:all:
```
"""

ANSWERS = """
[edp-growth]
answer = "(8 / 2) ** 2"
tolerance = 0.01
right = "Secretly, both factors grow alike."
[[edp-growth.wrong]]
answer = 4
reply = "You multiplied energy by T but not delay: EDP grows as T squared."

[which-mean]
answer = "b"
right = "Secretly, Eq. 1."
[[which-mean.wrong]]
answer = "c"
reply = "The sum has the same argmax and another entropy."

[what-grows]
answer = "a,c"
right = "Secretly, two."

[by-area]
answer = "b,c,a"
right = "Secretly, by comparators."
"""


def write(folder: Path, page: str = PAGE, answers: str = ANSWERS, facts: list = FACTS) -> Path:
    """The sources of the book."""
    (folder / "book/answers").mkdir(parents=True)
    (folder / "static").mkdir()
    (folder / "static/no-equations.js").touch()
    (folder / "conf.py").write_text(CONF, "utf8")
    (folder / "references.bib").write_text((ROOT / "references.bib").read_text("utf8"), "utf8")
    (folder / "book/page.md").write_text(page, "utf8")
    (folder / "book/answers/page.toml").write_text(answers, "utf8")
    (folder / "book/facts.json").write_text(json.dumps(facts), "utf8")
    return folder


def build(folder: Path) -> tuple[Path, str]:
    """The built page, and what went wrong."""
    out = folder / "_build"
    ran = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", folder, out],
                         cwd=ROOT, capture_output=True, text=True)
    return out / "book/page.html", ran.stderr
