"""The tables of the labs' pages, made from the masters: labs at a glance, goals, common wrong answers, links.

python -m labs.tools.pages      writes them between their markers in labs/*.md and book/labs.md
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import tomllib
import yaml

from labs.tools.masters import LABS, exercises, masters, mistakes

ROOT = LABS.parent
PAGES = (LABS / "README.md", LABS / "student.md", ROOT / "book" / "labs.md")
BRANCH = "student"      # where .github/workflows/pages.yml publishes the student editions
BLOCK = re.compile(r"(% begin (?P<name>\w+)\n).*?(% end (?P=name)\n)", re.S)


def first_cell(path: Path) -> str:
    return "".join(json.loads(path.read_text("utf8"))["cells"][0]["source"])


def title(path: Path) -> str:
    """`1. A neuron by hand and in code`."""
    return first_cell(path).splitlines()[0].removeprefix("# Lab ")


def told(path: Path, shape: str) -> str:
    """What a master's first cell says in the group of this pattern."""
    found = re.search(shape, first_cell(path))
    if found is None:
        raise ValueError(f"the first cell of {path.name} says what a lab takes, `**Time** 45 minutes. **Needs** ... **Runs** ...`; "
                         f"got nothing like {shape}")
    return found[1]


def minutes(path: Path) -> int:
    return int(told(path, r"\*\*Time\*\* (\d+) minutes"))


def needs(path: Path) -> str:
    return told(path, r"\*\*Needs\*\* (.+?)\. \*\*Runs\*\*")


def points(path: Path) -> str:
    """Points that the machine gives, and those that a person gives."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    by_hand = sum(c["metadata"]["nbgrader"]["points"] for c in cells
                  if c["cell_type"] == "markdown" and c["metadata"].get("nbgrader", {}).get("grade"))
    machine = f"{sum(e.points for e in exercises(path)):g}"
    return f"{machine} + {by_hand:g} by a person" if by_hand else machine


def repository() -> str:
    """owner/name, from _config.yml."""
    url = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    return url.removeprefix("https://github.com/")


def colab(path: Path) -> str:
    return f"https://colab.research.google.com/github/{repository()}/blob/{BRANCH}/{path.name}"


def binder(path: Path) -> str:
    return f"https://mybinder.org/v2/gh/{repository()}/{BRANCH}?labpath={path.name}"


def in_the_book(path: Path) -> str:
    """The link to a lab's own page, where it has one: no torch is needed there."""
    return f"[the book]({path.stem}.md), " if (ROOT / "book" / f"{path.stem}.md").is_file() else ""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def glance() -> str:
    """Labs with their minutes, needs and points."""
    return table(["lab", "minutes", "needs", "points"], [[title(p), str(minutes(p)), needs(p), points(p)] for p in masters()])


def launch() -> str:
    """Labs with the links that open their student editions."""
    return table(["lab", "minutes", "open in"],
                 [[title(p), str(minutes(p)), f"{in_the_book(p)}[Colab]({colab(p)}), [Binder]({binder(p)})"] for p in masters()])


def goals() -> list[dict]:
    return tomllib.loads((LABS / "goals.toml").read_text("utf8"))["goal"]


def goal_table() -> str:
    """Goals by labs: how many exercises practise each."""
    names = [p.stem for p in masters()]
    rows = []
    for goal in goals():
        counts = [sum(e.startswith(f"{lab}.") for e in goal["exercises"]) for lab in names]
        rows.append([goal["text"], *(str(n) if n else "" for n in counts)])
    return table(["goal", *(name.removeprefix("lab") for name in names)], rows)


def wrong_answers() -> str:
    """What students get wrong by name, and what the check says to it."""
    rows = [[f"{path.stem}.{name}", words(m.says)] for path in masters() for name, entry in mistakes(path).items()
            for m in entry["mistake"] if m.says]
    return table(["exercise", "what the check says"], list(map(list, dict.fromkeys(map(tuple, rows)))))


def words(says: str) -> str:
    return says.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("$", "\\$").replace("^", "\\^")


TABLES = {"glance": glance, "launch": launch, "goals": goal_table, "mistakes": wrong_answers}


def renewed(text: str) -> str:
    """A page with its tables made anew."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block['name']]()}\n\n{block[3]}", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text("utf8")), "utf8")
        print(page)
