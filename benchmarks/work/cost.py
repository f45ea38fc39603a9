"""Parameters and FLOPs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.core.identity import code_version, network_version, versions
from benchmarks.core.records import Cell, Metric, Record, new_record
from benchmarks.work.kind import Advance, Amount, Inputs
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from baselines.backbone import Backbone


class Costs:
    """Parameters and FLOPs at the paper's size; the same in every profile."""

    name = "cost"
    shared = False
    parallel = False

    @staticmethod
    def cell(model: str) -> Cell:
        """The cell of one model."""
        return Cell("cost", model, "any", {"convention": "fvcore", "resolution": 224})

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Counting code, networks and library versions."""
        return {
            "code": code_version("measure/cost.py"),
            "network": network_version(cell.model, "paper"),
            **versions("fvcore", "torch"),
        }

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
            network = create(cell.model)
            flops = count_flops(network, str(cell.options["convention"]), int(str(cell.options["resolution"])))
            metrics = {
                "parameters": Metric(count_parameters(network), "1"),
                "flops": Metric(flops.total, "multiply-accumulates"),
            }
            notes = {
                "by_operator": flops.by_operator,
                "left_out": flops.left_out,
                "feedback": blocks_with_feedback(network),
            }
            yield new_record(cell, self.inputs(cell, session), metrics, notes=notes)
            advance(1)


def blocks_with_feedback(network: "Backbone") -> dict[str, list[int]]:
    """Indices from 0 of the blocks that loop, by stage from 1; stages without any are left out."""
    found = {
        str(stage): [index for index, block in enumerate(blocks) if block.loop.steps > 1]
        for stage, blocks in enumerate(network.stages(), start=1)
    }
    return {stage: indices for stage, indices in found.items() if indices}
