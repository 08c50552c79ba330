"""What the web expects of a page: description, Open Graph, sitemap, 404; and repairs of the theme."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
DESCRIPTION_CHARACTERS = 200
BOOK_ZIP = "stop-when-sure.zip"  # made by `make offline`; the workflow that publishes the pages lays it beside them

# Faults of the pinned theme that axe-core reports on every page: (why, as it is, as it should be).
REPAIRS = (
    (
        "a label must contain the text one sees",
        'title="Search" aria-label="Search"',
        'title="Search" aria-label="Search Ctrl+K"',
    ),
    (
        "an entry of a bibliography is an item of a list: its own role has been given up",
        'role="doc-biblioentry"',
        'role="listitem"',
    ),
    (
        "an ampersand in an address is written as an entity",
        ".html&body=Your",
        ".html&amp;body=Your",
    ),
    (
        "three authors and more are written as everywhere else in the text",
        " and others, 20",
        " <em>et al.</em>, 20",
    ),
    (
        "all content stands in a landmark",
        '<div class="sidebar-primary-items__start sidebar-primary__section">',
        '<div class="sidebar-primary-items__start sidebar-primary__section" role="region" aria-label="Book contents">',
    ),
)

FRONT_DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta name="description" content="{description}">
<meta http-equiv="refresh" content="0; url={first}">
<link rel="canonical" href="{home}{first}">
</head>
<body>
<p><a href="{first}">{title}</a></p>
</body>
</html>
"""

