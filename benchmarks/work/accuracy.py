"""Accuracy of trained networks."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.networks.names import parse
from benchmarks.work.kind import Advance, Amount, Blocked, Change, Inputs, Kind, MetricSpec, Waiting, evaluated_images
from benchmarks.work.results import percent, require_images, status_of, write_table
from benchmarks.work.session import Session
from benchmarks.work.weights import (
    CONDITIONS,
    WeightsOptions,
    evaluated_inputs,
    known_inputs,
    loaded_network,
    weights_name,
    weights_options,
)

if TYPE_CHECKING:
    from benchmarks.work.passes import Collected

SYMPTOM = "weights, images or the rule that counts an image as correct are not what they were"


@dataclass(frozen=True)
class AccuracyOptions(WeightsOptions):
    """What a cell says of an accuracy.

    Attributes:
        data: The image set.
        resolution: Side of the images in pixels.
        crop: Side of the center crop over the resized shorter side.
        dtype: What networks compute in.
    """

    data: str
    resolution: int
    crop: float
    dtype: str


class Accuracy(Kind):
    """Top-1 and top-5 on one image set, under every step rule; predictions are kept per image."""

    name = "accuracy"
    version = 2
    options = AccuracyOptions
    conditions = CONDITIONS
    metrics = (MetricSpec("top1", Change.SHARE, SYMPTOM), MetricSpec("top5", Change.SHARE, SYMPTOM))
    ruled = True
    shared = True

    def cell(
        self,
        model: str,
        split: str,
        seed: int,
        session: Session,
        resolution: int | None = None,
        trained_on: str = "train",
    ) -> Cell:
        """The cell of one model on one image set, by default at the profile's resolution."""
        options = AccuracyOptions(
            **asdict(weights_options(model, seed, session, trained_on)),
            data=split,
            resolution=resolution or session.profile.resolution,
            crop=session.profile.crop_of(parse(model).backbone),
            dtype="float32",
        )
        return Cell.of(self.name, model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, versions, device kind."""
        return evaluated_inputs(self, cell, options_of(cell, AccuracyOptions).data, session)

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model at every resolution."""
        return options_of(cell, AccuracyOptions).data

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all models see each of them in one go."""
        return evaluated_images(options_of(cells[0], AccuracyOptions).data, session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over one image set."""
        from benchmarks.work.collectors.accuracy import AccuracyCollector
        from benchmarks.work.passes import View, evaluated, run_pass

        options = {cell: options_of(cell, AccuracyOptions) for cell in cells}
        sources = {weights_name(cell): cell for cell in cells}
        networks = {name: loaded_network(cell, session) for name, cell in sources.items()}
        collectors = [
            AccuracyCollector(View(one.resolution, one.crop), networks[weights_name(cell)], session.rules)
            for cell, one in options.items()
        ]
        passed = run_pass(collectors, evaluated(options[cells[0]].data, session), advance)
        for cell, collected in zip(cells, passed, strict=True):
            yield accuracy_record(cell, collected, session)


ACCURACY = Accuracy()


def accuracy_record(cell: Cell, collected: "Collected", session: Session) -> Record:
    """Numbers of one model under every step rule; the predictions go beside the record."""
    from benchmarks.metrics.accuracy import accuracy, correct
    from benchmarks.metrics.outcomes import images_hash, pack
    from benchmarks.work.collectors.accuracy import predictions_table

    split = options_of(cell, AccuracyOptions).data
    seen = len(collected.part["position"])
    require_images(seen, split, collected.unreadable)
    table = predictions_table(session.image_set(split), collected.part)
    status = status_of(seen, evaluated_images(split, session).total)
    metrics: dict[MetricKey, Metric] = {}
    outcomes: dict[MetricKey, str] = {}
    for rule in session.rules.steps:
        shares = accuracy(table, rule)
        metrics |= {MetricKey(name, steps=rule.name): percent(share, status) for name, share in shares.items()}
        outcomes[MetricKey("top1", steps=rule.name)] = pack(correct(table, rule, 1))
    record = new_record(cell, known_inputs(ACCURACY, cell, session), metrics)
    path = session.store.path("predictions", f"{cell.model}-{record.id}", ".parquet")
    write_table(table, path)
    notes = {
        "predictions": path.name,
        "unreadable": collected.unreadable,
        "steps": int(table["step"].max()),
        # Of the images in the order of their ids, as outcomes have them.
        "images": images_hash(sorted(set(table["id"]))),
    }
    return replace(record, outcomes=outcomes, notes=notes)
