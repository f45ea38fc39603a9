"""Table 3: parameters and FLOPs of ResNet50 and ResNet101 with each attention.

The claim: ECA adds next to nothing to its plain network.
"""

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.report.evidence import Evidence, Query, judged, line_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.verdicts import Judgement, Verdict, judge_printed
from benchmarks.work.cost import COST, FLOPS, PARAMETERS
from benchmarks.work.session import Session
from eca_net import PAPER, printed

TITLE = "Table 3: parameters and FLOPs of ResNets with each attention"
TIME = "10 seconds on two CPU cores"
COLUMNS = (
    Column("params_m", "Params", "M"),
    Column("flops_g", "FLOPs", "G", decimals=3),
    Column("top1", "Top-1", "%"),
)
NOTES = (
    "M is 2^20 and G is 2^30, as the paper's authors count.",
    "FLOPs are of one 224x224 image by the convention `layers`: multiply-accumulates, four for each value of a batch "
    "norm, one for each of a ReLU. The paper's counter, thop, has pooling too and counts linear layers twice.",
    "Both are judged to the printed digit: what an attention adds is at most the last of them. Where FLOPs differ, "
    "it is by those pooling and linear layers.",
    "ECA's kernel sizes in ResNet50 are 5, 5, 5, 7 by the paper's equation, 86 parameters. The paper counts 80: its "
    "sizes are 3, 5, 5, 7.",
)
NOT_RUN = Judgement(Verdict.NOT_RUN, "accuracies take trainings on ImageNet, which this example leaves out")


def cells(session: Session) -> list[Cell]:
    """The counts of every chosen network and of its plain one."""
    models = [one for model in session.rows(tuple(printed())) for one in (parse(model).backbone, model)]
    return [COST.cell(model, PAPER.convention) for model in dict.fromkeys(models)]


def counted(model: str, key: MetricKey, unit: float, evidence: Evidence) -> Value:
    """A count of a network, in a unit."""
    query = Query(COST.name, model, COST.cell(model, PAPER.convention).options)
    return evidence.value(query, key, 1 / unit)


def against(column: str, model: str, key: MetricKey, unit: float, evidence: Evidence) -> Value:
    """A count in a unit beside the paper's digits, judged to the last of them."""
    digits = printed().get(model, {}).get(column)
    value, plain = (counted(name, key, unit, evidence) for name in (model, parse(model).backbone))
    if digits is None or value.measured is None or plain.measured is None:
        return judged(value, digits, None)
    return judged(value, digits, judge_printed(value.measured, digits, plain.measured))


def line(model: str, evidence: Evidence) -> Line:
    """A network's row."""
    row, backbone = printed().get(model, {}), parse(model).backbone
    mega, giga = PAPER.units
    values = {"params_m": against("params_m", model, PARAMETERS, mega, evidence)}
    values["flops_g"] = against("flops_g", model, FLOPS, giga, evidence)
    values |= {"top1": Value(paper=row["top1"], judgement=NOT_RUN)} if row else {}
    return line_of(backbone.replace("resnet", "ResNet"), row.get("method", model), model, values)


def table(evidence: Evidence) -> Table:
    """The whole table."""
    evidence = evidence.filled_by("table3")
    lines = [line(model, evidence) for model in evidence.rows(printed())]
    return Table("table3", TITLE, [*NOTES, *evidence.left_out], COLUMNS, lines)


EXPERIMENT = Experiment(TITLE, TIME, cells, table)
