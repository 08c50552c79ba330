"""Which cells of which page run in the page: each notebook is tried once in a process of its own, and the outcome is kept.

A cell is offered when it runs without what a page has not got and prints what the built page shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import nbformat
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from stopwhensure.freshness import EXECUTION_INPUTS, digest

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
ASSET_BYTES = 1_600_000             # of recordings that one page may bring along: with the runtime it stays below what a test allows
MOST_PROCESSES = 2
INSTALLS = "google.colab"           # the first cell of a notebook
REMOVED = {"remove-cell", "remove-input"}
SHAPES = """
import dataclasses, json
from dtsnn_lite.checkpoints import load_shipped
from dtsnn_lite.files import ASSETS
from dtsnn_lite.models import layer_shapes
from safetensors import safe_open

def is_spiking(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["config"])["kind"] != "AnnConfig"

nets = [path.stem for path in sorted(ASSETS.glob("*.safetensors")) if is_spiking(path)]
print(json.dumps({name: [dataclasses.asdict(shape) for shape in layer_shapes(load_shipped(name))] for name in nets}))
"""

Shapes = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Offer:
    """What the page may do with a code cell.

    how     "run" by a button, "quietly" before others for the names that it makes, or "not"
    assets  the package's files that must be there first
    at      the cell's place in its notebook
    """

    how: Literal["run", "quietly", "not"]
    assets: tuple[str, ...] = ()
    at: int = 0


def python(root: Path, arguments: Sequence[str | Path], asked: str = "") -> Any:
    """What a process of this Python, with the package of `root`, answers in JSON."""
    ran = subprocess.run([sys.executable, *arguments], cwd=root, input=asked, capture_output=True, encoding="utf8",
                         env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"})
    if ran.returncode:
        raise RuntimeError(f"{arguments[0]} failed: {ran.stderr.strip()[-2000:]}")
    return json.loads(ran.stdout)


class Trials:
    """Outcomes of a repository's package, each kept under what it depends on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ours = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("shore.py", "trial.py", "offered.py"))).hexdigest()[:8]
        self.folder = root / "_build" / "python_trials" / (digest(root, EXECUTION_INPUTS) + ours)

    def kept(self, name: str, make: Any) -> Any:
        """The value in a file of this name, made where there is none."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            made = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made), "utf8")
        return json.loads(path.read_text("utf8"))

    def shapes(self) -> Shapes:
        """Layer shapes of every shipped spiking network, as the network itself has them."""
        return self.kept("shapes", lambda: python(self.root, ["-c", SHAPES]))

    def of(self, sources: Sequence[str]) -> list[dict[str, Any]]:
        """What became of each of these cells."""
        asked = json.dumps({"cells": list(sources), "shapes": self.shapes(), "asset_bytes": ASSET_BYTES})
        name = hashlib.sha256(asked.encode()).hexdigest()[:24]
        return self.kept(name, lambda: python(self.root, [HERE / "trial.py"], asked))


def printed(outputs: Iterable[Any]) -> str:
    """What a code cell wrote to standard output."""
    return "".join("".join(it.text) for it in outputs if it.output_type == "stream" and it.name == "stdout")


def offer(tried: dict[str, Any], source: str, shown: str | None) -> Offer:
    """What the page may do with a cell that was tried; shown: what the built page says it prints, None if nobody knows."""
    if tried["ended"] == "fails":
        return Offer("not")
    said = "".join(text for kind, text in tried["output"] if kind == "stdout")
    if tried["ended"] == "stops" or INSTALLS in source or shown is None or shown != said:
        return Offer("quietly", tuple(tried["assets"]))
    return Offer("run", tuple(tried["assets"]))


def offers(path: Path, trials: Trials, executed: nbformat.NotebookNode | None) -> list[Offer]:
    """An offer for each code cell of a notebook; executed: its run with this package. What no page shows cannot run there."""
    cells = {at: cell for at, cell in enumerate(nbformat.read(path, as_version=4).cells) if cell.cell_type == "code"}
    sources = ["" if REMOVED & set(cell.metadata.get("tags", [])) else cell.source for cell in cells.values()]
    shown = [printed(cell.outputs) for cell in executed.cells if cell.cell_type == "code"] if executed else [None] * len(cells)
    found = [offer(*one) for one in zip(trials.of(sources), sources, shown, strict=True)]
    return [replace(it, at=at) if source else Offer("not", at=at) for it, at, source in zip(found, cells, sources, strict=True)]


def executed(path: Path, cache_folder: str) -> nbformat.NotebookNode | None:
    """The notebook with the outputs of the build's own run."""
    cache = get_cache(cache_folder)
    try:
        return cache.get_cache_bundle(cache.match_cache_notebook(nbformat.read(path, as_version=4)).pk).nb
    except KeyError:
        return None


def try_all(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Every notebook's offers, in the environment, for the pages to be written."""
    if not app.config.python_parts:
        env.python_offers = {}                          # type: ignore[attr-defined]  # an extension's own entry
        return []
    trials = Trials(Path(app.srcdir))
    paths = {name: Path(env.doc2path(name)) for name in sorted(env.found_docs) if str(env.doc2path(name)).endswith(".ipynb")}
    trials.shapes()
    with ThreadPoolExecutor(MOST_PROCESSES) as pool:
        one = partial(_of_page, trials=trials, cache_folder=app.config.nb_execution_cache_path)
        found = dict(zip(paths, pool.map(one, paths.values()), strict=True))
    env.python_offers = found                           # type: ignore[attr-defined]  # as above
    runs = {name: sum(it["how"] == "run" for it in page) for name, page in found.items()}
    LOGGER.info("Python in the page: %d cells of %d notebooks run there", sum(runs.values()), sum(map(bool, runs.values())))
    return []


def _of_page(path: Path, trials: Trials, cache_folder: str) -> list[dict[str, Any]]:
    return [asdict(it) for it in offers(path, trials, executed(path, cache_folder))]


def of_page(env: BuildEnvironment, name: str) -> list[Offer]:
    """A page's offers, one a code cell; none where the page is no notebook, or the book has no Python."""
    return [Offer(it["how"], tuple(it["assets"]), it["at"]) for it in getattr(env, "python_offers", {}).get(name, [])]


def setup(app: Sphinx) -> None:
    """`python_parts`: the folder of fetched parts, "" where there are none; with another one all pages are read again."""
    app.add_config_value("python_parts", "", "env", str)
    app.connect("env-updated", try_all)
