"""Speed and memory of table 1's rows, by themselves: images a second and peak memory, in training and inference.

The claims: TD with m=1 trains and infers faster than CBAM and FCA on ResNet50, and than SE on ResNet101; it needs less
training memory than SE, CBAM and FCA. Absolute figures belong to their device; verdicts compare the ratio to the plain
ResNet of the same run with the paper's ratio.

    tdam-bench run efficiency --device cuda --dtype bfloat16
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.metrics.statistics import paired_ratio
from benchmarks.networks.names import REDUCED, TWIN
from benchmarks.papers.tdam.numbers import TABLE1, paper_rows
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.selection import Selection, judged, line_of, select
from benchmarks.report.verdicts import judge_ratio
from benchmarks.work import Efficiencies
from benchmarks.work.session import Session

TITLE = "Table 1's speed and memory columns"
TIME = "mini: 5 minutes on two CPU cores; on a GPU not timed yet"
GB = 1e-9
PAPER_BATCH = 256
MODES = {"train": "training", "val": "inference"}
QUANTITIES = {"mem": ("memory", "GB", GB, "lower"), "fps": ("fps", "images/s", 1.0, "higher")}
# The paper's rows, and below a rule the same TD networks by less arithmetic (``tdam.reduce``), which are ours.
REDUCED_ROWS = {
    (backbone, f"{method}, reduced"): f"{model}{REDUCED}"
    for (backbone, method), model in TABLE1.items()
    if "-td-" in model
}
NAMES = {"train": "training", "val": "inference", "mem": "memory", "fps": "speed"}


def cells(session: Session) -> list[Cell]:
    """One cell for each backbone and mode."""
    return [cell_of(backbone, mode, session) for backbone in families(session) for mode in MODES.values()]


def rows(session: Session) -> tuple[str, ...]:
    """The chosen models: by default the paper's rows, and then the reduced ones."""
    return session.chosen((*TABLE1.values(), *REDUCED_ROWS.values()))


def families(session: Session) -> dict[str, list[str]]:
    """The chosen models by backbone; the plain network is always measured along, it is what ratios refer to."""
    found: dict[str, list[str]] = {}
    for model in rows(session):
        backbone = model.partition("-")[0]
        members = found.setdefault(backbone, [backbone])
        if model not in members:
            members.append(model)
    return found


def cell_of(backbone: str, mode: str, session: Session) -> Cell:
    """The cell of a backbone's models in one mode."""
    return Efficiencies.cell(backbone, families(session)[backbone], mode, session)


def one_device(session: Session, selection: Selection) -> Selection:
    """Only what was measured on the device of the newest record: figures of two devices never share a column."""
    mine = [selection.newest[cell] for cell in cells(session) if cell in selection.newest]
    if not mine:
        return selection
    device = max(mine, key=lambda record: record.created).inputs["device"]
    others = {record.cell: record.inputs["device"] for record in mine if record.inputs["device"] != device}
    reasons = {
        cell: (f"measured on {name}, the other rows on {device}", selection.command) for cell, name in others.items()
    }
    newest = {cell: record for cell, record in selection.newest.items() if cell not in others}
    return replace(selection, newest=newest, missing={**selection.missing, **reasons})


def value_of(model: str, column: str, session: Session, selection: Selection) -> Value:
    """Absolute figure of one model; ``column`` is such as ``train_fps``."""
    phase, quantity = column.split("_")
    metric, _, scale, _ = QUANTITIES[quantity]
    backbone = model.removesuffix(TWIN).partition("-")[0]
    cell = cell_of(backbone, MODES[phase], session)
    return selection.value([cell], f"{model}/{metric}", scale)


