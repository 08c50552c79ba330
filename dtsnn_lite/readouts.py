"""What a column's current becomes, one kernel a read-out: its conversion, its gradient, and the same numbers fast.

The circuit, its bits and its price stand in chip.py, which needs no torch. A sixth read-out is one frozen dataclass
that is both a `Readout` and a `Kernel`: here, or anywhere of your own.

Gradients pass straight through the rounding wherever the sum lies in the read-out's range. Its two ends belong to it
(<=), and beyond them nothing passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor

import torch
from torch import Tensor

from dtsnn_lite.chip import HPADC, Converter, Ideal, Readout, SenseAmp, Ternary

WINDOW = 2.0         # a sense amplifier's gradient passes where |ps| <= 2 scale


def straight(v: Tensor, inside: Tensor) -> Tensor:
    """Zero, with v's gradient where `inside` and none elsewhere: what a rounding adds to its codes."""
    if not (torch.is_grad_enabled() and v.requires_grad):
        return v.new_zeros(())
    passed = torch.where(inside, v, 0)
    return passed - passed.detach()


class Kernel(ABC):
    """A read-out's arithmetic on the partial sums ps (M, J) of one tile (abstract): y = kernel(ps, scale).

    scale  () one a tile, or (J,) one a column where the read-out says `a_scale_a_column`

    A conversion and its fit are enough; the rest follows, and is written again only to be fast.
    """

    has_scale = True

    @abstractmethod
    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        """What is read of ps, differentiable."""

    @abstractmethod
    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        """The scale for such partial sums, a learned one times `gain`; `whole`: they are sums of spikes."""

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        """The gradient of ps, given that of what is read; the scale's is added to dscale. ps may be overwritten."""
        with torch.enable_grad():
            inputs = ps.detach().requires_grad_(), scale.detach().requires_grad_()
            dps, own = torch.autograd.grad(self(*inputs), inputs, g, materialize_grads=True)
        dscale.add_(own)
        return dps

    def add_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        """total (M, J) += what is read of ps, without gradients. ps may be overwritten."""
        total.add_(self(ps, scale))

    def byte_total(self, scales: Tensor) -> torch.dtype | None:
        """What sums of bytes add up in, or None where these scales would read other numbers of them than of floats."""
        return scales.dtype

    def add_bytes_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        """`add_to` of whole ps (int32) into a total of `byte_total`."""
        self.add_to(total, ps.to(total.dtype), scale)


class Exact(Kernel):
    """y = ps."""

    has_scale = False

    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        return ps

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return ps.new_ones(())

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        return g

    def add_bytes_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        total.add_(ps)


def middle(scale: Tensor) -> Tensor:
    """m: where the codes of a converter lie. Half a cell beside the multiples of an even step, else on them.

    Of the sums of spikes, whole numbers, an even step gives each code an even number. Its thresholds lie between
    them and not on one, which would be a tie that every offset decides; and the middle of an even number is no whole one.
    """
    return 0.5 * (scale.remainder(2) == 0)


@dataclass(frozen=True)
class Rounding(Kernel):
    """y = scale k + m, k = clip( floor((ps - m) / scale + 1/2), low, high ); straight through where low <= (ps - m) / scale <= high."""

    low: int
    high: int

    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        m = middle(scale)
        v = (ps - m) / scale
        codes = (v.detach() + 0.5).floor_().clamp_(self.low, self.high)
        return (codes + straight(v, self._inside(v))) * scale + m

    def _inside(self, v: Tensor) -> Tensor:
        return (v >= self.low) & (v <= self.high)

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return best_step(ps, self, whole)

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        return g * self._inside(ps.sub_(middle(scale)).div_(scale))              # its step is fitted, not learned, and gets none

    def add_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        m = middle(scale)
        codes = ps.sub_(m).div_(scale).add_(0.5).floor_().clamp_(self.low, self.high)
        total.add_(codes, alpha=scale.item()).add_(m)

    def byte_total(self, scales: Tensor) -> torch.dtype | None:
        shifts = (scales >= 1) & (torch.frexp(scales).mantissa == 0.5)        # 1, 2, 4, ...
        whole = torch.int32 if bool((scales == 1).all()) else scales.dtype    # the middle of a larger step's code is none
        return whole if bool(shifts.all()) else None

    def add_bytes_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        step = int(scale)
        if step == 1:
            total.add_(ps.clamp_(self.low, self.high))
        else:
            codes = ps.add_((step >> 1) - 1).bitwise_right_shift_(step.bit_length() - 1).clamp_(self.low, self.high)
            total.add_(codes, alpha=step).add_(0.5)


