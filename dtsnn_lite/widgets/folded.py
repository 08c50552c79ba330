"""A shipped network as a page carries it: batch norm folded, weights float16; and its timesteps in numpy, without torch.

beta is 1/2 and a sum of float16 weights is exact in float64 in any order, so two programs that add up the same spikes
never differ: network.js does what `FoldedNet.run` does, spike by spike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from safetensors import safe_open

from dtsnn_lite.files import ASSETS

BATCH_NORM_EPS = 1e-5           # of torch's BatchNorm2d, which the networks leave as it is


@dataclass(frozen=True, eq=False)
class FoldedNet:
    """Convolutions, each with LIF neurons and a 2 x 2 max-pool of their spikes, and a linear read-out.

    kernels   (C_in, 3, 3, C_out) float16, one a layer; biases (C_out,) float16
    head      (inputs, K) float16, its inputs channels last; head_bias (K,) float16
    side      pixels of the square input
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    head: np.ndarray
    head_bias: np.ndarray
    side: int
    beta: float
    v_th: float

    def run(self, images: np.ndarray, timesteps: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Images (N, H, W) uint8 -> f_t (T, N, K) float64 and each layer's spikes, bool (T, N, H, W, C)."""
        x = (images / 255.0).astype(np.float32).astype(np.float64)[..., None]
        first = current(x, self.kernels[0], self.biases[0])
        u = [np.zeros(())] * len(self.kernels)
        logits, fired = [], []
        for _ in range(timesteps):
            spikes: list[np.ndarray] = []
            for n, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
                h = self.beta * u[n] + (current(pooled(spikes[-1]), kernel, bias) if n else first)
                spikes.append(h > self.v_th)
                u[n] = np.where(spikes[-1], 0.0, h)
            logits.append(pooled(spikes[-1]).reshape(len(x), -1) @ self.head.astype(np.float64) + self.head_bias)
            fired.append(spikes)
        steps = np.arange(1, timesteps + 1).reshape(-1, 1, 1)
        return np.cumsum(logits, axis=0) / steps, [np.stack(layer) for layer in zip(*fired, strict=True)]


def current(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What neurons receive of a padded map: (N, H, W, C) -> (N, H, W, C_out)."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))         # (N, H, W, C, 3, 3)
    return np.tensordot(windows, kernel.astype(np.float64), 3) + bias


def pooled(spikes: np.ndarray) -> np.ndarray:
    """The 2 x 2 max-pool of spikes, an odd edge left out: (N, H, W, C) -> (N, H/2, W/2, C)."""
    n, height, width, channels = spikes.shape
    return spikes[:, :height // 2 * 2, :width // 2 * 2].reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def shipped_arrays(name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """The configuration and the weights of a shipped network, without torch."""
    with safe_open(ASSETS / f"{name}.safetensors", "np") as file:
        return json.loads(file.metadata()["config"]), {key: file.get_tensor(key) for key in file.keys()}


def folded(name: str) -> FoldedNet:
    """A shipped network of stages of one convolution, its batch norm in weights and biases, all rounded to float16.

    w' = w gain / sqrt(var + eps),  b' = shift - mean gain / sqrt(var + eps)
    """
    config, weights = shipped_arrays(name)
    lif, stages = config["lif"], config["stages"]
    if config.get("chip") or config.get("pooled", "spikes") != "spikes" or any(len(stage) > 1 for stage in stages) or not lif["hard_reset"]:
        raise ValueError(f"{name} is not what this picture draws: stages of one convolution each, max-pools of spikes, hard reset, no chip")
    layers = [_folded(weights, n) for n in range(len(stages))]
    side = config["in_shape"][1] // 2 ** len(stages)
    head = weights["head.weight"].reshape(config["classes"], -1, side, side).transpose(2, 3, 1, 0).reshape(-1, config["classes"])
    return FoldedNet(tuple(kernel for kernel, _ in layers), tuple(bias for _, bias in layers), head.astype(np.float16),
                     weights["head.bias"].astype(np.float16), config["in_shape"][1], lif["beta"], lif["v_th"])


def _folded(weights: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    norm = ("weight", "bias", "running_mean", "running_var")
    gain, shift, mean, var = (weights[f"currents.{n}.1.{name}"].astype(np.float64) for name in norm)
    scale = gain / np.sqrt(var + BATCH_NORM_EPS)
    kernel = weights[f"currents.{n}.0.weight"].transpose(1, 2, 3, 0) * scale
    return kernel.astype(np.float16), (shift - mean * scale).astype(np.float16)
