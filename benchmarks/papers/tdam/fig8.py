"""Figure 8: ablations of feedback distance, feedback steps and feedback technique.

The claims: m=0 gains nothing over the plain network; gains are largest at m=1 and m=3; accuracy peaks at t=3; channel
then spatial attention beats the other techniques, of which two do not converge.

    make fig8
    make fig8 PROFILE=full DATA=imagenet WEIGHTS=dir        # networks are trained one by one: tdam-bench train

Time: mini about 27 minutes on two CPU cores after table 1, a forecast by trainings of its networks.
"""

import functools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import queries
from benchmarks.papers.tdam.captions import BANDS, recorded, unmeasured
from benchmarks.papers.tdam.numbers import TITLES, read_paper
from benchmarks.report.ablation import Marks, Panel, ablation_figure
from benchmarks.report.curves import BEHIND, Chart, Curve, Row, charts_figure, over_seeds
from benchmarks.report.evidence import Evidence, Query, line_of
from benchmarks.report.layout import Column, Line, Table
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned, Look
from benchmarks.report.shares import Printed, share_value
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cost import COST, PARAMETERS
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session
from benchmarks.work.training import LOSS
from benchmarks.work.weights import for_seeds

NAME = "fig8"
TITLE = "Figure 8: feedback distance, steps and technique"
TIME = "mini: about 27 minutes on two CPU cores after table 1, a forecast; full: not timed yet"

# The step variants' searchlight and distance; the figure does not tell them, these are the supplement's rows.
STEPPED = {"mobilenet_v3_large": "joint", "resnet18": "joint"}
STEP_DISTANCE = {"mobilenet_v3_large": 1, "resnet18": 2}
# Every block of the last two stages has the module, as the text says; the printed counts leave one out at m=3.
AS_IN_TEXT = "resnet50-td-joint-t2-m3-l34"
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
TOP1 = MetricKey("top1", steps="released")
# Column, metric, heading. The paper's numbers stand against the first.
COLUMNS = (
    ("released_top1", TOP1, "top-1"),
    ("last_top1", MetricKey("top1", steps="last"), "top-1"),
    ("confident_top1", MetricKey("top1", steps="confident"), "top-1"),
)


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


@functools.cache
def variants() -> tuple[Variant, ...]:
    """All points in the order of the figure."""
    return (*by_distance(), *by_steps(), *by_technique())


def by_distance() -> Iterator[Variant]:
    """Points of the left plot."""
    for row in read_paper("fig8_distance"):
        kind = {"TDtop (t=2)": "top", "TDjoint (t=2)": "joint"}.get(row["method"])
        if kind is None:
            yield Variant(DISTANCE, row["method"], 0, "ResNet50", "resnet50", row["m0"])
            continue
        for m in range(4):
            model = f"resnet50-td-{kind}-t2-m{m}"
            yield Variant(DISTANCE, row["method"], m, f"TD{kind} (t=2, m={m})", model, row[f"m{m}"])


def by_steps() -> Iterator[Variant]:
    """Points of the center plot."""
    for row in read_paper("fig8_steps"):
        backbone = row["backbone"]
        for t in range(1, 6):
            feedback = f"-td-{STEPPED[backbone]}-t{t}-m{STEP_DISTANCE[backbone]}" if t > 1 else ""
            label = f"{TITLES[backbone]}, t={t}"
            yield Variant(STEPS, TITLES[backbone], t, label, backbone + feedback, row[f"t{t}"], reduced=True)


def by_technique() -> Iterator[Variant]:
    """Points of the right plot."""
    printed = {row["technique"]: row["top1"] for row in read_paper("fig8_technique")}
    for place, (name, suffix) in enumerate(TECHNIQUES.items()):
        model = f"resnet50-td-joint-t2-m1{suffix}"
        yield Variant(TECHNIQUE, "TDjoint (t=2)", place, name, model, printed[name] or None)


def chosen(models: Container[str] | None) -> list[Variant]:
    """The figure's points of some models, of all for None. An ablation of feedback has no row for other attentions."""
    return [variant for variant in variants() if models is None or variant.model in models]


def trained_on(variant: Variant, profile: Profile) -> str:
    """The image set that a variant is trained on."""
    return profile.reduced.train if variant.reduced else "train"


def cells(session: Session) -> list[Cell]:
    """Parameters, training and accuracy of every variant.

    Raises:
        ValueError: The figure does not have one of the user's models.
    """
    everything = list(dict.fromkeys(variant.model for variant in variants()))
    unknown = [name for name in session.models or () if name not in everything]
    if unknown:
        raise ValueError(f"figure 8 does not have {', '.join(unknown)}; choose of {', '.join(everything)}")
    # For what the text says of parameters alone.
    planned = [COST.cell(AS_IN_TEXT)] if session.models is None else []
    for variant in chosen(session.models):
        planned.append(COST.cell(variant.model))
        planned += training_cells(variant.model, session, trained_on(variant, session.profile))
        planned += cells_of(variant, session)
    return list(dict.fromkeys(planned))


