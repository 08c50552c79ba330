"""What a chip does to a matrix product: quantised weights, one-bit planes, row tiles, read-outs, flaws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dtsnn_lite.chip import HPADC, SARADC, Chip, Flaws, Ideal, Readout, SenseAmp, Ternary

CHUNK_BYTES = 1 << 19           # partial sums of one pass stay in the cache


# --- weights -----------------------------------------------------------------


def levels(weight_bits: int) -> int:
    """Largest magnitude of a signed weight: 2^(n-1) - 1."""
    if weight_bits < 2:
        raise ValueError(f"a signed weight has at least 2 bits; got {weight_bits}")
    return 2 ** (weight_bits - 1) - 1


def gentle(step: Tensor, w: Tensor, weight_bits: int) -> Tensor:
    """The step, its gradient scaled by step^2 / sqrt(Q x number of weights): LSQ's scale, in per cent of the step.

    Use it wherever the step stands in an equation, or it runs away with the scale of the output.
    """
    share = step.detach() ** 2 / (levels(weight_bits) * w.numel()) ** 0.5
    return step * share + (step * (1 - share)).detach()


def lsq(w: Tensor, step: Tensor, weight_bits: int) -> Tensor:
    """Whole-number weights: round(clip(w / step, -Q, Q)), gradients straight through the rounding."""
    top = levels(weight_bits)
    v = (w / step).clamp(-top, top)
    return v + (v.round() - v).detach()


def first_step(w: Tensor, weight_bits: int) -> Tensor:
    """Where a learned step starts: 2 mean|w| / sqrt(Q)."""
    return 2 * w.detach().abs().mean() / levels(weight_bits) ** 0.5


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


# --- read-outs -----------------------------------------------------------------


def code_range(readout: HPADC | SARADC) -> tuple[int, int]:
    """Codes of a signed converter: -2^(b-1) to 2^(b-1) - 1."""
    return -(2 ** (readout.bits - 1)), 2 ** (readout.bits - 1) - 1


def is_lossless(readout: Readout, rows: int, cell_bits: int) -> bool:
    """Whether a converter tells all partial sums of 0/1 inputs apart: its largest code reaches rows (2^c - 1)."""
    if isinstance(readout, Ideal):
        return True
    return isinstance(readout, (HPADC, SARADC)) and code_range(readout)[1] >= rows * (2 ** cell_bits - 1)


WINDOW = 2.0         # the sense amplifier's gradient passes where |ps| <= 2 alpha


def one_bit(ps: Tensor, alpha: Tensor) -> Tensor:
    """The sense amplifier: ps (M, J) -> alpha (J,) sign(ps). Two levels only: an empty column reads -alpha.

    Straight through to ps where |ps| <= 2 alpha; alpha's gradient is exact.
    """
    signs = (ps > 0).to(ps.dtype).mul_(2).sub_(1)
    reach = WINDOW * alpha.detach().abs()
    through = torch.minimum(torch.maximum(ps, -reach), reach)
    return alpha * signs + (through - through.detach())


def ternary(ps: Tensor, alpha: Tensor) -> Tensor:
    """Two comparators: alpha clip(round(ps / alpha), -1, 1), straight through where |ps| <= alpha."""
    v = (ps / alpha).clamp(-1, 1)
    return (v + (v.round() - v).detach()) * alpha


def adc(ps: Tensor, step: Tensor, readout: HPADC | SARADC) -> Tensor:
    """A b-bit converter: step clip(floor(ps / step + 1/2), -2^(b-1), 2^(b-1) - 1), straight through in its range."""
    v = (ps / step).clamp(*code_range(readout))
    return (v + ((v + 0.5).floor() - v).detach()) * step


def best_adc_step(ps: Tensor, readout: HPADC | SARADC, whole: bool = True) -> Tensor:
    """The converter's step with the least squared error on partial sums ps (any shape), among powers of two: ().

    Powers of two are nested: with one more bit the same range in half the step is a choice,
    so more bits never make the error larger. Partial sums of spikes are whole: no step below 1.
    """
    candidates = 2.0 ** torch.arange(0 if whole else -12, 12, device=ps.device, dtype=ps.dtype)
    errors = torch.stack([(adc(ps, step, readout) - ps).square().mean() for step in candidates])
    return candidates[errors.argmin()]


def saturated(ps: Tensor, step: Tensor, readout: HPADC | SARADC) -> float:
    """Share of partial sums ps (any shape) beyond a converter's range."""
    low, high = code_range(readout)
    codes = (ps / step + 0.5).floor()
    return ((codes < low) | (codes > high)).double().mean().item()


