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
    i, weight = torch.randn(SHAPE), torch.randn(SHAPE)
    ours = {"plain": lif(False)} | ({"compiled": lif(True)} if shutil.which("c++") or shutil.which("g++") else {})
    with torch.no_grad():
        forward = {name: (lambda run=run: run(i)) for name, run in ours.items()}
        yield from _compared("forward", i.clone, forward, lambda: snntorch_spikes(i), {"plain": 3.3, "compiled": 1.3})
    both = {name: with_gradient(run, i, weight) for name, run in ours.items()}
    yield from _compared("forward + backward", lambda: streams(i, weight), both, with_gradient(snntorch_spikes, i, weight),
                         {"plain": 3.5, "compiled": 1.4})


def _compared(what: str, copy: Callable, ours: dict[str, Callable], theirs: Callable, wanted: dict[str, float]) -> Iterator[Row]:
    """Ours beside the copy; then the peer beside the copy, apart, since it scatters the heap that the others reuse."""
    seconds = interleaved({"copy": copy, **ours})
    for name in ours:
        yield at_most("G1", f"LIF {what} / copy, {name}", seconds[name] / seconds["copy"], wanted[name])
    seconds = interleaved({"copy": copy, "snnTorch": theirs}, 7)
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
