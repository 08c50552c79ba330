"""What an inference costs: energy, latency and EDP of each image, with the parts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class StepCost:
    """Energy and latency that are affine in the number of timesteps.

    E(t) = fixed_pj + step_pj t,   D(t) = fixed_ns + step_ns t
    parts: picojoules a timestep by part; they add up to step_pj
    """

    fixed_pj: float
    step_pj: float
    fixed_ns: float
    step_ns: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ExitCheckCost:
    """One run of the digital block that decides to stop (entropy module), a timestep and image."""

    energy_pj: float
    latency_ns: float


@dataclass(frozen=True, eq=False)
class Bill:
    """What each image cost: energy_pj (N,), latency_ns (N,)."""

    energy_pj: np.ndarray
    latency_ns: np.ndarray

    @property
    def edp_pj_ns(self) -> np.ndarray:
        """Energy-delay product of each image, (N,); its mean is E[E D], what the papers report."""
        return self.energy_pj * self.latency_ns

    @property
    def edp_of_means_pj_ns(self) -> float:
        """E[E] E[D]: smaller than E[E D], since both grow with the same t_hat."""
        return float(self.energy_pj.mean() * self.latency_ns.mean())


def inference_cost(t_hat: np.ndarray, step: StepCost, check: ExitCheckCost | None = None) -> Bill:
    """The bill of a run: t_hat (N,) timesteps each, with the exit check (dynamic) or without (static).

    energy = fixed_pj + (step_pj + check_pj) t_hat, and latency alike
    """
    t = np.asarray(t_hat)
    if t.size == 0 or not np.issubdtype(t.dtype, np.integer) or t.min() < 1:
        raise ValueError("t_hat holds whole timesteps, 1 or more, one an image")
    check_pj, check_ns = (check.energy_pj, check.latency_ns) if check else (0.0, 0.0)
    return Bill(step.fixed_pj + (step.step_pj + check_pj) * t, step.fixed_ns + (step.step_ns + check_ns) * t)


def static_cost(timesteps: int, step: StepCost) -> Bill:
    """The bill of one image in the static network: `timesteps` steps and no exit check."""
    return inference_cost(np.array([timesteps]), step)


def steps_squared_ratio(t_hat: np.ndarray, timesteps: int) -> float:
    """(mean T_hat / T)^2: the EDP ratio if energy were proportional and every image average."""
    return float((np.mean(t_hat) / timesteps) ** 2)
