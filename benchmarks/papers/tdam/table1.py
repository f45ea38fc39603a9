"""Table 1: classification accuracy and cost of ResNet50 and ResNet101 with each attention.

The claim: TDjoint (t=2, m=1) beats SE, CBAM, ECA and FCA on ImageNet-V1 and V2, with fewer parameters.

    make table1                                          # mini: no download, under 20 minutes on two CPU cores
    make table1 PROFILE=full DATA=imagenet WEIGHTS=dir   # the paper's data and networks
"""

from pathlib import Path

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import PAPER, efficiency
from benchmarks.papers.tdam.efficiency import REDUCED_ROWS, ROWS
from benchmarks.papers.tdam.numbers import TABLE1, TITLES, paper_rows
from benchmarks.papers.tdam.queries import accuracy, counted, trained
from benchmarks.report.evidence import Evidence, judged, judged_share, line_of
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Panel, Point, Series, curves_figure, scatter_figure, write_figure
from benchmarks.report.verdicts import judge_flops, judge_printed
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cost import COST, FLOPS, PARAMETERS
from benchmarks.work.profiles import Profile
from benchmarks.work.session import Session
from benchmarks.work.training import LOSS
from benchmarks.work.weights import for_seeds, training_cells

TITLE = "Table 1: accuracy and cost on ImageNet"
TIME = "smoke: 2 minutes, mini: under 20 minutes on two CPU cores; full: not timed yet"

# The columns of each image set: metric, heading, and whether the paper's number stands against it.
ACCURACY_COLUMNS = (
    (MetricKey("top1", steps="released"), "top-1", True),
    (MetricKey("top5", steps="released"), "top-5", True),
    (MetricKey("top1", steps="last"), "top-1, last step", False),
    (MetricKey("top1", steps="confident"), "top-1, confident", False),
)
SHOWN = "v1_released_top1"
INTERVALS = "of one seed 95 % Wilson intervals, of several their mean and range"
EFFICIENCY_COLUMNS = {
    "train_mem": ("training", "Memory [x plain]", "lower"),
    "val_mem": ("inference", "Memory [x plain]", "lower"),
    "train_fps": ("training", "Speed [x plain]", "higher"),
    "val_fps": ("inference", "Speed [x plain]", "higher"),
}
PANELS = (
    Panel("params_m", "Parameters [M]"),
    Panel("flops_g", "FLOPs [G]"),
    Panel("val_fps", "Inference [images/s]"),
)
# What attentions from outside look like in plots; the paper has no color for them.
OUTSIDE, OUTSIDE_STYLE = "not the paper's", ("#777777", "X")


def cells(session: Session) -> list[Cell]:
    """Cost, training, accuracy on both sets and efficiency of every chosen model."""
    planned: list[Cell] = []
    for model in session.rows(ROWS):
        planned += [COST.cell(model), COST.cell(parse(model).backbone)]
        if parse(model).reduced:  # its weights and accuracies are those of the row that it reduces
            continue
        planned += training_cells(model, session)
        planned += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
    return list(dict.fromkeys([*planned, *efficiency.cells(session)]))


def accuracy_cells(model: str, split: str, session: Session) -> list[Cell]:
    """The accuracy cells of one model on one image set, one for each seed."""
    data = session.profile.splits[split]
    return for_seeds(model, session, lambda seed: ACCURACY.cell(model, data, seed, session))


def parameters_value(model: str, evidence: Evidence) -> Value:
    """Parameters in M against the paper's digits."""
    value = evidence.value(counted(model), PARAMETERS, 1e-6)
    printed = paper_rows().get(model, {}).get("params_m")
    return judged(value, printed, judge_printed(value.measured, printed) if printed and value.measured else None)


def flops_value(model: str, evidence: Evidence) -> Value:
    """FLOPs in G, judged by what the model adds to its plain network."""
    value = evidence.value(counted(model), FLOPS, 1e-9)
    backbone = parse(model).backbone
    plain = evidence.value(counted(backbone), FLOPS, 1e-9)
    printed = paper_rows().get(model, {}).get("flops_g")
    if printed is None or value.measured is None or plain.measured is None:
        return judged(value, printed, None)
    judgement = judge_flops(value.measured, plain.measured, printed, paper_rows()[backbone]["flops_g"])
    return judged(value, printed, judgement)


def accuracy_value(model: str, split: str, key: MetricKey, against_paper: bool, evidence: Evidence) -> Value:
    """One accuracy in percent; the paper's number is judged where the data are the paper's."""
    if parse(model).reduced:
        return Value(missing="the same outputs as the row without `reduced`, which has the number: `make test`")
    value = evidence.value(accuracy(model, evidence, split), key)
    printed = paper_rows().get(model, {}).get(f"{split}_{key.name}") if against_paper else None
    return judged_share(value, printed, "table1", evidence.profile)


def accuracy_column(split: str, key: MetricKey) -> str:
    """Key of an accuracy's column."""
    return f"{split}_{key.steps}_{key.name}"


