"""The asymmetric loss against its formula and against binary cross-entropy."""

import math

import pytest
import torch
from torch.nn import functional as F

from benchmarks.work.methods.asl import asymmetric_loss


def by_the_formula(p: float, y: int, gamma_negative: float, gamma_positive: float, clip: float) -> float:
    """Equations 4 and 5 for one class."""
    if y:
        return float(-((1 - p) ** gamma_positive) * math.log(p))
    shifted = max(p - clip, 0)
    return float(-(shifted**gamma_negative) * math.log(1 - shifted))


@pytest.mark.parametrize(("negative", "positive", "clip"), [(4, 0, 0.05), (2, 1, 0.2), (0, 0, 0), (1, 3, 0)])
def test_loss_is_the_formula(negative: float, positive: float, clip: float) -> None:
    """Summed over classes, mean over images."""
    torch.manual_seed(0)
    logits, targets = 3 * torch.randn(4, 5), torch.randint(2, (4, 5)).float()
    expected = sum(
        by_the_formula(float(torch.sigmoid(x)), int(y), negative, positive, clip)
        for x, y in zip(logits.flatten(), targets.flatten(), strict=True)
    )
    assert float(asymmetric_loss(logits, targets, negative, positive, clip)) == pytest.approx(expected / 4, rel=1e-5)


def test_without_focusing_it_is_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3, requires_grad=True), torch.randint(2, (6, 3)).float()
    ours = asymmetric_loss(logits, targets, 0, 0, 0)
    theirs = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / 6
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-6)
    (mine,), (other,) = torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits)
    assert torch.allclose(mine, other, atol=1e-6)


def test_easy_negatives_cost_nothing() -> None:
    """Below the margin an absent class has neither loss nor gradient."""
    logits = torch.tensor([[math.log(0.04 / 0.96)]], requires_grad=True)
    loss = asymmetric_loss(logits, torch.zeros(1, 1))
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(logits.grad) == 0


@pytest.mark.parametrize("value", [-80.0, 80.0])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_extreme_logits_stay_finite(value: float, clip: float) -> None:
    logits = torch.full((1, 2), value, requires_grad=True)
    loss = asymmetric_loss(logits, torch.tensor([[0.0, 1.0]]), clip=clip)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
