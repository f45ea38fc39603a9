"""Class selectivity of the channels of trained networks."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.core.records import Cell, Metric, Record, Scalar, new_record
from benchmarks.work.kind import Advance, Amount, Blocked, Inputs, Waiting, evaluated_images
from benchmarks.work.session import Session
from benchmarks.work.training import evaluated_inputs, known_inputs, loaded_network, weights_name, weights_options

if TYPE_CHECKING:
    from benchmarks.work.activating import Activations

CODE = ("work/selectivity.py", "work/activating.py", "work/passes.py", "metrics/selectivity.py")


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
        return evaluated_images(cells, session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record]:
        """One pass over the image set."""
        import torch

        from benchmarks.work.activating import activations
        from benchmarks.work.passes import View

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
            inputs = known_inputs(self, cell, session)
            yield selectivity_record(cell, inputs, found[weights_name(cell)], wanted)


def selectivity_record(cell: Cell, inputs: Inputs, seen: "Activations", wanted: int) -> Record:
    """Each step's median index with its interval, the middle half of the channels, and all of them as samples."""
    from benchmarks.metrics.selectivity import class_selectivity
    from benchmarks.metrics.statistics import median_interval

    missing = wanted - seen.images
    status = f"partial: {missing} of {wanted} images unreadable" if missing else "ok"
    metrics: dict[str, Metric] = {}
    samples: dict[str, list[float]] = {}
    silent: dict[str, list[int]] = {}
    for step, means in enumerate(seen.means, start=1):
        name = f"step{step}"
        try:
            index = class_selectivity(means)
        except ValueError as error:  # of a network whose last map is signed; the others go on
            metrics[f"{name}/median"] = Metric(None, "1", status=str(error))
            continue
        heard = index[~np.isnan(index)]
        silent[name] = np.flatnonzero(np.isnan(index)).tolist()
        samples[name] = heard.tolist()
        metrics[f"{name}/silent"] = Metric(float(len(silent[name])), "channels", len(index), status=status)
        if not len(heard):
            metrics[f"{name}/median"] = Metric(None, "1", status="every channel is silent")
            continue
        median, low, high = median_interval(samples[name])
        metrics[f"{name}/median"] = Metric(median, "1", len(heard), low, high, status)
        for share in (25, 75):
            metrics[f"{name}/p{share}"] = Metric(float(np.percentile(heard, share)), "1", len(heard), status=status)
    notes = {"unreadable": seen.unreadable, "silent": silent, "steps": len(seen.means)}
    return new_record(cell, inputs, metrics, samples, notes)
