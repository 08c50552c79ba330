"""The digits networks that lie on crossbars, without torch: whole weights, partial sums, and what a read-out makes of them.

Partial sums of spikes are whole numbers and the scales are float16, so float64 adds up all that is read without rounding:
network.js does what `ArrayNet.run` does. Only gain, shift and the image are rounded, and alike in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dtsnn_lite.widgets.folded import BATCH_NORM_EPS, pooled, shipped_arrays

READ_OUTS = ("Ideal", "HPADC", "SenseAmp")


@dataclass(frozen=True, eq=False)
class ArrayLayer:
    """A weight matrix in tiles of `array_rows` rows and planes of one-bit cells, and what follows its read-outs.

    q       (R, O) int8, whole weights in -7..7; a convolution's rows are (C_in, 3, 3)
    scales  float16: (tiles,) steps of converters, (tiles, P, O) of sense amplifiers, () of an ideal read-out
    reference     of sense amplifiers, in on-cell currents
    gain, shift   (O,) float32: current = gain y + shift, the weights' step and batch norm in one
    """

    q: np.ndarray
    readout: str
    bits: int
    scales: np.ndarray
    gain: np.ndarray
    shift: np.ndarray
    array_rows: int
    planes: int
    reference: float = 0.0

    @property
    def tiles(self) -> int:
        return -(-len(self.q) // self.array_rows)

    def partial_sums(self, x: np.ndarray) -> np.ndarray:
        """Column currents: x (M, R) -> (tiles, M, P, O)."""
        size, sign = np.abs(self.q), np.sign(self.q)
        cells = np.stack([((size >> k) & 1) * sign for k in range(self.planes)], axis=1).astype(np.float64)      # (R, P, O)
        starts = range(0, len(self.q), self.array_rows)
        return np.stack([np.tensordot(x[:, n:n + self.array_rows], cells[n:n + self.array_rows], 1) for n in starts])

    def read(self, sums: np.ndarray) -> np.ndarray:
        """What the read-outs make of partial sums, of the same shape."""
        scales = self.scales.astype(np.float64)
        match self.readout:
            case "Ideal":
                return sums
            case "HPADC":
                step, top = scales.reshape(-1, 1, 1, 1), 2 ** (self.bits - 1)
                middle = 0.5 * (step % 2 == 0)
                return np.clip(np.floor((sums - middle) / step + 0.5), -top, top - 1) * step + middle
            case "SenseAmp":
                return np.where(sums > self.reference, scales[:, None], -scales[:, None])
        raise ValueError(f"readout is one of {READ_OUTS}; got {self.readout!r}")

    def current(self, x: np.ndarray) -> np.ndarray:
        """gain sum_k 2^k sum_tiles read(x_i b_ik) + shift: (M, R) -> (M, O)."""
        y = np.tensordot(2.0 ** np.arange(self.planes), self.read(self.partial_sums(x)).sum(axis=0), (0, 1))
        return y * self.gain.astype(np.float64) + self.shift.astype(np.float64)


@dataclass(frozen=True, eq=False)
class ArrayNet:
    """Convolutions on crossbars, each with LIF neurons and a 2 x 2 max-pool, and a linear read-out on crossbars."""

    layers: tuple[ArrayLayer, ...]
    head: ArrayLayer
    side: int
    beta: float
    v_th: float

    def run(self, images: np.ndarray, timesteps: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Images (N, H, W) uint8 -> f_t (T, N, K) float64 and each layer's spikes, bool (T, N, H, W, C)."""
        x = (images / 255.0).astype(np.float32).astype(np.float64)[..., None]
        first = convolved(self.layers[0], x)
        u = [np.zeros(())] * len(self.layers)
        logits, fired = [], []
        for _ in range(timesteps):
            spikes: list[np.ndarray] = []
            for n, layer in enumerate(self.layers):
                h = self.beta * u[n] + (convolved(layer, pooled(spikes[-1])) if n else first)
                spikes.append(h > self.v_th)
                u[n] = np.where(spikes[-1], 0.0, h)
            last = pooled(spikes[-1]).transpose(0, 3, 1, 2).reshape(len(x), -1)
            logits.append(self.head.current(last.astype(np.float64)))
            fired.append(spikes)
        steps = np.arange(1, timesteps + 1).reshape(-1, 1, 1)
        return np.cumsum(logits, axis=0) / steps, [np.stack(layer) for layer in zip(*fired, strict=True)]


