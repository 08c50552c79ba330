"""What other people's programs print: the 65 nm runs that the price list is fitted to and tested against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dtsnn_lite.chip import HPADC, SARADC, Chip, LayerShape, Parts65nm, Readout, SenseAmp, hp_adc_65nm
from dtsnn_lite.networks import cifar10_small, conv_chain, dvsnet, linear, snn_vgg16


def _resnet20() -> list[LayerShape]:
    """The convolutions of a ResNet-20 for CIFAR-100 one after the other, without strides and shortcuts, and its head."""
    return [*conv_chain(3, [(7, 16, 32), (6, 32, 16), (6, 64, 8)]), linear("fc", 64, 100)]


NETWORKS = {"DVSNet": dvsnet, "SNN-VGG16": snn_vgg16, "cifar10-small": cifar10_small, "ResNet-20": _resnet20,
            "FireFlowNet, a quarter": lambda: conv_chain(4, [(7, 32, 128)])}

# Share of cells that are on in the weights of the first runs, which nobody kept: fitted, and the same in all of them.
ON_CELLS = 0.366


@dataclass(frozen=True)
class Run65nm:
    """One run of the ADC-less authors' program, all T steps (apolinario2022adclesscode); None: not printed.

    density  share of inputs that spike; None: as the program feeds them (nothing in the first step, then half)
    leakage_mw  of all layers that have a position
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
    leakage_mw: float | None = None
    on_cells: float = ON_CELLS

    @property
    def shapes(self) -> list[LayerShape]:
        return NETWORKS[self.network]()

    @property
    def chip(self) -> Chip:
        """The run's chip, priced by today's constants."""
        return self.on(Parts65nm())

    def on(self, prices: Parts65nm) -> Chip:
        """The run's chip at these prices, with weights such as it was fed."""
        fed = replace(prices, on_cells=replace(prices.on_cells, value=self.on_cells, low=None, high=None))
        return replace(hp_adc_65nm, name=self.name, rows=self.array, cols=self.array, readout=self.readout,
                       mux=self.mux, timesteps=self.timesteps, charges=fed)

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

# The same program again, with independent spikes of density 0.5 and random 4-bit weights, half of whose cells are on; read layer by layer.
LAYER_RUNS = tuple(replace(run, on_cells=0.5) for run in (
    Run65nm("DVSNet 32, SA, mux 1, T = 2, density 0.5", "DVSNet", 2, 32, SenseAmp(), 1, 0.06886, 0.00409, 0.04979,
            0.01498, 1.189, None, 0.3309, 0.5, 4.193),
    Run65nm("DVSNet 32, 5-bit, mux 8, T = 2, density 0.5", "DVSNet", 2, 32, HPADC(5), 8, 0.20300, 0.10273, 0.07737,
            0.02289, 11.235, None, 7.8205, 0.5, 1.526),
    Run65nm("DVSNet 64, SA, mux 1, T = 2, density 0.5", "DVSNet", 2, 64, SenseAmp(), 1, 0.03199, 0.00360, 0.01812,
            0.01027, 1.186, None, 0.1555, 0.5, 2.897),
    Run65nm("DVSNet 64, SA, mux 8, T = 2, density 0.5", "DVSNet", 2, 64, SenseAmp(), 8, 0.03763, 0.00376, 0.02349,
            0.01039, 1.980, None, 0.6728, 0.5, 0.6452),
    Run65nm("DVSNet 64, 5-bit, mux 8, T = 2, density 0.5", "DVSNet", 2, 64, HPADC(5), 8, 0.12101, 0.07086, 0.03554,
            0.01460, 11.446, None, 4.2475, 0.5, 1.051),
    Run65nm("DVSNet 64, SA, mux 1, T = 4, density 0.5", "DVSNet", 4, 64, SenseAmp(), 1, 0.05100, 0.00716, 0.02353,
            0.02031, 1.186, None, 0.2470, 0.5, 3.295),
    Run65nm("DVSNet 64, 5-bit, mux 8, T = 4, density 0.5", "DVSNet", 4, 64, HPADC(5), 8, 0.21940, 0.14126, 0.05069,
            0.02745, 11.446, None, 5.1521, 0.5, 1.179),
    Run65nm("DVSNet 64, SA, mux 1, T = 5, density 0.5", "DVSNet", 5, 64, SenseAmp(), 1, 0.06084, 0.00899, 0.02624,
            0.02561, 1.186, None, 0.2921, 0.5, 3.493),
    Run65nm("DVSNet 64, 5-bit, mux 8, T = 5, density 0.5", "DVSNet", 5, 64, HPADC(5), 8, 0.26939, 0.17700, 0.05846,
            0.03392, 11.446, None, 5.6043, 0.5, 1.243),
    Run65nm("SNN-VGG16 64, SA, mux 1, T = 2, density 0.5", "SNN-VGG16", 2, 64, SenseAmp(), 1, 0.03471, 0.00687, 0.01354,
            0.01430, 1.186, None, 0.0943, 0.5, 48.51),
    Run65nm("SNN-VGG16 64, 5-bit, mux 8, T = 2, density 0.5", "SNN-VGG16", 2, 64, HPADC(5), 8, 0.18986, 0.12763, 0.03998,
            0.02224, 11.446, None, 1.8095, 0.5, 16.32),
))

