"""The leaky integrate-and-fire neuron: one step that is the equation, and a fast whole sequence.

condition        | behaviour
each timestep    | h = beta u + i
h > v_th         | s = 1, and u = 0 (hard reset) or u = h - v_th (soft reset)
else             | s = 0, and u = h
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any

import torch
from snntorch import surrogate
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
ANALOG_CEILING = 3.0   # thresholds; our choice, from trials of one or two epochs: 1 learned slowly, none lost more when spikes began
CHUNK = 262_144    # values of u at a time on a CPU: fewer calls than small chunks, less traffic than none


@dataclass(frozen=True)
class LIF:
    """The constants of a leaky integrate-and-fire neuron.

    beta        fraction of u kept each step, in [0, 1]; 1 is the IF neuron
    v_th        threshold, > 0; the neuron fires at h > v_th (strict)
    hard_reset  True: u <- 0 after a spike (the papers); False: u <- u - v_th
    alpha       steepness of the surrogate gradient (snnTorch's ATan)

    >>> LIF(beta=0.9, v_th=0.5)
    LIF(beta=0.9, v_th=0.5, hard_reset=True, alpha=2.0)
    """

    beta: float = 0.5
    v_th: float = 1.0
    hard_reset: bool = True
    alpha: float = 2.0

    def __post_init__(self) -> None:
        for what in ("beta", "v_th", "alpha"):
            if not isinstance(getattr(self, what), Real):
                raise TypeError(f"{what} is a plain number, which training does not move; got a {type(getattr(self, what)).__name__} "
                                "(float(...) takes its value)")
        if not 0.0 <= self.beta <= 1.0:
            hint = f"; a time constant tau = {self.beta:g} is beta = {1 / self.beta:g}" if self.beta > 1 else ""
            raise ValueError(f"beta is the fraction of u kept each step, in [0, 1]; got {self.beta}{hint}")
        if not (self.v_th > 0 and math.isfinite(self.v_th)):
            raise ValueError(f"v_th is a finite threshold above 0; got {self.v_th}")
        if not (self.alpha > 0 and math.isfinite(self.alpha)):
            raise ValueError(f"alpha is a finite steepness above 0; got {self.alpha}")


def lif_step(i: Tensor, u: Tensor, lif: LIF) -> tuple[Tensor, Tensor]:
    """One timestep: input current i and membrane potential u, same shape -> spikes s, new u.

    h = beta u + i;   s = 1[h > v_th];   u = h (1 - s)  or  h - s v_th

    >>> i, u = torch.tensor([0.4, 0.8]), torch.tensor([0.6, 0.6])
    >>> lif_step(i, u, LIF(beta=0.5, v_th=1.0))                     # h = 0.7 and 1.1
    (tensor([0., 1.]), tensor([0.7000, 0.0000]))
    """
    if i.shape != u.shape:
        raise ValueError(f"i and u have one shape; got {tuple(i.shape)} and {tuple(u.shape)}")
    h = torch.add(i, u, alpha=lif.beta)
    s = surrogate.ATan.apply(h - lif.v_th, lif.alpha).to(h.dtype)       # it returns float32, whatever it is given
    u = h * (1 - s) if lif.hard_reset else h - s * lif.v_th
    return s.to(i.dtype), u


def rectified(i: Tensor, lif: LIF) -> Tensor:
    """a = clip(i, 0, 3 v_th): what a neuron passes on where no time passes, so that the network is an ANN.

    a > v_th is where a neuron at rest fires in the first timestep, so the weights can go on as they are when spikes begin.
    """
    return i.clamp(0.0, ANALOG_CEILING * lif.v_th)


def lif_loop(i: Tensor, lif: LIF, u: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The plain loop of `lif_step` over i (T, ...): spikes (T, ...) and the last u."""
    u = _state_like(i) if u is None else u.to(_wide(i))
    spikes = []
    for i_t in i:
        s, u = lif_step(i_t, u, lif)
        spikes.append(s)
    return torch.stack(spikes), u


def lif_sequence(i: Tensor, lif: LIF, u: Tensor | None = None, compiled: bool = False) -> tuple[Tensor, Tensor]:
    """The same numbers and gradients as `lif_loop`, in one autograd function: (T, ...) -> (T, ...), u_T.

    The backward pass computes h again from i and s, which the next layer keeps anyway.
    u and u_T carry no gradient: a sequence is cut where it is split.
    compiled: fuse the loop with torch.compile (needs a C++ compiler or Triton).

    >>> i = torch.full((5, 1), 0.6)                                 # a constant current, T = 5
    >>> spikes, u = lif_sequence(i, LIF(beta=0.5, v_th=1.0))
    >>> spikes.flatten(), u
    (tensor([0., 0., 1., 0., 0.]), tensor([0.9000]))
    """
    if i.dim() < 2 or i.shape[0] < 1:
        raise ValueError(f"i is (T, ...) with T at least 1; got shape {tuple(i.shape)}")
    if not i.is_floating_point():
        raise TypeError(f"i is an input current, floating point; got {i.dtype}")
    if u is not None and u.shape != i.shape[1:]:
        raise ValueError(f"u is {tuple(i.shape[1:])}, as one timestep of i; got {tuple(u.shape)}")
    if len(i) == 1 and not compiled and not torch.is_grad_enabled():
        return _one_step(i, u, lif)
    return _Sequence.apply(i, u, lif, compiled)


def _one_step(i: Tensor, u: Tensor | None, lif: LIF) -> tuple[Tensor, Tensor]:
    """`lif_sequence` of one timestep when no gradient is asked: what a network that really stops runs."""
    i_t = i[0]
    h = i_t.to(_wide(i), copy=True) if u is None else torch.add(i_t, u.to(_wide(i)), alpha=lif.beta)
    s = torch.gt(h, lif.v_th, out=torch.empty_like(i_t))
    return s[None], _reset(h, s, h, lif)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, i: Tensor, u: Tensor | None, lif: LIF, compiled: bool) -> tuple[Tensor, Tensor]:
        ctx.lif, ctx.compiled = lif, compiled
        s, u_last = (_forward_compiled if compiled else _forward_in_place)(i, u, lif)
        ctx.save_for_backward(i, u, s)
        ctx.mark_non_differentiable(u_last)
        return s, u_last

    @staticmethod
    def backward(ctx: Any, grad_s: Tensor, _grad_u: Tensor) -> tuple[Tensor, None, None, None]:
        i, u, s = ctx.saved_tensors
        backward = _backward_compiled if ctx.compiled else _backward_in_place
        return backward(i, u, s, grad_s, ctx.lif), None, None, None


