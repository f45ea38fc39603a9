"""What tables and claims rest on: the records of a results folder, asked for by what they are of."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Cell, MetricKey, Record, Scalar
from benchmarks.core.store import Absence, Store
from benchmarks.metrics.outcomes import unpack
from benchmarks.metrics.statistics import Effect, of_share, over
from benchmarks.networks.names import parse
from benchmarks.report.layout import Line, Value
from benchmarks.report.verdicts import Judgement, Verdict
from benchmarks.work.kinds import KINDS
from benchmarks.work.profiles import Profile

Bools = npt.NDArray[np.bool_]
# Options that tell repetitions of one thing apart.
SEEDS = ("seed", "tuning_seed")
ANY = "any"


class Missing(Exception):
    """A record that a claim rests on is missing, or lacks what the claim needs."""


@dataclass(frozen=True)
class Query:
    """What a record must be of: its kind of work, its model, and some of its options.

    Attributes:
        kind: Name of the kind of work.
        model: As in cells.
        options: Those that must be equal; the others may be anything.
    """

    kind: str
    model: str
    options: Mapping[str, Scalar] = field(default_factory=dict)

    def matches(self, cell: Cell) -> bool:
        """Whether a cell is what is asked for."""
        same = (cell.kind, cell.model) == (self.kind, self.model)
        return same and all(
            name in cell.options and cell.options[name] == value for name, value in self.options.items()
        )


def seed_of(record: Record) -> int | None:
    """The seed of a record's training, None where there is none or weights were given."""
    seeds = [record.cell.options[name] for name in SEEDS if record.cell.options.get(name) is not None]
    return int(seeds[0]) if seeds else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Evidence:
    """The records of one profile that tables and claims are made from.

    Records of one kind of work share their conditions (device, number format, choices of training): those of the newest
    one count, and ``left_out`` tells how many others there are.

    Attributes:
        profile: The profile.
        folder: The results folder.
        records: Those that count, oldest first.
        absences: Notes of cells that could not be run.
        models: The models asked for, None for all.
        command: What fills a gap of which no note is left.
        program: How the suite is called on the paper.
        left_out: One line for each kind of work that has records under other conditions.
        do_nothing: Whether the plain network stands in for every network with feedback: what doing nothing would earn.
    """

    profile: Profile
    folder: Path
    records: Sequence[Record]
    absences: Sequence[Absence] = ()
    models: tuple[str, ...] | None = None
    command: str = ""
    program: str = "tdam-bench"
    left_out: tuple[str, ...] = ()
    do_nothing: bool = False

    @cached_property
    def by_model(self) -> dict[tuple[str, str], list[Record]]:
        """Records by kind of work and model."""
        grouped: dict[tuple[str, str], list[Record]] = {}
        for record in self.records:
            grouped.setdefault((record.cell.kind, record.cell.model), []).append(record)
        return grouped

    def filled_by(self, experiment: str) -> "Evidence":
        """The same evidence, whose gaps are filled by an experiment on the part of the images that is recorded."""
        run = self.run_by([experiment])
        return replace(run, command=f"{run.command}{limit_told(self.records)}")

    def run_by(self, experiments: Sequence[str]) -> "Evidence":
        """The same evidence, whose gaps are filled by running some experiments, on all images: claims need them."""
        return replace(self, command=" ".join([self.program, "run", *experiments, "--profile", self.profile.name]))

    def select(self, query: Query) -> list[Record]:
        """The newest record of each seed that a query asks for, by seed; all of the setting that the newest one has."""
        if self.do_nothing and parse(query.model).feedback:
            query = replace(query, model=str(parse(query.model).plain))
        matching = [record for record in self.by_model.get((query.kind, query.model), []) if query.matches(record.cell)]
        if not matching:
            return []
        setting = setting_of(matching[-1].cell)
        newest = {seed_of(record): record for record in matching if setting_of(record.cell) == setting}
        return [newest[seed] for seed in sorted(newest, key=lambda seed: -1 if seed is None else seed)]

    def paired(self, queries: Sequence[Query]) -> list[list[Record]]:
        """The records of several queries for the seeds that all of them have, seed by seed.

        Raises:
            Missing: As :meth:`needed`, or no seed is common to all.
        """
        selected = [self.needed(query) for query in queries]
        by_seed = [{seed_of(record): record for record in records} for records in selected]
        common = [seed for seed in by_seed[0] if all(seed in one for one in by_seed)]
        if not common:
            raise Missing(f"the networks compared have no seed in common: `{self.command}`")
        return [[one[seed] for seed in common] for one in by_seed]

    def needed(self, query: Query) -> list[Record]:
        """The records of a query, of whole image sets.

        Raises:
            Missing: As :meth:`recorded`, or one is of a part of the images, which the message names.
        """
        records = self.recorded(query)
        require_whole(records)
        return records

    def recorded(self, query: Query) -> list[Record]:
        """The records of a query, also those of a part of the images.

        Raises:
            Missing: There is none; the message says why and which command fills it.
        """
        records = self.select(query)
        if not records:
            raise Missing(self.why_missing(query))
        return records

    def why_missing(self, query: Query) -> str:
        """Why a query has no record, and the command that fills it."""
        for absence in self.told:
            if query.matches(absence.cell):
                return f"{absence.reason}: `{absence.command}`" if absence.command else absence.reason
        alike = [record for record in self.records if record.cell.kind == query.kind]
        return f"not run: `{self.command}{device_told(alike)}`"

    def value(self, query: Query, key: MetricKey, scale: float = 1.0) -> Value:
        """One number for a table, of one record or the mean over several seeds.

        Args:
            query: What it is of.
            key: The metric.
            scale: Factor from the metric's unit to the table's.

        Returns:
            The number with its interval: the metric's own, or Student's over seeds. Without verdict.
        """
        records = self.select(query)
        if not records:
            return Value(missing=self.why_missing(query))
        if any(key not in record.metrics for record in records):
            return Value(missing=f"nothing measured under {key}")
        metrics = [record.metrics[key] for record in records]
        numbers = [metric.value * scale for metric in metrics if metric.value is not None]
        if len(numbers) < len(metrics):
            return Value(missing=next(metric.status for metric in metrics if metric.value is None))
        low, high = (None if end is None else end * scale for end in (metrics[0].low, metrics[0].high))
        if len(numbers) > 1:
            low, high = over(numbers, "seeds").interval()
        return Value(
            measured=sum(numbers) / len(numbers),
            low=low,
            high=high,
            record=" ".join(record.id for record in records),
            note=next((metric.status for metric in metrics if metric.status != "ok"), None),
            key=key,
        )

    def effect(self, query: Query, key: MetricKey) -> Effect:
        """How a share in percent varies: over the seeds of trainings, or over images where weights were given.

        Also of a part of the images; what it says of the whole is for those who ask.

        Raises:
            Missing: No record, or one without that number.
        """
        records = self.recorded(query)
        numbers = [mean([record], key) for record in records]
        images = records[0].metrics[key].n or 0
        if seed_of(records[0]) is not None:
            return over(numbers, "seeds", 100 / images if images else 0.0)
        return of_share(numbers[0] / 100, images)

    @cached_property
    def trainings(self) -> Mapping[str, Record]:
        """What trained weights, by the weights' hash."""
        return {str(record.notes["sha256"]): record for record in self.records if "sha256" in record.notes}

    def trained_by(self, record: Record) -> Record | None:
        """The training that a record's weights come from; None where they were given."""
        return self.trainings.get(str(record.inputs.get("weights")))

    def trainings_of(self, record: Record) -> list[Record]:
        """The trainings behind a record, itself included, the last first: a fine-tuning rests on one before it."""
        own = [record] if KINDS[record.cell.kind].trains_on is not None else []
        training = self.trained_by(record)
        return own if training is None else [*own, *self.trainings_of(training)]

    @property
    def given_weights(self) -> bool:
        """Whether the networks that images were shown to had weights from outside."""
        return any(record.cell.options.get("weights") == "given" for record in self.records)

    def rows(self, names: Iterable[str]) -> tuple[str, ...]:
        """A table's rows: the paper's, and after them attentions from outside that were run on its plain networks.

        Where models were asked for it is these, as far as the paper has them or the folder tells of them.
        """
        names = tuple(names)
        others = [name for name in self.told_of if name not in names]
        if self.models is not None:
            return tuple(name for name in (*names, *others) if name in self.models)
        plain = {name for name in names if parse(name).is_plain}
        return (*names, *(one for one in others if parse(one).from_outside and str(parse(one).plain) in plain))

    @property
    def told(self) -> list[Absence]:
        """The notes of the profile's cells that could not be run."""
        return [absence for absence in self.absences if absence.cell.profile in (self.profile.name, ANY)]

    @property
    def of_models(self) -> list[Record]:
        """The records of the models asked for."""
        return [record for record in self.records if self.models is None or {*self.models} & models_of(record.cell)]

    @property
    def told_of(self) -> list[str]:
        """All networks that were recorded by themselves, or of which a note tells why they could not be run."""
        cells = [*(record.cell for record in self.records), *(absence.cell for absence in self.told)]
        return list(dict.fromkeys(cell.model for cell in cells if cell.kind not in ("efficiency", "probe")))

    def selected(self, queries: Iterable[Query]) -> list[Record]:
        """The records of several queries, such as those of a table's rows, which its notes are about."""
        return [record for query in queries for record in self.select(query)]

    def seeds_of(self, queries: Iterable[Query]) -> str:
        """Which seeds were recorded of a table's rows, as its notes name them; each query is of one row.

        Rows of fewer seeds than others are named.
        """
        rows: dict[tuple[int, ...], list[str]] = {}
        for query in queries:
            records = self.select(query)
            if records:
                seeds = tuple(seed for seed in map(seed_of, records) if seed is not None)
                rows.setdefault(seeds, []).append(query.model)
        most, *fewer = sorted(rows, key=len, reverse=True) or [()]
        if not most:
            return "none (given weights)" if rows else "none"
        others = [f"{listed(seeds)} of {', '.join(dict.fromkeys(rows[seeds]))}" for seeds in fewer]
        return listed(most) + (f" ({'; '.join(others)})" if others else "")


