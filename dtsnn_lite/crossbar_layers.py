"""Convolutions and linear layers that live on a chip's crossbars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dtsnn_lite.chip import Chip, Flaws, Ideal
from dtsnn_lite.crossbar import (awake, fast_matmul, first_step, gentle, has_byte_product, is_lossless, lsq, matmul, partial_sums,
                                 place_values, program, read)
from dtsnn_lite.readouts import kernel_of

SAMPLE = 20_000          # rows of input that the fit of a read-out looks at


class OnCrossbars(nn.Module):
    """A layer whose product runs on crossbars: y = step x readout(x, q) + bias (abstract).

    step    the weights' learned quantisation step
    scale   of the read-outs: (tiles P O,) learned, one a column (comparators), or (tiles,) fitted, one a tile,
            a power of two (converters); None for an ideal read-out
    salt    the layer's number: other layers of a chip get other flaws
    """

    weight: Tensor
    step: nn.Parameter
    scale: Tensor | None

    def settle(self, chip: Chip, salt: int) -> None:
        """Lay the weights on the chip's arrays; scales are 1 until `fit_scales` has seen data. A frozen layer stays frozen."""
        columns = len(place_values(chip.weight_bits, chip.cell_bits)) * len(self.weight)
        tiles = -(-self.rows() // chip.rows)
        learns = self.weight.requires_grad
        self.chip, self.salt = chip, salt
        step_learns = learns and isinstance(chip.readout, Ideal)         # under a coarse read-out it would collapse
        self.step = nn.Parameter(first_step(self.weight, chip.weight_bits), requires_grad=step_learns)
        if chip.readout.a_scale_a_column:
            self.scale = nn.Parameter(self.weight.detach().new_ones(tiles * columns), requires_grad=learns)
        else:
            has_scale = kernel_of(chip.readout).has_scale
            self.register_buffer("scale", self.weight.detach().new_ones(tiles) if has_scale else None)

    def leave(self) -> None:
        """Undo `settle`."""
        del self.chip, self.salt, self.step, self.scale

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for old in ("alpha", "adc_step"):                                # what the files of the first edition call it
            if prefix + old in state_dict:
                state_dict[prefix + "scale"] = state_dict.pop(prefix + old)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def rows(self) -> int:
        """Weights a neuron."""
        return self.weight[0].numel()

    def scales(self) -> Tensor:
        """The scales by tile: (tiles, P O) or (tiles,)."""
        tiles = -(-self.rows() // self.chip.rows)
        if self.scale is None:
            return self.weight.new_ones(tiles)
        return self.scale.view(tiles, -1) if self.chip.readout.a_scale_a_column else self.scale

    def whole_weights(self) -> tuple[Tensor, Tensor]:
        """q, shaped as the weights are, and the step: q step is what the cells hold."""
        step = gentle(self.step, self.weight, self.chip.weight_bits)
        return lsq(self.weight, step, self.chip.weight_bits), step

    def product(self, x: Tensor) -> Tensor:
        """Rows of input (M, R) through the arrays -> (M, O), without the bias."""
        q, step = self.whole_weights()
        arrays, readout = program(q.flatten(1).T, self.chip, self.salt), self.chip.readout
        noise, shakes = self.chip.flaws.noise, arrays.shaking is not None
        if torch.is_grad_enabled():
            scales = self.scales()
            return step * (matmul(x, arrays, readout, scales, noise) if noise or shakes else read(x, arrays, readout, scales))
        spikes = has_byte_product() and self.chip.flaws == Flaws() and is_binary(x)
        return step * fast_matmul(x.to(torch.int8) if spikes else x, arrays, readout, self.scales(), noise)

    def plain(self) -> Tensor | None:
        """The weights for one ordinary product, where the chip changes nothing else; None where it does."""
        chip = self.chip
        if chip.flaws != Flaws() or not chip.readout.tells_apart(chip.rows * (2 ** chip.cell_bits - 1)):
            return None
        if not all(is_lossless(chip.readout, chip.rows, chip.cell_bits, step) for step in self.scales().unique().tolist()):
            return None
        q, step = self.whole_weights()
        return q * step

    def rows_of(self, x: Tensor) -> Tensor:
        """What the arrays' rows receive: the layer's input -> (M, R)."""
        raise NotImplementedError

    @torch.no_grad()
    def fit(self, x: Tensor, gain: float = 1.0) -> None:
        """Scales for what the columns carry when the layer's input is x."""
        if self.scale is None:
            return
        x = self.rows_of(x)
        sample = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:SAMPLE].to(x.device)]
        arrays = program(self.whole_weights()[0].flatten(1).T, self.chip, self.salt)
        kernel, whole = kernel_of(self.chip.readout), is_binary(x)
        fitted = []
        for tile, ps in zip(arrays.tiles(), partial_sums(sample, arrays), strict=True):
            some = awake(sample, tile)
            fitted.append(kernel.fitted(ps[some] if self.chip.gated and some.any() else ps, gain, whole))
        self.scale.copy_(torch.stack(fitted).flatten())


def is_binary(x: Tensor) -> bool:
    """Whether every input (finite) is a spike or none: only 0 and 1 are their own squares."""
    return torch.equal(x, x * x)


class CrossbarLinear(OnCrossbars, nn.Linear):
    """nn.Linear on crossbars."""

    def forward(self, x: Tensor) -> Tensor:
        if (w := self.plain()) is not None and is_binary(x):
            return nn.functional.linear(x, w, self.bias)
        y = self.product(self.rows_of(x)).view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def rows_of(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.in_features)


