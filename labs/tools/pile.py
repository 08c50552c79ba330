"""A pile of files as it was handed in: a folder or a zip, with the zips in it, and what each notebook says of itself."""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from labs.tools.handed_in import COURSE, NAMED, NoNotebook, cells_of, lab_of, said_by, touched

LARGEST_FILE = 200_000_000          # bytes: a lab with its figures has a thousandth, one that printed for hours a tenth
LARGEST_ZIP = 2_000_000_000         # bytes that a zip may unpack to
UTF8 = 0x800                        # a zip's flag: this entry's name is UTF-8
DEEPEST = 4                         # zips within zips


@dataclass(frozen=True)
class Found:
    """A file that was handed in.

    name      its place in the pile, with the zips that it lay in: ada/work.zip/lab1.ipynb
    path      where it can be read now
    modified  when it was written, in seconds
    lab       the lab that its cells belong to; empty where they belong to none
    says      what its STUDENT says
    course    what its COURSE says
    touched   whether it holds more than the stubs
    trouble   why it cannot be read; empty where it is a notebook
    """

    name: PurePosixPath
    path: Path
    modified: float = 0.0
    lab: str = ""
    says: str = ""
    course: str = ""
    touched: bool = False
    trouble: str = ""


def gathered(folder: Path, scratch: Path) -> list[Found]:
    """Every file of a folder or a zip, those within zips unpacked into scratch; links are not followed."""
    start = [(PurePosixPath(), folder)] if folder.suffix.lower() == ".zip" else \
            [(PurePosixPath(p.relative_to(folder).as_posix()), p) for p in sorted(folder.rglob("*")) if p.is_symlink() or not p.is_dir()]
    return [found for name, path in start for found in opened(name, path, scratch, 0)]


def opened(name: PurePosixPath, path: Path, scratch: Path, depth: int) -> Iterator[Found]:
    """A file, or what lies in it where it is a zip."""
    if path.is_symlink() or not path.is_file():
        yield Found(name, path, trouble="a link, or no file: it is not followed")
    elif path.suffix.lower() == ".zip" or name.suffix.lower() == ".zip":
        yield from unzipped(name, path, scratch, depth)
    else:
        yield looked_at(Found(name, path, path.stat().st_mtime))


def unzipped(name: PurePosixPath, path: Path, scratch: Path, depth: int) -> Iterator[Found]:
    """What lies in a zip: each entry in a file that we name, so that no name of theirs becomes a path of ours."""
    try:
        packed = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as reason:
        yield Found(name, path, trouble=f"the zip is damaged ({reason})")
        return
    with packed:
        entries = [entry for entry in packed.infolist() if not entry.is_dir()]
        if depth >= DEEPEST or sum(entry.file_size for entry in entries) > LARGEST_ZIP:
            yield Found(name, path, trouble="the zip is too large, or holds zips within zips within zips")
            return
        for entry in entries:
            inner = name / PurePosixPath(*[p for p in PurePosixPath(name_in_zip(entry).replace("\\", "/")).parts if p not in ("/", "..")])
            target, trouble = unpacked(packed, entry, scratch)
            if trouble:
                yield Found(inner, path, trouble=trouble)
            else:
                written = float(timegm((*entry.date_time, 0, 0, 0)))
                yield from (replace(found, modified=written) for found in opened(inner, target, scratch, depth + 1))


def name_in_zip(entry: zipfile.ZipInfo) -> str:
    """The name of an entry; where nothing says that it is UTF-8 it may be nevertheless (macOS, zip of Linux)."""
    if entry.flag_bits & UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf8")
    except UnicodeError:
        return entry.filename


def unpacked(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, scratch: Path) -> tuple[Path, str]:
    """Where an entry of a zip lies now, or why it does not."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        return scratch, "a link, or no file: it is not followed"
    handle, target = tempfile.mkstemp(dir=scratch)
    try:
        with open(handle, "wb") as file:
            file.write(packed.read(entry))
    except (RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, zlib.error) as reason:
        return scratch, "the zip asks for a password" if "password" in str(reason) else f"the zip is damaged ({reason})"
    return Path(target), ""


def looked_at(found: Found) -> Found:
    """A file with what its notebook says, or why it is none."""
    name = found.name.name.lower()
    if not (".ipynb" in name or name.endswith((".json", ".txt"))):
        return replace(found, trouble=f"no notebook ({found.name.suffix or 'no ending'}): ask for the .ipynb file")
    if found.path.stat().st_size > LARGEST_FILE:
        return replace(found, trouble=f"the file is larger than {LARGEST_FILE // 1_000_000} MB")
    try:
        cells = cells_of(found.path.read_bytes())
    except (NoNotebook, OSError) as reason:
        return replace(found, trouble=str(reason))
    lab = lab_of(cells)
    return replace(found, lab=lab, says=said_by(NAMED, cells), course=said_by(COURSE, cells), touched=touched(cells, lab))
