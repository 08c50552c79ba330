"""The hardware explorer: one digit through an ideal read-out, through converters and through sense amplifiers, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import traitlets

from dtsnn_lite.cost import ExitCheckCost, StepCost, inference_cost
from dtsnn_lite.exits import EntropyExit, replay
from dtsnn_lite.recording import Recording
from dtsnn_lite.widgets.exit_explorer import chip_bill, on_grid
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module
from dtsnn_lite.widgets.live_explorer import OWN, Given
from dtsnn_lite.widgets.on_arrays import ArrayLayer, ArrayNet, on_arrays
from dtsnn_lite.widgets.quantities import quantity

NETWORKS = {"ideal": "digits-4-bit", "HP-ADC": "digits-hp-adc", "ADC-less": "digits-adc-less"}
LAYER = 1                       # the one that is looked into: the second, whose inputs are spikes and whose tiles are three

Costs = tuple[StepCost, ExitCheckCost]


def hardware_rows(f: Mapping[str, np.ndarray], theta: float, cost_models: Mapping[str, Costs]) -> list[list[str]]:
    """The explorer's table of one digit: [name, a network each]; f_t (T, K) by network, and no price for what no circuit does."""
    rows: list[list[str]] = [["answer"], ["leaves after"], ["energy"], ["delay"], ["EDP"]]
    for name, means in f.items():
        run = replay(Recording(means[:, None], np.zeros(1, dtype=int), np.zeros((len(means), 1))), EntropyExit(theta))
        cells = [str(run.predictions[0]), f"{run.t_hat[0]} of {len(means)}"]
        if name in cost_models:
            bill = inference_cost(run.t_hat, *cost_models[name])
            cells += [quantity(float(bill.energy_pj[0]), "pJ"), quantity(float(bill.latency_ns[0]), "ns"),
                      quantity(float(bill.edp_pj_ns[0]), "pJ ns")]
        for row, cell in zip(rows, cells + ["-"] * (len(rows) - len(cells)), strict=True):
            row.append(cell)
    return rows


def nibbles(q: np.ndarray) -> np.ndarray:
    """Whole weights in -7..7, two a byte, the low half first."""
    flat = np.append((q.ravel() + 7).astype(np.uint8), np.zeros(q.size % 2, np.uint8))
    return flat[::2] | flat[1::2] << 4


def pack(nets: Mapping[str, ArrayNet], given: Given, cost_models: Mapping[str, Costs], timesteps: int) -> tuple[dict, bytes]:
    """The two traits of the explorer, `data` and `bytes`."""
    raw = b""

    def put(array: np.ndarray) -> list[int]:
        nonlocal raw
        start, raw = len(raw), raw + np.ascontiguousarray(array).tobytes()
        return [start, len(raw) - start]

    def packed(layer: ArrayLayer, side: int) -> dict:
        return {"rows": len(layer.q), "outputs": layer.q.shape[1], "side": side, "array_rows": layer.array_rows, "planes": layer.planes,
                "tiles": layer.tiles, "readout": layer.readout, "bits": layer.bits, "reference": layer.reference,
                "q": put(nibbles(layer.q)), "scales": put(layer.scales), "gain": put(layer.gain), "shift": put(layer.shift)}

    networks = [{"name": name, "layers": [packed(layer, net.side >> n) for n, layer in enumerate(net.layers)], "head": packed(net.head, 1),
                 "beta": net.beta, "v_th": net.v_th, "timesteps": timesteps,
                 "chip": chip_bill(name, *cost_models[name], timesteps) if name in cost_models else None} for name, net in nets.items()]
    return {"networks": networks, "layer": LAYER, "given": {"pixels": put(given.images), "labels": given.labels.tolist(),
                                                            "numbers": given.numbers.tolist()}}, raw


class HardwareExplorer(Explorer):
    """The same digit on three read-outs, each with the network that was trained for it, and the partial sums of one neuron.

    HardwareExplorer(one_of_each(recording, images, theta), {"HP-ADC": (step, check), "ADC-less": (step, check)})
    digit   which of the given ones, "0" to "9"; "own" is what the reader writes
    t       the timestep that is looked at, from 1
    theta   the bar: leave when the entropy is below it
    map, row, column   the neuron of the second layer that is looked into, from 1
    """

    _esm = module("hardware_explorer")
    data = traitlets.Dict().tag(sync=True)
    bytes = traitlets.Bytes(b"").tag(sync=True)
    digit = traitlets.Unicode("0").tag(sync=True)
    t = traitlets.Int(1).tag(sync=True)
    theta = traitlets.Float(0.2).tag(sync=True)
    map = traitlets.Int(1).tag(sync=True)
    row = traitlets.Int(8).tag(sync=True)
    column = traitlets.Int(8).tag(sync=True)

    def __init__(self, given: Given, cost_models: Mapping[str, Costs], *, theta: float = 0.2, timesteps: int = 4,
                 heading: str = "On which hardware?", hash_key: str = "hardware", **state: object) -> None:
        if unknown := sorted(set(cost_models) - set(NETWORKS)):
            raise ValueError(f"cost_models names the read-outs {', '.join(NETWORKS)}; got {unknown[0]!r}")
        nets = {name: on_arrays(asset) for name, asset in NETWORKS.items()}
        data, raw = pack(nets, given, cost_models, timesteps)
        super().__init__(data=data, bytes=raw, theta=on_grid(theta), heading=heading, hash_key=hash_key, **state)
        checked_choice("digit", self.digit, (*map(str, range(len(given.labels))), OWN))
        maps, side = nets["ideal"].layers[LAYER].q.shape[1], nets["ideal"].side >> LAYER
        for what, most in (("t", timesteps), ("map", maps), ("row", side), ("column", side)):
            if not 1 <= getattr(self, what) <= most:
                raise ValueError(f"{what} is 1 to {most}; got {getattr(self, what)}")
