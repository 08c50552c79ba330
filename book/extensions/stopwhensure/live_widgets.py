"""anywidgets that run on a static page, from the state that myst-nb embeds in it.

A notebook's widget becomes three things in the page: a box that keeps its height, the still view that its
`static_html` trait holds (what a reader without scripts sees, and what is printed), and its state, which
stands at the end of the text so that the text paints first. assets/widget-host.js brings it to life.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
STATE_TYPE = "application/vnd.jupyter.widget-state+json"
VIEW = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-view\+json">(?P<view>[^<]*)</script>'
)
LOADS_SOMETHING = re.compile(r"<script|<iframe|<link|\bon\w+\s*=|javascript:|https?://(?!www\.w3\.org/)", re.I)

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


def still_view(model: dict[str, Any], page: str) -> str:
    """The default view without a script; it may load and run nothing."""
    html = model["state"].pop("static_html", "")
    if not html:
        LOGGER.warning("a widget has no static_html: nothing to see without scripts, or on paper", location=page)
    if LOADS_SOMETHING.search(html):
        LOGGER.warning("the static_html of a widget loads or runs something", location=page)
    return f'<div class="afm-still">{html}</div>' if html else ""


def box(view: str, models: Models, page: str) -> str:
    """The reserved place of one widget: still view and a note of which model goes there."""
    model = models.get(json.loads(view)["model_id"])
    if model is None or model["model_module"] != "anywidget":
        LOGGER.warning("only anywidgets live on a static page; this cell shows another widget", location=page)
        return ""
    height_px = int(model["state"].get("min_height", 0))
    return (
        f'<div class="afm" style="min-height:{height_px}px">{still_view(model, page)}'
        f'<script type="application/vnd.jupyter.widget-view+json">{view}</script></div>'
    )


def embedded(models: Models) -> str:
    """The state as a data block; `</` is escaped so that no text in it can end the block."""
    ours = {key: model for key, model in models.items() if model["model_module"] == "anywidget"}
    text = json.dumps({"state": ours}, separators=(",", ":")).replace("</", "<\\/")
    return f'<script type="{STATE_TYPE}">{text}</script>'


def place_widgets(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The page with its widgets in their boxes, their state last, and the host after it."""
    models = take_state(context)
    body = context.get("body", "")
    if not models or not VIEW.search(body):
        return
    # Two views of one model share its still view: the pop in still_view must see each model once.
    stills: dict[str, str] = {}
    body = VIEW.sub(lambda found: stills.setdefault(found["view"], box(found["view"], models, pagename)), body)
    host = context["pathto"]("_static/widget-host.js", 1)
    context["body"] = f'{body}\n{embedded(models)}\n<script src="{host}"></script>\n'


def setup(app: Sphinx) -> None:
    """After myst-nb, which puts the state into the page."""
    app.connect("html-page-context", place_widgets, priority=900)
