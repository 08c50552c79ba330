"""The checks of the labs: what is wrong with an answer, never what is right.

The right answers are sealed (seals.py, the format of the page's own questions), and so are
the wrong ones that people really give, each with its reply. One file holds them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from math import cos, isfinite
from pathlib import Path

from dtsnn_lite.classroom.seals import Answer, Kind, SealedQuestion, Verdict, candidates, seal_question, token
from dtsnn_lite.files import ASSETS

SEALS = ASSETS / "lab_checks.json"


class NotYet(AssertionError):
    """An answer that is not right yet; the message says what is wrong with it."""


# --- an answer as one number -------------------------------------------------------

def numbers(answer: object) -> Iterator[float]:
    """Every number of a nested answer, in order: arrays, tensors, lists, tuples, dicts."""
    if answer is None or answer is ...:
        raise NotYet("there is no answer yet (None): is the line still to be written, or a `return` missing?")
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if hasattr(answer, "tolist"):               # numpy arrays and numbers, torch tensors
        answer = answer.tolist()
    if isinstance(answer, (list, tuple)):
        for part in answer:
            yield from numbers(part)
    elif isinstance(answer, (bool, int, float)):
        if not isfinite(answer):
            raise NotYet(f"the answer holds {answer}: a division by zero, or an exponential too large?")
        yield float(answer)
    else:
        raise NotYet(f"the answer should be made of numbers; got a {type(answer).__name__}")


def fingerprint(values: list[float]) -> float:
    """One number that changes with each of them and with their order:  x_1, or sum_n x_n cos n."""
    return values[0] if len(values) == 1 else sum(x * cos(n) for n, x in enumerate(values, 1))


# --- a sealed check ----------------------------------------------------------------

@dataclass(frozen=True)
class Check:
    """A question of a lab without its answer.

    count  how many numbers the answer holds; 0 for words (a choice, or several in their order)
    hint   what to say of an answer that is wrong in no known way
    """

    question: SealedQuestion
    count: int
    hint: str = ""

    def verdict(self, answer: object) -> Verdict:
        """Right, a known mistake, or something else."""
        try:
            found = self.question.check(_given(answer, self.count))
        except NotYet as reason:
            return Verdict(False, str(reason), False)
        return found if found.known else Verdict(False, f"not yet. {self.hint}".strip(), False)


def _given(answer: object, count: int) -> str:
    """An answer as the text that a reader would have typed."""
    if count == 0:
        return words(answer)
    values = list(numbers(answer))
    if len(values) != count:
        raise NotYet(f"the answer has {count} number{'s' * (count > 1)}; yours has {len(values)}: look at the shape")
    return repr(fingerprint(values))


def words(answer: object) -> str:
    """A choice, or an order, as one line: blanks and capitals do not count."""
    parts = [answer] if isinstance(answer, str) else answer
    if not isinstance(parts, (list, tuple)) or not parts or not all(isinstance(p, str) for p in parts):
        raise NotYet(f"the answer should be text, or a list of texts; got {answer!r}")
    return ",".join("".join(part.lower().split()) for part in parts)


def sealed_check(name: str, answer: object, wrong: Mapping[str, object], hint: str, tolerance: float = 1e-6) -> Check:
    """The check of a right answer; wrong: what to say -> the answer that deserves it.

    A known mistake that this question cannot tell from the right answer, or from another mistake, is left out.
    """
    spoken = isinstance(answer, str) or (isinstance(answer, (list, tuple)) and all(isinstance(a, str) for a in answer))
    kind: Kind = "order" if spoken else "number"
    count = 0 if spoken else len(list(numbers(answer)))

    def value(given: object) -> str | float | tuple[str, ...]:
        text = _given(given, count)
        return tuple(text.split(",")) if spoken else float(text)

    right = seal_question(name, kind, Answer(value(answer), "right"), tolerance=tolerance)
    kept: dict[str, Answer] = {}
    for says, given in wrong.items():
        try:
            near = set(candidates(kind, _given(given, count), right.width))
        except NotYet:                      # another shape, or no number: said without a seal
            continue
        if token(kind, value(answer), right.width) not in near:
            kept.setdefault(token(kind, value(given), right.width), Answer(value(given), says))
    return Check(seal_question(name, kind, Answer(value(answer), "right"), list(kept.values()), tolerance), count, hint)


# --- in a notebook -----------------------------------------------------------------

@cache
def sealed_checks(path: Path = SEALS) -> dict[str, Check]:
    """Every check of the labs, by name."""
    entries = json.loads(Path(path).read_text("utf8"))
    return {name: Check(_question(entry.pop("question")), **entry) for name, entry in entries.items()}


def _question(entry: dict) -> SealedQuestion:
    return SealedQuestion(**{**entry, "seals": tuple(map(tuple, entry["seals"]))})


def as_json(checks: Mapping[str, Check]) -> str:
    """The file that `sealed_checks` reads."""
    return json.dumps({name: asdict(checks[name]) for name in sorted(checks)}, indent=1) + "\n"


def check(name: str, answer: object) -> None:
    """Says `right`, or raises NotYet with what is wrong."""
    known = sealed_checks()
    if name not in known:
        raise KeyError(f"no check {name!r}; there are {', '.join(known)}")
    verdict = known[name].verdict(answer)
    expect(verdict.right, f"{name}: {verdict.reply}")
    print(f"{name}: right")


def expect(condition: object, message: str) -> None:
    """Raises NotYet with the message unless the condition holds."""
    if not condition:
        raise NotYet(message)


def close(a: object, b: object, tolerance: float = 1e-6) -> bool:
    """Whether two answers hold the same numbers, each within tolerance (1 + |b|)."""
    x, y = list(numbers(a)), list(numbers(b))
    return len(x) == len(y) and all(abs(p - q) <= tolerance * (1 + abs(q)) for p, q in zip(x, y, strict=True))


def as_printed(a: object, b: object) -> bool:
    """Whether two answers hold the same numbers, a's perhaps as they were printed: within 0.001 (1 + |b|), or b to two decimals."""
    x, y = list(numbers(a)), list(numbers(b))
    fits = (close(p, q, 1e-3) or (close(p, round(p, 2)) and abs(p - q) < 0.00501) for p, q in zip(x, y, strict=True))
    return len(x) == len(y) and all(fits)
