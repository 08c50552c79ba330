"""One thread, and no display: the suite gives the same numbers on every machine it shares."""

import os
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

# Playwright brings a node of its own: JavaScript is compared with Python where no other is installed.
os.environ["PATH"] += os.pathsep + str(Path(find_spec("playwright").origin).parent / "driver")

import pytest
import torch
from hypothesis import settings

pytest.register_assert_rewrite("tests.exercises")
torch.set_num_threads(1)
settings.register_profile("steady", deadline=None, derandomize=True)    # no timed test, and the same examples everywhere
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(0)
    torch.set_flush_denormal(False)     # loading a kernel that an older torch compiled turns it on, for the whole process


@pytest.fixture
def home(tmp_path) -> Path:
    """A folder that holds a tiny CIFAR-10."""
    from tests.tiny_cifar import write_cifar10

    return write_cifar10(tmp_path / "data")
