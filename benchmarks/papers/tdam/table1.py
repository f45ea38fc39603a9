"""Table 1: classification accuracy and cost of ResNet50 and ResNet101 with each attention.

The claim: TDjoint (t=2, m=1) beats SE, CBAM, ECA and FCA on ImageNet-V1 and V2, with fewer parameters.

    make table1                                          # mini: no download, under 20 minutes on two CPU cores
    make table1 PROFILE=full DATA=imagenet WEIGHTS=dir   # the paper's data and networks
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.networks.names import REDUCED
from benchmarks.papers.tdam import efficiency
from benchmarks.papers.tdam.efficiency import REDUCED_ROWS
from benchmarks.papers.tdam.numbers import TABLE1 as MODELS
from benchmarks.papers.tdam.numbers import TITLES, paper_rows
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.plots import Panel, Point, Series, curves_figure, scatter_figure, write_figure
from benchmarks.report.selection import Selection, judged, judged_share, line_of, select
from benchmarks.report.verdicts import judge_flops, judge_printed
from benchmarks.work import Accuracies, Costs, Trainings
from benchmarks.work.session import Session
from benchmarks.work.training import seeds_of, training_cells

TITLE = "Table 1: accuracy and cost on ImageNet"
TIME = "smoke: 2 minutes, mini: under 20 minutes on two CPU cores; full: not timed yet"

FAMILIES = {
    "ResNet": "ResNet",
    "SE": "SE",
    "CBAM": "CBAM",
    "ECA": "ECA",
    "FCA-TS": "FCA",
    "TDj": "TDjoint",
    "TDt": "TDtop",
}

# The columns of each image set: metric, heading, and whether the paper's number stands against it.
PROTOCOL_COLUMNS = (
    ("released/top1", "top-1", True),
    ("released/top5", "top-5", True),
    ("last/top1", "top-1, last step", False),
    ("confident/top1", "top-1, confident", False),
)
EFFICIENCY_COLUMNS = {
    "train_mem": ("training", "Memory [x plain]", "lower"),
    "val_mem": ("inference", "Memory [x plain]", "lower"),
    "train_fps": ("training", "Speed [x plain]", "higher"),
    "val_fps": ("inference", "Speed [x plain]", "higher"),
}


def cells(session: Session) -> list[Cell]:
    """Cost, training, accuracy on both sets and efficiency of every chosen model."""
    found: list[Cell] = []
    for model in efficiency.rows(session):
        found.append(Costs.cell(model))
        found.append(Costs.cell(model.partition("-")[0]))
        if model.endswith(REDUCED):  # its weights and accuracies are those of the row that it reduces
            continue
        found += training_cells(model, session)
        found += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
    return list(dict.fromkeys([*found, *efficiency.cells(session)]))


def accuracy_cells(model: str, split: str, session: Session) -> list[Cell]:
    """The accuracy cells of one model on one image set, one for each seed."""
    return [Accuracies.cell(model, session.profile.splits[split], seed, session) for seed in seeds_of(model, session)]


def parameters_value(model: str, selection: Selection) -> Value:
    """Parameters in M against the paper's digits."""
    value = selection.value([Costs.cell(model)], "parameters", 1e-6)
    printed = paper_rows().get(model, {}).get("params_m")
    return judged(value, printed, judge_printed(value.measured, printed) if printed and value.measured else None)


def flops_value(model: str, selection: Selection) -> Value:
    """FLOPs in G, judged by what the model adds to its plain network."""
    value = selection.value([Costs.cell(model)], "flops", 1e-9)
    backbone = model.partition("-")[0]
    plain = selection.value([Costs.cell(backbone)], "flops", 1e-9)
    printed = paper_rows().get(model, {}).get("flops_g")
    if printed is None or value.measured is None or plain.measured is None:
        return judged(value, printed, None)
    judgement = judge_flops(value.measured, plain.measured, printed, paper_rows()[backbone]["flops_g"])
    return judged(value, printed, judgement)


def accuracy_value(
    model: str, split: str, metric: str, against_paper: bool, session: Session, selection: Selection
) -> Value:
    """One accuracy in percent; the paper's number is judged where the data are the paper's."""
    if model.endswith(REDUCED):
        return Value(missing="the same outputs as the row without `reduced`, which has the number: `make test`")
    value = selection.value(accuracy_cells(model, split, session), metric)
    printed = paper_rows().get(model, {}).get(f"{split}_{metric.partition('/')[2]}") if against_paper else None
    return judged_share(value, printed, "table1", session)


def columns(session: Session) -> list[Column]:
    """The table's columns; on other data than the paper's, its sets are named for what they stand for."""
    found = [
        Column("params_m", "Params", "M", "", 2),
        Column("flops_g", "FLOPs", "G", "", 2),
    ]
    found += [Column(key, title, "", phase, 2, better) for key, (phase, title, better) in EFFICIENCY_COLUMNS.items()]
    for split, title in (("v2", "ImageNet-V2"), ("v1", "ImageNet-V1")):
        own = session.profile.splits[split]
        group = title if session.profile.name == "full" else f"{session.profile.name} {own} for {title}"
        found += [Column(f"{split}_{metric}", head, "%", group, 2, "higher") for metric, head, _ in PROTOCOL_COLUMNS]
    return found


