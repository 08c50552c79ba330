"""anywidgets that run on a static page, from the state that myst-nb embeds in it.

A notebook's widget becomes three things in the page: a still view, drawn by the widget's own script (what a
reader without scripts sees, and what is printed), the style sheet of both its views, and its state, which
stands at the end of the text so that the text paints first. widget-host.js brings it to life in the
same elements as the still ones, so that it takes exactly their place.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from . import stills

LOGGER = logging.getLogger(__name__)
STATE_TYPE = "application/vnd.jupyter.widget-state+json"
HOST = Path(__file__).with_name("widget-host.js")
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


def embedded(models: Models) -> str:
    """The state as a data block; `</` is escaped so that no text in it can end the block."""
    ours = {key: model for key, model in models.items() if model["model_module"] == "anywidget"}
    text = json.dumps({"state": ours}, separators=(",", ":")).replace("</", "<\\/")
    return f'<script type="{STATE_TYPE}">{text}</script>'


def host() -> str:
    """The script that gives them life, without its first comment; in the page, since for one more file a phone waits half a second."""
    return re.sub(r"\A/\*.*?\*/\s*", "", HOST.read_text("utf8"), flags=re.S)


def place_widgets(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page with its widgets in their boxes, their state last, and the host after it."""
    models = take_state(context)
    body = context.get("body", "")
    if not models or not VIEW.search(body):
        return
    views, sheets = views_of(models, body, pagename), style_sheets(models)
    boxes = VIEW.sub(lambda found: box(found["view"], views, models), body)
    context["body"] = f"{sheets}{boxes}\n{embedded(models)}\n<script>\n{host()}</script>\n"


def setup(app: Sphinx) -> None:
    """After myst-nb, which puts the state into the page."""
    app.connect("html-page-context", place_widgets, priority=900)
