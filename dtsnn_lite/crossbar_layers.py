"""Convolutions and linear layers that live on a chip's crossbars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dtsnn_lite.chip import HPADC, SARADC, Chip, Flaws, Ideal, SenseAmp, Ternary
from dtsnn_lite.crossbar import (best_adc_step, fast_matmul, first_step, gentle, is_lossless, lsq, matmul, partial_sums,
                                 place_values, program, read, saturated)

SAMPLE = 20_000          # rows of input that calibration looks at


class OnCrossbars(nn.Module):
    """A layer whose product runs on crossbars: y = step x readout(x, q) + bias (abstract).

    step       the weights' learned quantisation step
    alpha      (tiles P O,) learned scale of each 1-bit column (comparators only)
    adc_step   (tiles,) step of each tile's converter, a power of two (converters only)
    salt       the layer's number: other layers of a chip get other flaws
    """

    weight: Tensor
    bias: Tensor | None
    calibrating: float = 0.0

    def settle(self, chip: Chip, salt: int) -> None:
        """Lay the weights on the chip's arrays; scales start at 1 until `calibrate` has seen data."""
        self.chip, self.salt = chip, salt
        self.step = nn.Parameter(first_step(self.weight, chip.weight_bits))
        self.step.requires_grad_(isinstance(chip.readout, Ideal))    # under a coarse read-out it would collapse
        tiles = -(-self.rows() // chip.rows)
        columns = len(place_values(chip.weight_bits, chip.cell_bits)) * len(self.weight)
        match chip.readout:
            case SenseAmp() | Ternary():
                self.alpha = nn.Parameter(torch.ones(tiles * columns))
            case HPADC() | SARADC():
                self.register_buffer("adc_step", torch.ones(tiles))

    def rows(self) -> int:
        """Weights a neuron."""
        return self.weight[0].numel()

    def scales(self) -> Tensor:
        match self.chip.readout:
            case SenseAmp() | Ternary():
                return self.alpha.view(-(-self.rows() // self.chip.rows), -1)
            case HPADC() | SARADC():
                return self.adc_step
        return self.weight.new_ones(-(-self.rows() // self.chip.rows))

    def product(self, x: Tensor) -> Tensor:
        """Rows of input (M, R) through the arrays -> (M, O), without the bias."""
        step = gentle(self.step, self.weight, self.chip.weight_bits)
        q = lsq(self.weight, step, self.chip.weight_bits).flatten(1).T
        arrays = program(q, self.chip, self.salt)
        if self.calibrating:
            self._fit_scales(x, q.detach())
        if self.chip.flaws.noise:
            return step * matmul(x, arrays, self.chip.readout, self.scales(), self.chip.flaws.noise)
        if torch.is_grad_enabled():
            return step * read(x, arrays, self.chip.readout, self.scales())
        fed = x.to(torch.int8) if self.chip.flaws == Flaws() and is_binary(x) else x
        return step * fast_matmul(fed, arrays, self.chip.readout, self.scales())

    def plain(self) -> Tensor | None:
        """The weights for one ordinary product, where the chip changes nothing else; None where it does."""
        lossless = is_lossless(self.chip.readout, self.chip.rows, self.chip.cell_bits)
        if not lossless or self.chip.flaws != Flaws():
            return None
        step = gentle(self.step, self.weight, self.chip.weight_bits)
        return lsq(self.weight, step, self.chip.weight_bits) * step

    @torch.no_grad()
    def _fit_scales(self, x: Tensor, q: Tensor) -> None:
        sample = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:SAMPLE].to(x.device)]
        sums = partial_sums(sample, program(q, self.chip, self.salt))
        match self.chip.readout:
            case SenseAmp() | Ternary():
                self.alpha.copy_((self.calibrating * sums.abs().mean(1)).clamp_(min=1e-3).flatten())
            case HPADC() | SARADC():
                self.adc_step.copy_(torch.stack([best_adc_step(ps, self.chip.readout, is_binary(x)) for ps in sums]))

    @torch.no_grad()
    def saturation(self, x: Tensor) -> float:
        """Share of partial sums beyond the converter's range, for rows of input (M, R)."""
        sums = partial_sums(x, program(lsq(self.weight, self.step, self.chip.weight_bits).flatten(1).T, self.chip))
        return sum(saturated(ps, step, self.chip.readout) for ps, step in zip(sums, self.scales())) / len(sums)


def is_binary(x: Tensor) -> bool:
    """Whether every input (finite) is a spike or none: only 0 and 1 are their own squares."""
    return torch.equal(x, x * x)


class CrossbarLinear(OnCrossbars, nn.Linear):
    """nn.Linear on crossbars."""

    def forward(self, x: Tensor) -> Tensor:
        if (w := self.plain()) is not None and is_binary(x):
            return nn.functional.linear(x, w, self.bias)
        y = self.product(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
        return y if self.bias is None else y + self.bias


class CrossbarConv2d(OnCrossbars, nn.Conv2d):
    """nn.Conv2d on crossbars: patches of the input become rows, (M, C, H, W) -> (M H' W', C k^2)."""

    def forward(self, x: Tensor) -> Tensor:
        if (w := self.plain()) is not None and is_binary(x):
            return nn.functional.conv2d(x, w, self.bias, self.stride, self.padding)
        rows = self.patches(x)
        y = self.product(rows)
        height, width = (self._size(x, side) for side in (0, 1))
        y = y.view(len(x), height, width, -1).permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias[:, None, None]

    def patches(self, x: Tensor) -> Tensor:
        """(M, C, H, W) -> (M H' W', C k^2)."""
        columns = nn.functional.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)
        return columns.transpose(1, 2).flatten(0, 1)

    def _size(self, x: Tensor, side: int) -> int:
        return (x.shape[2 + side] + 2 * self.padding[side] - self.kernel_size[side]) // self.stride[side] + 1


def put_on(net: nn.Module, chip: Chip) -> None:
    """Move every convolution and linear layer of a network onto a chip, in place, weights kept."""
    layers = [name for name, child in net.named_modules() if isinstance(child, (nn.Conv2d, nn.Linear))]
    for n, name in enumerate(layers):
        parent = net.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], _moved(net.get_submodule(name), chip.of_layer(n), n))


def _moved(layer: nn.Conv2d | nn.Linear, chip: Chip, salt: int) -> OnCrossbars:
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        moved = CrossbarLinear(layer.in_features, layer.out_features, bias)
    else:
        if layer.groups != 1 or layer.dilation != (1, 1):
            raise ValueError("a crossbar holds ordinary convolutions: no groups, no dilation")
        if layer.padding_mode != "zeros":
            raise ValueError(f"a crossbar's convolution is padded with zeros; got padding_mode={layer.padding_mode!r}")
        moved = CrossbarConv2d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride,
                               layer.padding, bias=bias)
    moved.load_state_dict(layer.state_dict())
    moved.settle(chip, salt)
    return moved


def crossbars(net: nn.Module) -> list[OnCrossbars]:
    """The layers of a network that live on crossbars, in their order."""
    return [layer for layer in net.modules() if isinstance(layer, OnCrossbars)]


@torch.no_grad()
def calibrate(net: nn.Module, x: Tensor, gain: float = 1.0) -> None:
    """Set every converter's range and every 1-bit column's scale from one run of the network on x.

    gain  alpha = gain mean|ps|: 1 is the least squared error of one bit, 2 is where LSQ training starts
    """
    was_training = net.training
    net.eval()
    for layer in crossbars(net):
        layer.calibrating = gain
    net(x)
    for layer in crossbars(net):
        layer.calibrating = 0.0
    net.train(was_training)
