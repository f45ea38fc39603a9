"""Accuracy of trained networks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record, write_atomically
from benchmarks.data.images import DataError
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting, evaluated_images
from benchmarks.work.session import Session
from benchmarks.work.training import evaluated_inputs, known_inputs, loaded_network, weights_name, weights_options


class Accuracies:
    """Top-1 and top-5 on one image set, under the three step protocols; predictions are kept per image."""

    name = "accuracy"
    shared = True
    parallel = False

    @staticmethod
    def cell(
        model: str,
        split: str,
        seed: int,
        session: Session,
        resolution: int | None = None,
        trained_on: str = "train",
    ) -> Cell:
        """The cell of one model on one image set, by default at the profile's resolution."""
        options: dict[str, Scalar] = {
            "data": split,
            "resolution": resolution or session.profile.resolution,
            "crop": session.profile.crop_of(model.partition("-")[0]),
            "dtype": "float32",
            **weights_options(model, seed, session, trained_on),
        }
        return Cell("accuracy", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, evaluating code, versions, device kind."""
        return evaluated_inputs(
            cell, session, "work/passes.py", "networks/maps.py", "metrics/accuracy.py", "metrics/boxes.py"
        )

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model at every resolution."""
        return cell.options["data"]

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all models see each of them in one go."""
        return evaluated_images(cells, session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over one image set."""
        import torch

        from benchmarks.work.passes import View, predict

        images = session.image_set(str(cells[0].options["data"]))
        count = self.amount(cells, session).total
        networks = {weights_name(cell): cell for cell in cells}
        seen = {cell: View(cell.options["resolution"], cell.options["crop"]) for cell in cells}  # type: ignore[arg-type]
        predictions = predict(
            {name: loaded_network(cell, session) for name, cell in networks.items()},
            {view: [weights_name(cell) for cell in cells if seen[cell] == view] for view in seen.values()},
            images,
            torch.device(session.device),
            session.profile.batch,
            session.workers,
            session.profile.val_count,
            advance,
        )
        for cell in cells:
            found = predictions[seen[cell], weights_name(cell)]
            yield accuracy_record(cell, known_inputs(self, cell, session), found, count, session)


def accuracy_record(cell: Cell, inputs: Inputs, predictions: Any, count: int, session: Session) -> Record:
    """Numbers of one model under every protocol; the predictions go beside the record."""
    from benchmarks.core import distributed
    from benchmarks.metrics.accuracy import PROTOCOLS, accuracy, correct
    from benchmarks.metrics.outcomes import images_hash, pack

    table = predictions.table
    record = new_record(cell, inputs, {})
    seen = table["id"].nunique()
    if not seen:
        raise DataError(f"no image of {cell.options['data']} could be read; the first: {predictions.unreadable[0]}")
    status = "ok" if seen == count else f"partial: {count - seen} of {count} images unreadable"
    metrics = {}
    for protocol in PROTOCOLS:
        for name, share in accuracy(table, protocol).items():
            low, value, high = (100 * x for x in (share.low, share.value, share.high))
            metrics[f"{protocol}/{name}"] = Metric(value, "%", share.n, low, high, status)
    path = session.store.path("predictions", f"{cell.model}-{record.id}", ".parquet")
    if distributed.rank() == 0:
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    hits = {f"{protocol}/top1": correct(table, protocol, 1) for protocol in PROTOCOLS}
    notes = {
        "predictions": path.name,
        "unreadable": predictions.unreadable,
        "steps": int(table["step"].max()),
        # By image in the order of their ids, for paired tests.
        "outcomes": {name: pack(hit) for name, hit in hits.items()},
        "images": images_hash(hits["last/top1"].index),
    }
    return replace(record, metrics=metrics, notes=notes)
