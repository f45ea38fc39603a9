"""Intervals and tests by hand, against scipy and against printed tables."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp, ttest_ind
from statsmodels.stats.weightstats import DescrStatsW

from benchmarks.metrics.statistics import (
    MOST_SEEDS,
    Design,
    Proportion,
    by_image,
    clustered,
    difference_interval,
    holm,
    least,
    log_ratio,
    mcnemar,
    median_interval,
    of_share,
    over,
    simes,
    units_to_equate,
    units_to_tell,
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


# ---------------------------------------------------------------- effects


DIFFERENCES = [0.4, 1.1, -0.3, 0.9, 1.6, 0.2]


def test_an_effect_is_students() -> None:
    """Against scipy's one-sample test, and statsmodels' two one-sided tests."""
    effect = over(DIFFERENCES, "seeds")
    assert (effect.n, effect.unit) == (6, "seeds")
    assert effect.value == pytest.approx(np.mean(DIFFERENCES))
    assert effect.spread == pytest.approx(np.std(DIFFERENCES, ddof=1))
    assert effect.interval() == pytest.approx(ttest_1samp(DIFFERENCES, 0).confidence_interval(0.95))
    for bound in (-0.5, 0.0, 0.7, 2.0):
        assert effect.p_above(bound) == pytest.approx(ttest_1samp(DIFFERENCES, bound, alternative="greater").pvalue)
        assert effect.p_below(bound) == pytest.approx(ttest_1samp(DIFFERENCES, bound, alternative="less").pvalue)
    assert effect.p_within(-0.2, 1.5) == pytest.approx(DescrStatsW(DIFFERENCES).ttost_mean(-0.2, 1.5)[0])


@pytest.mark.parametrize("bias", [0.0, 0.2])
@pytest.mark.parametrize("bound", [-0.4, -0.1, 0.0, 0.1, 0.5, 1.4])
def test_the_interval_and_the_tests_agree(bound: float, bias: float) -> None:
    """A bound lies below the 95 % interval if and only if the one-sided test at 2.5 % is passed; likewise above."""
    effect = replace(over(DIFFERENCES, "seeds"), bias=bias)
    low, high = effect.interval()
    assert (effect.p_above(bound) < 0.025) == (bound < low)
    assert (effect.p_below(bound) < 0.025) == (bound > high)


def test_a_single_unit_tells_nothing() -> None:
    effect = over([3.0], "seeds")
    assert effect.interval() == (-math.inf, math.inf)
    assert math.isnan(effect.spread)
    assert effect.p_above(-100.0) == effect.p_below(100.0) == effect.p_within(-100.0, 100.0) == 1.0
    assert effect.to_tell(0.0) is None
    assert effect.to_equate(0.0, 9.0) is None


def test_what_does_not_scatter_is_certain() -> None:
    """But for its bias; a value on the bound is on neither side of it."""
    effect = over([1.0] * 5, "runs")
    assert effect.interval() == (1.0, 1.0)
    assert (effect.p_above(0.9), effect.p_above(1.0), effect.p_below(1.1), effect.p_within(0.9, 1.1)) == (0, 1, 0, 0)
    off = replace(effect, bias=0.2)
    assert off.interval() == (0.8, 1.2)
    assert (off.p_above(0.9), off.p_above(0.7), off.p_within(0.7, 1.3), off.p_within(0.9, 1.3)) == (1, 0, 0, 1)


@pytest.mark.parametrize("differences", [[], [1.0, math.nan], [math.inf]])
def test_effects_need_numbers(differences: list[float]) -> None:
    with pytest.raises(ValueError, match="finite differences, at least one"):
        over(differences, "seeds")


def test_images_by_hand() -> None:
    """Of ten images the first network has three more right, the second one more.

    With Agresti and Min's two pseudo-images: 3.5 wins and 1.5 losses of 12, so the mean is 2 / 12.
    """
    first = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)
    second = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1], bool)
    effect = by_image([1, -1], [first, second])
    assert (effect.n, effect.unit) == (10, "images")
    assert effect.value == pytest.approx(2 / 12)
    assert effect.spread == pytest.approx(math.sqrt((5 - 4 / 12) / 11))


def test_images_that_tell_nothing_leave_doubt() -> None:
    """No image decides between two networks: that is no proof that they are equal, of few images least of all."""
    same = np.ones(10, bool)
    few, many = (by_image([100, -100], [np.tile(same, times)] * 2) for times in (1, 5000))
    assert few.value == many.value == 0.0
    assert few.p_within(-0.5, 0.5) > 0.3
    assert many.p_within(-0.5, 0.5) < 1e-6


def test_a_drop_against_a_drop() -> None:
    """(a - b) - (c - d), a sum of four; but for the pseudo-images the mean is that of the shares."""
    rng = np.random.default_rng(0)
    a, b, c, d = (rng.random(5000) < share for share in (0.9, 0.5, 0.9, 0.8))
    effect = by_image([1, -1, -1, 1], [a, b, c, d])
    assert effect.value == pytest.approx((a.mean() - b.mean()) - (c.mean() - d.mean()), abs=1e-3)
    assert effect.p_above(0.0) < 1e-6


@pytest.mark.parametrize(
    ("weights", "sizes", "message"),
    [
        ([1, -1], (3, 4), "same images"),
        ([1, 1], (3, 3), "summing to zero"),
        ([1, -1], (0, 0), "at least one"),
        ([1, -1], (3,), "a weight for each"),
    ],
)
def test_bad_contrasts(weights: list[float], sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_image(weights, [np.zeros(size, bool) for size in sizes])


def test_a_share_of_images_has_agresti_and_coulls_interval() -> None:
    """Of 50,000 images it is Wilson's to a hundredth of a point; none of four right is not certainly none."""
    effect, wilsons = of_share(0.7896, 50_000), wilson(39_480, 50_000)
    assert effect.interval() == pytest.approx((100 * wilsons.low, 100 * wilsons.high), abs=0.01)
    assert of_share(0.0, 4).interval()[1] > 40
    for share, n in ((0.5, 0), (1.2, 5)):
        with pytest.raises(ValueError, match="pass 0 to 1 of at least one"):
            of_share(share, n)