def _wide(i: Tensor) -> torch.dtype:
    """The precision of u: that of i, float32 where i is half precision, so that small leaks add up."""
    return torch.float32 if i.dtype in HALF else i.dtype


def _state_like(i: Tensor) -> Tensor:
    """u = 0 for one timestep of i."""
    return torch.zeros_like(i[0], dtype=_wide(i))


def _slope(x: Tensor, lif: LIF) -> Tensor:
    """Surrogate ds/dh at x = h - v_th:  (alpha / 2) / (1 + (pi alpha x / 2)^2)."""
    return (lif.alpha / 2) / (1 + (math.pi / 2 * lif.alpha * x) ** 2)


# --- pure versions in memory order, (T, M), for torch.compile -----------------

def _forward(i: Tensor, u: Tensor | None, lif: LIF) -> tuple[Tensor, Tensor]:
    u = _state_like(i) if u is None else u
    spikes = []
    for i_t in i.unbind(0):
        h = lif.beta * u + i_t
        s = (h > lif.v_th).to(u.dtype)
        u = h * (1 - s) if lif.hard_reset else h - s * lif.v_th
        spikes.append(s.to(i.dtype))
    return torch.stack(spikes), u


def _backward(i: Tensor, u: Tensor | None, grad_s: Tensor, lif: LIF) -> Tensor:
    u = _state_like(i) if u is None else u
    hs = []
    for i_t in i.unbind(0):
        h = lif.beta * u + i_t
        s = (h > lif.v_th).to(u.dtype)
        u = h * (1 - s) if lif.hard_reset else h - s * lif.v_th
        hs.append(h)
    grad_u, grads = torch.zeros_like(u), []
    for t in reversed(range(len(hs))):
        h, g = hs[t], grad_s[t]
        through = h if lif.hard_reset else lif.v_th
        kept = (h <= lif.v_th).to(u.dtype) if lif.hard_reset else 1.0
        grad_h = grad_u * kept + (g - grad_u * through) * _slope(h - lif.v_th, lif)
        grad_u = lif.beta * grad_h
        grads.append(grad_h.to(i.dtype))
    return torch.stack(grads[::-1])


