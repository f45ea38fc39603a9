"""What scores of several classes at once are worth: mean average precision, overall and per-class F1, with intervals.

Scores and targets are arrays (N, K): probabilities, and ones for the classes that an image shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 200
SEED = 2022

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval over images, all from 0 to 1.

    Attributes:
        value: Of all images.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def average_precision(scores: Floats, targets: Floats, weights: Floats | None = None) -> Floats:
    """Area under each class's precision-recall curve: the sum of precision times the gain in recall.

    Images of one score come in together, as in scikit-learn's ``average_precision_score``.

    Args:
        scores: (N, K).
        targets: (N, K).
        weights: How often each image counts (N,); None counts each once.

    Returns:
        (K,), nan for a class that no image shows.
    """
    counted = np.ones(len(scores)) if weights is None else weights
    return np.array([precision_of_class(scores[:, k], targets[:, k], counted) for k in range(scores.shape[1])])


def precision_of_class(scores: Floats, targets: Floats, weights: Floats) -> float:
    """Average precision of one class; see :func:`average_precision`."""
    order = np.argsort(-scores, kind="stable")
    hits, seen = np.cumsum((targets * weights)[order]), np.cumsum(weights[order])
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    # Only where the score changes is there a threshold.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, seen = hits[ends], seen[ends]
    gained = np.diff(hits, prepend=0.0)
    return float((gained[gained > 0] * (hits / np.maximum(seen, 1e-12))[gained > 0]).sum() / hits[-1])


def f1_scores(scores: Floats, targets: Floats, threshold: float, weights: Floats | None = None) -> tuple[float, float]:
    """Overall F1 (of all decisions together) and per-class F1 (of the mean precision and mean recall of classes).

    A class that is never predicted has a precision of 0 in the mean, as is usual for these two; one that no image
    shows is left out. The other average over classes is :func:`mean_class_f1`.

    Args:
        scores: (N, K).
        targets: (N, K).
        threshold: A class counts as present above it.
        weights: As for :func:`average_precision`.
    """
    right, said, true = decisions(scores, targets, threshold, weights)
    overall = harmonic(ratio(right.sum(), said.sum()), ratio(right.sum(), true.sum()))
    shown = true > 0
    precision = np.array([ratio(a, b) for a, b in zip(right[shown], said[shown], strict=True)])
    recall = right[shown] / true[shown]
    return overall, harmonic(float(precision.mean()), float(recall.mean())) if shown.any() else float("nan")


def mean_class_f1(scores: Floats, targets: Floats, threshold: float, weights: Floats | None = None) -> float:
    """Per-class F1 as the validation of the asymmetric loss's authors averages it: the mean of the classes' own F1.

    A class without a right decision has 0, be it never predicted or always wrong; one that no image shows is left out.

    Args:
        scores: (N, K).
        targets: (N, K).
        threshold: A class counts as present above it.
        weights: As for :func:`average_precision`.
    """
    right, said, true = decisions(scores, targets, threshold, weights)
    shown = true > 0
    return float((2 * right[shown] / (said[shown] + true[shown])).mean()) if shown.any() else float("nan")


def decisions(
    scores: Floats, targets: Floats, threshold: float, weights: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Of each class (K,) how often it was rightly said to be present, said to be, and present."""
    counted = np.ones(len(scores)) if weights is None else weights
    said = (scores > threshold) * counted[:, None]
    return (said * targets).sum(0), said.sum(0), (targets * counted[:, None]).sum(0)


def ratio(part: float, whole: float) -> float:
    """``part / whole``, 0 of nothing."""
    return float(part / whole) if whole else 0.0


def harmonic(a: float, b: float) -> float:
    """The harmonic mean, 0 if both are."""
    return 2 * a * b / (a + b) if a + b else 0.0


def measures(scores: Floats, targets: Floats, threshold: float, weights: Floats | None = None) -> dict[str, float]:
    """``map``, ``f1_overall``, ``f1_class`` (of mean precision and recall) and ``f1_class_mean`` (mean of F1s).

    All from 0 to 1; classes that no image shows are left out.
    """
    precisions = average_precision(scores, targets, weights)
    known = precisions[~np.isnan(precisions)]
    overall, by_class = f1_scores(scores, targets, threshold, weights)
    return {
        "map": float(known.mean()) if len(known) else float("nan"),
        "f1_overall": overall,
        "f1_class": by_class,
        "f1_class_mean": mean_class_f1(scores, targets, threshold, weights),
    }


def estimates(scores: Floats, targets: Floats, threshold: float, resamples: int = RESAMPLES) -> Mapping[str, Estimate]:
    """The measures with 95 % bootstrap intervals: images drawn with replacement, the same draws for every network.

    Args:
        scores: (N, K).
        targets: (N, K).
        threshold: A class counts as present above it.
        resamples: How often images are drawn.

    Raises:
        ValueError: Arrays of different shapes, no image, values that are not finite, or targets other than 0 and 1.
    """
    if scores.shape != targets.shape or scores.ndim != 2 or not len(scores):
        raise ValueError(f"scores and targets must be (N, K) with N above 0, got {scores.shape} and {targets.shape}")
    if not np.isfinite(scores).all() or not np.isin(targets, (0, 1)).all():
        raise ValueError("scores must be finite and targets 0 or 1; was the network's output finite?")
    scores, targets = scores.astype(np.float64), targets.astype(np.float64)
    value = measures(scores, targets, threshold)
    rng = np.random.default_rng(SEED)
    shares = np.full(len(scores), 1 / len(scores))
    draws = [
        measures(scores, targets, threshold, rng.multinomial(len(scores), shares).astype(np.float64))
        for _ in range(resamples)
    ]
    by_measure = {}
    for name, estimate in value.items():
        low, high = np.nanquantile([draw[name] for draw in draws], (0.025, 0.975))
        by_measure[name] = Estimate(estimate, float(low), float(high))
    return by_measure
