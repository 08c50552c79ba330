"""What axe-core objects to in a page. Its rule of contrast takes nine tenths of its time, so it is asked about one text of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

KINDS = (Path(__file__).parent / "kinds.js").read_text("utf8")

ALL_BUT_CONTRAST = """async () => {
    // Its preload would fetch the style sheets again.
    const options = { preload: false, resultTypes: ["violations"], rules: { "color-contrast": { enabled: false } } };
    const { violations } = await axe.run(document, options);
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`));
}"""


@dataclass
class Judge:
    """One reader of pages, who remembers what was said of a kind of text: the next page that has it need not ask again."""

    known: dict[str, str] = field(default_factory=dict)  # kind -> what axe objects to, "" where it does not

    def structure(self, page: Page) -> list[str]:
        """Every rule but the one of contrast."""
        page.evaluate(AXE_SCRIPT)
        return page.evaluate(ALL_BUT_CONTRAST)

    def contrast(self, page: Page) -> list[str]:
        """The rule of contrast, in the colours that the page has now."""
        page.evaluate(f"window.axe || (() => {{ {AXE_SCRIPT} }})()")
        said, wrong = page.evaluate(f"known => {{ {KINDS}\nreturn contrastOfKinds(known); }}", self.known)
        self.known |= said
        return [f"color-contrast: {what}: {where}" for what, where in wrong]
