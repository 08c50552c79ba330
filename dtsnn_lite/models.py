"""Spiking networks, run step by step or over a whole sequence with the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.crossbar_layers import put_on
from dtsnn_lite.encoding import is_constant
from dtsnn_lite.neurons import LIF, lif_sequence, rectified

State = tuple[Tensor | None, ...]     # one membrane potential a spiking layer; None before the first step


@dataclass(frozen=True)
class ConvConfig:
    """A plain stack: stages of 3 x 3 convolutions, each stage ended by a 2 x 2 max-pool.

    stages  output channels of each convolution, stage by stage
    pooled  what the max-pools see: "spikes", or the "currents" just before the neurons, which are then a quarter as many
    The maximum of spikes is a spike again, and neurons come last otherwise, so crossbars below the first see bits only.
    As an ANN both are one function, since the maximum of clipped currents is the clipped maximum.
    """

    in_shape: tuple[int, int, int] = (1, 28, 28)
    stages: tuple[tuple[int, ...], ...] = ((16,), (32,), (64,))
    classes: int = 10
    lif: LIF = LIF()
    pooled: str = "spikes"

    def __post_init__(self) -> None:
        if self.pooled not in ("spikes", "currents"):
            raise ValueError(f"pooled is 'spikes' or 'currents'; got {self.pooled!r}")
        if min(self.in_shape[1:]) < 2 ** len(self.stages):
            raise ValueError(f"{len(self.stages)} stages halve {self.in_shape[1:]} images below one pixel")


DIGITS = ConvConfig()
CIFAR_SMALL = ConvConfig((3, 32, 32), ((32,), (64, 64), (128, 128), (256, 256)), pooled="currents")
VGG16 = ConvConfig((3, 32, 32), ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3))


class Current(nn.Sequential):
    """What a spiking layer receives: normalised convolution, (M, C, H, W) -> (M, C', H', W')."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels))


    @torch.no_grad()
    def folded(self) -> nn.Module:
        """The same current as one convolution with a bias, for inference only.

        W' = W g / sqrt(var + eps),   b' = bias - mean g / sqrt(var + eps)     (g: batch norm's weight)
        """
        return fuse_conv_bn_eval(self[0], self[1])


def over_time(module: nn.Module, x: Tensor) -> Tensor:
    """A stateless module on every timestep at once: (T, B, ...) -> (T, B, ...)."""
    if is_constant(x):
        y = module(x[0])
        return y.unsqueeze(0).expand(x.shape[0], *y.shape)
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class SpikingNet(nn.Module):
    """A network of spiking layers and a linear read-out that does not spike (abstract).

    Subclasses write `advance(x, state)`: (T, B, C, H, W) and the membrane potentials
    before it -> logits (T, B, K), spikes of each layer, membrane potentials after it.
    """

    lif: LIF
    layers: int
    in_shape: tuple[int, int, int]
    compiled: bool = False
    _analog: bool = False       # only within as_ann
    chip: Chip | None = None

    def move_to(self, chip: Chip | None) -> None:
        """Put every layer on a chip's crossbars (None: leave them digital)."""
        self.chip = chip
        if chip is not None:
            put_on(self, chip)

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        raise NotImplementedError

    def empty_state(self) -> State:
        return (None,) * self.layers

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every timestep: (T, B, C, H, W) -> (T, B, K)."""
        return self.advance(self.checked(x), self.empty_state())[0]

    def step(self, x_t: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One timestep: (B, C, H, W) and the state before it -> logits (B, K) and the state after it."""
        state = self.empty_state() if state is None else state
        if len(state) != self.layers:
            raise ValueError(f"state holds one membrane potential a spiking layer, {self.layers}; got {len(state)}")
        logits, _, state = self.advance(self.checked(x_t[None]), state)
        return logits[0], state

    def as_ann(self, x: Tensor) -> Tensor:
        """Logits of the same weights when neurons pass on their clipped current and no time passes: (B, C, H, W) -> (1, B, K)."""
        self._analog = True
        try:
            return self(x[None])
        finally:
            self._analog = False

    def fire(self, current: Tensor, u: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Spikes (T, B, ...) and the last membrane potential (B, ...); as an ANN, clipped currents and None."""
        if self._analog:
            return rectified(current, self.lif), None
        return lif_sequence(current, self.lif, u, self.compiled)

    def checked(self, x: Tensor) -> Tensor:
        """x itself, if it is a sequence of this net's inputs."""
        if x.dim() != 5 or tuple(x.shape[2:]) != tuple(self.in_shape) or 0 in x.shape:
            raise ValueError(f"input is (T, B, {', '.join(map(str, self.in_shape))}); got {tuple(x.shape)} "
                             "(encoding.direct turns images into such a sequence)")
        if x.dtype != self.head.weight.dtype:
            raise TypeError(f"input is floating point as the weights are, {self.head.weight.dtype}; got {x.dtype}")
        return x


class SpikingConvNet(SpikingNet):
    """Stages of convolution, batch norm and LIF, then one linear layer (VGG family), digital or on a chip."""

    def __init__(self, config: ConvConfig = DIGITS, chip: Chip | None = None) -> None:
        super().__init__()
        self.config, self.lif, self.in_shape = config, config.lif, config.in_shape
        channels, height, width = config.in_shape
        currents = []
        for stage in config.stages:
            for out_channels in stage:
                currents.append(Current(channels, out_channels))
                channels = out_channels
            height, width = height // 2, width // 2
        self.currents = nn.ModuleList(currents)
        self.layers = len(currents)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(channels * height * width, config.classes)
        self.move_to(chip)

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        return self.advance_from(over_time(self.currents[0], x), state)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """`advance`, given the first layer's current (T, B, ...): constant input computes it only once."""
        ends = self._stage_ends()
        currents_first = self.config.pooled == "currents" and not self._analog      # one function as an ANN: its bits stay too
        spikes, after = [], []
        for layer, u in enumerate(state):
            if layer > 0:
                current = over_time(self.currents[layer], x)
            if layer in ends and currents_first:
                current = over_time(self.pool, current)
            x, u = self.fire(current, u)
            spikes.append(x)
            after.append(u)
            if layer in ends and not currents_first:
                x = over_time(self.pool, x)
        return self.head(x.flatten(2)), spikes, tuple(after)

    def first_current(self, x: Tensor) -> Tensor:
        """The first layer's current of one input: (B, C, H, W) -> (B, C', H, W)."""
        return self.currents[0](x)

    def _stage_ends(self) -> set[int]:
        ends, last = set(), -1
        for stage in self.config.stages:
            last += len(stage)
            ends.add(last)
        return ends


@dataclass(frozen=True)
class ResNetConfig:
    """ResNet-19 of the spiking literature: a stem, then stages of two-convolution blocks.

    stages  (channels, blocks) of each stage; every stage but the first halves the image
    """

    in_shape: tuple[int, int, int] = (3, 32, 32)
    stages: tuple[tuple[int, int], ...] = ((128, 3), (256, 3), (512, 2))
    classes: int = 10
    lif: LIF = LIF()


RESNET19 = ResNetConfig()


class SpikingResNet(SpikingNet):
    """Residual blocks whose branches meet as currents, before the neuron fires (ResNet-19)."""

    def __init__(self, config: ResNetConfig = RESNET19, chip: Chip | None = None) -> None:
        super().__init__()
        self.config, self.lif, self.in_shape = config, config.lif, config.in_shape
        channels = config.stages[0][0]
        self.stem = Current(config.in_shape[0], channels)
        first, second, shortcuts = [], [], []
        for stage, (width, blocks) in enumerate(config.stages):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                first.append(Current(channels, width, stride=stride))
                second.append(Current(width, width))
                shortcuts.append(_shortcut(channels, width, stride))
                channels = width
        self.first, self.second = nn.ModuleList(first), nn.ModuleList(second)
        self.shortcuts = nn.ModuleList(shortcuts)
        self.layers = 1 + 2 * len(first)
        self.head = nn.Linear(channels, config.classes)
        self.move_to(chip)

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        return self.advance_from(over_time(self.stem, x), state)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """`advance`, given the stem's current (T, B, ...)."""
        x, u = self.fire(current, state[0])
        spikes, after = [x], [u]
        for block, (first, second, shortcut) in enumerate(zip(self.first, self.second, self.shortcuts)):
            inner, u1 = self.fire(over_time(first, x), state[1 + 2 * block])
            x, u2 = self.fire(over_time(second, inner) + over_time(shortcut, x), state[2 + 2 * block])
            spikes += [inner, x]
            after += [u1, u2]
        return self.head(x.mean(dim=(3, 4))), spikes, tuple(after)

    def first_current(self, x: Tensor) -> Tensor:
        """The stem's current of one input: (B, C, H, W) -> (B, C', H, W)."""
        return self.stem(x)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                         Current(in_channels, out_channels, kernel=1))


@torch.no_grad()
def layer_shapes(net: SpikingNet) -> tuple[LayerShape, ...]:
    """Every convolution and linear layer as the crossbar mapper sees it, in the order they run."""
    shapes, hooks = [], []

    def note(name: str):
        def hook(layer: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
            x = inputs[0]
            if isinstance(layer, nn.Linear):
                shapes.append(LayerShape(name, layer.in_features, layer.out_features))
            else:
                shapes.append(LayerShape(name, layer.in_channels, layer.out_channels, layer.kernel_size[0],
                                         *out.shape[-2:], *x.shape[-2:]))
        return hook

    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_hook(note(name)))
    was_training = net.training
    net.eval()(torch.zeros(1, 1, *net.in_shape, device=net.head.weight.device, dtype=net.head.weight.dtype))
    net.train(was_training)
    for hook in hooks:
        hook.remove()
    return tuple(shapes)


def build(config: ConvConfig | ResNetConfig, chip: Chip | None = None) -> SpikingNet:
    """The network a configuration describes, with fresh weights, digital or on a chip."""
    match config:
        case ConvConfig():
            return SpikingConvNet(config, chip)
        case ResNetConfig():
            return SpikingResNet(config, chip)
    raise TypeError(f"config is a ConvConfig or a ResNetConfig; got {type(config).__name__}")
