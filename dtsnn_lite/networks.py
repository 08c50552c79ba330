"""The papers' networks, and our own, as the mapper sees them: layer shapes, no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dtsnn_lite.chip import LayerShape
from dtsnn_lite.files import ASSETS, POLICIES


def conv(name: str, in_channels: int, out_channels: int, out_size: int, kernel: int = 3, stride: int = 1) -> LayerShape:
    """A square convolution that keeps its map's size (padded), or divides it by the stride."""
    size = out_size * stride
    return LayerShape(name, in_channels, out_channels, kernel, out_size, out_size, size, size, stride)


def linear(name: str, in_channels: int, out_channels: int) -> LayerShape:
    """A fully connected layer: one position, kernel 1."""
    return LayerShape(name, in_channels, out_channels)


def conv_chain(in_channels: int, stages: list[tuple[int, int, int]]) -> list[LayerShape]:
    """3 x 3 convolutions in a row; stages: (layers, channels, output size)."""
    shapes: list[LayerShape] = []
    for count, channels, size in stages:
        for _ in range(count):
            shapes.append(conv(f"conv{len(shapes) + 1}", in_channels, channels, size))
            in_channels = channels
    return shapes


def vgg9() -> list[LayerShape]:
    """SpikeSim's example, CIFAR-10, convolutions only (moitra2022spikesimcode)."""
    outputs = [(64, 32), (64, 16), (128, 16), (128, 8), (256, 8), (256, 8), (256, 4)]
    inputs = [3] + [channels for channels, _ in outputs]
    return [conv(f"conv{i + 1}", inputs[i], channels, size) for i, (channels, size) in enumerate(outputs)]


def vgg16() -> list[LayerShape]:
    """DT-SNN's and SEENN's VGG-16, CIFAR-10, convolutions only (li2023seenn)."""
    return conv_chain(3, [(2, 64, 32), (2, 128, 16), (3, 256, 8), (3, 512, 4), (3, 512, 2)])


def resnet19() -> list[LayerShape]:
    """DT-SNN's and SEENN's ResNet-19, CIFAR-10, 3 x 3 convolutions only (li2023seenn)."""
    return conv_chain(3, [(7, 128, 32), (6, 256, 16), (4, 512, 8)])


def cifar10_small() -> list[LayerShape]:
    """The book's own net for CIFAR-10, `models.CIFAR_SMALL`."""
    return conv_chain(3, [(1, 32, 32), (2, 64, 16), (2, 128, 8), (2, 256, 4)]) + [linear("head", 1024, 10)]


def dvsnet() -> list[LayerShape]:
    """Gesture network of the ADC-less paper's program: 64 x 64 x 2 in, eleven convolutions (apolinario2022adclesscode)."""
    return conv_chain(2, [(3, 32, 64), (2, 32, 32), (2, 32, 16), (2, 32, 8), (2, 32, 4)]) + [linear("fc", 128, 11)]


def snn_vgg16() -> list[LayerShape]:
    """VGG-16 of the ADC-less paper's program, CIFAR-100, three linear layers (apolinario2022adclesscode)."""
    return vgg16() + [linear("fc1", 2048, 4096), linear("fc2", 4096, 4096), linear("fc3", 4096, 100)]


def fireflownet() -> list[LayerShape]:
    """Optical-flow network of seven 32-channel convolutions at 256 x 256, 4 channels in (apolinario2022adclesscode)."""
    return conv_chain(4, [(7, 32, 256)])


def shipped_shapes(network: str) -> list[LayerShape]:
    """A spiking network that comes with the package, by its card: what `models.layer_shapes` finds, without torch.

    >>> [(shape.rows, shape.positions) for shape in shipped_shapes("digits")]
    [(9, 784), (144, 196), (288, 49), (576, 1)]
    """
    config = _config(ASSETS, network)
    channels, size = config["in_shape"][:2]
    shapes: list[LayerShape] = []
    for stage in config["stages"]:
        for outputs in stage:
            shapes.append(conv(f"conv{len(shapes) + 1}", channels, outputs, size))
            channels = outputs
        size //= 2
    return [*shapes, linear("head", channels * size ** 2, config["classes"])]


def shipped_policy_shapes(network: str) -> list[LayerShape]:
    """The policy that comes with the package for a network, by its card: what `models.layer_shapes` finds, without torch."""
    config = _config(POLICIES, network)
    (channels, side, _), (first, second) = config["in_shape"], config["channels"]
    seen = side // 4
    half = (seen + 1) // 2
    return [LayerShape("look", channels, first, 4, seen, seen, side, side, 4),
            LayerShape("think", first, second, 3, half, half, seen, seen, 2),
            linear("head", second * half ** 2, config["timesteps"])]


def _config(folder: Path, network: str) -> dict[str, Any]:
    """What the card of a network says of its layers; only networks whose weights are here have one that counts."""
    if not (folder / f"{network}.safetensors").exists():
        raise FileNotFoundError(f"no shipped network {network!r}; there are {sorted(path.stem for path in folder.glob('*.safetensors'))}")
    config: dict[str, Any] = json.loads((folder / f"{network}.json").read_text("utf8"))["config"]
    return config


NETWORKS = {"vgg9": vgg9, "vgg16": vgg16, "resnet19": resnet19, "dvsnet": dvsnet, "snn-vgg16": snn_vgg16,
            "fireflownet": fireflownet}
