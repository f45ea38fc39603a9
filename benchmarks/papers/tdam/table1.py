"""Table 1: classification accuracy and cost of ResNet50 and ResNet101 with each attention.

The claim: TDjoint (t=2, m=1) beats SE, CBAM, ECA and FCA on ImageNet-V1 and V2, with fewer parameters.

    make table1                                          # mini: no download, 19 minutes on two CPU cores
    make table1 PROFILE=full DATA=imagenet WEIGHTS=dir   # the paper's data and networks
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.core.records import Cell, MetricKey
from benchmarks.metrics.statistics import over
from benchmarks.networks.names import CONSTANT, parse
from benchmarks.papers.tdam import PAPER, efficiency
from benchmarks.papers.tdam.captions import BANDS, recorded, unmeasured
from benchmarks.papers.tdam.efficiency import REDUCED_ROWS, ROWS
from benchmarks.papers.tdam.guesses import NOTE as GUESSES_NOTE
from benchmarks.papers.tdam.guesses import guess_columns, guess_values
from benchmarks.papers.tdam.numbers import FITTED, TABLE1, TITLES, paper_rows
from benchmarks.papers.tdam.queries import accuracy, counted, trained
from benchmarks.report.curves import BEHIND, Chart, Curve, Row, charts_figure, level, over_seeds
from benchmarks.report.evidence import Evidence, effect_value, ids, judged, line_of, seed_of
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned, Look, Panel, Point, scatter_figure
from benchmarks.report.shares import printed_in, share_value
from benchmarks.report.verdicts import judge_printed
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cost import COST, FLOPS, PARAMETERS
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session
from benchmarks.work.training import HELD_OUT, LOSS
from benchmarks.work.weights import for_seeds

TITLE = "Table 1: accuracy and cost on ImageNet"
TIME = "smoke: 2 minutes, mini: 19 minutes on two CPU cores; full: not timed yet"

# The columns of each image set: metric, heading, and whether the paper's number stands against it.
ACCURACY_COLUMNS = (
    (MetricKey("top1", steps="released"), "top-1", True),
    (MetricKey("top5", steps="released"), "top-5", True),
    (MetricKey("top1", steps="last"), "top-1", False),
    (MetricKey("top1", steps="confident"), "top-1", False),
)
SETS = {"v2": "ImageNet-V2", "v1": "ImageNet-V1"}
SHOWN = "v1_released_top1"
# Points below the plain network's end that count as near to it.
NEAR = 2.0
# The curves that a row's plot has.
TellsEpochs = Callable[[str, Evidence], list[Curve]]
CONTROLS_NOTE = (
    "Controls are ours, by `make controls`: `live` networks start at zero in the norm of the last step and not of the "
    "first, so that every path has its gradient; `no attention` is the same loop and the same norms with a constant in "
    "the searchlight's place."
)
INTERVALS = "of one seed 95 % intervals over images, of several seeds Student's over seeds"
EFFICIENCY_COLUMNS = {
    "train_mem": ("training", "Memory", "lower"),
    "train_fps": ("training", "Speed", "higher"),
    "val_mem": ("inference", "Memory", "lower"),
    "val_fps": ("inference", "Speed", "higher"),
}
# The rows that have controls, by their labels.
CONTROLLED = {
    model: method for (backbone, method), model in TABLE1.items() if backbone == "resnet50" and parse(model).feedback
}
PANELS = (
    Panel("params_m", "Parameters [M]"),
    Panel("flops_g", "FLOPs [G]"),
    Panel("val_fps", "Inference [images/s]"),
)
# What attentions from outside look like in plots; the paper has no color for them.
OUTSIDE = "not the paper's"
STYLES = {**PAPER.families, OUTSIDE: ("#777777", "X")}


def with_controls(controlled: Mapping[str, str]) -> dict[str, str]:
    """Networks and their controls, with labels.

    Each network stands live too, and those of equal steps and distance once without attention: of that there is but
    one, whatever the searchlight would have been.
    """
    loops: dict[tuple[int, int], list[str]] = {}
    for model in controlled:
        parts = parse(model)
        loops.setdefault((parts.steps, parts.distance), []).append(model)
    named: dict[str, str] = {}
    for (steps, distance), members in loops.items():
        for model in members:
            live = str(replace(parse(model), live=True))
            named |= {model: controlled[model], live: f"{controlled[model]}, live"}
        constant = str(replace(parse(members[0]), technique=CONSTANT))
        named[constant] = f"no attention (t={steps}, m={distance})"
    return named


WITH_CONTROLS = with_controls(CONTROLLED)
CONTROL_ROWS = {model: label for model, label in WITH_CONTROLS.items() if model not in CONTROLLED}


def cells(session: Session) -> list[Cell]:
    """Cost, training, accuracy on both sets and efficiency of every chosen model."""
    planned: list[Cell] = []
    for model in session.rows(ROWS):
        planned += [*count_cells(model), *count_cells(parse(model).backbone)]
        if parse(model).reduced:  # its weights and accuracies are those of the row that it reduces
            continue
        planned += training_cells(model, session)
        planned += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
    return list(dict.fromkeys([*planned, *efficiency.cells(session)]))


def accuracy_cells(model: str, split: str, session: Session) -> list[Cell]:
    """The accuracy cells of one model on one image set, one for each seed."""
    data = session.profile.splits[split]
    return for_seeds(model, session, lambda seed: ACCURACY.cell(model, data, seed, session))


def parameters_value(model: str, evidence: Evidence) -> Value:
    """Parameters in M against the paper's digits."""
    return exact_value(model, evidence, PARAMETERS, "params_m", 1e-6)


