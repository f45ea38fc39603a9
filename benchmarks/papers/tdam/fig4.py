"""Figure 4: top-1 over test resolutions, the curves behind table 4.

The claim: SE, ECA and FCA are more robust to resolution than the plain network, and less than TD.

    make fig4
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Record
from benchmarks.papers.tdam.numbers import read_paper
from benchmarks.papers.tdam.table4 import METHODS, RESOLUTIONS, cells, group_title, scaled, top1
from benchmarks.papers.tdam.table4 import table as sweep_table
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table
from benchmarks.report.plots import Series, curves_figure, write_figure
from benchmarks.report.selection import judged_share, line_of, select
from benchmarks.work.session import Session

__all__ = ["TIME", "TITLE", "cells", "render", "table_text"]

TITLE = "Figure 4: top-1 over test resolutions"
TIME = "the cells of table 4"
FAMILIES = {"FCA-TS": "FCA", "TDjoint (t=2, m=1)": "TDjoint", "TDtop (t=2, m=3)": "TDtop"}


def curves(session: Session, records: Sequence[Record]) -> list[Series]:
    """Measured curves under the released protocol, and the paper's, faint; x is at the paper's scale."""
    selection = select(session, records, "fig4")
    series = []
    for row in read_paper("fig4"):
        points = {int(key): float(value) for key, value in row.items() if key != "method" and value}
        family = FAMILIES.get(row["method"], row["method"])
        series.append(Series(f"{row['method']}, paper", family, list(points), list(points.values()), faint=True))
    for method, model in METHODS.items():
        values = {at: top1(model, at, "released", session, selection) for at in RESOLUTIONS}
        found = {at: value for at, value in values.items() if value.measured is not None}
        if found:
            y, low, high = ([getattr(v, end) for v in found.values()] for end in ("measured", "low", "high"))
            series.append(Series(method, FAMILIES.get(method, method), list(found), y, low, high))
    return series


def table(session: Session, records: Sequence[Record]) -> Table:
    """The figure's numbers: top-1 at each resolution under the released and the last-step protocol."""
    selection = select(session, records, "fig4")
    printed = {METHODS[row["method"]]: row for row in read_paper("fig4")}
    columns = [
        Column(f"r{at}_{protocol}", str(at), "%", f"{group_title(session)}, {protocol}", 2, "higher")
        for protocol in ("released", "last")
        for at in RESOLUTIONS
    ]
    lines = []
    for method, model in METHODS.items():
        values = {}
        for column in columns:
            at, protocol = column.key[1:].split("_")
            value = top1(model, int(at), protocol, session, selection)
            paper = printed[model].get(at) if protocol == "released" else None
            values[column.key] = judged_share(value, paper or None, "fig4", session)
        lines.append(line_of(session, "ResNet50", method, model, values))
    return Table(
        "fig4", f"Figure 4, profile {session.profile.name}", sweep_table(session, records).notes, columns, lines
    )


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the figure and its numbers."""
    side = scaled(224, session)
    scale = "" if side == 224 else f"; {side} pixels here for 224"
    title = f"Top-1 by test resolution, {group_title(session)}"
    x_label = f"test resolution [pixels at the paper's scale{scale}]"
    figure = curves_figure(title, curves(session, records), x_label, "top-1 [%]")
    return [
        *write_table(table(session, records), folder / "tables"),
        *write_figure(figure, folder / "figures", "fig4-resolution"),
    ]


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The figure's numbers for a terminal."""
    return to_markdown(table(session, records))