LOST = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>No such page: {title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ background: Canvas; color: CanvasText; }}
main {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>This page stopped before it was sure</h1>
<p>There is nothing at this address; it may have moved.</p>
<p><a href="{home}">Begin at the front of <em>{title}</em></a></p>
</main>
</body>
</html>
"""


# Where the browser refuses storage (blocked cookies, a frame without rights) its mere mention throws, in the theme's scripts too:
# theme, search and menus would stop. First in the head, this gives them one that forgets when the page is left.
STORAGE = """
(() => {
  const refused = (name) => { try { window[name].getItem("x"); return false; } catch { return true; } };
  for (const name of ["localStorage", "sessionStorage"].filter(refused)) {
    const kept = new Map();
    const value = { getItem: (key) => kept.get(String(key)) ?? null, setItem: (key, text) => void kept.set(String(key), String(text)),
      removeItem: (key) => void kept.delete(String(key)), clear: () => kept.clear(), key: (i) => [...kept.keys()][i] ?? null,
      get length() { return kept.size; }, forgets: true };
    try { Object.defineProperty(window, name, { value, configurable: true }); } catch { /* this browser keeps its own */ }
  }
})();
"""


def pages_address(repository: str) -> str:
    """Where GitHub Pages serves a repository: https://OWNER.github.io/NAME/."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def derive_addresses(app: Sphinx, config: Config) -> None:
    """The base address, and theme options merged into those that Jupyter Book set."""
    config["html_baseurl"] = pages_address(config.html_theme_options["repository_url"])
    # The base theme would draw a second search bar across the top.
    config.html_theme_options.update(navbar_start=[], navbar_persistent=[], navbar_end=[])


GREEK = {name: chr(0x3B1 + i) for i, name in enumerate((
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi omicron pi rho varsigma sigma tau upsilon phi chi psi omega").split())}
SIGNS = {"times": "\u00d7", "le": "\u2264", "leq": "\u2264", "ge": "\u2265", "geq": "\u2265", "cdot": "\u00b7", "top": "T", "in": "\u2208",
         "to": "\u2192", "dots": "\u2026", "ldots": "\u2026", "approx": "\u2248", "sum": "\u03a3", "infty": "\u221e", "pm": "\u00b1"}


def plain(tex: str) -> str:
    r"""Short TeX in letters: `\theta \le 0.5` as a phone's search results can show it."""
    words = re.sub(r"\\([a-zA-Z]+)", lambda name: GREEK.get(name[1], SIGNS.get(name[1], "")), tex)
    return " ".join(re.sub(r"\\.|[{}]", "", words.replace("^\\top", "\u1d40")).split())


def words_of(paragraph: nodes.paragraph) -> str:
    """A paragraph as plain text, its equations in letters."""
    copy = paragraph.deepcopy()
    for equation in list(copy.findall(nodes.math)):
        equation.replace_self(nodes.Text(plain(equation.astext())))
    return copy.astext()


def first_drawing(app: Sphinx, doctree: nodes.document | None) -> str:
    """The address of a page's first picture that other sites can show; the explorer's, where it has none."""
    for node in doctree.findall() if doctree else ():
        match node:
            case nodes.image():
                name = node.get("uri", "").rpartition("_images/")[2]        # the writer has set it by now
            case nodes.raw():
                name = node.get("picture", "")      # what drawings.py has put into the page as SVG
            case _:
                continue
        if name.endswith((".png", ".jpg")):
            return f"{app.config.html_baseurl}_images/{name}"
    return f"{app.config.html_baseurl}_static/explorer.png"


def description(doctree: nodes.document | None, fallback: str) -> str:
    """The first paragraph of a page's text, not of a box or a list in it, cut at a word."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    first = next((it for it in paragraphs if isinstance(it.parent, nodes.section)), None)
    text = " ".join((words_of(first) if first else fallback).split())
    if len(text) <= DESCRIPTION_CHARACTERS:
        return text
    return text[:DESCRIPTION_CHARACTERS].rsplit(" ", 1)[0] + " ..."


def describe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page with a description and Open Graph tags in its head."""
    is_front = pagename == app.config.root_doc
    title = context.get("pagetitle") or context.get("title") or app.config.html_title
    text = app.config.site_description
    if not is_front:
        text = description(doctree, f"{title}. {text}")
    graph = {
        "og:type": "website" if is_front else "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": text,
        "og:url": app.config.html_baseurl + pagename + ".html",
        "og:image": first_drawing(app, None if is_front else doctree),
    }
    tags = [f"<script>{STORAGE}</script>", f'<meta name="description" content="{escape(text)}" />']
    tags += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in graph.items()]
    context["metatags"] = context.get("metatags", "") + "\n    " + "\n    ".join(tags)


def notebook_of(app: Sphinx, page: str) -> Path | None:
    """The notebook that a page was made from."""
    source = Path(app.env.doc2path(page)) if page in app.env.found_docs else None
    return source if source and source.suffix == ".ipynb" else None


def offer_downloads(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page that offers its notebook, which lies beside it, and the whole book."""
    source = notebook_of(app, pagename)
    notebook = {
        "type": "link",
        "url": source.name if source else "",
        "text": ".ipynb",
        "tooltip": "Download this page as a notebook",
        "icon": "fas fa-code",
        "label": "download-notebook-button",
    }
    book = {
        "type": "link",
        "url": app.config.html_baseurl + BOOK_ZIP,
        "text": ".zip",
        "tooltip": "Download the whole book, to read without network",
        "icon": "fas fa-download",
        "label": "download-book-button",
    }
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["tooltip"] = "Download"
            group["buttons"] = [it for it in group["buttons"] if "_sources" not in it.get("url", "")]
            group["buttons"] += [notebook, book] if source else [book]


def sitemap(app: Sphinx) -> str:
    """The addresses of all pages, for search engines."""
    places = [f"{app.config.html_baseurl}{page}.html" for page in sorted(app.env.found_docs)]
    rows = "".join(f"  <url><loc>{escape(place)}</loc></url>\n" for place in places)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
    )


def forget_old_pages(app: Sphinx) -> None:
    """A folder without pages whose sources are gone."""
    out = Path(app.outdir)
    kept = {out / f"{page}.html" for page in (*app.env.found_docs, "search", "index", "404")}
    for page in set(out.rglob("*.html")) - kept:
        if "_static" not in page.parts:
            page.unlink()
            for notebook in page.parent.glob(f"{page.stem}.ipynb*"):
                notebook.unlink()


def lay_notebooks(app: Sphinx) -> None:
    """Each page's notebook beside it, and once more as a script: from a folder a browser saves no file, but a script can (downloads.js)."""
    out = Path(app.outdir)
    for page in app.env.found_docs:
        source = notebook_of(app, page)
        if source:
            text = source.read_text("utf8")
            (out / page).with_suffix(".ipynb").write_text(text, "utf8")
            (out / page).with_suffix(".ipynb.js").write_text(f"globalThis.notebookText = {json.dumps(text)};\n", "utf8")


def save_notebooks(html: str) -> str:
    """A page whose link to its notebook saves it, where the theme would open a window."""
    return re.sub(r'href="([\w-]+\.ipynb)" target="_blank"', r'href="\1" download="\1"', html)


def lead_to_the_text(html: str) -> str:
    """A page whose skip link leads past the buttons above its text; a page without one, like the search, keeps its own."""
    article = '<article class="bd-article"'
    if f"{article}>" not in html:
        return html
    return html.replace(f"{article}>", f'{article} id="page-text" tabindex="-1">', 1).replace('href="#main-content"', 'href="#page-text"')


def repair(page: Path) -> None:
    """A built page without the theme's faults."""
    html = page.read_text("utf8")
    for _, fault, mended in REPAIRS:
        html = html.replace(fault, mended)
    page.write_text(save_notebooks(lead_to_the_text(html)), "utf8")


def finish(app: Sphinx, failure: Exception | None) -> None:
    """The site's own files, and the repairs."""
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    words = {
        "title": escape(app.config.html_title),
        "description": escape(app.config.site_description),
        "home": escape(app.config.html_baseurl),
        "first": f"{app.config.root_doc}.html",
    }
    (out / "sitemap.xml").write_text(sitemap(app), "utf8")
    (out / "index.html").write_text(FRONT_DOOR.format(**words), "utf8")
    (out / "404.html").write_text(LOST.format(**words), "utf8")
    forget_old_pages(app)
    lay_notebooks(app)
    (out / ".nojekyll").touch()
    for page in out.rglob("*.html"):
        repair(page)


def setup(app: Sphinx) -> None:
    """After the theme, whose page context is used here."""
    app.add_config_value("site_description", "", "html", str)
    app.connect("config-inited", derive_addresses)
    app.connect("html-page-context", describe, priority=900)
    app.connect("html-page-context", offer_downloads, priority=900)
    app.connect("build-finished", finish, priority=900)
