"""The book's own Sphinx extension, in small parts, one file each.

freshness     what a page was made from; a change makes it stale
execution     the notebooks that must be run, several at a time
live_widgets  anywidgets that run on a static page, with a still view for readers without scripts
stills        that view, drawn by the widget's own script
offline       icons and scripts without the network
bundles       a page's sheets and scripts, asked for once
typeset       equations, set when the book is built
icons         the theme's icon fonts, cut down to the icons that are shown
plain_code    highlighted code without elements that change nothing
printed_tables  what cells print in columns, as tables
tables        heads with a scope, and room for words on a narrow page
drawings      the notebooks' drawings as SVG in the page, in its colours
pictures      those that stay pictures, with a palette
margins       notes and small figures beside the text
docstrings    the package's docstrings, made fit for a page
search        the text of every section, for a search that works from a folder
reference     its public names, with signatures, read from the source
mentions      the first mention of a name in a chapter, linked to the reference
slides        a chapter as slides, made in its page
tested        what the tests in a browser hold, and their limits, for the page on accessibility
pages         descriptions, Open Graph tags, sitemap, the page for lost readers, repairs of the theme
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import (
    bundles, drawings, execution, freshness, icons, live_widgets, margins, mentions, offline, pages, pictures, plain_code,
    printed_tables, reference, search, slides, tables, tested, typeset,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """The extension's entry point."""
    for part in (freshness, execution, live_widgets, offline, icons, printed_tables, plain_code, tables, drawings, pictures, margins, pages,
                 slides, reference, mentions, tested, typeset, search, bundles):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
