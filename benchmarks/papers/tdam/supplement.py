"""The supplement's other backbones: ResNet18 and 34, MobileNetV3-Large, ConvNeXt-Tiny.

The claim (section 4.4): TD on MobileNetV3-Large has 15 % fewer parameters than the original and is more accurate.

    make supplement
"""

from collections.abc import Iterator

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam.captions import PAIRED_BARS, recorded, unmeasured
from benchmarks.papers.tdam.controls import BY_RULE, dots
from benchmarks.papers.tdam.numbers import TITLES, read_paper
from benchmarks.papers.tdam.queries import accuracy, counted
from benchmarks.papers.tdam.table1 import INTERVALS, SETS, accuracy_cells, accuracy_column, data_title
from benchmarks.report.dots import dots_figure
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned
from benchmarks.report.shares import printed_in, share_value
from benchmarks.work.cost import COST, FLOPS, PARAMETERS
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session

NAME = "supplement"
TITLE = "Supplement: ResNet18 and 34, MobileNetV3-Large, ConvNeXt-Tiny"
TIME = "mini: 25 minutes on two CPU cores; full: not timed yet"

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
    (MetricKey("top1", steps="released"), "top-1", "top1"),
    (MetricKey("top5", steps="released"), "top-5", "top5"),
    (MetricKey("top1", steps="last"), "top-1", None),
    (MetricKey("top1", steps="confident"), "top-1", None),
)
AS_IN_TEXT = "mobilenet_v3_large-td-joint-t2-m1-r16"


def cells(session: Session) -> list[Cell]:
    """Cost, training and accuracy on both sets of every model."""
    # The text's own reduction, which no row has, for what it says of MobileNetV3's parameters.
    planned = [COST.cell(AS_IN_TEXT)] if session.models is None else []
    for model in session.rows(tuple(ROWS)):
        planned.append(COST.cell(model))
        planned += training_cells(model, session)
        planned += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
    return planned


def table(evidence: Evidence) -> Table:
    """Parameters, FLOPs and accuracies."""
    profile = evidence.profile
    evidence = evidence.filled_by("supplement")
    released = {row["model"]: row for row in read_paper("released_weights")}
    columns = [Column("params_m", "Params", "M", "", 2), Column("flops_g", "FLOPs", "G", "", 2)]
    for split, data in profile.splits.items():
        group = f"{profile.name} {data}"
        columns += [
            Column(accuracy_column(split, key), head, "%", group, 2, "higher", view=key.steps)
            for key, head, _ in METRICS
        ]
    lines = []
    for model in evidence.rows(ROWS):
        values = {
            "params_m": evidence.value(counted(model), PARAMETERS, 1e-6),
            "flops_g": evidence.value(counted(model), FLOPS, 1e-9),
        }
        for split in profile.splits:
            for key, _, name in METRICS:
                column = {row: printed[name] for row, printed in released.items()} if name and split == "v1" else {}
                query, printed = accuracy(model, evidence, split), printed_in(column, model)
                values[accuracy_column(split, key)] = share_value(evidence, query, key, printed)
        lines.append(line_of(TITLES[parse(model).backbone], ROWS.get(model, model), model, values))
    title = f"Supplement, profile {profile.name}: other backbones"
    return Table("supplement", title, notes(evidence), columns, lines)


def notes(evidence: Evidence) -> list[str]:
    """Where the paper's column comes from, and what was measured."""
    profile = evidence.profile
    asked = [accuracy(model, evidence, split) for model in evidence.rows(ROWS) for split in profile.splits]
    said = [
        "The supplement's own numbers are not at hand: in the paper's place stand the accuracies that the authors' "
        "README gives for their released weights. Parameters and FLOPs (fvcore) are of the paper's networks at "
        "224x224.",
        f"Accuracies: profile {profile.name}, seeds recorded: {evidence.seeds_of(asked)}; {INTERVALS}.",
    ]
    if not profile.papers_data:
        said.append(
            "The networks are small versions; whether each was trained to its end says `tdam-bench show endings`."
        )
    return [*said, *evidence.left_out]


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The gains in top-1 of each network over its plain one, on both sets."""
    evidence = evidence.filled_by(NAME)
    networks = {model: row_title(model, evidence) for model in evidence.rows(ROWS) if not parse(model).is_plain}
    found = {split: list(dots(networks, BY_RULE, split, evidence)) for split in SETS}
    known = {dot.row for some in found.values() for dot in some}
    absent = [row for row in networks.values() if row not in known]
    caption = (
        "Supplement: top-1 above the plain network of the same backbone and seed [points], under each step rule; "
        f"below each name, its parameters against that network's; {PAIRED_BARS}. The paper's own gains are not at "
        "hand. "
        f"{recorded(evidence, [accuracy(model, evidence, split) for model in networks for split in found])}"
    )
    panels = {data_title(evidence.profile, split): some for split, some in found.items() if some}
    rows = [row for row in networks.values() if row in known]
    label = "gain over the plain network [points]"
    looks = {rule: look for rule, (_, look) in BY_RULE.items()}
    figure = dots_figure(panels, rows, looks, label) if panels else None
    lacks = unmeasured(f"gains of {', '.join(absent)}", evidence) if absent else ""
    yield Captioned(NAME, caption, figure, lacks)


def row_title(model: str, evidence: Evidence) -> str:
    """A network with its parameters over the plain one's, where both are counted."""
    plain = parse(model).backbone
    own, theirs = (evidence.value(counted(name), PARAMETERS).measured for name in (model, plain))
    title = f"{TITLES[plain]}, {ROWS.get(model, model)}"
    if not own or not theirs:
        return title
    more = f"{100 * (own / theirs - 1):+.0f}".replace("-", "\N{MINUS SIGN}")
    return f"{title}\n{more} % parameters"


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
