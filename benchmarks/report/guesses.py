"""Equal guesses: what a network would earn with as many guesses as another one takes through further steps.

A step rule that lets several steps stand gives further guesses. In their place a network may be given its own runner-up
class: at as many images, those of smallest margin.
"""

from collections.abc import Callable, Sequence

from benchmarks.core.records import MetricKey, Record
from benchmarks.metrics.outcomes import won
from benchmarks.metrics.rules import LAST
from benchmarks.metrics.statistics import over
from benchmarks.report.differences import Seen
from benchmarks.report.evidence import (
    Evidence,
    Missing,
    Query,
    effect_value,
    ids,
    number,
    outcomes,
    same_images,
    seed_of,
)
from benchmarks.report.layout import Value
from benchmarks.work.accuracy import GUESSES, RUNNER_UP


def further_guesses(record: Record, rule: str) -> int:
    """The further guesses that a network takes under a step rule, of all images together.

    Raises:
        Missing: The record does not tell.
    """
    key = MetricKey(GUESSES, steps=rule)
    share = number([record], key)
    return round(share / 100 * (record.metrics[key].n or 0))


def with_runners_up(record: Record, guesses: int) -> float:
    """Top-1 of a network's last step, %, with its runner-up class at so many images of smallest margin.

    Raises:
        Missing: The record does not tell.
    """
    last, runner_up = (MetricKey(name, steps=LAST.name) for name in ("top1", RUNNER_UP))
    (bits,) = outcomes([record], runner_up)
    return number([record], last) + 100 * won(bits, min(guesses, len(bits)))


def given_as_many(evidence: Evidence, query: Query, plain: Query, rule: str) -> Seen:
    """Top-1 of the plain network, %, with as many guesses as another network takes under a step rule, seed by seed.

    Args:
        evidence: The records.
        query: For the other network's.
        plain: For the plain network's.
        rule: The step rule.

    Raises:
        Missing: A record is missing or does not tell, or the images differ.
    """
    return seed_by_seed(evidence, (query, plain), lambda own, base: with_runners_up(base, further_guesses(own, rule)))


def gained_by_as_many(evidence: Evidence, query: Query, plain: Query, rule: str) -> Seen:
    """What those guesses bring the plain network, in points, seed by seed.

    Args and exceptions as :func:`given_as_many`.
    """
    last = MetricKey("top1", steps=LAST.name)

    def difference(own: Record, base: Record) -> float:
        return with_runners_up(base, further_guesses(own, rule)) - number([base], last)

    return seed_by_seed(evidence, (query, plain), difference)


def over_as_many(evidence: Evidence, query: Query, plain: Query, rule: str) -> Seen:
    """By how many points a network under a step rule is above the plain one with as many guesses, seed by seed.

    Args and exceptions as :func:`given_as_many`.
    """
    key = MetricKey("top1", steps=rule)

    def difference(own: Record, base: Record) -> float:
        return number([own], key) - with_runners_up(base, further_guesses(own, rule))

    return seed_by_seed(evidence, (query, plain), difference)


def seed_by_seed(evidence: Evidence, queries: Sequence[Query], measure: Callable[..., float]) -> Seen:
    """A number of several networks' records that are of the same seed.

    What runner-up classes bring is kept in the order of margins, not of images: of given weights, which have no seeds,
    it is a single number, whose spread is unknown.

    Raises:
        Missing: A record is missing, or the images differ.
    """
    by_query = evidence.paired(queries)
    same_images([record for records in by_query for record in records])
    unit = "seeds" if seed_of(by_query[0][0]) is not None else "sets of weights"
    values = [measure(*records) for records in zip(*by_query, strict=True)]
    return Seen(over(values, unit), ids(*by_query))


def seen_value(see: Callable[[], Seen]) -> Value:
    """What is seen as a table's number, with Student's interval; or why nothing is."""
    try:
        one = see()
    except Missing as absent:
        return Value(missing=str(absent))
    return effect_value(one.effect, one.records)