class CrossbarConv2d(OnCrossbars, nn.Conv2d):
    """nn.Conv2d on crossbars: patches of the input become rows, (M, C, H, W) -> (M H' W', C k^2)."""

    def forward(self, x: Tensor) -> Tensor:
        if (w := self.plain()) is not None and is_binary(x):
            return nn.functional.conv2d(x, w, self.bias, self.stride, self.padding)
        if x.dim() == 3:
            return self(x[None])[0]
        y = self.product(self.rows_of(x)).view(len(x), *self._map_size(x), self.out_channels).permute(0, 3, 1, 2)
        return y if self.bias is None else y + self.bias[:, None, None]

    def rows_of(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self._edges()
        if (left, top) != (right, bottom):
            x, left, top = nn.functional.pad(x, (left, right, top, bottom)), 0, 0
        columns = nn.functional.unfold(x, self.kernel_size, padding=(top, left), stride=self.stride)
        return columns.transpose(1, 2).flatten(0, 1)

    def _map_size(self, x: Tensor) -> tuple[int, int]:
        """(H', W'): (H + padding - k) // stride + 1, and W' alike."""
        left, right, top, bottom = self._edges()
        (height, width), (down, across) = self.kernel_size, self.stride
        return (x.shape[2] + top + bottom - height) // down + 1, (x.shape[3] + left + right - width) // across + 1

    def _edges(self) -> list[int]:
        """Zeros added (left, right, top, bottom); 'same' adds one more on the right and below where they are odd."""
        if isinstance(self.padding, str):
            totals = [k - 1 if self.padding == "same" else 0 for k in reversed(self.kernel_size)]
            return [edge for total in totals for edge in (total // 2, total - total // 2)]
        return [edge for edge in reversed(self.padding) for _ in range(2)]


# --- moving ------------------------------------------------------------------------


def put_on(net: nn.Module, chip: Chip) -> None:
    """Move every convolution and linear layer of a network (or the one that it is) onto a chip, all or none.

    In place: the layers stay the objects that they are, with their weights, hooks and modes, on their device.
    From another chip they come by way of the digital network: steps and scales begin anew.

    >>> from dtsnn_lite.chip import hp_adc_65nm
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    >>> put_on(net, hp_adc_65nm)
    >>> [type(layer).__name__ for layer in net]
    ['CrossbarConv2d', 'Flatten', 'CrossbarLinear']
    """
    matrices = list(_matrices(net))
    kernel_of(chip.readout), kernel_of(chip.of_layer(0).readout)         # an unknown one is refused before anything moves
    take_off(net)
    for matrix in matrices:
        _become(matrix, CrossbarLinear if isinstance(matrix, nn.Linear) else CrossbarConv2d)
    for n, layer in enumerate(crossbars(net)):
        layer.settle(chip.of_layer(n), n)


def take_off(net: nn.Module) -> None:
    """Move every layer back from its crossbars: the digital network with the same weights, in place."""
    for layer in crossbars(net):
        layer.leave()
        _become(layer, nn.Linear if isinstance(layer, nn.Linear) else nn.Conv2d)


def _become(layer: nn.Module, kind: type[nn.Module]) -> None:
    layer.__class__ = kind


def _matrices(net: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    """The layers that go onto crossbars, in their order; refuses what can neither go there nor stay digital unbilled."""
    for name, module in net.named_modules():
        where = f"{name or 'the layer'} ({type(module).__name__})"
        match module:
            case nn.Conv2d() if type(module) in (nn.Conv2d, CrossbarConv2d):
                _check_convolution(where, module)
                yield module
            case nn.Linear() if type(module) in (nn.Linear, CrossbarLinear):
                yield module
            case _ if _has_a_matrix(module):
                raise ValueError(f"{where} holds weights that no crossbar takes and no bill counts: a chip has nn.Conv2d and "
                                 "nn.Linear layers (their subclasses compute what a crossbar cannot know)")


def _has_a_matrix(module: nn.Module) -> bool:
    """Whether a module has weights of its own that mix inputs: a convolution's, or any with two sides longer than 1."""
    if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
        return True
    own = module.parameters(recurse=False)
    return not isinstance(module, nn.LayerNorm) and any(sum(side > 1 for side in p.shape) > 1 for p in own)


def _check_convolution(where: str, layer: nn.Conv2d) -> None:
    if layer.groups != 1 or layer.dilation != (1, 1):
        raise ValueError(f"a crossbar holds ordinary convolutions: no groups, no dilation; {where} has "
                         f"groups={layer.groups}, dilation={layer.dilation}")
    if layer.padding_mode != "zeros":
        raise ValueError(f"a crossbar's convolution is padded with zeros; got padding_mode={layer.padding_mode!r} in {where}")


def crossbars(net: nn.Module) -> list[OnCrossbars]:
    """The layers of a network that live on crossbars, in their order."""
    return [layer for layer in net.modules() if isinstance(layer, OnCrossbars)]


@torch.no_grad()
def fit_scales(net: nn.Module, x: Tensor, gain: float = 1.0) -> None:
    """Set every converter's step and every 1-bit column's scale from one run of the network on x.

    gain  scale = gain mean|ps| of one bit: 1 is the least squared error, 2 is where LSQ training starts
    """
    if not gain > 0:
        raise ValueError(f"gain multiplies scales that are above 0, and is so itself; got {gain}")
    modes = [(module, module.training) for module in net.modules()]
    hooks = [layer.register_forward_pre_hook(lambda layer, inputs: layer.fit(inputs[0], gain)) for layer in crossbars(net)]
    try:
        net.eval()(x)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
