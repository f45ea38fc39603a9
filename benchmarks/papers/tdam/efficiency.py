"""Speed and memory of table 1's rows, by themselves: images a second and peak memory, in training and inference.

The claims: TD with m=1 trains and infers faster than CBAM and FCA on ResNet50, and than SE on ResNet101; it needs less
training memory than SE, CBAM and FCA. Absolute figures belong to their device; verdicts compare the ratio to the plain
ResNet of the same run with the paper's ratio.

    tdam-bench run efficiency --device cuda --dtype bfloat16
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.metrics.statistics import Effect, over
from benchmarks.networks.names import parse
from benchmarks.papers.tdam.numbers import TABLE1, paper_rows
from benchmarks.papers.tdam.queries import measured
from benchmarks.report.evidence import Evidence, Query, judged, line_of
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.tests import speed_over
from benchmarks.report.verdicts import Target, judge
from benchmarks.work.efficiency import EFFICIENCY, INFERENCE, TRAINING
from benchmarks.work.session import Session

TITLE = "Table 1's speed and memory columns"
TIME = "mini: 5 minutes on two CPU cores; on a GPU not timed yet"
GB = 1e-9
PAPER_BATCH = 256
# The wider margin of a ratio: the devices are not the same.
WIDE = 0.1
MODES = {"train": TRAINING, "val": INFERENCE}
QUANTITIES = {"mem": ("memory", "GB", GB, "lower"), "fps": ("fps", "images/s", 1.0, "higher")}
# The paper's rows, and below a rule the same TD networks by less arithmetic (``tdam.reduce``), which are ours.
REDUCED_ROWS = {
    (backbone, f"{method}, reduced"): str(replace(parse(model), reduced=True))
    for (backbone, method), model in TABLE1.items()
    if parse(model).feedback
}
ROWS = (*TABLE1.values(), *REDUCED_ROWS.values())
NAMES = {"train": "training", "val": "inference", "mem": "memory", "fps": "speed"}


def cells(session: Session) -> list[Cell]:
    """One cell for each backbone and mode."""
    return [
        EFFICIENCY.cell(backbone, models, mode, session)
        for backbone, models in families(session.rows(ROWS)).items()
        for mode in MODES.values()
    ]


def families(models: Iterable[str]) -> dict[str, list[str]]:
    """Models by backbone; the plain network is always measured along, it is what ratios refer to."""
    members: dict[str, list[str]] = {}
    for model in models:
        backbone = parse(model).backbone
        together = members.setdefault(backbone, [backbone])
        if model not in together:
            together.append(model)
    return members


def rows(evidence: Evidence) -> tuple[str, ...]:
    """The rows asked for: the paper's, then the reduced ones, then attentions from outside, if only measured here."""
    together = [
        name
        for record in evidence.records
        if record.cell.kind == EFFICIENCY.name
        for name in str(record.cell.options["models"]).split(",")
        if parse(name).from_outside and parse(name).backbone in ROWS
    ]
    outside = [name for name in together if evidence.models is None or name in evidence.models]
    return tuple(dict.fromkeys((*evidence.rows(ROWS), *outside)))


def runs_of(model: str, mode: str, evidence: Evidence) -> list[Record]:
    """The runs in which a model was measured in turn with its plain network, newest first."""
    query = measured(model, mode)
    keys = [MetricKey("seconds", of=name) for name in (model, query.model)]
    return [record for record in runs_of_backbone(query, evidence) if all(key in record.samples for key in keys)]


def runs_of_backbone(query: Query, evidence: Evidence) -> list[Record]:
    """The runs of a backbone's networks, whichever they were, newest first."""
    runs = evidence.by_model.get((query.kind, query.model), [])
    return [record for record in reversed(runs) if query.matches(record.cell)]


def run_of(model: str, mode: str, evidence: Evidence) -> Record | str:
    """The run that stands for a model in the tables, or why there is none.

    A backbone's networks may have been measured a few at a time. Each is taken from its newest run, if that was at the
    batch of the backbone's newest one: memory at two batches must not share a column.
    """
    query = measured(model, mode)
    runs = runs_of(model, mode, evidence)
    if not runs:
        return evidence.why_missing(query)
    batch = runs_of_backbone(query, evidence)[0].cell.options["batch"]
    other = f"measured at batch {runs[0].cell.options['batch']}, other rows at batch {batch}: `{evidence.command}`"
    return next((record for record in runs if record.cell.options["batch"] == batch), other)


def value_of(model: str, column: str, evidence: Evidence) -> Value:
    """Absolute figure of one model; ``column`` is such as ``train_fps``."""
    run = run_of(model, MODES[column.split("_")[0]], evidence)
    return Value(missing=run) if isinstance(run, str) else figure_in(run, model, column, evidence)


def figure_in(run: Record, model: str, column: str, evidence: Evidence) -> Value:
    """Absolute figure of one model in one run."""
    metric, _, scale, _ = QUANTITIES[column.split("_")[1]]
    return evidence.value(Query(run.cell.kind, run.cell.model, run.cell.options), MetricKey(metric, of=model), scale)


