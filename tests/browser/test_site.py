"""What the web expects of the whole site: links that lead somewhere, addresses, search without a server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import html5lib
import pytest
import tinycss2
import yaml
from fontTools.ttLib import TTFont
from playwright.sync_api import Page
from stopwhensure.bundles import joined_sheets
from stopwhensure.plain_code import PLAIN
from stopwhensure.used_rules import NESTED, selectors
from teaching.numbers import sources, who

from tests.browser.waits import TWO_FRAMES, find_boxes, laid_out, read_to_the_end, until
from tools.build_book import toc_entries
from tools.zip_book import NAME as ZIP_NAME
from tools.zip_book import zip_book

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
OWNER, NAME = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"].split("/")[-2:]
HOME = f"https://{OWNER}.github.io/{NAME}/"
SITE_MB = 30
every_page = pytest.mark.parametrize("name", PAGES)


class Reader(HTMLParser):
    """The addresses, anchors and meta data of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.repeated: set[str] = set()
        self.meta: dict[str, str] = {}
        self.feed(path.read_text("utf8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.links |= {given[key] for key in ("href", "src") if key in given}
        if "id" in given:
            if given["id"] in self.anchors:
                self.repeated.add(given["id"])
            self.anchors.add(given["id"])
        if tag == "meta" and "content" in given:
            self.meta[given.get("name") or given.get("property") or ""] = given["content"]


@pytest.fixture(scope="module")
def readers(book) -> dict[Path, Reader]:
    return {path.resolve(): Reader(path) for path in book.rglob("*.html") if "_static" not in path.parts}


@every_page
def test_every_link_inside_the_book_leads_somewhere(book, readers, name):
    here = (book / f"{name}.html").resolve()
    for link in readers[here].links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        there = (here.parent / unquote(parts.path)).resolve() if parts.path else here
        assert there.is_file(), f"{name} links to {link}, which is no file"
        # A fragment with a question mark is the state of an explorer, not a place.
        if parts.fragment and "?" not in parts.fragment and there in readers:
            assert unquote(parts.fragment) in readers[there].anchors, f"{name} links to {link}, which has no such place"


@pytest.mark.parametrize("name", [*PAGES, "search", "index", "404"])
def test_a_page_is_valid_html(book, name):
    parser = html5lib.HTMLParser()
    parser.parse((book / f"{name}.html").read_text("utf8"))
    assert parser.errors == []


def test_no_page_is_left_of_a_source_that_is_gone(book):
    there = {path.relative_to(book).with_suffix("").as_posix() for path in book.rglob("*.html") if "_static" not in path.parts}
    assert there == {*PAGES, "search", "index", "404"}


@every_page
def test_no_page_names_two_places_alike(book, readers, name):
    assert readers[(book / f"{name}.html").resolve()].repeated == set()


@every_page
def test_every_page_describes_itself(book, readers, name):
    meta = readers[(book / f"{name}.html").resolve()].meta
    assert 20 <= len(meta["description"]) <= 300
    assert meta["og:description"] == meta["description"]
    assert meta["og:url"] == f"{HOME}{name}.html"
    assert meta["og:title"]
    assert (book / meta["og:image"].removeprefix(HOME)).is_file()


def test_no_two_pages_describe_themselves_alike(book, readers):
    told = [readers[(book / f"{name}.html").resolve()].meta["description"] for name in PAGES]
    assert len(set(told)) == len(told)


ALT_LETTERS = 50
FILE_NAME = re.compile(r"\.(?:png|jpe?g|svg|gif)\b|^[0-9a-f_-]{8,}$|^(?:image|figure|plot|picture)\b", re.I)


def figures_of(path: Path) -> list[tuple[str, str]]:
    """(element, what is said of it) for every drawing of a page; the small images inside an explorer name themselves."""
    page = html5lib.parse(path.read_text("utf8"), namespaceHTMLElements=False)
    article = next(node for node in page.iter("article") if "bd-article" in node.get("class", ""))
    drawn = [("img", node.get("alt", "")) for node in article.iter("img") if node.get("class") not in ("ink", "photo")]
    hidden = {part for node in article.iter() if node.get("aria-hidden") == "true" for part in node.iter()}
    pictures = [node for node in article.iter() if isinstance(node.tag, str) and node.tag.endswith("svg") and node not in hidden]
    captions = {node.get("id"): node.text or "" for node in article.iter("p") if node.get("class") == "drawing-caption"}

    def name(svg: Element) -> str:
        return svg.get("aria-label") or captions.get(svg.get("aria-labelledby"), "")

    return drawn + [("svg", name(node) if node.get("role") == "img" else "") for node in pictures]


@every_page
def test_every_figure_says_what_one_sees(book, name):
    said = figures_of(book / f"{name}.html")
    for kind, words in said:
        assert len(words) >= ALT_LETTERS and words.endswith("."), f"{kind} of {name}: {words!r} does not say what one sees"
        assert not FILE_NAME.search(words), f"{kind} of {name}: {words!r} names a file, not what one sees"
    assert len({words for _, words in said}) == len(said), "two figures of a page never say the same"


def test_the_figures_of_the_book_are_found(book):
    assert len(figures_of(book / "book" / "dtsnn.html")) >= 8


def test_the_sitemap_names_every_page(book):
    tree = ElementTree.parse(book / "sitemap.xml")
    places = {element.text for element in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    assert places == {f"{HOME}{name}.html" for name in PAGES}


def test_a_lost_reader_is_led_home(browser, book):
    page = browser.new_page()
    page.goto((book / "404.html").as_uri())
    assert page.get_by_role("link").get_attribute("href") == HOME
    page.close()


def test_the_front_door_opens_the_first_page(browser, book):
    page = browser.new_page()
    page.goto((book / "index.html").as_uri())
    page.wait_for_url(f"**/{PAGES[0]}.html")
    page.close()


# --- search ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def search(browser, book) -> Iterator[Page]:
    """The search page, opened from its folder."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(f"{(book / 'search.html').as_uri()}?q=timesteps")
    page.locator("#search-results a").first.wait_for()
    yield page
    context.close()


def found(search: Page, query: str) -> list[str]:
    """The places that a query leads to, page#section, the best first."""
    return search.evaluate("query => BookSearch.find(query).map(({ page, anchor }) => `${page}#${anchor}`)", query)


@pytest.mark.parametrize(("query", "best"), [
    ("stop when sure", "book/intro#stop-when-sure"),
    ("energy times delay", "book/why_timesteps#energy-times-delay"),
    ("is the score honest", "book/seenn1#is-the-score-honest"),
    ("risk_controlled", "book/api_stopping#dtsnn_lite.calibration.risk_controlled"),
    ("replay", "book/api_stopping#dtsnn_lite.exits.replay"),
    ("calibration split", "book/notation#splits"),
])
def test_the_best_hit_stands_first(search, query, best):
    assert found(search, query)[0] == best


def test_a_sentence_of_every_chapter_is_found_where_it_stands(search):
    lost = search.evaluate("""() => BookText.filter(([page]) => !page.includes("api")).flatMap(([page, , rows]) =>
      rows.slice(0, 6).flatMap(([anchor, , text]) => {
        const sentence = text.match(/(?<=[.] )[A-Z][a-z' ,-]{40,160}[.]/)?.[0].replace(/[.]$/, "");
        if (!sentence) return [];
        const [best] = BookSearch.find(sentence);
        const places = BookText.flatMap((it) => it[2]).filter((row) => row[2].toLowerCase().includes(sentence.toLowerCase())).length;
        const isThere = best?.page === page && best.anchor === anchor || places > 1;
        return isThere ? [] : [[page, anchor, sentence, best?.anchor]];
    }))""")
    assert lost == []


def test_plural_and_accent_and_quotation_marks_are_understood(search):
    assert "book/dtsnn#choosing-the-threshold-without-cheating" in found(search, "thresholds choosing")
    assert found(search, "\u00e9nergy times delay")[0] == "book/why_timesteps#energy-times-delay"
    assert found(search, '"times energy delay"') == []


def test_what_is_nowhere_is_said_and_half_of_it_is_found(search):
    search.locator(".bd-search-container input").fill("xyzzyx")
    search.get_by_text("Nothing found").wait_for()
    assert found(search, "xyzzyx threshold")


def test_words_are_marked_in_the_list_and_in_the_page_that_is_chosen(search):
    search.locator(".bd-search-container input").fill("choosing the threshold without cheating")
    search.get_by_role("link", name="Choosing the threshold without cheating").first.wait_for()
    assert search.locator("#search-results mark").first.inner_text() == "Choosing"
    search.get_by_role("link", name="Choosing the threshold without cheating").first.click()
    until(search, "CSS.highlights.has('found') && CSS.highlights.get('found').size > 3")
    assert search.url.endswith("#choosing-the-threshold-without-cheating")
    search.keyboard.press("Escape")
    assert not search.evaluate("CSS.highlights.has('found')")
    search.go_back()


def test_what_one_searches_for_is_never_taken_for_html(browser, book):
    page = browser.new_page()
    page.goto(f"{(book / 'search.html').as_uri()}?q=%3Cimg+src%3Dx+onerror%3D%22document.title%3D'bad'%22%3E+image")
    until(page, "document.querySelector('#search-results').textContent.trim() !== ''")
    assert page.locator("#search-results img").count() == 0 and page.title() != "bad"
    page.close()


@every_page
def test_only_notebooks_offer_to_be_launched(book, name):
    html = (book / f"{name}.html").read_text("utf8")
    is_notebook = (ROOT / f"{name}.ipynb").is_file()
    assert (f"/blob/main/{name}.ipynb" in html) == is_notebook
    assert (f"urlpath=lab/tree/{name}.ipynb" in html) == is_notebook


NOTEBOOKS = [name for name in PAGES if (ROOT / f"{name}.ipynb").is_file()]


def test_every_notebook_lies_beside_its_page_and_no_other_source_is_published(book):
    assert not (book / "_sources").exists()
    there = {path.relative_to(book).with_suffix("").as_posix(): path.read_text("utf8") for path in book.rglob("*.ipynb")}
    assert there == {name: (ROOT / f"{name}.ipynb").read_text("utf8") for name in NOTEBOOKS}


@pytest.mark.parametrize("from_folder", [True, False], ids=["folder", "server"])
def test_a_page_saves_its_notebook(browser, book, serve, from_folder):
    page = browser.new_page(accept_downloads=True)
    page.goto((book / "book/dtsnn.html").as_uri() if from_folder else f"{serve(book)}/book/dtsnn.html")
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name=".ipynb").click()
    assert saved.value.suggested_filename == "dtsnn.ipynb"
    assert saved.value.path().read_text("utf8") == (ROOT / "book/dtsnn.ipynb").read_text("utf8")
    page.close()


# --- long tables ---------------------------------------------------------------------------


def test_the_comparisons_can_be_narrowed_down_to_a_verdict(browser, book):
    page = laid_out(browser.new_page())
    page.goto((book / "book/reproduced.html").as_uri())
    heads = page.locator("article table").first.locator("th").all_inner_texts()
    assert heads[:2] == ["what", "verdict"]
    page.get_by_label("Show verdicts").select_option(index=1)
    kept = page.locator("article table tbody tr:visible").evaluate_all("all => all.map((it) => it.cells[1].textContent.trim())")
    assert kept and set(kept) == {page.get_by_label("Show verdicts").input_value()}
    assert page.locator(".filter-told").inner_text().startswith(f"{len(kept)} of ")
    page.close()


PRINTED = """tables => tables.map((table) => {
    const across = (cell) => [getComputedStyle(cell).textAlign, getComputedStyle(cell).fontVariantNumeric];
    return {
        columns: [...table.tHead.rows].map((row) => [...row.cells].map((cell) => [cell.localName, cell.scope, cell.textContent !== ""])),
        rows: [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => [cell.localName, cell.scope])),
        numbers: [...table.querySelectorAll("td.number")].map(across),
        scrolls: table.scrollWidth > table.parentElement.clientWidth,
        tab: table.parentElement.tabIndex,
    };
})"""


def test_what_a_cell_prints_in_columns_is_a_table_with_heads_that_scrolls_by_keyboard(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((book / "book" / "dtsnn.html").as_uri())
    find_boxes(page)
    tables = page.locator("table.printed").evaluate_all(PRINTED)
    assert len(tables) >= 8
    for table in tables:
        (head,) = table["columns"]
        assert head == [["th", "col", True]] * len(head) and len(head) >= 2
        assert table["rows"] and all(row == [["th", "row"], *[["td", ""]] * (len(head) - 1)] for row in table["rows"])
        assert all(across == ["right", "tabular-nums"] for across in table["numbers"])
        assert (table["tab"] == 0) == table["scrolls"]
    assert any(table["scrolls"] for table in tables) and any(table["numbers"] for table in tables)
    page.close()


def test_the_facts_are_found_by_words_and_fit_a_phone(browser, book):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((book / "book/facts.html").as_uri())
    page.get_by_label("Show facts with").fill("hard accuracy")
    rows = page.locator("table.facts tbody tr:visible")
    assert 0 < rows.count() < 20
    assert all("hard" in text and "accuracy" in text.lower() for text in rows.all_inner_texts())
    assert page.locator("table.facts").evaluate("(it) => it.parentElement.scrollWidth <= it.parentElement.clientWidth")
    page.close()


@pytest.mark.parametrize("name", ["facts", "reproduced"])
def test_what_narrows_a_table_down_has_its_place_before_its_script_runs(browser, book, name):
    tops = []
    for blocked in ("**/filters.js*", "**/nothing.js"):
        page = browser.new_page(viewport={"width": 360, "height": 800})
        page.route(blocked, lambda route: route.abort())
        page.goto((book / f"book/{name}.html").as_uri())
        tops.append(page.locator(".filter").evaluate("(it) => it.getBoundingClientRect().bottom"))
        page.close()
    assert tops[0] == tops[1]
    page = browser.new_page(java_script_enabled=False)
    page.goto((book / f"book/{name}.html").as_uri())
    assert not page.locator(".filter").is_visible()
    page.close()


# --- what a page asks for ------------------------------------------------------------------


def test_a_page_asks_for_one_sheet_and_no_script_before_its_text(browser, book):
    asked = {}
    for name in ("book/dtsnn", "labs/README", "search"):
        page = browser.new_page()
        page.goto((book / f"{name}.html").as_uri())
        asked[name] = page.evaluate("[...document.querySelectorAll('link[rel=stylesheet]')].map((it) => it.href)")
        assert page.evaluate("document.querySelectorAll('head script[src]:not([defer])').length") == 0
        assert page.evaluate("getComputedStyle(document.querySelector('.bd-main')).display") == "flex"
        page.close()
    assert all(len(each) == 1 for each in asked.values()) and len({each[0] for each in asked.values()}) == 1


MISSED = """(selectors) => selectors.filter((it) => {
    const bare = it.replace(/:(hover|focus|active|visited|focus-visible|focus-within|checked|disabled)\\b|::[a-z-]+/g, "");
    try { return document.querySelector(bare); } catch { return false; }
})"""


def selectors_of(sheet: str) -> list[str]:
    """Every selector of a sheet, those within `@media` and the like too."""
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    found = []
    while rules:
        rule = rules.pop()
        if rule.type == "qualified-rule":
            found += [tinycss2.serialize(selector).strip() for selector in selectors(rule.prelude)]
        elif rule.type == "at-rule" and rule.content is not None and rule.lower_at_keyword in NESTED:
            rules += tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
    return found


@pytest.mark.parametrize("name", ["book/intro", "book/dtsnn", "book/reproduced", "labs/README", "search"])
def test_no_rule_that_a_page_needs_was_left_out(browser, book, name):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((book / f"{name}.html").as_uri())
    link = page.locator("link[rel=stylesheet]")
    kept = (book / f"{name}.html").parent.joinpath(link.get_attribute("href").partition("?")[0]).read_text("utf8")
    whole = joined_sheets(book / "_static", link.get_attribute("data-made-of").split())
    left_out = sorted({*selectors_of(whole)} - {*selectors_of(kept)})
    assert len(left_out) > 1000 and len(kept) < 220_000
    find_boxes(page)
    assert page.evaluate(MISSED, left_out) == []
    page.locator(".primary-toggle:visible").first.click()                        # its contents, in a dialog
    assert page.evaluate(MISSED, left_out) == []
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator(".theme-switch-button:visible").first.hover()
    until(page, "document.querySelector('.tooltip')")
    assert page.evaluate(MISSED, left_out) == []
    page.keyboard.press("Control+k")
    assert page.evaluate(MISSED, left_out) == []
    page.close()


# --- what is far from the window -------------------------------------------------------------

FAR = "article section section:not(:first-of-type) > .cell:not(:has(.afm))"


def test_what_is_far_from_the_window_is_laid_out_when_it_comes_near(browser, book):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((book / "book/dtsnn.html").as_uri())
    is_laid_out = f"(n) => document.querySelectorAll('{FAR}')[n].firstElementChild.checkVisibility({{ contentVisibilityAuto: true }})"
    many = page.locator(FAR).count()
    assert many > 10
    until(page, f"(n) => !({is_laid_out})(n)", arg=many - 1)
    find_boxes(page)
    assert not page.evaluate(is_laid_out, many - 1), "to be measured is not to be laid out for good"
    page.locator(FAR).last.evaluate("it => it.scrollIntoView()")
    until(page, is_laid_out, arg=many - 1)
    page.emulate_media(media="print")
    assert page.locator(FAR).first.evaluate("it => getComputedStyle(it).contentVisibility") == "visible"
    page.close()


@pytest.mark.parametrize("width_px, waits", [(390, True), (1280, False)])
def test_on_a_phone_paragraphs_wait_to_be_laid_out(browser, book, width_px, waits):
    page = browser.new_page(viewport={"width": width_px, "height": 844})
    page.goto((book / "book/dtsnn.html").as_uri())
    last = page.locator("article section section > p:has(> *)").last
    is_laid_out = "it => it.firstElementChild.checkVisibility({ contentVisibilityAuto: true })"
    page.evaluate(TWO_FRAMES)
    assert last.evaluate(is_laid_out) is not waits
    last.scroll_into_view_if_needed()
    page.evaluate(TWO_FRAMES)
    assert last.evaluate(is_laid_out)
    page.close()


PLACES = "() => [...document.querySelectorAll('article section > *')].map((it) => it.getBoundingClientRect().top + scrollY)"


@pytest.mark.parametrize("name", ["dtsnn", "edp_scaling"])
def test_distances_are_the_same_whether_a_box_may_wait_or_not(browser, book, name):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((book / f"book/{name}.html").as_uri())
    read_to_the_end(page)
    places = page.evaluate(PLACES)
    page.add_style_tag(content="article * { content-visibility: visible !important; contain: none !important }")
    page.evaluate(TWO_FRAMES)
    assert places == pytest.approx(page.evaluate(PLACES), abs=1)
    page.close()


def test_the_note_of_a_number_is_not_cut_off_at_its_paragraph(browser, book):
    page, notes = browser.new_page(viewport={"width": 390, "height": 844}), 0
    for path in sorted((book / "book").glob("*.html")):
        if "sourced-note" not in path.read_text("utf8"):
            continue
        page.goto(path.as_uri())
        around = page.locator("article .sourced-note").evaluate_all("""notes => notes.map((it) => {
            for (let box = it; box; box = box.parentElement) {
              if (getComputedStyle(box).contentVisibility !== "visible") return box.className;
            }
            return null;
        })""")
        assert not any(around), path.stem
        notes += len(around)
    assert notes > 50
    page.close()


BOX = ".cell_output:has(> .wide-drawing)"
JUST_BEFORE = """box => {
    const stops = [...document.querySelectorAll("a[href], button, input, select, summary")].filter((it) =>
        it.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING && it.checkVisibility() && !it.disabled);
    stops.pop().focus({ preventScroll: true });
}"""


def test_a_box_that_scrolls_is_found_when_it_comes_near(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((book / "book/seenn1.html").as_uri())
    box = page.locator(BOX).last
    page.evaluate(TWO_FRAMES)
    assert box.get_attribute("tabindex") is None
    box.scroll_into_view_if_needed()
    until(page, f"() => [...document.querySelectorAll('{BOX}')].pop().tabIndex === 0")
    page.close()


def test_the_focus_passes_over_no_box_that_scrolls_however_far_it_is(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((book / "book/seenn1.html").as_uri())
    box = page.locator(BOX).last
    box.evaluate(JUST_BEFORE)
    assert box.get_attribute("tabindex") is None
    for _ in range(12):
        page.keyboard.press("Tab")
        if box.evaluate("it => it === document.activeElement"):
            break
    assert box.evaluate("it => it === document.activeElement")
    page.close()


@pytest.mark.parametrize("width_px", [390, 1280])
def test_a_link_into_a_long_page_leads_to_its_place_and_stays_there(browser, book, width_px):
    page = browser.new_page(viewport={"width": width_px, "height": 800})
    page.goto((book / "book/adc_less.html").as_uri() + "#one-bit-at-zero")
    top = "document.querySelector('#one-bit-at-zero').getBoundingClientRect().top"
    find_boxes(page)
    page.evaluate(TWO_FRAMES)
    there = page.evaluate(top)
    assert 0 <= there < 150
    page.mouse.move(200, 400)
    for _ in range(6):
        page.mouse.wheel(0, -600)
        page.evaluate(TWO_FRAMES)
    tops = [page.evaluate(top)]
    page.wait_for_timeout(300)
    tops.append(page.evaluate(top))
    assert tops[0] > there + 2000 and abs(tops[1] - tops[0]) < 40, "what comes near above takes its height without moving what is read"
    page.close()


def test_code_without_an_element_has_the_colour_of_what_would_have_had_one(browser, book):
    page = browser.new_page()
    page.goto((book / "book/dtsnn.html").as_uri())
    for theme in ("light", "dark"):
        page.evaluate("(it) => { document.documentElement.dataset.theme = it; }", theme)
        colours = page.evaluate("""(names) => {
          const code = document.querySelector("article .highlight pre");
          return names.map((name) => {
            const token = Object.assign(document.createElement("span"), { className: name, textContent: "x" });
            code.append(token);
            const { color, fontStyle, fontWeight } = getComputedStyle(token);
            return [color, fontStyle, fontWeight].join();
          }).concat([[getComputedStyle(code).color, getComputedStyle(code).fontStyle, getComputedStyle(code).fontWeight].join()]);
        }""", [*PLAIN])
        assert len(set(colours)) == 1, dict(zip([*PLAIN, "code"], colours, strict=True))
    assert page.locator("article .highlight pre .k, article .highlight pre .kn").count() > 0
    page.close()


# --- links to an explorer ------------------------------------------------------------------


def test_a_links_explorer_is_in_view_before_any_script_file_has_come(browser, book):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.route("**/*.js*", lambda route: route.abort())
    page.goto((book / "book/dtsnn.html").as_uri() + "#exit?v=1&theta=0.2")
    until(page, "() => document.querySelector('.afm').dataset.view === 'failed'")
    seen = page.evaluate("""() => {
      const box = [...document.querySelectorAll(".afm")].find((it) => it.querySelector('[aria-label="Exit explorer"]'));
      const { top, bottom } = (box.querySelector(".board, .watching, .panel") ?? box).getBoundingClientRect();
      return [box.dataset.view, top, bottom, innerHeight, scrollY];
    }""")
    assert seen[0] == "failed" and seen[1] >= 0 and seen[2] <= seen[3] + 1 and seen[4] > 500, seen
    context.close()



def test_a_link_of_another_edition_says_so_and_the_way_back_restores_the_page(browser, book):
    page = browser.new_page()
    address = (book / "book/dtsnn.html").as_uri()
    page.goto(address)
    page.locator(".afm").first.scroll_into_view_if_needed()
    page.locator(".afm[data-view=live]").first.wait_for()
    sentence = page.locator(".afm .sentence").first
    usual = sentence.inner_text()
    page.evaluate("location.hash = '#exit?v=1&theta=0.9'")
    until(page, "usual => document.querySelector('.afm .sentence').textContent !== usual", arg=usual)
    page.go_back()
    until(page, "usual => document.querySelector('.afm .sentence').textContent === usual", arg=usual)
    page.evaluate("location.hash = '#exit?v=2&theta=0.9'")
    page.get_by_text("made for another edition of the book").wait_for()
    assert sentence.inner_text() == usual
    page.go_back()
    page.get_by_text("made for another edition of the book").wait_for(state="hidden")
    page.close()


def test_a_shared_link_shows_its_explorer_before_anything_is_typeset(browser, book):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{(book / 'book/dtsnn.html').as_uri()}#exit?v=1&theta=0.3", wait_until="commit")
    page.locator(".afm[data-view=live] .sentence").first.wait_for()
    # but the theme's links of headings, which wait for a pointer
    hidden = """[...document.querySelectorAll('article :not(.headerlink)')].filter((it) =>
        getComputedStyle(it).visibility === 'hidden' && !it.closest('.afm')).length"""
    assert page.evaluate(hidden) == 0
    page.close()


# --- equations ---------------------------------------------------------------------------


def test_a_long_equation_shows_its_beginning_first(browser, book):
    page = laid_out(browser.new_page(viewport={"width": 360, "height": 800}))
    page.goto((book / "book/crossbars.html").as_uri())
    found = page.locator("article div.math").evaluate_all("""boxes => boxes.map((box) =>
        [box.scrollWidth > box.clientWidth, box.querySelector("svg").getBoundingClientRect().left - box.getBoundingClientRect().left])""")
    assert any(wide for wide, _ in found) and min(left for _, left in found) >= 0
    page.close()


def test_every_equation_is_a_drawing_with_its_mathml_and_no_page_loads_mathjax(book):
    for name in PAGES:
        html = (book / f"{name}.html").read_text("utf8")
        assert "window.MathJax" not in html and 'class="math notranslate' not in html
        set_here = html.count('class="math" data-tex=')
        assert set_here == html.count('<svg aria-hidden="true" style="vertical-align'), name
        assert set_here == html.count('<span class="math-spoken"><math'), name
    assert (book / "book/dtsnn.html").read_text("utf8").count('class="math" data-tex=') > 30


def test_an_equation_is_as_high_as_its_line(browser, book):
    page = browser.new_page()
    page.goto((book / "book/dtsnn.html").as_uri())
    heights = page.locator("article p > span.math > svg").evaluate_all("all => all.map((it) => it.getBoundingClientRect().height)")
    assert len(heights) > 20 and all(6 < height < 60 for height in heights)
    page.close()


def test_an_equation_in_a_sentence_stands_on_its_line(browser, book):
    """Its drawing begins below the line by the depth that its style says, so that letters in it stand where letters around it do."""
    page = browser.new_page()
    page.goto((book / "book/lif.html").as_uri())
    apart = page.locator("article p > span.math").evaluate_all("""all => all.map((it) => {
      const line = document.createElement("span");
      line.style.cssText = "display: inline-block; width: 0; height: 0";
      it.prepend(line);
      const svg = it.querySelector("svg"), depth = -parseFloat(getComputedStyle(svg).verticalAlign || 0);
      const found = svg.getBoundingClientRect().bottom - line.getBoundingClientRect().bottom - depth;
      line.remove();
      return [found, depth];
    })""")
    assert len(apart) > 20 and max(depth for _, depth in apart) > 3
    assert all(abs(found) < 1.5 for found, _ in apart), apart
    page.close()


# --- what a page says of itself elsewhere ----------------------------------------------------


def test_no_description_speaks_tex(book, readers):
    told = [readers[(book / f"{name}.html").resolve()].meta["description"] for name in PAGES]
    assert [text for text in told if re.search(r"\\[a-zA-Z(]|[{}$]", text)] == []


def test_a_page_with_drawings_is_shown_by_its_first(book, readers):
    shown = {name: readers[(book / f"{name}.html").resolve()].meta["og:image"] for name in PAGES}
    assert len({image for name, image in shown.items() if "_images" in image}) >= 10
    assert shown["book/lif"] != shown["book/dtsnn"] != shown["book/intro"] == f"{HOME}_static/explorer.png"


# --- what may be missing or turned ------------------------------------------------------------

REFUSED = """for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { configurable: true, get() { throw new DOMException("denied", "SecurityError"); } }); }"""


def test_a_browser_that_refuses_storage_keeps_theme_menu_search_and_questions(browser, book):
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(REFUSED)
    page.goto((book / "book/dtsnn.html").as_uri())
    was = page.evaluate("document.documentElement.dataset.mode")
    page.locator(".theme-switch-button").locator("visible=true").first.click()
    until(page, f"document.documentElement.dataset.mode !== '{was}'")
    page.locator("#check-two-of-ten input").fill("0.301")
    page.locator("#check-two-of-ten input").press("Enter")
    assert page.locator("#check-two-of-ten .question-verdict").get_attribute("data-mood") == "right"
    page.locator(".primary-toggle").locator("visible=true").first.click()
    page.get_by_role("link", name="Events").locator("visible=true").first.wait_for()
    assert errors == []
    context.close()


def test_a_page_that_is_turned_from_right_to_left_fits_and_leaves_code_as_it_is(browser, book):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((book / "book/lif.html").as_uri())
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("article pre").first.evaluate("(it) => getComputedStyle(it).direction") == "ltr"
    page.close()


def test_the_contents_say_how_far_a_reader_has_come(browser, book):
    context = browser.new_context()
    page = context.new_page()
    page.goto((book / "book/dtsnn.html").as_uri())
    mark = "[...document.querySelectorAll('.bd-links a')].find((it) => it.pathname.endsWith('/dtsnn.html')).dataset.progress"
    assert page.evaluate(mark) is None
    page.locator("#check-two-of-ten input").fill("0.301")
    page.locator("#check-two-of-ten input").press("Enter")
    until(page, f"{mark} === '1/6'")
    page.goto((book / "book/notation.html").as_uri())
    until(page, "[...document.querySelectorAll('.bd-links a')].some((it) => it.dataset.progress === '1/6')")
    context.close()


def test_the_bibliography_names_its_entries_as_the_text_does(book):
    html = (book / "book/bibliography.html").read_text("utf8")
    labels = re.findall(r'<span class="label">(?:<span[^>]*>\[</span>)?([^<]+)', html)
    assert set(labels) == {who(entry) for entry in sources(ROOT).values()}


def test_every_icon_that_a_page_shows_is_in_the_fonts(book):
    static = book / "_static"
    css = (static / "styles" / "pydata-sphinx-theme.css").read_text("utf8")
    drawn = {code for font in static.rglob("fa-*.woff") for code in TTFont(font).getBestCmap()}
    shown = {name for page in book.rglob("*.html") for name in re.findall(r"\bfa-[a-z0-9-]+", page.read_text("utf8"))}
    for name in shown:
        rule = re.search(rf'\.{name}:before[^{{]*{{content:"\\?([^"]+)"}}', css)
        if rule:
            code = int(rule[1], 16) if len(rule[1]) > 1 else ord(rule[1])
            assert code in drawn, name
    assert "fa-magnifying-glass" in shown


def test_the_site_carries_no_dead_weight(book):
    def megabytes(folder: Path) -> float:
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6

    assert not list(book.rglob("*mathjax*"))
    assert megabytes(book) - megabytes(book / "_static" / "python") < SITE_MB, "Python in the page has a limit of its own"
    assert not list(book.rglob("*.map"))


def test_a_page_that_is_read_in_the_dark_prints_in_the_light(browser, book):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto((book / f"{PAGES[0]}.html").as_uri())
    page.locator(".afm[data-view=live]").first.wait_for()
    ink = "getComputedStyle(document.querySelector('article p')).color.match(/\\d+/g).slice(0, 3).every((part) => part < 100)"
    assert not page.evaluate(ink)
    page.emulate_media(media="print", color_scheme="dark")
    until(page, ink)
    assert page.locator(".afm svg[role=img]").first.is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    until(page, f"!({ink})")
    context.close()


def test_a_page_that_stays_open_follows_the_system_to_the_dark_and_back(browser, book):
    page = browser.new_page(color_scheme="light")
    page.goto((book / f"{PAGES[0]}.html").as_uri())
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        until(page, "scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    page.close()


def test_no_name_in_a_table_is_cut_in_two_on_a_phone(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((book / "book" / "notation.html").as_uri())
    cut = page.locator("td code .pre").evaluate_all("all => all.filter((it) => it.getClientRects().length > 1).map((it) => it.textContent)")
    assert cut == []
    page.close()


def test_the_search_form_shows_what_one_types_beside_its_glass(browser, book):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto((book / "search.html").as_uri())
    form = page.locator("form.bd-search").locator("visible=true").first
    glass, words = form.locator("i").bounding_box(), form.locator("input").bounding_box()
    assert glass["x"] + glass["width"] <= words["x"] + 12, "12 px is the input's own padding"
    page.close()


def test_the_whole_book_opens_from_its_zip_without_network(browser, book, tmp_path):
    shutil.unpack_archive(zip_book(book, tmp_path / "book.zip"), tmp_path / "unpacked")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((tmp_path / "unpacked" / ZIP_NAME / "index.html").as_uri())
    page.locator(".afm[data-view=live]").first.wait_for()
    page.get_by_role("link", name="DT-SNN: stop when sure").first.click()
    page.locator("form.question").first.wait_for()
    context.close()


def test_every_chapter_offers_the_book_that_the_workflow_publishes(book):
    workflow = (ROOT / ".github" / "workflows" / "pages.yml").read_text("utf8")
    assert "make offline" in workflow and f"mv _build/{ZIP_NAME}.zip _build/html/" in workflow
    assert f'href="{HOME}{ZIP_NAME}.zip"' in (book / "book" / "dtsnn.html").read_text("utf8")


@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_the_skip_link_leads_to_a_place_that_is_there(book, name):
    html = (book / f"{name}.html").read_text("utf8")
    (place,) = re.findall(r'class="skip-link[^>]*><a href="#([^"]+)"', html)
    assert html.count(f'id="{place}"') == 1
