"""Records against records, cell by cell, with the tolerance that each kind of number deserves.

Counts and probes are compared exactly (but for rounding), shares of images by the interval of their difference, speeds
and memory only as ratios to the plain network of their own run, with the noise that its twin and the rounds show.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from scipy.stats import norm

from benchmarks.networks.names import TWIN
from benchmarks.core.records import Cell, Metric, Record
from benchmarks.metrics.statistics import median_interval

# Relative: the last digits of float64. No count below a thousand million changes by less.
ROUNDING = 1e-9
# A difference of accuracies that chance makes once in a million comparisons is none of chance.
CHANCE = 1e-6
# Relative: the loss of a training whose sums are made in another order.
LOSS = 0.02
# A network counts as slower when its ratio to the plain network has grown to this; below, machines differ.
SLOWER = 1.15
# Relative: memory does not scatter, but libraries' buffers do.
MEMORY = 0.02
# What must be equal for two runs' numbers to be compared: of cells' options, and of records' inputs.
SETTINGS = ("device", "dtype", "batch", "channels_last", "compile", "resolution")
LIBRARIES = ("device", "torch", "torchvision", "fvcore", "numpy", "scikit-learn", "scipy")


class State(Enum):
    """How a comparison came out."""

    SAME = "same"
    CHANGED = "changed"
    NOISY = "too noisy to tell"
    ABSENT = "not measured"
    REFUSED = "not comparable"


@dataclass(frozen=True)
class Outcome:
    """One comparison.

    Attributes:
        cell: The cell, in words.
        number: Which of its numbers.
        state: How it came out.
        expected: The reference's value.
        found: This run's.
        tolerance: What was allowed.
        symptom: What is probably wrong where the number has changed.
    """

    cell: str
    number: str
    state: State
    expected: str
    found: str
    tolerance: str
    symptom: str = ""

    def __str__(self) -> str:
        symptom = f"; {self.symptom}" if self.symptom and self.state is State.CHANGED else ""
        return f"{self.cell}: {self.number}: expected {self.expected}, found {self.found} ({self.tolerance}){symptom}"


Rule = Callable[[Record, Record], Iterator[Outcome]]


def told(cell: Cell) -> str:
    """A cell in a few words."""
    named = [f"{key}={cell.options[key]}" for key in ("data", "mode", "resolution", "seed") if key in cell.options]
    return " ".join([cell.task, cell.model, *named])


def exact(reference: Record, now: Record) -> Iterator[Outcome]:
    """Every metric alike but for rounding, and none missing or new; the reference's notes may tell a tolerance."""
    allowed = float(reference.notes.get("tolerance", 0))
    words = f"within {allowed:g}" if allowed else "exact"
    symptom = str(reference.notes.get("symptom", SYMPTOMS.get(reference.cell.task, "")))
    for name in sorted({*reference.metrics, *now.metrics}):
        before, after = (record.metrics[name].value if name in record.metrics else None for record in (reference, now))
        outcome = Outcome(told(now.cell), name, State.CHANGED, digits(before), digits(after), words, symptom)
        if before == after or (
            before is not None
            and after is not None
            and math.isclose(before, after, rel_tol=ROUNDING, abs_tol=max(allowed, ROUNDING))
        ):
            outcome = replace(outcome, state=State.SAME)
        yield outcome


def digits(value: float | None) -> str:
    """A value with as many digits as can matter."""
    return "nothing" if value is None else f"{value:.9g}"


def by_interval(reference: Record, now: Record) -> Iterator[Outcome]:
    """Shares of images: changed only if chance would hardly make them so apart; and of as many images."""
    for name, before in reference.metrics.items():
        if before.unit != "%" or before.value is None or not before.n:
            continue
        after = now.metrics.get(name, Metric(None, "%"))
        outcome = Outcome(
            told(now.cell), name, State.CHANGED, f"{before.value:.2f} %", "nothing", "a share of images",
            SYMPTOMS["accuracy"],
        )  # fmt: skip
        if after.value is None or not after.n:
            yield replace(outcome, state=State.ABSENT)
        elif after.n != before.n:
            yield replace(outcome, expected=f"{before.n} images", found=f"{after.n}", tolerance="as many images")
        else:
            apart = allowed_difference(before.value, after.value, before.n)
            state = State.SAME if abs(before.value - after.value) <= apart else State.CHANGED
            tolerance = f"{apart:.1f} points allowed at n={before.n}"
            yield replace(outcome, state=state, found=f"{after.value:.2f} %", tolerance=tolerance)


