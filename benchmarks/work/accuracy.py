"""Accuracy of trained networks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.networks.names import parse
from benchmarks.work.evaluation import Evaluation
from benchmarks.work.kind import Blocked, Change, Inputs, MetricSpec, Waiting, evaluated_images
from benchmarks.work.results import part_notes, percent, require_images, status_of, status_of_part, write_table
from benchmarks.work.session import Session
from benchmarks.work.weights import (
    CONDITIONS,
    WeightsOptions,
    evaluated_inputs,
    known_inputs,
    weights_options,
)

if TYPE_CHECKING:
    import pandas as pd

    from baselines.backbone import Backbone
    from benchmarks.metrics.rules import StepRule
    from benchmarks.work.passes import Collected, Collector

SYMPTOM = "weights, images or the rule that counts an image as correct are not what they were"
GUESSES, RUNNER_UP = "guesses", "runner_up"


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


class Accuracy(Evaluation["Backbone"]):
    """Top-1 and top-5 on one image set, under every step rule; predictions are kept per image.

    Under rules that may let several steps stand also ``guesses``, the further guesses that steps with other best
    classes give, in percent of the images, and what runner-up classes would have brought on the same images
    (:func:`equal_guesses`); under the others ``runner_up``, the share of images whose runner-up class is right, its
    outcomes in ascending order of margin.
    """

    name = "accuracy"
    version = 3
    options = AccuracyOptions
    conditions = CONDITIONS
    per_image = "predictions"
    metrics = (
        MetricSpec("top1", Change.SHARE, SYMPTOM),
        MetricSpec("top5", Change.SHARE, SYMPTOM),
        MetricSpec(GUESSES, Change.SHARE, "steps look at other places, or answer otherwise, than they did"),
        MetricSpec(RUNNER_UP, Change.SHARE, SYMPTOM),
    )
    ruled = True

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

    def collectors(self, networks: "Mapping[Cell, Backbone]", session: Session) -> "dict[Cell, Collector]":
        """Predictions under each cell's view."""
        from benchmarks.work.collectors.accuracy import AccuracyCollector
        from benchmarks.work.passes import View

        options = {cell: options_of(cell, AccuracyOptions) for cell in networks}
        views = {cell: View(one.resolution, one.crop) for cell, one in options.items()}
        return {cell: AccuracyCollector(views[cell], one, session.rules) for cell, one in networks.items()}

    def record(self, cell: Cell, collected: "Collected", session: Session) -> Record:
        """Numbers of one model under every step rule; the predictions go beside the record."""
        from benchmarks.metrics.outcomes import images_hash
        from benchmarks.work.collectors.accuracy import predictions_table

        split = options_of(cell, AccuracyOptions).data
        seen = len(collected.part["position"])
        require_images(seen, split, collected.unreadable)
        images = session.image_set(split)
        table = predictions_table(images, collected.part)
        status = status_of_part(status_of(seen, evaluated_images(split, session).total), images)
        metrics: dict[MetricKey, Metric] = {}
        outcomes: dict[MetricKey, str] = {}
        for rule in session.rules.steps:
            for numbers, hits in (right_under(rule, table, status), guessed_under(rule, table, status)):
                metrics |= numbers
                outcomes |= hits
        record = new_record(cell, known_inputs(self, cell, session), metrics)
        path = session.store.path("predictions", f"{cell.model}-{record.id}", ".parquet")
        write_table(table, path)
        notes = {
            "predictions": path.name,
            "unreadable": collected.unreadable,
            "steps": int(table["step"].max()),
            # Of the images in the order of their ids, as outcomes have them.
            "images": images_hash(sorted(set(table["id"]))),
            **part_notes(images),
        }
        return replace(record, outcomes=outcomes, notes=notes)


ACCURACY = Accuracy()


def equal_guesses(rule: str) -> MetricKey:
    """Top-1 of the steps that surely stand under a rule, with as many of their classes as the rule gives guesses."""
    return MetricKey("top1", steps=rule, of="runner-up")


Counted = tuple[dict[MetricKey, Metric], dict[MetricKey, str]]


def right_under(rule: "StepRule", table: "pd.DataFrame", status: str) -> Counted:
    """Top-1 and top-5 under a step rule, and which images are right."""
    from benchmarks.metrics.accuracy import accuracy, correct
    from benchmarks.metrics.outcomes import pack

    shares = accuracy(table, rule)
    metrics = {MetricKey(name, steps=rule.name): percent(share, status) for name, share in shares.items()}
    return metrics, {MetricKey("top1", steps=rule.name): pack(correct(table, rule, 1))}


def guessed_under(rule: "StepRule", table: "pd.DataFrame", status: str) -> Counted:
    """The further guesses under a step rule, and what runner-up classes bring in their place."""
    from benchmarks.metrics.accuracy import correct_with_runners_up, guesses, runner_up_by_margin, share_of
    from benchmarks.metrics.outcomes import pack
    from benchmarks.metrics.statistics import wilson

    if rule.settled is None:
        key, hits = MetricKey(RUNNER_UP, steps=rule.name), runner_up_by_margin(table, rule)
        metrics = {key: percent(wilson(int(hits.sum()), len(hits)), status)}
        return metrics, {key: pack(hits)}
    key, hits = equal_guesses(rule.name), correct_with_runners_up(table, rule).to_numpy()
    further = guesses(table, rule).to_numpy() - 1
    metrics = {
        key: percent(share_of(hits, table), status),
        MetricKey(GUESSES, steps=rule.name): Metric(100 * float(further.mean()), "%", len(further), status=status),
    }
    return metrics, {key: pack(hits)}
