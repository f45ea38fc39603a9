"""The networks of table 1 and of the supplement by the suite's names, and by those that they have in ``tdam.named``."""

from benchmarks.networks.models import SIZES
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import supplement
from benchmarks.papers.tdam.numbers import TABLE1

ROWS = {name: name.replace("-td-", "-").replace("-", "_") for name in (*TABLE1.values(), *supplement.ROWS)}


def small(name: str) -> dict[str, object]:
    """What makes a row's network small, as its constructor is told."""
    return SIZES["mini"][parse(name).backbone]
