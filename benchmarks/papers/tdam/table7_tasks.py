"""Table 7, right: fine-grained and multi-label classification with the networks as backbones.

The claims: TD improves all three tasks over the plain backbone (CUB by 1.5 points, COCO by 2 points of mAP), and is
above CBAM on all three.

    make table7-tasks                                        # after table1, whose weights it starts from
    make table7-tasks PROFILE=full DATA=folder WEIGHTS=dir DEVICE=cuda
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.papers.tdam.numbers import TABLE1, TITLES, read_paper
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table
from benchmarks.report.selection import judged_share, line_of, select
from benchmarks.work import FineTunings, Transfers
from benchmarks.work.session import Session
from benchmarks.work.training import training_cells

TITLE = "Table 7, right: fine-grained and multi-label classification"
TIME = "mini: 12 minutes on two CPU cores after table 1; full: not timed yet"

BACKBONE = "resnet50"
# Column, target, metric, heading, and whether the paper prints it.
COLUMNS = (
    ("cub_top1", "cub", "top1", "top-1", True),
    ("dogs_top1", "dogs", "top1", "top-1", True),
    ("coco_map", "coco", "map", "mAP", True),
    ("coco_f1_overall", "coco", "f1_overall", "overall F1", True),
    ("coco_f1_class", "coco", "f1_class", "per-class F1", False),
)
PAPERS = {"cub": "CUB-200-2011", "dogs": "Stanford Dogs", "coco": "MS-COCO 2014"}


def rows(session: Session) -> dict[str, dict[str, str]]:
    """The paper's rows by model; of models that it does not have, none."""
    printed = {TABLE1[BACKBONE, row["method"]]: row for row in read_paper("table7_tasks")}
    return {model: printed.get(model, {}) for model in session.chosen(tuple(printed))}


def cells(session: Session) -> list[Cell]:
    """Pretraining, fine-tuning and evaluation of every model for every target."""
    found: list[Cell] = []
    for model in rows(session):
        found += training_cells(model, session)
        for target in session.profile.transfers:
            found += [FineTunings.cell(model, target, seed, session) for seed in session.seeds]
            found += cells_of(model, target, session)
    return found


def cells_of(model: str, target: str, session: Session) -> list[Cell]:
    """The evaluations of one model for one target, one for each seed."""
    return [Transfers.cell(model, target, seed, session) for seed in session.seeds]


def table(session: Session, records: Sequence[Record]) -> Table:
    """All metrics of every model."""
    selection = select(session, records, "table7-tasks")
    columns = [
        Column(key, title, "%", group_title(target, session), 2, "higher") for key, target, _, title, _ in COLUMNS
    ]
    lines = []
    for model, printed in rows(session).items():
        values = {}
        for key, target, metric, _, against_paper in COLUMNS:
            value = selection.value(cells_of(model, target, session), metric)
            paper = printed.get(key) if against_paper else None
            values[key] = judged_share(value, paper, "table7-tasks", session)
        group = TITLES.get(model.partition("-")[0], model)
        lines.append(line_of(session, group, printed.get("method", model), model, values))
    title = f"Table 7, right, profile {session.profile.name}: other tasks"
    return Table("table7-tasks", title, notes(session), columns, lines)


def group_title(target: str, session: Session) -> str:
    """What a target's columns were measured on."""
    data = session.profile.transfers[target].test.partition("/")[0]
    return PAPERS[target] if session.profile.name == "full" else f"{session.profile.name} {data} for {PAPERS[target]}"


def notes(session: Session) -> list[str]:
    """What a reader must know of methods, thresholds and seeds."""
    said = [
        "Fine-grained: WS-DAN (arXiv 1901.09891) with 32 attention maps, coarse-to-fine prediction. Multi-label: the "
        "asymmetric loss (arXiv 2009.14119). Both work on the last feature map, with feedback on that of the last "
        "step.",
        f"F1 counts a class as present above a probability of {session.threshold:g}; overall F1 is of all decisions "
        "together, per-class F1 of the mean precision and recall of the classes.",
        "Intervals: top-1 Wilson, mAP and F1 bootstrap over images; of several seeds their range. Seeds "
        f"{', '.join(map(str, session.seeds))}" + ("." if session.weights else ", each with a pretraining of its own."),
    ]
    if session.profile.name != "full":
        said.append(
            "The sets are embedded: spots and cuts have 20 classes, ten digits by two small marks; many shows one to "
            "four digits. The numbers are never judged against the paper's."
        )
    return said


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the table."""
    return write_table(table(session, records), folder / "tables")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The table for a terminal."""
    return to_markdown(table(session, records))