# Other networks and sizes, from runs of NeuroSim V1.3 itself in the fork's setting, its sums over tiles counted as the fork counts them
# (V1.3 reads more; sums over PEs without a multiplexer it does not leave out, and its wires are a little longer).
OTHER_RUNS = tuple(replace(run, on_cells=0.5) for run in (
    Run65nm("DVSNet 128, SA, mux 1, T = 2", "DVSNet", 2, 128, SenseAmp(), 1, .01538, .00321, .00458, .00759, 1.185, None, .0919, 0.5),
    Run65nm("DVSNet 128, 5-bit, mux 8, T = 2", "DVSNet", 2, 128, HPADC(5), 8, .05813, .04028, .00785, .01, 11.933, None, 2.799, 0.5),
    Run65nm("FireFlowNet, a quarter, 64, SA, mux 1, T = 2", "FireFlowNet, a quarter", 2, 64, SenseAmp(), 1, .1251, .03457, .04072, .0498,
            1.186, None, .6561, 0.5),
    Run65nm("ResNet-20 32, SA, mux 1, T = 4", "ResNet-20", 4, 32, SenseAmp(), 1, .01832, .00234, .00403, .01196, 1.189, None, .07088, 0.5),
    Run65nm("ResNet-20 32, 5-bit, mux 8, T = 4", "ResNet-20", 4, 32, HPADC(5), 8, .09473, .05981, .01767, .01726, 11.235, None, .7949, 0.5),
    Run65nm("ResNet-20 64, SA, mux 1, T = 4", "ResNet-20", 4, 64, SenseAmp(), 1, .01364, .00234, .00243, .00887, 1.186, None, .03757, 0.5),
    Run65nm("ResNet-20 64, 5-bit, mux 8, T = 4", "ResNet-20", 4, 64, HPADC(5), 8, .06831, .0466, .00922, .01249, 11.446, None, .5237, 0.5),
    Run65nm("cifar10-small 128, SA, mux 1, T = 4", "cifar10-small", 4, 128, SenseAmp(), 1, .00438, .00068, .0009, .0028,
            1.185, None, .04903, 0.2),
    Run65nm("cifar10-small 64, SA, mux 1, T = 4", "cifar10-small", 4, 64, SenseAmp(), 1, .00545, .00088, .00201, .00256,
            1.186, None, .02764, 0.2),
    Run65nm("cifar10-small 64, 5-bit, mux 8, T = 4", "cifar10-small", 4, 64, HPADC(5), 8, .03841, .02446, .00913, .00482,
            11.446, None, .5538, 0.2),
))

