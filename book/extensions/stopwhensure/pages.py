"""What the web expects of a page: description, Open Graph, sitemap, 404; and repairs of the theme."""

from __future__ import annotations

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


def pages_address(repository: str) -> str:
    """Where GitHub Pages serves a repository: https://OWNER.github.io/NAME/."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def derive_addresses(app: Sphinx, config: Config) -> None:
    """The base address, and theme options merged into those that Jupyter Book set."""
    config["html_baseurl"] = pages_address(config.html_theme_options["repository_url"])
    # The base theme would draw a second search bar across the top.
    config.html_theme_options.update(navbar_start=[], navbar_persistent=[], navbar_end=[])


def description(doctree: nodes.document | None, fallback: str) -> str:
    """The first paragraph of a page's text, not of a box or a list in it, cut at a word."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    first = next((it for it in paragraphs if isinstance(it.parent, nodes.section)), None)
    text = " ".join((first.astext() if first else fallback).split())
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
        "og:image": app.config.html_baseurl + "_static/explorer.png",
    }
    tags = [f'<meta name="description" content="{escape(text)}" />']
    tags += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in graph.items()]
    context["metatags"] = context.get("metatags", "") + "\n    " + "\n    ".join(tags)


def offer_downloads(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page that offers the whole book in place of its own source, which the repository has."""
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
            group["buttons"] = [it for it in group["buttons"] if "_sources" not in it.get("url", "")] + [book]


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
    page.write_text(lead_to_the_text(html), "utf8")


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
