"""Figure 5: where networks look from step to step, on images chosen by a rule; and how far the box moves.

The claim: TD shifts its attention between steps, more so when several objects are in the image. The histogram, which
the paper lacks, puts a number on it.

    make fig5

Time: the cells of table 7, left, and seconds.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.metrics.movement import MOVED_BELOW, OBJECTS
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.captions import BANDS, recorded, unmeasured
from benchmarks.papers.tdam.numbers import TABLE1, TITLES
from benchmarks.papers.tdam.table7_wsol import cells_of
from benchmarks.report.attention import Look, Picture, grid_figure
from benchmarks.report.curves import Chart, Curve, charts_figure, over_seeds, wrapped
from benchmarks.report.evidence import Evidence, Query, line_of
from benchmarks.report.layout import Column, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned
from benchmarks.report.plots import Look as CurveLook
from benchmarks.work.attention import ATTENTION, TELLING
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session

NAME = "fig5"
TITLE = "Figure 5: attention over steps"
TIME = "the cells of table 7, left, and seconds"
PLAIN = "resnet50"
METHODS = {TABLE1[PLAIN, method]: method for method in ("TDjoint (t=2, m=1)", "TDtop (t=2, m=3)")}
# By the number of objects; dashes and markers tell them apart without color.
LOOKS = {"one": CurveLook("#0072B2", "o"), "several": CurveLook("#D55E00", "s", dash="--")}
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
    split, seed = session.profile.looks, session.seeds[0]
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
    evidence = evidence.filled_by(NAME)
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
        "and the box moves. The grid shows six of them at equal distances in the order of their names; where there are "
        "fewer, after them images that come nearest.",
        f"Seeds recorded: {evidence.seeds_of(asked)}; the grid is of the first.",
        *evidence.left_out,
    ]


def maps_of(record: Record, evidence: Evidence) -> Path | None:
    """The file of an attention record's maps; None if it has none or the folder lacks it."""
    path = evidence.folder / "attention" / str(record.notes.get("maps"))
    return path if path.is_file() else None


def pictures(record: Record, path: Path) -> list[Picture]:
    """The rows of a grid from an attention record and the file of its maps."""
    with np.load(path) as file:
        arrays = dict(file)
    names, labels = record.notes["classes"], record.notes["labels"]
    rows = []
    for i, (pixels, label) in enumerate(zip(arrays["images"], labels, strict=True)):
        looks = [
            Look(
                as_share(arrays[f"{model}/maps"][i, step]),
                tuple(arrays[f"{model}/boxes"][i, step].tolist()),
                f"{names[arrays[f'{model}/classes'][i, step]]} ({arrays[f'{model}/scores'][i, step]:.0%})",
                bool(arrays[f"{model}/classes"][i, step] == label),
            )
            for model in (PLAIN, record.cell.model)
            for step in range(arrays[f"{model}/maps"].shape[1])
        ]
        rows.append(Picture(pixels, f"label: {names[label]}", looks))
    return rows


def as_share(drawn: npt.NDArray[np.number]) -> npt.NDArray[np.floating]:
    """A map from 0 to 1: files keep 255 parts, those of earlier versions the shares themselves."""
    parts = 255 if drawn.dtype == np.uint8 else 1
    return np.asarray(drawn / parts)


def grid(model: str, method: str, evidence: Evidence) -> Captioned:
    """Where the plain network and one with feedback look, on the images of the first seed's record."""
    query, record = looked_first(model, evidence)
    path = None if record is None else maps_of(record, evidence)
    name, backbone = f"{NAME}-{model}", TITLES[PLAIN]
    about = (
        f"Figure 5: where {backbone}, plain and with {method}, looks from step to step: class activation maps of the "
        "class named above each (bright: most), with its probability and the box by Grad-CAM's rule."
    )
    if record is not None and "maps" not in record.notes:
        return Captioned(name, about, None, f"Not in the figures: maps of {method}, for no image meets the rule.")
    if record is None or path is None:
        return Captioned(name, about, None, unmeasured(f"maps of {method}", evidence))
    rows = pictures(record, path)
    telling = min(len(rows), int(record.metrics[TELLING].value or 0))
    caption = f"{about} {met(telling, len(rows))} {recorded(evidence, [query])}"
    headings = [f"{backbone}, plain", *(f"{method}\nstep {step}" for step in range(1, len(rows[0].looks)))]
    return Captioned(name, caption, grid_figure(headings, rows))


def met(telling: int, shown: int) -> str:
    """Which of the pictures shown meet the rule, as a sentence."""
    rule = (
        "several objects, the plain network wrong, the one with feedback right at its last step, and its box moves "
        "(IoU of the first and the last step's below 0.5)"
    )
    if telling == shown:
        return f"All {shown} images meet the rule: {rule}."
    first = f"The first {telling} of {shown} images meet" if telling else f"None of the {shown} images meets"
    others = "The others come nearest, as far as there are such: several objects and a box that moves, or one of these."
    return f"{first} the rule: {rule}. {others}"


def shift(models: Mapping[str, str], evidence: Evidence) -> Captioned:
    """How far boxes move from the first to the last step, by the number of objects."""
    charts, absent = [], []
    for model, method in models.items():
        curves = overlaps(model, evidence)
        charts += [Chart(f"{TITLES[PLAIN]}, {method}", curves)] if curves else []
        absent += [] if curves else [method]
    caption = (
        "How far the box moves between the first and the last step: the share of images [%] in which the overlap (IoU) "
        "of the two boxes is at most what the x axis says, by the number of objects in the image. Left of the dotted "
        f"line, at 0.5, a box counts as moved; {BANDS}. The paper shows no such curves. "
        f"{recorded(evidence, [queries.localized(model, evidence) for model in models])}"
    )
    lacks = unmeasured(f"overlap of boxes of {', '.join(absent)}", evidence) if absent else ""
    rows = wrapped("images [%]", charts, 3)
    legend = {title: LOOKS[kind] for kind, title in OBJECTS.items()}
    x_label = "IoU of the first and the last step's box"
    figure = charts_figure(rows, x_label, legend, marked=MOVED_BELOW) if charts else None
    return Captioned(f"{NAME}-shift", caption, figure, lacks)


def overlaps(model: str, evidence: Evidence) -> list[Curve]:
    """Share of images up to each overlap, percent, by the number of objects; none without a record."""
    records = evidence.select(queries.localized(model, evidence))
    curves: list[Curve] = []
    for kind in OBJECTS:
        key = MetricKey("overlap", of=kind)
        found = [np.array(record.samples[key]) for record in records if key in record.samples]
        # Of a set without such images all shares are zero.
        shares = [[0.0, *(100 * np.cumsum(one)).tolist()] for one in found if one.any()]
        ends = np.linspace(0, 1, len(shares[0]) if shares else 0).tolist()
        curves += over_seeds(LOOKS[kind], ends, shares)
    return curves


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The grids and how far boxes move."""
    evidence = evidence.filled_by(NAME)
    models = chosen(evidence.rows(METHODS))
    for model, method in models.items():
        yield grid(model, method, evidence)
    yield shift(models, evidence)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