def allowed_difference(before: float, after: float, n: int) -> float:
    """Points by which two shares in percent of n images may differ by chance."""
    pooled = min(max((before + after) / 200, 0.5 / n), 1 - 0.5 / n)
    return 100 * float(norm.isf(CHANCE / 2)) * math.sqrt(2 * pooled * (1 - pooled) / n)


def loss(reference: Record, now: Record) -> Iterator[Outcome]:
    """The last epoch's training loss."""
    before, after = (record.metrics["loss"].value for record in (reference, now))
    close = before is not None and after is not None and math.isclose(before, after, rel_tol=LOSS)
    state = State.SAME if close else State.CHANGED
    yield Outcome(
        told(now.cell), "loss", state, digits(before), digits(after), f"{LOSS:.0%} allowed", SYMPTOMS["train"]
    )


def by_ratio(reference: Record, now: Record) -> Iterator[Outcome]:
    """Time and memory of each network over the plain one's of its own run, against the same ratio of the reference."""
    plain = plain_name(reference)
    for name in measured_names(reference):
        if name not in (plain, f"{plain}{TWIN}"):
            yield ratio_of_times(name, plain, reference, now)
            yield from ratio_of_memory(name, plain, reference, now)


def measured_names(record: Record) -> list[str]:
    """The networks of which a record has times."""
    return [key.removesuffix("/seconds") for key in record.samples if key.endswith("/seconds")]


def plain_name(record: Record) -> str:
    """The network that ratios refer to: the one that was measured twice."""
    return next(name.removesuffix(TWIN) for name in measured_names(record) if name.endswith(TWIN))


def ratio_of_times(name: str, plain: str, reference: Record, now: Record) -> Outcome:
    """Whether a network has become slower beside the plain one."""
    expected, found = (times(record, name, plain) for record in (reference, now))
    number = f"time of {name} over that of {plain}"
    outcome = Outcome(told(now.cell), number, State.ABSENT, "a ratio", "nothing", "several rounds", SYMPTOMS["speed"])
    if expected is None or found is None:
        return outcome
    (before, noise_before), (after, noise_after) = expected, found
    change, noise = after / before, math.hypot(noise_before, noise_after)
    slower = change * (1 - noise) > SLOWER
    unclear = change * (1 + noise) > SLOWER
    state = State.CHANGED if slower else State.NOISY if unclear else State.SAME
    tolerance = f"slower from {SLOWER:.2f} times that on, noise {noise:.0%}"
    return replace(outcome, state=state, expected=f"{before:.3f}", found=f"{after:.3f}", tolerance=tolerance)


def times(record: Record, name: str, plain: str) -> tuple[float, float] | None:
    """Ratio of a network's time to the plain one's and its relative noise; None without samples of two rounds.

    The median over rounds, for a machine that does something else meanwhile disturbs single rounds; its noise is the
    half-width of the median's 95 % interval, or what the plain network's twin differs by where that is more.
    """
    keys = [f"{one}/seconds" for one in (name, plain, f"{plain}{TWIN}")]
    if any(len(record.samples.get(key, [])) < 2 for key in keys):
        return None
    mine, own, twin = (record.samples[key] for key in keys)
    ratio, low, high = median_interval([a / b for a, b in zip(mine, own, strict=True)])
    apart = abs(statistics.median(a / b for a, b in zip(twin, own, strict=True)) - 1)
    return ratio, max((high - low) / (2 * ratio), apart)


def ratio_of_memory(name: str, plain: str, reference: Record, now: Record) -> Iterator[Outcome]:
    """Whether a network needs other memory beside the plain one; nothing where the reference has none."""
    before, after = (memory_ratio(record, name, plain) for record in (reference, now))
    if before is None:
        return
    close = after is not None and math.isclose(before, after, rel_tol=MEMORY)
    state = State.ABSENT if after is None else State.SAME if close else State.CHANGED
    number = f"memory of {name} over that of {plain}"
    yield Outcome(told(now.cell), number, state, digits(before), digits(after), f"{MEMORY:.0%} allowed")


