"""Intervals and tests by hand, against scipy and against printed tables."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.metrics.statistics import (
    Proportion,
    contrast,
    holm,
    mcnemar,
    mcnemar_detectable,
    median_interval,
    wilson,
)

# n: the largest k for which the k-th smallest and k-th greatest of n hold the median at 95 %, as binomial tables print.
ORDER = {6: 1, 7: 1, 8: 1, 9: 2, 10: 2, 12: 3, 15: 4, 20: 6, 25: 8, 30: 10, 50: 18, 100: 40}


def test_wilson_by_hand() -> None:
    """With z = 1.959964: 0 of 10 reaches z^2 / (10 + z^2) = 3.841459 / 13.841459.

    8 of 10: (8 + z^2 / 2 +- z sqrt(10 * 0.8 * 0.2 + z^2 / 4)) / (10 + z^2) = (9.920729 +- 3.136166) / 13.841459.
    """
    assert wilson(0, 10) == Proportion(0.0, 0.0, pytest.approx(0.277533, abs=1e-6), 10)
    assert wilson(10, 10) == Proportion(1.0, pytest.approx(0.722467, abs=1e-6), 1.0, 10)
    assert wilson(8, 10) == Proportion(0.8, pytest.approx(0.490162, abs=1e-6), pytest.approx(0.943318, abs=1e-6), 10)


@pytest.mark.parametrize(
    ("successes", "n", "confidence"), [(0, 1, 0.95), (1, 3, 0.9), (39_480, 50_000, 0.95), (7, 7, 0.99)]
)
def test_wilson_equals_scipy(successes: int, n: int, confidence: float) -> None:
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    ours = wilson(successes, n, confidence)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_impossible_proportions_are_refused() -> None:
    with pytest.raises(ValueError, match="0 cases is unknown"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="11 successes of 10"):
        wilson(11, 10)
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 10, 95)


@pytest.mark.parametrize(("count", "k"), ORDER.items())
def test_median_interval(count: int, k: int) -> None:
    samples = [float((7 * number) % 101) for number in range(count)]
    ordered = sorted(samples)
    median, low, high = median_interval(samples)
    assert (low, high) == (ordered[k - 1], ordered[-k])
    assert low <= median <= high
    # The chance that at most k - 1 of n coins show heads, from both sides, is what the interval leaves out.
    outside = [2 * sum(math.comb(count, heads) for heads in range(size)) / 2**count for size in (k, k + 1)]
    assert outside[0] <= 0.05 < outside[1]


def test_the_medians_interval_is_that_of_the_binomial() -> None:
    """Of 20 values the 6th and the 15th (Conover, table A4), of three their range."""
    assert median_interval([float(number) for number in range(20)])[1:] == (5.0, 14.0)
    assert median_interval([3.0, 1.0, 2.0])[1:] == (1.0, 3.0)


def test_median_interval_of_few() -> None:
    assert median_interval([3.0]) == (3, 3, 3)
    assert median_interval([4.0, 1.0, 2.0, 3.0]) == (2.5, 1, 4)
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], confidence=0.5) == (3.5, 2, 5)
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 1), (10, 10), (40, 15), (15, 40)])
def test_mcnemar_is_the_binomial_test(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses, 0.5).pvalue if wins + losses else 1.0
    assert mcnemar(wins, losses) == pytest.approx(expected)


@pytest.mark.parametrize("discordant", [0, 5, 6, 25, 100])
def test_the_smallest_difference_that_can_be_told(discordant: int) -> None:
    """One discordant image less, and the same split is not significant."""
    excess = mcnemar_detectable(discordant)
    if excess > discordant:
        assert mcnemar(discordant, 0) >= 0.05
    else:
        assert mcnemar((discordant + excess) // 2, (discordant - excess) // 2) < 0.05
        assert mcnemar((discordant + excess) // 2 - 1, (discordant - excess) // 2 + 1) >= 0.05


def test_a_difference_by_hand() -> None:
    """Of ten images the first network has three more right, the second one more."""
    first = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)
    second = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    found = contrast([1, -1], [first, second])
    assert found.value == pytest.approx(0.2)
    assert found.p == pytest.approx(2 * (1 + 4) / 16)
    assert found.low < 0.2 < found.high
    assert found.test == "McNemar, exact"


def test_a_drop_against_a_drop() -> None:
    """(a - b) - (c - d): per image by hand."""
    rng = np.random.default_rng(0)
    a, b, c, d = (rng.random(500) < share for share in (0.9, 0.5, 0.9, 0.8))
    found = contrast([1, -1, -1, 1], [a, b, c, d])
    assert found.value == pytest.approx((a.mean() - b.mean()) - (c.mean() - d.mean()))
    assert found.p < 1e-6
    assert found.test == "z of the mean"


@pytest.mark.parametrize(
    ("weights", "sizes", "message"),
    [([1, -1], (3, 4), "same images"), ([1, 1], (3, 3), "summing to zero"), ([1, -1], (0, 0), "at least one")],
)
def test_bad_contrasts(weights: list[float], sizes: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrast(weights, [np.zeros(size, bool) for size in sizes])


def test_holms_correction_by_hand() -> None:
    """Of 0.01, 0.04 and 0.03: 3 x 0.01, 2 x 0.03, then no smaller than that."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
