"""The notebooks' drawings as SVG in the page itself: sharp at any size, its letters text, its ink and paper the page's own.

A kernel of the build draws each figure twice. What stands in the page is the SVG, with its colours as attributes: black on
white where there is no style, and where there is, assets/book.css gives ink, rules and paper the colours of the theme.
The PNG is what other sites show, and what a page shows where its SVG would be too heavy. Jupyter and Colab draw as ever.

What one sees in it, `mystnb.image.alt` of the cell, stands below: the caption for those who see, and the drawing's name for those
who listen, who hear it once.
"""

from __future__ import annotations

import json
import math
import os
import re
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

SVG, PNG = "image/svg+xml", "image/png"
# Letters are text in the page's own font, not outlines; a picture in a drawing keeps its points; and one margin is enough.
RC = {"svg.fonttype": "none", "image.composite_image": False, "savefig.pad_inches": 0.04}
KERNEL = {"InlineBackend": {"figure_formats": ["png", "svg"], "rc": RC}}
MOST_BYTES = 150_000
PX_A_POINT = 1.5                    # so letters of 10 points, matplotlib's, are about as large as the page's
LEGIBLE_PX, PHONE_PX = 11, 358      # the smallest letters; the column of a window 390 px wide

NAMESPACE = re.compile(r"\{[^}]*\}")
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"url\(#(.+)\)")
UPRIGHT = re.compile(r"rotate\(-?0 [^)]*\)")
# matplotlib's notes, its font, and a rule that would hold for every element of the page: `*{stroke-linejoin: round}`.
NOT_FOR_A_PAGE, ITS_LINES = {"metadata", "style"}, {"stroke-linejoin": "round", "stroke-linecap": "butt"}


def bare(name: str) -> str:
    """A name without its namespace: HTML knows what an SVG is."""
    return NAMESPACE.sub("", name)


def rounded(value: str) -> str:
    """Places to a hundredth of a point: what is finer weighs, and is not seen."""
    return LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), " ".join(value.split()))


def attributes(element: ElementTree.Element) -> dict[str, str]:
    """An element's attributes and the declarations of its style: `fill: none` becomes fill="none"."""
    given = {bare(name): value for name, value in element.attrib.items()}
    style = (part.partition(":") for part in given.pop("style", "").split(";") if part.strip())
    given |= {name.strip(): value.strip() for name, _, value in style}
    given |= {name: rounded(given[name]) for name in ("d", "x", "y") if name in given}
    given.pop("font-family", None)
    if UPRIGHT.fullmatch(given.get("transform", "")):
        del given["transform"]
    return given


def clean(root: ElementTree.Element) -> None:
    """A drawing without what a page has no use for."""
    for element in list(root.iter()):
        element.tag, element.tail = bare(element.tag), None
        element.attrib = attributes(element)
        element.text = element.text if element.tag in {"text", "tspan"} else None
        element[:] = [child for child in element if bare(child.tag) not in NOT_FOR_A_PAGE]


def referred(name: str, value: str) -> str:
    """The id that an attribute points to, if it does."""
    if name == "href" and value.startswith("#"):
        return value[1:]
    found = REFERENCE.fullmatch(value)
    return found[1] if found else ""


def uncolour(root: ElementTree.Element) -> None:
    """Marks whose colours stand where they are used, and only there: a rule of the page does not reach into a copy."""
    for mark in root.iterfind(".//defs/path"):
        mark.attrib = {name: value for name, value in mark.attrib.items() if not name.startswith("stroke")}


def rename(root: ElementTree.Element, name: str) -> None:
    """Each id that something points to begins with `name`, so that no other drawing of the page has it; the others are gone."""
    used = {referred(*pair) for element in root.iter() for pair in element.attrib.items()}
    names: dict[str, str] = {}
    for element in root.iter():
        known = element.attrib.pop("id", "")
        if known and known in used:
            element.set("id", names.setdefault(known, f"{name}-{len(names) + 1}"))
    for element in root.iter():
        pointing = {key: known for key, value in element.attrib.items() if (known := referred(key, value))}
        element.attrib |= {key: element.attrib[key].replace(known, names[known]) for key, known in pointing.items()}


def legible_px(root: ElementTree.Element, width: float) -> int:
    """How wide a drawing is when its smallest letters are as large as they must be; 0 where it has none."""
    sizes = [float(size.removesuffix("px")) for element in root.iter() if (size := element.get("font-size"))]
    return math.ceil(LEGIBLE_PX * width / min(sizes)) if sizes else 0


def caption(name: str, words: str) -> str:
    """What one sees, in sight; a screen reader has said it as the drawing's name."""
    return f'<p class="drawing-caption" id="{name}-caption" aria-hidden="true">{escape(words, quote=False)}</p>'


def drawn(source: str, name: str) -> str:
    """matplotlib's SVG as an element of a page: `name` begins its ids, and its caption says what one sees."""
    root = ElementTree.fromstring(source)
    clean(root)
    uncolour(root)
    rename(root, name)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    needed = legible_px(root, width)
    kind = {"class": "drawing wide-drawing", "style": f"--legible: {needed}px"} if needed > PHONE_PX else {"class": "drawing"}
    size = {"width": f"{PX_A_POINT * width:.0f}", "height": f"{PX_A_POINT * height:.0f}"}
    root.attrib = {**kind, "role": "img", "aria-labelledby": f"{name}-caption", "viewBox": root.attrib["viewBox"], **size, **ITS_LINES}
    return ElementTree.tostring(root, encoding="unicode")


class Drawings(SphinxPostTransform):
    """Before MyST-NB chooses among the forms of an output: the SVG in the page, or the PNG where that would be too heavy."""

    default_priority = 3
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        bundles = [node for node in self.document.findall(nodes.container) if node.get("nb_element") == "mime_bundle"]
        shown = [forms for bundle in bundles if SVG in (forms := {form["mime_type"]: form for form in bundle.children})]
        for number, forms in enumerate(shown, start=1):
            image, bundle, name = forms[SVG].next_node(nodes.image), forms[SVG].parent, f"drawing-{number}"
            words = image.get("alt", "")
            if not words:
                LOGGER.warning("a drawing without a caption: mystnb.image.alt of its cell says what one sees", location=bundle)
            html = drawn((Path(self.env.srcdir) / image["uri"]).read_text("utf8"), name)
            below = nodes.raw("", caption(name, words), format="html")
            if len(html) > MOST_BYTES:
                bundle.remove(forms[SVG])
                bundle.parent.insert(bundle.parent.index(bundle) + 1, below)
            else:
                svg = nodes.raw("", html, format="html", picture=self.picture(forms) if number == 1 else "")
                bundle.replace_self([svg, below])

    def picture(self, forms: dict[str, nodes.Element]) -> str:
        """The name of the PNG, which the build then lays among the images of the book."""
        uri = forms[PNG].next_node(nodes.image)["uri"]
        self.app.builder.images[uri] = name = self.env.images[uri][1]
        return name


def teach_the_kernels(app: Sphinx, config: Config) -> None:
    """A profile of IPython for the kernels of this build, whatever stands in a reader's own."""
    folder = Path(app.srcdir) / "_build" / "ipython"
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.json").write_text(json.dumps(KERNEL), "utf8")
    os.environ["IPYTHONDIR"] = str(folder)


def setup(app: Sphinx) -> None:
    """Before a kernel is started, and when a page is written."""
    app.connect("config-inited", teach_the_kernels)
    app.add_post_transform(Drawings)