def flops_value(model: str, evidence: Evidence) -> Value:
    """FLOPs in G by the counter that the paper used, against its digits."""
    return exact_value(model, evidence, FLOPS, "flops_g", 1e-9)


def exact_value(model: str, evidence: Evidence, key: MetricKey, column: str, scale: float) -> Value:
    """A count against the paper's digits; where the plain network's rounds to them too it does not tell."""
    value, plain = (
        evidence.value(counted(name, PAPER.convention), key, scale) for name in (model, parse(model).backbone)
    )
    printed = paper_rows().get(model, {}).get(column)
    if printed is None or value.measured is None or plain.measured is None:
        return judged(value, printed, None)
    return judged(value, printed, judge_printed(value.measured, printed, plain.measured, FITTED.get(model, "")))


def accuracy_value(model: str, split: str, key: MetricKey, against_paper: bool, evidence: Evidence) -> Value:
    """One accuracy in percent; the paper's number is judged where the data are the paper's."""
    if parse(model).reduced:
        return Value(missing="the same outputs as the row without `reduced`, which has the number: `make test`")
    column = {name: row[f"{split}_{key.name}"] for name, row in paper_rows().items()} if against_paper else {}
    return share_value(evidence, accuracy(model, evidence, split), key, printed_in(column, model))


def accuracy_column(split: str, key: MetricKey) -> str:
    """Key of an accuracy's column."""
    return f"{split}_{key.steps}_{key.name}"


def columns(profile: Profile) -> list[Column]:
    """The table's columns; on other data than the paper's, its sets are named for what they stand for."""
    listed = [
        Column("params_m", "Params", "M", "", 2),
        Column("flops_g", "FLOPs", "G", "", 2),
        Column("fvcore_g", "FLOPs, fvcore", "G", "", 2, detail=True),
    ]
    listed += [
        Column(key, head, "x plain", phase, 2, better) for key, (phase, head, better) in EFFICIENCY_COLUMNS.items()
    ]
    listed.append(Column("sooner", "near ResNet's end", "epochs", "", 1, "lower", detail=True))
    for split in SETS:
        group = set_title(split, profile)
        first, *others = (
            Column(accuracy_column(split, key), head, "%", group, 2, "higher", view=key.steps)
            for key, head, _ in ACCURACY_COLUMNS
        )
        guessed = (replace(column, detail=True) for column in guess_columns(split, group))
        listed += [first, *guessed, *others]
    return listed


def set_title(split: str, profile: Profile) -> str:
    """What an image set is called; on other data than the paper's, for what it stands."""
    title = SETS[split]
    return title if profile.papers_data else f"{profile.name} {profile.splits[split]} for {title}"


