"""What the gate runs of this paper: counts, three trained networks on scenes, and probes.

The networks are committed (``results/reference/gate/weights``): trained to their end on ``mini``, so that accuracies
and boxes have far to fall, and rounded to half precision, which is how the gate knows them.

    make gate-networks    # trains them anew, when the scenes or the recipe have changed

On ImageNet, or a part of it, it looks at whatever weights it is given:

    tdam-bench check --profile full --data-root DIR --weights DIR --limit 500 --against KEPT --renew    # keeps
    tdam-bench check --profile full --data-root DIR --weights DIR --limit 500 --against KEPT            # compares
"""

from collections.abc import Iterator

from benchmarks.core.records import Cell
from benchmarks.papers.tdam import table1
from benchmarks.papers.tdam.queries import scaled
from benchmarks.papers.tdam.recipes import GATE_NETWORKS
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.attention import ATTENTION
from benchmarks.work.cost import COST
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.probe import PROBE
from benchmarks.work.selectivity import SELECTIVITY
from benchmarks.work.session import Session

PLAIN, *_, FEEDBACK = GATE_NETWORKS
# Of the paper's test resolutions (table 4) one that is not that of training.
RESOLUTION = 280
SEED = 0  # given weights have none


def cells(session: Session) -> list[Cell]:
    """Counts of table 1's rows, what the trained networks do, and probes."""
    counts = [cell for cell in table1.cells(session) if cell.kind == COST.name]
    looks = [cell for model in GATE_NETWORKS for cell in looks_of(model, session)]
    first, *_ = session.profile.splits.values()
    looks.append(ATTENTION.cell(PLAIN, FEEDBACK, first, SEED, session))
    return [*counts, *looks, *(PROBE.cell(name) for name in session.probes())]


def on_disk(session: Session) -> list[Cell]:
    """Of the models' given weights: accuracy on all image sets, localization on the first."""
    first, *_ = splits = tuple(session.profile.splits.values())
    models = session.models or ()
    accuracies = [ACCURACY.cell(model, split, SEED, session) for split in splits for model in models]
    return [*accuracies, *(LOCALIZATION.cell(model, first, SEED, session) for model in models)]


def looks_of(model: str, session: Session) -> Iterator[Cell]:
    """Accuracy on both image sets, on the first at another resolution too; there localization and selectivity."""
    first, second = session.profile.splits.values()
    for split in (first, second):
        yield ACCURACY.cell(model, split, SEED, session)
    yield ACCURACY.cell(model, first, SEED, session, resolution=scaled(RESOLUTION, session.profile))
    yield LOCALIZATION.cell(model, first, SEED, session)
    yield SELECTIVITY.cell(model, first, SEED, session)
