"""Counts of parameters and FLOPs as tables: beside the paper's digits, and by operator."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from benchmarks.networks.names import parse
from benchmarks.report.paper import Paper
from benchmarks.report.verdicts import judge_printed

if TYPE_CHECKING:
    from benchmarks.measure.cost import Cost


def cost_row(
    cost: "Cost",
    paper: Mapping[str, Mapping[str, str]],
    judged: bool,
    units: tuple[float, float] = (1e6, 1e9),
    fitted: str = "",
) -> dict[str, object]:
    """One line of the table: the paper's values as printed, None where there is nothing to show.

    Args:
        cost: What was counted.
        paper: The paper's digits (``params_m``, ``flops_g``) by model.
        judged: Whether FLOPs were counted by the paper's own convention, under which alone they are judged.
        units: What the paper means by M and G.
        fitted: Which choice was fitted to the printed digits, see :func:`benchmarks.report.verdicts.judge_printed`.
    """
    mega, giga = units
    printed = paper.get(cost.model)
    plain = parse(cost.model).backbone
    overhead = None if cost.model == plain else (cost.flops.total - cost.plain_flops) / giga
    row: dict[str, object] = {
        "model": cost.model,
        "params [M]": cost.parameters / mega,
        "paper params [M]": None,
        "params verdict": None,
        "FLOPs [G]": cost.flops.total / giga,
        "paper FLOPs [G]": None,
        "overhead [G]": overhead,
        "paper overhead [G]": None,
        "FLOPs verdict": None,
    }
    if printed is None:
        return row
    row["paper params [M]"] = printed["params_m"]
    params = judge_printed(cost.parameters / mega, printed["params_m"], cost.plain_parameters / mega, fitted)
    row["params verdict"] = str(params.verdict)
    row["paper FLOPs [G]"] = printed["flops_g"]
    if overhead is not None:
        row["paper overhead [G]"] = str(Decimal(printed["flops_g"]) - Decimal(paper[plain]["flops_g"]))
    if judged:
        flops = judge_printed(cost.flops.total / giga, printed["flops_g"], cost.plain_flops / giga, fitted)
        row["FLOPs verdict"] = str(flops.verdict)
    return row


def rows_of(measured: "Sequence[Cost]", paper: Paper, convention: str, by_operator: bool) -> list[dict[str, object]]:
    """What was counted, beside the paper's digits, or part by part.

    Args:
        measured: What was counted.
        paper: Whose digits.
        convention: By which counter; FLOPs are judged under the paper's own alone.
        by_operator: Whether parts are listed.
    """
    if by_operator:
        return [row for cost in measured for row in operator_rows(cost, paper.units)]
    printed = paper.costs()
    judged, fitted = convention == paper.convention, paper.fitted()
    return [cost_row(cost, printed, judged, paper.units, fitted.get(cost.model, "")) for cost in measured]


def operator_rows(cost: "Cost", units: tuple[float, float] = (1e6, 1e9)) -> list[dict[str, object]]:
    """The parts of one network's FLOPs, and the operators that the convention leaves out with how often they ran.

    Args:
        cost: What was counted.
        units: What the paper means by M and G.
    """
    _, giga = units
    rows: list[dict[str, object]] = [
        {"model": cost.model, "operator": name, "FLOPs [G]": value / giga, "left out (calls)": None}
        for name, value in sorted(cost.flops.by_operator.items(), key=lambda item: -item[1])
    ]
    rows += [
        {"model": cost.model, "operator": name, "FLOPs [G]": None, "left out (calls)": calls}
        for name, calls in sorted((cost.flops.left_out or {}).items())
    ]
    return rows