def labels() -> dict[str, tuple[str, str]]:
    """Block and label of the paper's rows and of the reduced ones."""
    paper = {model: (TITLES[backbone], method) for (backbone, method), model in TABLE1.items()}
    reduced = {
        model: (f"{TITLES[backbone]}, reduced (ours)", method) for (backbone, method), model in REDUCED_ROWS.items()
    }
    return paper | reduced


def table(evidence: Evidence) -> Table:
    """The whole table."""
    evidence = evidence.filled_by("table1")
    lines, named = [], labels()
    for model in (name for name in efficiency.rows(evidence) if name not in CONTROL_ROWS):
        values = dict(counts_and_accuracies(model, evidence))
        values |= {key: efficiency.ratio_of(model, key, evidence) for key in EFFICIENCY_COLUMNS}
        group, label = named.get(model, (parse(model).backbone, model))
        lines.append(line_of(group, label, model, values))
    lines += control_lines(evidence.filled_by("controls"))
    return Table("table1", title(evidence.profile), notes(evidence), columns(evidence.profile), lines)


def count_cells(model: str) -> list[Cell]:
    """Counts of a network, by fvcore and as the paper counted."""
    return [COST.cell(model, by) for by in ("fvcore", PAPER.convention)]


def counts(model: str, evidence: Evidence) -> dict[str, Value]:
    """A row's counts, those that the paper prints against its digits."""
    return {
        "params_m": parameters_value(model, evidence),
        "flops_g": flops_value(model, evidence),
        "fvcore_g": evidence.value(counted(model), FLOPS, 1e-9),
    }


def counts_and_accuracies(model: str, evidence: Evidence) -> Mapping[str, Value]:
    """What a row has besides speed and memory."""
    values = counts(model, evidence)
    values |= {} if parse(model).reduced else {"sooner": sooner_value(model, evidence)}
    for split in SETS:
        for key, _, against_paper in ACCURACY_COLUMNS:
            values[accuracy_column(split, key)] = accuracy_value(model, split, key, against_paper, evidence)
        values |= {} if parse(model).reduced else guess_values(model, split, evidence)
    return values


def control_lines(evidence: Evidence) -> list[Line]:
    """The controls below the paper's rows, as far as they were asked for; their speed is only shown if it is known."""
    lines = []
    for model, label in CONTROL_ROWS.items():
        if evidence.models is None or model in evidence.models:
            ratios = {key: efficiency.ratio_of(model, key, evidence) for key in EFFICIENCY_COLUMNS}
            known = {key: ratio for key, ratio in ratios.items() if ratio.measured is not None}
            values = {**counts_and_accuracies(model, evidence), **known}
            lines.append(line_of(f"{TITLES[parse(model).backbone]}, controls (ours)", label, model, values))
    return lines


