"""book/assets/explorer.png: the network of the first page, as a reader meets it."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools.chromium import ARGUMENTS, chromium_path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "book" / "assets" / "explorer.png"
PICTURE_KB = 150


def main() -> None:
    """Take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1280, "height": 1400}, color_scheme="light", reduced_motion="reduce")
        page.goto((ROOT / "_build" / "html" / "book" / "intro.html").as_uri())
        box = page.locator(".afm").first
        box.scroll_into_view_if_needed()
        page.locator(".afm[data-view=live]").first.wait_for()
        box.locator(".live").screenshot(path=PICTURE)
        browser.close()
    size_kb = PICTURE.stat().st_size / 1000
    print(f"{PICTURE}  ({size_kb:.0f} kB)")
    if size_kb > PICTURE_KB:
        sys.exit(f"the README's picture is at most {PICTURE_KB} kB")


if __name__ == "__main__":
    main()
