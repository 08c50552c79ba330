"""An ANN on the same crossbars: its activations are read bit by bit, as a spiking network's timesteps are.

T spikes tell T + 1 counts apart, so that an ANN of b = ceil(log2(T + 1)) bits says as much in b reads as a spiking
network in T (yan2024reconsidering).
"""

from __future__ import annotations

import numpy as np

from dtsnn_lite.guards import check_whole


def bits_of(timesteps: int) -> int:
    """Bits that tell the counts of T timesteps apart: b = ceil(log2(T + 1)).

    >>> [bits_of(timesteps) for timesteps in (1, 2, 3, 4, 7, 8)]
    [1, 2, 2, 3, 3, 4]
    """
    check_whole("timesteps", timesteps)
    return timesteps.bit_length()


def bit_rates(codes: np.ndarray, bits: int) -> np.ndarray:
    """Share of ones in each bit of whole numbers, the lowest bit first, (bits,).

    >>> bit_rates(np.array([0, 1, 3, 4]), bits=3)                   # 000 001 011 100
    array([0.5 , 0.25, 0.25])
    """
    check_whole("bits", bits, 1, 16)
    codes = np.asarray(codes)
    if codes.size == 0 or codes.min() < 0 or codes.max() >= 2 ** bits or (codes != codes.astype(np.int64)).any():
        raise ValueError(f"codes of {bits} bits are whole numbers in [0, {2 ** bits - 1}]; got {codes.dtype} "
                         + (f"from {codes.min()} to {codes.max()}" if codes.size else "and none of them"))
    whole = codes.astype(np.int64).ravel()
    return np.array([(whole >> bit & 1).mean() for bit in range(bits)])
