"""What stands between a submission and the machine that grades it: a container, bubblewrap, namespaces, or nothing at all.

python -m labs.tools.walls              says which of them work here
python -m labs.tools.walls --image      makes the image for containers: `make grader-image`

Behind a wall a desk (dtsnn_lite/classroom/desk.py) sees Python with its packages and the course's package, read-only, and an
empty folder of its own; no master, no other submission, no network. Nothing is trusted that comes out of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

from labs.tools.masters import LABS

ROOT = LABS.parent
PACKAGE = ROOT / "dtsnn_lite"
COURSE, FOLDER = "/course", "/grading"      # where the package lies behind a wall, and the submission's own folder
NOBODY = 65534                              # the user behind a wall
FILE_BYTES, PROCESSES = 500_000_000, 256    # what a submission may write to a file or to its folder, and run at once
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
IMAGE = "stop-when-sure-grader"


class Wall(Protocol):
    """A way to start a program apart from everything else."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def protects(self) -> bool:
        """Whether it keeps a program from what it is not given."""

    def command(self, program: Sequence[str], environment: Mapping[str, str], memory_bytes: int, folder: Path, label: str) -> list[str]:
        """How to start Python with these arguments; label is the run's own name, folder what it may write where there is no wall."""

    def end(self, label: str) -> None:
        """Ends what killing the command's own processes does not reach."""


@dataclass(frozen=True)
class Container:
    """A container of podman or docker a submission, from the image of `make grader-image`; the kernel holds its limits."""

    engine: str

    @property
    def name(self) -> str:
        return f"a container ({self.engine})"

    protects = True

    def command(self, program: Sequence[str], environment: Mapping[str, str], memory_bytes: int, folder: Path, label: str) -> list[str]:
        tmpfs = f"rw,nosuid,nodev,mode=1777,size={FILE_BYTES}"
        limits = [f"--memory={memory_bytes}", f"--memory-swap={memory_bytes}", f"--pids-limit={PROCESSES}", "--cpus=1", "--shm-size=64m"]
        variables = [f"--env={key}={value}" for key, value in environment.items()]
        return [self.engine, "run", "--rm", "--interactive", f"--name={label}", "--network=none", "--read-only", "--cap-drop=ALL",
                "--security-opt=no-new-privileges", f"--user={NOBODY}:{NOBODY}", *limits, f"--tmpfs={FOLDER}:{tmpfs}",
                f"--tmpfs=/tmp:{tmpfs}", f"--workdir={FOLDER}", *variables, image(), "python", *program]

    def end(self, label: str) -> None:
        subprocess.run([self.engine, "kill", label], capture_output=True)


@dataclass(frozen=True)
class Bubblewrap:
    """Namespaces of its own by bubblewrap, what Flatpak uses; limits are watched from outside."""

    name = "bubblewrap"
    protects = True

    def command(self, program: Sequence[str], environment: Mapping[str, str], memory_bytes: int, folder: Path, label: str) -> list[str]:
        room = [part for source, target in furniture() for part in (("--ro-bind", source, target) if source else ("--tmpfs", target))]
        size = ["--perms", "1777", "--size", str(FILE_BYTES)]
        return ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", str(NOBODY), "--gid",
                str(NOBODY), "--hostname", "grading", "--clearenv", *(p for k, v in environment.items() for p in ("--setenv", k, v)),
                *room, "--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/dev/shm", *size, "--tmpfs", "/tmp",
                *size, "--tmpfs", FOLDER, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", FOLDER, sys.executable, *program]

    def end(self, label: str) -> None:
        return


