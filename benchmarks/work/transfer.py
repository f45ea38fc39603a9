"""How well networks do at the tasks that they were fine-tuned for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.data.errors import DataError
from benchmarks.work.accuracy import SYMPTOM
from benchmarks.work.choices import choice
from benchmarks.work.evaluation import Evaluation
from benchmarks.work.finetuning import FINETUNE, FineTuneOptions, transfer_of, tuned_network, tuned_weights
from benchmarks.work.kind import Blocked, Change, Inputs, MetricSpec, Waiting, evaluated_images
from benchmarks.work.results import part_notes, percent, require_images, status_of_part, write_arrays
from benchmarks.work.session import Session
from benchmarks.work.weights import CONDITIONS, evaluated_on, known_inputs, shown_inputs

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from benchmarks.data.images import ImageSet
    from benchmarks.work.passes import Collected, Collector

TOP = 5
TOP1 = MetricKey("top1")


@dataclass(frozen=True)
class TransferChoices:
    """What the user may choose for transfers."""

    threshold: float = choice(
        0.8, "Probability above which a class counts as present, for F1.", kind="float", least=0, most=1
    )


@dataclass(frozen=True)
class TransferOptions(FineTuneOptions):
    """What a cell says of a transfer, beside its fine-tuning.

    Attributes:
        data: The image set.
        resolution: Side of the images in pixels.
        crop: Side of the center crop over the resized sides.
        threshold: Probability above which a class counts as present; None where images show one class.
    """

    data: str
    resolution: int
    crop: float
    threshold: float | None


class Transfer(Evaluation["nn.Module"]):
    """Top-1 and top-5, or for several classes at once mAP and F1; probabilities are kept per image."""

    name = "transfer"
    version = 3
    options = TransferOptions
    choices = TransferChoices
    conditions = CONDITIONS
    metrics = tuple(
        MetricSpec(name, Change.SHARE, SYMPTOM)
        for name in ("top1", f"top{TOP}", "map", "f1_overall", "f1_class", "f1_class_mean")
    )

    def cell(self, model: str, target: str, seed: int, session: Session, split: str | None = None) -> Cell:
        """The cell of one network at one task, by default on its evaluated images."""
        transfer = transfer_of(target, session)
        options = TransferOptions(
            **asdict(FINETUNE.options_for(model, target, seed, session)),
            data=split or transfer.test,
            resolution=transfer.recipe.resolution,
            crop=transfer.crop,
            threshold=session.chosen(TransferChoices).threshold if transfer.multi_label else None,
        )
        return Cell.of(self.name, model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Fine-tuned weights, images, versions, device kind."""
        weights = tuned_weights(tuning_cell(cell, session), session)
        split = options_of(cell, TransferOptions).data
        inputs = shown_inputs(self, cell, weights, split, session)
        return inputs if isinstance(inputs, Blocked | Waiting) else {**inputs, **evaluated_on(split, session)}

    def rests_on(self, cell: Cell, session: Session) -> Sequence[Cell]:
        """The fine-tuning; it may itself wait for a training, which is what :meth:`inputs` tells of then."""
        return [tuning_cell(cell, session)]

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every network."""
        options = options_of(cell, TransferOptions)
        return options.data, options.resolution, options.crop

    def network_name(self, cell: Cell) -> str:
        """Each cell has its own."""
        return str(cell)

    def network(self, cell: Cell, session: Session) -> "nn.Module":
        """The fine-tuned network.

        Raises:
            DataError: There is none, or it was tuned on other classes than it would be evaluated on.
        """
        options = options_of(cell, TransferOptions)
        images = session.image_set(options.data)
        check_classes(session.image_set(options.tuned_on), images)
        return tuned_network(tuning_cell(cell, session), len(images.classes), session)

    def collectors(self, networks: "Mapping[Cell, nn.Module]", session: Session) -> "dict[Cell, Collector]":
        """Probabilities of images without regard to their proportions."""
        from benchmarks.work.collectors.transfer import TransferCollector
        from benchmarks.work.passes import View

        collectors: dict[Cell, Collector] = {}
        for cell, network in networks.items():
            options = options_of(cell, TransferOptions)
            collectors[cell] = TransferCollector(View(options.resolution, options.crop, squashed=True), network)
        return collectors

    def record(self, cell: Cell, collected: "Collected", session: Session) -> Record:
        """Numbers of one network; its probabilities go beside the record."""
        import numpy as np

        from benchmarks.metrics.outcomes import images_hash, pack

        options = options_of(cell, TransferOptions)
        images = session.image_set(options.data)
        positions = collected.part["position"].tolist()
        require_images(len(positions), options.data, collected.unreadable)
        status = status_of_part(status_with_missing(len(positions), options, session), images)
        scores, targets = collected.part["scores"], np.stack([np.asarray(images.target(i)) for i in positions])
        outcomes: dict[MetricKey, str] = {}
        if options.threshold is not None:
            metrics = multi_label(scores, targets, options.threshold, status)
        else:
            metrics = single_label(scores, targets, [images.clusters[i] for i in positions], status)
            outcomes = {TOP1: pack(scores.argmax(axis=1) == targets)}
        record = new_record(cell, known_inputs(self, cell, session), metrics)
        path = session.store.path("scores", f"{cell.model}-{options.target}-{record.id}", ".npz")
        ids = [images.ids[i] for i in positions]
        write_arrays({"ids": np.array(ids), "scores": scores, "targets": targets}, path)
        notes = {
            "scores": path.name,
            "missing": images.missing,
            "unreadable": collected.unreadable,
            "remarks": images.remarks,
            "images": images_hash(ids),
            **part_notes(images),
        }
        return replace(record, outcomes=outcomes, notes=notes)


TRANSFER = Transfer()


def check_classes(tuned_on: "ImageSet", images: "ImageSet") -> None:
    """Refuse to evaluate on other classes than those of the fine-tuning.

    Raises:
        DataError: They differ.
    """
    if tuned_on.classes != images.classes:
        differ = sorted(set(tuned_on.classes) ^ set(images.classes)) or ["their order"]
        raise DataError(
            f"{tuned_on.name} and {images.name} differ in their classes ({', '.join(differ[:3])}); "
            "take both from one release of the data"
        )


def tuning_cell(cell: Cell, session: Session) -> Cell:
    """The fine-tuning whose network a cell is about."""
    options = options_of(cell, TransferOptions)
    return FINETUNE.cell(cell.model, options.target, options.tuning_seed, session)


def status_with_missing(seen: int, options: TransferOptions, session: Session) -> str:
    """``ok``, or what lacks of the evaluated images and of those of the fine-tuning."""
    wanted = evaluated_images(options.data, session).total + len(session.image_set(options.data).missing)
    untrained = len(session.image_set(options.tuned_on).missing)
    lacking = [f"{wanted - seen} of {wanted} images missing or unreadable"] if seen != wanted else []
    lacking += [f"{untrained} training images missing"] if untrained else []
    return f"partial: {'; '.join(lacking)}" if lacking else "ok"


def single_label(
    scores: "np.ndarray", labels: "np.ndarray", clusters: Sequence[int], status: str
) -> dict[MetricKey, Metric]:
    """Top-1 and top-5 in percent with their intervals, of scores (N, K), labels and clusters (N,)."""
    import numpy as np

    from benchmarks.metrics.statistics import clustered

    best = np.argsort(-scores, axis=1, kind="stable")
    hits = {k: (best[:, :k] == labels[:, None]).any(axis=1) for k in (1, TOP)}
    return {MetricKey(f"top{k}"): percent(clustered(hit, clusters), status) for k, hit in hits.items()}


def multi_label(scores: "np.ndarray", targets: "np.ndarray", threshold: float, status: str) -> dict[MetricKey, Metric]:
    """mAP, overall and both per-class F1 in percent with bootstrap intervals.

    Args:
        scores: Probabilities (N, K).
        targets: Ones and zeros (N, K).
        threshold: A class counts as present above it.
        status: Of all numbers.
    """
    from benchmarks.metrics.multilabel import estimates

    return {
        MetricKey(name): Metric(100 * one.value, "%", len(targets), 100 * one.low, 100 * one.high, status)
        for name, one in estimates(scores, targets, threshold).items()
    }
