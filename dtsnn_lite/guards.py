"""Checks of arguments: what is no count, no learning rate, no label and no exit step is refused with its likely cause."""

from __future__ import annotations

import math

import numpy as np


def check_whole(what: str, value: object, least: int = 1, most: int | None = None) -> None:
    """Refuses what is no count."""
    if not isinstance(value, int | np.integer) or value < least or most is not None and value > most:
        span = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{what} is a whole number, {span}; got {value!r}")


def check_rate(what: str, value: float) -> None:
    """Refuses a learning rate that learns nothing, or NaN."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{what} is a finite learning rate above 0; got {value}")


def checked_labels(labels: np.ndarray, images: int, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (images,):
        raise ValueError(f"labels is ({images},), one an image; got shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels are class numbers (integers); got {labels.dtype}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels lie in [0, {classes}); got {labels.min()} to {labels.max()}")
    return labels.astype(np.intp)


def checked_steps(t_hat: np.ndarray, images: int | None = None, timesteps: int | None = None) -> np.ndarray:
    """t_hat itself, if it holds exit steps: whole numbers from 1 (up to T), one an image."""
    t_hat = np.asarray(t_hat)
    if t_hat.size == 0 or not np.issubdtype(t_hat.dtype, np.integer) or t_hat.min() < 1:
        raise ValueError("t_hat holds whole timesteps, 1 or more, one an image")
    if images is not None and t_hat.shape != (images,):
        raise ValueError(f"t_hat is ({images},), one exit step an image; got shape {t_hat.shape}")
    if timesteps is not None and t_hat.max() > timesteps:
        raise ValueError(f"t_hat lies in 1 to T = {timesteps}; got {t_hat.max()}: was it made for another T?")
    return t_hat