@dataclass(frozen=True)
class Namespaces:
    """The same with the system's own tools, unshare and mount: a user, a tree of files, processes and a network of its own."""

    name = "namespaces (unshare)"
    protects = True

    def command(self, program: Sequence[str], environment: Mapping[str, str], memory_bytes: int, folder: Path, label: str) -> list[str]:
        variables = [f"{key}={value}" for key, value in environment.items()]
        start = ["env", "-i", *variables, "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", sys.executable, *program]
        return ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--",
                "sh", "-euc", "\n".join(self.script(start))]

    def script(self, start: Sequence[str]) -> Iterator[str]:
        """A new root with what the desk needs and nothing else, the old one gone."""
        q, size = shlex.quote, f"nosuid,nodev,size={FILE_BYTES},mode=1777"
        yield "umask 022; mount --make-rprivate /; mount -t tmpfs -o mode=755,size=16m grading /mnt"
        yield "cd /mnt; mkdir old proc dev tmp grading"
        for source, target in furniture():
            inside, kind = q("." + target), "touch" if Path(source).is_file() else "mkdir -p"
            mount = f"--rbind {q(source)} {inside}; mount -o remount,bind,ro" if source else "-t tmpfs grading"
            yield f"mkdir -p {q('.' + str(Path(target).parent))}; {kind} {inside}; mount {mount} {inside}"
        for device in ("null", "zero", "random", "urandom"):
            yield f"touch dev/{device}; mount --bind /dev/{device} dev/{device}"
        yield f"for place in tmp grading; do mount -t tmpfs -o {size} grading $place; done; mkdir dev/shm; ln -s /proc/self/fd dev/fd"
        yield f"mount -t tmpfs -o {size} grading dev/shm; mount -t proc proc proc"
        yield "pivot_root . old; umount -l /old; mount -o remount,ro,bind /; cd /grading"
        yield f"exec {shlex.join(start)}"

    def end(self, label: str) -> None:
        return


# What starts a desk without a wall: orphans come back to it (PR_SET_CHILD_SUBREAPER is 36), so that they can be found and ended.
# It ends when none of them is left, and not with the desk: what the desk started last would have nobody to be found under.
FOSTER = """
import ctypes, json, os, subprocess, sys
try:
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
except (AttributeError, OSError, TypeError):
    pass
desk = subprocess.Popen(sys.argv[2:], env=json.loads(sys.argv[1]), start_new_session=True)     # its kill(0) is not for us
os.close(0), os.close(1)        # the desk's alone: they end with it
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
except AttributeError:          # Windows has no wait
    desk.wait()
"""


@dataclass(frozen=True)
class NoWall:
    """The submission as you: it can read and write what you can. Limits of time and memory hold for accidents only."""

    name = "NO WALL"
    protects = False

    def command(self, program: Sequence[str], environment: Mapping[str, str], memory_bytes: int, folder: Path, label: str) -> list[str]:
        variables = {**environment, "PYTHONPATH": str(ROOT), "HOME": str(folder), "TMPDIR": str(folder)}
        return [sys.executable, "-S", "-c", FOSTER, json.dumps(variables), sys.executable, *program]

    def end(self, label: str) -> None:
        return


# --- what stands behind a wall --------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """The variables of a desk: the tools, this package, a home of its own, and nothing of yours."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
    language = {key: os.environ[key] for key in ("LANG", "LC_ALL", "SYSTEMROOT") if key in os.environ}
    return {**language, "PATH": tools, "PYTHONPATH": COURSE, "HOME": FOLDER, "USER": "student", "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1", **more}


@cache
def furniture() -> tuple[tuple[str, str], ...]:
    """What is shown read-only behind a wall of this machine, and where, in this order: the system, Python with its packages,
    the course's package; nothing in place of the course's own folder where that lies within one of them."""
    python = dict.fromkeys((sys.base_prefix, sys.base_exec_prefix, sys.prefix, str(Path(sys.executable).parent)))
    shown: list[str] = []
    for path in (*filter(os.path.exists, SYSTEM), *sorted(python, key=len)):
        if not any(Path(path).is_relative_to(parent) for parent in shown):
            shown.append(path)
    hidden = any(ROOT.is_relative_to(path) for path in shown)
    again = [path for path in python if hidden and Path(path).is_relative_to(ROOT)]
    return (*((path, path) for path in shown), *(("", str(ROOT)) for _ in range(hidden)), *((path, path) for path in again),
            (str(PACKAGE), f"{COURSE}/dtsnn_lite"))


