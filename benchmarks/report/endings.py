"""Whether networks were trained to their end, and trained at all: without that their accuracies decide nothing.

Each training says so itself, by the accuracy on held-out images after each epoch. A second training of the same seed,
half as long again, tells what more of it would have brought, where a profile has them on more held-out images.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.metrics.rules import LAST
from benchmarks.metrics.statistics import difference_interval
from benchmarks.report.evidence import Evidence, Missing, Query, seed_of, setting_of
from benchmarks.report.prices import Rows, by_checking_the_end, by_longer_trainings, by_more_seeds, epochs_of
from benchmarks.work.kinds import KINDS
from benchmarks.work.rows import FEWEST_SEEDS
from benchmarks.work.training import ENDED, HELD_OUT, LONGER, TrainingKind

# How far a network came, the first that its record has: by its last step, of a tuned one, of one for several classes.
AT_THE_END = MetricKey("top1", steps=LAST.name)
ENDS = (AT_THE_END, MetricKey("top1"), MetricKey("map"))
# Points that half as many epochs again may still bring.
STILL_GAINED = 1.0
# How near to that one longer training does not tell on which side a row is, and of how many seeds it then takes them.
NEAR, SEEDS_NEAR = STILL_GAINED / 2, 3
# A longer training that ends so many points below the usual ones went wrong and tells nothing of how these ended: seeds
# differ by a point or so. It does not count.
WENT_WRONG = 5.0
# Below so many times the accuracy of guessing a network was not trained at all.
TIMES_CHANCE = 2.0


@dataclass(frozen=True)
class Unfinished:
    """Why the networks of a row decide nothing.

    Attributes:
        reason: In words.
        remedy: What would tell or mend it.
        tried: Seeds whose longer trainings went wrong.
    """

    reason: str
    remedy: "Remedy"
    tried: Collection[int | None] = ()


class Remedy(Enum):
    """What helps where networks decide nothing: trainings that tell, longer ones, another recipe, held-out images."""

    TOLD = auto()
    LONGER = auto()
    RECIPE = auto()
    IMAGES = auto()


# What is said instead of a command, for no run has an option for it.
NO_OPTION = {
    Remedy.RECIPE: "another recipe may train it, such as a lower rate, and no option of a run does",
    Remedy.IMAGES: "the profile keeps no images of it back, so no run of it tells",
}


def why_barred(evidence: Evidence, rows: Rows) -> str:
    """Why networks that were trained here decide nothing, what to run and its price; nothing where they may decide.

    Rows are barred that were not trained to their end, or from too few seeds; weights from outside are taken as given.

    Args:
        evidence: Knows the trainings.
        rows: Records of each row, by seed.
    """
    if seed_of(rows[0][0]) is None:
        return ""
    seeds = max(FEWEST_SEEDS, len(rows[0]))
    for records in rows:
        unfinished = why_not_ended(evidence, records)
        if unfinished is None:
            continue
        if unfinished.remedy in NO_OPTION:
            return f"{unfinished.reason}; {NO_OPTION[unfinished.remedy]}"
        epochs = epochs_of(records, evidence)
        if unfinished.remedy is Remedy.LONGER and epochs is not None:
            return f"{unfinished.reason}; {by_longer_trainings(records, seeds, round(LONGER * epochs), evidence)}"
        return f"{unfinished.reason}; {by_checking_the_end(records, seeds, evidence, unfinished.tried)}"
    if len(rows[0]) < FEWEST_SEEDS:
        few = f"{len(rows[0])} of the {FEWEST_SEEDS} seeds that a statement about a method needs"
        return f"{few}; {by_more_seeds(rows, FEWEST_SEEDS, evidence)}"
    return ""


def why_not_ended(evidence: Evidence, records: Sequence[Record]) -> Unfinished | None:
    """Why the networks behind records of one row decide nothing; None where they were trained to their end.

    Args:
        evidence: Knows the trainings.
        records: Of one model, trained from several seeds.
    """
    made = [one for one in records if rests_on_training(one)]
    if not made:
        return None
    trainings = [training for training in map(evidence.trained_by, made) if training is not None]
    if len(trainings) < len(made):
        model = made[0].cell.model
        unknown = f"whether {model} was trained to its end is not known: its training is not recorded"
        return Unfinished(unknown, Remedy.TOLD)
    # A fine-tuned network is no better than what it was tuned from.
    whole = [*trainings, *left_none(evidence, trainings)]
    return why_not_ended(evidence, trainings) or why_not_trained(evidence, whole)


def left_none(evidence: Evidence, trainings: Sequence[Record]) -> list[Record]:
    """The trainings of a row that diverged and left no weights: comparing only the others would choose among seeds."""
    known = {one.id for one in trainings}
    row = trainings_of(evidence, trainings[-1], trainings[-1].cell.kind)
    return [one for one in row if "diverged" in one.notes and one.id not in known]


def rests_on_training(record: Record) -> bool:
    """Whether a record's network had weights that were trained here before."""
    if KINDS[record.cell.kind].trains_on is None:
        return seed_of(record) is not None
    # Of a training itself: whether it began from such weights.
    return record.cell.options.get("seed") is not None and "weights" in record.inputs


