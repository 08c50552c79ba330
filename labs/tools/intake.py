"""From a pile of files to a plan: whose is each, for which lab, and why one is not graded.

    plan(files, labs, members) -> what to grade, and what not with its cause

The plan is a function of the files' names and of what their notebooks say: nothing is read or run to make it.
It knows the names that nbgrader, Moodle, Canvas, Blackboard and Brightspace give to what they hand out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath

from dtsnn_lite.classroom.variants import NAME
from labs.tools.classlist import Member, member_called, plain
from labs.tools.pile import Found

@dataclass(frozen=True)
class Submission:
    """One student's notebook for one lab.

    draws  the id by which the student's constants are drawn; empty where it is the student's own
    course the word that draws them, too
    file   its name in the pile
    handed_in   when, as far as the platform says
    note   what a person should know about it: which of two versions, whose id
    """

    student: str
    lab: str
    path: Path
    draws: str = ""
    course: str = "open"
    file: str = ""
    note: str = ""
    handed_in: str = ""


@dataclass(frozen=True)
class Ungraded:
    """A file, or a student of the class, without a grade, and why."""

    student: str
    lab: str
    file: str
    cause: str


@dataclass(frozen=True)
class Plan:
    """What to grade; what not, and why; and how many files were there, those that no person wrote among them."""

    graded: tuple[Submission, ...]
    ungraded: tuple[Ungraded, ...]
    files: int
    passed_over: int


# --- names that platforms give -----------------------------------------------------------

PLATFORMS = tuple(re.compile(pattern, re.I) for pattern in (
    r"(?P<who>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)",                         # Moodle
    r"(?P<who>anon_[^\W_]+|[^\W_]+)_(?P<late>LATE_)?(?P<number>\d+)_(?P<stamp>\d+)_(?P<rest>.+)",                     # Canvas
    r"(?P<lab>.+)_(?P<login>[^_]+)_attempt_(?P<stamp>[\d-]+)(?:_(?P<rest>.*)|\.txt)",       # Blackboard, nbgrader's zip_collect
    r"(?P<number>\d+)-\d+ ?- (?P<who>.+?) ?- (?P<stamp>\w{3,9}\.? \d{1,2}, \d{4}.*?)(?: - (?P<rest>.+\.\w+))?",  # Brightspace
    r"(?P<login>[^+]+)\+(?P<lab>[^+]+)\+(?P<stamp>[\d-]+ [\d:.]+ \w+)(?:\+.*)?",                             # nbgrader's exchange
))
LAB = re.compile(r"(?<![^\W\d_])lab[\s_.-]*0*(\d+)(?!\d)", re.I)
NOBODY_S = re.compile(r"(\._.*|\.ds_store|thumbs\.db|desktop\.ini|__macosx|\.git|__pycache__|timestamp\.txt|submission_secret\.txt"
                      r"|index\.html)", re.I)
CHECKPOINTS = ".ipynb_checkpoints"
COPY = re.compile(r"(?:\((\d+)\)|-(\d{1,2})|-copy(\d*)|_v?(\d{1,2}))$", re.I)


def platform_of(part: str) -> dict[str, str]:
    """What a platform's name of a file or folder says: who, number, login, stamp, lab, rest; nothing for another name."""
    hits = (pattern.fullmatch(part) for pattern in PLATFORMS)
    return next(({k: v or "" for k, v in hit.groupdict().items()} for hit in hits if hit), {})


def lab_named(text: str, labs: Sequence[str]) -> str:
    """The lab that a name means: Lab1, lab_01 (2), My Lab 1."""
    return next((lab for lab in (f"lab{n}" for n in LAB.findall(text)) if lab in labs), "")


# --- the plan --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owner:
    """Whose a file is; without a student, the note is why nobody's."""

    student: str
    draws: str = ""
    note: str = ""


def plan(files: Sequence[Found], labs: Sequence[str], members: Sequence[Member] = ()) -> Plan:
    """What to grade, and why not the rest: every file that a person wrote, and every student of the class, ends in it."""
    written = [found for found in files if not by_machine(found)]
    wrapped = wrappers(written)
    placed = [(owner_of(found, members, wrapped), lab_for(found, labs), found) for found in written]
    fit = sorted(filter(fits, placed), key=lambda p: (p[0].student.casefold(), p[1]))
    chosen = [best(list(versions), labs) for _, versions in groupby(fit, key=lambda p: (p[0].student.casefold(), p[1]))]
    left = [Ungraded(p[0].student, p[1], str(p[2].name), cause_of(*p)) for p in placed if not fits(p)]
    return Plan(tuple(shared(chosen)), (*left, *missing(chosen, left, members)), len(files), len(files) - len(written))


