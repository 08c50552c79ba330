"""G1: the LIF neuron over T steps, against a memory copy and against eager snnTorch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import snntorch
import torch
from torch import Tensor

from benchmarks.timing import Row, at_most, interleaved, peer
from dtsnn_lite.neurons import LIF, lif_sequence

SHAPE = (4, 32, 64, 16, 16)     # T, B, C, H, W: 8 MiB, below the 32 MiB at which glibc maps afresh each time


def rows() -> Iterator[Row]:
    """Forward alone, then forward and backward; the copy is x read and s written, and 5 such streams."""
    i = torch.randn(SHAPE)
    weight = torch.randn(SHAPE)
    names = ["plain"] + (["compiled"] if shutil.which("c++") or shutil.which("g++") else [])
    forward = {"copy": i.clone, "snnTorch": lambda: snntorch_spikes(i)}
    both = {"copy": lambda: streams(i, weight), "snnTorch": with_gradient(snntorch_spikes, i, weight)}
    for name in names:
        ours = lif(name == "compiled")
        forward[name], both[name] = (lambda ours=ours: ours(i)), with_gradient(ours, i, weight)
    with torch.no_grad():
        yield from _compared("forward", interleaved(forward), {"plain": 3.3, "compiled": 1.3})
    yield from _compared("forward + backward", interleaved(both), {"plain": 3.5, "compiled": 1.4})


def _compared(what: str, seconds: dict[str, float], wanted: dict[str, float]) -> Iterator[Row]:
    for name in seconds.keys() & wanted.keys():
        yield at_most("G1", f"LIF {what} / copy, {name}", seconds[name] / seconds["copy"], wanted[name])
    yield peer("G1", f"  the same in eager snnTorch {snntorch.__version__}", seconds["snnTorch"] / seconds["copy"])


def lif(compiled: bool) -> Callable[[Tensor], Tensor]:
    """Our neuron, spikes only."""
    return lambda i: lif_sequence(i, LIF(), compiled=compiled)[0]


def snntorch_spikes(i: Tensor) -> Tensor:
    """snnTorch's neuron with the same constants, step by step."""
    leaky = snntorch.Leaky(beta=0.5, threshold=1.0, reset_mechanism="zero", reset_delay=False)
    u, spikes = torch.zeros_like(i[0]), []
    for i_t in i:
        s, u = leaky(i_t, u)
        spikes.append(s)
    return torch.stack(spikes)


def streams(i: Tensor, weight: Tensor) -> None:
    """Five streams of memory: x -> s, then x and grad_s -> grad_x."""
    i.clone()
    torch.add(i, weight)


def with_gradient(function: Callable[[Tensor], Tensor], i: Tensor, weight: Tensor) -> Callable[[], None]:
    """Forward and backward of a function for a given gradient of its spikes."""
    def run() -> None:
        x = i.detach().requires_grad_()
        torch.autograd.grad(function(x), x, weight)
    return run
