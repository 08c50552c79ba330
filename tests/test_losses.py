"""The running mean and the three losses, by hand and against each other."""

import math

import pytest
import torch
import torch.nn.functional as F

from dtsnn_lite.losses import mean_output_loss, prefix_loss, running_mean, tet_loss

LOGITS = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def test_the_running_mean_by_hand():
    logits = torch.tensor([[[1.0, 0.0]], [[3.0, 4.0]], [[2.0, 2.0]]])
    assert running_mean(logits).squeeze(1).tolist() == [[1, 0], [2, 2], [2, 2]]


def test_the_running_mean_is_the_mean_of_each_prefix():
    f = running_mean(LOGITS)
    for t in range(4):
        torch.testing.assert_close(f[t], LOGITS[:t + 1].mean(dim=0))


def test_the_loss_of_an_undecided_network_is_log_K():
    for loss in (mean_output_loss, prefix_loss):
        assert loss(torch.zeros(3, 2, 5), torch.tensor([1, 4])).item() == pytest.approx(math.log(5))


def test_the_prefix_loss_is_the_mean_over_every_exit():
    by_hand = sum(F.cross_entropy(LOGITS[:t].mean(dim=0), LABELS) for t in range(1, 5)) / 4
    torch.testing.assert_close(prefix_loss(LOGITS, LABELS), by_hand)


def test_with_one_timestep_mean_and_prefix_loss_are_one():
    torch.testing.assert_close(mean_output_loss(LOGITS[:1], LABELS), prefix_loss(LOGITS[:1], LABELS))


def test_only_the_prefix_loss_pulls_harder_on_early_timesteps():
    x = LOGITS.clone().requires_grad_()
    mean_output_loss(x, LABELS).backward()
    torch.testing.assert_close(x.grad[0], x.grad[3])
    x.grad = None
    prefix_loss(x, LABELS).backward()
    assert x.grad[0].abs().sum() > 2 * x.grad[3].abs().sum()


def test_the_tet_loss_by_hand():
    each = sum(F.cross_entropy(step, LABELS) for step in LOGITS) / 4
    by_hand = 0.9 * each + 0.1 * ((LOGITS - 1) ** 2).mean()
    torch.testing.assert_close(tet_loss(LOGITS, LABELS, weight=0.1), by_hand)


def test_a_mean_of_losses_is_at_least_the_loss_of_the_mean():
    assert tet_loss(LOGITS, LABELS, weight=0.0) >= mean_output_loss(LOGITS, LABELS)      # Jensen
