"""What it takes to decide what is undecided: the command, and the hours that it takes on the machine of the records."""

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from itertools import count

from benchmarks.core.records import Cell, MetricKey, Record, Scalar
from benchmarks.networks.names import TWIN
from benchmarks.report.evidence import Evidence, Query, device_told, seed_of, setting_of
from benchmarks.work.training import LONGER, TrainingOptions

HOUR = 3600.0
BOTH_MODES = 2  # a run measures training and inference
Rows = Sequence[Sequence[Record]]
Seeds = AbstractSet[int | None]


def models_of_rows(rows: Rows) -> str:
    """The options that run rows alone."""
    cells = [records[0].cell for records in rows]
    models = dict.fromkeys(cell.model for cell in cells)
    targets = dict.fromkeys(str(cell.options["target"]) for cell in cells if "target" in cell.options)
    return f" --models {','.join(models)}" + (f" --targets {','.join(targets)}" if targets else "")


def command_of(options: str, evidence: Evidence, records: Sequence[Record]) -> str:
    """The command that trains, with more options, on the device that records are of: others are not compared."""
    train = "" if evidence.profile.trains else " --train"
    return f"`{evidence.command}{train}{device_told(records)}{options}`"


def hours_of_rows(rows: Rows, evidence: Evidence, times: Callable[[Record, Seeds], float]) -> float | None:
    """Hours that the trainings behind rows take here; None if they do not tell.

    Args:
        rows: Records of each row, by seed.
        evidence: Knows the trainings.
        times: How many more of a training, by it and the seeds that there are of it.
    """
    alike: dict[object, list[Record]] = {}
    for record in (one for records in rows for one in records):
        for training in evidence.trainings_of(record):
            cell = training.cell
            alike.setdefault((cell.kind, cell.model, setting_of(cell)), []).append(training)
    hours = 0.0
    for trainings in alike.values():
        # One that broke off tells no time; its row's others do. The median, for a machine may do else meanwhile.
        whole = [one for one in trainings if "seconds" in one.notes and "diverged" not in one.notes]
        if not whole:
            return None
        seconds = statistics.median(one.notes["seconds"] for one in whole)
        cell, setting = whole[-1].cell, setting_of(whole[-1].cell)
        known = {seed_of(one) for one in evidence.select(Query(cell.kind, cell.model, dict(setting)))}
        hours += seconds / HOUR * times(whole[-1], known)
    return hours if alike else None


def by_more_seeds(rows: Rows, seeds: int, evidence: Evidence) -> str:
    """How to have so many seeds of rows, and its price."""
    hours = hours_of_rows(rows, evidence, lambda _, known: len({*range(seeds)} - known))
    return f"{command_of(f'{models_of_rows(rows)} --seeds {seeds}', evidence, rows[0])}, {in_hours(hours)}"


def by_longer_trainings(records: Sequence[Record], seeds: int, epochs: int, evidence: Evidence) -> str:
    """How to train a row anew for more epochs, and its price.

    All rows that were trained alike are trained anew with it, for accuracies after other epochs are not compared.

    Args:
        records: Of the row, by seed.
        seeds: Of every row.
        epochs: Of every training, of what is fine-tuned also of that.
        evidence: Knows the trainings.
    """

    def times(training: Record, _: Seeds) -> float:
        # With a longer training of each that tells whether these have ended.
        return (seeds + LONGER) * epochs / (recipe_epochs(training) or epochs)

    hours = hours_of_rows(trained_alike(records, evidence), evidence, times)
    command = command_of(f" --seeds {seeds} --epochs {epochs}", evidence, records)
    price = f"{in_hours(hours)} (of those trained alike)"
    return f"{command}, of all rows, for those of other epochs are not compared, {price}"