@dataclass(frozen=True)
class Sign(Kernel):
    """y = scale sign(ps - reference): two levels only, and a sum at the reference reads -scale.

    Straight through to ps where |ps - reference| <= 2 |scale|; the scale's gradient is exact.
    """

    reference: float = 0.0

    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        return scale * self._signs(ps) + straight(ps, self._near(ps, scale))

    def _signs(self, ps: Tensor) -> Tensor:
        return (ps > self.reference).to(ps.dtype).mul_(2).sub_(1)

    def _near(self, ps: Tensor, scale: Tensor) -> Tensor:
        return (ps - self.reference).abs_() <= WINDOW * scale.abs()

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return mean_size(ps, gain)

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        dscale.add_(self._signs(ps).mul_(g).sum(0))
        return g * self._near(ps, scale)

    def add_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        total.addcmul_(ps.gt_(self.reference), 2 * scale).sub_(scale)

    def add_bytes_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        above = ps.gt_(floor(self.reference))                # of whole numbers the same
        total.addcmul_(above.to(total.dtype), 2 * scale).sub_(scale)


class Levels(Kernel):
    """y = scale clip(round(ps / scale), low, high), the scale a learned one (abstract: between which codes, and its fit).

    Straight through where low <= ps / scale <= high; the scale's gradient is LSQ's, code - ps / scale there, the code beyond.
    """

    @property
    @abstractmethod
    def codes(self) -> tuple[int, int]:
        """low, high."""

    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        v = ps / scale
        return (v.detach().clamp(*self.codes).round_() + straight(v, self._inside(v))) * scale

    def _inside(self, v: Tensor) -> Tensor:
        low, high = self.codes
        return (v >= low) & (v <= high)

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        v = ps.div_(scale)
        inside = self._inside(v)
        dscale.add_((g * (v.clamp(*self.codes).round_() - v * inside)).sum(0))
        return g * inside

    def add_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        total.addcmul_(ps.div_(scale).clamp_(*self.codes).round_(), scale)


class ThreeLevels(Levels):
    """y = scale clip(round(ps / scale), -1, 1)."""

    @property
    def codes(self) -> tuple[int, int]:
        return -1, 1

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return mean_size(ps, gain)


# --- two from the literature, each in one place ------------------------------------


@dataclass(frozen=True)
class Stochastic(Readout, Kernel):
    """A comparator that tosses a coin, as a magnetic junction switches: scale with P(+) = (1 + tanh(ps / scale)) / 2, else -scale.

    Its mean is scale tanh(ps / scale), whose gradients it has; the coins come from torch's generator (rogers2024stoxnet).
    The price is a sense amplifier's, which a junction need not cost.
    """

    name, bits, comparators = "stochastic (1 bit)", 1, 1
    a_scale_a_column = True

    def __call__(self, ps: Tensor, scale: Tensor) -> Tensor:
        bend = torch.tanh(ps / scale)
        mean, heads = scale * bend, 2 * torch.rand_like(ps) < 1 + bend.detach()
        return scale.detach() * (2 * heads.to(ps.dtype) - 1) + (mean - mean.detach())

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return mean_size(ps, gain)

    def through(self, ps: Tensor, g: Tensor, scale: Tensor, dscale: Tensor) -> Tensor:
        v = ps.div_(scale)
        bend = torch.tanh(v)
        slope = 1 - bend ** 2
        dscale.add_((g * (bend - v * slope)).sum(0))
        return g * slope

    def add_to(self, total: Tensor, ps: Tensor, scale: Tensor) -> None:
        heads = torch.rand_like(ps).mul_(2).lt_(ps.div_(scale).tanh_().add_(1))
        total.addcmul_(heads, 2 * scale).sub_(scale)


@dataclass(frozen=True)
class ColumnSteps(HPADC, Levels):
    """A flash converter whose step is learned, one a column: `Levels` between its codes (the idea of kim2025columnquant)."""

    bits: int = 2
    a_scale_a_column = True

    @property
    def name(self) -> str:
        return f"{self.bits}-bit ADC, a learned step a column"

    def fitted(self, ps: Tensor, gain: float = 1.0, whole: bool = True) -> Tensor:
        return mean_size(ps, 2 * gain / max(1, self.codes[1]) ** 0.5)


def kernel_of(readout: Readout) -> Kernel:
    """The arithmetic of a read-out; one of your own brings it along."""
    match readout:
        case Kernel():
            return readout
        case Ideal():
            return Exact()
        case Converter():
            return Rounding(*readout.codes)
        case SenseAmp(reference):
            return Sign(reference)
        case Ternary():
            return ThreeLevels()
    raise TypeError(f"nobody knows what {type(readout).__name__} makes of a current: a read-out of your own is a Readout "
                    "and a readouts.Kernel")


# --- scales ----------------------------------------------------------------------


def mean_size(ps: Tensor, gain: float) -> Tensor:
    """gain mean|ps| of each column: (M, J) -> (J,); gain = 1 is the least squared error of one bit."""
    return (gain * ps.abs().mean(0)).clamp_(min=1e-3)


def best_step(ps: Tensor, kernel: Kernel, whole: bool = True) -> Tensor:
    """The step with the least squared error of kernel(ps, step) (any shape), among powers of two up to 2^11: ().

    Powers of two are nested: with one more bit the same range in half the step is a choice,
    so more bits never make the error larger. Partial sums of spikes are whole: no step below 1.
    """
    candidates = 2.0 ** torch.arange(0 if whole else -12, 12, device=ps.device, dtype=ps.dtype)
    errors = torch.stack([(kernel(ps, step) - ps).square().mean() for step in candidates])
    return candidates[errors.argmin()]
