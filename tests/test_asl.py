"""The asymmetric loss against its formula and against binary cross-entropy."""

import math
from decimal import Decimal, localcontext

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


LOGITS = (-100.0, -60.0, -30.0, -10.0, -3.0, -2.9, -1.0, 0.0, 0.7, 3.0, 10.0, 30.0, 60.0, 100.0)
GAMMAS = (0.0, 0.5, 1.0, 4.0)
CLIPS = (0.0, 0.05)
STEP = Decimal(10) ** -40


def exact_loss(x: Decimal, y: int, gamma: float, clip: float) -> Decimal:
    """Equations 4 and 5 for one class in as many digits as the context has."""
    present, absent = 1 / (1 + (-x).exp()), 1 / (1 + x.exp())
    if y:
        return -(absent ** Decimal(gamma)) * present.ln()
    shifted = present - Decimal(clip)
    return -(shifted ** Decimal(gamma)) * (1 - shifted).ln() if shifted > 0 else Decimal(0)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("y", [0, 1])
def test_losses_and_gradients_are_exact_however_far_logits_reach(y: int, gamma: float, clip: float) -> None:
    """In float64 against the formula in 250 digits, its slope by differences; never 0 where it is not."""
    logits = torch.tensor([LOGITS], dtype=torch.float64).T.requires_grad_()
    losses = [asymmetric_loss(one[None], torch.full((1, 1), float(y)), gamma, gamma, clip) for one in logits]
    (slopes,) = torch.autograd.grad(torch.stack(losses).sum(), logits)
    with localcontext() as context:
        context.prec = 250
        for x, loss, slope in zip(LOGITS, losses, slopes[:, 0].tolist(), strict=True):
            above, below = (exact_loss(Decimal(x) + side * STEP, y, gamma, clip) for side in (1, -1))
            assert loss.item() == pytest.approx(float((above + below) / 2), rel=1e-11, abs=0)
            assert slope == pytest.approx(float((above - below) / (2 * STEP)), rel=1e-11, abs=0)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_gradients_stay_finite_in_the_precisions_of_training(precision: torch.dtype, gamma: float, clip: float) -> None:
    logits = torch.tensor([LOGITS, LOGITS], dtype=precision, requires_grad=True)
    targets = torch.stack([torch.zeros(len(LOGITS)), torch.ones(len(LOGITS))])
    loss = asymmetric_loss(logits, targets, gamma, gamma, clip)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, -1] > 0.4 if clip == 0 else logits.grad[0, LOGITS.index(0.7)] > 0
    assert logits.grad[1, 0] < -0.4


def test_at_the_margin_the_power_has_no_slope() -> None:
    """The square root's slope is infinite at 0, where the margin leaves nothing; the loss's is not."""
    at_margin = torch.tensor([[math.log(0.05 / 0.95)]], dtype=torch.float64)
    for away in (-1e-3, -1e-12, 0.0, 1e-12, 1e-3):
        logits = (at_margin + away).requires_grad_()
        (slope,) = torch.autograd.grad(asymmetric_loss(logits, torch.zeros(1, 1), 0.5, 0, 0.05), logits)
        assert 0 <= slope.item() < 1e-2