def title(profile: Profile) -> str:
    """The table's title, with what it was measured on."""
    embedded = {"mini": "on the embedded mini task", "smoke": "smoke run, a check of the machinery only"}
    data = embedded.get(profile.name, f"profile {profile.name}")
    return f"Table 1, {'on ImageNet' if profile.papers_data else data}"


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of protocols, seeds and devices."""
    profile = evidence.profile
    asked = [accuracy(model, evidence, split) for model in efficiency.rows(evidence) for split in ("v1", "v2")]
    said = [
        "Parameters and FLOPs (multiply-accumulates) are of the paper's networks at 224x224 in every profile. FLOPs "
        "are judged as the paper counted them, by ptflops 0.6, to the printed digit; it leaves out what networks call "
        "as a function, such as the pooling of the attentions here. Beside it fvcore's count.",
        "The paper's TD accuracies come from its released rule: an image counts as correct if any of its steps with "
        "boxes of their own is correct. That rule stands in the paper's column; `last` takes the last step, "
        "`confident` the most confident one. Networks without feedback have one step, so the rules agree on them.",
        f"Near ResNet's end: the first epoch whose accuracy on held-out images is at most {NEAR:g} points below what "
        "the plain network has after its last. It tells how soon a network learns; how well, its top-1.",
        GUESSES_NOTE,
        f"Accuracies: profile {profile.name}, {profile.resolution} pixels, seeds recorded: {evidence.seeds_of(asked)}; "
        f"{INTERVALS}.",
    ]
    if not profile.papers_data:
        said.append(
            "The accuracies here are of small networks on an embedded task of handwritten digits in clutter; they are "
            "never judged against ImageNet's."
        )
    if control_lines(evidence):
        said.append(CONTROLS_NOTE)
    return [*said, *efficiency.notes(evidence), *evidence.left_out]


def family(model: str) -> str:
    """The method family that colors a model."""
    parts = parse(model)
    if parts.feedback:
        return "TDtop" if parts.kind == "top" else "TDjoint"
    if parts.from_outside:
        return OUTSIDE
    return "ResNet" if parts.attention is None else parts.attention.upper()


def figure_points(drawn: Table, evidence: Evidence) -> list[Point]:
    """Top-1 on V1 against parameters, FLOPs and inference speed."""
    points = []
    for line in drawn.lines:
        top1, params, flops = (line.values[key] for key in (SHOWN, "params_m", "flops_g"))
        speed = efficiency.value_of(line.model, "val_fps", evidence)
        if top1.measured is None or parse(line.model).is_control:
            continue
        measured = {"params_m": params.measured, "flops_g": flops.measured, "val_fps": speed.measured}
        x = {key: value for key, value in measured.items() if value is not None}
        points.append(Point(family(line.model), line.group, x, top1.measured, top1.low, top1.high, added(line.label)))
    return points


def printed_points(evidence: Evidence) -> list[Point]:
    """The same of the paper's rows that are asked for, as it prints them."""
    points = []
    for model, row in paper_rows().items():
        if model in efficiency.rows(evidence):
            x = {panel.key: float(row[panel.key]) for panel in PANELS}
            group, label = TITLES[parse(model).backbone], added(row["method"])
            points.append(Point(family(model), group, x, float(row["v1_top1"]), label=label))
    return points


def added(label: str) -> str:
    """What tells a row from the other one of its family and backbone, or nothing."""
    return next((part for part in ("m=3", "L4") if part in label), "")


def accuracy_cost(evidence: Evidence) -> Captioned:
    """Accuracy against cost, here and in the paper."""
    drawn, name = table(evidence), "table1-accuracy-cost"
    points = figure_points(drawn, evidence)
    absent = [panel.label for panel in PANELS if not any(panel.key in point.x for point in points)]
    caption = (
        f"Table 1: top-1 [%] under the released rule against parameters, FLOPs and images a second in inference. Upper "
        f"row: measured on {data_title(evidence.profile)}, bars are {INTERVALS}; parameters and FLOPs are of the "
        "paper's networks, speed is of this device. Lower row: the paper's own numbers, on ImageNet-V1. "
        f"{recorded(evidence, [accuracy(model, evidence) for model in efficiency.rows(evidence)])}"
    )
    if not points:
        return Captioned(name, caption, None, unmeasured("top-1 against cost", evidence))
    rows = {f"here: released top-1\non {data_title(evidence.profile)} [%]": points}
    rows |= {"the paper: top-1 on ImageNet-V1 [%]": printed} if (printed := printed_points(evidence)) else {}
    figure = scatter_figure(rows, PANELS, STYLES)
    return Captioned(name, caption, figure, unmeasured(", ".join(absent), evidence) if absent else "")


def data_title(profile: Profile, split: str = "v1") -> str:
    """An image set as figures name it: by the paper's name only where it is the paper's."""
    return SETS[split] if profile.papers_data else f"{profile.name} {profile.splits[split]}"


def look_of(model: str) -> Look:
    """How a row looks in plots."""
    color, marker = STYLES[family(model)]
    return Look(color, marker)


