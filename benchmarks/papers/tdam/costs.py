"""Parameters and FLOPs of table 1's rows: the columns that no data and no training can change.

The claims: TDjoint (t=2, m=1) has fewer parameters than SE, CBAM and FCA; TD has more FLOPs than all of them.
`tdam-bench costs` prints them in about 20 seconds on two CPU cores.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.measure.cost import Flops, count_flops, count_parameters
from benchmarks.networks.models import create
from benchmarks.report.verdicts import judge_flops, judge_printed


@dataclass(frozen=True)
class Cost:
    """One network's parameters and FLOPs, and the plain network's under the same convention.

    Attributes:
        model: The suite's name.
        parameters: Count.
        flops: Multiply-accumulates of one 224x224 image.
        plain_flops: The plain backbone's total.
    """

    model: str
    parameters: int
    flops: Flops
    plain_flops: float


def measure_costs(
    models: Iterable[str], convention: str, progress: Callable[[str], None] = lambda name: None
) -> list[Cost]:
    """Count every model once; each backbone's plain network is counted along.

    Args:
        models: Names, as ``benchmarks.networks.models.create`` takes them.
        convention: A name in ``benchmarks.measure.cost.CONVENTIONS``.
        progress: Called with each name before its count.
    """
    counted: dict[str, tuple[int, Flops]] = {}

    def count(name: str) -> tuple[int, Flops]:
        if name not in counted:
            progress(name)
            network = create(name)
            counted[name] = count_parameters(network), count_flops(network, convention)
        return counted[name]

    return [Cost(name, *count(name), count(name.partition("-")[0])[1].total) for name in models]


def cost_row(cost: Cost, paper: dict[str, dict[str, str]]) -> dict[str, object]:
    """One line of the table: the paper's values as printed, None where there is nothing to show."""
    printed = paper.get(cost.model)
    plain = cost.model.partition("-")[0]
    overhead = None if cost.model == plain else (cost.flops.total - cost.plain_flops) / 1e9
    row: dict[str, object] = {
        "model": cost.model,
        "params [M]": cost.parameters / 1e6,
        "paper params [M]": None,
        "params verdict": None,
        "FLOPs [G]": cost.flops.total / 1e9,
        "paper FLOPs [G]": None,
        "overhead [G]": overhead,
        "paper overhead [G]": None,
        "FLOPs verdict": None,
    }
    if printed is None:
        return row
    row["paper params [M]"] = printed["params_m"]
    row["params verdict"] = str(judge_printed(cost.parameters / 1e6, printed["params_m"]).verdict)
    row["paper FLOPs [G]"] = printed["flops_g"]
    if overhead is not None:
        row["paper overhead [G]"] = str(Decimal(printed["flops_g"]) - Decimal(paper[plain]["flops_g"]))
    judgement = judge_flops(cost.flops.total / 1e9, cost.plain_flops / 1e9, printed["flops_g"], paper[plain]["flops_g"])
    row["FLOPs verdict"] = str(judgement.verdict)
    return row


def operator_rows(cost: Cost) -> list[dict[str, object]]:
    """The parts of one network's FLOPs, and the operators that the convention leaves out with how often they ran."""
    rows: list[dict[str, object]] = [
        {"model": cost.model, "operator": name, "FLOPs [G]": value / 1e9, "left out (calls)": None}
        for name, value in sorted(cost.flops.by_operator.items(), key=lambda item: -item[1])
    ]
    rows += [
        {"model": cost.model, "operator": name, "FLOPs [G]": None, "left out (calls)": calls}
        for name, calls in sorted((cost.flops.left_out or {}).items())
    ]
    return rows
