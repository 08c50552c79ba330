"""What a chip does to a matrix product: quantised weights, one-bit planes, row tiles, read-outs, flaws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dtsnn_lite.cells import cells_differ, conductances
from dtsnn_lite.chip import Chip, Readout
from dtsnn_lite.readouts import Kernel, kernel_of, straight
from dtsnn_lite.wires import Wired, behind_wires

CHUNK_BYTES = 1 << 19           # partial sums of one pass stay in the cache


# --- weights -----------------------------------------------------------------


def largest_weight(weight_bits: int) -> int:
    """Largest magnitude of a signed weight: 2^(n-1) - 1."""
    if weight_bits < 2:
        raise ValueError(f"a signed weight has at least 2 bits; got {weight_bits}")
    return 2 ** (weight_bits - 1) - 1


def gentle(step: Tensor, w: Tensor, weight_bits: int) -> Tensor:
    """The step, its gradient scaled by step^2 / sqrt(Q x number of weights): LSQ's scale, in per cent of the step.

    Use it wherever the step stands in an equation, or it runs away with the scale of the output.
    """
    share = step.detach() ** 2 / (largest_weight(weight_bits) * w.numel()) ** 0.5
    return step * share + (step * (1 - share)).detach()


def lsq(w: Tensor, step: Tensor, weight_bits: int) -> Tensor:
    """Whole-number weights: round(clip(w / step, -Q, Q)), straight through where |w / step| <= Q."""
    top, v = largest_weight(weight_bits), w / step
    return v.detach().clamp(-top, top).round_() + straight(v, v.abs() <= top)


def first_step(w: Tensor, weight_bits: int) -> Tensor:
    """Where a learned step starts: 2 mean|w| / sqrt(Q); 1 where all weights are 0, which any step says."""
    step = 2 * w.detach().abs().mean() / largest_weight(weight_bits) ** 0.5
    return torch.where(step == 0, torch.ones_like(step), step)


def bit_planes(q: Tensor, weight_bits: int, cell_bits: int) -> Tensor:
    """Slices of whole-number weights: q (...) -> (P, ...), sum_k 2^(k c) slice_k = q.

    A weight's magnitude, n - 1 bits, lies in cells of c bits, in one of two differential columns by its sign:
    P = ceil((n - 1) / c). The bill counts other columns, those of `Chip.planes`.
    Straight through, the gradient of slice k is 2^(k c) / sum 4^(k c) of the weight's.
    """
    places = place_values(weight_bits, cell_bits, q.device)
    size, sign = q.detach().abs().round().long(), q.detach().sign()
    cells = torch.stack([(size >> (k * cell_bits)) & (2 ** cell_bits - 1) for k in range(len(places))])
    hard = cells.to(q.dtype) * sign
    if not (torch.is_grad_enabled() and q.requires_grad):
        return hard
    share = (places / (places ** 2).sum()).view(-1, *[1] * q.dim())
    return hard + share * (q - q.detach())


def place_values(weight_bits: int, cell_bits: int, device: torch.device | None = None) -> Tensor:
    """2^(k c) of each plane k; n - 1 magnitude bits in cells of c."""
    planes = -(-(weight_bits - 1) // cell_bits)
    return 2.0 ** (cell_bits * torch.arange(planes, device=device))


# --- arrays ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Arrays:
    """A weight matrix programmed into crossbars.

    planes  (R, P O): all planes side by side, in on-cell currents
    places  (P,): what one unit of each plane is worth
    offset  (tiles, P O): zero point of each column, or None
    gated   a tile is read by the inputs that have a spike in it, and is 0 to the others
    wired   the cells of both columns of each pair behind wires that resist, or None
    shaking (R, P O): variance that a pair of cells adds to its column's current when its row has a spike, or None
    """

    planes: Tensor
    places: Tensor
    rows: int
    offset: Tensor | None = None
    gated: bool = False
    wired: Wired | None = None
    shaking: Tensor | None = None

    def tiles(self) -> list[slice]:
        """Row ranges of the arrays."""
        return [slice(first, first + self.rows) for first in range(0, len(self.planes), self.rows)]


def program(q: Tensor, chip: Chip, salt: int = 0) -> Arrays:
    """Whole-number weights (R, O) in cells, with the flaws a chip gets when it is programmed.

    The same chip, seed and salt (the layer's number) give the same cells.
    """
    planes = bit_planes(q, chip.weight_bits, chip.cell_bits)          # (P, R, O)
    planes = planes.permute(1, 0, 2).reshape(len(q), -1)
    places = place_values(chip.weight_bits, chip.cell_bits, q.device)
    flaws, offset = chip.flaws, None
    chosen = int(torch.randint(2 ** 31, ())) if flaws.seed is None else flaws.seed
    dice = torch.Generator().manual_seed(1_000_003 * chosen + salt)
    plus, minus = (side.detach().clamp(min=0) for side in (planes, -planes))
    if cells_differ(flaws):
        plus, minus = (conductances(side, 2 ** chip.cell_bits - 1, flaws, dice) for side in (plus, minus))
        planes = planes + (plus - minus - planes.detach())
    if flaws.offset:
        tiles = -(-len(q) // chip.rows)
        offset = flaws.offset * torch.randn(tiles, planes.shape[1], generator=dice).to(q.device)
    wired = behind_wires(plus, minus, chip) if flaws.wires.row or flaws.wires.column else None
    shaking = flaws.cell_noise ** 2 * (plus ** 2 + minus ** 2) if flaws.cell_noise else None
    return Arrays(planes, places, chip.rows, offset, chip.gated, wired, shaking)


def partial_sums(x: Tensor, arrays: Arrays, noise: float = 0.0, dice: torch.Generator | None = None) -> Tensor:
    """Column currents of every tile: x (M, R) -> (tiles, M, P O)."""
    return torch.stack([_tile_sum(x, arrays, n, tile, noise, dice) for n, tile in enumerate(arrays.tiles())])


def _tile_sum(x: Tensor, arrays: Arrays, n: int, tile: slice, noise: float, dice: torch.Generator | None) -> Tensor:
    ps = x[:, tile] @ arrays.planes[tile]
    if arrays.wired is not None:
        ps = ps + (arrays.wired.sums(x.detach()[:, tile], tile) - ps.detach())          # gradients pass as if there were no wires
    if arrays.offset is not None:
        ps = ps + arrays.offset[n]
    if noise or arrays.shaking is not None:
        size = noise if arrays.shaking is None else _shaken(x.detach()[:, tile], arrays.shaking[tile], noise)
        ps = ps + size * torch.randn(ps.shape, generator=dice).to(ps.device)
    return ps


def _shaken(x: Tensor, shaking: Tensor, noise: float) -> Tensor:
    """Standard deviation of each column's current at a read: sqrt(noise^2 + sum x^2 shaking)."""
    return (x ** 2 @ shaking).add_(noise ** 2).sqrt_()


def awake(x: Tensor, tile: slice) -> Tensor:
    """The inputs that have a spike, or any light, in a tile: x (M, R) -> (M,) bool."""
    return (x[:, tile] != 0).any(1)


def is_lossless(readout: Readout, rows: int, cell_bits: int, step: float = 1.0) -> bool:
    """Whether a read-out tells all partial sums of 0/1 inputs apart and gives them back: up to rows (2^c - 1).

    step  of a converter: 1, 1/2, 1/3, ..., and the finer it is, the more codes it takes
    """
    return (1 / step).is_integer() and readout.tells_apart(int(rows * (2 ** cell_bits - 1) / step))


def matmul(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor, noise: float = 0.0,
           dice: torch.Generator | None = None) -> Tensor:
    """x (M, R) through the arrays, differentiable: read each tile, add tiles, shift and add planes.

    y = sum_k 2^(k c) sum_i readout(x_i W_ik)
    scales  (tiles, P O) for a comparator, (tiles,) for a converter
    """
    kernel, total = kernel_of(readout), x.new_zeros(())
    for n, tile in enumerate(arrays.tiles()):
        y = kernel(_tile_sum(x, arrays, n, tile, noise, dice), scales[n])
        total = total + (y * awake(x, tile)[:, None] if arrays.gated else y)
    return combine(total, arrays.places)


def combine(total: Tensor, places: Tensor) -> Tensor:
    """Shift and add: (M, P O) -> (M, O)."""
    planes = total.unflatten(1, (len(places), -1)).unbind(1)
    out = planes[0] * places[0]
    for plane, place in zip(planes[1:], places[1:], strict=True):
        out = out + plane * place
    return out


class _Read(torch.autograd.Function):
    """`matmul` that keeps only its inputs and computes the partial sums again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, planes: Tensor, scales: Tensor, arrays: Arrays, readout: Readout) -> Tensor:
        ctx.save_for_backward(x, planes, scales)
        ctx.arrays, ctx.kernel = arrays, kernel_of(readout)
        return fast_matmul(x, arrays, readout, scales)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, planes, scales = ctx.saved_tensors
        arrays, chunk = ctx.arrays, _chunk(planes)
        dx, dplanes, dscales = torch.zeros_like(x), torch.zeros_like(planes), torch.zeros_like(scales)
        for part, g, dpart in zip(x.split(chunk), grads[0].split(chunk), dx.split(chunk), strict=True):
            g = (g[:, None] * arrays.places[:, None]).flatten(1)                    # (m, P O)
            for n, tile in enumerate(arrays.tiles()):
                some = _reading(part, tile, arrays.gated)
                read = part[some, tile]
                ps = _currents(read, arrays, tile)
                if arrays.offset is not None:
                    ps.add_(arrays.offset[n])
                dps = ctx.kernel.through(ps, g[some], scales[n], dscales[n])
                dplanes[tile].addmm_(read.T, dps)
                if ctx.needs_input_grad[0]:
                    dpart[some, tile] = dps @ planes[tile].T
        return dx if ctx.needs_input_grad[0] else None, dplanes, dscales, None, None


def read(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor:
    """`matmul` without noise, fast and with the same gradients: x (M, R) -> (M, O).

    But for one: a converter's step is fitted, not learned, and gets none.
    """
    return _Read.apply(laid_out(x), arrays.planes, scales, arrays, readout)


def laid_out(x: Tensor) -> Tensor:
    """A matrix with its rows one after the other.

    Of a single row torch calls any strides contiguous, and low-level products believe the strides.
    """
    return x if x.stride() == (x.shape[1], 1) else x.clone(memory_format=torch.contiguous_format)


def _chunk(planes: Tensor) -> int:
    """Inputs of one pass: what the cache holds, or on a GPU as many as the memory likes."""
    return 1 << 18 if planes.is_cuda else max(17, CHUNK_BYTES // (4 * planes.shape[1]))


@torch.no_grad()
def fast_matmul(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor, noise: float = 0.0) -> Tensor:
    """`matmul` without gradients: in place, a cache-sized chunk of inputs at a time; the same numbers, but for other noise.

    Spikes given as int8 are multiplied as bytes where that changes nothing (`_as_bytes`) and is fast.
    """
    kernel, x, chunk = kernel_of(readout), laid_out(x), _chunk(arrays.planes)
    dtype = None if noise or x.is_floating_point() or x.is_cuda or not has_byte_product() else kernel.byte_total(scales)
    cells = None if dtype is None else _as_bytes(arrays)
    if cells is None or dtype is None:
        x = x.to(arrays.planes.dtype)
        return torch.cat([_read_floats(part, arrays, kernel, scales, noise) for part in x.split(chunk)])
    return torch.cat([_read_bytes(part, cells, arrays, kernel, scales, dtype) for part in x.split(chunk)])


@cache
def has_byte_product() -> bool:
    """Whether this processor multiplies bytes faster than floats, asked once; sums of spikes are exact in either.

    torch has had the product on a CPU since 2.4. Without VNNI it is a plain loop, many times slower than floats.
    """
    vnni = getattr(torch.cpu, "_is_vnni_supported", None) or getattr(torch.cpu, "_is_cpu_support_vnni", None)
    if vnni is None or not vnni():
        return False
    try:
        torch._int_mm(torch.ones(32, 32, dtype=torch.int8), torch.ones(32, 32, dtype=torch.int8))
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return True


def _as_bytes(arrays: Arrays) -> Tensor | None:
    """The planes as int8, or None where bytes would round: flawed cells, long tiles."""
    if arrays.offset is not None or arrays.wired is not None or arrays.shaking is not None or arrays.rows > 127:
        return None
    cells = arrays.planes.to(torch.int8)
    return laid_out(cells) if torch.equal(cells.to(arrays.planes.dtype), arrays.planes) else None


def _currents(x: Tensor, arrays: Arrays, tile: slice) -> Tensor:
    return x @ arrays.planes[tile] if arrays.wired is None else arrays.wired.sums(x, tile)


def _read_floats(x: Tensor, arrays: Arrays, kernel: Kernel, scales: Tensor, noise: float) -> Tensor:
    total = x.new_zeros(len(x), arrays.planes.shape[1])
    for n, tile in enumerate(arrays.tiles()):
        with _readers(x, tile, total, arrays.gated) as (part, sums):
            ps = _currents(part, arrays, tile)
            if arrays.offset is not None:
                ps.add_(arrays.offset[n])
            if arrays.shaking is not None:
                ps.addcmul_(torch.randn_like(ps), _shaken(part, arrays.shaking[tile], noise))
            elif noise:
                ps.add_(torch.randn_like(ps), alpha=noise)
            kernel.add_to(sums, ps, scales[n])
    return combine(total, arrays.places)


def _read_bytes(x: Tensor, cells: Tensor, arrays: Arrays, kernel: Kernel, scales: Tensor, dtype: torch.dtype) -> Tensor:
    total = x.new_zeros(len(x), cells.shape[1], dtype=dtype)
    for n, tile in enumerate(arrays.tiles()):
        with _readers(x, tile, total, arrays.gated) as (part, sums):
            kernel.add_bytes_to(sums, torch._int_mm(laid_out(part), cells[tile]), scales[n])
    return combine(total.to(scales.dtype), arrays.places)


@contextmanager
def _readers(x: Tensor, tile: slice, total: Tensor, gated: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """The inputs that read a tile, and the sums that they add to: all, or those awake in it, whose sums go back to their places."""
    some = _reading(x, tile, gated)
    if isinstance(some, slice):
        yield x[:, tile], total
    else:
        sums = total[some]
        yield x[some, tile], sums
        total[some] = sums


def _reading(x: Tensor, tile: slice, gated: bool) -> Tensor | slice:
    """Which inputs read a tile: (M,) bool, or a slice where all do."""
    some = awake(x, tile) if gated else None
    return slice(None) if some is None or bool(some.all()) else some
