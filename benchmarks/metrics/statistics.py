"""Shares, medians and ratios with their intervals, and tests of differences with their correction: pure functions."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit
from scipy.stats import binom, norm

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """A share of n cases.

    Attributes:
        value: Successes over n, 0 to 1.
        low: Lower end of the interval, 0 to 1.
        high: Upper end of the interval, 0 to 1.
        n: Number of cases.
    """

    value: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, confidence: float = 0.95) -> Proportion:
    """Share of successes with Wilson's score interval (Wilson 1927), without continuity correction.

    Args:
        successes: Number of successes, 0 to n.
        n: Number of cases.
        confidence: Probability that such intervals cover the true share, between 0 and 1.

    Raises:
        ValueError: No cases, an impossible number of successes, or an impossible confidence.
    """
    if n < 1:
        raise ValueError(f"a proportion of {n} cases is unknown; pass n of 1 or more")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cases; pass 0 to n")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}; pass a probability between 0 and 1, such as 0.95")
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    center = (successes + z**2 / 2) / (n + z**2)
    half = z * (successes * (n - successes) / n + z**2 / 4) ** 0.5 / (n + z**2)
    # Rounding must not move the ends past 0 and 1, which the interval reaches exactly.
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == n else center + half
    return Proportion(successes / n, low, high, n)


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Median of samples and a distribution-free interval of it, as (median, low, high) in the samples' unit.

    Of n sorted samples the k-th from either end are the interval's ends, with the largest k for which the binomial
    chance that the true median lies between them is at least ``confidence``. Too few samples (at 0.95 fewer than 6)
    allow no such k: the interval is then from the least to the greatest, and its confidence is lower.

    Raises:
        ValueError: No samples.
    """
    if not samples:
        raise ValueError("a median needs at least one sample")
    ordered = sorted(samples)
    count = len(ordered)
    outside, k = 0.0, 0
    while 2 * k < count:
        outside += 2 * math.comb(count, k) / 2**count
        if 1 - outside < confidence:
            break
        k += 1
    k = max(k, 1)
    return statistics.median(ordered), ordered[k - 1], ordered[count - k]


def paired_ratio(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """The ratio a / b of quantities that were sampled in turn, and the half-width of its 95 % interval, relative.

    Pairs of one round share what the machine did meanwhile. The ratio is the geometric mean over rounds, its interval
    Student's t of the log ratios; of a single round nothing is known, and the half-width is infinite.

    Raises:
        ValueError: Unequal numbers of samples, or none.
    """
    logs = [math.log(x / y) for x, y in zip(a, b, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(mean), math.inf
    t = float(stdtrit(len(logs) - 1, 0.975))
    return math.exp(mean), math.expm1(t * statistics.stdev(logs) / math.sqrt(len(logs)))


class Difference(NamedTuple):
    """A difference of shares on the same images.

    Attributes:
        value: The mean over images, as a share (0.01 is a point).
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Of a two-sided test against no difference.
        detectable: The smallest difference that would have been told from none at the 5 % level here.
        n: Images, over all seeds.
        test: Its name.
    """

    value: float
    low: float
    high: float
    p: float
    detectable: float
    n: int
    test: str


def contrast(weights: Sequence[float], outcomes: Sequence[Bools]) -> Difference:
    """A weighted sum of networks' outcomes on the same images, averaged over these.

    For two networks against each other the test is McNemar's, exact (binomial); for longer sums such as the drop of one
    network against that of another it is the z test of the mean. Intervals are the mean's (Wald).

    Args:
        weights: One for each network, summing to zero.
        outcomes: Whether each image was right, by network; of several seeds one after the other.

    Raises:
        ValueError: No image, unequal numbers of images, or weights that do not sum to zero.
    """
    if len(weights) != len(outcomes) or abs(sum(weights)) > 1e-9:
        raise ValueError(f"a contrast needs a weight for each network, summing to zero; got {list(weights)}")
    sizes = {len(one) for one in outcomes}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"outcomes must be of the same images, at least one; got {sorted(sizes)}")
    by_image: Floats = np.sum([w * one for w, one in zip(weights, outcomes, strict=True)], axis=0, dtype=np.float64)
    n = len(by_image)
    mean, error = float(by_image.mean()), float(by_image.std()) / math.sqrt(n)
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    if sorted(weights) == [-1, 1]:
        wins, losses = int((by_image > 0).sum()), int((by_image < 0).sum())
        p, detectable, test = mcnemar(wins, losses), mcnemar_detectable(wins + losses) / n, "McNemar, exact"
    else:
        p, detectable, test = (float(2 * norm.sf(abs(mean) / error)) if error else 1.0), half, "z of the mean"
    return Difference(mean, mean - half, mean + half, p, detectable, n, test)


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided p of McNemar's exact test: whether ``wins`` of ``wins + losses`` discordant images are half of them."""
    return min(1.0, 2 * float(binom.cdf(min(wins, losses), wins + losses, 0.5)))


def mcnemar_detectable(discordant: int) -> int:
    """Smallest number of images by which wins must exceed losses to be told at the 5 % level; one more if none can."""
    for excess in range(discordant % 2, discordant + 1, 2):
        if mcnemar((discordant - excess) // 2, (discordant + excess) // 2) < 1 - CONFIDENCE:
            return excess
    return discordant + 1


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values of all tests at once, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
