"""Paired tests against scipy and by hand; outcomes survive packing."""

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.protocols.paired import contrast, images_hash, mcnemar, mcnemar_detectable, pack, unpack


@pytest.mark.parametrize("n", [1, 7, 8, 9, 2000])
def test_packing_keeps_every_image(n: int) -> None:
    hits = np.random.default_rng(n).random(n) < 0.5
    assert np.array_equal(unpack(pack(hits), n), hits)
    assert len(pack(hits)) == 2 * ((n + 7) // 8)
    with pytest.raises(ValueError, match="do not hold"):
        unpack(pack(hits), n + 8)


def test_other_images_have_another_hash() -> None:
    assert images_hash(["a", "b"]) == images_hash(iter(["a", "b"]))
    assert len({images_hash(ids) for ids in (["a", "b"], ["b", "a"], ["ab"])}) == 3


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
