"""Due dates and what lateness costs, from a file of yours:

    [lab1]
    due = 2027-10-01T23:59:00+02:00
    grace_minutes = 15
    percent_a_day = 10          # of the points, for each day that has begun
    last_days = 3               # after as many days nothing is left; without it, the percents decide
    [lab1.extensions]
    ada = 2027-10-08T23:59:00+02:00
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, inf
from pathlib import Path

import tomllib

from labs.tools.masters import masters


@dataclass(frozen=True)
class Rule:
    """What lateness costs in one lab:  share kept = 1 - percent/100 * days begun, at least 0."""

    due: datetime
    grace_minutes: float = 0.0
    percent_a_day: float = 0.0
    last_days: float = inf
    extensions: Mapping[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(not isinstance(moment, datetime) or moment.tzinfo is None for moment in (self.due, *self.extensions.values())):
            raise ValueError("a due date is a day, a time and an offset, such as 2027-10-01T23:59:00+02:00: "
                             "without the offset nobody knows whose midnight is meant")
        if not 0 <= self.percent_a_day <= 100 or self.grace_minutes < 0 or self.last_days < 0:
            raise ValueError(f"percent_a_day is 0 to 100, the others are at least 0; got {self}")

    def days_late(self, student: str, handed_in: str) -> int:
        """Days begun after the student's own due date; 0 within the grace."""
        due = {name.casefold(): moment for name, moment in self.extensions.items()}.get(student.casefold(), self.due)
        try:
            moment = datetime.fromisoformat(handed_in)
        except ValueError as reason:
            raise ValueError(f"{student}: handed_in is {handed_in!r}; write it as 2027-10-01T23:59:00") from reason
        late = (moment if moment.tzinfo else moment.replace(tzinfo=due.tzinfo)) - due
        return 0 if late <= timedelta(minutes=self.grace_minutes) else ceil(late / timedelta(days=1))

    def share(self, student: str, handed_in: str) -> float:
        """The share of the points that is kept; all of them where nothing says when it was handed in."""
        days = self.days_late(student, handed_in) if handed_in else 0
        return 0.0 if days > self.last_days else max(0.0, 1 - self.percent_a_day * days / 100)


def rules(path: Path) -> dict[str, Rule]:
    """The rules of a file, by lab; a name that is no lab's would be a rule for nobody."""
    entries = tomllib.loads(path.read_text("utf8"))
    strange = entries.keys() - {master.stem for master in masters()}
    if strange:
        raise ValueError(f"{path}: {', '.join(sorted(strange))} is no lab; a lab is called as its file, lab1")
    try:
        return {lab: Rule(**entry) for lab, entry in entries.items()}
    except TypeError as reason:
        raise ValueError(f"{path}: {reason}; known are due, grace_minutes, percent_a_day, last_days, extensions") from reason
