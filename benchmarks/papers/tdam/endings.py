"""Trained to their end? Held-out accuracy of every trained row: after two thirds, at the end, after half as much again.

A network's accuracy enters a verdict only if its training had ended: half as many epochs again bring less than a point,
and it is above twice chance. See ``benchmarks.report.endings``.

    make endings
"""

from dataclasses import replace

from benchmarks.core.records import Cell, Record
from benchmarks.metrics.statistics import over
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import controls, fig8, queries, supplement
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.papers.tdam.table7_tasks import PAPERS, printed_rows
from benchmarks.report.endings import (
    STILL_GAINED,
    TIMES_CHANCE,
    ended_on,
    ends,
    gain_interval,
    held_out,
    judged_by,
    longer_gains,
    longer_trainings,
    still_gained,
    two_thirds,
    went_wrong,
    why_gain_unknown,
    why_not_trained,
)
from benchmarks.report.evidence import Evidence, Query, effect_value, ids, line_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.work.finetuning import FINETUNE
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import ending_cells, tuned_ending_cells
from benchmarks.work.session import Session
from benchmarks.work.training import HELD_OUT, TRAIN

TITLE = "Trained to their end?"
TIME = "mini: all trainings of the other experiments, and one more of each row that is half as long again"
COLUMNS = (
    Column("two_thirds", "after two thirds", "%", "", 1),
    Column("end", "at the end", "%", "", 1, "higher"),
    Column("judged", "at the end, where judged", "%", "", 1, "higher"),
    Column("gain", "half as much again", "points", "", 2),
    Column("longer", "longer trainings", "", "", 0),
)


def rows(profile: Profile) -> list[tuple[str, str]]:
    """All rows that are trained on the profile's own data, each with its images: models of figure 8 may be reduced."""
    reduced = {variant.model for variant in fig8.variants() if variant.reduced}
    own = [
        *TABLE1.values(),
        *controls.ROWS,
        *supplement.ROWS,
        *(one.model for one in fig8.variants() if not one.reduced),
    ]
    whole = [(model, "train") for model in dict.fromkeys(own)]
    return [*whole, *((model, profile.reduced.train) for model in sorted(reduced))]


def cells(session: Session) -> list[Cell]:
    """The usual trainings and fine-tunings of every seed, longer ones of the first, and how far all of them came."""
    planned: list[Cell] = []
    for model, data in rows(session.profile):
        if session.models is None or model in session.models:
            planned += [TRAIN.cell(model, seed, session, data) for seed in session.seeds]
            planned += ending_cells(model, session, data)
    for model in printed_rows():
        if session.models is None or model in session.models:
            for target in session.profile.transfers:
                planned += [FINETUNE.cell(model, target, seed, session) for seed in session.seeds]
                planned += tuned_ending_cells(model, target, session)
    return planned


def table(evidence: Evidence) -> Table:
    """Held-out accuracies of all trainings."""
    profile = evidence.profile
    evidence = evidence.filled_by("endings")
    lines = []
    for model, data in rows(profile):
        if evidence.models is None or model in evidence.models:
            group = TITLES[parse(model).backbone] + (", reduced data" if data != "train" else "")
            lines.append(line(group, model, queries.trained(model, data), evidence))
    lines.sort(key=lambda one: one.group)
    for target in profile.transfers:
        for model in printed_rows():
            if evidence.models is None or model in evidence.models:
                query = Query(FINETUNE.name, model, {"target": target})
                lines.append(line(f"fine-tuned for {PAPERS[target]}", model, query, evidence))
    return Table("endings", f"{TITLE} Profile {profile.name}", notes(evidence), COLUMNS, lines)


def line(group: str, model: str, query: Query, evidence: Evidence) -> Line:
    """What the trainings of one row tell of their end; the last value says in words why they decide nothing."""
    records = evidence.select(query)
    if not records or not all(record.samples.get(HELD_OUT) for record in records):
        unfinished = why_not_trained(evidence, records) if records else None
        missing = Value(missing=evidence.why_missing(query) if unfinished is None else unfinished.reason)
        return line_of(group, model, model, dict.fromkeys((column.key for column in COLUMNS), missing))
    values = {
        "two_thirds": effect_value(over([two_thirds(record) for record in records], "seeds"), ids(records)),
        "end": effect_value(over([held_out(record) for record in records], "seeds"), ids(records)),
        "judged": judged(records[-1], evidence),
        "gain": gain(records[-1], evidence),
        "longer": counted(records[-1], evidence),
    }
    why = why_not_trained(evidence, records)
    remark = None if why is None or values["gain"].measured is None else why.reason
    return line_of(group, model, model, {**values, "gain": replace(values["gain"], note=remark)})


def judged(training: Record, evidence: Evidence) -> Value:
    """How far the usual trainings of a row came on the images on which it is judged whether they had ended, %."""
    known = ends(evidence, training)
    if not known:
        return Value(missing=f"no accuracy on {ended_on(evidence, training)} is recorded: `{evidence.command}`")
    return effect_value(over(list(known.values()), "seeds"), ids(judged_by(evidence, training)))


def gain(training: Record, evidence: Evidence) -> Value:
    """What the longer trainings of a row bring over the mean of the usual ones, points; the interval of several."""
    gained = still_gained(evidence, training)
    if gained is None:
        return Value(missing=f"{why_gain_unknown(evidence, training)}: `{evidence.command}`")
    low, high = gain_interval(evidence, training) or (None, None)
    return Value(measured=gained, low=low, high=high, record=" ".join(ids(longer_trainings(evidence, training))))


def counted(training: Record, evidence: Evidence) -> Value:
    """Of how many longer trainings that is the mean."""
    gains = longer_gains(evidence, training).values()
    if not gains:
        return Value(missing=f"{why_gain_unknown(evidence, training)}: `{evidence.command}`")
    wrong = sum(map(went_wrong, gains))
    note = f"{wrong} more went wrong" if wrong else None
    return Value(measured=len(gains) - wrong, record=" ".join(ids(longer_trainings(evidence, training))), note=note)


def where_judged(profile: Profile) -> str:
    """Which images tell whether trainings had ended."""
    if profile.ended_on is None:
        return "All of it is judged on the images that trainings are followed on."
    return (
        f"Trainings are followed on {profile.held_out}; what the longer ones bring is judged on all of "
        f"{profile.ended_on}, for on few images a training seems better or worse by chance. Fine-tunings likewise, on "
        "held-out images of their own task."
    )


def notes(evidence: Evidence) -> list[str]:
    """What the numbers decide."""
    return [
        "Top-1 (mAP for several classes) on held-out images that nothing else is judged on. A row counts as trained to "
        f"its end if half as many epochs again bring less than {STILL_GAINED:g} point over the mean of its seeds, and "
        f"as trained at all above {TIMES_CHANCE:g} times chance; else its accuracies decide nothing, and its line says "
        f"so. {where_judged(evidence.profile)} The interval is Welch's, of both means; one longer training has none.",
        *evidence.left_out,
    ]


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