def fits(placed: tuple[Owner, str, Found]) -> bool:
    """Whether there is something to grade, somebody to give it to, and a lab to grade it by."""
    owner, lab, found = placed
    return bool(owner.student and lab) and is_notebook(found)


def by_machine(found: Found) -> bool:
    """Whether no person wrote this file: an operating system's, a platform's receipt."""
    receipt = platform_of(found.name.name)
    return any(NOBODY_S.fullmatch(part) for part in found.name.parts) or bool(receipt.get("login") and not receipt["rest"]
                                                                              and found.name.suffix == ".txt")


def is_notebook(found: Found) -> bool:
    """A notebook, or a file that says it is one: a broken one is graded as what it is."""
    return not found.trouble or (found.name.suffix.lower() == ".ipynb" and found.path.is_file() and not found.path.is_symlink())


def lab_for(found: Found, labs: Sequence[str]) -> str:
    """The lab of a file: its cells know it best, then its name, then its folders, the innermost first."""
    named = [platform_of(part).get("rest") or part for part in reversed(found.name.parts)]
    tasks = [platform_of(part).get("lab", "") for part in found.name.parts]
    return found.lab or next(filter(None, (lab_named(text, labs) for text in [*named, *tasks])), "")


def wrappers(files: Sequence[Found]) -> set[str]:
    """Outer folders that hold several students' folders: their notebooks name several students, and none by the folder's name."""
    outer = sorted((f for f in files if len(f.name.parts) > 2), key=lambda f: f.name.parts[0])
    found = set()
    for folder, group in groupby(outer, key=lambda f: f.name.parts[0]):
        inside = list(group)
        names = {f.says.casefold() for f in inside if f.says}
        if len(names) > 1 and folder.casefold() not in names and len({f.name.parts[1] for f in inside}) > 1:
            found.add(folder)
    return found


def owner_of(found: Found, members: Sequence[Member], wrapped: set[str]) -> Owner:
    """Whose a file is: by the class list, by a platform's name, by its folder, by what its notebook says."""
    listed = member_of(found, members)
    if listed:
        return listed
    unknown = "not in the class list" if members else ""
    for part in found.name.parts:
        told = platform_of(part)
        if NAME.fullmatch(told.get("login", "")):
            return Owner(told["login"], note=unknown)
        if told.get("who") or told.get("login"):
            return named_by_platform({"who": told.get("who") or told["login"]}, found.says, unknown)
    folders = [stem_of(part) for part in found.name.parts[:-1] if part not in wrapped and part != CHECKPOINTS]
    folder = next((f for f in folders if not LAB.fullmatch(f)), "")
    if NAME.fullmatch(folder):
        return Owner(folder, note=unknown or other_id(folder, found.says))
    if folder:
        return named_by_platform({"who": folder}, found.says, unknown)
    if NAME.fullmatch(found.says) and found.says != "reference":
        return Owner(found.says, note=joined(unknown, "only its STUDENT says whose it is"))
    return Owner("", note="nothing says whose it is: put it into a folder with the student's id")


def stem_of(part: str) -> str:
    return part[:-4].strip() if part.lower().endswith(".zip") else part.strip()


def member_of(found: Found, members: Sequence[Member]) -> Owner | None:
    """Whose a file is by the class list: an id in its path, a name that a platform writes, the id that its notebook names."""
    ids = {member.student.casefold(): member.student for member in members}
    parts = [*map(stem_of, found.name.parts[:-1]), found.name.stem]
    told = [platform_of(part) for part in found.name.parts]
    exact = next((ids[part.casefold()] for part in parts if part.casefold() in ids), "")
    if exact:
        return Owner(exact, note=other_id(exact, found.says))
    called = [name for t in told for name in (t.get("login", ""), t.get("number", ""), t.get("who", ""))] + parts
    member = next(filter(None, (member_called(name, members) for name in called)), None)
    if member:
        return Owner(member.student, note=other_id(member.student, found.says))
    words = [word for part in parts for word in re.split(r"[\s_()]+", part)]       # after the names: Li Wang is not the student li
    exact = next((ids[word.casefold()] for word in words if word.casefold() in ids), "")
    if exact:
        return Owner(exact, note=other_id(exact, found.says))
    if found.says.casefold() in ids:
        return Owner(ids[found.says.casefold()], note="only its STUDENT says whose it is")
    return None


def other_id(student: str, says: str) -> str:
    """What to say where the notebook was written for another id: its numbers are another's then."""
    return f"its STUDENT is {says!r}" if says and says.casefold() != student.casefold() else ""


