"""Controls: what of the gains in table 1 is due to a second guess, to a second pass, and to where training starts.

None of this is in the paper. Beside the plain ResNet50 and the TD networks stand

- equal guesses: the released rule gives TD a second guess where its steps look at different places. In its place, the
  most confident step gets its own runner-up class on the same images, and the plain network its own runner-up on as
  many images, those of smallest margin;
- live: the same networks, in which the norm that starts at zero is the last step's; as released, the searchlight's top
  path can stay without gradient (``tdam/DEVIATIONS.md``);
- no attention: the same loop and the same norms with a constant in the searchlight's place.

    make controls                                        # after table1

After table 1 it trains five networks more, as long as its others: 9 minutes for each seed on two cores.
"""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.names import parse
from benchmarks.papers.tdam import selectivity, table4, table7_wsol
from benchmarks.papers.tdam.captions import PAIRED_BARS, recorded, unmeasured
from benchmarks.papers.tdam.guesses import NOTE as GUESSES_NOTE
from benchmarks.papers.tdam.guesses import OWN, SECOND, guess_columns, guess_values
from benchmarks.papers.tdam.numbers import TITLES, paper_rows
from benchmarks.papers.tdam.queries import RESOLUTIONS, accuracy
from benchmarks.papers.tdam.table1 import (
    CONTROLS_NOTE,
    INTERVALS,
    SETS,
    WITH_CONTROLS,
    accuracy_cells,
    count_cells,
    data_title,
    set_title,
)
from benchmarks.report.differences import Seen
from benchmarks.report.dots import Dot, dots_figure
from benchmarks.report.evidence import Evidence, Query
from benchmarks.report.guesses import gained_by_as_many, over_as_many, seen_value
from benchmarks.report.layout import Column, Line, Table, Value
from benchmarks.report.paper import Experiment
from benchmarks.report.plots import Captioned, Look
from benchmarks.report.tests import Term, seen
from benchmarks.work.profiles import Profile
from benchmarks.work.rows import training_cells
from benchmarks.work.session import Session

NAME = "controls"
TITLE = "Controls: equal guesses, a live start, no attention"
TIME = "mini: 9 minutes for each seed on two CPU cores after table 1; full: not timed yet"

PLAIN = "resnet50"
ROWS = {PLAIN: "ResNet", **WITH_CONTROLS}
TOP1 = {rule: MetricKey("top1", steps=rule) for rule in ("last", "confident", "released")}
# A difference in points of two networks: the one that is looked at and the plain one.
Difference = Callable[[Evidence, Query, Query], Seen]
# By the name of a series of dots.
Drawn = Mapping[str, tuple[Difference, Look]]


def cells(session: Session) -> list[Cell]:
    """Counts, training and accuracies of every network; of controls all that claims ask of them besides."""
    planned: list[Cell] = []
    for model in session.rows(tuple(ROWS)):
        planned += count_cells(model)
        planned += training_cells(model, session)
        planned += [cell for split in session.profile.splits for cell in accuracy_cells(model, split, session)]
        if parse(model).is_control:
            planned += [cell for side in RESOLUTIONS for cell in table4.cells_at(model, side, session)]
            planned += [*table7_wsol.cells_of(model, session), *selectivity.cells_of(model, session)]
    return list(dict.fromkeys(planned))


# ---------------------------------------------------------------- differences


def between(first: MetricKey, second: MetricKey) -> Difference:
    """One number of a network against another of the plain one."""
    return lambda evidence, own, plain: seen(evidence, terms(own, first, plain, second), SECOND)


def within(first: MetricKey, second: MetricKey) -> Difference:
    """Two numbers of one network."""
    return lambda evidence, own, plain: seen(evidence, terms(own, first, own, second), SECOND)


def terms(first: Query, key: MetricKey, second: Query, other: MetricKey) -> tuple[Term, Term]:
    """One number minus another."""
    return Term(1.0, lambda evidence: first, lambda rule: key), Term(-1.0, lambda evidence: second, lambda rule: other)


# Key of the table's differences, their heading, and the step rule that they are shown with; empty: with any.
DIFFERENCES: Mapping[str, tuple[str, str, Difference]] = {
    **{f"gain_{rule}": ("gain", rule, between(key, key)) for rule, key in TOP1.items()},
    "over_own": ("released over own", "", within(TOP1[SECOND], OWN)),
    "over_plain": ("released over plain", "", lambda evidence, own, plain: over_as_many(evidence, own, plain, SECOND)),
}
# What figures show, in points above the plain network with one guess. Filled: steps of the network's own; hollow:
# runner-up classes in place of further steps.
BY_RULE: Drawn = {
    "last step": (between(TOP1["last"], TOP1["last"]), Look("#000000", "o")),
    "most confident step": (between(TOP1["confident"], TOP1["confident"]), Look("#0072B2", "s")),
    "released rule, with its second guesses": (between(TOP1[SECOND], TOP1[SECOND]), Look("#D55E00", "D")),
}
DRAWN: Drawn = {
    **BY_RULE,
    "most confident step, own runner-up on the same images": (
        between(OWN, TOP1[SECOND]),
        Look("#009E73", "^", filled=False),
    ),
    "plain network, own runner-up on as many images": (
        lambda evidence, own, plain: gained_by_as_many(evidence, own, plain, SECOND),
        Look("#CC79A7", "v", filled=False),
    ),
}
# What stands for the paper's own gains in the figure.
THEIRS = "the paper, released rule, on ImageNet"


