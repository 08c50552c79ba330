"""The drawings of the notebooks, in as many colours as they have: a third of the bytes, the same picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

COLOURS = 256
OPAQUE = 255
WORTH_IT_BYTES = 8_000


def lighten(path: Path) -> None:
    """An opaque PNG with a palette in place of four bytes a point, where that is smaller."""
    with Image.open(path) as picture:
        has_holes = picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] < OPAQUE
        if picture.mode not in {"RGB", "RGBA"} or has_holes:
            return
        # Maximum coverage keeps white paper white; the other methods average it with the grey of the letters.
        few = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    lighter = path.with_suffix(".lighter")
    few.save(lighter, format="PNG", optimize=True)
    if lighter.stat().st_size < path.stat().st_size:
        lighter.replace(path)
    else:
        lighter.unlink()


def finish(app: Sphinx, failure: Exception | None) -> None:
    """All drawings of the pages; those of an earlier build have their palette already."""
    if failure or app.builder.format != "html":
        return
    for path in (Path(app.outdir) / "_images").glob("*.png"):
        if path.stat().st_size > WORTH_IT_BYTES:
            lighten(path)


def setup(app: Sphinx) -> None:
    """When all pages are written."""
    app.connect("build-finished", finish, priority=900)