def test_a_ratio_of_speeds_is_taken_round_by_round() -> None:
    """Both slow down together: the ratio is exactly two."""
    effect = log_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert effect.value == pytest.approx(math.log(2))
    assert effect.unit == "rounds"
    with pytest.raises(ValueError, match="shorter"):
        log_ratio([1.0, 2.0], [1.0])


# ---------------------------------------------------------------- clusters


def test_images_of_one_source_count_less() -> None:
    """Every image four times: as many as there are sources, but for the factor G / (G - 1)."""
    rng = np.random.default_rng(0)
    single = rng.random(200) < 0.8
    repeated, sources = np.repeat(single, 4), np.repeat(np.arange(200), 4).tolist()
    alone, within = wilson(int(single.sum()), 200), clustered(repeated, sources)
    assert within.value == alone.value
    assert within.n == 800
    assert (within.low, within.high) == pytest.approx((alone.low, alone.high), abs=5e-4)


def test_images_of_their_own_are_independent() -> None:
    """One image a cluster, or outcomes that spread evenly over clusters: never more than there are images."""
    hits = np.random.default_rng(0).random(300) < 0.7
    usual = wilson(int(hits.sum()), 300)
    for clusters in (list(range(300)), (np.cumsum(hits) % 3).tolist()):
        assert clustered(hits, clusters).low <= usual.low + 2e-3
    certain = clustered(np.ones(9, bool), [0] * 9)
    assert [certain.low, certain.high] == pytest.approx([wilson(9, 9).low, 1.0])
    with pytest.raises(ValueError, match="got 9 cases in 8 clusters"):
        clustered(np.ones(9, bool), [0] * 8)


# ---------------------------------------------------------------- several tests, and how many units


