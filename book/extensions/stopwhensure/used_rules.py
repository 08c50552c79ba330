"""Of a style sheet the rules that some page can use, as PurgeCSS finds them: by the words of the pages and their scripts.

The theme's sheets style a thousand things that a book may hold, and this one holds a tenth of them; a phone reads them all before
the first word is painted. A rule goes where it names a class or an id that stands as a word nowhere in a page or a script. What a
script puts together, `"bs-" + name` or `${kind}-box`, keeps every name that begins or ends so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import tinycss2
from tinycss2.ast import AtRule, HashToken, IdentToken, LiteralToken, Node, QualifiedRule

WORD = re.compile(r"[\w-]+")
BEGINNING = re.compile(r"""[\w-]*\w-(?=["'`$\\])""")
END = re.compile(r"""(?<=["'`}])-[a-zA-Z][\w-]+""")
NESTED = ("media", "supports", "container", "layer")


@dataclass(frozen=True)
class Words:
    """What the pages and scripts of a book say.

    whole       words
    beginnings  of words that scripts put together
    ends        of such
    """

    whole: frozenset[str]
    beginnings: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        if not WORD.fullmatch(name):        # `md:wide` is two words in a page
            return True
        return name in self.whole or name.startswith(self.beginnings) or name.endswith(self.ends)


def words_of(texts: Iterable[str]) -> Words:
    """The words of pages and scripts."""
    whole: set[str] = set()
    beginnings: set[str] = set()
    ends: set[str] = set()
    for text in texts:
        whole.update(WORD.findall(text))
        beginnings.update(BEGINNING.findall(text))
        ends.update(END.findall(text))
    return Words(frozenset(whole), tuple(sorted(beginnings)), tuple(sorted(ends)))


@cache
def used(sheet: str, words: Words) -> str:
    """The sheet without comments and without the rules that nothing in the words could ask for."""
    return _written(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True), words)


def _written(rules: Sequence[Node], words: Words) -> str:
    return "".join(filter(None, (_rule(rule, words) for rule in rules)))


def _rule(rule: Node, words: Words) -> str:
    match rule:
        case QualifiedRule():
            kept = [tinycss2.serialize(selector).strip() for selector in selectors(rule.prelude) if _can_match(selector, words)]
            return f"{','.join(kept)}{{{tinycss2.serialize(rule.content).strip()}}}\n" if kept else ""
        case AtRule(lower_at_keyword=keyword) if keyword in NESTED and rule.content is not None:
            inner = _written(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), words)
            return f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{\n{inner}}}\n" if inner else ""
    return f"{rule.serialize()}\n"


def selectors(prelude: Sequence[Node]) -> list[list[Node]]:
    """A rule's selectors, parted by its commas; those in `:is(...)` lie deeper."""
    found: list[list[Node]] = [[]]
    for token in prelude:
        if isinstance(token, LiteralToken) and token.value == ",":
            found.append([])
        else:
            found[-1].append(token)
    return found


def _can_match(selector: Sequence[Node], words: Words) -> bool:
    """Whether each class and id is a word; what stands in brackets, `[...]`, `:not(...)`, `:is(...)`, forbids nothing here."""
    for before, token in zip([None, *selector], selector, strict=False):
        if isinstance(token, HashToken) and token.value not in words:
            return False
        is_class = isinstance(before, LiteralToken) and before.value == "." and isinstance(token, IdentToken)
        if is_class and token.value not in words:
            return False
    return True
