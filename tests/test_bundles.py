"""A page's style sheets and scripts as one file each."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "extensions"))

import pydata_sphinx_theme  # noqa: E402
from stopwhensure import bundles, offline, plain_code  # noqa: E402
from stopwhensure.used_rules import words_of  # noqa: E402

PAGE = """<html><head>
<link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
<link rel="preload" as="script" href="../_static/last.js" />
  <link rel="stylesheet" type="text/css" href="../_static/own.css?v=2" />
<script defer src="../_static/scripts/fontawesome.js"></script>
<script src="../_static/documentation_options.js?v=3"></script>
<script defer="defer" src="../_static/late.js"></script>
<script>OPTIONS.page = "a";</script>
<script src="../_static/first.js"></script>
<link rel="icon" href="../_static/icon.svg"/>
</head><body><p>text</p>
<script src="../_static/answers.js"></script>
<script defer src="../_static/last.js"></script>
</body></html>"""


@pytest.fixture
def static(tmp_path) -> Path:
    folder = tmp_path / "_static"
    (folder / "styles").mkdir(parents=True)
    (folder / "scripts").mkdir()
    files = {
        "styles/theme.css": '/* first */\n@import "../basic.css";\n.a { background: url(../pictures/a.png) }',
        "basic.css": ".b { x: url('b.png') }", "own.css": ".c { x: url(data:image/png;base64,AA) }",
        "documentation_options.js": "const OPTIONS = {};", "first.js": '"use strict"; first()', "late.js": "late()",
        "last.js": "last() // the end", "answers.js": "answers()", "scripts/fontawesome.js": "/* none */"}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def asked(html: str, static: Path, kind: str) -> str:
    """The text of the one bundle of a kind that a page asks for."""
    (address,) = re.findall(rf'"\.\./_static/(styles/page-\w+\.{kind})\?v=\w+"', html)
    return (static / address).read_text()


def test_a_page_asks_for_one_sheet_in_their_place_and_order(static):
    made = bundles.bundled(PAGE, static)
    assert made.count('rel="stylesheet"') == 1 and made.index('rel="stylesheet"') < made.index("OPTIONS.page")
    css = asked(made, static, "css")
    assert css.index(".b {") < css.index(".a {") < css.index(".c {") and "@import" not in css


def test_the_addresses_in_a_sheet_lead_where_they_led(static):
    css = asked(bundles.bundled(PAGE, static), static, "css")
    for address in re.findall(r"url\('?([^)']+)'?\)", css):
        assert address.startswith("data:") or ((static / "styles" / address).resolve() in (static / "b.png", static / "pictures" / "a.png"))


def test_scripts_run_in_their_order_when_the_page_is_read(static):
    made = bundles.bundled(PAGE, static)
    js = asked(made, static, "js")
    assert js.index("first()") < js.index("late()") < js.index("last()")
    assert js.lstrip().startswith(";"), 'a first "use strict" would bind all'
    assert re.search(r"last\(\) // the end\n;", js), "a comment must not swallow what follows"
    assert made.index("answers.js") < made.index("<script defer") < made.index("</body>")


def test_what_the_heads_own_lines_need_stands_in_the_page(static):
    made = bundles.bundled(PAGE, static)
    assert made.index("const OPTIONS = {};") < made.index("OPTIONS.page")
    assert "fontawesome" not in made and "preload" not in made and 'rel="icon"' in made


def test_a_page_that_was_left_as_it_is_gets_what_its_parts_are_now(static):
    made = bundles.bundled(PAGE, static)
    assert bundles.bundled(made, static) == made
    (static / "own.css").write_text(".c { color: red }")
    (static / "late.js").write_text("later()")
    again = bundles.bundled(made, static)
    assert again != made and "color: red" in asked(again, static, "css") and "later()" in asked(again, static, "js")


def test_pages_share_a_bundle_of_sheets_where_their_order_allows_it(static):
    (static / "more.css").write_text(".d {}")
    more = PAGE.replace("<script defer", '<link rel="stylesheet" href="../_static/more.css" />\n<script defer', 1)
    whole = bundles.for_all(map(bundles.sheets_of, (PAGE, more)))
    assert whole == ["styles/theme.css", "own.css", "more.css"]
    made = [bundles.bundled(page, static, whole) for page in (PAGE, more)]
    assert asked(made[0], static, "css") == asked(made[1], static, "css") and ".d {}" in asked(made[0], static, "css")
    assert [bundles.bundled(page, static, whole) for page in made] == made
    alone = bundles.bundled(PAGE, static, ["own.css", "styles/theme.css"])
    assert asked(alone, static, "css") == asked(bundles.bundled(PAGE, static), static, "css")


def test_a_page_without_sheets_or_scripts_stays_as_it_is(static):
    page = "<html><head><title>t</title></head><body></body></html>"
    assert bundles.bundled(page, static) == page


def test_code_keeps_its_text_and_the_elements_that_colour_it():
    code = '<pre><span class="kn">import</span><span class="w"> </span><span class="nn">numpy</span><span class="p">(</span>&lt;</pre>'
    outside = '<span class="n">n</span>'
    assert plain_code.plain(code + outside) == f'<pre><span class="kn">import</span> numpy(&lt;</pre>{outside}'


def test_a_sheet_is_of_rules_that_the_book_can_use(static):
    made = bundles.bundled(PAGE, static, words=words_of(["a c"]))
    css = asked(made, static, "css")
    assert ".a{" in css and ".c{" in css and ".b{" not in css and ".b {" not in css
    assert bundles.bundled(made, static, words=words_of(["a c"])) == made
    assert ".b{" in asked(bundles.bundled(made, static, words=words_of(["a b"])), static, "css")


def test_the_theme_does_not_measure_every_box_of_a_page_after_each_change():
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/pydata-sphinx-theme.js"
    script = theme.read_text("utf8")
    assert ".scrollWidth" in script
    made = offline.without_measures(script)
    assert ".scrollWidth" not in made and 300 < len(script) - len(made) < 600 and offline.without_measures(made) == made
    with pytest.raises(ValueError, match="the theme looks for boxes that scroll in another way"):
        offline.without_measures("boxes.filter((it) => it.scrollWidth > it.clientWidth)")
