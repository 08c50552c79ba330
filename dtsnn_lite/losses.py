"""The running mean f_t, and losses on the last f_T or on every prefix."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def running_mean(logits: Tensor) -> Tensor:
    """f_t = (1/t) sum_{s<=t} logits_s: (T, B, K) -> (T, B, K), maps (T, B, K, H, W) alike. (DT-SNN, Eq. 1)

    >>> logits = torch.tensor([[[1.0, 0.0]], [[3.0, 1.0]]])         # two timesteps, one image, two classes
    >>> running_mean(logits)[:, 0]
    tensor([[1.0000, 0.0000],
            [2.0000, 0.5000]])
    """
    t = torch.arange(1, len(logits) + 1, device=logits.device, dtype=logits.dtype)
    return logits.cumsum(dim=0) / t.view(-1, *(1,) * (logits.dim() - 1))


def mean_output_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """CE(f_T, z): only the answer after T timesteps is trained."""
    return F.cross_entropy(logits.mean(dim=0), labels)


def prefix_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(1/T) sum_t CE(f_t, z): every prefix is trained, so that every exit is worth taking."""
    f = running_mean(logits)
    return F.cross_entropy(f.flatten(0, 1), labels.repeat(len(f)))


def tet_loss(logits: Tensor, labels: Tensor, weight: float = 1e-3) -> Tensor:
    """(1 - w) (1/T) sum_t CE(logits_t, z) + w MSE(logits, 1): each step alone (the papers' public code)."""
    each = F.cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)))
    return (1 - weight) * each + weight * (logits - 1).square().mean()
