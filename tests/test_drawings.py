"""The notebooks' drawings in the page: the same picture, in the page's letters and colours, and a name of its own for every part."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image
from stopwhensure import drawings

from dtsnn_lite import figures

ROOT = Path(__file__).resolve().parents[1]
RNG = np.random.default_rng(3)


def svg(figure: Figure) -> str:
    """A figure as a kernel of the build draws it."""
    with rc_context(drawings.RC):
        file = io.StringIO()
        figure.savefig(file, format="svg", bbox_inches="tight")
    plt.close(figure)
    return file.getvalue()


def curves() -> Figure:
    """Lines, markers, ticks, a grid and a legend."""
    figure, ax = figures.panels()
    figures.draw_lines(ax, np.arange(6), {"one < two": np.arange(6) ** 2, "two": np.arange(6) * 1.37}, ("time (ms)", "rate (1)"), "Lines")
    ax.plot([2], [7], "o", color=figures.COLOURS[1])
    return figure


def stacks() -> Figure:
    """Bars with hatches."""
    figure, ax = figures.panels()
    figures.draw_stacks(ax, {"a chip": {"ADC": 2e3, "crossbar": 3e3, "neurons": 1e3}, "another": {"ADC": 1e3}})
    return figure


PICTURES, SHADES = RNG.integers(0, 256, (2, 9, 9)).astype(np.uint8), RNG.random((40, 40))


def images() -> Figure:
    """Two small grey pictures with their captions."""
    figure, ax = figures.panels()
    figures.draw_images(ax, PICTURES, ["a 3", "a 7"], columns=2)
    return figure


def shades() -> Figure:
    """A map and the bar that explains it."""
    figure, ax = figures.panels()
    figures.draw_map(ax, SHADES, ("column", "row"), "A map", "share (1)")
    return figure


DRAWN = {figure.__name__: svg(figure()) for figure in (curves, stacks, images, shades)}
every_drawing = pytest.mark.parametrize("name", DRAWN)
WORDS = "A line <rises> & \"bends\" at 3."


def element(name: str, number: int = 1) -> ElementTree.Element:
    """A drawing as it stands in a page."""
    return ElementTree.fromstring(drawings.drawn(DRAWN[name], f"drawing-{number}"))


def values(root: ElementTree.Element, attribute: str) -> list[str]:
    return [found for it in root.iter() if (found := it.get(attribute)) is not None]


def references(root: ElementTree.Element) -> set[str]:
    pointing = [value for it in root.iter() for value in it.attrib.values() if value.startswith("url(")]
    return {value[5:-1] for value in pointing} | {href[1:] for href in values(root, "href") if href.startswith("#")}


@every_drawing
def test_a_drawing_is_one_image_whose_caption_in_sight_is_its_name(name):
    root, below = element(name, 4), ElementTree.fromstring(drawings.caption("drawing-4", WORDS))
    assert root.tag == "svg" and root.get("role") == "img" and root.get("aria-labelledby") == below.get("id") == "drawing-4-caption"
    assert below.tag == "p" and below.text == WORDS and below.get("aria-hidden") == "true", "who listens has heard it"


@every_drawing
def test_letters_are_text_in_whatever_font_the_page_has(name):
    root = element(name)
    said = [text.text for text in root.iter("text")]
    assert len(said) > 1 and all(said) and not values(root, "font-family")
    assert name != "curves" or {"Lines", "time (ms)", "one < two"} <= set(said)


@every_drawing
def test_nothing_in_a_drawing_reaches_the_rest_of_the_page(name):
    tags = {it.tag for it in element(name).iter()}
    assert tags <= {"svg", "g", "defs", "path", "text", "use", "clipPath", "rect", "pattern", "image"}


@every_drawing
def test_two_drawings_of_a_page_share_no_name_and_each_points_into_itself(name):
    first, second = element(name, 1), element(name, 11)
    for root in (first, second):
        assert set(values(root, "id")) == references(root) and len(set(values(root, "id"))) == len(values(root, "id"))
    assert references(first) and not references(first) & references(second)


@pytest.mark.parametrize("figure", [curves, stacks, images, shades], ids=lambda figure: figure.__name__)
def test_the_same_figure_is_the_same_drawing_every_time(figure):
    again = svg(figure())
    assert again != DRAWN[figure.__name__], "matplotlib's names and dates differ"
    assert drawings.drawn(again, "drawing-1") == drawings.drawn(DRAWN[figure.__name__], "drawing-1")


@every_drawing
def test_all_is_where_matplotlib_has_put_it(name):
    number = re.compile(r"-?\d+(?:\.\d+)?")

    def places(root: ElementTree.Element) -> list[float]:
        drawn = [it for it in root.iter() if it.tag.rpartition("}")[2] in {"path", "use", "text"}]
        return [float(found) for it in drawn for key in ("d", "x", "y") for found in number.findall(it.get(key, ""))]

    before, after = places(ElementTree.fromstring(DRAWN[name])), places(element(name))
    assert len(before) == len(after) > 10
    assert np.abs(np.subtract(before, after)).max() <= 0.0051


@every_drawing
def test_a_drawing_has_the_shape_of_its_figure_and_letters_as_large_as_the_page(name):
    root = element(name)
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    assert float(root.attrib["width"]) / width == pytest.approx(1.5, abs=0.01)
    assert float(root.attrib["height"]) / height == pytest.approx(1.5, abs=0.01)


def test_without_a_style_a_drawing_is_dark_ink_on_white_paper():
    root = element("curves")
    paper, letters = root.find(".//path"), list(root.iter("text"))
    assert paper.get("fill") == "#ffffff" and {text.get("fill") for text in letters} <= {figures.INK, None}, "no fill is black"
    assert figures.COLOURS[0] in values(root, "stroke") and figures.FAINT in values(root, "stroke")


@every_drawing
def test_a_mark_has_its_colours_where_it_is_used_and_none_of_its_own(name):
    root = element(name)
    marks = {it.get("id"): it for it in root.iterfind(".//defs/path")}
    copies = list(root.iter("use"))
    assert {copy.attrib["href"][1:] for copy in copies} == set(marks) and (copies or name == "images")
    assert all("stroke" in copy.attrib for copy in copies), "no fill is black"
    assert not any({"fill", "stroke"} & set(mark.attrib) for mark in marks.values()), "the page's colours do not reach into a copy"


def test_a_picture_in_a_drawing_is_kept_point_by_point():
    shown = [it for it in element("images").iter("image")]
    for image, picture in zip(shown, PICTURES, strict=True):
        kind, _, data = image.attrib["href"].partition(",")
        grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L")).astype(int)
        spread = picture.astype(float) - picture.min()
        expected = 255 - 255 * spread / spread.max()         # the darkest is drawn where the number is largest
        assert kind == "data:image/png;base64" and image.get("image-rendering") == "pixelated"
        assert grey.shape == (9, 9) and min(np.abs(grey - expected).max(), np.abs(grey[::-1] - expected).max()) <= 2


def test_shades_are_one_picture_and_not_a_stripe_each():
    assert len(list(element("shades").iter("path"))) < 60 and len(list(element("shades").iter("image"))) == 2


@pytest.mark.parametrize(("width", "is_wide"), [(4.5, False), (8.4, True)])
def test_a_drawing_that_a_phone_would_shrink_below_reading_keeps_the_width_that_it_needs(width, is_wide):
    figure, ax = figures.panels(width=width)
    figures.draw_lines(ax, [0, 1], {"a": [0, 1]}, ("x (1)", "y (1)"), "A line")
    root = ElementTree.fromstring(drawings.drawn(svg(figure), "drawing-1"))
    smallest_pt, width_pt = min(map(letters_pt, values(root, "font-size"))), float(root.attrib["viewBox"].split()[2])
    assert ("wide-drawing" in root.attrib["class"].split()) == is_wide
    shown_px = int(re.fullmatch(r"--legible: (\d+)px", root.attrib["style"])[1]) if is_wide else 358      # the column of a window of 390
    assert 11 <= smallest_pt * shown_px / width_pt < 11.1


def letters_pt(size: str) -> float:
    return float(size.removesuffix("px"))


# --- the colours of the page ----------------------------------------------------------------


def exchanged() -> dict[tuple[str, str], str]:
    """(fill or stroke, colour) -> what book.css puts in its place."""
    style = (ROOT / "book/assets/book.css").read_text("utf8")
    rules = re.findall(r"^svg\.drawing ([^{]*\[[^{]*)\{ (fill|stroke): var\((--\w+)\); \}", style, re.M)
    return {(kind, colour): into for chosen, kind, into in rules for colour in re.findall(rf'\[{kind}="(#\w+)"\]', chosen)}


def test_ink_rules_and_paper_become_the_pages_and_no_colour_of_data_does():
    found = exchanged()
    for kind in ("fill", "stroke"):
        assert {found[kind, figures.INK], found[kind, "#000000"]} == {"--ink"} and found[kind, "#ffffff"] == "--paper"
    assert found["stroke", figures.FAINT] == "--rule"
    assert not {colour for _, colour in found} & set(figures.COLOURS)