def table(session: Session, records: Sequence[Record]) -> Table:
    """The whole table."""
    selection = efficiency.one_device(session, select(session, records, "table1"))
    lines = []
    labels = {model: (TITLES[backbone], method) for (backbone, method), model in MODELS.items()}
    labels |= {
        model: (f"{TITLES[backbone]}, reduced (ours)", method) for (backbone, method), model in REDUCED_ROWS.items()
    }
    for model in efficiency.rows(session):
        values = {"params_m": parameters_value(model, selection), "flops_g": flops_value(model, selection)}
        values |= {key: efficiency.ratio_of(model, key, session, selection) for key in EFFICIENCY_COLUMNS}
        for split in ("v2", "v1"):
            for metric, _, against_paper in PROTOCOL_COLUMNS:
                value = accuracy_value(model, split, metric, against_paper, session, selection)
                values[f"{split}_{metric}"] = value
        group, label = labels.get(model, (model.partition("-")[0], model))
        lines.append(line_of(session, group, label, model, values))
    return Table("table1", title(session), notes(session, selection), columns(session), lines)


def title(session: Session) -> str:
    """The table's title, with what it was measured on."""
    kinds = {
        "full": "on ImageNet",
        "mini": "on the embedded mini task",
        "smoke": "smoke run, a check of the machinery only",
    }
    return f"Table 1, {kinds[session.profile.name]}"


def notes(session: Session, selection: Selection) -> list[str]:
    """What a reader must know of protocols, seeds and devices."""
    seeds = ", ".join(map(str, session.seeds))
    profile = session.profile
    said = [
        "Parameters and FLOPs (fvcore, multiply-accumulates) are of the paper's networks at 224x224 in every profile.",
        "The paper's TD accuracies come from its released rule: an image counts as correct if any of its steps with "
        "boxes of their own is correct. That rule stands in the paper's column; `last` takes the last step, "
        "`confident` the most confident one. Networks without feedback have one step, so the rules agree on them.",
        f"Accuracies: profile {profile.name}, {profile.resolution} pixels, seeds {seeds}; "
        + ("mean and range over seeds." if len(session.seeds) > 1 else "95 % Wilson intervals."),
    ]
    if profile.name != "full":
        said.append(
            "The accuracies here are of small networks on an embedded task of handwritten digits in clutter; they are "
            "never judged against ImageNet's."
        )
    return said + efficiency.notes(session, selection)


def family(label: str) -> str:
    """The method family that colors a point."""
    return next((name for start, name in FAMILIES.items() if label.startswith(start)), "TDjoint")


def figure_points(drawn: Table, selection: Selection, session: Session) -> list[Point]:
    """Top-1 on V1 against parameters, FLOPs and inference speed."""
    points = []
    for line in drawn.lines:
        top1, params, flops = (line.values[key] for key in ("v1_released/top1", "params_m", "flops_g"))
        speed = efficiency.value_of(line.model, "val_fps", session, selection)
        if top1.measured is None:
            continue
        measured = {"params_m": params.measured, "flops_g": flops.measured, "val_fps": speed.measured}
        x = {key: value for key, value in measured.items() if value is not None}
        label = next((part for part in ("m=3", "L4") if part in line.label), "")
        points.append(Point(family(line.label), line.group, x, top1.measured, top1.low, top1.high, label))
    return points


def curves(session: Session, selection: Selection) -> list[Series]:
    """Mean training loss by epoch of every run."""
    series = []
    for (backbone, method), model in MODELS.items():
        for seed in session.seeds:
            record = selection.newest.get(Trainings.cell(model, seed, session))
            if record is not None:
                losses = record.samples["loss"]
                label = f"{TITLES[backbone]} {method}"
                series.append(Series(label, family(method), list(range(1, len(losses) + 1)), losses))
    return series


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the table and two figures."""
    selection = efficiency.one_device(session, select(session, records, "table1"))
    drawn = table(session, records)
    panels = [
        Panel("params_m", "Parameters [M]"),
        Panel("flops_g", "FLOPs [G]"),
        Panel("val_fps", "Inference [images/s]"),
    ]
    scatter = scatter_figure(title(session), panels, figure_points(drawn, selection, session), "top-1 [%]")
    training = curves_figure("Training", curves(session, selection), "epoch", "training loss [nat]")
    files = write_table(drawn, folder / "tables")
    files += write_figure(scatter, folder / "figures", "table1-accuracy-cost")
    return files + write_figure(training, folder / "figures", "table1-training")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The table for a terminal."""
    return to_markdown(table(session, records))
