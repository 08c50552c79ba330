"""The Python half of every explorer: one module from two files, and the view without a script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import anywidget
import traitlets

from dtsnn_lite.widgets.drawing import tag

HERE = Path(__file__).parent


def module(name: str) -> str:
    """The script of an explorer: core.js, then <name>.js, as one module that imports nothing."""
    return (HERE / "core.js").read_text("utf8") + (HERE / f"{name}.js").read_text("utf8")


def style() -> str:
    """The style sheet that all explorers share."""
    return (HERE / "core.css").read_text("utf8")


class Explorer(anywidget.AnyWidget):
    """A picture that a reader moves; each control is a trait of the same name.

    heading      what a screen reader calls it
    hash_key     the word its links begin with: #exit?v=1&theta=0.35
    static_html  its default state without a script, placed in the page by the book
    min_height   pixels that the page keeps for it
    """

    _esm = "export default { render() {} };\n"
    _css = style()
    heading = traitlets.Unicode("explorer").tag(sync=True)
    hash_key = traitlets.Unicode("explorer").tag(sync=True)
    static_html = traitlets.Unicode("").tag(sync=True)
    min_height = traitlets.Int(600).tag(sync=True)


def static_view(heading: str, controls: Sequence[tuple[str, str, str]], sentence: str, *parts: str, folded: bool = False) -> str:
    """The box around a view without a script; its own style sheet rides in a picture of no size.

    controls  (words, value, kind) of each control, kind "number" or "choice": shown, but still
    folded    whether more controls stand behind a fold; here their default is all there is
    """
    sheet = tag("svg", tag("style", style()), width="0", height="0", aria_hidden="true", focusable="false", style="width:0;height:0")
    rows = (tag("div", tag("span", escape(words), class_="name"), tag("span", escape(value), class_="still"), class_=f"control {kind}")
            for words, value, kind in controls)
    more = tag("p", "More controls, at their defaults", class_="fold still-fold") if folded else ""
    return tag("div", sheet, tag("div", *rows, class_="controls"), more, tag("p", escape(sentence), class_="sentence"), *parts,
               tag("p", "This is the default state; in a browser with scripts the controls move it.", class_="still-note"),
               class_="dtsnn dtsnn-static", role="group", aria_label=heading)


def panels(*pictures: str) -> str:
    """Pictures side by side, or below each other on a narrow page."""
    return tag("div", *(tag("div", picture, class_="panel") for picture in pictures), class_="panels")


def checked_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """`value`, if it is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}")
    return value