@cache
def _compiled(function: Callable) -> Callable:
    return torch.compile(function)


def _forward_compiled(i: Tensor, u: Tensor | None, lif: LIF) -> tuple[Tensor, Tensor]:
    s, last = _compiled(_forward)(_compilable(_flat(i)), _flat_start(i, u), lif)
    return _shaped(s.to(i.dtype), i), _shaped(last[None], i[:1])[0]


def _backward_compiled(i: Tensor, u: Tensor | None, _s: Tensor, grad_s: Tensor, lif: LIF) -> Tensor:
    grad = _compiled(_backward)(_compilable(_flat(i)), _flat_start(i, u), _compilable(_flat(_laid_out(grad_s, i))), lif)
    return _shaped(grad.to(i.dtype), i)


def _compilable(x: Tensor) -> Tensor:
    """x alone, widened to float32 on a CPU if it is half precision, at which the C++ of older compilers aborts: no number changes.

    Of a view the compiler would watch the whole tensor, and compile again for every shape of that until it gives up.
    """
    return x.float() if x.dtype in HALF and x.device.type == "cpu" else x.data


def _flat_start(i: Tensor, u: Tensor | None) -> Tensor | None:
    """u in the memory order of i; None stays None, so that nothing is added."""
    return None if u is None else _flat(_buffer(i).copy_(u)[None])[0]


def _shaped(flat: Tensor, i: Tensor) -> Tensor:
    """A (T, M) result seen as i (T, ...)."""
    return flat.contiguous().as_strided(i.shape, (flat.shape[1], *torch.empty_like(i[0]).stride()))


def _laid_out(x: Tensor, i: Tensor) -> Tensor:
    """x (T, ...) in the memory order of i."""
    like = _like(i)
    return x if x.stride() == like.stride() else like.copy_(x)


# --- in place, with no compiler ----------------------------------------------

def _flat(x: Tensor) -> Tensor:
    """x (T, ...) as (T, M) in the memory order of `_like(x)`, without a copy when each timestep is dense."""
    if torch.empty_like(x[0]).stride() != x[0].stride():
        x = _like(x).copy_(x)
    return x.as_strided((x.shape[0], x[0].numel()), (x.stride(0), 1), x.storage_offset())


def _like(i: Tensor) -> Tensor:
    """An empty (T, ...) tensor whose timesteps lie in memory as those of i do."""
    step = torch.empty_like(i[0])
    return torch.empty_strided(i.shape, (step.numel(), *step.stride()), dtype=i.dtype, device=i.device)


def _buffer(i: Tensor) -> Tensor:
    """Room for u: one timestep of i."""
    return torch.empty_like(i[0], dtype=_wide(i))


def _chunks(i: Tensor) -> list[slice]:
    size = CHUNK if i.device.type == "cpu" else max(i[0].numel(), 1)
    return [slice(a, a + size) for a in range(0, i[0].numel(), size)]


