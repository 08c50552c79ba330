"""What other people's programs print: the 65 nm runs that the price list is fitted to and tested against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dtsnn_lite.chip import HPADC, SARADC, Chip, LayerShape, Readout, SenseAmp, hp_adc_65nm
from dtsnn_lite.networks import dvsnet, snn_vgg16


@dataclass(frozen=True)
class Run65nm:
    """One run of the ADC-less authors' program, all T steps (apolinario2022adclesscode); None: not printed.

    density  share of inputs that spike; None: as the program feeds them (nothing in the first step, then half)
    """

    name: str
    network: str
    timesteps: int
    array: int
    readout: Readout
    mux: int
    energy_mj: float
    converters_mj: float | None = None
    accumulation_mj: float | None = None
    other_mj: float | None = None
    clock_ns: float | None = None
    area_mm2: float | None = None
    latency_ms: float | None = None
    density: float | None = None

    @property
    def shapes(self) -> list[LayerShape]:
        return {"DVSNet": dvsnet, "SNN-VGG16": snn_vgg16}[self.network]()

    @property
    def chip(self) -> Chip:
        """The run's chip, priced by today's constants."""
        return replace(hp_adc_65nm, name=self.name, rows=self.array, cols=self.array, readout=self.readout,
                       mux=self.mux, timesteps=self.timesteps)

    def spike_rates(self) -> np.ndarray:
        """(T, L) densities of the run's input."""
        rates = np.full((self.timesteps, len(self.shapes)), 0.5 if self.density is None else self.density)
        if self.density is None:
            rates[0] = 0.0
        return rates


def _sa(net: str, t: int, array: int, *numbers: float, mux: int = 1) -> Run65nm:
    return Run65nm(f"{net} {array}, SA, mux {mux}", net, t, array, SenseAmp(), mux, *numbers)


def _adc(net: str, t: int, array: int, bits: int, *numbers: float) -> Run65nm:
    return Run65nm(f"{net} {array}, {bits}-bit, mux 8", net, t, array, HPADC(bits), 8, *numbers)


def _sparse(name: str, t: int, readout: Readout, mux: int, density: float, energy_mj: float,
            accumulation_mj: float | None = None) -> Run65nm:
    return Run65nm(f"DVSNet 64, {name}, T = {t}, density {density}", "DVSNet", t, 64, readout, mux, energy_mj,
                   accumulation_mj=accumulation_mj, density=density)


# energy: total, converters, accumulation, other [mJ]; clock [ns], area [mm2], latency [ms]
RUNS = (
    _sa("DVSNet", 20, 32, .368, .031, .157, .179, 1.19, 387, 1.304),
    _adc("DVSNet", 20, 32, 5, 1.472, .901, .362, .210, 11.24, 230, 20.07),
    _sa("DVSNet", 20, 64, .218, .027, .067, .125, 1.19, 259, 1.063),
    _sa("DVSNet", 20, 64, .261, .028, .121, .113, 1.98, 104, 2.228, mux=8),
    _adc("DVSNet", 20, 64, 4, .700, .400, .173, .127, 11.21, 136, 13.06),
    _adc("DVSNet", 20, 64, 5, .924, .597, .191, .136, 11.45, 159, 13.61),
    _adc("DVSNet", 20, 64, 6, 1.356, .990, .208, .158, 11.92, 227, 14.46),
    _sa("SNN-VGG16", 10, 64, .137, .019, .041, .077, 1.19, 2458, .422),
    _adc("SNN-VGG16", 10, 64, 5, .698, .459, .139, .100, 11.45, 1667, 4.789),
    _sa("SNN-VGG16", 10, 128, .090, .017, .018, .055, 1.19, 1312, .299),
    _adc("SNN-VGG16", 10, 128, 5, .452, .312, .074, .065, 11.93, 895, 4.508),
)

SPARSE_RUNS = (
    _sparse("SA", 2, SenseAmp(), 1, .1, .0294, .0181),
    _sparse("SA", 4, SenseAmp(), 1, .1, .0458, .0235),
    _sparse("SA", 8, SenseAmp(), 1, .1, .0810, .0344),
    _sparse("SA", 2, SenseAmp(), 1, .5, .0312),
    _sparse("5-bit", 2, HPADC(5), 8, .1, .0841),
    _sparse("5-bit", 4, HPADC(5), 8, .1, .1460),
    _sparse("5-bit", 8, HPADC(5), 8, .1, .2719),
    _sparse("5-bit", 2, HPADC(5), 8, .5, .1127),
)

# one converter on DVSNet, T = 20: (array, read-out, mux, area [um2], energy a conversion [pJ])
CONVERTERS = (
    (32, SenseAmp(), 1, 55, .13), (32, HPADC(5), 8, 1806, 3.76), (64, SenseAmp(), 1, 56.0, .194),
    (64, SenseAmp(), 8, 58.3, .204), (64, HPADC(4), 8, 874, 2.91), (64, HPADC(5), 8, 1901, 4.35),
    (64, HPADC(6), 8, 4056, 7.21), (64, SARADC(5), 8, 1084, 1.39), (128, SenseAmp(), 1, 56, .263),
    (128, HPADC(5), 8, 1996, 3.55),
)

# HP-ADC over ADC-less in the same runs, before their numbers were rounded: (network, array, energy, latency)
RATIOS = (("DVSNet", 32, 4.00, 15.4), ("DVSNet", 64, 4.24, 12.8), ("SNN-VGG16", 64, 5.11, 11.3),
          ("SNN-VGG16", 128, 5.00, 15.1))