def listed(seeds: Sequence[int]) -> str:
    """Seeds in words."""
    if len(seeds) > 3 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"


def models_of(cell: Cell) -> set[str]:
    """The networks that a cell is about; of speed and memory several are measured together."""
    return {cell.model, *str(cell.options.get("models", "")).split(",")}


def setting_of(cell: Cell) -> frozenset[tuple[str, Scalar]]:
    """All of a cell's options that tell no repetitions apart."""
    return frozenset((name, value) for name, value in cell.options.items() if name not in SEEDS)


# ---------------------------------------------------------------- from a results folder


def read_evidence(
    store: Store,
    profiles: Mapping[str, Profile],
    profile: str | None,
    models: tuple[str, ...] | None,
    program: str = "tdam-bench",
) -> Evidence:
    """The evidence of a results folder.

    Args:
        store: The folder.
        profiles: The paper's, by name.
        profile: The one wanted, None for that of the newest record.
        models: The models asked for, None for all.
        program: How the suite is called on the paper.

    Raises:
        ValueError: No record of the profile, or of any; the message says which there are.
    """
    records, absences = store.records(), store.absences()
    # Notes decide only where there is no record.
    cells = [absence.cell for absence in absences] + [record.cell for record in records]
    names = [cell.profile for cell in cells if cell.profile != ANY]
    # Other papers may share the folder, and a paper may need nothing that belongs to a profile.
    own = [name for name in names if name in profiles]
    wanted = profile or (own[-1] if own else next(iter(profiles)))
    if wanted not in profiles:
        raise ValueError(f"unknown profile {wanted!r}; choose one of {', '.join(profiles)}")
    mine = [record for record in records if record.cell.profile in (wanted, ANY)]
    if wanted not in own and (own or not mine):
        empty = "it is empty" if store.folder.is_dir() else "which is no folder"
        others = f"it has {', '.join(dict.fromkeys(names))}" if names else empty
        raise ValueError(
            f"no records of the profile {wanted} in {store.folder}, {others}; "
            f"make them with `{program} run --profile {wanted} --results {store.folder}`"
        )
    counted, left_out = of_one_condition(mine)
    command = f"{program} run --profile {wanted}{limit_told(counted)}"
    return Evidence(profiles[wanted], store.folder, counted, absences, models, command, program, tuple(left_out))


