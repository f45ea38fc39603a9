"""Parameters and FLOPs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.core.versions import versions
from benchmarks.networks.plugins import fingerprint
from benchmarks.work.kind import Advance, Amount, Change, Inputs, Kind, MetricSpec
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from baselines.backbone import Backbone

PARAMETERS, FLOPS = MetricKey("parameters"), MetricKey("flops")
SYMPTOM = "the network has other parameters or does other work than it had"
RESOLUTION = 224
# What is installed behind a convention; the other ones count by torch alone.
COUNTERS = {"fvcore": ("fvcore",), "ptflops": ("ptflops",)}


@dataclass(frozen=True)
class CostOptions:
    """What a cell says of a count.

    Attributes:
        convention: The counter, a name in ``benchmarks.measure.cost.CONVENTIONS``.
        resolution: Side of the image in pixels.
    """

    convention: str
    resolution: int


class Cost(Kind):
    """Parameters and FLOPs at the paper's size; the same in every profile."""

    name = "cost"
    version = 1
    on_device = False
    options = CostOptions
    metrics = (MetricSpec("parameters", Change.EXACT, SYMPTOM), MetricSpec("flops", Change.EXACT, SYMPTOM))

    def cell(self, model: str, convention: str = "fvcore") -> Cell:
        """The cell of one model."""
        return Cell.of(self.name, model, "any", CostOptions(convention, RESOLUTION))

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Versions of counting code and libraries."""
        libraries = (*COUNTERS.get(options_of(cell, CostOptions).convention, ()), "torch")
        return {**self.versioned(session), "network": fingerprint(cell.model), **versions(*libraries)}

    def group(self, cell: Cell) -> object:
        """All together."""
        return "all"

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """One model a cell."""
        return Amount(len(cells), "models")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Count one model after the other."""
        from benchmarks.measure.cost import count_flops, count_parameters
        from benchmarks.networks.models import create

        for cell in cells:
            options = options_of(cell, CostOptions)
            network = create(cell.model)
            flops = count_flops(network, options.convention, options.resolution)
            metrics = {
                PARAMETERS: Metric(count_parameters(network), "1"),
                FLOPS: Metric(flops.total, "multiply-accumulates"),
            }
            notes = {
                "by_operator": flops.by_operator,
                "left_out": flops.left_out,
                "feedback": blocks_with_feedback(network),
            }
            yield new_record(cell, self.inputs(cell, session), metrics, notes=notes)
            advance(1)


COST = Cost()


def blocks_with_feedback(network: "Backbone") -> dict[str, list[int]]:
    """Indices from 0 of the blocks that loop, by stage from 1; stages without any are left out."""
    looping = {
        str(stage): [index for index, block in enumerate(blocks) if block.loop.steps > 1]
        for stage, blocks in enumerate(network.stages(), start=1)
    }
    return {stage: indices for stage, indices in looping.items() if indices}
