"""Figure 8: ablations of feedback distance, feedback steps and feedback technique.

The claims: m=0 gains nothing over the plain network; gains are largest at m=1 and m=3; accuracy peaks at t=3; channel
then spatial attention beats the other techniques, of which two do not converge.

    make fig8
    make fig8 PROFILE=full DATA=imagenet WEIGHTS=dir        # networks are trained one by one: tdam-bench train
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.core.records import Cell, Record
from benchmarks.papers.tdam.numbers import TITLES, read_paper
from benchmarks.report.ablation import Marks, Panel, ablation_figure
from benchmarks.report.comparison import to_markdown, write_table
from benchmarks.report.layout import Column, Table, Value
from benchmarks.report.plots import write_figure
from benchmarks.report.selection import Selection, judged_share, line_of, select
from benchmarks.work import Accuracies, Costs, Trainings
from benchmarks.work.session import Session
from benchmarks.work.training import seeds_of, training_cells

TITLE = "Figure 8: feedback distance, steps and technique"
TIME = "mini: 18 minutes on two CPU cores after table 1; full: not timed yet"

# The step variants' searchlight and distance; the figure does not tell them, these are the supplement's rows.
STEPPED = {"mobilenet_v3_large": "joint", "resnet18": "joint"}
STEP_DISTANCE = {"mobilenet_v3_large": 1, "resnet18": 2}
# The paper's name of each technique, and how the suite's model names end.
TECHNIQUES = {
    "channel->spatial": "",
    "spatial->channel": "-spatial_channel",
    "channel||spatial": "-parallel",
    "channel only": "-channel",
    "spatial only": "-spatial",
    "recurrent convolution": "-convolution",
}
DISTANCE, STEPS, TECHNIQUE = "Feedback distance m", "Feedback steps t", "Feedback technique"
PROTOCOLS = {"released/top1": "top-1", "last/top1": "top-1, last step", "confident/top1": "top-1, confident"}


@dataclass(frozen=True)
class Variant:
    """A point of the figure.

    Attributes:
        panel: Which plot.
        line: Which of its curves.
        at: Place on the x axis.
        label: Row in the table.
        model: The suite's name.
        paper: The value read off the paper's plot, or None.
        reduced: Whether it is trained on the reduced data set.
    """

    panel: str
    line: str
    at: int
    label: str
    model: str
    paper: str | None
    reduced: bool = False


def variants() -> Iterator[Variant]:
    """All points in the order of the figure."""
    for row in read_paper("fig8_distance"):
        kind = {"TDtop (t=2)": "top", "TDjoint (t=2)": "joint"}.get(row["method"])
        if kind is None:
            yield Variant(DISTANCE, row["method"], 0, "ResNet50", "resnet50", row["m0"])
            continue
        for m in range(4):
            model = f"resnet50-td-{kind}-t2-m{m}"
            yield Variant(DISTANCE, row["method"], m, f"TD{kind} (t=2, m={m})", model, row[f"m{m}"])
    for row in read_paper("fig8_steps"):
        backbone = row["backbone"]
        for t in range(1, 6):
            feedback = f"-td-{STEPPED[backbone]}-t{t}-m{STEP_DISTANCE[backbone]}" if t > 1 else ""
            label = f"{TITLES[backbone]}, t={t}"
            yield Variant(STEPS, TITLES[backbone], t, label, backbone + feedback, row[f"t{t}"], reduced=True)
    printed = {row["technique"]: row["top1"] for row in read_paper("fig8_technique")}
    for place, (name, suffix) in enumerate(TECHNIQUES.items()):
        model = f"resnet50-td-joint-t2-m1{suffix}"
        yield Variant(TECHNIQUE, "TDjoint (t=2)", place, name, model, printed[name] or None)


def chosen(session: Session) -> list[Variant]:
    """The figure's points, or those of the user's models.

    Raises:
        ValueError: The figure does not have one of these.
    """
    everything = list(dict.fromkeys(one.model for one in variants()))
    # An ablation of feedback has no row for other attentions.
    names = session.models or tuple(everything)
    unknown = [name for name in names if name not in everything]
    if unknown:
        raise ValueError(f"figure 8 does not have {', '.join(unknown)}; choose of {', '.join(everything)}")
    return [one for one in variants() if one.model in names]


def trained_on(variant: Variant, session: Session) -> str:
    """The image set that a variant is trained on."""
    return session.profile.reduced.train if variant.reduced else "train"


def cells(session: Session) -> list[Cell]:
    """Parameters, training and accuracy of every variant."""
    found: list[Cell] = []
    for variant in chosen(session):
        found.append(Costs.cell(variant.model))
        found += training_cells(variant.model, session, trained_on(variant, session))
        found += cells_of(variant, session)
    return list(dict.fromkeys(found))


def cells_of(variant: Variant, session: Session) -> list[Cell]:
    """The accuracy cells of one variant, one for each seed."""
    data = trained_on(variant, session)
    split = session.profile.reduced.val if variant.reduced else session.profile.splits["v1"]
    seeds = seeds_of(variant.model, session, data)
    return [Accuracies.cell(variant.model, split, seed, session, trained_on=data) for seed in seeds]


def top1(variant: Variant, metric: str, session: Session, selection: Selection) -> Value:
    """A variant's top-1 in percent."""
    return selection.value(cells_of(variant, session), metric)


