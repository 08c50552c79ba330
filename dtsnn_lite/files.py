"""Files that are whole or not there, and the folder of what comes with the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

ASSETS = Path(__file__).parent / "assets"
POLICIES = ASSETS / "policies"
FLOWS = ASSETS / "flow"


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A file written beside `path`, then put in its place: an error or a kill leaves the old one, never half."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save_arrays(path: str | Path, **arrays: Any) -> None:
    """Named arrays in one .npz file, under exactly this name."""
    with whole_file(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays)


@contextmanager
def saved_arrays(path: str | Path, what: str, made_by: str) -> Iterator[NpzFile]:
    """The arrays of `save_arrays` while they are read; nothing in the file is ever unpickled."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no {what} at {path}; `{made_by}` makes one")
    try:
        with np.load(path, allow_pickle=False) as z:
            yield z
    except Exception as error:      # zip, header, missing key, JSON: each means a damaged file
        reason = "it holds a pickle, which is never opened" if "pickle" in str(error) else error
        raise ValueError(f"{path} is not a whole {what} ({reason}); make it again or fetch it again") from error