def cells_of(variant: Variant, session: Session) -> list[Cell]:
    """The accuracy cells of one variant, one for each seed."""
    model, data = variant.model, trained_on(variant, session.profile)
    split = session.profile.reduced.val if variant.reduced else session.profile.splits["v1"]
    return for_seeds(model, session, lambda seed: ACCURACY.cell(model, split, seed, session, trained_on=data), data)


def query_of(variant: Variant, evidence: Evidence) -> Query:
    """Accuracies of one variant."""
    ask = queries.reduced_accuracy if variant.reduced else queries.accuracy
    return ask(variant.model, evidence)


def table(evidence: Evidence) -> Table:
    """The figure's numbers."""
    evidence = evidence.filled_by(NAME)
    columns = [Column("params_m", "Params", "M", "paper's size", 2)]
    columns += [
        Column(key, title, "%", evidence.profile.name, 2, "higher", view=metric.steps) for key, metric, title in COLUMNS
    ]
    lines = [line(variant, evidence) for variant in chosen(evidence.models)]
    title = f"Figure 8, profile {evidence.profile.name}: ablations"
    return Table(NAME, title, notes(evidence), columns, lines)


def line(variant: Variant, evidence: Evidence) -> Line:
    """Parameters and accuracies of one variant."""
    values = {"params_m": evidence.value(queries.counted(variant.model), PARAMETERS, 1e-6)}
    for key, metric, _ in COLUMNS:
        paper = printed_beside(variant) if metric == TOP1 else None
        values[key] = share_value(evidence, query_of(variant, evidence), metric, paper)
    return line_of(variant.panel, variant.label, variant.model, values)


def printed_beside(variant: Variant) -> Printed | None:
    """What the paper's figure has of a point, of its plain network, and of the other points of its plot."""
    if variant.paper is None:
        return None
    backbone = parse(variant.model).backbone
    panel = [one for one in variants() if one.panel == variant.panel and parse(one.model).backbone == backbone]
    plain = next((one.paper for one in panel if one.model == backbone), None)
    others = sorted({one.paper for one in panel if one.paper not in (None, variant.paper)})
    return Printed(variant.paper, plain, tuple(map(str, others)))


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know."""
    asked = [query_of(variant, evidence) for variant in chosen(evidence.models)]
    profile = evidence.profile
    classes = reduced_classes(evidence.selected(asked), profile)
    distances = ", ".join(f"{TITLES[name]} m={m}" for name, m in STEP_DISTANCE.items())
    said = [
        "The paper's values were read off its plots, +-0.05. It prints none for the two techniques of which it says "
        "that training did not converge; they are trained here like the others.",
        "At t=1 stands the backbone without feedback, MobileNetV3-Large with its own squeeze-and-excitation. "
        f"Distances: {distances}.",
        f"Steps: on {profile.reduced.train.partition('/')[0]}, {classes} classes; the paper's own list of classes was "
        "not published.",
        f"Seeds recorded: {evidence.seeds_of(asked)}; of one seed the interval is over images, of several "
        "Student's over seeds.",
    ]
    return [*said, *evidence.left_out]


def reduced_classes(records: Sequence[Record], profile: Profile) -> int:
    """Classes of the reduced data set: those of its newest record, for a run may have a list of its own."""
    reduced = profile.reduced
    of_reduced = [record for record in records if record.cell.options["trained_on"] == reduced.train]
    newest = max(of_reduced, key=lambda record: record.created, default=None)
    return reduced.classes if newest is None else int(str(newest.cell.options["classes"]))


def panels(evidence: Evidence, measured: bool) -> list[Panel]:
    """The three plots, of measured values or of the paper's."""
    drawn = []
    for name, label in ((DISTANCE, "m"), (STEPS, "t"), (TECHNIQUE, "")):
        points = [variant for variant in chosen(evidence.models) if variant.panel == name]
        ticks = {variant.at: variant.label if name == TECHNIQUE else str(variant.at) for variant in points}
        curves: dict[str, list[Variant]] = {}
        for variant in points:
            curves.setdefault(variant.line, []).append(variant)
        marks = [marks_of(curve, members, evidence, measured) for curve, members in curves.items()]
        # The paper's two techniques without a value.
        remarks = {} if measured else {one.at: "did not converge" for one in points if one.paper is None}
        shown = [one for one in marks if one.x]
        drawn.append(Panel(name, label, shown, ticks, joined=name != TECHNIQUE, remarks=remarks))
    return drawn


