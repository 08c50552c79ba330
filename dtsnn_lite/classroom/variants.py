"""A student's own constants: drawn from the id, so that two students' numbers differ and anyone can check them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from dtsnn_lite.cost import ExitCheckCost, StepCost
from dtsnn_lite.recording import Recording

Choice = TypeVar("Choice")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class Customer:
    """What lab 7 designs for: prices, leakage, lockstep batches, and a floor for the accuracy.

    leak_pj_per_ns  energy that the powered chip loses every nanosecond
    batch           images that run in lockstep and wait for the slowest
    """

    step: StepCost
    check: ExitCheckCost
    leak_pj_per_ns: float
    batch: int
    accuracy_floor: float

    def with_batch(self, batch: int) -> Customer:
        """The same customer with another batch size."""
        return replace(self, batch=batch)


@dataclass(frozen=True)
class Application:
    """Where lab 8's network works, and what it costs there to be wrong and to be late.

    cost = wrong_cents [wrong] + wait_cents_per_ms wait_ms
    """

    where: str
    wrong_cents: float
    wait_cents_per_ms: float


@dataclass(frozen=True)
class Variant:
    """The constants of one student in one course.

    x = low + (high - low) H(course, student, name), H uniform in [0, 1) from SHA-256, rounded
    The ranges are chosen so that every draw has a solution: tests/test_variants.py tries hundreds.
    """

    student: str
    course: str = "open"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.student):
            raise ValueError(f"a student id is 1 to 64 letters, digits or . _ @ + -; got {self.student!r}: "
                             "write yours in the cell that says STUDENT")

    def draw(self, name: str, low: float, high: float, digits: int = 2) -> float:
        """A number in [low, high] that belongs to this student and name."""
        text = f"{self.course}/{self.student.lower()}/{name}"
        share = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2 ** 64
        return round(low + (high - low) * share, digits)

    def pick(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """One of the choices."""
        return choices[min(int(self.draw(name, 0, len(choices), 9)), len(choices) - 1)]

    # --- the neuron ---

    @property
    def beta(self) -> float:
        """Leak of the neuron: the fraction of u kept each step."""
        return self.draw("beta", 0.55, 0.9)

    @property
    def current(self) -> float:
        """A constant input that fires the neuron within four steps, not at once, and never by a hair."""
        tries = (self.draw(f"current {n}", 0.52, 0.72) for n in range(100))
        return next(i for i in tries if self._clear_of_threshold(i))

    def _clear_of_threshold(self, i: float, hair: float = 0.01) -> bool:
        h = 0.0
        for _ in range(4):
            h = self.beta * (h if h <= 1 else 0.0) + i
            if abs(h - 1) < hair:
                return False
        return True

    # --- the exit ---

    @property
    def max_drop(self) -> float:
        """How much accuracy may be given up against full T, as a fraction."""
        return self.draw("max_drop", 0.003, 0.008, 4)

    @property
    def wrong_costs(self) -> float:
        """SEENN-II's penalty for a wrong answer."""
        return self.draw("wrong_costs", 35.0, 60.0, 1)

    def sample(self, recording: Recording, share: float = 0.8, gain: float = 0.0125) -> Recording:
        """This student's own part of a recording's images, drawn until T timesteps beat one by `gain` on it."""
        for n in range(100):
            seed = int(self.draw(f"sample {n}", 0, 2 ** 32 - 1, 0))
            index = np.random.default_rng(seed).permutation(recording.images)
            part = recording.subset(np.sort(index[:round(share * recording.images)]))
            if part.accuracy[-1] - part.accuracy[0] >= gain:
                return part
        raise ValueError(f"no sample of this recording gains {gain} from time: it is no material for an exit")

    # --- the stream ---

    @property
    def stream(self) -> np.ndarray:
        """Lab 8's ten events, (10, 4) whole numbers x, y, t_ms, p = 1 or -1: 4 x 3 pixels, meant for four windows of 10 ms.

        At least one window is empty, one event lies exactly on the border of two, and the last comes when all are over.
        """
        empty = self.pick("empty window", (0, 1, 2, 3))
        border = self.pick("border", tuple(k for k in (1, 2, 3) if k != empty))
        dice = np.random.default_rng(int(self.draw("stream", 0, 2 ** 32 - 1, 0)))
        inside = 10 * dice.choice([k for k in range(4) if k != empty], 8) + dice.integers(1, 10, 8)
        t_ms = np.sort([*inside, 10 * border, 40])
        return np.column_stack([dice.integers(0, 4, 10), dice.integers(0, 3, 10), t_ms, dice.choice([-1, 1], 10)])

    @property
    def lead(self) -> float:
        """What each window adds to the logit of the right one of two classes; 99 % sure is never reached by a hair."""
        tries = (self.draw(f"lead {n}", 0.3, 1.2) for n in range(100))
        return next(d for d in tries if abs(np.log(99) / d - round(np.log(99) / d)) > 0.02)

    @property
    def wait_budget_ms(self) -> float:
        """Mean waiting that may not be exceeded."""
        return self.draw("budget_ms", 330, 560, 1)

    @property
    def stream_step_ms(self) -> float:
        """A chip's time for one window of 75 ms: well within it, or more than it."""
        return self.pick("pace", (self.draw("quick_ms", 0.1, 12.0, 1), self.draw("late_ms", 88.0, 125.0, 1)))

    @property
    def application(self) -> Application:
        """Lab 8's application: a wrong answer costs as much as half a second of waiting, or as ten seconds, or something between."""
        where = self.pick("where", ("a door that opens at a sign", "a game that is played with the arms", "a robot that is waved away"))
        wait_cents = self.draw("wait_cents_per_ms", 0.01, 0.05, 3)
        return Application(where, round(wait_cents * 500 * 20 ** self.draw("worth of an answer", 0, 1, 4), 1), wait_cents)

    # --- the chip ---

    @property
    def step(self) -> StepCost:
        """Energy and delay of a timestep, with a fixed part."""
        return StepCost(self.draw("fixed_pj", 200, 600, 0), self.draw("step_pj", 700, 1300, 0),
                        self.draw("fixed_ns", 0, 40, 0), self.draw("step_ns", 80, 160, 0))

    @property
    def check(self) -> ExitCheckCost:
        """One run of the exit check."""
        return ExitCheckCost(self.draw("check_pj", 20, 80, 1), self.draw("check_ns", 2, 8, 1))

    @property
    def rows(self) -> int:
        """Rows of a crossbar: none whose partial sums need as many bits as those of 64, the number that everybody guesses."""
        return self.pick("rows", (40, 48, 56, 144, 160, 192))

    @property
    def weight_bits(self) -> int:
        return self.pick("weight_bits", (3, 4, 5, 6))

    @property
    def customer(self) -> Customer:
        """Lab 7's customer: alone or in batches, with cheap checks or dear ones, and a floor that one timestep does not reach.

        Its chip leaks as a real one does: up to a fifth of what a timestep computes (`floorplan.leakage_uw`).
        For about half of them the entropy exit is best, and no one design for more than a third: tests/test_variants.py counts.
        """
        dear = self.pick("price of a check", (1, 60))
        check = ExitCheckCost(dear * self.check.energy_pj, dear * self.check.latency_ns)
        return Customer(self.step, check, self.draw("leak_pj_per_ns", 0.0, 1.5), self.pick("batch", (1, 32, 64)),
                        self.draw("accuracy_floor", 0.9205, 0.9295, 4))
