"""G8 and G9: a crossbar layer against an ordinary matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.timing import Row, at_most, interleaved, peer
from dtsnn_lite.chip import HPADC, Chip, SenseAmp
from dtsnn_lite.crossbar import fast_matmul, matmul, program
from dtsnn_lite.crossbar_layers import CrossbarConv2d, CrossbarLinear

IMAGES, ROWS, OUT, SPIKES = 4096, 576, 128, 0.2     # nine arrays of 64 rows
LOSSLESS = Chip("8 bits", readout=HPADC(8))


def rows() -> Iterator[Row]:
    """The read-outs beside the product of the planes, and a lossless converter beside the plain layer."""
    torch.manual_seed(0)
    with torch.no_grad():
        yield from read_outs()
        yield from lossless()


def read_outs() -> Iterator[Row]:
    """One layer, 3 one-bit planes; the plain product is that of all planes side by side."""
    x, q = (torch.rand(IMAGES, ROWS) < SPIKES).float(), torch.randint(-7, 8, (ROWS, OUT)).float()
    adc, arrays = HPADC(4), program(q, Chip("64 rows, 3 planes", readout=HPADC(4)))
    steps, alphas, spikes = torch.full((ROWS // 64,), 2.0), torch.rand(ROWS // 64, 3 * OUT), x.to(torch.int8)
    same = torch.equal(fast_matmul(spikes, arrays, adc, steps), matmul(x, arrays, adc, steps))
    yield Row("G8", "fast read-out = differentiable read-out, every output", "yes" if same else "no", "yes", same)
    seconds = interleaved({"product": lambda: x @ arrays.planes,
                           "4-bit ADC": lambda: fast_matmul(spikes, arrays, adc, steps),
                           "4-bit ADC, floats": lambda: fast_matmul(x, arrays, adc, steps),
                           "sense amplifier": lambda: fast_matmul(spikes, arrays, SenseAmp(), alphas)}, 9)
    yield at_most("G8", "4-bit ADC / product of its planes", seconds["4-bit ADC"] / seconds["product"], 1.5)
    for name in ("4-bit ADC, floats", "sense amplifier"):
        yield peer("G8", f"  the same, {name}", seconds[name] / seconds["product"])


def lossless() -> Iterator[Row]:
    """A converter that misses nothing is found out, and costs the layer's own product and a look at its input."""
    linear, conv = CrossbarLinear(ROWS, OUT, bias=False).eval(), CrossbarConv2d(64, OUT, 3, padding=1, bias=False).eval()
    for layer in (linear, conv):
        layer.settle(LOSSLESS, 0)
    x, images = (torch.rand(IMAGES, ROWS) < SPIKES).float(), (torch.rand(16, 64, 16, 16) < SPIKES).float()
    seconds = interleaved({"linear": lambda: torch.nn.functional.linear(x, linear.weight), "linear on the chip": lambda: linear(x),
                           "conv": lambda: torch.nn.functional.conv2d(images, conv.weight, padding=1),
                           "conv on the chip": lambda: conv(images)}, 9)
    for name in ("linear", "conv"):
        yield at_most("G9", f"{name} layer with a lossless 8-bit ADC / without a chip", seconds[f"{name} on the chip"] / seconds[name], 1.1)
