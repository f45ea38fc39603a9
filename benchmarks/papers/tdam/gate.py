"""What the gate runs of this paper."""

from dataclasses import replace

from benchmarks.core.records import Cell
from benchmarks.papers.tdam import table1, table7_wsol
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cost import COST
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.probe import PROBE
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN

# Every kind of network is probed; these are trained too, for the whole way from images to accuracies.
TRAINED = ("resnet50", "resnet50-cbam", "resnet50-td-joint-t2-m1")
TRAINED_KINDS = (TRAIN.name, ACCURACY.name, LOCALIZATION.name)


def cells(session: Session) -> list[Cell]:
    """Counts of table 1's rows, probes, and three small trainings with what follows from them."""
    counts = [cell for cell in table1.cells(session) if cell.kind == COST.name]
    small = replace(session, models=TRAINED)
    trained = [cell for one in (table1, table7_wsol) for cell in one.cells(small) if cell.kind in TRAINED_KINDS]
    return [*counts, *trained, *(PROBE.cell(name) for name in session.probes())]
