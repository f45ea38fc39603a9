"""Weakly supervised localization by trained networks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.data.errors import DataError
from benchmarks.networks.names import parse
from benchmarks.work.accuracy import SYMPTOM
from benchmarks.work.evaluation import Evaluation
from benchmarks.work.kind import Blocked, Change, Inputs, MetricSpec, Waiting, evaluated_images
from benchmarks.work.results import part_notes, percent, require_images, status_of, status_of_part, write_table
from benchmarks.work.session import Session
from benchmarks.work.weights import (
    CONDITIONS,
    WeightsOptions,
    data_command,
    evaluated_inputs,
    known_inputs,
    weights_options,
)

if TYPE_CHECKING:
    import pandas as pd

    from baselines.backbone import Backbone
    from benchmarks.work.passes import Collected, Collector

MAX_BOX = ("max_box_acc", "max_box_acc_v2")

Metrics = dict[MetricKey, Metric]


@dataclass(frozen=True)
class LocalizationOptions(WeightsOptions):
    """What a cell says of a localization.

    Attributes:
        data: The image set.
        resolution: Side of the images in pixels.
        crop: Side of the center crop over the resized shorter side.
    """

    data: str
    resolution: int
    crop: float


class Localization(Evaluation["Backbone"]):
    """Class activation maps against boxes, under every box rule and step rule; kept per image and step."""

    name = "localization"
    version = 3
    boxed = True
    options = LocalizationOptions
    conditions = CONDITIONS
    per_image = "localizations"
    metrics = (
        *(MetricSpec(name, Change.SHARE, SYMPTOM) for name in ("top1_loc", "top5_loc", "gt_known", *MAX_BOX)),
        MetricSpec("moved", Change.SHARE, "boxes move from step to step as they did not"),
        MetricSpec("overlap", Change.NEAR, "boxes move from step to step as they did not", tolerance=0.2),
    )
    ruled = True

    def cell(self, model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of one model on one image set."""
        options = LocalizationOptions(
            **asdict(weights_options(model, seed, session)),
            data=split,
            resolution=session.profile.resolution,
            crop=session.profile.crop_of(parse(model).backbone),
        )
        return Cell.of(self.name, model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, boxes, versions, device kind."""
        options = options_of(cell, LocalizationOptions)
        inputs = evaluated_inputs(self, cell, options.data, session)
        if isinstance(inputs, Blocked | Waiting):
            return inputs
        try:
            return {**inputs, "boxes": session.boxes(options.data).boxes_hash}
        except DataError as error:
            return Blocked(str(error), data_command(cell, session))

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model that sees them alike."""
        options = options_of(cell, LocalizationOptions)
        return options.data, options.resolution, options.crop

    def collectors(self, networks: "Mapping[Cell, Backbone]", session: Session) -> "dict[Cell, Collector]":
        """Localizations under the one view of a group; an image's boxes are read once for all networks."""
        from benchmarks.work.collectors.localization import LocalizationCollector, Truths
        from benchmarks.work.passes import View

        if not networks:
            return {}
        options = options_of(next(iter(networks)), LocalizationOptions)
        images, boxes = session.image_set(options.data), session.boxes(options.data)
        truths = Truths(images, boxes, View(options.resolution, options.crop))
        return {cell: LocalizationCollector(network, truths, session.rules) for cell, network in networks.items()}

    def record(self, cell: Cell, collected: "Collected", session: Session) -> Record:
        """Numbers of one model under every rule; the localizations go beside the record.

        Raises:
            DataError: No image could be used.
        """
        from benchmarks.metrics.localization import localized as hits_of
        from benchmarks.metrics.outcomes import images_hash, pack
        from benchmarks.work.collectors.localization import localizations_table

        options = options_of(cell, LocalizationOptions)
        require_images(len(collected.part["position"]), options.data, collected.unreadable)
        images = session.image_set(options.data)
        table = localizations_table(images, collected.part, session.rules)
        ids = sorted(set(table["id"]))
        status = status_of_part(status_of(len(ids), evaluated_images(options.data, session).total, "left out"), images)
        metrics = localization_metrics(table, session, status)
        moves, overlaps = moving_boxes(table, status)
        record = new_record(cell, known_inputs(self, cell, session), {**metrics, **moves}, overlaps)
        path = session.store.path("localizations", f"{cell.model}-{record.id}", ".parquet")
        write_table(table, path)
        paired = session.rules.boxes[0].name
        outcomes = {
            MetricKey("top1_loc", steps=rule.name, boxes=paired): pack(hits_of(table, rule, paired)["top1_loc"])
            for rule in session.rules.steps
        }
        notes = {
            "localizations": path.name,
            "unreadable": collected.unreadable,
            "images": images_hash(ids),
            **part_notes(images),
        }
        return replace(record, outcomes=outcomes, notes=notes)


LOCALIZATION = Localization()


def localization_metrics(table: "pd.DataFrame", session: Session, status: str) -> Metrics:
    """Shares under every rule."""
    from benchmarks.metrics.localization import localization, max_box_accuracy

    metrics: Metrics = {}
    images = table["id"].nunique()
    for rule in session.rules.steps:
        for boxes in session.rules.boxes:
            for name, share in localization(table, rule, boxes.name).items():
                metrics[MetricKey(name, steps=rule.name, boxes=boxes.name)] = percent(share, status)
        for name, value in max_box_accuracy(table, rule).items():
            metrics[MetricKey(name, steps=rule.name)] = Metric(value, "%", images, status=status)
    return metrics


def moving_boxes(table: "pd.DataFrame", status: str = "ok") -> tuple[Metrics, dict[MetricKey, list[float]]]:
    """How far the box moves from the first step to the last, by the number of objects; nothing for a single step.

    Args:
        table: Localizations.
        status: Of all numbers.

    Returns:
        Of each kind of image ``moved`` (share whose boxes are apart) and ``overlap`` (mean IoU); the IoUs' histogram.
    """
    from benchmarks.metrics.movement import MOVED_BELOW, OBJECTS, histogram, step_overlaps
    from benchmarks.metrics.statistics import clustered

    metrics: Metrics = {}
    samples: dict[MetricKey, list[float]] = {}
    if table["step"].max() < 2:
        return metrics, samples
    moved = step_overlaps(table)
    for kind in OBJECTS:
        of_kind = moved[(moved["objects"] == 1) == (kind == "one")]
        ious = of_kind["iou"]
        if len(ious):
            share = clustered((ious < MOVED_BELOW).to_numpy(), of_kind["cluster"].tolist())
            metrics[MetricKey("moved", of=kind)] = percent(share, status)
            metrics[MetricKey("overlap", of=kind)] = Metric(float(ious.mean()), "1", len(ious), status=status)
            samples[MetricKey("overlap", of=kind)] = histogram(ious).tolist()
    return metrics, samples