@lru_cache
def version() -> str:
    """A name for the package as it is: another one after any change of a file of it."""
    content = hashlib.sha256()
    for path in sorted(p for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        content.update(f"{path.relative_to(PACKAGE)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()[:12]


def image() -> str:
    return f"{IMAGE}:{version()}"


# --- which there are -----------------------------------------------------------------------

TRY = "import socket, os, dtsnn_lite; print([n for _, n in socket.if_nameindex() if n != 'lo'], os.path.exists({labs!r}), os.getuid())"


def works(wall: Wall) -> bool:
    """Whether this wall can be built here, tried with the package: no network behind it, and no master."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        program, label = ["-c", TRY.format(labs=str(LABS))], f"{IMAGE}-{os.urandom(4).hex()}"
        command = wall.command(program, environment(), 1_000_000_000, Path(folder), label)
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return ran.returncode == 0 and ran.stdout.split()[:2] == ["[]", "False"]


def walls() -> Iterator[Wall]:
    """Every wall whose tool is here, the strongest first; whether it works is to be tried."""
    for engine in ("podman", "docker"):
        if shutil.which(engine) and subprocess.run([engine, "image", "inspect", image()], capture_output=True).returncode == 0:
            yield Container(engine)
    if shutil.which("bwrap"):
        yield Bubblewrap()
    if sys.platform == "linux" and all(map(shutil.which, ("unshare", "setpriv", "pivot_root", "mount"))):
        yield Namespaces()


@cache
def strongest() -> Wall | None:
    """The strongest wall that works here."""
    return next(filter(works, walls()), None)


UNPROTECTED = """No wall works on this machine: submissions would run as you, and could read and change what you can.
Install podman or docker and run `make grader-image`, or install bubblewrap; or, for submissions that you trust, say
    make grade UNPROTECTED=1 ...        (python -m labs.tools.grade --unprotected ...)"""


# --- the image for containers ------------------------------------------------------------

DOCKERFILE = """FROM docker.io/library/python:{python}-slim
COPY requirements.txt constraints.txt /
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt -c constraints.txt {index} && rm /*.txt
COPY dtsnn_lite {course}/dtsnn_lite
ENV PYTHONPATH={course}
"""


def make_image(index: str = "") -> None:
    """Builds the image with what the tests of the labs need: the requirements' packages and the course's, and no master."""
    engine = next(filter(shutil.which, ("podman", "docker")), None)
    if engine is None:
        sys.exit("no podman and no docker here: install one of them, or bubblewrap, which needs no image")
    with tempfile.TemporaryDirectory(prefix="grader-image-") as folder:
        for name in ("requirements.txt", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(PACKAGE, Path(folder) / "dtsnn_lite", ignore=shutil.ignore_patterns("__pycache__"))
        extra = f"--extra-index-url {index}" if index else ""
        text = DOCKERFILE.format(python=f"{sys.version_info.major}.{sys.version_info.minor}", index=extra, course=COURSE)
        (Path(folder) / "Dockerfile").write_text(text, "utf8")
        subprocess.run([engine, "build", "--tag", image(), folder], check=True)
    print(f"{image()}: `make grade` uses it as long as the package stays as it is")


def main() -> None:
    parser = argparse.ArgumentParser(description="Say which walls work here, or make the image for containers.")
    parser.add_argument("--image", action="store_true")
    parser.add_argument("--index", default="", help="an index with PyTorch's CPU build")
    given = parser.parse_args()
    if given.image:
        return make_image(given.index)
    for wall in walls():
        print(f"{wall.name}: {'works' if works(wall) else 'does not work here'}")
    best = strongest()
    print(f"make grade uses {best.name}" if best else UNPROTECTED)


if __name__ == "__main__":
    main()