def trainings(evidence: Evidence, backbone: str) -> Captioned:
    """How a backbone's rows are trained: the mean over seeds by epoch, each row beside the plain network."""
    name, title = f"table1-training-{backbone}", TITLES[backbone]
    asked = {
        model: method
        for (own, method), model in TABLE1.items()
        if own == backbone and (evidence.models is None or model in evidence.models)
    }
    caption = (
        f"Training of {title} with each attention, by epoch: accuracy on held-out images, its gain over the plain "
        f"{title} of the same seed, and the training loss. Dashed, in every plot: the plain {title}; {BANDS}. The "
        f"paper shows no such curves. {recorded(evidence, [trained(model) for model in asked])}"
    )
    absent = [method for model, method in asked.items() if not evidence.select(trained(model))]
    lacks = unmeasured(f"training of {title} with {', '.join(absent)}", evidence) if absent else ""
    # The plain network by itself says something only where nothing else was asked for.
    charts = {model: method for model, method in asked.items() if method not in absent}
    charts = {model: method for model, method in charts.items() if len(charts) == 1 or not parse(model).is_plain}
    rows = [
        Row(label, [Chart(method, curves(model, evidence)) for model, method in charts.items()])
        for label, curves in CURVES.items()
    ]
    rows = [row for row in rows if any(chart.curves for chart in row.charts)]
    figure = charts_figure(rows, "epoch", {f"{title}, plain": BEHIND}) if rows else None
    return Captioned(name, caption, figure, lacks)


def epochs_of(model: str, key: MetricKey, evidence: Evidence) -> dict[int | None, list[float]]:
    """What a row's trainings tell by epoch, seed by seed."""
    return {seed_of(one): one.samples[key] for one in evidence.select(trained(model)) if one.samples.get(key)}


def by_epoch(key: MetricKey) -> TellsEpochs:
    """A metric of a row's trainings by epoch, and of the plain network's."""

    def curves(model: str, evidence: Evidence) -> list[Curve]:
        plain = str(parse(model).plain)
        looks = {plain: BEHIND} | ({model: look_of(model)} if model != plain else {})
        found = {name: list(epochs_of(name, key, evidence).values()) for name in looks}
        return [one for name, runs in found.items() for one in over_seeds(looks[name], numbered(runs), runs)]

    return curves


def gained_by_epoch(model: str, evidence: Evidence) -> list[Curve]:
    """By how much a row's held-out accuracy is above the plain network's of the same seed, by epoch, points."""
    own, plain = (epochs_of(name, HELD_OUT, evidence) for name in (model, str(parse(model).plain)))
    pairs = [(own[seed], plain[seed]) for seed in own if seed in plain]
    runs = [[one - other for one, other in zip(*pair, strict=False)] for pair in pairs]
    curves = over_seeds(look_of(model), numbered(runs), runs)
    return [level(numbered(runs)), *curves] if curves and not parse(model).is_plain else []


def numbered(runs: Sequence[Sequence[float]]) -> range:
    """Epochs from 1."""
    return range(1, 1 + max(map(len, runs), default=0))


# What training curves show, by the label of their axis.
CURVES: Mapping[str, TellsEpochs] = {
    "held-out top-1 [%]": by_epoch(HELD_OUT),
    "gain over plain [points]": gained_by_epoch,
    "training loss [nat]": by_epoch(LOSS),
}


def sooner_value(model: str, evidence: Evidence) -> Value:
    """The epoch after which a row has come near to where the plain network ends: how soon it learns, not how well.

    The mean over seeds of the first epoch whose held-out accuracy is at most ``NEAR`` points below the plain network's
    last.
    """
    plain = [curve[-1] for curve in epochs_of(parse(model).backbone, HELD_OUT, evidence).values()]
    records = [one for one in evidence.select(trained(model)) if one.samples.get(HELD_OUT)]
    if not plain or not records:
        return Value(missing=evidence.why_missing(trained(model)))
    goal = sum(plain) / len(plain) - NEAR
    reached = [
        next((epoch for epoch, share in enumerate(one.samples[HELD_OUT], start=1) if share >= goal), None)
        for one in records
    ]
    epochs = [epoch for epoch in reached if epoch is not None]
    if len(epochs) < len(records):
        return Value(missing=f"{len(records) - len(epochs)} of {len(records)} trainings never come that far")
    return effect_value(over(epochs, "seeds"), ids(records))


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """Accuracy against cost, and how each backbone's rows are trained."""
    evidence = evidence.filled_by("table1")
    yield accuracy_cost(evidence)
    for backbone in dict.fromkeys(own for own, _ in TABLE1):
        yield trainings(evidence, backbone)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
