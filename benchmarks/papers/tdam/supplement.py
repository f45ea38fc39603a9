"""The supplement's other backbones: ResNet18 and 34, MobileNetV3-Large, ConvNeXt-Tiny.

The claim (section 4.4): TD on MobileNetV3-Large has 15 % fewer parameters than the original and is more accurate.

    make supplement
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.papers.tdam.numbers import TITLES, read_paper
from benchmarks.papers.tdam.table1 import accuracy_cells
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table
from benchmarks.report.selection import judged_share, line_of, select
from benchmarks.work import Costs
from benchmarks.work.session import Session
from benchmarks.work.training import training_cells

TITLE = "Supplement: ResNet18 and 34, MobileNetV3-Large, ConvNeXt-Tiny"
TIME = "mini: 9 minutes on two CPU cores; full: not timed yet"

ROWS = {
    "resnet18": "ResNet",
    "resnet18-se": "SE",
    "resnet18-td-joint-t2-m2": "TDjoint (t=2, m=2)",
    "resnet34": "ResNet",
    "resnet34-se": "SE",
    "resnet34-td-joint-t2-m2": "TDjoint (t=2, m=2)",
    "mobilenet_v3_large": "MobileNetV3 (its own SE)",
    "mobilenet_v3_large-td-joint-t2-m1": "TDjoint (t=2, m=1)",
    "convnext_tiny": "ConvNeXt",
    "convnext_tiny-se": "SE",
    "convnext_tiny-td-joint-t2-m1": "TDjoint (t=2, m=1)",
}
# Metric, heading, and the column of the released weights' accuracies.
METRICS = (
    ("released/top1", "top-1", "top1"),
    ("released/top5", "top-5", "top5"),
    ("last/top1", "top-1, last step", None),
    ("confident/top1", "top-1, confident", None),
)


def cells(session: Session) -> list[Cell]:
    """Cost, training and accuracy on both sets of every model."""
    found: list[Cell] = []
    for model in session.chosen(tuple(ROWS)):
        found.append(Costs.cell(model))
        found += training_cells(model, session)
        found += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
    return found


def table(session: Session, records: Sequence[Record]) -> Table:
    """Parameters, FLOPs and accuracies."""
    selection = select(session, records, "supplement")
    released = {row["model"]: row for row in read_paper("released_weights")}
    columns = [Column("params_m", "Params", "M", "", 2), Column("flops_g", "FLOPs", "G", "", 2)]
    for split in session.profile.splits:
        group = f"{session.profile.name} {session.profile.splits[split]}"
        columns += [Column(f"{split}_{metric}", title, "%", group, 2, "higher") for metric, title, _ in METRICS]
    lines = []
    for model in session.chosen(tuple(ROWS)):
        values = {
            "params_m": selection.value([Costs.cell(model)], "parameters", 1e-6),
            "flops_g": selection.value([Costs.cell(model)], "flops", 1e-9),
        }
        for split in session.profile.splits:
            for metric, _, key in METRICS:
                value = selection.value(accuracy_cells(model, split, session), metric)
                printed = released.get(model, {}).get(key) if key and split == "v1" else None
                values[f"{split}_{metric}"] = judged_share(value, printed, "supplement", session)
        backbone = model.partition("-")[0]
        lines.append(line_of(session, TITLES.get(backbone, backbone), ROWS.get(model, model), model, values))
    title = f"Supplement, profile {session.profile.name}: other backbones"
    return Table("supplement", title, notes(session), columns, lines)


def notes(session: Session) -> list[str]:
    """Where the paper's column comes from, and what was measured."""
    said = [
        "The supplement's own numbers are not at hand: in the paper's place stand the accuracies that the authors' "
        "README gives for their released weights. Parameters and FLOPs (fvcore) are of the paper's networks at "
        "224x224.",
        f"Accuracies: profile {session.profile.name}, seeds {', '.join(map(str, session.seeds))}.",
    ]
    if session.profile.name != "full":
        said.append(
            "The networks are small versions that are trained for a few epochs. Depthwise and patch-based networks "
            "learn slowly: where a row's accuracy is low, its network has not been trained to its end."
        )
    return said


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the table."""
    return write_table(table(session, records), folder / "tables")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The table for a terminal."""
    return to_markdown(table(session, records))
