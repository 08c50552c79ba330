"""Numbers as people type them: 3012, 3,012, 3 012 images, 1,5, 30 %, 1/3; book/assets/typed.js reads the same.

A comma before three digits may stand between thousands or be a decimal comma, and a percent sign beside a field
without a unit may belong to the number or not. Then there are two readings, the likelier one first.
"""

from __future__ import annotations

import math
import re
from itertools import product

BLANKS = re.compile("[\t-\r \u00a0\u2000-\u200a\u202f\u3000]+")
FULL_WIDTH = re.compile("[\uff01-\uff5e]")
SIGNS = str.maketrans({"\u2212": "-", "\u2019": "'", "\u00b5": "\u03bc"})   # minus, apostrophe, micro
SIGNED = r"(?P<{0}_sign>[+-]?) *(?P<{0}>[0-9.,' ]*[0-9][.,]?)(?:[eE](?P<{0}_power>[+-]?[0-9]+))?"
TYPED = re.compile(rf"[~\u2248=]? *{SIGNED.format('top')}(?: */ *{SIGNED.format('bottom')})? *(?P<unit>[^0-9]*)")
# How the digits of a number stand, and what stands between its thousands; a comma that is left is a decimal point.
WAYS = (
    (re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?"), ","),
    (re.compile(r"[1-9][0-9]{0,2}(?:[ '][0-9]{3})+(?:[.,][0-9]*)?"), " '"),
    (re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]*"), "."),
    (re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}"), "."),
    (re.compile(r"[0-9]+[.,]?[0-9]*|[.,][0-9]+"), ""),
)
PERCENT = re.compile(r"%|per ?cent\b")
WORDS = {"k": 1e3, "thousand": 1e3, "million": 1e6}
SI = re.compile("([pnu\u03bcmkMG]?)(s|J|Hz)")
PREFIXES = {"p": -12, "n": -9, "u": -6, "\u03bc": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}


def digits(body: str) -> list[str]:
    """What digits with marks between them may be: "3,012" is 3012 or 3.012, "0,125" is 0.125 alone."""
    found = [(body.strip(), marks) for form, marks in WAYS if form.fullmatch(body.strip())]
    return ["".join(letter for letter in plain if letter not in marks).replace(",", ".") for plain, marks in found]


def factors(unit: str, asked: str) -> tuple[float, ...]:
    """What a typed unit makes of its number, in the unit asked for: "%" is 1/100 of a whole, "ms" is 1000 of "us"."""
    if PERCENT.match(unit):
        return {"%": (1.0,), "points": (1.0,), "": (1.0, 0.01)}.get(asked, (0.01,))
    word = unit.split(" ")[0].rstrip(".,;!?")
    given, wanted = SI.fullmatch(word), SI.fullmatch(asked.translate(SIGNS))
    if given and wanted and given[2] == wanted[2]:
        return (float(f"1e{PREFIXES[given[1]] - PREFIXES[wanted[1]]}"),)
    return (WORDS.get(word, 1.0),)


def readings(text: str, asked: str = "") -> tuple[float, ...]:
    """The numbers that a reader may have meant, in the unit asked for; none where it is no number."""
    plain = FULL_WIDTH.sub(lambda letter: chr(ord(letter[0]) - 0xFEE0), text).translate(SIGNS)
    match = TYPED.fullmatch(BLANKS.sub(" ", plain).strip(" "))
    if match is None:
        return ()

    def part(name: str) -> list[float]:
        sign, body, power = match[f"{name}_sign"], match[name], match[f"{name}_power"] or "0"
        return [float(f"{sign}{one}e{power}") for one in digits(body)] if body else [1.0]

    found = [top / bottom * factor for top, bottom, factor in product(part("top"), part("bottom"), factors(match["unit"], asked)) if bottom]
    return tuple(dict.fromkeys(value for value in found if math.isfinite(value)))
