"""Records as the paper's experiments leave them, made up: each holds all that its kind of work declares."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.core.records import Cell, Metric, MetricKey, Record, Scalar, new_record
from benchmarks.core.store import Store
from benchmarks.metrics.movement import OBJECTS
from benchmarks.metrics.outcomes import pack
from benchmarks.metrics.statistics import wilson
from benchmarks.networks.names import TWIN, parse
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.recipes import MINI, MINI_RECIPE
from benchmarks.papers.tdam.rules import RULES
from benchmarks.work.accuracy import GUESSES, RUNNER_UP, equal_guesses
from benchmarks.work.cost import FLOPS, PARAMETERS
from benchmarks.work.kinds import KINDS
from benchmarks.work.localization import MAX_BOX
from benchmarks.work.results import percent
from benchmarks.work.session import Session
from benchmarks.work.training import ENDED, HELD_OUT, LOSS, LR

N = 400  # images of every set
# Of them those that every network is right about where it is judged whether trainings had ended.
RIGHT = 360
ENDED_ON = {MINI.ended_on, MINI.reduced.ended_on, *(one.ended_on for one in MINI.transfers.values())}
INPUTS: dict[str, Scalar] = {
    "device": "cpu",
    "processor": "a processor",
    "torch": "2.9",
    "torchvision": "0.24",
    "numpy": "2.3",
}
STEPS = [rule.name for rule in RULES.steps]
BOXES = [rule.name for rule in RULES.boxes]


@dataclass
class Content:
    """What a record holds besides its cell and inputs."""

    metrics: dict[MetricKey, Metric] = field(default_factory=dict)
    samples: dict[MetricKey, list[float]] = field(default_factory=dict)
    outcomes: dict[MetricKey, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def share(self, key: MetricKey, draw: np.random.Generator, kept: bool = False, right: int | None = None) -> None:
        """A share of right images, drawn or so many of all, and which they are if that is kept."""
        hits = draw.random(N) < draw.uniform(0.7, 0.9) if right is None else np.arange(N) < right
        self.metrics[key] = percent(wilson(int(hits.sum()), N))
        if kept:
            self.outcomes[key] = pack(hits)


def cost(cell: Cell, draw: np.random.Generator) -> Content:
    # Parameters are the same by every convention.
    parameters = np.random.default_rng(zlib.crc32(cell.model.encode())).uniform(25e6, 50e6)
    counts = {PARAMETERS: Metric(parameters, "1"), FLOPS: Metric(draw.uniform(4e9, 8e9), "1")}
    return Content(counts, notes={"feedback": {"3": [0], "4": [0, 1]}})


def trained(cell: Cell, draw: np.random.Generator) -> Content:
    """A training that came to its end; one that went on for longer is no better, but for its seed's luck."""
    losses = [2.5, *draw.uniform(0.5, 2.0, 2).tolist()]
    samples = {LOSS: losses, LR: [0.1, 0.05, 0.0], HELD_OUT: [40.0, 85.0, 90.0 + draw.uniform(-0.3, 0.3)]}
    notes = {"chance": 10.0, "seconds": 360.0, "recipe": asdict(replace(MINI_RECIPE, epochs=3))}
    if KINDS[cell.kind].longer is not None:
        notes |= {"weights": f"{weights_of(cell)}.safetensors", "sha256": weights_of(cell)}
    metrics = {LOSS: Metric(losses[-1], "nat", n=3)}
    if cell.kind in ("train_longer", "finetune_longer"):
        metrics[ENDED] = Metric(100 * RIGHT / N, "%", N)
    return Content(metrics, samples, notes=notes)


def weights_of(cell: Cell) -> str:
    """Stands for the hash of the weights that a training leaves, which are those that its network is looked at with."""
    options = cell.options
    if "target" in options and cell.kind != "pretraining":
        return f"{cell.model} tuned for {options['target']} from {options['tuning_seed']}"
    return f"{cell.model} trained on {options['trained_on']} from {options['seed']}"


def inputs_of(cell: Cell) -> dict[str, Scalar]:
    """What a record's numbers depend on: where it rests on weights, on which."""
    options = cell.options
    if cell.kind in ("finetune", "finetune_longer"):
        return {**INPUTS, "weights": weights_of(replace(cell, kind="pretraining"))}
    if cell.kind in ("train", "train_longer") or "weights" not in options:
        return INPUTS
    return {**INPUTS, "weights": "given" if options["weights"] == "given" else weights_of(cell)}


def accuracy(cell: Cell, draw: np.random.Generator) -> Content:
    content = Content(notes={"images": cell.options["data"]})
    right = RIGHT if cell.options["data"] in ENDED_ON else None
    for steps in STEPS:
        content.share(MetricKey("top1", steps), draw, kept=True, right=right)
        content.share(MetricKey("top5", steps), draw)
    for rule in RULES.steps:
        if rule.settled is None:
            content.share(MetricKey(RUNNER_UP, rule.name), draw, kept=True)
            continue
        content.share(equal_guesses(rule.name), draw, kept=True)
        further = 40 if parse(cell.model).feedback else 0
        content.metrics[MetricKey(GUESSES, rule.name)] = Metric(100 * further / N, "%", N)
    return content


