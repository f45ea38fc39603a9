"""Shares, medians and effects with their intervals, tests of effects, and what a decision would take: pure functions.

What statsmodels has comes from it. It is imported where it is needed, for that takes a second.
"""

import bisect
import gc
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from statsmodels.stats.weightstats import DescrStatsW

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
LEVEL = 0.05
POWER = 0.8
# Above so many units of what varies nothing is said to be decidable; nobody trains from more seeds.
MOST_UNITS, MOST_SEEDS = 1_000_000, 1_000
# The largest distance in standard deviations for which powers are computed; beyond it they overflow.
LARGEST_SIZE = 10.0


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
    return Proportion(successes / n, *score_interval(successes, n, confidence), n)


def score_interval(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval; also of clustered cases, which are worth a fraction of so many independent ones."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, 1 - confidence, method="wilson")
    # Its ends at none and at all, without what rounding leaves.
    return 0.0 if successes == 0 else float(low), 1.0 if successes == n else float(high)


def clustered(hits: Bools, clusters: Sequence[int]) -> Proportion:
    """Share of successes among cases that are not independent: images that show the same source, say.

    Wilson's interval for as many independent cases as would give the variance that the clusters give (the sandwich
    estimate, with the factor G / (G - 1) for G clusters); never for more than there are.

    Args:
        hits: Whether each case is a success (n,).
        clusters: The cluster that each case belongs to (n,).

    Raises:
        ValueError: No case, or not a cluster for each.
    """
    if len(hits) != len(clusters) or not len(hits):
        raise ValueError(f"got {len(hits)} cases in {len(clusters)} clusters; pass one cluster for each, at least one")
    n, share = len(hits), float(np.mean(hits))
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(place, weights=np.asarray(hits, np.float64) - share)
    groups = len(sums)
    if groups == n:
        return wilson(int(np.sum(hits)), n)
    variance = float((sums**2).sum()) / n**2 * groups / max(1, groups - 1)
    effective = float(n) if variance == 0 else min(float(n), share * (1 - share) / variance)
    return Proportion(share, *score_interval(share * effective, effective, 1 - LEVEL), n)


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


@dataclass(frozen=True)
class Design:
    """What a test that is still to be made is to reach.

    Attributes:
        level: At which it is made.
        power: Probability that it decides, if what was measured is the truth.
    """

    level: float = LEVEL
    power: float = POWER


USUAL = Design()


@dataclass(frozen=True)
class Effect:
    """A mean of differences, taken from units that vary independently.

    Attributes:
        values: The differences that occur.
        counts: How often each does; halves where pseudo-units were added.
        unit: What varies: ``seeds``, ``images`` or ``rounds``.
        n: Units.
        bias: What the mean may be off by besides, either way, however many units there are.
    """

    values: Floats
    counts: Floats
    unit: str
    n: int
    bias: float = 0.0

    @cached_property
    def sample(self) -> "DescrStatsW":
        """The sample as statsmodels has it; its degrees of freedom are one less than there are units."""
        from statsmodels.stats.weightstats import DescrStatsW

        return DescrStatsW(self.values, self.counts, ddof=0)

    @property
    def value(self) -> float:
        """The mean."""
        return float(self.sample.mean)

    @property
    def spread(self) -> float:
        """Standard deviation of one unit; unknown (nan) of a single one."""
        return float(self.sample.std_ddof(1)) if self.n > 1 else math.nan

    def interval(self, confidence: float = 1 - LEVEL) -> tuple[float, float]:
        """Student's interval of the mean; unbounded from a single unit."""
        if self.n < 2:
            return -math.inf, math.inf
        low, high = (self.value, self.value) if self.spread == 0 else self.sample.tconfint_mean(1 - confidence)
        return float(low) - self.bias, float(high) + self.bias

    def p_above(self, bound: float) -> float:
        """One-sided p of the mean being above a bound (Student's t); 1 from a single unit."""
        if self.n < 2:
            return 1.0
        bound = bound + self.bias
        if self.spread == 0:
            return 0.0 if self.value > bound else 1.0
        return float(self.sample.ttest_mean(bound, alternative="larger")[1])

    def p_below(self, bound: float) -> float:
        """One-sided p of the mean being below a bound."""
        if self.n < 2:
            return 1.0
        bound = bound - self.bias
        if self.spread == 0:
            return 0.0 if self.value < bound else 1.0
        return float(self.sample.ttest_mean(bound, alternative="smaller")[1])

    def p_within(self, low: float, high: float) -> float:
        """The p of equivalence: two one-sided tests against the bounds (Schuirmann 1987); the larger of both."""
        return max(self.p_above(low), self.p_below(high))

    @property
    def most(self) -> int:
        """Units above which nothing is said to be decidable."""
        return MOST_SEEDS if self.unit == "seeds" else MOST_UNITS

    def to_tell(self, bound: float, design: Design = USUAL) -> int | None:
        """Units that show on which side of a bound the mean lies, if it is as measured, see :func:`units_to_tell`."""
        return self.feasible(units_to_tell(abs(self.value - bound) - self.bias, self.spread, design))

    def to_leave(self, low: float, high: float, design: Design = USUAL) -> int | None:
        """Units that show that the mean lies outside of two bounds; None where it lies within."""
        gaps = {low: low - self.value, high: self.value - high}
        outside = [bound for bound, gap in gaps.items() if gap > 0]
        return self.to_tell(outside[0], design) if outside else None

    def to_equate(self, low: float, high: float, design: Design = USUAL) -> int | None:
        """Units that show that the mean lies between two bounds, if it is as measured, see :func:`units_to_equate`."""
        return self.feasible(units_to_equate(self.value, (low + self.bias, high - self.bias), self.spread, design))

    def feasible(self, units: int | None) -> int | None:
        """So many units; None where nobody could have them."""
        return None if units is None or units > self.most else units


def over(differences: Sequence[float], unit: str, step: float = 0.0) -> Effect:
    """The effect of one difference for each unit: paired by seed, or by round.

    Args:
        differences: One for each unit.
        unit: What varies.
        step: The least by which a unit can differ from another, such as one image. Units that are all equal are known
            no better than that: half of them then lie half a step above, half of them below.

    Raises:
        ValueError: No difference, or one that is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an effect needs finite differences, at least one; got {list(differences)}")
    count = len(values)
    if step and count > 1 and np.ptp(values) == 0:
        return Effect(values[0] + np.array([-step / 2, step / 2]), np.full(2, count / 2), unit, count)
    return Effect(values, np.ones(count), unit, count)


def by_image(weights: Sequence[float], outcomes: Sequence[Bools]) -> Effect:
    """A weighted sum of networks' outcomes on the same images, averaged over these.

    Two pseudo-images, half a win and half a loss of the largest size and one without, are added as Agresti and Min
    (2005) do for two paired shares: otherwise a sample in which no image tells two networks apart would leave no doubt.

    Args:
        weights: One for each network, summing to zero.
        outcomes: Whether each image was right, by network.

    Raises:
        ValueError: No image, unequal numbers of images, or weights that do not sum to zero.
    """
    if len(weights) != len(outcomes) or abs(sum(weights)) > 1e-9:
        raise ValueError(f"a contrast needs a weight for each network, summing to zero; got {list(weights)}")
    sizes = {len(one) for one in outcomes}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"outcomes must be of the same images, at least one; got {sorted(sizes)}")
    differences: Floats = np.sum([w * one for w, one in zip(weights, outcomes, strict=True)], axis=0, dtype=np.float64)
    values, counts = np.unique(differences, return_counts=True)
    largest = max(map(abs, weights))
    added = {-largest: 0.5, 0.0: 1.0, largest: 0.5}
    return Effect(np.array([*values, *added]), np.array([*counts, *added.values()]), "images", next(iter(sizes)))


def of_share(share: float, n: int) -> Effect:
    """A share of n images in percent, with two successes and two failures added as Agresti and Coull (1998) do.

    Raises:
        ValueError: No image, or no share.
    """
    if n < 1 or not 0 <= share <= 1:
        raise ValueError(f"a share of {share} of {n} images is none; pass 0 to 1 of at least one")
    return Effect(np.array([100.0, 0.0]), np.array([share * n + 2, (1 - share) * n + 2]), "images", n)


def log_ratio(a: Sequence[float], b: Sequence[float]) -> Effect:
    """The logarithm of the ratio a / b of quantities that were sampled in turn, round by round.

    Pairs of one round share what the machine did meanwhile.

    Raises:
        ValueError: Unequal numbers of samples, or none.
    """
    return over([math.log(x / y) for x, y in zip(a, b, strict=True)], "rounds")


def difference_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of a's mean less b's, of samples that are not paired and may vary unequally (Welch 1947).

    None where either has a single value, or neither varies: nothing tells then how far the means are known.
    """
    if min(len(a), len(b)) < 2 or max(np.ptp(a), np.ptp(b)) == 0:
        return None
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    low, high = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(LEVEL, usevar="unequal")
    return float(low), float(high)


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided p of McNemar's exact test: whether ``wins`` of ``wins + losses`` discordant images are half of them."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    return 1.0 if wins + losses == 0 else float(test([[0, wins], [losses, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction (1979): p-values of all tests at once, in the order given."""
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    gc.freeze()  # it collects garbage each time: among thousands of records that takes longer than all else
    try:
        return [float(p) for p in multipletests(list(p_values), LEVEL, method="holm")[1]]
    finally:
        gc.unfreeze()


def simes(p_values: Sequence[float]) -> float:
    """One p against all of several hypotheses at once (Simes 1986): small if one of them, or several, are refuted.

    It is the least p-value after Benjamini and Hochberg's correction.

    Raises:
        ValueError: No p-value.
    """
    if not len(p_values):
        raise ValueError("a joint test needs at least one p-value; got none")
    from statsmodels.stats.multitest import fdrcorrection

    return float(fdrcorrection(list(p_values))[1].min())


def units_to_tell(distance: float, spread: float, design: Design = USUAL) -> int | None:
    """Units that tell a mean from a bound, two-sided; None above ``MOST_UNITS``.

    Args:
        distance: Of the true mean from the bound; none do where it is not above zero.
        spread: Standard deviation of one unit.
        design: Level and power of the test.
    """
    from statsmodels.stats.power import TTestPower

    if distance <= 0 or math.isnan(spread):
        return None
    test, size = TTestPower(), min(distance / max(spread, 1e-12), LARGEST_SIZE)
    return fewest(lambda n: float(test.power(size, n, design.level)), design.power)


def units_to_equate(value: float, bounds: tuple[float, float], spread: float, design: Design = USUAL) -> int | None:
    """Units that show by two one-sided tests that a mean lies between two bounds.

    No library has it: the power is that of both tests at once, by the normal approximation with Student's quantile.

    Args:
        value: The true mean.
        bounds: The lower and the upper one.
        spread: Standard deviation of one unit.
        design: Level of each of the two tests, and the power of both together.

    Returns:
        The number, or None where the mean is not between the bounds or it takes more than ``MOST_UNITS``.
    """
    from scipy.special import ndtr, stdtrit

    low, high = bounds
    if not low < value < high or math.isnan(spread):
        return None

    def power(n: int) -> float:
        error = max(spread, 1e-12) / math.sqrt(n)
        quantile = stdtrit(n - 1, 1 - design.level)
        return float(ndtr((high - value) / error - quantile) + ndtr((value - low) / error - quantile) - 1)

    return fewest(power, design.power)


def least(*units: int | None) -> int | None:
    """The fewest units of those ways to a decision that are open."""
    return min((one for one in units if one is not None), default=None)


def fewest(power: Callable[[int], float], wanted: float) -> int | None:
    """The fewest units, two at least, whose power reaches the one wanted; None above ``MOST_UNITS``.

    Args:
        power: Of a test with so many units; it grows with them.
        wanted: 0 to 1.
    """
    if power(MOST_UNITS) < wanted:
        return None
    return 2 + bisect.bisect_left(range(2, MOST_UNITS), wanted, key=power)
