"""What the reference measures, in the order in which it is measured: parts of experiments, with their seeds.

Every experiment is measured with few seeds before any is with many, so that a reference that had to be cut short is
whole. Networks that several parts need are trained once.

    make reference                # what is left; goes on where it stopped
    make reference ARGS=--plan    # says what that is
"""

from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.efficiency import ROWS
from benchmarks.report.paper import Part

# Seeds: the least that a table may rest on, those of most experiments, and those of table 1's ResNet50.
LEAST, USUAL, MOST = 3, 5, 10
OTHERS = tuple(name for name in PAPER.experiments if name != "table1")


def rows_of(backbone: str) -> tuple[str, ...]:
    """Table 1's rows of one backbone."""
    return tuple(name for name in ROWS if parse(name).backbone == backbone)


PARTS = (
    *(Part(name, LEAST) for name in PAPER.experiments),
    Part("table1", MOST, rows_of("resnet50")),
    Part("table1", USUAL, rows_of("resnet101")),
    *(Part(name, USUAL) for name in OTHERS),
)