def named_by_platform(told: dict[str, str], says: str, unknown: str) -> Owner:
    """An owner known by name only: the id that the notebook names draws the constants, and that is said."""
    who = told["who"].strip()
    known = NAME.fullmatch(says) and says != "reference"
    draws = says if known else plain(who)[:64]
    return Owner(who, draws, joined(unknown, f"constants of {draws!r}" + " by its STUDENT" * bool(known)))


def best(versions: list[tuple[Owner, str, Found]], labs: Sequence[str]) -> Submission:
    """The version of a lab to grade: readable, with work in it, the last attempt, well named, the newest."""
    ranked = sorted(versions, key=lambda version: rank(version[1], version[2]))
    owner, lab, found = ranked[-1]
    named = lab_named(found.name.stem, labs)
    notes = [owner.note, f"its name says {named}, its cells are {lab}'s" if named not in ("", lab) else ""]
    if len(ranked) > 1:
        notes.append(f"graded {found.name}, not {', '.join(str(other.name) for _, _, other in ranked[:-1])}")
    told = [platform_of(part) for part in found.name.parts]
    notes += ["the platform marks it late"] * any(t.get("late") for t in told)
    when = next((at for t in told if t.get("stamp") and (at := handed_in(t["stamp"]))), "")
    return Submission(owner.student, lab, found.path, owner.draws, found.course or "open", str(found.name), joined(*notes), when)


def rank(lab: str, found: Found) -> tuple:
    told = [platform_of(part) for part in found.name.parts]
    stamp = max((moment(t["stamp"]) for t in told if t.get("stamp")), default="")
    stem = PurePosixPath(told[-1].get("rest") or found.name.name).stem
    copy = COPY.search(stem)
    number = int(next(filter(None, copy.groups()), "1")) if copy else 0
    return (not found.trouble, found.touched, CHECKPOINTS not in found.name.parts, stamp, stem == lab, found.modified, number,
            -len(found.name.parts), str(found.name))


def moment(stamp: str) -> str:
    """A platform's time, or a number that grows with time, as text that sorts."""
    for form in ("%b %d, %Y %I%M %p", "%B %d, %Y %I%M %p"):
        try:
            return datetime.strptime(re.sub(r"(?<= )(\d{3}) (?=[AP]M)", r"0\1 ", stamp.upper().strip()), form).isoformat()
        except ValueError:
            continue
    return stamp.zfill(24)


def handed_in(stamp: str) -> str:
    """A platform's time as ISO 8601, in the platform's own zone unless it names one; nothing for a mere number."""
    text = re.sub(r"^(\d{4}-\d\d-\d\d)[- ](\d\d)[-:](\d\d)[-:](\d\d)(?:\.\d+)?( UTC)?$", r"\1T\2:\3:\4\5", stamp.strip())
    text = moment(stamp) if text == stamp.strip() else text.replace(" UTC", "+00:00")
    return text if "T" in text else ""


def in_course(made: Plan, course: str = "") -> Plan:
    """The plan with everybody's constants drawn in one course: the given one, or the one that most notebooks name."""
    named = Counter(one.course for one in made.graded)
    course = course or max(named, key=lambda word: (named[word], word), default="open")
    other = {word: f"its COURSE is {word!r}, it is graded in {course!r}" for word in named if word != course}
    return replace(made, graded=tuple(replace(one, course=course, note=joined(one.note, other.get(one.course, ""))) for one in made.graded))


def joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def shared(chosen: Sequence[Submission]) -> Iterator[Submission]:
    """Submissions, with a word where two students let the same id draw their constants."""
    for one in chosen:
        others = [o.student for o in chosen if one.draws and o.lab == one.lab and o is not one
                  and (o.draws or o.student).casefold() == one.draws.casefold()]
        note = f"so are those of {', '.join(others)}" if others else ""
        yield replace(one, note=joined(one.note, note))


def cause_of(owner: Owner, lab: str, found: Found) -> str:
    """Why a file is not graded."""
    return found.trouble or (owner.note if not owner.student else f"no cell of any lab in it{'' if lab else ', and no lab in its name'}")


def missing(chosen: Sequence[Submission], left: Sequence[Ungraded], members: Sequence[Member]) -> Iterator[Ungraded]:
    """The students of the class who handed in nothing for a lab that others handed in."""
    rows: list[Submission | Ungraded] = [*chosen, *left]
    there = {(row.student.casefold(), row.lab) for row in rows}
    for lab in sorted({one.lab for one in chosen}):
        yield from (Ungraded(m.student, lab, "", "nothing handed in") for m in members if (m.student.casefold(), lab) not in there)