def patches(x: np.ndarray) -> np.ndarray:
    """What the rows of a padded 3 x 3 convolution receive: (N, H, W, C) -> (N H W, 9 C)."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))         # (N, H, W, C, 3, 3)
    return windows.reshape(-1, 9 * x.shape[3])


def convolved(layer: ArrayLayer, x: np.ndarray) -> np.ndarray:
    """A convolution on arrays: (N, H, W, C) -> (N, H, W, O)."""
    return layer.current(patches(x)).reshape(*x.shape[:3], -1)


def on_arrays(name: str) -> ArrayNet:
    """A shipped network of the digits on its crossbars."""
    config, weights = shipped_arrays(name)
    chip, lif, stages = config.get("chip"), config["lif"], config["stages"]
    if chip is None or chip["cell_bits"] != 1 or chip.get("gated") or any(len(stage) > 1 for stage in stages) or not lif["hard_reset"]:
        raise ValueError(f"{name} is not what this picture draws: stages of one convolution each, hard reset, cells of one bit on a chip "
                         "that reads every tile")
    layers = [_layer(weights, f"currents.{n}.0", chip["first_readout" if n == 0 else "readout"], chip, *_norm(weights, f"currents.{n}.1"))
              for n in range(len(stages))]
    head = _layer(weights, "head", chip["readout"], chip, 1.0, weights["head.bias"].astype(np.float64))
    return ArrayNet(tuple(layers), head, config["in_shape"][1], lif["beta"], lif["v_th"])


def _norm(weights: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm as a gain and a shift."""
    parts = ("weight", "bias", "running_mean", "running_var")
    gain, shift, mean, var = (weights[f"{name}.{part}"].astype(np.float64) for part in parts)
    scale = gain / np.sqrt(var + BATCH_NORM_EPS)
    return scale, shift - mean * scale


def _layer(weights: dict[str, np.ndarray], name: str, readout: dict, chip: dict, gain: np.ndarray | float, shift: np.ndarray) -> ArrayLayer:
    top, planes = 2 ** (chip["weight_bits"] - 1) - 1, chip["weight_bits"] - 1
    w = weights[f"{name}.weight"].astype(np.float32)
    step = _gentle(weights[f"{name}.step"].astype(np.float32), top * w.size)
    q = np.clip(w / step, -top, top).round().astype(np.int8).reshape(len(w), -1).T
    tiles = -(-len(q) // chip["rows"])
    found = [weights[f"{name}.{old}"] for old in ("scale", "adc_step", "alpha") if f"{name}.{old}" in weights]
    scales = found[0] if found else np.ones(())
    scales = scales.reshape(tiles, planes, -1) if readout["kind"] == "SenseAmp" else scales
    steps = (gain * step * np.ones(q.shape[1])).astype(np.float32)
    return ArrayLayer(q, readout["kind"], readout.get("bits", 0), scales.astype(np.float16), steps, shift.astype(np.float32),
                      chip["rows"], planes, readout.get("reference", 0.0))


def _gentle(step: np.ndarray, count: int) -> np.ndarray:
    """The step as `crossbar.gentle` computes it, rounding and all: some weights lie exactly between two whole numbers of steps.

    All in float32: before numpy 2 a Python number beside one made it a float64.
    """
    share = step * step / np.float32(count ** 0.5)
    return step * share + step * (np.float32(1) - share)