def ratio_of(model: str, column: str, evidence: Evidence) -> Value:
    """Ratio to the plain network of the same run, judged against the paper's ratio."""
    backbone = parse(model).backbone
    run, paper = run_of(model, MODES[column.split("_")[0]], evidence), paper_ratio(model, column)
    printed = None if paper is None else f"{paper:.2f}"
    if isinstance(run, str):
        return Value(printed, missing=run)
    own, plain = (figure_in(run, name, column, evidence) for name in (model, backbone))
    if own.measured is None or plain.measured is None:
        return judged(own if own.measured is None else plain, printed, None)
    effect = (
        speed_over(run, model, backbone) if column.endswith("fps") else certain(math.log(own.measured / plain.measured))
    )
    low, high = effect.interval()
    ends = (math.exp(low), math.exp(high)) if math.isfinite(low) else (None, None)  # of a single round it is not
    value = replace(own, measured=math.exp(effect.value), low=ends[0], high=ends[1])
    if paper is None or model == backbone:
        return judged(value, printed, None)
    beside = {paper_ratio(other, column) for other in paper_rows() if parse(other).backbone == backbone}
    others = [math.log(other) for other in beside if other and f"{other:.2f}" != f"{paper:.2f}"]
    target = Target(math.log(paper), 0.0, math.log(1 + WIDE), others)
    return judged(value, printed, judge(effect, target, lambda log: f"{math.exp(log):.2f}"))


def certain(value: float) -> Effect:
    """A quantity that does not scatter, such as peak memory, as one that was seen twice alike."""
    return over([value, value], "runs")


def paper_ratio(model: str, column: str) -> float | None:
    """The paper's figure over its plain network's; None for models that it does not have."""
    printed = paper_rows()
    if model not in printed:
        return None
    key = column.replace("mem", "mem_gb")
    return float(printed[model][key]) / float(printed[parse(model).backbone][key])


def table(evidence: Evidence) -> Table:
    """Absolute figures and ratios of every model."""
    evidence = evidence.filled_by("efficiency")
    columns, lines = [], []
    keys = [f"{phase}_{quantity}" for quantity in QUANTITIES for phase in MODES]
    for key in keys:
        phase, quantity = key.split("_")
        _, unit, _, better = QUANTITIES[quantity]
        group = f"{NAMES[phase]}: {NAMES[quantity]}"
        columns += [Column(key, "here", unit, group, 2, better), Column(f"{key}_ratio", "ratio", "x plain", group, 2)]
    for backbone, models in families(rows(evidence)).items():
        for model in models:
            values = {key: value_of(model, key, evidence) for key in keys}
            values |= {f"{key}_ratio": ratio_of(model, key, evidence) for key in keys}
            lines.append(line_of(backbone, model, model, values))
    return Table("efficiency", TITLE, [*notes(evidence), *evidence.left_out], columns, lines)


def notes(evidence: Evidence) -> list[str]:
    """Device, batch and how the verdicts are made."""
    runs = shown_runs(evidence)
    said = list(dict.fromkeys(map(conditions_of, runs)))
    said.append(
        "Speed and memory are judged by their ratio to the plain ResNet of the same run against the paper's ratio, "
        "10 % allowed; what the noise (the ratio's 95 % interval over rounds, or what the plain network measured twice "
        "differs by) could turn is UNDECIDED."
    )
    if any(parse(model).reduced for model in rows(evidence)):
        said.append(
            "Rows named reduced are ours: the TD networks above after `tdam.reduce`, which gives the same outputs, "
            "gradients and running statistics by less arithmetic (`tdam/reduction.py`). Their FLOPs are of what really "
            "runs."
        )
    if any(record.cell.options["batch"] != PAPER_BATCH for record in runs):
        said.append(
            f"The paper's memory is that of a GPU at batch {PAPER_BATCH}. At a smaller batch parameters weigh more "
            "beside the feature maps, so ratios shift, most of all in inference; DIFFERS there may be the batch."
        )
    return said


def shown_runs(evidence: Evidence) -> list[Record]:
    """The runs that the rows' figures are from, each once."""
    runs = [
        run_of(model, mode, evidence)
        for models in families(rows(evidence)).values()
        for mode in MODES.values()
        for model in models
    ]
    return list({run.id: run for run in runs if isinstance(run, Record)}.values())


def conditions_of(run: Record) -> str:
    """What a run was measured on, and how."""
    options = run.cell.options
    layout = "channels_last" if options["channels_last"] else "contiguous"
    return (
        f"{run.cell.model} {options['mode']}: {run.inputs['processor']}, batch {options['batch']}, {options['dtype']}, "
        f"{layout}{', compiled' if options['compile'] else ''}, {run.notes['stopped']}, "
        f"torch {run.inputs['torch']}."
    )


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