def ratio_of(model: str, column: str, session: Session, selection: Selection) -> Value:
    """Ratio to the plain network of the same run, judged against the paper's ratio."""
    backbone = model.partition("-")[0]
    own, plain = (value_of(name, column, session, selection) for name in (model, backbone))
    if own.measured is None or plain.measured is None:
        return own if own.measured is None else plain
    ratio, noise = own.measured / plain.measured, 0.0
    if column.endswith("fps"):
        samples = selection.newest[cell_of(backbone, MODES[column.split("_")[0]], session)].samples
        # Speed is the inverse of time. The plain network's twin differs from it by nothing but noise.
        times = [samples[f"{name}/seconds"] for name in (backbone, model, f"{backbone}{TWIN}")]
        ratio, width = paired_ratio(times[0], times[1])
        twin, _ = paired_ratio(times[0], times[2])
        noise = max(width, abs(twin - 1))
    paper = paper_ratio(model, column)
    judgement = judge_ratio(ratio, paper, noise) if paper is not None and model != backbone else None
    known = math.isfinite(noise)  # of a single round it is not
    low, high = (ratio * (1 - noise), ratio * (1 + noise)) if known else (None, None)
    value = replace(own, measured=ratio, low=low, high=high)
    return judged(value, None if paper is None else f"{paper:.2f}", judgement)


def paper_ratio(model: str, column: str) -> float | None:
    """The paper's figure over its plain network's; None for models that it does not have."""
    rows = paper_rows()
    if model not in rows:
        return None
    key = column.replace("mem", "mem_gb")
    return float(rows[model][key]) / float(rows[model.partition("-")[0]][key])


def table(session: Session, records: Sequence[Record]) -> Table:
    """Absolute figures and ratios of every model."""
    selection = one_device(session, select(session, records, "efficiency"))
    columns, lines = [], []
    keys = [f"{phase}_{quantity}" for quantity in QUANTITIES for phase in MODES]
    for key in keys:
        phase, quantity = key.split("_")
        _, unit, _, better = QUANTITIES[quantity]
        group = f"{NAMES[phase]}: {NAMES[quantity]}"
        columns += [Column(key, "here", unit, group, 2, better), Column(f"{key}_ratio", "ratio", "x plain", group, 2)]
    for backbone, models in families(session).items():
        for model in models:
            values = {key: value_of(model, key, session, selection) for key in keys}
            values |= {f"{key}_ratio": ratio_of(model, key, session, selection) for key in keys}
            lines.append(line_of(session, backbone, model, model, values))
    return Table("efficiency", TITLE, notes(session, selection), columns, lines)


def notes(session: Session, selection: Selection) -> list[str]:
    """Device, batch and how the verdicts are made."""
    found = [selection.newest[cell] for cell in cells(session) if cell in selection.newest]
    said = [
        f"{record.cell.model} {o['mode']}: {record.inputs['device']}, batch {o['batch']}, {o['dtype']}, "
        f"{'channels_last' if o['channels_last'] else 'contiguous'}{', compiled' if o['compile'] else ''}, "
        f"{o['rounds']} rounds in turn, torch {record.inputs['torch']}."
        for record in found
        for o in [record.cell.options]
    ]
    said.append(
        "Speed and memory are judged by their ratio to the plain ResNet of the same run against the paper's ratio, "
        "10 % allowed; what the noise (the ratio's 95 % interval over rounds, or what the plain network measured twice "
        "differs by) could turn is UNDECIDED."
    )
    if any(model.endswith(REDUCED) for model in rows(session)):
        said.append(
            "Rows named reduced are ours: the TD networks above after `tdam.reduce`, which gives the same outputs, "
            "gradients and running statistics by less arithmetic (`tdam/reduction.py`). Their FLOPs are of what really "
            "runs."
        )
    if any(record.cell.options["batch"] != PAPER_BATCH for record in found):
        said.append(
            f"The paper's memory is that of a GPU at batch {PAPER_BATCH}. At a smaller batch parameters weigh more "
            "beside the feature maps, so ratios shift, most of all in inference; DIFFERS there may be the batch."
        )
    return said


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the table."""
    return write_table(table(session, records), folder / "tables")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The table for a terminal."""
    return to_markdown(table(session, records))
