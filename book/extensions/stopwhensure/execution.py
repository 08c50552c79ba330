"""The notebooks that a build must run, several at a time; MyST-NB then finds them in the cache.

MyST-NB alone runs a notebook while it reads its page, one page after the other: one core works, the others wait.
And what a cell prints comes in pieces, cut by chance: MyST-NB would join them with lines lost or empty lines too many.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
MOST_KERNELS = 4            # each may hold a gigabyte
# From 174 seconds to 56 on two cores; every other chapter takes less. A build says what each took: look there when this is old.
LONGEST = ("crossbars", "lif", "seenn1", "conversion", "seenn2", "adc_less", "evidence")


def is_cached(notebook: nbformat.NotebookNode, cache: JupyterCacheAbstract) -> bool:
    """Whether the cache has a run of these code cells."""
    try:
        return bool(cache.match_cache_notebook(notebook))
    except KeyError:
        return False


def longest_first(paths: list[Path]) -> list[Path]:
    """Notebooks in the order in which none is left to run alone at the end; those that take little stay as they were."""
    return sorted(paths, key=lambda path: LONGEST.index(path.stem) if path.stem in LONGEST else len(LONGEST))


def run(path: Path, timeout: int, allow_errors: bool) -> tuple[nbformat.NotebookNode | None, float]:
    """A notebook run as MyST-NB would run it, None where a cell fails, and the seconds that it took."""
    notebook = nbformat.read(path, as_version=4)
    ran = single_nb_execution(notebook, str(path.parent), timeout, allow_errors, coalesce_streams=True)
    return (None if ran.err else ran.nb), ran.time


def run_what_is_lacking(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """A cache that has these pages' notebooks, but those that fail: MyST-NB runs them once more, and reports."""
    cache = get_cache(app.config.nb_execution_cache_path)
    sources = [path for path in map(Path, map(env.doc2path, docnames)) if path.suffix == ".ipynb"]
    lacking = longest_first([path for path in sources if not is_cached(nbformat.read(path, as_version=4), cache)])
    if not lacking:
        return
    one = partial(run, timeout=app.config.nb_execution_timeout, allow_errors=app.config.nb_execution_allow_errors)
    with ProcessPoolExecutor(min(MOST_KERNELS, os.cpu_count() or 1)) as pool:
        for path, (notebook, seconds) in zip(lacking, pool.map(one, lacking), strict=True):
            if notebook is not None:
                bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                LOGGER.info("%s: ran in %.0f seconds", path, seconds)


def setup(app: Sphinx) -> None:
    """Before the first page is read."""
    app.connect("env-before-read-docs", run_what_is_lacking)
