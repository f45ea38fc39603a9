"""Channel selectivity (section 4.4 and the supplement): how much channels of the last stage prefer one class.

The claim: selectivity rises over the plain network.

    make selectivity                                        # after table1

Time: mini half a minute on two CPU cores after table 1.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.captions import BANDS, recorded, unmeasured
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.report.curves import BEHIND, Chart, Curve, charts_figure, over_seeds, wrapped
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Line, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned, Look
from benchmarks.work.rows import training_cells
from benchmarks.work.selectivity import SELECTIVITY
from benchmarks.work.session import Session
from benchmarks.work.weights import for_seeds

NAME = "selectivity"
TITLE = "Channel selectivity: plain against TD at each step"
TIME = "mini: half a minute on two CPU cores after table 1; full: not timed yet"

PLAIN = "resnet50"
METHODS = {TABLE1[PLAIN, method]: method for method in ("ResNet", "TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")}
ENDS = [round(0.05 * place, 2) for place in range(21)]
# Steps from the first: dashes tell them apart without color.
STEPS = (Look("#E69F00", "s", dash="-."), Look("#0072B2", "o"), Look("#009E73", "^", dash=":"))


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
    split = session.profile.looks
    return for_seeds(model, session, lambda seed: SELECTIVITY.cell(model, split, seed, session))


def steps_of(model: str, evidence: Evidence) -> range:
    """Steps of a network, from 1, as its records tell; one where there is none yet."""
    records = evidence.select(queries.selective(model, evidence))
    return range(1, 1 + min((int(record.notes["steps"]) for record in records), default=1))


def table(evidence: Evidence) -> Table:
    """Median index and silent channels of every network and step."""
    evidence = evidence.filled_by(NAME)
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


def distribution(look: Look, model: str, step: int, evidence: Evidence) -> list[Curve]:
    """Share of a network's channels up to each index, percent, at a step; none where nothing is recorded."""
    records = evidence.select(queries.selective(model, evidence))
    indices = [one.samples[key] for one in records if (key := MetricKey("index", of=str(step))) in one.samples]
    shares = [[100 * float((np.array(index) <= end).mean()) for end in ENDS] for index in indices if index]
    return over_seeds(look, ENDS, shares)


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The distributions: the plain network against each other one at each step."""
    evidence = evidence.filled_by(NAME)
    charts, absent, asked = [], [], with_plain(evidence.rows(METHODS))
    legend = {"plain network": BEHIND}
    for model, label in asked.items():
        plain = parse(model).backbone
        if model == plain:
            continue
        curves = distribution(BEHIND, plain, 1, evidence)
        steps = {step: STEPS[(step - 1) % len(STEPS)] for step in steps_of(model, evidence)}
        own = [curve for step, look in steps.items() for curve in distribution(look, model, step, evidence)]
        legend |= {f"step {step}": look for step, look in steps.items()} if own else {}
        absent += [] if own else [label]
        charts += [Chart(f"{TITLES[plain]}, {label}", [*curves, *own])] if own else []
    caption = (
        "Class selectivity of the last stage's channels: the share of channels [%] whose index is at most what the x "
        "axis says, so that a curve further to the right is more selective (0 answers all classes alike, 1 one class "
        f"only); {BANDS}. The paper shows no such curves. "
        f"{recorded(evidence, [queries.selective(model, evidence) for model in asked])}"
    )
    figure = charts_figure(wrapped("channels [%]", charts, 3), "class selectivity index", legend) if charts else None
    lacks = unmeasured(f"class selectivity of {', '.join(absent)}", evidence) if absent else ""
    yield Captioned(NAME, caption, figure, lacks)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
