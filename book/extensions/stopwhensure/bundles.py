"""A page's style sheets as one file, of rules that a page can use, and its scripts as another, asked for when the page has come.

Over a phone's slow network a request takes half a second, however short its file: with a dozen sheets and a dozen scripts before
its first word a page was white for more than four. What a bundle is made of is written into the tag that asks for it, so that a
later build, which may leave the page as it is, can make the bundle again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from posixpath import normpath, relpath
from posixpath import split as split_path

from sphinx.application import Sphinx

from stopwhensure.used_rules import Words, used, words_of

SHEET = re.compile(r'[ \t]*<link\b(?=[^>]* rel="stylesheet")[^>]* href="(?P<path>[^"?]+)[^>]*>\n?')
SCRIPT = re.compile(r'[ \t]*<script\b[^>]* src="(?P<path>[^"?]+)[^>]*></script>\n?')
HINT = re.compile(r'[ \t]*<link\b(?=[^>]* rel="preload")(?=[^>]* as="script")[^>]*>\n?')
MADE_OF = re.compile(r'<(?:link|script)\b[^>]* data-made-of="(?P<names>[^"]+)"[^>]*>(?:</script>\n)?')
IMPORT = re.compile(r'@import\s+"(?P<path>[^"]+)"\s*;')
ASKED = re.compile(r'/(page-\w+\.(?:css|js))\?v=')
LOADED_IN_CSS = re.compile(r'(?P<before>url\(\s*["\']?)(?P<path>(?!data:|https?:|/|#)[^"\')]+)')

AT_ONCE = ("documentation_options.js", "early_theme.js")    # short, and the head's own lines or the first paint need them
NOT_USED = ("scripts/fontawesome.js",)                      # emptied by offline.py
APART = ("search-text.js",)                                 # the text of the whole book, for one page
HOME = "styles"                                             # where most sheets with pictures of their own lie


def sheet(static: Path, name: str) -> str:
    """A sheet's text with those that it imports, its addresses as they are from the bundle's folder."""
    folder = split_path(name)[0] or "."
    whole = IMPORT.sub("", text := (static / name).read_text("utf8"))
    imported = [sheet(static, normpath(f"{folder}/{it['path']}")) for it in IMPORT.finditer(text)]
    here = LOADED_IN_CSS.sub(lambda it: it["before"] + relpath(normpath(f"{folder}/{it['path']}"), HOME), whole)
    return "\n".join([*imported, here])


def joined_sheets(static: Path, names: Sequence[str]) -> str:
    """The sheets in their order."""
    return "\n".join(sheet(static, name) for name in names)


def joined_scripts(static: Path, names: Sequence[str]) -> str:
    """The scripts in their order, each with an end of its own; a first "use strict" binds no other."""
    return ";\n" + "".join(f"{(static / name).read_text('utf8')}\n;\n" for name in names)


def sheet_tag(up: str, file: str, names: str) -> str:
    return f'<link rel="stylesheet" href="{up}{file}" data-made-of="{names}" />'


def script_tag(up: str, file: str, names: str) -> str:
    return f'<script defer src="{up}{file}" data-made-of="{names}"></script>\n'


KINDS: dict[str, tuple[Callable[[Path, Sequence[str]], str], Callable[[str, str, str], str]]] = {
    "css": (joined_sheets, sheet_tag), "js": (joined_scripts, script_tag)}


def bundle(static: Path, up: str, names: Sequence[str], words: Words | None = None) -> str:
    """The tag of a bundle; its file is written where it is not yet, or no longer, what its parts are.

    words  what the rules of a sheet are chosen by; None: all of them
    """
    kind = names[0].rpartition(".")[2]
    join, tag = KINDS[kind]
    text, listed = join(static, names), " ".join(names)
    if kind == "css" and words is not None:
        text = used(text, words)
    file = f"{HOME}/page-{hashlib.sha256(listed.encode()).hexdigest()[:12]}.{kind}"
    path = static / file
    if not path.is_file() or path.read_text("utf8") != text:
        path.write_text(text, "utf8")
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    return tag(up, f"{file}?v={version}", escape(listed))


def sheets_of(html: str) -> list[str]:
    """The sheets of a page, of one that has its bundle already too."""
    head = html.partition("</head>")[0]
    made = next((it["names"].split() for it in MADE_OF.finditer(head) if it[0].startswith("<link")), None)
    return made or [it["path"].removeprefix(_up(head)) for it in SHEET.finditer(head)]


def for_all(lists: Iterable[Sequence[str]]) -> list[str]:
    """The longest list of sheets: who has its parts only, in this order, may have all, and the next page finds them in the cache."""
    return list(max(lists, key=len, default=()))


def bundled(html: str, static: Path, whole: Sequence[str] = (), words: Words | None = None) -> str:
    """A page with its sheets in one bundle and its scripts in another, but for those at the end of its text, which answer first.

    whole  sheets that it may have instead of its own, if those are among them in their order
    words  of the book, by which the rules of its sheets are chosen; None: all of them
    A page that has its bundles already gets them anew.
    """
    sheets = sheets_of(html)
    sheets = list(whole) if [name for name in whole if name in sheets] == sheets else sheets
    if MADE_OF.search(html):
        return MADE_OF.sub(lambda it: bundle(static, _up(it[0]), sheets if it[0].startswith("<link") else it["names"].split(), words), html)
    head, end, body = html.partition("</head>")
    up, first, deferred = _up(head), SHEET.search(head), []
    scripts: list[str] = []

    def take(it: re.Match[str]) -> str:
        name = it["path"].removeprefix(up)
        if name in AT_ONCE:
            return f"<script>\n{(static / name).read_text('utf8').strip()}\n</script>\n"
        is_deferred = " defer" in it[0]
        if name in APART or (not is_deferred and it.string is body):
            return it[0]
        if name not in NOT_USED:
            (deferred if is_deferred else scripts).append(name)
        return ""

    head, body = SCRIPT.sub(take, HINT.sub("", head)), SCRIPT.sub(take, body)
    if first:
        head = head[:first.start()] + bundle(static, up, sheets, words) + "\n" + SHEET.sub("", head[first.start():])
    if scripts or deferred:
        body = body.replace("</body>", bundle(static, up, [*scripts, *deferred]) + "</body>")
    return head + end + body


def _up(tags: str) -> str:
    """How a page calls the folder of the parts: `../_static/`."""
    found = re.search(r'"(?P<up>(?:\.\./)*_static/)', tags)
    return found["up"] if found else ""


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Every page of the book with its bundles, and no bundle that no page asks for."""
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static, asked = out / "_static", set()
    pages = {page: page.read_text("utf8") for page in out.rglob("*.html") if static not in page.parents}
    whole = for_all(sheets_of(html) for html in pages.values())
    files = [*static.glob("*.js"), *(static / "scripts").glob("*.js"), *(static / "widgets").rglob("*.js")]
    scripts = (path.read_text("utf8") for path in files if path.name not in APART)
    words = words_of([*pages.values(), *scripts])
    for page, html in pages.items():
        made = bundled(html, static, whole, words)
        asked.update(ASKED.findall(made))
        if made != html:
            page.write_text(made, "utf8")
    for path in (static / HOME).glob("page-*"):
        if path.name not in asked:
            path.unlink()


def setup(app: Sphinx) -> None:
    """After everything that changes a sheet, a script or a page."""
    app.connect("build-finished", finish, priority=970)
