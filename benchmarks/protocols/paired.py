"""Paired comparisons on the same images: what is kept of each image, and tests on differences of networks."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


def pack(hits: Iterable[bool]) -> str:
    """Whether each image was right, eight images to two hexadecimal digits."""
    return np.packbits(np.fromiter(hits, dtype=bool)).tobytes().hex()


def unpack(text: str, n: int) -> Bools:
    """The inverse of :func:`pack` for ``n`` images.

    Raises:
        ValueError: The text is of another number of images.
    """
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    if len(packed) != math.ceil(n / 8):
        raise ValueError(f"{len(text)} hexadecimal digits do not hold {n} images")
    return np.unpackbits(packed, count=n).astype(bool)


def images_hash(ids: Iterable[str]) -> str:
    """Hash of image names in their order, 12 hexadecimal digits: only outcomes of the same images are paired."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]


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