# Layers of four of the layer runs, (network, T, read-out, mux): layer, tiles, copies; time of sensing, accumulation, buffers, interconnect
# and all but sensing and accumulation [ns]; energy of converters, accumulation and the rest [pJ]; leakage [uW]. Arrays of 64 rows.
# Layers without a position (a 3 x 3 kernel on a 2 x 2 map) are left out: they cost nothing, and their printed leakage was never computed.
LAYERS = {
    ("DVSNet", 2, SenseAmp(), 1): (
        (1, 8, 64, 142.5, 8701, 56180, 14840, 71590, 115700, 967300, 700700, 125.2),
        (2, 64, 64, 142.5, 18400, 92910, 43450, 136900, 1368000, 7847000, 3797000, 1001),
        (3, 64, 64, 142.5, 18400, 92480, 42410, 135500, 1372000, 7847000, 3590000, 1001),
        (4, 16, 16, 133.5, 2814, 25760, 10180, 36070, 319300, 658700, 890000, 250.4),
        (5, 16, 16, 133.5, 2814, 25360, 9929, 35420, 320100, 658700, 840400, 250.4),
        (6, 4, 4, 116.3, 412.8, 9000, 2217, 11250, 39420, 54140, 189800, 62.59),
        (7, 4, 4, 116.3, 412.8, 8659, 2167, 10860, 39170, 54140, 179900, 62.59),
        (8, 2, 2, 42.71, 72.36, 2477, 410.5, 2893, 12720, 12790, 36800, 31.29),
        (9, 2, 2, 42.71, 72.36, 2353, 402.1, 2764, 12960, 12790, 35200, 31.29),
        (10, 2, 2, 4.745, 10.68, 275.2, 47.45, 323.9, 1414, 1512, 4464, 31.29),
        (11, 2, 2, 4.745, 10.68, 261.4, 47.45, 313.6, 1395, 1512, 4522, 31.29),
        (12, 1, 8, 0.2966, 0.2966, 49.14, 11.7, 62.02, 55.6, 65.4, 1745, 18.06),
    ),
    ("DVSNet", 2, HPADC(5), 8): (
        (1, 8, 64, 11000, 805700, 1647000, 184900, 1876000, 3660000, 1771000, 1097000, 45.45),
        (2, 64, 64, 11000, 1741000, 2003000, 448400, 2496000, 26360000, 14720000, 5331000, 363.6),
        (3, 64, 64, 11000, 1741000, 2000000, 439500, 2484000, 26400000, 14720000, 5137000, 363.6),
        (4, 16, 16, 10300, 280700, 502200, 105000, 617500, 6163000, 1954000, 1248000, 90.9),
        (5, 16, 16, 10300, 280700, 498900, 102900, 612100, 6171000, 1954000, 1203000, 90.9),
        (6, 4, 4, 8974, 47110, 137400, 22920, 162600, 782200, 164400, 239400, 22.72),
        (7, 4, 4, 8974, 47110, 134600, 22430, 159300, 779700, 164400, 229000, 22.72),
        (8, 2, 2, 3296, 11540, 32420, 4212, 37040, 246000, 43890, 51640, 11.36),
        (9, 2, 2, 3296, 11540, 31390, 4132, 35970, 248300, 43890, 49960, 11.36),
        (10, 2, 2, 366.3, 1282, 3602, 503.6, 4152, 27340, 4876, 6510, 11.36),
        (11, 2, 2, 366.3, 1282, 3488, 503.6, 4072, 27150, 4876, 6566, 11.36),
        (12, 1, 8, 22.89, 40.06, 518.5, 116.8, 646.7, 1014, 267.6, 1906, 6.134),
    ),
    ("SNN-VGG16", 2, SenseAmp(), 1): (
        (1, 4, 64, 33.36, 1374, 53860, 9345, 63340, 70550, 279200, 867200, 215.5),
        (2, 64, 64, 33.36, 4725, 55510, 33910, 89560, 1255000, 4570000, 5176000, 3447),
        (3, 32, 16, 29.06, 1657, 20300, 9476, 29830, 547900, 1207000, 1458000, 1724),
        (4, 48, 16, 29.06, 2064, 21060, 12900, 34020, 1096000, 2028000, 2481000, 2817),
        (5, 24, 4, 21.35, 960.9, 5689, 2693, 8404, 402300, 512300, 630700, 1409),
        (6, 40, 4, 21.35, 1217, 6031, 4204, 10260, 807400, 993100, 1154000, 2759),
        (7, 40, 4, 21.35, 1217, 5775, 3957, 9757, 805100, 993100, 1098000, 2759),
        (8, 20, 1, 9.49, 313.2, 1123, 522, 1650, 200000, 190300, 188300, 1379),
        (9, 36, 1, 9.49, 427.1, 1135, 861.2, 2001, 357500, 355500, 339900, 2483),
        (10, 36, 1, 9.49, 427.1, 1073, 799.5, 1881, 356200, 355500, 326100, 2483),
        (14, 128, 1, 2.373, 3039, 148.4, 269.3, 427.2, 316500, 633800, 193900, 8827),
        (15, 256, 1, 2.373, 4861, 131.1, 331, 471.6, 636200, 1402000, 345900, 17650),
        (16, 8, 1, 2.373, 21.35, 814, 173.9, 989.1, 15920, 18030, 42710, 551.7),
    ),
    ("SNN-VGG16", 2, HPADC(5), 8): (
        (1, 4, 64, 2575, 137100, 1016000, 105500, 1132000, 1893000, 602800, 1107000, 79.78),
        (2, 64, 64, 2575, 450400, 1032000, 314100, 1357000, 23240000, 17200000, 6422000, 1277),
        (3, 32, 16, 2243, 184500, 405700, 91710, 501900, 10140000, 2612000, 2099000, 638.3),
        (4, 48, 16, 2243, 220400, 413100, 118900, 536500, 20280000, 4763000, 3723000, 1001),
        (5, 24, 4, 1648, 96830, 93940, 24310, 119900, 7444000, 1463000, 1100000, 500.4),
        (6, 40, 4, 1648, 123200, 97240, 36400, 135300, 14920000, 2893000, 2079000, 909.6),
        (7, 40, 4, 1648, 123200, 94770, 34200, 130700, 14890000, 2893000, 2020000, 909.6),
        (8, 20, 1, 732.6, 31410, 15400, 4350, 20120, 3689000, 646500, 418800, 454.8),
        (9, 36, 1, 732.6, 41660, 15520, 7097, 22980, 6615000, 1180000, 758800, 818.6),
        (10, 36, 1, 732.6, 41660, 14920, 6547, 21870, 6603000, 1180000, 744100, 818.6),
        (14, 128, 1, 183.1, 305300, 2578, 2186, 5497, 5868000, 1444000, 580600, 2911),
        (15, 256, 1, 183.1, 469400, 2412, 2736, 5880, 11770000, 3052000, 1124000, 5821),
        (16, 8, 1, 183.1, 984.4, 8767, 1599, 10390, 291500, 55700, 65630, 181.9),
    ),
}

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
