"""Figure 5: where networks look from step to step, on images chosen by a rule; and how far the box moves.

The claim: TD shifts its attention between steps, more so when several objects are in the image. The histogram, which
the paper lacks, puts a number on it.

    make fig5
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.core.records import Cell, Record
from benchmarks.metrics.movement import OBJECTS
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.papers.tdam.table7_wsol import cells_of
from benchmarks.report.attention import Look, Picture, grid_figure, histogram_figure
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table
from benchmarks.report.plots import write_figure
from benchmarks.report.selection import Selection, line_of, select
from benchmarks.work import Attentions
from benchmarks.work.session import Session
from benchmarks.work.training import training_cells

TITLE = "Figure 5: attention over steps"
TIME = "the cells of table 7, left, and seconds"
PLAIN = "resnet50"
METHODS = {TABLE1[PLAIN, method]: method for method in ("TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")}


def chosen(session: Session) -> dict[str, str]:
    """The networks with feedback that are shown, with their labels."""
    return {model: METHODS[model] for model in METHODS if model in session.chosen(tuple(METHODS))}


def cells(session: Session) -> list[Cell]:
    """Localization of the plain network and of those with feedback, and their maps on chosen images."""
    found: list[Cell] = []
    for model in (PLAIN, *chosen(session)):
        found += training_cells(model, session)
        found += cells_of(model, session)
    return found + [attention_cell(model, session) for model in chosen(session)]


def attention_cell(model: str, session: Session) -> Cell:
    """The cell of one network's grid: of the first seed."""
    return Attentions.cell(PLAIN, model, session.profile.splits["v1"], session.seeds[0], session)


def table(session: Session, records: Sequence[Record]) -> Table:
    """The share of images whose box moves between the first and the last step, and the boxes' mean overlap."""
    selection = select(session, records, "fig5")
    columns = [Column(f"moved_{kind}", "box moves", "%", title, 1) for kind, title in OBJECTS.items()]
    columns += [Column(f"iou_{kind}", "mean IoU", "", title, 3) for kind, title in OBJECTS.items()]
    columns.append(Column("telling", "telling images", "", "first seed", 0))
    lines = []
    for model, method in chosen(session).items():
        values = {"telling": selection.value([attention_cell(model, session)], "telling")}
        for kind in OBJECTS:
            for column, metric in (("moved", "moved"), ("iou", "overlap")):
                values[f"{column}_{kind}"] = selection.value(cells_of(model, session), f"{metric}/{kind}")
        lines.append(line_of(session, "ResNet50", method, model, values))
    return Table(
        "fig5", f"Figure 5, profile {session.profile.name}: how far the box moves", notes(session), columns, lines
    )


def notes(session: Session) -> list[str]:
    """The rules."""
    return [
        "Box: of the top class's map at a step, by Grad-CAM's rule. It moves if its overlap (IoU) between the first "
        "and the last step is below 0.5.",
        "Telling images: several objects, the plain network wrong, the network with feedback right at its last step, "
        "and the box moves. The grid shows six of them at equal distances in the order of their names.",
        f"Seeds {', '.join(map(str, session.seeds))}; the grid is of the first.",
    ]


def histograms(model: str, session: Session, selection: Selection) -> dict[str, np.ndarray]:
    """Histograms of the overlap of boxes by the number of objects, the mean over seeds; empty if a seed is missing."""
    records = [selection.newest.get(cell) for cell in cells_of(model, session)]
    found = [record.samples for record in records if record is not None]
    if len(found) < len(records):
        return {}
    kinds = [kind for kind in OBJECTS if all(f"overlap/{kind}" in samples for samples in found)]
    return {OBJECTS[kind]: np.mean([samples[f"overlap/{kind}"] for samples in found], axis=0) for kind in kinds}


def maps_of(record: Record, session: Session) -> Path | None:
    """The file of an attention record's maps; None if no image met the rule."""
    return session.store.folder / "attention" / record.notes["maps"] if "maps" in record.notes else None


def why_empty(record: Record | None, session: Session, selection: Selection) -> str:
    """Why a grid shows nothing."""
    if record is None or maps_of(record, session) is not None:
        return f"the maps are not in this results folder: {selection.command}"
    return "no image meets the rule"


def pictures(record: Record, session: Session) -> list[Picture]:
    """The rows of a grid from an attention record."""
    path = maps_of(record, session)
    if path is None or not path.exists():
        return []
    with np.load(path) as file:
        arrays = dict(file)
    names, labels = record.notes["classes"], record.notes["labels"]
    found = []
    for i, (pixels, label) in enumerate(zip(arrays["images"], labels, strict=True)):
        looks = [
            Look(
                arrays[f"{model}/maps"][i, step],
                tuple(arrays[f"{model}/boxes"][i, step].tolist()),
                f"{names[arrays[f'{model}/classes'][i, step]]} ({arrays[f'{model}/scores'][i, step]:.0%})",
                bool(arrays[f"{model}/classes"][i, step] == label),
            )
            for model in (PLAIN, record.cell.model)
            for step in range(arrays[f"{model}/maps"].shape[1])
        ]
        found.append(Picture(pixels, f"label: {names[label]}", looks))
    return found


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the grids, the histogram and the numbers."""
    selection = select(session, records, "fig5")
    files = write_table(table(session, records), folder / "tables")
    for model, method in chosen(session).items():
        record = selection.newest.get(attention_cell(model, session))
        rows = [] if record is None else pictures(record, session)
        steps = len(rows[0].looks) - 1 if rows else 2
        headings = ["ResNet50", *(f"{method}\nstep {step}" for step in range(1, steps + 1))]
        nothing = why_empty(record, session, selection)
        figure = grid_figure(f"Class activation maps, {session.profile.name}", headings, rows, nothing)
        files += write_figure(figure, folder / "figures", f"fig5-{model}")
    panels = {
        f"ResNet50 {method}": shares
        for model, method in chosen(session).items()
        if (shares := histograms(model, session, selection))
    }
    title = f"Overlap of the boxes at the first and the last step, {session.profile.name}"
    figure = histogram_figure(title, panels, "IoU of the two boxes", "share of images")
    return files + write_figure(figure, folder / "figures", "fig5-shift")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The numbers for a terminal."""
    return to_markdown(table(session, records))
