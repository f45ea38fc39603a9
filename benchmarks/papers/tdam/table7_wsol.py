"""Table 7, left: weakly supervised localization by class activation maps.

The claims: TDtop (t=2, m=3) raises top-1 localization by 5 points and is 3 points above CBAM; SE, ECA and FCA localize
worse than the plain network.

    make table7-wsol
    make table7-wsol PROFILE=full DATA=imagenet WEIGHTS=dir DEVICE=cuda

Time: mini 2 minutes on two CPU cores after table 1.
"""

import functools

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.numbers import TABLE1, TITLES, read_paper
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.shares import printed_in, share_value
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session
from benchmarks.work.weights import for_seeds

NAME = "table7-wsol"
TITLE = "Table 7, left: weakly supervised localization"
TIME = "mini: 2 minutes on two CPU cores after table 1; full: not timed yet"

# The paper writes RNet50 + SE for what table 1 calls ResNet50 with SE.
BACKBONES = {"RNet50": "resnet50", "RNet101": "resnet101"}
# Metric, heading, group, and the paper's column where it is the paper's number.
COLUMNS = (
    (MetricKey("top1_loc", "released", "gradcam"), "top-1 loc", "Grad-CAM boxes", "loc_top1"),
    (MetricKey("top5_loc", "released", "gradcam"), "top-5 loc", "Grad-CAM boxes", "loc_top5"),
    (MetricKey("top1_loc", "last", "gradcam"), "top-1 loc", "Grad-CAM boxes", None),
    (MetricKey("top5_loc", "last", "gradcam"), "top-5 loc", "Grad-CAM boxes", None),
    (MetricKey("gt_known", "last", "gradcam"), "GT-known", "Grad-CAM boxes", None),
    (MetricKey("top1_loc", "confident", "gradcam"), "top-1 loc", "Grad-CAM boxes", None),
    (MetricKey("top1_loc", "released", "released"), "top-1 loc", "released boxes", None),
    (MetricKey("top1_loc", "last", "released"), "top-1 loc", "released boxes", None),
    (MetricKey("max_box_acc", "last"), "MaxBoxAcc", "published evaluator", None),
    (MetricKey("max_box_acc_v2", "last"), "MaxBoxAccV2", "published evaluator", None),
)


def model_of(label: str) -> str:
    """The suite's name of a row of the paper's table."""
    backbone, _, method = label.partition(" + ")
    return TABLE1[BACKBONES[backbone], method or "ResNet"]


@functools.cache
def printed_rows() -> dict[str, dict[str, str]]:
    """The paper's rows, values as printed, by the suite's model names."""
    return {model_of(row["model"]): row for row in read_paper("table7_wsol")}


def cells(session: Session) -> list[Cell]:
    """Training and localization of every model."""
    planned: list[Cell] = []
    for model in session.rows(tuple(printed_rows())):
        planned += training_cells(model, session)
        planned += cells_of(model, session)
    return planned


def cells_of(model: str, session: Session) -> list[Cell]:
    """The localization cells of one model, one for each seed."""
    split = session.profile.looks
    return for_seeds(model, session, lambda seed: LOCALIZATION.cell(model, split, seed, session))


def column_key(metric: MetricKey) -> str:
    """A metric's column in CSV files, such as ``gradcam_released_top1_loc``."""
    return "_".join(part for part in (metric.boxes, metric.steps, metric.name) if part)


def table(evidence: Evidence) -> Table:
    """All metrics of every model."""
    evidence = evidence.filled_by(NAME)
    columns = [
        Column(column_key(metric), title, "%", group, 2, "higher", view=metric.steps)
        for metric, title, group, _ in COLUMNS
    ]
    lines = [line(model, evidence) for model in evidence.rows(printed_rows())]
    # The paper's ResNet101 stands between the others; here blocks are of one backbone.
    order = list(dict.fromkeys(one.group for one in lines))
    lines.sort(key=lambda one: order.index(one.group))
    title = f"Table 7, left, profile {evidence.profile.name}: localization"
    return Table(NAME, title, notes(evidence), columns, lines)


def line(model: str, evidence: Evidence) -> Line:
    """All metrics of one model."""
    printed = printed_rows().get(model, {})
    query = queries.localized(model, evidence)
    values: dict[str, Value] = {}
    for metric, _, _, column in COLUMNS:
        paper = printed_in({name: row[column] for name, row in printed_rows().items()}, model) if column else None
        values[column_key(metric)] = share_value(evidence, query, metric, paper)
    return line_of(TITLES[parse(model).backbone], printed.get("model", model), model, values)


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of boxes, steps and thresholds."""
    asked = [queries.localized(model, evidence) for model in evidence.rows(printed_rows())]
    said = [
        "A class counts as localized if the box of its class activation map overlaps a true box with an IoU of at "
        "least 0.5. Grad-CAM boxes: around the largest segment above 15 % of the maximum. Released boxes: the rule of "
        "the authors' code, which keeps 24 % of the range; they are made at 224 x 224 and scaled to the input.",
        "Steps: under `released` an image counts if any step with a box of its own is right, under `last` the last "
        "step, under `confident` the most confident one. GT-known judges the box alone.",
        "MaxBoxAcc and MaxBoxAccV2 (Choe et al., CVPR 2020, and its extension) are those of their published evaluator: "
        "the largest contour at IoU 0.5, and any contour at 0.3, 0.5 and 0.7, each at the best of 1000 thresholds, "
        "which is chosen on the evaluated images themselves.",
        f"Seeds recorded: {evidence.seeds_of(asked)}.",
    ]
    if not evidence.profile.papers_data:
        said.append("Boxes here are those of the drawn digits; the numbers are never judged against ImageNet's.")
    return [*said, *evidence.left_out]


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
