"""Figure 5: where networks look from step to step, on images chosen by a rule; and how far the box moves.

The claim: TD shifts its attention between steps, more so when several objects are in the image. The histogram, which
the paper lacks, puts a number on it.

    make fig5

Time: the cells of table 7, left, and seconds.
"""

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.metrics.movement import OBJECTS
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.numbers import TABLE1
from benchmarks.papers.tdam.table7_wsol import cells_of
from benchmarks.report.attention import Look, Picture, grid_figure, histogram_figure
from benchmarks.report.evidence import Evidence, Query, line_of
from benchmarks.report.layout import Column, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import write_figure
from benchmarks.work.attention import ATTENTION
from benchmarks.work.session import Session
from benchmarks.work.weights import training_cells

NAME = "fig5"
TITLE = "Figure 5: attention over steps"
TIME = "the cells of table 7, left, and seconds"
PLAIN = "resnet50"
METHODS = {TABLE1[PLAIN, method]: method for method in ("TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")}
# Column and metric of how far the box moves, by the number of objects in the image.
MOVEMENTS = {"moved": "moved", "iou": "overlap"}


def chosen(models: Container[str]) -> dict[str, str]:
    """The networks with feedback that are shown, with their labels."""
    return {model: method for model, method in METHODS.items() if model in models}


def cells(session: Session) -> list[Cell]:
    """Localization of the plain network and of those with feedback, and their maps on chosen images."""
    models = chosen(session.rows(tuple(METHODS)))
    planned: list[Cell] = []
    for model in (PLAIN, *models):
        planned += training_cells(model, session)
        planned += cells_of(model, session)
    # The grid is of the first seed.
    split, seed = session.profile.splits["v1"], session.seeds[0]
    return [*planned, *(ATTENTION.cell(PLAIN, model, split, seed, session) for model in models)]


def looked_first(model: str, evidence: Evidence) -> tuple[Query, Record | None]:
    """What asks for a network's grid, which is of the first seed that was recorded, and its record."""
    query = queries.looked(model, evidence)
    first = next(iter(evidence.select(query)), None)
    if first is None:
        return query, None
    return replace(query, options={**query.options, "seed": first.cell.options["seed"]}), first


def table(evidence: Evidence) -> Table:
    """The share of images whose box moves between the first and the last step, and the boxes' mean overlap."""
    evidence = evidence.filled_by(f"tdam-bench run {NAME} --profile {evidence.profile.name}")
    columns = [Column(f"moved_{kind}", "box moves", "%", title, 1) for kind, title in OBJECTS.items()]
    columns += [Column(f"iou_{kind}", "mean IoU", "", title, 3) for kind, title in OBJECTS.items()]
    columns.append(Column("telling", "telling images", "", "first seed", 0))
    lines = []
    for model, method in chosen(evidence.rows(METHODS)).items():
        query, _ = looked_first(model, evidence)
        values = {"telling": evidence.value(query, MetricKey("telling"))}
        for kind in OBJECTS:
            for column, metric in MOVEMENTS.items():
                key = MetricKey(metric, of=kind)
                values[f"{column}_{kind}"] = evidence.value(queries.localized(model, evidence), key)
        lines.append(line_of("ResNet50", method, model, values))
    title = f"Figure 5, profile {evidence.profile.name}: how far the box moves"
    return Table(NAME, title, notes(evidence), columns, lines)


def notes(evidence: Evidence) -> list[str]:
    """The rules."""
    asked = [queries.localized(model, evidence) for model in chosen(evidence.rows(METHODS))]
    return [
        "Box: of the top class's map at a step, by Grad-CAM's rule. It moves if its overlap (IoU) between the first "
        "and the last step is below 0.5.",
        "Telling images: several objects, the plain network wrong, the network with feedback right at its last step, "
        "and the box moves. The grid shows six of them at equal distances in the order of their names.",
        f"Seeds recorded: {evidence.seeds_of(asked)}; the grid is of the first.",
        *evidence.left_out,
    ]


def histograms(model: str, evidence: Evidence) -> dict[str, npt.NDArray[np.float64]]:
    """Histograms of the boxes' overlap (bins,) by the number of objects, the mean over seeds; none without a record."""
    records = evidence.select(queries.localized(model, evidence))
    if not records:
        return {}
    keys = {title: MetricKey("overlap", of=kind) for kind, title in OBJECTS.items()}
    return {
        title: np.mean([record.samples[key] for record in records], axis=0)
        for title, key in keys.items()
        if all(key in record.samples for record in records)
    }


def maps_of(record: Record, evidence: Evidence) -> Path | None:
    """The file of an attention record's maps; None if no image met the rule."""
    return evidence.folder / "attention" / record.notes["maps"] if "maps" in record.notes else None


def why_empty(record: Record | None, evidence: Evidence) -> str:
    """Why a grid shows nothing."""
    if record is None or maps_of(record, evidence) is not None:
        return f"the maps are not in this results folder: {evidence.command}"
    return "no image meets the rule"


def pictures(record: Record, evidence: Evidence) -> list[Picture]:
    """The rows of a grid from an attention record."""
    path = maps_of(record, evidence)
    if path is None or not path.exists():
        return []
    with np.load(path) as file:
        arrays = dict(file)
    names, labels = record.notes["classes"], record.notes["labels"]
    rows = []
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
        rows.append(Picture(pixels, f"label: {names[label]}", looks))
    return rows


def figures(evidence: Evidence, folder: Path) -> list[Path]:
    """Write the grids and the histogram."""
    evidence = evidence.filled_by(f"tdam-bench run {NAME} --profile {evidence.profile.name}")
    files: list[Path] = []
    models = chosen(evidence.rows(METHODS))
    for model, method in models.items():
        _, record = looked_first(model, evidence)
        rows = [] if record is None else pictures(record, evidence)
        steps = len(rows[0].looks) - 1 if rows else 2
        headings = ["ResNet50", *(f"{method}\nstep {step}" for step in range(1, steps + 1))]
        title = f"Class activation maps, {evidence.profile.name}"
        figure = grid_figure(title, headings, rows, why_empty(record, evidence))
        files += write_figure(figure, folder, f"{NAME}-{model}")
    panels = {
        f"ResNet50 {method}": shares for model, method in models.items() if (shares := histograms(model, evidence))
    }
    title = f"Overlap of the boxes at the first and the last step, {evidence.profile.name}"
    figure = histogram_figure(title, panels, "IoU of the two boxes", "share of images")
    return [*files, *write_figure(figure, folder, f"{NAME}-shift")]


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
