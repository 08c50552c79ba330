"""Sealed answers: a check that knows the right answer when it sees it, and shows it to nobody before.

One format serves the self-checks of the pages (book/assets/seals.js reads it), notebooks and grading.

    token   what an answer is reduced to    "number:23", "choice:b", "several:a,c", "order:c,a,b"
    seal    sha256(salt|token|seal)         kept in the page in place of the answer
    reply   what is said to that answer     XORed with sha256(salt|token|0), sha256(salt|token|1), ...

A number becomes its bucket k = floor(x / width + 1/2), and the neighbours k - 1 and k + 1 are tried as well:
everything within one width of the answer is accepted, nothing that is two widths away or more.
Replies are locked with the token, so that an explanation cannot be read before its answer is given.
This keeps an answer from being *read*; whoever tries all buckets finds it, and has done more work than the exercise.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dtsnn_lite.classroom.typed import readings

Kind = Literal["number", "choice", "several", "order"]

LARGEST_BUCKET = 2 ** 53 - 2     # beyond it, floats skip whole numbers


# --- an answer as tokens -------------------------------------------------------------


def bucket(value: float, width: float) -> int:
    """Which stretch of the number line a value lies in: floor(value / width + 1/2)."""
    return math.floor(value / width + 0.5)


def round_width(tolerance: float) -> float:
    """The tolerance rounded up to 1, 2 or 5 times a power of ten: 2 % of an answer would tell the answer."""
    if not 0 < tolerance < math.inf:
        raise ValueError(f"a tolerance is a positive number; got {tolerance!r}")
    unit = 10.0 ** math.floor(math.log10(tolerance))
    return float(f"{next(step * unit for step in (1, 2, 5, 10) if step * unit >= tolerance * (1 - 1e-12)):.1g}")


def token(kind: Kind, answer: float | str | Sequence[str], width: float = 0.0) -> str:
    """An answer as text that is the same in every language."""
    if kind == "number":
        return f"number:{bucket(float(answer), width)}"  # type: ignore[arg-type]  # the answer to a number is one
    letters = [answer] if isinstance(answer, str) else list(answer)  # type: ignore[arg-type]  # and here it is letters
    return f"{kind}:{','.join(sorted(letters) if kind == 'several' else letters)}"


def candidates(kind: Kind, given: str, width: float = 0.0, unit: str = "") -> Iterator[str]:
    """The tokens to try for what a reader gave: typed text, or letters joined by commas."""
    if kind != "number":
        yield token(kind, [letter.strip() for letter in given.split(",") if letter.strip()])
        return
    for value in readings(given, unit):
        if abs(value / width) <= LARGEST_BUCKET:
            k = bucket(value, width)
            yield from (f"number:{near}" for near in (k, k - 1, k + 1))


# --- seals and replies ----------------------------------------------------------------


def seal(salt: str, token: str) -> str:
    """sha256(salt|token|seal) in hexadecimal."""
    return hashlib.sha256(f"{salt}|{token}|seal".encode()).hexdigest()


def _mask(data: bytes, salt: str, token: str) -> bytes:
    blocks = range(-(-len(data) // 32))
    stream = b"".join(hashlib.sha256(f"{salt}|{token}|{i}".encode()).digest() for i in blocks)
    return bytes(a ^ b for a, b in zip(data, stream[:len(data)], strict=True))


def lock(text: str, salt: str, token: str) -> str:
    """A reply that only its own answer opens, in base64."""
    return base64.b64encode(_mask(text.encode(), salt, token)).decode()


def unlock(locked: str, salt: str, token: str) -> str:
    """The reply again: XOR is its own inverse."""
    return _mask(base64.b64decode(locked), salt, token).decode()


# --- a question ------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """An answer that is known by name: the right one, or a wrong one that students really give."""

    value: float | str | tuple[str, ...]
    reply: str


@dataclass(frozen=True)
class Verdict:
    """What a check says: right or not, and why; `known` is whether the answer has a reply of its own."""

    right: bool
    reply: str
    known: bool


@dataclass(frozen=True)
class SealedQuestion:
    """A question without its answer.

    seals  (seal, locked reply) of the right answer first, then of the named wrong ones
    unit   what a number is asked in, as it stands beside the field
    """

    salt: str
    kind: Kind
    width: float
    seals: tuple[tuple[str, str], ...]
    unit: str = ""

    def check(self, given: str) -> Verdict:
        """The verdict on what a reader gave."""
        tried = list(candidates(self.kind, given, self.width, self.unit))
        places = {sealed: place for place, (sealed, _) in enumerate(self.seals)}
        for one in tried:                       # its own bucket before the neighbours
            place = places.get(seal(self.salt, one))
            if place is not None:
                return Verdict(place == 0, unlock(self.seals[place][1], self.salt, one), True)
        if tried:
            return Verdict(False, "", False)
        return Verdict(False, "Give a number, like 0.25, 3e-4 or 1/3.", False)


def seal_question(salt: str, kind: Kind, right: Answer, wrong: Sequence[Answer] = (),
                  tolerance: float = 0.0, unit: str = "") -> SealedQuestion:
    """A question as it may be published."""
    width = round_width(tolerance) if kind == "number" else 0.0
    tokens = [token(kind, answer.value, width) for answer in (right, *wrong)]
    if len(set(tokens)) < len(tokens):
        raise ValueError(f"{salt}: two of its answers are the same within the tolerance")
    if kind == "number" and any(set(candidates(kind, repr(w.value), width)) & {tokens[0]} for w in wrong):
        raise ValueError(f"{salt}: a wrong answer lies within the tolerance of the right one; make the tolerance smaller")
    seals = tuple((seal(salt, one), lock(answer.reply, salt, one)) for one, answer in zip(tokens, (right, *wrong), strict=True))
    return SealedQuestion(salt, kind, width, seals, unit)
