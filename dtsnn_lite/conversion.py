"""From a trained ANN to a spiking network (QCFS): the activation already counts spikes.

ANN   y = lam clip( floor(x L / lam + 1/2) / L, 0, 1 )
SNN   integrate-and-fire, threshold lam, soft reset, u_0 = lam / 2

Over T = L steps of constant current x the neuron fires exactly L y / lam times, so their means agree:
but for a tie, x = (k + 1/2) lam / L, where y rounds up and the strict threshold fires once less.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dtsnn_lite.crossbar_layers import OnCrossbars
from dtsnn_lite.models import SpikingNet, State, check_stages, over_time
from dtsnn_lite.neurons import LIF

IF = LIF(beta=1.0, v_th=1.0, hard_reset=False)
U_0 = 0.5       # in units of the threshold: rounds to the nearest spike count, where 0 would round down


class QCFS(nn.Module):
    """Quantisation, clip, floor and shift with a learned threshold lam (bu2022qcfs).

    levels  L: steps between 0 and lam
    """

    def __init__(self, levels: int = 4, lam: float = 2.0) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels counts the steps between 0 and lam, 1 or more; got {levels}")
        if lam <= 0:
            raise ValueError(f"lam is a threshold above 0; got {lam}")
        self.levels = levels
        self.lam = nn.Parameter(torch.tensor(float(lam)))

    def extra_repr(self) -> str:
        return f"levels={self.levels}"

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x.to(self.lam.dtype) / self.lam).clamp(0, 1) * self.levels + 0.5
        return self.lam / self.levels * (scaled + (scaled.floor() - scaled).detach())     # floor, slope 1


@dataclass(frozen=True)
class AnnConfig:
    """A plain ANN whose activations can become spikes: stages of 3 x 3 convolutions, each ended by an average.

    levels     L of every activation
    max_pools  stages end with the largest value instead: what leaves a pool then has as few levels as what enters it,
               but such an ANN has no spiking twin that `convert` could find
    """

    in_shape: tuple[int, int, int] = (1, 28, 28)
    stages: tuple[tuple[int, ...], ...] = ((16,), (32,), (64,))
    classes: int = 10
    levels: int = 4
    max_pools: bool = False

    def __post_init__(self) -> None:
        check_stages(self.stages)
        if min(self.in_shape[1:]) < 2 ** len(self.stages):
            raise ValueError(f"{len(self.stages)} stages halve {self.in_shape[1:]} images below one pixel")


class QuantisedANN(nn.Sequential):
    """Convolution, batch norm, QCFS, pool, ...; then one linear layer: images (B, C, H, W) -> logits (B, K)."""

    def __init__(self, config: AnnConfig = AnnConfig()) -> None:
        channels, height, width = config.in_shape
        layers: list[nn.Module] = []
        for stage in config.stages:
            for out in stage:
                layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), QCFS(config.levels)]
                channels = out
            layers.append(nn.MaxPool2d(2) if config.max_pools else nn.AvgPool2d(2))
            height, width = height // 2, width // 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * height * width, config.classes))
        self.config = config

    def __getitem__(self, idx: slice | int) -> nn.Sequential | nn.Module:
        return nn.Sequential(*self)[idx]        # a slice is no network of this configuration


def average_pools(ann: nn.Sequential) -> nn.Sequential:
    """The same layers with every max-pool an average: the mean of spike trains is linear, their maximum is not."""
    return nn.Sequential(*(nn.AvgPool2d(m.kernel_size, m.stride, m.padding) if isinstance(m, nn.MaxPool2d) else m
                           for m in ann))


# --- conversion -------------------------------------------------------------------

class ConvertedNet(SpikingNet):
    """The ANN's layers between integrate-and-fire neurons of threshold 1, each starting at u_0 = 1/2.

    Thresholds live in the weights: w <- w lam_before / lam_here, so that every crossbar sees bits only.
    """

    def __init__(self, currents: Sequence[nn.Module], flatten: nn.Module, head: nn.Linear, in_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.currents, self.layers, self.in_shape, self.lif = nn.ModuleList(currents), len(currents), in_shape, IF
        self.flatten, self.head = flatten, head

    def first_current(self, x: Tensor) -> Tensor:
        return self.currents[0](x)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        spikes: list[Tensor] = []
        after = []
        for layer, u in enumerate(state):
            if layer > 0:
                current = over_time(self.currents[layer], spikes[-1])
            s, u = self.fire(current, torch.full_like(current[0], U_0) if u is None else u)
            spikes.append(s)
            after.append(u)
        return self.head(over_time(self.flatten, spikes[-1])), spikes, tuple(after)

    def as_ann(self, x: Tensor) -> Tensor:
        raise ValueError("a converted network is an ANN's already: ask the ANN that it was converted from")


@torch.no_grad()
def convert(ann: nn.Sequential, in_shape: tuple[int, int, int]) -> ConvertedNet:
    """The spiking network that a trained QCFS network already is.

    Convolution, linear, batch norm, QCFS, average pool, flatten and dropout are understood.

    >>> ann = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), QCFS(levels=4), nn.Flatten(), nn.Linear(128, 10))
    >>> net = convert(ann, in_shape=(1, 8, 8))
    >>> net(torch.zeros(4, 1, 1, 8, 8)).shape                       # (T, B, K)
    torch.Size([4, 1, 10])
    """
    groups: list[list[nn.Module]] = [[]]
    thresholds: list[float] = []
    for layer in ann:
        if isinstance(layer, QCFS):
            thresholds.append(layer.lam.item())
            groups.append([])
        else:
            _add(layer, groups[-1])
    head = _checked_head(groups)
    if not all(lam > 0 for lam in thresholds):           # NaN fails too
        raise ValueError(f"a threshold lies above 0, and no spike without one; got lam = {[round(lam, 4) for lam in thresholds]}: "
                         "train the ANN again with a lower learning rate")
    for before, here, group in zip([1.0, *thresholds], [*thresholds, 1.0], groups, strict=True):
        _rescale(group, before, here)
    currents = [nn.Sequential(*group) for group in groups[:-1]]
    return ConvertedNet(currents, nn.Sequential(*groups[-1][:-1]), head, in_shape).eval()


def _add(layer: nn.Module, group: list[nn.Module]) -> None:
    """Append a copy of one layer; batch norm goes into the weights before it."""
    match layer:
        case OnCrossbars():
            raise ValueError("this ANN runs on a chip, whose steps belong to its own weights: convert the digital one, then move_to(chip)")
        case nn.Conv2d() | nn.Linear():
            group.append(_copy(layer))
        case nn.BatchNorm2d():
            if not (group and isinstance(group[-1], nn.Conv2d)):
                raise ValueError("a batch norm becomes part of the convolution just before it; here there is none")
            group[-1] = _folded(group[-1], layer)
        case nn.AvgPool2d() | nn.Flatten():
            group.append(copy.deepcopy(layer))           # a mode of its own: the ANN may go on training
        case nn.Dropout():
            pass
        case nn.MaxPool2d():
            raise ValueError("MaxPool2d has no spiking twin: train the ANN with averages instead (average_pools makes them)")
        case nn.ReLU():
            raise ValueError("ReLU has no threshold: put QCFS(levels) in its place and train on for a few epochs")
        case _:
            raise ValueError(f"{type(layer).__name__} cannot be converted: build the ANN from Conv2d, BatchNorm2d, QCFS, "
                             "AvgPool2d, Flatten and Linear")


def _checked_head(groups: list[list[nn.Module]]) -> nn.Linear:
    """The last layer of layers that can be converted."""
    if len(groups) == 1:
        raise ValueError("the ANN has no QCFS activation, so nothing would spike")
    if not (groups[-1] and isinstance(head := groups[-1][-1], nn.Linear)):
        raise ValueError("the ANN ends with a Linear layer, the classifier; this one does not")
    if any(sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in group) != 1 for group in groups):
        raise ValueError("between two activations stands exactly one layer with weights")
    return head


def _copy(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The layer's own copy, its weights in plain order."""
    copied = copy.deepcopy(layer)
    copied.weight.data = copied.weight.contiguous()
    return copied


def _bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """gamma (w x + b - mean) / sd + shift, as one convolution."""
    if norm.weight is None or norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm becomes weights: it needs affine=True and track_running_stats=True")
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    conv.weight.mul_(gain[:, None, None, None])
    conv.bias = nn.Parameter((_bias(conv) - norm.running_mean) * gain + norm.bias, requires_grad=conv.weight.requires_grad)
    return conv


def _rescale(group: list[nn.Module], before: float, here: float) -> None:
    layer = next(m for m in group if isinstance(m, (nn.Conv2d, nn.Linear)))
    layer.weight.mul_(before / here)
    layer.bias = nn.Parameter(_bias(layer) / here, requires_grad=layer.weight.requires_grad)