def trained_alike(records: Sequence[Record], evidence: Evidence) -> Rows:
    """The trainings of all rows that were trained as that of records, on the same images by the same recipe.

    Fine-tunings are alike whose pretraining is: whatever these are for is tuned anew with that.
    """
    trainings = evidence.trainings_of(records[-1])
    if not trainings:
        return ()
    kind, base = trainings[0].cell.kind, based_on(trainings[0].cell)
    rows: dict[tuple[str, Scalar], list[Record]] = {}
    for one in evidence.records:
        if one.cell.kind == kind and based_on(one.cell) == base:
            rows.setdefault((one.cell.model, one.cell.options.get("target")), []).append(one)
    return list(rows.values())


def based_on(cell: Cell) -> dict[str, Scalar]:
    """How the network of a cell was trained before any fine-tuning."""
    return {one.name: cell.options.get(one.name) for one in fields(TrainingOptions) if one.name != "seed"}


def by_checking_the_end(
    records: Sequence[Record], seeds: int, evidence: Evidence, tried: Collection[int | None] = ()
) -> str:
    """How to have the longer training that tells whether a row was trained to its end, and its price.

    Args:
        records: Of the row, by seed.
        seeds: Of the row.
        evidence: Knows the trainings.
        tried: Seeds whose longer trainings tell nothing; that of the first one named is run.
    """
    first = next(seed for seed in count() if seed not in tried)
    asked = (first, *(seed for seed in range(seeds) if seed != first))
    named = ",".join(map(str, asked)) if tried else str(seeds)
    hours = hours_of_rows([records], evidence, lambda _, known: LONGER + len({*asked} - known))
    return f"{command_of(f'{models_of_rows([records])} --seeds {named}', evidence, records)}, {in_hours(hours)}"


def epochs_of(records: Sequence[Record], evidence: Evidence) -> int | None:
    """Epochs of the longest training behind a row, its pretraining's included; None where it does not tell."""
    told = [recipe_epochs(one) for one in evidence.trainings_of(records[-1])]
    return max((epochs for epochs in told if epochs is not None), default=None)


def recipe_epochs(training: Record) -> int | None:
    """Epochs of a training; None where it does not tell."""
    epochs: int | None = training.notes.get("recipe", {}).get("epochs")
    return epochs


def by_more_images(models: Iterable[str], images: int, evidence: Evidence) -> str:
    """The price of showing so many more images to networks, by the speed that was measured here."""
    seconds = [seconds_of_image(model, evidence) for model in dict.fromkeys(models)]
    known = [one for one in seconds if one is not None]
    hours = images * sum(known) / HOUR if len(known) == len(seconds) else None
    return f"of the same kind, {in_hours(hours)}"


def seconds_of_image(model: str, evidence: Evidence) -> float | None:
    """Seconds that a network takes for an image, in the fastest run that measured it; None without one."""
    key = MetricKey("fps", of=model)
    speeds = [one.metrics[key].value for one in evidence.records if key in one.metrics and "mode" in one.cell.options]
    known = [speed for speed in speeds if speed]
    # Training is slower than inference.
    return 1 / max(known) if known else None


def by_more_rounds(run: Record, models: Iterable[str], rounds: int, evidence: Evidence) -> str:
    """How to measure networks anew for so many rounds, and the price: a run of its own, in both modes."""
    names = dict.fromkeys((run.cell.model, *models, f"{run.cell.model}{TWIN}"))
    turns = {key.of: values for key, values in run.samples.items() if key.name == "seconds" and values}
    timed = sum(map(sum, turns.values()))
    # Warm-up and memory are measured besides, and of a GPU a round's time is that of one of its steps.
    besides = run.notes.get("seconds", timed) / timed
    budget = math.ceil(rounds * besides * sum(statistics.median(turns[name]) for name in names if name in turns))
    measured = ",".join(name for name in names if not name.endswith(TWIN))
    command = f"{evidence.command}{device_told([run])} --models {measured} --budget {budget}"
    return f"`{command}`, {in_hours(BOTH_MODES * budget / HOUR)}"


def in_hours(hours: float | None) -> str:
    """A price in words."""
    if hours is None:
        return "hours unknown: nothing recorded here tells how long it takes"
    return f"about {hours:,.1f} hours here" if hours >= 0.05 else "less than 0.1 hours here"