# --- arrays ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Arrays:
    """A weight matrix programmed into crossbars.

    planes  (R, P O): all planes side by side, in on-cell currents
    places  (P,): what one unit of each plane is worth
    offset  (tiles, P O): zero point of each column, or None
    """

    planes: Tensor
    places: Tensor
    rows: int
    offset: Tensor | None = None

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
    dice = torch.Generator().manual_seed(1_000_003 * flaws.seed + salt)
    if flaws.variation or flaws.stuck or flaws.on_off != float("inf"):
        planes = planes + (flawed(planes.detach(), 2 ** chip.cell_bits - 1, flaws, dice) - planes.detach())
    if flaws.offset:
        tiles = -(-len(q) // chip.rows)
        offset = flaws.offset * torch.randn(tiles, planes.shape[1], generator=dice).to(q.device)
    return Arrays(planes, places, chip.rows, offset)


def flawed(planes: Tensor, top: int, flaws: Flaws, dice: torch.Generator) -> Tensor:
    """Differential pairs as programmed: (g+ - g-) of cells that vary, leak when off, or are stuck."""
    return _conductances(planes.clamp(min=0), top, flaws, dice) - _conductances((-planes).clamp(min=0), top, flaws, dice)


def _conductances(wanted: Tensor, top: int, flaws: Flaws, dice: torch.Generator) -> Tensor:
    off = top / flaws.on_off
    g = off + wanted * (1 - 1 / flaws.on_off)
    if flaws.stuck:
        draw = torch.rand(g.shape, generator=dice).to(g.device)
        g = torch.where(draw < flaws.stuck / 2, torch.full_like(g, top), g)
        g = torch.where((draw >= flaws.stuck / 2) & (draw < flaws.stuck), torch.full_like(g, off), g)
    if flaws.variation:
        g = (g * (1 + flaws.variation * torch.randn(g.shape, generator=dice).to(g.device))).clamp_(min=0)
    return g


def partial_sums(x: Tensor, arrays: Arrays, noise: float = 0.0, dice: torch.Generator | None = None) -> Tensor:
    """Column currents of every tile: x (M, R) -> (tiles, M, P O)."""
    return torch.stack([_tile_sum(x, arrays, n, tile, noise, dice) for n, tile in enumerate(arrays.tiles())])


def _tile_sum(x: Tensor, arrays: Arrays, n: int, tile: slice, noise: float, dice: torch.Generator | None) -> Tensor:
    ps = x[:, tile] @ arrays.planes[tile]
    if arrays.offset is not None:
        ps = ps + arrays.offset[n]
    if noise:
        ps = ps + noise * torch.randn(ps.shape, generator=dice).to(ps.device)
    return ps


def convert(ps: Tensor, readout: Readout, scale: Tensor) -> Tensor:
    """One tile's read-out: scale is alpha (P O,) of a comparator, the step () of a converter."""
    match readout:
        case Ideal():
            return ps
        case SenseAmp():
            return one_bit(ps, scale)
        case Ternary():
            return ternary(ps, scale)
        case HPADC() | SARADC():
            return adc(ps, scale, readout)


def matmul(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor, noise: float = 0.0,
           dice: torch.Generator | None = None) -> Tensor:
    """x (M, R) through the arrays, differentiable: read each tile, add tiles, shift and add planes.

    y = sum_k 2^(k c) sum_i readout(x_i W_ik)
    scales  (tiles, P O) for a comparator, (tiles,) for a converter
    """
    total: Tensor | float = 0.0
    for n, tile in enumerate(arrays.tiles()):
        total = total + convert(_tile_sum(x, arrays, n, tile, noise, dice), readout, scales[n])
    return combine(total, arrays.places)


def combine(total: Tensor, places: Tensor) -> Tensor:
    """Shift and add: (M, P O) -> (M, O)."""
    planes = total.unflatten(1, (len(places), -1)).unbind(1)
    out = planes[0] * places[0]
    for plane, place in zip(planes[1:], places[1:]):
        out = out + plane * place
    return out


class _Read(torch.autograd.Function):
    """`matmul` that keeps only its inputs and computes the partial sums again in the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor, planes: Tensor, scales: Tensor, arrays: Arrays, readout: Readout) -> Tensor:
        ctx.save_for_backward(x, planes, scales)
        ctx.arrays, ctx.readout = arrays, readout
        return fast_matmul(x, arrays, readout, scales)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        x, planes, scales = ctx.saved_tensors
        arrays, chunk = ctx.arrays, _chunk(planes)
        dx, dplanes, dscales = torch.empty_like(x), torch.zeros_like(planes), torch.zeros_like(scales)
        for part, g, dpart in zip(x.split(chunk), grad.split(chunk), dx.split(chunk)):
            g = (g[:, None] * arrays.places[:, None]).flatten(1)                    # (m, P O)
            for n, tile in enumerate(arrays.tiles()):
                ps = part[:, tile] @ planes[tile]
                if arrays.offset is not None:
                    ps.add_(arrays.offset[n])
                dps = _through(ps, g, ctx.readout, scales[n], dscales[n])
                dplanes[tile].addmm_(part[:, tile].T, dps)
                torch.mm(dps, planes[tile].T, out=dpart[:, tile]) if ctx.needs_input_grad[0] else None
        return dx if ctx.needs_input_grad[0] else None, dplanes, dscales, None, None


def _through(ps: Tensor, g: Tensor, readout: Readout, scale: Tensor, dscale: Tensor) -> Tensor:
    """Gradient of one tile's partial sums (straight through); its scale's gradient is added to dscale."""
    match readout:
        case SenseAmp():
            signs = (ps > 0).to(g.dtype).mul_(2).sub_(1)
            dscale.add_(signs.mul_(g).sum(0))
            return g * (ps.abs_() <= WINDOW * scale.abs())
        case Ternary():
            v = ps.div_(scale)
            inside = v.abs() <= 1
            dscale.add_((g * (v.clamp(-1, 1).round_() - v * inside)).sum(0))
            return g * inside
        case HPADC() | SARADC():
            low, high = code_range(readout)
            v = ps.div_(scale)
            return g * ((v >= low) & (v <= high))
    return g


def read(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor:
    """`matmul` without noise, fast and with its gradients: x (M, R) -> (M, O).

    A converter's step is calibrated, not learned, and gets none. A sense amplifier's partial sum of exactly
    2 alpha passes its whole gradient here, and half of it in `matmul`, where two branches meet.
    """
    return _Read.apply(x, arrays.planes, scales, arrays, readout)


def _chunk(planes: Tensor) -> int:
    """Inputs of one pass: what the cache holds, or on a GPU as many as the memory likes."""
    return 1 << 18 if planes.is_cuda else max(17, CHUNK_BYTES // (4 * planes.shape[1]))


@torch.no_grad()
def fast_matmul(x: Tensor, arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor:
    """`matmul` without gradients or noise: in place, a cache-sized chunk of inputs at a time; the same numbers.

    Spikes given as int8 are multiplied as bytes where that changes nothing (`_as_bytes`).
    """
    chunk = _chunk(arrays.planes)
    cells = None if x.is_floating_point() or x.is_cuda else _as_bytes(arrays, readout, scales)
    if cells is None:
        x = x.to(arrays.planes.dtype)
        planes = [arrays.planes[tile] for tile in arrays.tiles()]
        return torch.cat([_read_floats(part, planes, arrays, readout, scales) for part in x.split(chunk)])
    planes = [cells[tile] for tile in arrays.tiles()]
    return torch.cat([_read_bytes(part, planes, arrays, readout, scales) for part in x.split(chunk)])


def _as_bytes(arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor | None:
    """The planes as int8, or None where bytes would round: flawed cells, long tiles, steps that are no shift (1, 2, 4, ...)."""
    cells = arrays.planes.to(torch.int8)
    shifts = not isinstance(readout, (HPADC, SARADC)) or ((scales >= 1) & (torch.frexp(scales).mantissa == 0.5)).all()
    exact = arrays.offset is None and arrays.rows <= 127 and shifts and torch.equal(cells.to(arrays.planes.dtype), arrays.planes)
    return cells if exact else None


def _read_floats(x: Tensor, planes: list[Tensor], arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor:
    total = x.new_zeros(len(x), planes[0].shape[1])
    for n, tile in enumerate(arrays.tiles()):
        ps = x[:, tile] @ planes[n]
        if arrays.offset is not None:
            ps.add_(arrays.offset[n])
        match readout:
            case SenseAmp():
                total.addcmul_(ps.gt_(0), 2 * scales[n]).sub_(scales[n])
            case Ternary():
                total.addcmul_(ps.div_(scales[n]).clamp_(-1, 1).round_(), scales[n])
            case HPADC() | SARADC():
                codes = ps.div_(scales[n]).add_(0.5).floor_().clamp_(*code_range(readout))
                total.add_(codes, alpha=scales[n].item())
            case Ideal():
                total.add_(ps)
    return combine(total, arrays.places)


def _read_bytes(x: Tensor, planes: list[Tensor], arrays: Arrays, readout: Readout, scales: Tensor) -> Tensor:
    whole = isinstance(readout, (HPADC, SARADC))
    total = x.new_zeros(len(x), planes[0].shape[1], dtype=torch.int32 if whole else scales.dtype)
    for n, tile in enumerate(arrays.tiles()):
        ps = torch._int_mm(x[:, tile].contiguous(), planes[n])
        match readout:
            case HPADC() | SARADC():
                step = int(scales[n])
                shift = step.bit_length() - 1
                codes = ps.add_(step >> 1).bitwise_right_shift_(shift).clamp_(*code_range(readout))
                total.add_(codes, alpha=step)
            case SenseAmp():
                total.addcmul_(ps.gt_(0).to(total.dtype), 2 * scales[n]).sub_(scales[n])
            case Ternary():
                total.addcmul_(ps.div(scales[n]).clamp_(-1, 1).round_(), scales[n])
            case Ideal():
                total.add_(ps)
    return combine(total.to(scales.dtype), arrays.places)
