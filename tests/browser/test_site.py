"""What the web expects of the whole site: links that lead somewhere, addresses, search without a server."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import html5lib
import pytest
import yaml
from fontTools.ttLib import TTFont

from tools.build_book import toc_entries
from tools.zip_book import NAME as ZIP_NAME
from tools.zip_book import zip_book

ROOT = Path(__file__).resolve().parents[2]
PAGES = toc_entries(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
OWNER, NAME = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"].split("/")[-2:]
HOME = f"https://{OWNER}.github.io/{NAME}/"
MATHJAX_MB = 2
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
    names = [node for node in article.iter()
             if isinstance(node.tag, str) and node.tag.endswith("svg") and node.get("aria-hidden") != "true"]
    return drawn + [("svg", node.get("aria-label", "") if node.get("role") == "img" else "") for node in names]


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


def test_search_answers_from_a_folder(browser, book):
    page = browser.new_page()
    page.goto(f"{(book / 'search.html').as_uri()}?q=timesteps")
    page.locator("#search-results a").first.wait_for()
    page.close()


@every_page
def test_only_notebooks_offer_to_be_launched(book, name):
    html = (book / f"{name}.html").read_text("utf8")
    is_notebook = (ROOT / f"{name}.ipynb").is_file()
    assert (f"/blob/main/{name}.ipynb" in html) == is_notebook
    assert (f"urlpath=lab/tree/{name}.ipynb" in html) == is_notebook


def test_no_source_is_published_with_the_pages(book):
    assert not (book / "_sources").exists()
    assert not list(book.rglob("*.ipynb"))


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

    assert megabytes(book / "_static" / "mathjax") < MATHJAX_MB
    assert megabytes(book) < SITE_MB
    assert not list(book.rglob("*.map"))


def test_a_page_that_is_read_in_the_dark_prints_in_the_light(browser, book):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto((book / f"{PAGES[0]}.html").as_uri())
    page.locator(".afm[data-view=live]").first.wait_for()
    ink = "getComputedStyle(document.querySelector('article p')).color.match(/\\d+/g).slice(0, 3).every((part) => part < 100)"
    assert not page.evaluate(ink)
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function(ink)
    assert page.locator(".afm svg[role=img]").first.is_visible()
    page.emulate_media(media="screen", color_scheme="dark")
    page.wait_for_function(f"!({ink})")
    context.close()


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