def table(session: Session, records: Sequence[Record]) -> Table:
    """The figure's numbers."""
    selection = select(session, records, "fig8")
    columns = [Column("params_m", "Params", "M", "paper's size", 2)]
    columns += [Column(metric, title, "%", session.profile.name, 2, "higher") for metric, title in PROTOCOLS.items()]
    lines = []
    for variant in chosen(session):
        values = {"params_m": selection.value([Costs.cell(variant.model)], "parameters", 1e-6)}
        for metric in PROTOCOLS:
            paper = variant.paper if metric == "released/top1" else None
            values[metric] = judged_share(top1(variant, metric, session, selection), paper, "fig8", session)
        lines.append(line_of(session, variant.panel, variant.label, variant.model, values))
    return Table("fig8", f"Figure 8, profile {session.profile.name}: ablations", notes(session), columns, lines)


def notes(session: Session) -> list[str]:
    """What a reader must know."""
    reduced = session.profile.reduced
    distances = ", ".join(f"{TITLES[name]} m={m}" for name, m in STEP_DISTANCE.items())
    said = [
        "The paper's values were read off its plots, +-0.05. It prints none for the two techniques of which it says "
        "that training did not converge; they are trained here like the others.",
        "At t=1 stands the backbone without feedback, MobileNetV3-Large with its own squeeze-and-excitation. "
        f"Distances: {distances}.",
        f"Steps: on {reduced.train.partition('/')[0]}, {session.classes_of(reduced.train)} classes; the paper's own "
        "list of classes was not published.",
        f"Seeds {', '.join(map(str, session.seeds))}; of one seed the interval is over images (Wilson), of several "
        "their range.",
    ]
    if session.profile.name != "full":
        said.append(
            "After a few epochs MobileNetV3 and networks of many steps have hardly left the plateau that training "
            "starts on: their numbers tell how soon they learn here, not how well."
        )
    return said


def panels(session: Session, selection: Selection, measured: bool) -> list[Panel]:
    """The three plots, of measured values or of the paper's."""
    found = []
    for name, label in ((DISTANCE, "m"), (STEPS, "t"), (TECHNIQUE, "")):
        shown = [variant for variant in chosen(session) if variant.panel == name]
        ticks = {variant.at: variant.label if name == TECHNIQUE else str(variant.at) for variant in shown}
        lines: dict[str, list[Variant]] = {}
        for variant in shown:
            lines.setdefault(variant.line, []).append(variant)
        marks = [marks_of(line, points, session, selection, measured) for line, points in lines.items()]
        found.append(Panel(name, label, [one for one in marks if one.x], ticks, joined=name != TECHNIQUE))
    return found


def marks_of(line: str, points: Sequence[Variant], session: Session, selection: Selection, measured: bool) -> Marks:
    """A curve's points that have a value; sizes follow the parameters of the paper's networks."""
    x: list[float] = []
    y: list[float] = []
    low: list[float] = []
    high: list[float] = []
    sizes: list[float | None] = []
    for variant in points:
        value = top1(variant, "released/top1", session, selection)
        printed = None if variant.paper is None else float(variant.paper)
        shown = (value.measured, value.low, value.high) if measured else (printed, printed, printed)
        if shown[0] is None:
            continue
        params = selection.value([Costs.cell(variant.model)], "parameters", 1e-6).measured
        x.append(variant.at)
        for kept, number in zip((y, low, high), shown, strict=True):
            kept.append(float(number if number is not None else shown[0]))
        sizes.append(params)
    return Marks(line, x, y, low, high, sizes)


def losses(session: Session, selection: Selection) -> Panel:
    """Training loss by epoch of the six techniques: the mean over seeds and their range."""
    marks = []
    for variant in (one for one in chosen(session) if one.panel == TECHNIQUE):
        records = [selection.newest.get(Trainings.cell(variant.model, seed, session)) for seed in session.seeds]
        curves = [record.samples["loss"] for record in records if record is not None]
        # A training that diverged has fewer epochs.
        by_epoch = list(zip(*curves, strict=False))
        mean = [sum(values) / len(values) for values in by_epoch]
        low, high = [min(values) for values in by_epoch], [max(values) for values in by_epoch]
        epochs = list(range(1, len(mean) + 1))
        marks.append(Marks(variant.label, epochs, mean, low, high, [None] * len(mean)))
    last = max((len(one.x) for one in marks), default=0)
    ticks = {epoch: str(epoch) for epoch in range(1, last + 1) if last < 20 or epoch % 10 == 0}
    return Panel(f"Training loss by feedback technique, {session.profile.name}", "epoch", marks, ticks)


def render(session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
    """Write the numbers, the figure and the training curves of the techniques."""
    selection = select(session, records, "fig8")
    files = write_table(table(session, records), folder / "tables")
    rows = {
        f"measured, {session.profile.name}": panels(session, selection, measured=True),
        "paper": panels(session, selection, measured=False),
    }
    figure = ablation_figure("Top-1 over feedback distance, steps and technique", rows, "top-1 (%)")
    files += write_figure(figure, folder / "figures", "fig8")
    curves = ablation_figure("Feedback techniques", {"training": [losses(session, selection)]}, "loss (nat)")
    return files + write_figure(curves, folder / "figures", "fig8-training")


def table_text(session: Session, records: Sequence[Record]) -> str:
    """The numbers for a terminal."""
    return to_markdown(table(session, records))
