"""Probes: small computations whose results must never change."""

from collections.abc import Iterator, Sequence

from benchmarks.core.identity import code_version, versions
from benchmarks.core.records import Cell, Metric, Record, new_record
from benchmarks.work.kind import Advance, Amount, Inputs
from benchmarks.work.session import Session

NAMES = ("logits", "gradients", "inputs", "labels", "boxes", "shards", "caches", "speed")


class Probes:
    """One record for each of ``benchmarks.papers.tdam.probes``."""

    name = "probe"
    shared = False
    parallel = False

    @staticmethod
    def cell(name: str) -> Cell:
        """The cell of one probe."""
        return Cell("probe", name, "any")

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """All code of the suite, for a probe is there to see what it does; library versions; the device."""
        from benchmarks.measure.efficiency import device_name

        return {
            "code": code_version(".", "../baselines", "../tdam"),
            "device": device_name("cpu"),
            **versions("torch", "torchvision", "numpy", "scikit-learn", "pillow"),
        }

    def group(self, cell: Cell) -> object:
        """Each on its own, so that one that fails leaves the others."""
        return cell

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """One probe a cell."""
        return Amount(len(cells), "probes")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """Compute one probe."""
        from benchmarks.papers.tdam.probes import PROBES

        for cell in cells:
            probe = PROBES[cell.model]
            found = probe.compute()
            metrics = {name: Metric(float(value), "1") for name, value in found.numbers.items()}
            notes = {"symptom": probe.symptom, "tolerance": probe.tolerance}
            yield new_record(cell, self.inputs(cell, session), metrics, found.samples, notes)
            advance(1)
