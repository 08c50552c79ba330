"""What a shipped network brings along: its recordings, and a card that says how it was made and what it reached."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from dtsnn_lite import __version__
from dtsnn_lite.data import Split, Splits, as_input
from dtsnn_lite.encoding import Coding, direct
from dtsnn_lite.inference import record
from dtsnn_lite.models import SpikingNet
from dtsnn_lite.recording import Recording


def held_out(splits: Splits) -> dict[str, Split]:
    """What no weight was trained on, by the names that files and cards use."""
    return {"calibration": splits.calibration, "test": splits.test}


def keep_recordings(net: SpikingNet, splits: Splits, timesteps: int, about: Mapping, stem: Path, halved: bool,
                    coding: Coding = direct) -> dict[str, Recording]:
    """What a network says of both splits, by split, as written to {stem}-calibration.npz and {stem}-test.npz.

    halved  f is rounded to float16 whatever answer that changes, as the weights were
    """
    seen = {}
    for name, split in held_out(splits).items():
        whole = record(net, as_input(split.images), split.labels, timesteps, about={**about, "split": name}, coding=coding)
        seen[name] = whole.halved() if halved else whole
        seen[name].save(stem.with_name(f"{stem.name}-{name}.npz"))
    return seen


def card(about: Mapping, seconds: float, device: torch.device, made_with: Mapping[str, str], found: Mapping) -> dict:
    """How a network was made.

    about      which it is, the command that makes it and its schedule
    made_with  `versions` as they were when the training began
    found      what it reached
    """
    return {**about, "seconds": round(seconds, 1), "device": device_name(device), "threads": torch.get_num_threads(),
            "versions": made_with, **found}


def accuracies(seen: Mapping[str, Recording]) -> dict[str, list[float]]:
    """Accuracy a timestep of each split."""
    return {split: four_places(recording.accuracy) for split, recording in seen.items()}


def four_places(values: Iterable[float]) -> list[float]:
    return [round(float(value), 4) for value in values]


def rounded(net: nn.Module, dtype: torch.dtype | None) -> None:
    """The weights, in place, as a file of `dtype` keeps them (None: as they are)."""
    if dtype:
        net.to(dtype).to(torch.float32)


def versions() -> dict[str, str]:
    """The libraries of a training, and the commit of this package where it runs from its repository.

    To be asked as a training begins: hours later the files may be others.
    """
    return {p: version(p) for p in ("torch", "snntorch", "numpy")} | {"dtsnn_lite": __version__ + commit()}


def commit(package: Path = Path(__file__).parents[1]) -> str:
    """For example ", commit 0123456789ab+", + where a Python file of the package differs; nothing without a repository."""
    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(package), *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        tracked = git("ls-files", "__init__.py")                # not somebody else's repository, in which it is installed
        changed = "+" if git("status", "--porcelain", "--", "*.py") else ""
        return f", commit {git('rev-parse', '--short=12', 'HEAD')}{changed}" if tracked else ""
    except (OSError, subprocess.CalledProcessError):
        return ""


def device_of(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def device_name(device: torch.device) -> str:
    """What a card calls a device: NVIDIA H200, say."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"
