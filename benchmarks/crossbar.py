"""G8 and G9: a crossbar layer against an ordinary matrix product, on one thread.

python -m benchmarks.crossbar
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from dtsnn_lite.chip import HPADC, Chip, SenseAmp
from dtsnn_lite.crossbar import fast_matmul, matmul, program
from dtsnn_lite.crossbar_layers import CrossbarLinear

ROUNDS = 15


def interleaved(runs: dict[str, Callable[[], Tensor]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median milliseconds of each run, A B A B ..., after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: median(times[1:]) for name, times in taken.items()}


def main(images: int = 4096, rows: int = 576, out: int = 128) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, q = (torch.rand(images, rows) < 0.2).float(), torch.randint(-7, 8, (rows, out)).float()
    chip, adc = Chip("64 rows, 3 planes", readout=HPADC(4)), HPADC(4)
    arrays = program(q, chip)
    steps, alphas, spikes = torch.full((rows // 64,), 2.0), torch.rand(rows // 64, 3 * out), x.to(torch.int8)
    lossless = CrossbarLinear(rows, out, bias=False).eval()
    lossless.settle(Chip("8 bits", readout=HPADC(8)), 0)
    with torch.no_grad():
        ms = interleaved({
            "product of the three planes side by side, float32": lambda: x @ arrays.planes,
            "product of the weights, float32": lambda: x @ q,
            "4-bit ADC, floats": lambda: fast_matmul(x, arrays, adc, steps),
            "4-bit ADC, spikes as bytes": lambda: fast_matmul(spikes, arrays, adc, steps),
            "sense amplifier, floats": lambda: fast_matmul(x, arrays, SenseAmp(), alphas),
            "sense amplifier, spikes as bytes": lambda: fast_matmul(spikes, arrays, SenseAmp(), alphas),
            "4-bit ADC, the differentiable form": lambda: matmul(x, arrays, adc, steps),
            "lossless 8-bit ADC, detected (G9)": lambda: lossless(x)})
    planes, weights = list(ms.values())[:2]
    print(f"{images} inputs x {rows} rows x {out} outputs; same numbers: "
          f"{torch.equal(fast_matmul(spikes, arrays, adc, steps), matmul(x, arrays, adc, steps))}\n")
    print(f"{'':52}{'ms':>8}{'x planes':>10}{'x weights':>11}")
    for name, t in ms.items():
        print(f"{name:52}{t:8.1f}{t / planes:10.2f}{t / weights:11.2f}")


if __name__ == "__main__":
    main()
