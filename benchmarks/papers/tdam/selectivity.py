"""Channel selectivity (section 4.4 and the supplement): how much channels of the last stage prefer one class.

The claim: selectivity rises over the plain network.

    make selectivity                                        # after table1
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.core.records import Cell, Record
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.report.attention import histogram_figure
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table
from benchmarks.report.plots import write_figure
from benchmarks.report.selection import Selection, line_of, select
from benchmarks.work import Selectivities
from benchmarks.work.session import Session
from benchmarks.work.training import seeds_of, training_cells

TITLE = "Channel selectivity: plain against TD at each step"
TIME = "mini: half a minute on two CPU cores after table 1; full: not timed yet"

PLAIN = "resnet50"
METHODS = ("ResNet", "TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")
BINS = 20


def chosen(session: Session) -> dict[str, str]:
    """The networks that are shown, with their labels: the plain one of each backbone always."""
    own = {TABLE1[PLAIN, method]: method for method in METHODS}
    names = [name for model in session.chosen(tuple(own)) for name in (plain_of(model), model)]
    return {name: own.get(name, name) for name in dict.fromkeys(names)}


def plain_of(model: str) -> str:
    """The network without attention on a model's backbone."""
    return model.partition("-")[0]


def cells(session: Session) -> list[Cell]:
    """Training and selectivity of every model."""
    return [cell for model in chosen(session) for cell in (*training_cells(model, session), *cells_of(model, session))]


def cells_of(model: str, session: Session) -> list[Cell]:
    """The selectivity cells of one model, one for each seed."""
    split = session.profile.splits["v1"]
    return [Selectivities.cell(model, split, seed, session) for seed in seeds_of(model, session)]


def steps_of(model: str, session: Session, selection: Selection) -> range:
    """Steps of a network, from 1, as its records tell; one where there is none yet."""
    records = [selection.newest.get(cell) for cell in cells_of(model, session)]
    return range(1, 1 + min((int(record.notes["steps"]) for record in records if record is not None), default=1))


def table(session: Session, records: Sequence[Record]) -> Table:
    """Median index and silent channels of every network and step."""
    selection = select(session, records, "selectivity")
    columns = [
        Column("median", "median", "", "index", 3),
        Column("p25", "lower quarter", "", "index", 3),
        Column("p75", "upper quarter", "", "index", 3),
        Column("silent", "silent channels", "", "", 0),
    ]
    lines = []
    for model, label in chosen(session).items():
        steps = steps_of(model, session, selection)
        for step in steps:
            values = {
                column: selection.value(cells_of(model, session), f"step{step}/{column}")
                for column in ("median", "p25", "p75", "silent")
            }
            name = f"{label}, step {step}" if len(steps) > 1 else label
            lines.append(line_of(session, TITLES.get(model.partition("-")[0], model), name, model, values))
    title = f"Channel selectivity, profile {session.profile.name}"
    return Table("selectivity", title, notes(session), columns, lines)


def notes(session: Session) -> list[str]:
    """The index."""
    return [
        "Class selectivity index (Morcos et al. 2018): of each channel of the last stage the mean activation of the "
        "class that it answers most, against that of all other classes; 0 answers all alike, 1 one class only. Silent "
        "channels have none.",
        "Intervals: of the median over channels (order statistics, 95 %); of several seeds the range of their medians. "
        "Seeds "
        f"{', '.join(map(str, session.seeds))}.",
    ]


def shares(model: str, step: int, session: Session, selection: Selection) -> np.ndarray | None:
    """Share of the channels of all seeds in each bin from 0 to 1; None if a seed is missing."""
    records = [selection.newest.get(cell) for cell in cells_of(model, session)]
    found = [record.samples.get(f"step{step}", []) for record in records if record is not None]
    if len(found) < len(records) or not found:
        return None
    counts, _ = np.histogram(np.concatenate(found), BINS, (0.0, 1.0))
    found_shares: np.ndarray = counts / max(1, counts.sum())
    return found_shares


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the numbers and the distributions."""
    selection = select(session, records, "selectivity")
    files = write_table(table(session, records), folder / "tables")
    panels = {}
    for model, label in chosen(session).items():
        plain = plain_of(model)
        if model == plain:
            continue
        title = TITLES.get(plain, plain)
        named = {title: shares(plain, 1, session, selection)}
        for step in steps_of(model, session, selection):
            named[f"{label}, step {step}"] = shares(model, step, session, selection)
        panels[f"{title} {label}"] = {name: found for name, found in named.items() if found is not None}
    title = f"Class selectivity of the last stage's channels, {session.profile.name}"
    drawn = {heading: named for heading, named in panels.items() if named}
    figure = histogram_figure(title, drawn, "class selectivity index", "share of channels")
    return files + write_figure(figure, folder / "figures", "selectivity")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The numbers for a terminal."""
    return to_markdown(table(session, records))
