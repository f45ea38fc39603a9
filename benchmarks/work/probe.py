"""Probes: small computations of a paper whose results must never change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record
from benchmarks.core.versions import versions
from benchmarks.work.kind import Advance, Amount, Change, Inputs, Kind, MetricSpec
from benchmarks.work.session import Session


@dataclass(frozen=True)
class Probed:
    """What a probe gives.

    Attributes:
        numbers: By name.
        seconds: Of each round, by network.
    """

    numbers: Mapping[str, float]
    seconds: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """A small computation whose results must never change.

    Attributes:
        compute: The computation.
        symptom: What a change means, for people.
        tolerance: By how much numbers may differ beyond rounding, absolute.
    """

    compute: Callable[[], Probed]
    symptom: str
    tolerance: float = 0.0


@dataclass(frozen=True)
class ProbeOptions:
    """A probe has no options."""


class ProbeKind(Kind):
    """One record for each of the paper's probes."""

    name = "probe"
    version = 2
    on_device = False
    options = ProbeOptions
    metrics = (
        MetricSpec("number", Change.EXACT, "a probe computes something else"),
        MetricSpec("seconds", Change.TIME, "its forward pass has become slower"),
    )

    def cell(self, name: str) -> Cell:
        """The cell of one probe."""
        return Cell.of(self.name, name, "any", ProbeOptions())

    def inputs(self, cell: Cell, session: Session) -> Inputs:
        """Versions, and the device by name. The gate runs probes in an empty folder, where no record can stand in."""
        from benchmarks.measure.device import device_name

        return {
            **self.versioned(session),
            "processor": device_name("cpu"),
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
        probes = session.probes()
        for cell in cells:
            probe = probes[cell.model]
            probed = probe.compute()
            metrics = {
                MetricKey("number", of=name): Metric(float(value), "1") for name, value in probed.numbers.items()
            }
            samples = {MetricKey("seconds", of=name): list(times) for name, times in probed.seconds.items()}
            notes = {"symptom": probe.symptom, "tolerance": probe.tolerance}
            yield new_record(cell, self.inputs(cell, session), metrics, samples, notes)
            advance(1)


PROBE = ProbeKind()
