"""How well networks do at the tasks that they were fine-tuned for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.core.identity import code_version, network_version, versions
from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record, write_atomically
from benchmarks.data.images import DataError, ImageSet, MultiLabel
from benchmarks.work.finetuning import (
    FineTunings,
    method_code,
    transfer_of,
    tuned_network,
    tuned_weights,
)
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting, evaluated_images
from benchmarks.work.session import Session
from benchmarks.work.training import known_inputs

if TYPE_CHECKING:
    from benchmarks.work.scoring import Scores

CODE = (
    "work/transfer.py",
    "work/scoring.py",
    "work/passes.py",
    "data/images.py",
    "metrics/multilabel.py",
    "metrics/accuracy.py",
)
TOP = 5


class Transfers:
    """Top-1 and top-5, or for several classes at once mAP and F1; probabilities are kept per image."""

    name = "transfer"
    shared = True
    parallel = False

    @staticmethod
    def cell(model: str, target: str, seed: int, session: Session) -> Cell:
        """The cell of one network at one task."""
        transfer = transfer_of(target, session)
        options: dict[str, Scalar] = {
            **FineTunings.cell(model, target, seed, session).options,
            "data": transfer.test,
            "resolution": transfer.recipe.resolution,
            "crop": transfer.crop,
        }
        if transfer.multi_label:
            options["threshold"] = session.threshold
        return Cell("transfer", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Fine-tuned weights, images, code, versions, device kind."""
        weights = tuned_weights(tuning_cell(cell, session), session)
        if isinstance(weights, Blocked | Waiting):
            return weights
        try:
            data = session.image_set(str(cell.options["data"])).manifest_hash
        except DataError as error:
            return Blocked(str(error), f"tdam-bench run table7-tasks --profile {cell.profile} --data-root DIR")
        return {
            "weights": weights["sha256"],
            "data": data,
            "count": session.profile.val_count,
            "code": code_version(*CODE, *method_code(cell)),
            "network": network_version(cell.model, session.profile.size),
            "device": session.device_kind,
            **versions("torch", "torchvision", "pillow"),
        }

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every network."""
        return tuple(cell.options[name] for name in ("data", "resolution", "crop"))

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all networks see each of them in one go."""
        return evaluated_images(cells, session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over one image set."""
        import torch

        from benchmarks.work.passes import View
        from benchmarks.work.scoring import score

        o: Any = cells[0].options
        images = session.image_set(o["data"])
        check_classes(session.image_set(o["tuned_on"]), images)
        named = {str(place): cell for place, cell in enumerate(cells)}
        networks = {
            name: tuned_network(tuning_cell(cell, session), len(images.classes), session)
            for name, cell in named.items()
        }
        found = score(
            networks,
            images,
            View(o["resolution"], o["crop"], squashed=True),
            torch.device(session.device),
            session.profile.batch,
            session.workers,
            session.profile.val_count,
            advance,
        )
        wanted = self.amount(cells, session).total + len(images.missing)
        for name, cell in named.items():
            yield transfer_record(cell, known_inputs(self, cell, session), images, found[name], wanted, session)


def check_classes(tuned_on: ImageSet, images: ImageSet) -> None:
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
    target, seed = str(cell.options["target"]), int(str(cell.options["tuning_seed"]))
    return FineTunings.cell(cell.model, target, seed, session)


def transfer_record(
    cell: Cell, inputs: Inputs, images: ImageSet, found: "Scores", wanted: int, session: Session
) -> Record:
    """Numbers of one network; its probabilities go beside the record."""
    from benchmarks.core import distributed
    from benchmarks.metrics.outcomes import images_hash, pack

    n = len(found.positions)
    if not n:
        raise DataError(f"no image of {cell.options['data']} could be read; the first: {found.unreadable[0]}")
    status = "ok" if n == wanted else f"partial: {wanted - n} of {wanted} images missing or unreadable"
    tuned_on = session.image_set(str(cell.options["tuned_on"]))
    if tuned_on.missing:
        lacking = f"{len(tuned_on.missing)} training images missing"
        status = f"partial: {lacking}" if status == "ok" else f"{status}; {lacking}"
    targets = np.stack([np.asarray(images.target(i)) for i in found.positions.tolist()])
    samples: dict[str, list[float]] = {}
    outcomes: dict[str, Any] = {}
    if isinstance(images, MultiLabel):
        metrics, samples = multi_label(found.scores, targets, float(str(cell.options["threshold"])), status)
    else:
        metrics = single_label(found.scores, targets, status)
        outcomes = {"outcomes": {"top1": pack(found.scores.argmax(axis=1) == targets)}}
    record = new_record(cell, inputs, metrics)
    path = session.store.path("scores", f"{cell.model}-{cell.options['target']}-{record.id}", ".npz")
    arrays = {"ids": np.array([images.ids[i] for i in found.positions]), "scores": found.scores, "targets": targets}
    if distributed.rank() == 0:
        write_atomically(path, partial(save, arrays))
    notes = {"scores": path.name, "missing": images.missing, "unreadable": found.unreadable, "remarks": images.remarks}
    return replace(record, samples=samples, notes={**notes, **outcomes, "images": images_hash(arrays["ids"].tolist())})


def save(arrays: "dict[str, np.ndarray]", path: Any) -> None:
    """Write named arrays, compressed."""
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def single_label(scores: np.ndarray, labels: np.ndarray, status: str) -> dict[str, Metric]:
    """Top-1 and top-5 in percent with Wilson intervals."""
    from benchmarks.metrics.statistics import wilson

    best = np.argsort(-scores, axis=1, kind="stable")
    metrics = {}
    for k in (1, TOP):
        share = wilson(int((best[:, :k] == labels[:, None]).any(axis=1).sum()), len(labels))
        low, value, high = (100 * x for x in (share.low, share.value, share.high))
        metrics[f"top{k}"] = Metric(value, "%", len(labels), low, high, status)
    return metrics


def multi_label(
    scores: np.ndarray, targets: np.ndarray, threshold: float, status: str
) -> tuple[dict[str, Metric], dict[str, list[float]]]:
    """mAP, overall and per-class F1 in percent with bootstrap intervals, and the bootstrap's draws, paired by place."""
    from benchmarks.metrics.multilabel import estimates

    found = estimates(scores, targets, threshold)
    metrics = {
        name: Metric(100 * one.value, "%", len(targets), 100 * one.low, 100 * one.high, status)
        for name, one in found.items()
    }
    return metrics, {name: [100 * draw for draw in one.draws] for name, one in found.items()}
