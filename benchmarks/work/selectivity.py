"""Class selectivity of the channels of trained networks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell, Metric, MetricKey, Record, new_record, options_of
from benchmarks.networks.names import parse
from benchmarks.work.evaluation import Evaluation
from benchmarks.work.kind import Blocked, Change, Inputs, MetricSpec, Waiting, evaluated_images
from benchmarks.work.results import part_notes, require_images, status_of, status_of_part
from benchmarks.work.session import Session
from benchmarks.work.weights import (
    CONDITIONS,
    WeightsOptions,
    evaluated_inputs,
    known_inputs,
    weights_options,
)

if TYPE_CHECKING:
    from baselines.backbone import Backbone
    from benchmarks.metrics.selectivity import Floats
    from benchmarks.work.passes import Collected, Collector

SYMPTOM = "weights, images or the last stage's activations are not what they were"


@dataclass(frozen=True)
class SelectivityOptions(WeightsOptions):
    """What a cell says of a selectivity.

    Attributes:
        data: The image set.
        resolution: Side of the images in pixels.
        crop: Side of the center crop over the resized shorter side.
    """

    data: str
    resolution: int
    crop: float


class Selectivity(Evaluation["Backbone"]):
    """The class selectivity index of every channel of the last stage, at every step."""

    name = "selectivity"
    version = 2
    options = SelectivityOptions
    conditions = CONDITIONS
    metrics = (
        *(MetricSpec(name, Change.NEAR, SYMPTOM, tolerance=0.2) for name in ("median", "p25", "p75")),
        MetricSpec("silent", Change.NEVER, "it is judged through the median, which is of the other channels"),
        MetricSpec("index", Change.NEVER, "it is judged through its median"),
    )

    def cell(self, model: str, split: str, seed: int, session: Session) -> Cell:
        """The cell of one model on one image set."""
        options = SelectivityOptions(
            **asdict(weights_options(model, seed, session)),
            data=split,
            resolution=session.profile.resolution,
            crop=session.profile.crop_of(parse(model).backbone),
        )
        return Cell.of(self.name, model, session.profile.name, options)

    def inputs(self, cell: Cell, session: Session) -> Inputs | Blocked | Waiting:
        """Weights, images, versions, device kind."""
        return evaluated_inputs(self, cell, options_of(cell, SelectivityOptions).data, session)

    def group(self, cell: Cell) -> object:
        """One pass over the images serves every model that sees them alike."""
        options = options_of(cell, SelectivityOptions)
        return options.data, options.resolution, options.crop

    def collectors(self, networks: "Mapping[Cell, Backbone]", session: Session) -> "dict[Cell, Collector]":
        """Sums of activations by class."""
        from benchmarks.work.collectors.selectivity import SelectivityCollector
        from benchmarks.work.passes import View

        collectors: dict[Cell, Collector] = {}
        for cell, network in networks.items():
            options = options_of(cell, SelectivityOptions)
            classes = len(session.image_set(options.data).classes)
            collectors[cell] = SelectivityCollector(View(options.resolution, options.crop), network, classes)
        return collectors

    def record(self, cell: Cell, collected: "Collected", session: Session) -> Record:
        """Each step's median index with its interval, the middle half of the channels, and all of them as samples."""
        import numpy as np

        from benchmarks.metrics.selectivity import class_selectivity
        from benchmarks.work.collectors.selectivity import class_means

        split = options_of(cell, SelectivityOptions).data
        images = session.image_set(split)
        seen = int(collected.part["counts"].sum())
        require_images(seen, split, collected.unreadable)
        status = status_of_part(status_of(seen, evaluated_images(split, session).total), images)
        means = class_means(collected.part)
        metrics: dict[MetricKey, Metric] = {}
        samples: dict[MetricKey, list[float]] = {}
        silent: dict[str, list[int]] = {}
        for step in range(1, len(means) + 1):
            of = str(step)
            try:
                index = class_selectivity(means[step - 1])
            except ValueError as error:  # of a network whose last map is signed; the others go on
                metrics[MetricKey("median", of=of)] = Metric(None, "1", status=str(error))
                continue
            silent[of] = np.flatnonzero(np.isnan(index)).tolist()
            samples[MetricKey("index", of=of)] = index[~np.isnan(index)].tolist()
            metrics |= index_metrics(index, of, status)
        notes = {"unreadable": collected.unreadable, "silent": silent, "steps": len(means), **part_notes(images)}
        return new_record(cell, known_inputs(self, cell, session), metrics, samples, notes)


SELECTIVITY = Selectivity()


def index_metrics(index: "Floats", of: str, status: str) -> dict[MetricKey, Metric]:
    """Numbers of the index of one step's channels (C,), nan for silent ones."""
    import numpy as np

    from benchmarks.metrics.statistics import median_interval

    heard = index[~np.isnan(index)]
    silent = Metric(float(len(index) - len(heard)), "channels", len(index), status=status)
    if not len(heard):
        nothing = Metric(None, "1", status="every channel is silent")
        return {MetricKey("silent", of=of): silent, MetricKey("median", of=of): nothing}
    median, low, high = median_interval(heard.tolist())
    metrics = {MetricKey("silent", of=of): silent}
    metrics[MetricKey("median", of=of)] = Metric(median, "1", len(heard), low, high, status)
    for share in (25, 75):
        quartile = float(np.percentile(heard, share))
        metrics[MetricKey(f"p{share}", of=of)] = Metric(quartile, "1", len(heard), status=status)
    return metrics
