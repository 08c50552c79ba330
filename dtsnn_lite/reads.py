"""What the layers of a network read, behind the pools: by this a chip that looks at spikes is billed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dtsnn_lite.guards import check_whole


@dataclass(frozen=True, eq=False)
class Reads:
    """How full a network's inputs are, layer by layer in the order of `models.layer_shapes`, the first one included.

    densities  (T, L) or (L,): share of a layer's inputs that are not 0, so that their rows conduct; of a grey image all, 1
    awake      of the same shape: share of reads, a tile at a position, in which any row conducts; None: nobody measured it,
               and a bill takes rows for independent (`circuits.awake_share`)
    rows       of the tiles that `awake` was measured on

    >>> Reads(np.array([[1.0, 0.2]]), awake=np.array([[1.0, 0.9]])).awake_on(64)
    array([[1. , 0.9]])
    """

    densities: np.ndarray
    awake: np.ndarray | None = None
    rows: int = 64

    def __post_init__(self) -> None:
        check_whole("rows", self.rows)
        object.__setattr__(self, "densities", checked_shares(self.densities))
        if self.awake is None:
            return
        awake = checked_shares(self.awake)
        if awake.shape != self.densities.shape or (awake < self.densities - 1e-6).any():
            raise ValueError("a tile is awake at least as often as one of its rows spikes, at each timestep and layer; got shares "
                             f"{awake.shape} beside densities {self.densities.shape}")
        object.__setattr__(self, "awake", awake)

    def awake_on(self, rows: int) -> np.ndarray | None:
        """The measured shares of awake reads, if they are of arrays of so many rows; else None."""
        return self.awake if rows == self.rows else None


def as_fired(spike_rates: np.ndarray) -> Reads:
    """The stand-in for what nobody measured: spikes as they leave the layers, rows independent.

    spike_rates  (T, L - 1), as a `Recording` has them; the first layer's input is a grey image
    Too low behind a max-pool, which passes a spike where one of its neurons fires.
    """
    return Reads(spike_rates)


def checked_shares(shares: np.ndarray) -> np.ndarray:
    """Shares in [0, 1], as floats that nobody else can write."""
    given = np.array(shares, dtype=float)
    if not ((given >= 0) & (given <= 1 + 1e-6)).all():          # NaN fails too; a mean of ones may round up
        raise ValueError("a density is a share of spikes, in [0, 1]")
    given = np.minimum(given, 1.0)
    given.setflags(write=False)
    return given


def input_densities(shares: np.ndarray | None, layers: int) -> np.ndarray:
    """Share of each layer's inputs that spike, (T, L).

    shares  (T, L) or (L,); with one layer less, the first layer's input is an image: every row conducts. None: half of all inputs
    """
    given = np.full(layers, 0.5) if shares is None else checked_shares(shares)
    rates = np.atleast_2d(given)
    if rates.ndim == 2 and rates.shape[1] == layers - 1:
        rates = np.column_stack([np.ones(len(rates)), rates])
    if rates.ndim != 2 or rates.shape[1] != layers or len(rates) == 0:
        raise ValueError(f"what is read are {layers} densities (or {layers - 1}) a timestep; got {given.shape}")
    return rates