def why_not_trained(evidence: Evidence, trainings: Sequence[Record]) -> Unfinished | None:
    """Why the trainings of one row decide nothing; None where they came to their end."""
    model = trainings[0].cell.model
    unknown = f"whether {model} was trained to its end is not known"
    diverged = sum("diverged" in one.notes for one in trainings)
    if diverged:
        return Unfinished(f"the training of {model} diverged from {diverged} of {len(trainings)} seeds", Remedy.RECIPE)
    if any(not one.samples.get(HELD_OUT) for one in trainings):
        return Unfinished(f"{unknown}: its training kept no held-out accuracy", Remedy.IMAGES)
    lowest = min(held_out(one) for one in trainings)
    chance = max(float(one.notes["chance"]) for one in trainings)
    if lowest < TIMES_CHANCE * chance:
        shares = f"{lowest:.1f} % of held-out images, chance is {chance:.1f} %"
        return Unfinished(f"{model} was not trained at all: {shares}", Remedy.LONGER)
    gain = still_gained(evidence, trainings[-1])
    if gain is None:
        tried = tuple(longer_gains(evidence, trainings[-1]))
        return Unfinished(f"{unknown}: {why_gain_unknown(evidence, trainings[-1])}", Remedy.TOLD, tried)
    if gain >= STILL_GAINED:
        way = f"{np.mean([two_thirds(one) for one in trainings]):.1f} % after two thirds, "
        way += f"{np.mean([held_out(one) for one in trainings]):.1f} % at the end"
        judged = ended_on(evidence, trainings[-1])
        way += f", half as many epochs again bring {gain:+.1f} points{f' on {judged}' if judged else ''}"
        reason = f"{model} was not trained to its end: {way}"
        return Unfinished(reason, Remedy.LONGER)
    return None


def still_gained(evidence: Evidence, training: Record) -> float | None:
    """Points on held-out images that half as many epochs again bring: the mean of such trainings over the usual ones'.

    None without a longer training, and where all of them went wrong.

    Args:
        evidence: Knows the longer trainings.
        training: One of the row's.
    """
    gains = [gain for gain in longer_gains(evidence, training).values() if not went_wrong(gain)]
    return float(np.mean(gains)) if gains else None


def gain_interval(evidence: Evidence, training: Record) -> tuple[float, float] | None:
    """The 95 % interval of :func:`still_gained`, in which both means vary by seed; None of a single longer training."""
    usual = list(ends(evidence, training).values())
    level = float(np.mean(usual))
    gains = [gain for gain in longer_gains(evidence, training).values() if not went_wrong(gain)]
    return difference_interval(gains, [end - level for end in usual])


def longer_gains(evidence: Evidence, training: Record) -> dict[int | None, float]:
    """Points that each longer training of a row ended above the mean of its usual ones, by seed.

    Of the usual trainings all seeds count, for one alone differs from the next by as much as is asked for.
    """
    usual = ends(evidence, training)
    level = np.mean(list(usual.values())) if usual else None
    longer = longer_ends(evidence, training)
    return {seed: float(end - level) for seed, end in longer.items()} if level is not None else {}


def near_the_bound(evidence: Evidence) -> list[Cell]:
    """The longer trainings that rows near the bound need, whether they are recorded or not.

    One such training differs from the next by about as much as the bound. Where that of seed 0 is within half a point
    of it, those of seeds 0 to 2 are averaged, whichever side it was on.
    """
    needed = []
    for training in evidence.records:
        longer, seed = KINDS[training.cell.kind].longer, seed_of(training)
        if longer is not None and seed in range(SEEDS_NEAR):
            first = longer_gains(evidence, training).get(0)
            if first is not None and abs(first - STILL_GAINED) <= NEAR:
                needed.append(replace(training.cell, kind=longer))
    return needed