def marks_of(curve: str, points: Sequence[Variant], evidence: Evidence, measured: bool) -> Marks:
    """A curve's points that have a value; sizes follow the parameters of the paper's networks."""
    x: list[float] = []
    y: list[float] = []
    low: list[float] = []
    high: list[float] = []
    sizes: list[float | None] = []
    for variant in points:
        value = evidence.value(query_of(variant, evidence), TOP1)
        printed = None if variant.paper is None else float(variant.paper)
        center, *ends = (value.measured, value.low, value.high) if measured else (printed, printed, printed)
        if center is None:
            continue
        x.append(variant.at)
        y.append(center)
        for kept, end in zip((low, high), ends, strict=True):
            kept.append(center if end is None else end)
        sizes.append(evidence.value(queries.counted(variant.model), PARAMETERS, 1e-6).measured)
    return Marks(curve, x, y, low, high, sizes)


def loss(variant: Variant, look: Look, evidence: Evidence) -> list[Curve]:
    """Training loss of a technique by epoch; none where nothing is recorded, or it was a number in no epoch."""
    runs = [one.samples[LOSS] for one in evidence.select(queries.trained(variant.model)) if one.samples.get(LOSS)]
    return over_seeds(look, range(1, 1 + max(map(len, runs), default=0)), runs)


def ablations(evidence: Evidence) -> Captioned:
    """Top-1 over distance, steps and technique, here and in the paper."""
    profile, points = evidence.profile, chosen(evidence.models)
    data = "ImageNet-V1" if profile.papers_data else profile.name
    rows = {
        f"here: released top-1\non {data} [%]": panels(evidence, measured=True),
        "the paper: top-1 on ImageNet [%]": panels(evidence, measured=False),
    }
    caption = (
        f"Figure 8: top-1 [%] under the released rule over feedback distance m, feedback steps t (of networks trained "
        f"on the reduced data) and feedback technique. Upper row: measured on {data}, bars are 95 % intervals (of one "
        "seed over images, of several Student's over seeds). Lower row: the paper's own values, read off its plots. "
        f"Marker area grows with parameters{hollow(rows)}; every plot has a y axis of its own. "
        f"{recorded(evidence, [query_of(variant, evidence) for variant in points])}"
    )
    measured, printed = rows.values()
    absent = [variant.label for variant in points if evidence.value(query_of(variant, evidence), TOP1).measured is None]
    lacks = unmeasured(f"top-1 of {', '.join(dict.fromkeys(absent))}", evidence) if absent else ""
    if not any(panel.marks for panel in measured):
        return Captioned(NAME, caption, None, lacks)
    kept = [place for place, panel in enumerate(measured) if panel.marks or printed[place].marks]
    return Captioned(
        NAME, caption, ablation_figure({row: [of[place] for place in kept] for row, of in rows.items()}), lacks
    )


def hollow(rows: Mapping[str, Sequence[Panel]]) -> str:
    """What a caption says of hollow markers, where there are any."""
    sizes = [size for of in rows.values() for panel in of for one in panel.marks for size in one.sizes]
    return " (hollow: not counted)" if any(size is None for size in sizes) else ""


def training(evidence: Evidence) -> Captioned:
    """Training loss by epoch of the techniques, each beside the paper's choice."""
    first, *others = [variant for variant in variants() if variant.panel == TECHNIQUE]
    asked = [one for one in others if evidence.models is None or one.model in evidence.models]
    behind = loss(first, BEHIND, evidence)
    look = Look("#D55E00", "o")
    found = {one.label: loss(one, look, evidence) for one in asked}
    charts = [Chart(label, [*behind, *own]) for label, own in found.items() if own]
    caption = (
        f"Training loss [nat] by epoch of the feedback techniques; dashed, in every plot: {first.label}, the paper's "
        f"choice. {BANDS[0].upper()}{BANDS[1:]}. The paper shows no such curves; it says of spatial->channel and "
        f"spatial only that their training did not converge. "
        f"{recorded(evidence, [queries.trained(one.model) for one in (first, *asked)])}"
    )
    absent = [label for label, own in found.items() if not own]
    lacks = unmeasured(f"training with {', '.join(absent)}", evidence) if absent else ""
    legend = {f"{first.label}, the paper's choice": BEHIND}
    figure = charts_figure([Row("training loss [nat]", charts)], "epoch", legend) if charts else None
    return Captioned(f"{NAME}-training", caption, figure, lacks)


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The figure, and how the techniques are trained."""
    evidence = evidence.filled_by(NAME)
    yield ablations(evidence)
    yield training(evidence)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