def columns(profile: Profile) -> list[Column]:
    """The table's columns; on other data than the paper's, its sets are named for what they stand for."""
    listed = [
        Column("params_m", "Params", "M", "", 2),
        Column("flops_g", "FLOPs", "G", "", 2),
    ]
    listed += [Column(key, head, "", phase, 2, better) for key, (phase, head, better) in EFFICIENCY_COLUMNS.items()]
    for split, stands_for in (("v2", "ImageNet-V2"), ("v1", "ImageNet-V1")):
        own = f"{profile.name} {profile.splits[split]} for {stands_for}"
        group = stands_for if profile.papers_data else own
        listed += [
            Column(accuracy_column(split, key), head, "%", group, 2, "higher") for key, head, _ in ACCURACY_COLUMNS
        ]
    return listed


def labels() -> dict[str, tuple[str, str]]:
    """Block and label of the paper's rows and of the reduced ones."""
    paper = {model: (TITLES[backbone], method) for (backbone, method), model in TABLE1.items()}
    reduced = {
        model: (f"{TITLES[backbone]}, reduced (ours)", method) for (backbone, method), model in REDUCED_ROWS.items()
    }
    return paper | reduced


def table(evidence: Evidence) -> Table:
    """The whole table."""
    evidence = evidence.filled_by(f"tdam-bench run table1 --profile {evidence.profile.name}")
    lines, named = [], labels()
    for model in efficiency.rows(evidence):
        values = {"params_m": parameters_value(model, evidence), "flops_g": flops_value(model, evidence)}
        values |= {key: efficiency.ratio_of(model, key, evidence) for key in EFFICIENCY_COLUMNS}
        for split in ("v2", "v1"):
            for key, _, against_paper in ACCURACY_COLUMNS:
                value = accuracy_value(model, split, key, against_paper, evidence)
                values[accuracy_column(split, key)] = value
        group, label = named.get(model, (parse(model).backbone, model))
        lines.append(line_of(group, label, model, values))
    return Table("table1", title(evidence.profile), notes(evidence), columns(evidence.profile), lines)


def title(profile: Profile) -> str:
    """The table's title, with what it was measured on."""
    embedded = {"mini": "on the embedded mini task", "smoke": "smoke run, a check of the machinery only"}
    data = embedded.get(profile.name, f"profile {profile.name}")
    return f"Table 1, {'on ImageNet' if profile.papers_data else data}"


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of protocols, seeds and devices."""
    profile = evidence.profile
    asked = [accuracy(model, evidence, split) for model in efficiency.rows(evidence) for split in ("v1", "v2")]
    said = [
        "Parameters and FLOPs (fvcore, multiply-accumulates) are of the paper's networks at 224x224 in every profile.",
        "The paper's TD accuracies come from its released rule: an image counts as correct if any of its steps with "
        "boxes of their own is correct. That rule stands in the paper's column; `last` takes the last step, "
        "`confident` the most confident one. Networks without feedback have one step, so the rules agree on them.",
        f"Accuracies: profile {profile.name}, {profile.resolution} pixels, seeds recorded: {evidence.seeds_of(asked)}; "
        f"{INTERVALS}.",
    ]
    if not profile.papers_data:
        said.append(
            "The accuracies here are of small networks on an embedded task of handwritten digits in clutter; they are "
            "never judged against ImageNet's."
        )
    return [*said, *efficiency.notes(evidence), *evidence.left_out]


def family(model: str) -> str:
    """The method family that colors a model."""
    parts = parse(model)
    if parts.feedback:
        return "TDtop" if parts.kind == "top" else "TDjoint"
    if parts.from_outside:
        return OUTSIDE
    return "ResNet" if parts.attention is None else parts.attention.upper()


def figure_points(drawn: Table, evidence: Evidence) -> list[Point]:
    """Top-1 on V1 against parameters, FLOPs and inference speed."""
    points = []
    for line in drawn.lines:
        top1, params, flops = (line.values[key] for key in (SHOWN, "params_m", "flops_g"))
        speed = efficiency.value_of(line.model, "val_fps", evidence)
        if top1.measured is None:
            continue
        measured = {"params_m": params.measured, "flops_g": flops.measured, "val_fps": speed.measured}
        x = {key: value for key, value in measured.items() if value is not None}
        label = next((part for part in ("m=3", "L4") if part in line.label), "")
        points.append(Point(family(line.model), line.group, x, top1.measured, top1.low, top1.high, label))
    return points


def curves(evidence: Evidence) -> list[Series]:
    """Mean training loss by epoch of every run."""
    series = []
    for (backbone, method), model in TABLE1.items():
        for record in evidence.select(trained(model)):
            losses = record.samples[LOSS]
            label = f"{TITLES[backbone]} {method}"
            series.append(Series(label, family(model), list(range(1, len(losses) + 1)), losses))
    return series


def figures(evidence: Evidence, folder: Path) -> list[Path]:
    """Write accuracy against cost, and the training curves."""
    styles = {**PAPER.families, OUTSIDE: OUTSIDE_STYLE}
    points = figure_points(table(evidence), evidence)
    scatter = scatter_figure(title(evidence.profile), PANELS, points, styles, "top-1 [%]")
    training = curves_figure("Training", curves(evidence), styles, ("epoch", "training loss [nat]"))
    files = write_figure(scatter, folder, "table1-accuracy-cost")
    return files + write_figure(training, folder, "table1-training")


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
