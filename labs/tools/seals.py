"""dtsnn_lite/assets/lab_checks.json: every visible check's answer and known mistakes, sealed.

Run it after a change of a master or of mistakes.toml: python -m labs.tools.seals [lab ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from dtsnn_lite.classroom.checks import SEALS, Check, as_json, sealed_check, sealed_checks
from labs.tools.masters import answers, masters, mistakes, silent_checks, states


def sealed_lab(path: Path) -> dict[str, Check]:
    """The sealed checks of one master."""
    found: dict[str, Check] = {}
    known = mistakes(path)
    with silent_checks():
        for exercise, names in states(path):
            entry = known.get(exercise.name, {})
            wrong = {m.says: answers(m.of(exercise), exercise, names) for m in entry.get("mistake", []) if m.says}
            for name, answer in answers(exercise.solution, exercise, names).items():
                said = {says: given[name] for says, given in wrong.items() if name in given}
                found[name] = sealed_check(name, answer, said, entry.get("hint", ""), entry.get("tolerance", 1e-6))
    return found


def all_seals(labs: list[str] | None = None) -> dict[str, Check]:
    """The sealed checks of every lab, or of the named ones."""
    paths = [path for path in masters() if not labs or path.stem in labs]
    return {name: check for path in paths for name, check in sealed_lab(path).items()}


if __name__ == "__main__":
    named = sys.argv[1:]
    kept = {name: check for name, check in sealed_checks().items() if named and name.split(".")[0] not in named}
    made = all_seals(named)
    SEALS.write_text(as_json(kept | made), "utf8")
    print(f"{len(made)} answers sealed")
