"""anywidgets that run on a static page, from the state that myst-nb embeds in it.

A notebook's widget becomes three things: in the page a still view, drawn by the widget's own script (what a
reader without scripts sees, and what is printed), and the style sheet of both its views; beside the page, in a
script of its own, its state, so that a phone paints the text before the recordings have come. After the state
stands widget-host.js, which brings it to life in the same elements as the still ones, so that it takes exactly
their place. widget-call.js, a few lines in the page, asks for both.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from . import stills

LOGGER = logging.getLogger(__name__)
STATE_TYPE = "application/vnd.jupyter.widget-state+json"
HOST, CALL = (Path(__file__).with_name(name) for name in ("widget-host.js", "widget-call.js"))
HOME = "_static/widgets"
VIEW = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-view\+json">(?P<view>[^<]*)</script>'
)
WITHOUT_SCRIPTS = "<noscript><p>This is the default state; in a browser with scripts the controls move it.</p></noscript>"
# As core.js does: what is looked at, and not more of the page moved than need be.
ARRIVE = ("if (location.hash.startsWith(%s)) { const it = document.currentScript.parentElement; "
          '(it.querySelector(".board, .watching, .panel") ?? it).scrollIntoView({ block: "nearest" }); }')
LOADS_SOMETHING = re.compile(r"<(?:script|iframe|link)\b|<[^>]*(?:\son\w+=|javascript:|https?://)", re.I)

Models = dict[str, dict[str, Any]]  # model id -> {"model_module", "state", "buffers", ...}


def take_state(context: dict[str, Any]) -> Models:
    """The page's widget models, taken out of the scripts of its head."""
    models: Models = {}
    kept = []
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") == STATE_TYPE:
            models.update(json.loads(attributes["body"])["state"])
        else:
            kept.append(script)
    context["script_files"] = kept
    return models


def views_of(models: Models, body: str, page: str) -> dict[str, str]:
    """The still view of each model that the page shows; a widget that cannot be drawn warns, and is left out."""
    shown = {json.loads(found["view"])["model_id"] for found in VIEW.finditer(body)}
    ours = {key: models[key] for key in shown if key in models and models[key]["model_module"] == "anywidget"}
    if len(ours) < len(shown):
        LOGGER.warning("only anywidgets live on a static page; this page shows another widget", location=page)
    views = {}
    for key, still in stills.draw(ours).items():
        if "error" in still:
            LOGGER.warning("a widget cannot be drawn without a browser: %s", still["error"], location=page)
        elif LOADS_SOMETHING.search(still["html"]):
            LOGGER.warning("the still view of a widget loads or runs something", location=page)
        views[key] = still.get("html", "")
    return views


def box(view: str, views: dict[str, str], models: Models) -> str:
    """The place of one widget: its still view, and a note of which model goes there."""
    key = json.loads(view)["model_id"]
    if key not in views:
        return ""
    return (
        f'<div class="afm"><div class="afm-still">{views[key]}{WITHOUT_SCRIPTS}</div>'
        f'<script type="application/vnd.jupyter.widget-view+json">{view}</script>{arrival(models[key])}</div>'
    )


def arrival(model: dict[str, Any]) -> str:
    """A line that brings the still view into the window as soon as it is read, for a reader whose link names this widget's state.

    The live one does the same, but on a slow network it comes seconds later.
    """
    name = model["state"].get("hash_key")
    return f"<script>{ARRIVE % json.dumps(f'#{name}?')}</script>" if name else ""


def style_sheets(models: Models) -> str:
    """The style sheets of the widgets, each once and out of their state: both views of a widget obey the same rules."""
    sheets = {model["state"].pop("_css", "") for model in models.values()} - {""}
    return "".join(f"<style>{sheet}</style>" for sheet in sorted(sheets))


def script(path: Path) -> str:
    """A script without its first comment."""
    return re.sub(r"\A/\*.*?\*/\s*", "", path.read_text("utf8"), flags=re.S)


def beside(models: Models) -> str:
    """The script beside a page: the state, which a browser reads fastest as a string, and the host."""
    ours = {key: model for key, model in models.items() if model["model_module"] == "anywidget"}
    text = json.dumps(ours, separators=(",", ":")).replace("\\", r"\\").replace("'", r"\'")
    return f"window.widgetModels = JSON.parse('{text}');\n{script(HOST)}"


def written(text: str, out: Path, page: str) -> tuple[str, str]:
    """Writes the script beside a page; its address from the book's root, and a version of what it says."""
    path = out / HOME / f"{page}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf8")
    return f"{HOME}/{page}.js", hashlib.sha256(text.encode()).hexdigest()[:8]


def call(address: str, version: str) -> str:
    """The lines in the page that ask for the script beside it."""
    return f'<script data-address="{address}?v={version}">\n{script(CALL)}</script>\n'


def place_widgets(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page with its widgets in their boxes, and before them the call for their state."""
    models = take_state(context)
    body = context.get("body", "")
    if not models or not VIEW.search(body):
        return
    views, sheets = views_of(models, body, pagename), style_sheets(models)
    boxes = VIEW.sub(lambda found: box(found["view"], views, models), body)
    address, version = written(beside(models), Path(app.outdir), pagename)
    context["body"] = f"{call(context['pathto'](address, True), version)}{sheets}{boxes}"


def clear(app: Sphinx, failure: Exception | None) -> None:
    """No script beside a page that is gone, or that shows no widget any more."""
    if failure or app.builder.format != "html":
        return
    home = Path(app.outdir) / HOME
    for path in home.rglob("*.js"):
        name = path.relative_to(home).as_posix()
        page = Path(app.outdir) / f"{name.removesuffix('.js')}.html"
        if not page.is_file() or f"{HOME}/{name}" not in page.read_text("utf8"):
            path.unlink()


def setup(app: Sphinx) -> None:
    """After myst-nb, which puts the state into the page."""
    app.connect("html-page-context", place_widgets, priority=900)
    app.connect("build-finished", clear, priority=900)
