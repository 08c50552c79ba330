"""What cells conduct once they are programmed: they leak when off, are stuck, vary, and drift."""

from __future__ import annotations

import torch
from torch import Tensor

from dtsnn_lite.flaws import Flaws, PowerLawDrift


def cells_differ(flaws: Flaws) -> bool:
    """Whether cells are programmed to, or drift to, other conductances than they should have."""
    return bool(flaws.variation or flaws.stuck) or flaws.on_off != float("inf") or drifts(flaws.drift)


def drifts(drift: PowerLawDrift) -> bool:
    """Whether time has changed anything."""
    return drift.seconds > drift.from_seconds and bool(drift.exponent or drift.spread)


def conductances(wanted: Tensor, top: int, flaws: Flaws, dice: torch.Generator) -> Tensor:
    """Cells of one side of the pairs, in on-cell currents: g = (off + wanted (1 - 1 / on_off)) (1 + variation) (t / t0)^-nu.

    wanted  whole numbers, 0 to `top`; off = top / on_off
    """
    off = top / flaws.on_off
    g, is_off = off + wanted * (1 - 1 / flaws.on_off), wanted == 0
    if flaws.stuck:
        draw = torch.rand(g.shape, generator=dice).to(g.device)
        on, dead = draw < flaws.stuck / 2, (draw >= flaws.stuck / 2) & (draw < flaws.stuck)
        g, is_off = torch.where(on, top, torch.where(dead, off, g)), is_off & ~on | dead
    if flaws.off_variation:
        logs = flaws.off_variation * torch.randn(g.shape, generator=dice).to(g.device)
        g = torch.where(is_off, g * torch.exp(logs - flaws.off_variation ** 2 / 2), g)
    if flaws.variation:
        g = (g * (1 + flaws.variation * torch.randn(g.shape, generator=dice).to(g.device))).clamp_(min=0)
    if drifts(drift := flaws.drift):
        nu = (drift.exponent + drift.spread * torch.randn(g.shape, generator=dice).to(g.device)).clamp_(min=0)
        g = g * (drift.seconds / drift.from_seconds) ** -nu
    return g
