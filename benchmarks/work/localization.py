"""Weakly supervised localization by trained networks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record, write_atomically
from benchmarks.data.images import DataError
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting
from benchmarks.work.session import Session
from benchmarks.work.training import evaluated_inputs, known_inputs, loaded_network, weights_name, weights_options

CODE = (
    "work/localizing.py",
    "work/passes.py",
    "networks/maps.py",
    "data/boxes.py",
    "metrics/accuracy.py",
    "metrics/movement.py",
    "metrics/boxes.py",
    "metrics/localization.py",
)
# Without images for tuning, every so many-th of the evaluated ones is set apart.
APART = 10
# The box rule whose outcomes are kept by image, for paired tests.
PAIRED = "gradcam"


class Localizations:
    """Class activation maps against boxes, under every box rule and step protocol; kept per image and step."""

    name = "localization"
    shared = True
    parallel = False

    @staticmethod
    def cell(model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of one model on one image set."""
        options: dict[str, Scalar] = {
            "data": split,
            "resolution": session.profile.resolution,
            "crop": session.profile.crop_of(model.partition("-")[0]),
            "tuning": session.profile.tuning,
            **weights_options(model, seed, session),
        }
        return Cell("localization", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, boxes, evaluating code, versions, device kind."""
        inputs = evaluated_inputs(cell, session, *CODE)
        if isinstance(inputs, Blocked | Waiting):
            return inputs
        try:
            boxes = {f"boxes of {split}": session.boxes(split).boxes_hash for split in splits_of(cell)}
        except DataError as error:
            return Blocked(str(error), f"tdam-bench run table7-wsol --profile {cell.profile} --data-root DIR")
        return {**inputs, **boxes}

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model that sees them alike."""
        return tuple(cell.options[name] for name in ("data", "resolution", "crop"))

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all models see each of them in one go."""
        return Amount(sum(count_of(split, session) for split in splits_of(cells[0])), "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over the image set and one over that for tuning."""
        import torch

        from benchmarks.work.localizing import localize
        from benchmarks.work.passes import View

        o: Any = cells[0].options
        networks = {weights_name(cell): loaded_network(cell, session) for cell in cells}
        found = {
            split: localize(
                networks,
                session.image_set(split),
                session.boxes(split),
                View(o["resolution"], o["crop"]),
                torch.device(session.device),
                session.profile.batch,
                session.workers,
                session.profile.val_count,
                advance,
            )
            for split in splits_of(cells[0])
        }
        for cell in cells:
            named = {split: predictions[weights_name(cell)] for split, predictions in found.items()}
            yield localization_record(cell, known_inputs(self, cell, session), named, session)


def splits_of(cell: Cell) -> list[str]:
    """The image sets that a cell looks at: the one that it is about first."""
    return [str(cell.options[name]) for name in ("data", "tuning") if cell.options[name] is not None]


def count_of(split: str, session: Session) -> int:
    """Images looked at."""
    images = len(session.image_set(split))
    return min(images, session.profile.val_count or images)


def localization_record(cell: Cell, inputs: Inputs, found: dict[str, Any], session: Session) -> Record:
    """Numbers of one model under every rule and protocol; the localizations go beside the record."""
    from benchmarks.core import distributed
    from benchmarks.metrics.accuracy import PROTOCOLS
    from benchmarks.metrics.localization import RULES, localization, localized, max_box_accuracy
    from benchmarks.metrics.outcomes import images_hash, pack

    split, count = str(cell.options["data"]), count_of(str(cell.options["data"]), session)
    table, unreadable = found[split].table, found[split].unreadable
    if not len(table):
        raise DataError(f"no image of {split} could be used; the first: {unreadable[0]}")
    ids = sorted(set(table["id"]))
    apart = table[table["id"].isin(set(ids[::APART]))]
    tuning = apart if cell.options["tuning"] is None else found[str(cell.options["tuning"])].table
    status = "ok" if len(ids) == count else f"partial: {count - len(ids)} of {count} images left out"
    metrics, thresholds, outcomes = {}, {}, {}
    for protocol in PROTOCOLS:
        for rule in RULES:
            for name, share in localization(table, protocol, rule).items():
                low, value, high = (100 * x for x in (share.low, share.value, share.high))
                metrics[f"{rule}/{protocol}/{name}"] = Metric(value, "%", share.n, low, high, status)
        outcomes[f"{PAIRED}/{protocol}/top1_loc"] = pack(localized(table, protocol, PAIRED)["top1_loc"])
        best = max_box_accuracy(table, tuning, protocol)
        tested = len(set(ids) - set(tuning["id"]))
        metrics[f"{protocol}/max_box_acc_v2"] = Metric(100 * best.pop("max_box_acc_v2"), "%", tested, status=status)
        thresholds[protocol] = best
    moves, overlaps = moving_boxes(table)
    record = new_record(cell, inputs, {})
    path = session.store.path("localizations", f"{cell.model}-{record.id}", ".parquet")
    if distributed.rank() == 0:
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    notes = {"localizations": path.name, "unreadable": unreadable, "thresholds": thresholds}
    notes |= {"outcomes": outcomes, "images": images_hash(ids)}
    return replace(record, metrics={**metrics, **moves}, samples=overlaps, notes=notes)


def moving_boxes(table: Any) -> tuple[dict[str, Metric], dict[str, list[float]]]:
    """How far the box moves from the first step to the last, by the number of objects; nothing for a single step.

    Returns:
        ``moved/KIND`` (share of images whose boxes are apart) and ``overlap/KIND`` (mean IoU), and the IoUs' histogram.
    """
    from benchmarks.metrics.movement import APART, OBJECTS, histogram, step_overlaps
    from benchmarks.metrics.statistics import wilson

    metrics: dict[str, Metric] = {}
    samples: dict[str, list[float]] = {}
    if table["step"].max() < 2:
        return metrics, samples
    moved = step_overlaps(table)
    for kind in OBJECTS:
        found = moved["iou"][(moved["objects"] == 1) == (kind == "one")]
        if len(found):
            share = wilson(int((found < APART).sum()), len(found))
            low, value, high = (100 * x for x in (share.low, share.value, share.high))
            metrics[f"moved/{kind}"] = Metric(value, "%", share.n, low, high)
            metrics[f"overlap/{kind}"] = Metric(float(found.mean()), "1", len(found))
            samples[f"overlap/{kind}"] = histogram(found).tolist()
    return metrics, samples
