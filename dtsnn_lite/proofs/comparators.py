"""Measures offset and noise of comparators: both read-outs, all layers at once, with and without a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dtsnn_lite.checkpoints import load_net
from dtsnn_lite.chip import Chip, Flaws, SenseAmp, at_zero
from dtsnn_lite.comparators import CHIPS, GRID_SIZES, NETWORKS, REACH, REFERENCES, SIZES, Shaken
from dtsnn_lite.crossbar import partial_sums, program
from dtsnn_lite.crossbar_layers import OnCrossbars, crossbars
from dtsnn_lite.data import Split, as_input, digits
from dtsnn_lite.encoding import direct
from dtsnn_lite.files import whole_file
from dtsnn_lite.inference import record
from dtsnn_lite.models import SpikingNet
from dtsnn_lite.proofs.cards import versions
from dtsnn_lite.proofs.stages import TIMESTEPS, on

STAGE = {"at-zero": "adc-less", "at-half": "adc-less"}       # where a network is not called as its stage
GRID_IMAGES, SUM_IMAGES = 100, 50


def measure(folder: Path, seeds: tuple[int, ...] = (0,), test: Split | None = None) -> Shaken:
    """From the stages in `folder` (`make_stages`): what their columns' flaws do. Each answer is kept there, and found again.

    Of NETWORKS those whose stage is there; ADC-less it must be.
    """
    test, kept, made_with = test or digits().test, folder / "comparators", versions()
    kept.mkdir(parents=True, exist_ok=True)

    def right_of(name: str, seed: int, kind: str, size: float, chip: int) -> np.ndarray:
        flaw = f"{kind}-{size}-chip{chip}" if size else "clean"
        return _kept(kept / f"{name}-{flaw}-seed{seed}.npy", partial(right_answers, folder, name, seed, flaws_of(kind, size, chip), test))

    right = {(name, kind, seed): np.stack([[right_of(name, seed, kind, size, chip) for size in SIZES] for chip in range(chips)])
             for seed in seeds for name in NETWORKS if _path(folder, name, seed).exists() for kind, chips in CHIPS.items()}
    sums = {seed: _kept(kept / f"sums-seed{seed}.npy", partial(column_sums, _net(folder, "at-zero", seed), test.images[:SUM_IMAGES]))
            for seed in seeds}
    some = Split(test.images[:GRID_IMAGES], test.labels[:GRID_IMAGES])

    def right_at(kind: str, size: float, reference: float) -> np.ndarray:
        flaw = f"{kind}-{size}" if size else "clean"
        return _kept(kept / f"grid-{flaw}-{reference}.npy", partial(_point, folder, seeds[0], reference, kind, size, some))

    grid = np.array([[[right_at(kind, size, reference) for reference in REFERENCES] for size in GRID_SIZES] for kind in CHIPS])
    return Shaken(right, sums, grid, len(some), made_with)


def _kept(path: Path, found: Callable[[], np.ndarray]) -> np.ndarray:
    """What stands in a file, or is found and then stands there."""
    if not path.exists():
        with whole_file(path) as part, open(part, "wb") as file:
            np.save(file, found())
    return np.load(path)


def flaws_of(kind: str, size: float, chip: int = 0) -> Flaws:
    return Flaws(offset=size, seed=chip) if kind == "offset" else Flaws(noise=size, seed=chip)


def _chip_of(net: SpikingNet) -> Chip:
    if net.chip is None:
        raise ValueError("this network is digital: it has no columns")
    return net.chip


def _path(folder: Path, name: str, seed: int) -> Path:
    return folder / f"digits-{STAGE.get(name, name)}-seed{seed}.safetensors"


def _net(folder: Path, name: str, seed: int) -> SpikingNet:
    """A stage's network, its comparators at zero or at half a cell where the name says so; a gate costs an ADC nothing."""
    net = load_net(_path(folder, name, seed))
    match name:
        case "at-zero":
            return on(net, replace(_chip_of(net), readout=at_zero))
        case "at-half":
            return on(net, replace(_chip_of(net), readout=SenseAmp()))
        case "hp-adc":
            return on(net, replace(_chip_of(net), gated=True))
    return net


def right_answers(folder: Path, name: str, seed: int, flaws: Flaws, test: Split) -> np.ndarray:
    """The images that a network has right after the last timestep with flaws in all of its layers: (N,) bool."""
    return _right(_net(folder, name, seed), flaws, test)


def _right(net: SpikingNet, flaws: Flaws, test: Split) -> np.ndarray:
    torch.manual_seed(0)                                     # of the noise
    return record(on(net, replace(_chip_of(net), flaws=flaws)), as_input(test.images), test.labels, TIMESTEPS).correct[-1]


def _point(folder: Path, seed: int, reference: float, kind: str, size: float, test: Split) -> np.ndarray:
    """How many are right with this reference under this flaw."""
    net = _net(folder, "at-zero", seed)
    return np.array(_right(on(net, replace(_chip_of(net), readout=SenseAmp(reference))), flaws_of(kind, size), test).sum())


@torch.no_grad()
def column_sums(net: SpikingNet, images: torch.Tensor, timesteps: int = TIMESTEPS) -> np.ndarray:
    """How many partial sums of each one-bit layer are -REACH or less, ..., REACH or more: (layers, 2 REACH + 1)."""
    counts: dict[OnCrossbars, np.ndarray] = {}

    def look(layer: OnCrossbars, inputs: tuple[torch.Tensor]) -> None:
        sums = partial_sums(layer.rows_of(inputs[0]), program(layer.whole_weights()[0].flatten(1).T, layer.chip, layer.salt))
        counts[layer] = torch.bincount(sums.clamp(-REACH, REACH).long().flatten() + REACH, minlength=2 * REACH + 1).numpy()

    one_bit = [layer for layer in crossbars(net) if isinstance(layer.chip.readout, SenseAmp)]
    hooks = [layer.register_forward_pre_hook(look) for layer in one_bit]
    try:
        net(direct(as_input(images), timesteps))
    finally:
        for hook in hooks:
            hook.remove()
    return np.stack([counts[layer] for layer in one_bit])
