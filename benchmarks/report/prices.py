"""What it takes to decide what is undecided: the command, and the hours that it takes on the machine of the records."""

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.core.records import MetricKey, Record
from benchmarks.networks.names import TWIN
from benchmarks.report.evidence import Evidence
from benchmarks.work.training import LONGER

HOUR = 3600.0
Rows = Sequence[Sequence[Record]]


def seeds_of_rows(rows: Rows, seeds: int, evidence: Evidence, epochs: int | None = None) -> str:
    """The command that trains rows from so many seeds.

    Args:
        rows: Records of each row, by seed.
        seeds: All of them, those recorded included.
        evidence: Knows the command.
        epochs: Of each training, None for the recipe's.
    """
    models = ",".join(dict.fromkeys(records[0].cell.model for records in rows))
    longer = "" if epochs is None else f" --epochs {epochs}"
    train = "" if evidence.profile.trains else " --train"
    return f"`{evidence.command}{train} --models {models} --seeds {seeds}{longer}`"


def hours_of_rows(rows: Rows, evidence: Evidence) -> float | None:
    """Hours that one more seed of rows takes here, by the trainings behind them; None if they do not tell."""
    seconds: dict[tuple[str, str], float | None] = {}
    for record in (one for records in rows for one in records):
        for training in evidence.trainings_of(record):
            kind = training.cell.kind, training.cell.model
            # One that diverged tells none; its row's others do.
            seconds[kind] = training.notes.get("seconds", seconds.get(kind))
    known = [one for one in seconds.values() if one is not None]
    return sum(known) / HOUR if seconds and len(known) == len(seconds) else None


def by_more_seeds(rows: Rows, seeds: int, evidence: Evidence) -> str:
    """How to have so many seeds of rows, and its price."""
    one = hours_of_rows(rows, evidence)
    price = None if one is None else one * (seeds - len(rows[0]))
    return f"{seeds_of_rows(rows, seeds, evidence)}, {in_hours(price)}"


def by_longer_trainings(rows: Rows, seeds: int, epochs: int, evidence: Evidence) -> str:
    """How to train rows anew for more epochs, and its price."""
    one, now = hours_of_rows(rows, evidence), epochs_of(rows[0], evidence)
    price = None if one is None or now is None else one * seeds * epochs / now
    return f"{seeds_of_rows(rows, seeds, evidence, epochs)}, {in_hours(price)}"


def by_checking_the_end(rows: Rows, seeds: int, evidence: Evidence) -> str:
    """How to have the longer trainings that tell whether rows were trained to their end, and their price."""
    one = hours_of_rows(rows, evidence)
    more = max(0, seeds - len(rows[0]))
    return f"{seeds_of_rows(rows, seeds, evidence)}, {in_hours(None if one is None else one * (LONGER + more))}"


def epochs_of(records: Sequence[Record], evidence: Evidence) -> int | None:
    """Epochs of the newest training of a row; None where it does not tell."""
    trainings = evidence.trainings_of(records[-1])
    return trainings[0].notes.get("recipe", {}).get("epochs") if trainings else None


def by_more_images(models: Iterable[str], images: int, evidence: Evidence) -> str:
    """The price of showing so many more images to networks, by the speed that was measured here."""
    seconds = [seconds_of_image(model, evidence) for model in dict.fromkeys(models)]
    known = [one for one in seconds if one is not None]
    hours = images * sum(known) / HOUR if len(known) == len(seconds) else None
    return f"of the same kind, {in_hours(hours)}"


def seconds_of_image(model: str, evidence: Evidence) -> float | None:
    """Seconds that a network takes for an image in inference, in the newest run that measured it; None without one."""
    key = MetricKey("fps", of=model)
    speeds = [one.metrics[key].value for one in evidence.records if key in one.metrics and "mode" in one.cell.options]
    known = [speed for speed in speeds if speed]
    # Training is slower than inference.
    return 1 / max(known) if known else None


def by_more_rounds(run: Record, models: Iterable[str], rounds: int, evidence: Evidence) -> str:
    """How to measure networks for so many more rounds, and its price."""
    names = dict.fromkeys((run.cell.model, *models, f"{run.cell.model}{TWIN}"))
    turns = [run.samples.get(MetricKey("seconds", of=name)) for name in names]
    hours = rounds * sum(statistics.median(turn) for turn in turns if turn) / HOUR
    measured = ",".join(name for name in names if not name.endswith(TWIN))
    return f"`{evidence.command} --models {measured}`, {in_hours(hours)}"


def in_hours(hours: float | None) -> str:
    """A price in words."""
    if hours is None:
        return "hours unknown: nothing recorded here tells how long it takes"
    return f"about {hours:,.1f} hours here" if hours >= 0.05 else "less than 0.1 hours here"
