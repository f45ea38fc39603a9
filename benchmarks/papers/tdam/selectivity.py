"""Channel selectivity (section 4.4 and the supplement): how much channels of the last stage prefer one class.

The claim: selectivity rises over the plain network.

    make selectivity                                        # after table1

Time: mini half a minute on two CPU cores after table 1.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.report.attention import histogram_figure
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Line, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import write_figure
from benchmarks.work.selectivity import SELECTIVITY
from benchmarks.work.session import Session
from benchmarks.work.weights import for_seeds, training_cells

NAME = "selectivity"
TITLE = "Channel selectivity: plain against TD at each step"
TIME = "mini: half a minute on two CPU cores after table 1; full: not timed yet"

PLAIN = "resnet50"
METHODS = {TABLE1[PLAIN, method]: method for method in ("ResNet", "TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")}
BINS = 20


def with_plain(models: Sequence[str]) -> dict[str, str]:
    """The networks that are shown, with their labels: those chosen, the plain one of each backbone before them."""
    names = [name for model in models for name in (parse(model).backbone, model)]
    return {name: METHODS.get(name, name) for name in dict.fromkeys(names)}


def cells(session: Session) -> list[Cell]:
    """Training and selectivity of every model."""
    planned: list[Cell] = []
    for model in with_plain(session.rows(tuple(METHODS))):
        planned += training_cells(model, session)
        planned += cells_of(model, session)
    return planned


def cells_of(model: str, session: Session) -> list[Cell]:
    """The selectivity cells of one model, one for each seed."""
    split = session.profile.splits["v1"]
    return for_seeds(model, session, lambda seed: SELECTIVITY.cell(model, split, seed, session))


def steps_of(model: str, evidence: Evidence) -> range:
    """Steps of a network, from 1, as its records tell; one where there is none yet."""
    records = evidence.select(queries.selective(model, evidence))
    return range(1, 1 + min((int(record.notes["steps"]) for record in records), default=1))


def table(evidence: Evidence) -> Table:
    """Median index and silent channels of every network and step."""
    evidence = evidence.filled_by(f"tdam-bench run {NAME} --profile {evidence.profile.name}")
    columns = [
        Column("median", "median", "", "index", 3),
        Column("p25", "lower quarter", "", "index", 3),
        Column("p75", "upper quarter", "", "index", 3),
        Column("silent", "silent channels", "", "", 0),
    ]
    lines = []
    for model, label in with_plain(evidence.rows(METHODS)).items():
        steps = steps_of(model, evidence)
        for step in steps:
            lines.append(line(model, f"{label}, step {step}" if len(steps) > 1 else label, step, evidence))
    return Table(NAME, f"Channel selectivity, profile {evidence.profile.name}", notes(evidence), columns, lines)


def line(model: str, label: str, step: int, evidence: Evidence) -> Line:
    """A network's numbers at one step, counted from 1."""
    query = queries.selective(model, evidence)
    names = ("median", "p25", "p75", "silent")
    values = {name: evidence.value(query, MetricKey(name, of=str(step))) for name in names}
    return line_of(TITLES[parse(model).backbone], label, model, values)


def notes(evidence: Evidence) -> list[str]:
    """The index."""
    asked = [queries.selective(model, evidence) for model in with_plain(evidence.rows(METHODS))]
    return [
        "Class selectivity index (Morcos et al. 2018): of each channel of the last stage the mean activation of the "
        "class that it answers most, against that of all other classes; 0 answers all alike, 1 one class only. Silent "
        "channels have none.",
        "Intervals: of the median over channels (order statistics, 95 %); of several seeds Student's of their medians. "
        f"Seeds recorded: {evidence.seeds_of(asked)}.",
        *evidence.left_out,
    ]


def shares(model: str, step: int, evidence: Evidence) -> npt.NDArray[np.float64] | None:
    """Share of the channels of all seeds in each bin from 0 to 1 (BINS,); None where nothing is recorded."""
    records = evidence.select(queries.selective(model, evidence))
    if not records:
        return None
    indices = [record.samples.get(MetricKey("index", of=str(step)), []) for record in records]
    counts, _ = np.histogram(np.concatenate(indices), BINS, (0.0, 1.0))
    return np.asarray(counts / max(1, counts.sum()))


def figures(evidence: Evidence, folder: Path) -> list[Path]:
    """Write the distributions: the plain network against each other one at each step."""
    panels = {}
    for model, label in with_plain(evidence.rows(METHODS)).items():
        plain = parse(model).backbone
        if model == plain:
            continue
        title = TITLES[plain]
        named = {title: shares(plain, 1, evidence)}
        named |= {f"{label}, step {step}": shares(model, step, evidence) for step in steps_of(model, evidence)}
        panels[f"{title} {label}"] = {name: binned for name, binned in named.items() if binned is not None}
    title = f"Class selectivity of the last stage's channels, {evidence.profile.name}"
    drawn = {heading: named for heading, named in panels.items() if named}
    figure = histogram_figure(title, drawn, "class selectivity index", "share of channels")
    return write_figure(figure, folder, NAME)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
