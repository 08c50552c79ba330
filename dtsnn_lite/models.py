"""Spiking networks, run step by step or over a whole sequence with the same numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from dtsnn_lite.chip import Chip, LayerShape
from dtsnn_lite.crossbar_layers import put_on, take_off
from dtsnn_lite.encoding import is_constant
from dtsnn_lite.neurons import LIF, lif_sequence, rectified


@dataclass(frozen=True)
class Analog:
    """What stands for a membrane potential where no time passes: neurons hand on their clipped current, so the network is an ANN."""


State = tuple[Tensor | Analog | None, ...]     # one membrane potential a spiking layer; None before the first step


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
        check_stages(self.stages)
        if min(self.in_shape[1:]) < 2 ** len(self.stages):
            raise ValueError(f"{len(self.stages)} stages halve {self.in_shape[1:]} images below one pixel")


def check_stages(stages: tuple[tuple[int, ...], ...]) -> None:
    """Refuses a network without a layer."""
    if not stages or not all(stages):
        raise ValueError(f"stages are the output channels of each convolution, stage by stage, one or more in each; got {stages}")


DIGITS = ConvConfig()
CIFAR_SMALL = ConvConfig((3, 32, 32), ((32,), (64, 64), (128, 128), (256, 256)), pooled="currents")
VGG16 = ConvConfig((3, 32, 32), ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3))


class Current(nn.Sequential):
    """What a spiking layer receives: normalised convolution, (M, C, H, W) -> (M, C', H', W')."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels))


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode for the length of a block; each module's own mode comes back, also after an error."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def over_time(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A stateless module on every timestep at once: (T, B, ...) -> (T, B, ...)."""
    if is_constant(x):
        y = module(x[0])
        return y.unsqueeze(0).expand(x.shape[0], *y.shape)
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class SpikingNet(nn.Module, ABC):
    """A network of spiking layers and a linear read-out that does not spike (abstract).

    A subclass sets in its __init__

    in_shape  (C, H, W) of one input
    layers    number of its spiking layers
    head      the read-out, a linear layer to the K classes (of a map: at every pixel)
    lif       the constants of its neurons, if they are not LIF()

    and writes `first_current` and `advance_from`, in which every spiking layer is a `fire`.

    config  what `build` makes this network of; without one no file can hold it
    chip    whose crossbars hold the layers, None while they are digital: `move_to`
    """

    in_shape: tuple[int, int, int]
    layers: int
    head: nn.Linear
    lif: LIF = LIF()
    config: ConvConfig | ResNetConfig | FlowConfig | None = None
    chip: Chip | None = None
    compiled: bool = False

    @abstractmethod
    def first_current(self, x: Tensor) -> Tensor:
        """What the first spiking layer receives of one input: (B, C, H, W) -> (B, C', H', W')."""

    @abstractmethod
    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """The first layer's current (T, B, C', H', W') and the membrane potentials before it
        -> logits (T, B, K), or a map (T, B, K, H, W), spikes of each layer (T, B, ...), membrane potentials after it."""

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        """`advance_from` of a sequence of inputs (T, B, C, H, W): a constant one passes the first layer only once."""
        return self.advance_from(over_time(self.first_current, x), state)

    def move_to(self, chip: Chip | None) -> None:
        """Put every layer on a chip's crossbars; None: take them off again, the digital network with the same weights."""
        if chip is None:
            take_off(self)
        else:
            put_on(self, chip)
        self.chip = chip

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
        return self.advance(self.checked(x[None]), (Analog(),) * self.layers)[0]

    def fire(self, current: Tensor, u: Tensor | Analog | None) -> tuple[Tensor, Tensor | Analog]:
        """One spiking layer: its spikes (T, B, ...) and its last membrane potential (B, ...); as an ANN, clipped currents."""
        if isinstance(u, Analog):
            return rectified(current, self.lif), u
        return lif_sequence(current, self.lif, u, self.compiled)

    def checked(self, x: Tensor) -> Tensor:
        """x itself, if it is a sequence of this net's inputs."""
        if x.dim() != 5 or tuple(x.shape[2:]) != tuple(self.in_shape) or 0 in x.shape:
            raise ValueError(f"input is (T, B, {', '.join(map(str, self.in_shape))}); got {tuple(x.shape)} "
                             "(encoding.direct turns images into such a sequence)")
        if x.dtype != self.head.weight.dtype:
            raise TypeError(f"input is floating point as the weights are, {self.head.weight.dtype}; got {x.dtype}")
        return x


@contextmanager
def compiling(net: SpikingNet, on: bool = True) -> Iterator[None]:
    """Neurons fused by torch.compile for the length of a block (it needs a C++ compiler or Triton)."""
    before, net.compiled = net.compiled, on
    try:
        yield
    finally:
        net.compiled = before


class SpikingConvNet(SpikingNet):
    """Stages of convolution, batch norm and LIF, then one linear layer (VGG family), digital or on a chip."""

    config: ConvConfig

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

    def first_current(self, x: Tensor) -> Tensor:
        return self.currents[0](x)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        ends, x = self._stage_ends(), current
        spiking = not isinstance(state[0], Analog)
        currents_first = spiking and self.config.pooled == "currents"       # one function as an ANN: its bits stay too
        spikes, after = [], []
        for layer, u in enumerate(state):
            if layer > 0:
                x = over_time(self.currents[layer], x)
            if layer in ends and currents_first:
                x = over_time(self.pool, x)
            x, u = self.fire(x, u)
            spikes.append(x)
            after.append(u)
            if layer in ends and not currents_first:
                x = over_time(self.pool, x)
        return self.head(x.flatten(2)), spikes, tuple(after)

    def _stage_ends(self) -> set[int]:
        ends, last = set(), -1
        for stage in self.config.stages:
            last += len(stage)
            ends.add(last)
        return ends


@dataclass(frozen=True)
class ResNetConfig:
    """ResNet-19 of the spiking literature: a stem, then stages of two-convolution blocks.

    stages  (channels, blocks) of each stage; every stage but the first halves the image, without a rest
    """

    in_shape: tuple[int, int, int] = (3, 32, 32)
    stages: tuple[tuple[int, int], ...] = ((128, 3), (256, 3), (512, 2))
    classes: int = 10
    lif: LIF = LIF()

    def __post_init__(self) -> None:
        if not self.stages or any(blocks < 1 for _, blocks in self.stages):
            raise ValueError(f"stages are (channels, blocks) pairs, one or more, of one block or more; got {self.stages}")
        if any(side % 2 ** (len(self.stages) - 1) for side in self.in_shape[1:]):       # of an odd map a branch and its shortcut differ
            raise ValueError(f"{len(self.stages)} stages halve the image {len(self.stages) - 1} times, without a rest; got "
                             f"{self.in_shape[1]} x {self.in_shape[2]} pixels")


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

    def first_current(self, x: Tensor) -> Tensor:
        return self.stem(x)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        x, u = self.fire(current, state[0])
        spikes, after = [x], [u]
        for block, (first, second, shortcut) in enumerate(zip(self.first, self.second, self.shortcuts, strict=True)):
            inner, u1 = self.fire(over_time(first, x), state[1 + 2 * block])
            x, u2 = self.fire(over_time(second, inner) + over_time(shortcut, x), state[2 + 2 * block])
            spikes += [inner, x]
            after += [u1, u2]
        return self.head(x.mean(dim=(3, 4))), spikes, tuple(after)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                         Current(in_channels, out_channels, kernel=1))