def of_one_condition(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Of each kind of work the records that share the newest one's conditions, and what is to be said of the others."""
    newest = {record.cell.kind: conditions_of(record) for record in records}
    counted = [record for record in records if conditions_of(record) == newest[record.cell.kind]]
    left_out = []
    for kind, conditions in newest.items():
        others = sum(record.cell.kind == kind for record in records) - sum(one.cell.kind == kind for one in counted)
        if others:
            shown = ", ".join(f"{name} {value}" for name, value in conditions.items() if value is not None)
            left_out.append(f"{kind}: {others} records under other conditions than {shown} are not shown.")
    return counted, left_out


def device_told(records: Sequence[Record]) -> str:
    """The option by which a run measures on the device that the newest record is of; nothing for the CPU."""
    device = records[-1].device if records else None
    return f" --device {device}" if device not in (None, "cpu") else ""


def limit_told(records: Sequence[Record]) -> str:
    """The option by which a run goes on with the part of the images that the newest record is of; nothing for all."""
    limits = [record.notes.get("limit") for record in records if "data" in record.cell.options]
    return f" --limit {limits[-1]}" if limits and limits[-1] else ""


def conditions_of(record: Record) -> dict[str, Scalar]:
    """What all rows of one table must share with a record, by name."""
    known: dict[str, Scalar] = {**record.inputs, **record.cell.options}
    return {name: known.get(name) for name in KINDS[record.cell.kind].conditions}


# ---------------------------------------------------------------- what claims ask


def require_whole(records: Sequence[Record]) -> None:
    """Refuse records of a part of the published images, drawn or an incomplete folder: they tell nothing of the whole.

    Raises:
        Missing: One is; the message names the part.
    """
    for record in records:
        part = record.notes.get("part")
        if part:
            what = f"{record.cell.kind} of {record.cell.model} was measured on a part ({part})"
            raise Missing(f"{what}, and a part is not judged as the whole; run it on all images")


def number(records: Sequence[Record], key: MetricKey) -> float:
    """A metric's mean over records that differ in their seed, of whole image sets.

    Raises:
        Missing: A value is missing, or one is of a part of the images.
    """
    require_whole(records)
    return mean(records, key)


def mean(records: Sequence[Record], key: MetricKey) -> float:
    """A metric's mean over records that differ in their seed, whatever images they are of.

    Raises:
        Missing: A value is missing, or is none.
    """
    values = []
    for record in records:
        metric = record.metrics.get(key)
        if metric is None or metric.value is None:
            raise Missing(metric.status if metric else f"nothing measured under {key}")
        if not math.isfinite(metric.value):
            raise Missing(f"the record of {record.cell.kind} {record.cell.model} has {key} {metric.value}; run it anew")
        values.append(metric.value)
    return float(np.mean(values))


def outcomes(records: Sequence[Record], key: MetricKey) -> list[Bools]:
    """Whether each image was right, of each record.

    Raises:
        Missing: A record lacks them.
    """
    return [unpack(kept(record.outcomes, key, record), record.metrics[key].n or 0) for record in records]


def kept(where: Mapping[MetricKey, Any], key: MetricKey, record: Record) -> Any:
    """An entry of a record.

    Raises:
        Missing: It has none of that key.
    """
    if key not in where:
        raise Missing(f"the record of {record.cell.kind} {record.cell.model} keeps no {key}; run it anew")
    return where[key]


def same_images(records: Sequence[Record]) -> None:
    """Refuse outcomes of different images.

    Raises:
        Missing: They are.
    """
    if len({str(record.notes.get("images")) for record in records}) != 1:
        raise Missing("the networks compared were not evaluated on the same images")


def ids(*records: Sequence[Record]) -> tuple[str, ...]:
    """Ids of records."""
    return tuple(record.id for group in records for record in group)


def effect_value(effect: Effect, records: Iterable[str]) -> Value:
    """An effect as a table's number, with Student's interval, which a single unit has not.

    Args:
        effect: Of seeds.
        records: Ids of those behind it.
    """
    ends = effect.interval()
    low, high = ends if math.isfinite(ends[0]) else (None, None)
    return Value(measured=effect.value, low=low, high=high, record=" ".join(dict.fromkeys(records)))


# ---------------------------------------------------------------- numbers beside the paper's


def line_of(group: str, label: str, model: str, values: Mapping[str, Value]) -> Line:
    """A table's row; reduced networks, controls and attentions from outside have none of the paper's numbers beside.

    A plain network's own numbers are told from nothing.
    """
    parts = parse(model)
    if parts.is_plain:
        values = {
            key: replace(one, judgement=one.judgement and one.judgement.of_plain()) for key, one in values.items()
        }
    if not (parts.reduced or parts.is_control or parts.from_outside):
        return Line(group, label, model, values)
    why = "ours: the network of the paper's row by less arithmetic" if parts.reduced else "the paper has no such row"
    why = "ours: a control of the paper's row" if parts.is_control else why
    new = Judgement(Verdict.NEW, why)
    marked = {key: judged(value, None, new if value.measured is not None else None) for key, value in values.items()}
    return Line(group, label, model, marked)


def judged(value: Value, paper: str | None, judgement: Judgement | None) -> Value:
    """A value with the paper's number and a verdict beside it."""
    return replace(value, paper=paper, judgement=judgement)
