"""Class selectivity of the channels of trained networks."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.data.images import DataError
from benchmarks.records import Cell, Metric, Record, Scalar, new_record
from benchmarks.session import Session
from benchmarks.tasks.task import Advance, Amount, Blocked, Inputs, Waiting
from benchmarks.tasks.training import evaluated_inputs, known_inputs, loaded_network, weights_name, weights_options

CODE = ("selectivity.py", "evaluation.py", "protocols/selectivity.py")


class Selectivities:
    """The class selectivity index of every channel of the last stage, at every step."""

    name = "selectivity"
    shared = True
    parallel = False

    @staticmethod
    def cell(model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of one model on one image set."""
        options: dict[str, Scalar] = {
            "data": split,
            "resolution": session.profile.resolution,
            "crop": session.profile.crop_of(model.partition("-")[0]),
            **weights_options(model, seed, session),
        }
        return Cell("selectivity", model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, evaluating code, versions, device kind."""
        return evaluated_inputs(cell, session, *CODE)

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model that sees them alike."""
        return tuple(cell.options[name] for name in ("data", "resolution", "crop"))

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all models see each of them in one go."""
        images = len(session.image_set(str(cells[0].options["data"])))
        return Amount(min(images, session.profile.val_count or images), "images")

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over the image set."""
        import torch

        from benchmarks.evaluation import View
        from benchmarks.protocols.selectivity import class_selectivity
        from benchmarks.selectivity import activations

        o: Any = cells[0].options
        found = activations(
            {weights_name(cell): loaded_network(cell, session) for cell in cells},
            session.image_set(o["data"]),
            View(o["resolution"], o["crop"]),
            torch.device(session.device),
            session.profile.batch,
            session.workers,
            session.profile.val_count,
            advance,
        )
        wanted = self.amount(cells, session).total
        for cell in cells:
            seen = found[weights_name(cell)]
            if not seen.images:
                raise DataError(f"no image of {o['data']} could be read; the first: {seen.unreadable[0]}")
            missing = wanted - seen.images
            status = f"partial: {missing} of {wanted} images unreadable" if missing else "ok"
            metrics, samples = {}, {}
            for step, means in enumerate(seen.means, start=1):
                index = class_selectivity(means)
                heard = np.sort(index[~np.isnan(index)])
                low, middle, high = np.quantile(heard, (0.25, 0.5, 0.75)).tolist() if len(heard) else [None] * 3
                metrics[f"step{step}/median"] = Metric(middle, "1", len(heard), low, high, status)
                metrics[f"step{step}/silent"] = Metric(float(len(index) - len(heard)), "channels", len(index))
                samples[f"step{step}"] = heard.tolist()
            inputs = known_inputs(self, cell, session)
            yield new_record(cell, inputs, metrics, samples, {"unreadable": seen.unreadable})