@dataclass(frozen=True)
class FlowConfig:
    """An encoder that halves the map from level to level, and a decoder that comes back up: two numbers at every pixel.

    channels  of each level, the first at full size; two or more
    """

    in_shape: tuple[int, int, int] = (2, 32, 32)
    channels: tuple[int, ...] = (16, 32, 48)
    lif: LIF = LIF()

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ValueError(f"channels are those of each level, two levels or more; got {self.channels}")
        if any(side % 2 ** (len(self.channels) - 1) for side in self.in_shape[1:]):
            raise ValueError(f"{len(self.channels)} levels halve the map {len(self.channels) - 1} times, without a rest; got "
                             f"{self.in_shape[1]} x {self.in_shape[2]} pixels")


class FlowNet(SpikingNet):
    """A spiking encoder-decoder: convolutions of stride 2 down, doubled pixels and convolutions up, each level joined to its like.

    The read-out is linear at every pixel and does not spike: (T, B, 2, H, W), pixels to the right and down.
    """

    config: FlowConfig

    def __init__(self, config: FlowConfig = FlowConfig(), chip: Chip | None = None) -> None:
        super().__init__()
        self.config, self.lif, self.in_shape = config, config.lif, config.in_shape
        levels = list(zip(config.channels[:-1], config.channels[1:], strict=True))          # (finer, coarser)
        first, deepest = config.channels[0], config.channels[-1]
        self.down = nn.ModuleList([Current(config.in_shape[0], first),
                                   *(Current(finer, coarser, stride=2) for finer, coarser in levels), Current(deepest, deepest)])
        self.up = nn.ModuleList(Current(coarser + finer, finer) for finer, coarser in reversed(levels))
        self.doubled = nn.Upsample(scale_factor=2, mode="nearest")                            # a spike becomes four, bits stay bits
        self.layers = len(self.down) + len(self.up)
        self.head = nn.Linear(first, 2)
        self.move_to(chip)

    def first_current(self, x: Tensor) -> Tensor:
        return self.down[0](x)

    def advance_from(self, current: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
        x, u = self.fire(current, state[0])
        spikes, after = [x], [u]
        for layer, before in zip([*self.down[1:], *self.up], state[1:], strict=True):
            if len(spikes) >= len(self.down):
                like = spikes[2 * len(self.down) - 3 - len(spikes)]                          # the encoder's, of the same size
                x = torch.cat([self.doubled(x.flatten(0, 1)), like.flatten(0, 1)], dim=1).unflatten(0, x.shape[:2])
            x, u = self.fire(over_time(layer, x), before)
            spikes.append(x)
            after.append(u)
        return self.head(x.movedim(2, -1)).movedim(-1, 2), spikes, tuple(after)


@torch.no_grad()
def layer_shapes(net: SpikingNet) -> tuple[LayerShape, ...]:
    """Every convolution and linear layer as the crossbar mapper sees it, in the order they run; one that runs twice comes twice.

    >>> net = build(ConvConfig(in_shape=(1, 8, 8), stages=((4,), (8,))))
    >>> [(shape.name, shape.rows, shape.positions) for shape in layer_shapes(net)]
    [('currents.0.0', 9, 64), ('currents.1.0', 36, 16), ('head', 32, 1)]
    """
    shapes: list[LayerShape] = []
    with ExitStack() as block:
        for name, layer in net.named_modules():
            _check_known(name, layer)
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                block.enter_context(layer.register_forward_hook(partial(_note, shapes, name)))
        block.enter_context(evaluating(net))
        net(torch.zeros(1, 1, *net.in_shape, device=net.head.weight.device, dtype=net.head.weight.dtype))
    return tuple(shapes)


def _note(shapes: list[LayerShape], name: str, layer: nn.Conv2d | nn.Linear, inputs: tuple[Tensor], out: Tensor) -> None:
    """A forward hook: one more run of a layer."""
    if isinstance(layer, nn.Linear):
        positions = out.numel() // layer.out_features
        shapes.append(LayerShape(name, layer.in_features, layer.out_features, 1, positions, 1, positions, 1))
        return
    (height, width), (out_height, out_width) = inputs[0].shape[-2:], out.shape[-2:]
    runs = out.numel() // (layer.out_channels * out_height * out_width)
    shapes += [LayerShape(name, layer.in_channels, layer.out_channels, layer.kernel_size[0], out_height, out_width, height, width,
                          layer.stride[0])] * runs


def _check_known(name: str, layer: nn.Module) -> None:
    """Refuses weights of which the mapper would make a wrong bill, or none."""
    if isinstance(layer, nn.Conv2d):
        if layer.groups != 1 or layer.dilation != (1, 1) or len({*layer.kernel_size}) > 1 or len({*layer.stride}) > 1:
            raise ValueError(f"{name} cannot be billed: a bill knows convolutions of a square kernel and one stride, without groups "
                             f"or dilation; got {layer}")
    elif not isinstance(layer, nn.Linear) and any(p.dim() > 1 for p in layer.parameters(recurse=False)):
        raise ValueError(f"{name or 'the network itself'} cannot be billed: the weights of a {type(layer).__name__} lie on no crossbar "
                         "that the mapper knows (Conv2d, Linear)")


def build(config: ConvConfig | ResNetConfig | FlowConfig, chip: Chip | None = None) -> SpikingNet:
    """The network a configuration describes, with fresh weights, digital or on a chip."""
    match config:
        case ConvConfig():
            return SpikingConvNet(config, chip)
        case ResNetConfig():
            return SpikingResNet(config, chip)
        case FlowConfig():
            return FlowNet(config, chip)
    raise TypeError(f"config is a ConvConfig, a ResNetConfig or a FlowConfig; got {type(config).__name__}")