def difference(measure: Difference, model: str, split: str, evidence: Evidence) -> Value:
    """A difference on one of the two sets, or why there is none."""
    own, plain = (accuracy(name, evidence, split) for name in (model, parse(model).backbone))
    return seen_value(lambda: measure(evidence, own, plain))


# ---------------------------------------------------------------- table


def columns(profile: Profile) -> list[Column]:
    """Of each set top-1 under each rule, guesses and equal guesses, and the differences."""
    listed = []
    for split in SETS:
        group = set_title(split, profile)
        listed += [Column(f"{split}_{rule}", "top-1", "%", group, 2, "higher", view=rule) for rule in TOP1]
        listed += guess_columns(split, group)
        differences = f"{group}, differences by seed"
        listed += [
            Column(f"{split}_{key}", head, "points", differences, 2, view=rule)
            for key, (head, rule, _) in DIFFERENCES.items()
        ]
    return listed


def table(evidence: Evidence) -> Table:
    """All networks under every rule, with their differences to the plain one."""
    evidence = evidence.filled_by(NAME)
    lines = [line(model, evidence) for model in evidence.rows(ROWS)]
    title = f"Controls, profile {evidence.profile.name}: what gains are due to"
    return Table(NAME, title, notes(evidence), columns(evidence.profile), lines)


def line(model: str, evidence: Evidence) -> Line:
    """One network."""
    values: dict[str, Value] = {}
    for split in SETS:
        query = accuracy(model, evidence, split)
        values |= {f"{split}_{rule}": evidence.value(query, key) for rule, key in TOP1.items()}
        values |= guess_values(model, split, evidence)
        if not parse(model).is_plain:
            values |= {
                f"{split}_{key}": difference(measure, model, split, evidence)
                for key, (_, _, measure) in DIFFERENCES.items()
            }
    return Line(TITLES[parse(model).backbone], ROWS.get(model, model), model, values)


def notes(evidence: Evidence) -> list[str]:
    """What a reader must know of controls, guesses and differences."""
    asked = [accuracy(model, evidence, split) for model in evidence.rows(ROWS) for split in SETS]
    return [
        CONTROLS_NOTE,
        GUESSES_NOTE,
        "Differences are of trainings from the same seed, with Student's interval over seeds; fewer than five seeds "
        "decide nothing on a method. `gain`: to the plain network under the same rule, where it has one guess. "
        "`released over own` and `released over plain`: to the two controls with as many guesses.",
        f"Seeds recorded: {evidence.seeds_of(asked)}; {INTERVALS}.",
        *evidence.left_out,
    ]


# ---------------------------------------------------------------- figure


def titles(evidence: Evidence) -> dict[str, str]:
    """The networks that are compared with the plain one, with their titles."""
    return {model: ROWS.get(model, model) for model in evidence.rows(ROWS) if not parse(model).is_plain}


def dots(networks: Mapping[str, str], drawn: Drawn, split: str, evidence: Evidence) -> Iterator[Dot]:
    """What is measured of some networks, by their titles, on one of the two sets."""
    for model, row in networks.items():
        for series, (measure, _) in drawn.items():
            value = difference(measure, model, split, evidence)
            if value.measured is not None:
                yield Dot(row, series, value.measured, value.low, value.high)


def printed_dots(networks: Mapping[str, str], split: str) -> Iterator[Dot]:
    """The paper's own gain of each network that it has, on its data."""
    printed = {model: float(row[f"{split}_top1"]) for model, row in paper_rows().items()}
    for model, row in networks.items():
        if model in printed:
            yield Dot(row, THEIRS, printed[model] - printed[parse(model).backbone])


def figures(evidence: Evidence) -> Iterator[Captioned]:
    """The gains of each network over the plain one, beside those of equal guesses and the paper's."""
    evidence = evidence.filled_by(NAME)
    profile = evidence.profile
    networks = titles(evidence)
    measured = {split: list(dots(networks, DRAWN, split, evidence)) for split in SETS}
    panels = {
        data_title(profile, split): [*found, *printed_dots(networks, split)]
        for split, found in measured.items()
        if found
    }
    known = {dot.row for found in measured.values() for dot in found}
    absent = [row for row in networks.values() if row not in known]
    stands = "" if profile.papers_data else ", whose sets they stand for"
    caption = (
        f"Controls: top-1 above the plain network of the same seed [points] under each step rule, beside what as many "
        f"guesses bring by runner-up classes; {PAIRED_BARS}. Stars: the paper's own gains by its "
        f"released rule on {' and '.join(SETS.values())}{stands}. "
        f"{recorded(evidence, [accuracy(model, evidence, split) for model in networks for split in SETS])}"
    )
    lacks = unmeasured(f"gains of {', '.join(absent)}", evidence) if absent else ""
    if not panels:
        yield Captioned(NAME, caption, None, lacks)
        return
    looks = {series: look for series, (_, look) in DRAWN.items()} | {THEIRS: Look("#000000", "*", filled=False)}
    shown = [row for row in networks.values() if row in known]
    kept = {name: [dot for dot in found if dot.row in known] for name, found in panels.items()}
    yield Captioned(NAME, caption, dots_figure(kept, shown, looks, "gain over the plain network [points]"), lacks)


EXPERIMENT = Experiment(TITLE, TIME, cells, table, figures)