def went_wrong(gain: float) -> bool:
    """Whether a longer training that ended so many points above the usual ones tells nothing of them."""
    return gain <= -WENT_WRONG


def why_gain_unknown(evidence: Evidence, training: Record) -> str:
    """What lacks to tell what more epochs would bring."""
    if not longer_ends(evidence, training):
        return "no longer training of it is recorded"
    gains = longer_gains(evidence, training)
    if not gains:
        return f"its accuracy on {ended_on(evidence, training)} is not recorded"
    return f"its longer training went wrong, {', '.join(f'{gain:+.1f}' for gain in gains.values())} points"


def kind_of(training: Record) -> TrainingKind:
    """The kind of work that a training is of."""
    kind = KINDS[training.cell.kind]
    assert isinstance(kind, TrainingKind), training.cell.kind
    return kind


def ended_on(evidence: Evidence, training: Record) -> str | None:
    """The image set on which it is judged whether a training had ended; None where its own curve tells."""
    return evidence.profile.ended_on_after(kind_of(training).images_of(training.cell))


def ends(evidence: Evidence, training: Record) -> dict[int | None, float]:
    """Accuracy at the end of the usual trainings of a row on what is judged by, by seed, %."""
    if ended_on(evidence, training) is None:
        return held_out_by_seed(trainings_of(evidence, training, training.cell.kind))
    shares = {seed_of(one): share_in(one) for one in judged_by(evidence, training)}
    return {seed: share for seed, share in shares.items() if share is not None}


def share_in(record: Record) -> float | None:
    """How far a network came by its evaluation, %."""
    return next(record.metrics[key].value for key in ENDS if key in record.metrics)


def judged_by(evidence: Evidence, training: Record) -> list[Record]:
    """The records that tell how far the usual trainings of a row came."""
    split = ended_on(evidence, training)
    if split is None:
        return trainings_of(evidence, training, training.cell.kind)
    setting = {**dict(setting_of(training.cell)), "data": split}
    return evidence.select(Query(str(kind_of(training).judged_by), training.cell.model, setting))


def longer_ends(evidence: Evidence, training: Record) -> dict[int | None, float]:
    """Accuracy at the end of the longer trainings of a row on what is judged by, by seed, %; diverged ones guess."""
    if ended_on(evidence, training) is None:
        return longer_by_seed(evidence, training)
    shares = {seed_of(one): longer_end(one) for one in longer_trainings(evidence, training)}
    return {seed: share for seed, share in shares.items() if share is not None}


def longer_end(training: Record) -> float | None:
    """How far a longer training came on what is judged by, %; None of one that was not looked at there."""
    if "diverged" in training.notes:
        return float(training.notes["chance"])
    return training.metrics[ENDED].value if ENDED in training.metrics else None


def longer_trainings(evidence: Evidence, training: Record) -> list[Record]:
    """The longer trainings of a training's row."""
    kind = kind_of(training).longer
    assert kind is not None, training.cell.kind
    return trainings_of(evidence, training, kind)


def trainings_of(evidence: Evidence, training: Record, kind: str) -> list[Record]:
    """The trainings of a training's row that are of a kind."""
    return evidence.select(Query(kind, training.cell.model, dict(setting_of(training.cell))))


def longer_by_seed(evidence: Evidence, training: Record) -> dict[int | None, float]:
    """Accuracy on held-out images at the end of the longer trainings of a row, by seed, %."""
    return held_out_by_seed(longer_trainings(evidence, training))


def held_out_by_seed(trainings: Sequence[Record]) -> dict[int | None, float]:
    """Accuracy on held-out images at the end of trainings, by seed, %; diverged ones guess, some kept none."""
    return {seed_of(one): held_out(one) for one in trainings if one.samples.get(HELD_OUT) or "diverged" in one.notes}


def held_out(training: Record) -> float:
    """Accuracy on held-out images at the end of a training, %; chance where its loss was no longer a number.

    Raises:
        Missing: The training kept none.
    """
    if "diverged" in training.notes:
        return float(training.notes["chance"])
    curve = training.samples.get(HELD_OUT)
    if not curve:
        raise Missing(f"the training of {training.cell.model} kept no accuracy on held-out images; run it anew")
    return curve[-1]


def two_thirds(training: Record) -> float:
    """Accuracy on held-out images after two thirds of a training's epochs, %."""
    curve = training.samples[HELD_OUT]
    return curve[max(0, round(2 * len(curve) / 3) - 1)]
