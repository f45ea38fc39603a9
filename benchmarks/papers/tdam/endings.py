"""Trained to their end? Held-out accuracy of every trained row: after two thirds, at the end, after half as much again.

A network's accuracy enters a verdict only if its training had ended: half as many epochs again bring less than a point,
and it is above twice chance. See ``benchmarks.report.endings``.

    make endings
"""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.core.records import Cell, Record
from benchmarks.metrics.statistics import over
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import controls, fig8, queries, supplement
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.papers.tdam.table7_tasks import PAPERS, printed_rows
from benchmarks.report.endings import STILL_GAINED, TIMES_CHANCE, held_out, still_gained, two_thirds, why_not_trained
from benchmarks.report.evidence import Evidence, Query, line_of, setting_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.work.finetuning import FINETUNE, FINETUNE_LONGER
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session
from benchmarks.work.training import HELD_OUT, TRAIN, TRAIN_LONGER

TITLE = "Trained to their end?"
TIME = "mini: all trainings of the other experiments, and one more of each row that is half as long again"
COLUMNS = (
    Column("two_thirds", "after two thirds", "%", "", 1),
    Column("end", "at the end", "%", "", 1, "higher"),
    Column("gain", "half as much again", "points", "", 1),
)


def rows() -> dict[str, str]:
    """All rows that are trained on the profile's own data, with the image set: a model of figure 8 may be reduced."""
    reduced = {variant.model for variant in fig8.variants() if variant.reduced}
    own = [
        *TABLE1.values(),
        *controls.ROWS,
        *supplement.ROWS,
        *(one.model for one in fig8.variants() if not one.reduced),
    ]
    return {**dict.fromkeys(own, "whole"), **{f"{model}@reduced": "reduced" for model in sorted(reduced)}}


def split_of(row: str, session_train: str, reduced_train: str) -> tuple[str, str]:
    """Model and training images of a row."""
    model, _, part = row.partition("@")
    return model, reduced_train if part else session_train


def cells(session: Session) -> list[Cell]:
    """The usual trainings and fine-tunings of every seed, and longer ones of the first."""
    planned: list[Cell] = []
    first = session.seeds[0]
    for row in rows():
        model, data = split_of(row, "train", session.profile.reduced.train)
        if session.models is None or model in session.models:
            planned += [TRAIN.cell(model, seed, session, data) for seed in session.seeds]
            planned.append(TRAIN_LONGER.cell(model, first, session, data))
    for model in printed_rows():
        if session.models is None or model in session.models:
            for target in session.profile.transfers:
                planned += [FINETUNE.cell(model, target, seed, session) for seed in session.seeds]
                planned.append(FINETUNE_LONGER.cell(model, target, first, session))
    return planned


def table(evidence: Evidence) -> Table:
    """Held-out accuracies of all trainings."""
    profile = evidence.profile
    evidence = evidence.filled_by(f"tdam-bench run endings --profile {profile.name}")
    lines = []
    for row in rows():
        model, data = split_of(row, "train", profile.reduced.train)
        if evidence.models is None or model in evidence.models:
            group = TITLES[parse(model).backbone] + (", reduced data" if data != "train" else "")
            lines.append(line(group, model, queries.trained(model, data), evidence))
    lines.sort(key=lambda one: one.group)
    for model in printed_rows():
        for target in profile.transfers:
            if evidence.models is None or model in evidence.models:
                query = Query(FINETUNE.name, model, {"target": target})
                lines.append(line(f"fine-tuned for {PAPERS[target]}", model, query, evidence))
    lines.sort(key=lambda one: one.group.startswith("fine-tuned"))
    return Table("endings", f"{TITLE} Profile {profile.name}", notes(evidence), COLUMNS, lines)


def line(group: str, model: str, query: Query, evidence: Evidence) -> Line:
    """What the trainings of one row tell of their end; the last value says in words why they decide nothing."""
    records = evidence.select(query)
    if not records or not all(record.samples.get(HELD_OUT) for record in records):
        missing = Value(missing=evidence.why_missing(query))
        return line_of(group, model, model, dict.fromkeys((column.key for column in COLUMNS), missing))
    ids = " ".join(record.id for record in records)
    values = {
        "two_thirds": mean([two_thirds(record) for record in records], ids),
        "end": mean([held_out(record) for record in records], ids),
        "gain": gain(records, evidence),
    }
    why = why_not_trained(evidence, records)
    remark = None if why is None or values["gain"].measured is None else why.reason
    return line_of(group, model, model, {**values, "gain": replace(values["gain"], note=remark)})


def mean(numbers: Sequence[float], ids: str) -> Value:
    """The mean over seeds with Student's interval."""
    effect = over(numbers, "seeds")
    low, high = effect.interval() if effect.n > 1 else (None, None)
    return Value(measured=effect.value, low=low, high=high, record=ids)


def gain(records: Sequence[Record], evidence: Evidence) -> Value:
    """What the longer trainings of a row bring over the mean of the usual ones, points."""
    training = records[-1]
    gained = still_gained(evidence, training)
    if gained is None:
        return Value(missing=f"no longer training is recorded: `{evidence.command}`")
    kind = KINDS[training.cell.kind].longer
    assert kind is not None, training.cell.kind
    longer = evidence.select(Query(kind, training.cell.model, dict(setting_of(training.cell))))
    return Value(measured=gained, record=" ".join(record.id for record in longer))


def notes(evidence: Evidence) -> list[str]:
    """What the numbers decide."""
    return [
        "Top-1 (mAP for several classes) on held-out images that nothing else is judged on. A row counts as trained to "
        f"its end if half as many epochs again bring less than {STILL_GAINED:g} point over the mean of its seeds, and "
        f"as trained at all above {TIMES_CHANCE:g} times chance; else its accuracies decide nothing, and its line says "
        "so.",
        *evidence.left_out,
    ]


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
