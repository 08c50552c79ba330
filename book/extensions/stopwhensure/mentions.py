"""The first mention of a name in a chapter is a link to its reference.

A name is `replay`, a call such as `replay(seen, policy)`, or a member such as `Recording.halved`.
What the page's own code imports decides which one is meant; a name that it does not import is linked
where only one thing is called so, and where it is no ordinary word: with a capital or an underscore.
"""

from __future__ import annotations

import re
from collections import defaultdict

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from .reference import PACKAGE

IMPORT = re.compile(rf"^from ({PACKAGE}[\w.]*) import (?:\(([^)]*)\)|(.*))", re.M)
MENTION = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?:\(.*\))?", re.S)
NO_WORD = re.compile(r"[A-Z_]")
# A link in a link, a heading or the label of an answer would be one too many; the reference has its own.
NO_PLACE = {"reference", "title", "question", "desc_signature", "desc_content"}


def imported(text: str) -> dict[str, str]:
    """What code imports from the package: {"replay": "dtsnn_lite.exits.replay"}."""
    found = {}
    for module, in_brackets, on_the_line in IMPORT.findall(text):
        for name in re.findall(r"\w+(?: as \w+)?", re.sub("#.*", "", in_brackets or on_the_line)):
            full, _, given = name.partition(" as ")
            found[given or full] = f"{module}.{full}"
    return found


def only_one(full_names: list[str]) -> dict[str, str]:
    """The full name of each short one that is shared by nothing and is no ordinary word; members go by their class too."""
    found = defaultdict(set)
    for full in full_names:
        parts = full.split(".")
        for short in (parts[-1], ".".join(parts[-2:])):
            found[short].add(full)
    return {short: full for short, (full, *more) in found.items() if not more and NO_WORD.search(short)}


def meant(text: str, imports: dict[str, str], unique: dict[str, str]) -> str | None:
    """The full name of what a piece of code in the prose names."""
    match = MENTION.fullmatch(text)
    if match is None:
        return None
    first, _, rest = match["name"].partition(".")
    if first in imports:
        return f"{imports[first]}.{rest}".rstrip(".")
    return match["name"] if first == PACKAGE else unique.get(match["name"])


def may_link(node: nodes.literal) -> bool:
    """Whether a link may stand here."""
    around = node.parent
    while around is not None:
        if around.tagname in NO_PLACE:
            return False
        around = around.parent
    return True


class LinkFirstMentions(SphinxPostTransform):
    """Once a page and name."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        objects = self.env.domaindata["py"]["objects"]
        imports = imported("\n".join(block.astext() for block in self.document.findall(nodes.literal_block)))
        unique, seen = only_one(list(objects)), set()
        for literal in list(self.document.findall(nodes.literal)):
            full = meant(literal.astext(), imports, unique)
            if full not in objects or full in seen or objects[full].docname == self.env.docname or not may_link(literal):
                continue
            seen.add(full)
            uri = self.app.builder.get_relative_uri(self.env.docname, objects[full].docname)
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=f"{uri}#{objects[full].node_id}"))


def setup(app: Sphinx) -> None:
    app.add_post_transform(LinkFirstMentions)