def _forward_in_place(i: Tensor, u: Tensor | None, lif: LIF) -> tuple[Tensor, Tensor]:
    s, h = _like(i), _buffer(i)
    flat_i, flat_u, flat_s, flat_h = _flat(i), _flat_start(i, u), _flat(s), _flat(h[None])[0]
    for c in _chunks(i):
        u_c = None if flat_u is None else flat_u[c]
        for i_t, s_t in zip(flat_i[:, c].unbind(0), flat_s[:, c].unbind(0), strict=True):
            h_t = _potential(i_t, u_c, flat_h[c], lif)
            torch.gt(h_t, lif.v_th, out=s_t)
            u_c = _reset(h_t, s_t, flat_h[c], lif)
    return s, h


def _potential(i_t: Tensor, u: Tensor | None, out: Tensor, lif: LIF) -> Tensor:
    """h = beta u + i into `out`; with no u, i itself is h and nothing is written (half precision is widened)."""
    if u is not None:
        return torch.add(i_t, u, alpha=lif.beta, out=out)
    return i_t if i_t.dtype == out.dtype else out.copy_(i_t)


def _reset(h: Tensor, s_t: Tensor, out: Tensor, lif: LIF) -> Tensor:
    """u = h (1 - s) or h - v_th s, into `out`, which may be h."""
    if lif.hard_reset:
        return torch.addcmul(h, h, s_t, value=-1, out=out)
    return torch.sub(h, s_t, alpha=lif.v_th, out=out)


def _backward_in_place(i: Tensor, u: Tensor | None, s: Tensor, grad_s: Tensor, lif: LIF) -> Tensor:
    grad_i, same = _like(i), i.dtype == _buffer(i).dtype
    flat_i, flat_u, flat_s = _flat(i), _flat_start(i, u), _flat(s)
    flat_gs, flat_gi = _flat(_laid_out(grad_s, i)), _flat(grad_i)
    for c in _chunks(i):
        room = flat_gi[:, c] if same else torch.empty_like(flat_gi[:, c], dtype=torch.float32)
        hs = _potentials(flat_i[:, c], None if flat_u is None else flat_u[c], flat_s[:, c], room, lif)
        _gradients(hs, flat_s[:, c], flat_gs[:, c], flat_gi[:, c], lif)      # grad_i itself held h until it is spent
    return grad_i


def _potentials(i: Tensor, u: Tensor | None, s: Tensor, room: Tensor, lif: LIF) -> list[Tensor]:
    """h of every timestep, in `room` (T, M): the forward pass again, its spikes known."""
    hs, after = [], torch.empty_like(room[0])
    for i_t, s_t, room_t in zip(i.unbind(0), s.unbind(0), room.unbind(0), strict=True):
        hs.append(_potential(i_t, u, room_t, lif))
        if len(hs) < len(i):
            u = _reset(hs[-1], s_t, after, lif)
    return hs


def _gradients(hs: list[Tensor], s: Tensor, grad_s: Tensor, grad_i: Tensor, lif: LIF) -> None:
    """grad_h = grad_u (1 - s) + (grad_s - grad_u h) slope(h - v_th); the step before gets grad_u = beta grad_h.

    x is h - v_th, then 1 / slope(x) = (2 / alpha) (1 + (pi alpha x / 2)^2).
    """
    flat, steep = hs[0].new_tensor(2 / lif.alpha), (2 / lif.alpha) * (math.pi / 2 * lif.alpha) ** 2
    x, through, grad_u = (torch.empty_like(hs[0]) for _ in range(3))
    last = len(hs) - 1
    for t in range(last, -1, -1):
        torch.sub(hs[t], lif.v_th, out=x)
        torch.addcmul(flat, x, x, value=steep, out=x)
        if t == last:                                               # no grad_u: nothing comes from later
            torch.div(grad_s[t], x, out=grad_i[t])
        elif lif.hard_reset:
            torch.addcmul(grad_s[t], grad_u, hs[t], value=-1, out=through)
            grad_u.addcmul_(grad_u, s[t], value=-1)
            torch.addcdiv(grad_u, through, x, out=grad_i[t])
        else:
            torch.sub(grad_s[t], grad_u, alpha=lif.v_th, out=through)
            torch.addcdiv(grad_u, through, x, out=grad_i[t])
        if t > 0:
            torch.mul(grad_i[t], lif.beta, out=grad_u)
