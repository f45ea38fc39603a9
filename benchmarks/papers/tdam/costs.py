"""Parameters and FLOPs of table 1's rows, by themselves: by the counter that the paper used, and by fvcore.

The claim: TD needs fewer parameters than SE, CBAM and FCA. Nothing is trained and no image is looked at.

    tdam-bench run costs
"""

from benchmarks.core.records import Cell
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.efficiency import ROWS
from benchmarks.papers.tdam.table1 import count_cells, counts, labels
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Table
from benchmarks.report.paper import Experiment
from benchmarks.work.session import Session

TITLE = "Table 1's parameters and FLOPs"
TIME = "half a minute on two CPU cores"
COLUMNS = (
    Column("params_m", "Params", "M", "", 2),
    Column("flops_g", "FLOPs", "G", "", 2),
    Column("fvcore_g", "FLOPs, fvcore", "G", "", 2),
)


def cells(session: Session) -> list[Cell]:
    """Each row and its plain network, by each counter."""
    names = dict.fromkeys(name for model in session.rows(ROWS) for name in (model, parse(model).backbone))
    return [cell for name in names for cell in count_cells(name)]


def table(evidence: Evidence) -> Table:
    """Counts of every row."""
    evidence = evidence.filled_by("costs")
    named, lines = labels(), []
    for model in evidence.rows(ROWS):
        group, label = named.get(model, (parse(model).backbone, model))
        lines.append(line_of(group, label, model, counts(model, evidence)))
    note = (
        "FLOPs are multiply-accumulates of one 224x224 image. Counters leave different work out: judged are those "
        f"of {PAPER.convention}, which is the paper's; fvcore's stand beside them."
    )
    return Table("costs", TITLE, [note, *evidence.left_out], COLUMNS, lines)


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