def localization(cell: Cell, draw: np.random.Generator) -> Content:
    content = Content(notes={"images": cell.options["data"]})
    for steps in STEPS:
        for boxes in BOXES:
            content.share(MetricKey("top1_loc", steps, boxes), draw, kept=boxes == BOXES[0])
            content.share(MetricKey("top5_loc", steps, boxes), draw)
            content.share(MetricKey("gt_known", steps, boxes), draw)
        for name in MAX_BOX:
            content.metrics[MetricKey(name, steps)] = Metric(draw.uniform(40, 60), "%", N)
    for objects in OBJECTS if parse(cell.model).feedback else ():
        content.share(MetricKey("moved", of=objects), draw)
        content.metrics[MetricKey("overlap", of=objects)] = Metric(draw.uniform(0.5, 0.9), "1", N)
        content.samples[MetricKey("overlap", of=objects)] = [0.1] * 10
    return content


def attention(cell: Cell, draw: np.random.Generator) -> Content:
    return Content({MetricKey("telling"): Metric(3.0, "images")}, notes={"images": [], "labels": []})


def selectivity(cell: Cell, draw: np.random.Generator) -> Content:
    content = Content(notes={"steps": parse(cell.model).steps})
    for step in map(str, range(1, parse(cell.model).steps + 1)):
        index = np.sort(draw.uniform(0.1, 0.9, 40)).tolist()
        content.samples[MetricKey("index", of=step)] = index
        for name, place in (("p25", 10), ("median", 20), ("p75", 30)):
            content.metrics[MetricKey(name, of=step)] = Metric(index[place], "1", len(index))
        content.metrics[MetricKey("silent", of=step)] = Metric(2.0, "channels", 42)
    return content


def transfer(cell: Cell, draw: np.random.Generator) -> Content:
    content = Content(notes={"images": cell.options["data"]})
    ends = cell.options["data"] in ENDED_ON
    if cell.options["threshold"] is None:
        content.share(MetricKey("top1"), draw, kept=True, right=RIGHT if ends else None)
        content.share(MetricKey("top5"), draw)
        return content
    for name in ("map", "f1_overall", "f1_class", "f1_class_mean"):
        draws = (draw.uniform(70, 80) + draw.standard_normal(200)).tolist()
        low, mean, high = np.quantile(draws, (0.025, 0.5, 0.975)).tolist()
        content.metrics[MetricKey(name)] = Metric(100 * RIGHT / N if ends else mean, "%", N, low, high)
    return content


def efficiency(cell: Cell, draw: np.random.Generator) -> Content:
    content = Content(notes={"stopped": "6 rounds, all ratios known to 1.0%"})
    names = str(cell.options["models"]).split(",")
    for name in (*names, f"{names[0]}{TWIN}"):
        seconds = draw.uniform(1.0, 1.2, 6).tolist()
        content.samples |= {MetricKey("seconds", of=name): seconds, MetricKey("warmup_seconds", of=name): [2.0]}
        content.metrics |= {
            MetricKey("fps", of=name): Metric(4 / float(np.median(seconds)), "images/s", 6, 3.3, 4.0),
            MetricKey("memory", of=name): Metric(draw.uniform(1e9, 2e9), "bytes"),
            MetricKey("reserved", of=name): Metric(2e9, "bytes"),
        }
    return content


CONTENTS: Mapping[str, Callable[[Cell, np.random.Generator], Content]] = {
    "cost": cost,
    "train": trained,
    "train_longer": trained,
    "accuracy": accuracy,
    "localization": localization,
    "attention": attention,
    "selectivity": selectivity,
    "finetune": trained,
    "finetune_longer": trained,
    "transfer": transfer,
    "efficiency": efficiency,
}


def recorded(cell: Cell) -> Record:
    """A record of a cell: always the same numbers, all that its kind of work declares."""
    content = CONTENTS[cell.kind](cell, np.random.default_rng(zlib.crc32(str(cell).encode())))
    record = new_record(cell, inputs_of(cell), content.metrics, content.samples, content.notes)
    return replace(record, outcomes=content.outcomes)


def recorded_all(session: Session, names: Iterable[str] = PAPER.experiments) -> list[Record]:
    """A record of every cell that experiments plan, each once."""
    planned = [cell for name in names for cell in PAPER.experiment(name).cells(session)]
    return [recorded(cell) for cell in dict.fromkeys(planned)]


def kept(records: Iterable[Record], store: Store) -> Store:
    """A results folder with records."""
    for record in records:
        store.write(record)
    return store
