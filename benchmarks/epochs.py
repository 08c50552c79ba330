"""G10: one step of training in float32, against the same network with eager snnTorch neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import snntorch
import torch
from torch import Tensor

from benchmarks.timing import Row, at_least, interleaved
from dtsnn_lite.encoding import direct
from dtsnn_lite.losses import prefix_loss
from dtsnn_lite.models import CIFAR_SMALL, DIGITS, ConvConfig, SpikingNet, build

TIMESTEPS, BATCH = 4, 64


def rows() -> Iterator[Row]:
    """Forward, backward and a step of SGD on one batch; an epoch is many of them."""
    for name, config, wanted in (("digits net", DIGITS, 1.7), ("CIFAR net", CIFAR_SMALL, 1.7)):
        ours, theirs = training_step(config, None), training_step(config, snntorch_fire)
        seconds = interleaved({"ours": ours, "snnTorch": theirs}, 7)
        yield at_least("G10", f"training {name}, batch {BATCH}, T = {TIMESTEPS}: eager snnTorch / ours",
                       seconds["snnTorch"] / seconds["ours"], wanted)


def snntorch_fire(current: Tensor, u: Tensor | None) -> tuple[Tensor, Tensor]:
    """snnTorch's neuron over the timesteps."""
    leaky = snntorch.Leaky(beta=0.5, threshold=1.0, reset_mechanism="zero", reset_delay=False)
    u, spikes = torch.zeros_like(current[0]), []
    for i_t in current:
        s, u = leaky(i_t, u)
        spikes.append(s)
    return torch.stack(spikes), u


def training_step(config: ConvConfig, fire: Callable | None) -> Callable[[], None]:
    """One batch of `fit`'s inner loop on random images."""
    torch.manual_seed(0)
    net: SpikingNet = build(config).to(memory_format=torch.channels_last)
    if fire:
        net.fire = fire
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x = torch.rand(BATCH, *config.in_shape).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, config.classes, (BATCH,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        prefix_loss(net(direct(x, TIMESTEPS)), labels).backward()
        optimizer.step()

    return step
