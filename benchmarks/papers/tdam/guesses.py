"""The released rule's second guess, and the same number of guesses by runner-up classes, as columns of a table."""

from collections.abc import Mapping

from benchmarks.core.records import MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam.queries import accuracy
from benchmarks.report.evidence import Evidence
from benchmarks.report.guesses import given_as_many, seen_value
from benchmarks.report.layout import Column, Value
from benchmarks.work.accuracy import GUESSES, equal_guesses

SECOND = "released"  # the rule that gives a second guess
TAKEN, OWN = MetricKey(GUESSES, steps=SECOND), equal_guesses(SECOND)
NOTE = (
    "Guesses: second guesses under the released rule, in percent of the images. Equal guesses in their place: `own` "
    "gives the most confident step its own runner-up class on the same images; `plain` gives the plain network of the "
    "same seed its own runner-up on as many images, those with the smallest margin between its two best classes."
)


def guess_columns(split: str, group: str) -> list[Column]:
    """Second guesses of an image set, and top-1 by as many runner-up classes."""
    return [
        Column(f"{split}_guesses", "guesses", "%", group, 2),
        Column(f"{split}_own_runner_up", "equal guesses, own", "%", group, 2),
        Column(f"{split}_plain_runner_up", "equal guesses, plain", "%", group, 2),
    ]


def guess_values(model: str, split: str, evidence: Evidence) -> Mapping[str, Value]:
    """The values of :func:`guess_columns`; networks with a single step have nothing to replace."""
    if not parse(model).feedback:
        return {}
    query, plain = (accuracy(name, evidence, split) for name in (model, parse(model).backbone))
    return {
        f"{split}_guesses": evidence.value(query, TAKEN),
        f"{split}_own_runner_up": evidence.value(query, OWN),
        f"{split}_plain_runner_up": seen_value(lambda: given_as_many(evidence, query, plain, SECOND)),
    }
