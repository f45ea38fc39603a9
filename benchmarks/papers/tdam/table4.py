"""Table 4: top-1 of ResNet50 with each attention at test resolutions from 128 to 448, networks trained at 224.

The claims: TD gains most from larger images and loses least; CBAM drops most from its best resolution to 448.

    make table4
    make table4 PROFILE=full DATA=imagenet WEIGHTS=dir DEVICE=cuda
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.papers.tdam.numbers import TABLE1, read_paper
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.selection import Selection, judged_share, line_of, select
from benchmarks.work import Accuracies
from benchmarks.work.session import Session
from benchmarks.work.training import seeds_of, training_cells

TITLE = "Table 4: top-1 at test resolutions from 128 to 448"
TIME = "mini: 2 minutes on two CPU cores after table 1; full: not timed yet"

METHODS = {row["method"]: TABLE1["resnet50", row["method"]] for row in read_paper("table4")}
TRAINED_AT = 224
RESOLUTIONS = (128, 140, *range(168, 449, 28))
COLUMNS = {"best": "best", "r224": "224", "r168": "168", "r448": "448"}
PROTOCOLS = ("released", "last", "confident")


def scaled(resolution: int, session: Session) -> int:
    """A resolution of the paper at the profile's scale, pixels."""
    return round(resolution * session.profile.resolution / TRAINED_AT)


def cells(session: Session) -> list[Cell]:
    """Training, and accuracy at every resolution."""
    found: list[Cell] = []
    for model in session.chosen(tuple(METHODS.values())):
        found += training_cells(model, session)
        found += [cell for resolution in RESOLUTIONS for cell in cells_at(model, resolution, session)]
    return found


def cells_at(model: str, resolution: int, session: Session) -> list[Cell]:
    """The cells of one model at one of the paper's resolutions, one for each seed."""
    split, side = session.profile.splits["v1"], scaled(resolution, session)
    return [Accuracies.cell(model, split, seed, session, side) for seed in seeds_of(model, session)]


def top1(model: str, resolution: int, protocol: str, session: Session, selection: Selection) -> Value:
    """Top-1 of one model at one resolution, percent."""
    return selection.value(cells_at(model, resolution, session), f"{protocol}/top1")


def best(model: str, protocol: str, session: Session, selection: Selection) -> Value:
    """The best top-1 over all resolutions, with the resolution that it was found at; the whole sweep must be there."""
    values = {resolution: top1(model, resolution, protocol, session, selection) for resolution in RESOLUTIONS}
    absent = [value for value in values.values() if value.measured is None]
    if absent:
        return absent[0]
    at = max(values, key=lambda resolution: values[resolution].measured or 0.0)
    found = values[at]
    pixels = scaled(at, session)
    note = f"at {pixels} pixels" + (f", {at} at the paper's scale" if pixels != at else "")
    return Value(measured=found.measured, low=found.low, high=found.high, record=found.record, note=note)


def table(session: Session, records: Sequence[Record]) -> Table:
    """Best, 224, 168 and 448 under each protocol."""
    selection = select(session, records, "table4")
    columns = [
        Column(f"{key}_{protocol}", title, "%", f"{group_title(session)}, {protocol}", 2, "higher")
        for protocol in PROTOCOLS
        for key, title in COLUMNS.items()
    ]
    printed = {METHODS[row["method"]]: row for row in read_paper("table4")}
    labels = {model: method for method, model in METHODS.items()}
    lines = []
    for model in session.chosen(tuple(METHODS.values())):
        values = {}
        for protocol in PROTOCOLS:
            for key in COLUMNS:
                value = (
                    best(model, protocol, session, selection)
                    if key == "best"
                    else top1(model, int(key[1:]), protocol, session, selection)
                )
                paper = printed.get(model, {}).get(f"{key}_top1") if protocol == "released" else None
                values[f"{key}_{protocol}"] = judged_share(value, paper, "table4", session)
        lines.append(line_of(session, "ResNet50", labels.get(model, model), model, values))
    return Table(
        "table4", f"Table 4, profile {session.profile.name}: top-1 by test resolution", notes(session), columns, lines
    )


def group_title(session: Session) -> str:
    """What the columns are of."""
    return "ImageNet-V1" if session.profile.name == "full" else f"{session.profile.name} {session.profile.splits['v1']}"


def notes(session: Session) -> list[str]:
    """What a reader must know of scale and protocols."""
    said = [
        "Networks are trained at 224 and tested at 128, 140, and 168 to 448 in steps of 28. Best is over all of them. "
        "The paper's TD accuracies come from its released rule, which gives TD a second guess; the columns last and "
        "confident do not.",
        f"Seeds {', '.join(map(str, session.seeds))}; "
        + ("mean and range over seeds." if len(session.seeds) > 1 else "95 % Wilson intervals."),
    ]
    if session.profile.name != "full":
        side = session.profile.resolution
        said.append(
            f"Profile {session.profile.name}: networks are trained at {side} pixels, and columns are named for the "
            f"same factors, so 448 is {scaled(448, session)} pixels, the size at which the scenes are drawn."
        )
    return said


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the table."""
    return write_table(table(session, records), folder / "tables")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The table for a terminal."""
    return to_markdown(table(session, records))