def test_holms_correction_by_hand() -> None:
    """Of 0.01, 0.04 and 0.03: 3 x 0.01, 2 x 0.03, then no smaller than that."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_joint_test_by_hand() -> None:
    """Of three: the least of 3 p1, 3/2 p2 and p3, in order of size."""
    assert simes([0.5, 0.01, 0.02]) == pytest.approx(min(0.03, 0.03, 0.5))
    assert simes([0.04, 0.04, 0.04]) == pytest.approx(0.04)
    assert simes([0.2]) == 0.2
    with pytest.raises(ValueError, match="at least one p-value"):
        simes([])


def test_units_that_tell_as_tables_print() -> None:
    """Cohen's table for one-sample tests, two-sided at 5 % with 80 % power: 199, 34, 15 for 0.2, 0.5, 0.8."""
    assert [units_to_tell(size, 1.0) for size in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert units_to_tell(1.0, 2.0) == 34
    assert units_to_tell(0.5, 1.0, Design(level=0.01)) == 51
    assert units_to_tell(0.5, 0.0) == units_to_tell(100.0, 1.0) == 3
    assert units_to_tell(1e-6, 1.0) is units_to_tell(0.0, 1.0) is units_to_tell(-1.0, 1.0) is None
    assert units_to_tell(1.0, math.nan) is None


@pytest.mark.parametrize(("value", "spread"), [(0.0, 0.8), (0.2, 0.8), (0.3, 0.2)])
def test_units_that_equate_have_their_power(value: float, spread: float) -> None:
    """Drawn: with so many units four of five draws show equality within half a point, with a third fewer not."""
    units = units_to_equate(value, (-0.5, 0.5), spread)
    assert units is not None
    rng = np.random.default_rng(0)
    for n, at_least, at_most in ((units, 0.75, 0.87), (2 * units // 3, 0.0, 0.76)):
        drawn = rng.normal(value, spread, (400, n))
        shown = np.mean([over(one.tolist(), "seeds").p_within(-0.5, 0.5) < 0.05 for one in drawn])
        assert at_least <= shown <= at_most


def test_units_that_equate_nothing() -> None:
    """Of a mean on a bound or beyond it; and of a single unit, whose spread is not known."""
    for value, spread in ((0.5, 0.1), (0.7, 0.1), (0.0, math.nan)):
        assert units_to_equate(value, (-0.5, 0.5), spread) is None
    assert units_to_equate(0.0, (-0.5, 0.5), 0.0) == 2


def test_seeds_that_are_all_equal_are_known_to_an_image() -> None:
    """By hand: halves 0.025 below and above deviate by 0.025 * sqrt(5 / 4); t of 4 degrees at 97.5 % is 2.776."""
    effect = over([1.0] * 5, "seeds", step=0.05)
    assert (effect.value, effect.n) == (1.0, 5)
    assert effect.spread == pytest.approx(0.025 * math.sqrt(5 / 4))
    assert effect.interval() == pytest.approx((1 - 0.0347, 1 + 0.0347), abs=1e-4)
    assert effect.p_above(0.99) > 0.05 > effect.p_above(0.9) > 0
    scattered = over([1.0, 1.1], "seeds", step=0.05)
    assert scattered.spread == over([1.0, 1.1], "seeds").spread
    assert over([1.0], "seeds", step=0.05).n == 1


def test_nobody_trains_from_more_than_a_thousand_seeds() -> None:
    few, many = (over([value, -value + 0.2], unit) for value, unit in ((3.0, "seeds"), (3.0, "rounds")))
    assert few.to_tell(0.0) is None
    needed = many.to_tell(0.0)
    assert needed is not None
    assert needed > MOST_SEEDS


def test_more_power_takes_more_units() -> None:
    """Cohen's table: 44 for 0.5 with 90 % power."""
    assert units_to_tell(0.5, 1.0, Design(power=0.9)) == 44
    usual, surer = (units_to_equate(0.0, (-0.5, 0.5), 0.8, Design(power=power)) for power in (0.8, 0.9))
    assert usual is not None
    assert surer is not None
    assert usual < surer


def test_units_of_an_effect_know_its_bias() -> None:
    effect = replace(over(DIFFERENCES, "rounds"), bias=0.3)
    value, spread = effect.value, effect.spread
    assert effect.to_tell(0.0) == units_to_tell(value - 0.3, spread)
    assert effect.to_tell(value + 0.2) is None
    assert effect.to_equate(-1.0, 2.0) == units_to_equate(value, (-0.7, 1.7), spread)
    assert effect.to_leave(-1.0, 2.0) is None
    assert effect.to_leave(-1.0, 0.1) == effect.to_tell(0.1)
    assert effect.to_leave(1.5, 2.0) == effect.to_tell(1.5)
    assert least(None, 7, 3) == 3
    assert least(None) is None


def test_means_of_unpaired_samples_differ_by_welchs_interval() -> None:
    """Against scipy; the samples may vary unequally, and be of other sizes."""
    few, many = [3.0, 3.5, 5.0], [1.0, 1.2, 0.9, 1.1, 1.4]
    expected = ttest_ind(few, many, equal_var=False).confidence_interval(0.95)
    assert difference_interval(few, many) == pytest.approx((expected.low, expected.high))
    assert difference_interval(many, few) == pytest.approx((-expected.high, -expected.low))


def test_without_spread_or_of_a_single_value_no_interval_of_a_difference_is_known() -> None:
    assert difference_interval([3.0], [1.0, 2.0]) is None
    assert difference_interval([1.0, 2.0], []) is None
    assert difference_interval([3.0, 3.0], [1.0, 1.0]) is None
    assert difference_interval([3.0, 3.0], [1.0, 2.0]) is not None
