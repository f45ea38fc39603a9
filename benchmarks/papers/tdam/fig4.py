"""Figure 4: top-1 over test resolutions, the curves behind table 4.

The claim: SE, ECA and FCA are more robust to resolution than the plain network, and less than TD.

    make fig4
"""

from pathlib import Path

from benchmarks.core.records import MetricKey
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.numbers import read_paper
from benchmarks.papers.tdam.queries import RESOLUTIONS, scaled
from benchmarks.papers.tdam.table1 import family
from benchmarks.papers.tdam.table4 import METHODS, at_resolution, cells, group_title, notes, top1
from benchmarks.report.evidence import Evidence, line_of
from benchmarks.report.layout import Column, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Series, curves_figure, write_figure
from benchmarks.report.shares import printed_in

TITLE = "Figure 4: top-1 over test resolutions"
TIME = "the cells of table 4"


def shown(evidence: Evidence) -> dict[str, str]:
    """Methods asked for, with their models."""
    return {method: model for method, model in METHODS.items() if evidence.models is None or model in evidence.models}


def curves(evidence: Evidence) -> list[Series]:
    """Measured curves under the released rule, and the paper's, faint; x is at the paper's scale."""
    series, models = [], shown(evidence)
    for row in read_paper("fig4"):
        if row["method"] in models:
            points = {int(key): float(value) for key, value in row.items() if key != "method" and value}
            x, y = list(points), list(points.values())
            series.append(Series(f"{row['method']}, paper", family(models[row["method"]]), x, y, faint=True))
    for method, model in models.items():
        values = {at: top1(model, at, "released", evidence) for at in RESOLUTIONS}
        measured = {at: value for at, value in values.items() if value.measured is not None}
        if measured:
            y, low, high = ([getattr(value, end) for value in measured.values()] for end in ("measured", "low", "high"))
            series.append(Series(method, family(model), list(measured), y, low, high))
    return series


def table(evidence: Evidence) -> Table:
    """The figure's numbers: top-1 at each resolution under the released and the last-step rule."""
    evidence = evidence.filled_by(f"tdam-bench run fig4 --profile {evidence.profile.name}")
    printed = {METHODS[row["method"]]: row for row in read_paper("fig4")}
    columns = [
        Column(f"r{at}_{steps}", str(at), "%", group_title(evidence.profile), 2, "higher", view=steps)
        for steps in ("released", "last")
        for at in RESOLUTIONS
    ]
    lines = []
    for method, model in shown(evidence).items():
        values = {}
        for column in columns:
            at, steps = column.key[1:].split("_")
            paper = printed_in({name: row.get(at) for name, row in printed.items()}, model)
            key = MetricKey("top1", steps=steps)
            values[column.key] = at_resolution(model, int(at), key, paper if steps == "released" else None, evidence)
        lines.append(line_of("ResNet50", method, model, values))
    return Table("fig4", f"Figure 4, profile {evidence.profile.name}", notes(evidence), columns, lines)


def figures(evidence: Evidence, folder: Path) -> list[Path]:
    """Write the curves."""
    side = scaled(224, evidence.profile)
    scale = "" if side == 224 else f"; {side} pixels here for 224"
    title = f"Top-1 by test resolution, {group_title(evidence.profile)}"
    labels = (f"test resolution [pixels at the paper's scale{scale}]", "top-1 [%]")
    return write_figure(curves_figure(title, curves(evidence), PAPER.families, labels), folder, "fig4-resolution")


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