def memory_ratio(record: Record, name: str, plain: str) -> float | None:
    """Peak memory of a network over the plain one's."""
    mine, own = (record.metrics[key].value if key in record.metrics else None
                 for key in (f"{name}/memory", f"{plain}/memory"))  # fmt: skip
    return mine / own if mine and own else None


def probe(reference: Record, now: Record) -> Iterator[Outcome]:
    """A probe's numbers exactly, and its times as ratios."""
    yield from exact(reference, now)
    if reference.samples:
        yield from by_ratio(reference, now)


RULES: Mapping[str, Rule] = {
    "cost": exact,
    "probe": probe,
    "train": loss,
    "accuracy": by_interval,
    "localization": by_interval,
    "transfer": by_interval,
    "efficiency": by_ratio,
}
SYMPTOMS = {
    "cost": "the network has other parameters or does other work than it had",
    "train": "training sees other images, another recipe or another network",
    "accuracy": "weights, images or the rule that counts an image as correct are not what they were",
    "speed": "its forward pass has become slower",
}


def newest(records: Sequence[Record]) -> dict[Cell, Record]:
    """The newest record of each cell, of the tasks that can be compared; ``records`` come oldest first."""
    return {record.cell: record for record in records if record.cell.task in RULES}


def absent(cell: str, expected: str, found: str) -> Outcome:
    """A cell that one side has no record of."""
    return Outcome(cell, "record", State.ABSENT, expected, found, "every cell")


def compare_with_reference(reference: Sequence[Record], now: Sequence[Record]) -> list[Outcome]:
    """All comparisons of a run with the reference; a cell that the run lacks is absent."""
    mine = newest(now)
    outcomes: list[Outcome] = []
    for cell, record in newest(reference).items():
        if cell in mine:
            outcomes += RULES[cell.task](record, mine[cell])
        else:
            outcomes.append(absent(told(cell), "one", "none"))
    return outcomes


def compare_runs(a: Sequence[Record], b: Sequence[Record]) -> list[Outcome]:
    """All comparisons of two runs' cells; what was measured under other conditions is refused, with both values."""
    before, after = newest(a), newest(b)
    alike = {stripped(cell): cell for cell in after}
    partners = {cell: cell if cell in after else alike.get(stripped(cell)) for cell in before}
    outcomes: list[Outcome] = []
    for cell, partner in partners.items():
        if partner is None:
            outcomes.append(absent(told(cell), "one", "none"))
            continue
        pair = before[cell], after[partner]
        refused = list(conditions(*pair))
        outcomes += refused or RULES[cell.task](*pair)
    known = {stripped(cell) for cell in before}
    return outcomes + [absent(told(cell), "none", "one") for cell in after if stripped(cell) not in known]


def stripped(cell: Cell) -> Cell:
    """A cell without the conditions it was measured under."""
    return replace(
        cell, options={name: value for name, value in cell.options.items() if name not in conditions_of(cell)}
    )


def conditions_of(cell: Cell) -> tuple[str, ...]:
    """Options that are conditions of a measurement; resolution is one of speeds only, elsewhere it is the question."""
    return SETTINGS if cell.task == "efficiency" else SETTINGS[:3]


def conditions(a: Record, b: Record) -> Iterator[Outcome]:
    """What two records of one cell differ in so that their numbers cannot be compared."""
    pairs = {name: (a.cell.options.get(name), b.cell.options.get(name)) for name in conditions_of(a.cell)}
    pairs |= {name: (a.inputs[name], b.inputs[name]) for name in LIBRARIES if name in a.inputs and name in b.inputs}
    for name, (before, after) in pairs.items():
        if before != after:
            yield Outcome(told(a.cell), name, State.REFUSED, str(before), str(after), "must be equal")


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 nothing regressed, 1 a regression, 2 something was not measured, or nothing was, 3 no verdict."""
    states = {outcome.state for outcome in outcomes}
    if State.CHANGED in states:
        return 1
    if State.ABSENT in states or not states:
        return 2
    return 3 if states & {State.NOISY, State.REFUSED} else 0
