"""What a comparison of one number is, and the rule of each way in which numbers change.

Counts and probes are compared exactly (but for rounding), shares of images by the interval of their difference, speeds
and memory only as ratios to the plain network of their own run, with the noise that its twin and the rounds show.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from scipy.stats import norm

from benchmarks.core.records import Cell, Metric, MetricKey, Record
from benchmarks.metrics.statistics import median_interval
from benchmarks.networks.names import TWIN
from benchmarks.work.kind import Change, Kind, MetricSpec
from benchmarks.work.kinds import KINDS
from benchmarks.work.probe import PROBE

# Relative: the last digits of float64. No count below a thousand million changes by less.
ROUNDING = 1e-9
# A difference of accuracies that chance makes once in a million comparisons is none of chance.
CHANCE = 1e-6
# A network counts as slower when its ratio to the plain network has grown to this; below, machines differ.
SLOWER = 1.15
# Relative: memory does not scatter, but libraries' buffers do.
MEMORY = 0.02


class State(Enum):
    """How a comparison came out."""

    SAME = "same"
    CHANGED = "changed"
    NOISY = "too noisy to tell"
    ABSENT = "not measured"
    REFUSED = "not comparable"


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes:
        cell: The cell, in words.
        number: Which of its numbers.
        state: How it came out.
        expected: The reference's value.
        measured: This run's.
        tolerance: What was allowed.
        symptom: What is probably wrong where the number has changed.
    """

    cell: str
    number: str
    state: State
    expected: str
    measured: str
    tolerance: str
    symptom: str = ""

    def __str__(self) -> str:
        symptom = f"; {self.symptom}" if self.symptom and self.state is State.CHANGED else ""
        values = f"expected {self.expected}, found {self.measured}"
        return f"{self.cell}: {self.number}: {values} ({self.tolerance}){symptom}"


class Number(NamedTuple):
    """One number of two records of one cell, and what is declared of it.

    Attributes:
        key: Its key.
        spec: What its kind of work declares.
        reference: The record that it is compared with.
        now: The record that it is compared in.
    """

    key: MetricKey
    spec: MetricSpec
    reference: Record
    now: Record

    def values(self) -> tuple[float | None, float | None]:
        """The reference's and this run's; None where a record has none."""
        before, after = (value_of(record, self.key) for record in (self.reference, self.now))
        return before, after

    def unknown(self) -> bool:
        """Whether both records have it, and neither knows its value."""
        kept = (record.metrics.get(self.key) for record in (self.reference, self.now))
        return all(metric is not None and metric.value is None for metric in kept)

    def compared(self, state: State, expected: str, measured: str, tolerance: str) -> Comparison:
        """The number's comparison."""
        symptom = str(self.reference.notes.get("symptom", self.spec.symptom))
        return Comparison(told(self.now.cell), self.words(), state, expected, measured, tolerance, symptom)

    def words(self) -> str:
        """The number in words: a probe's have names of their own, and ratios tell what they are of."""
        if self.spec.change in QUANTITIES:
            return f"{QUANTITIES[self.spec.change]} of {self.key.of} over that of {plain_of(self.reference, self.now)}"
        return self.key.of if self.now.cell.kind == PROBE.name else str(self.key)


Rule = Callable[[Number], Comparison]
# Of ratios to the plain network, in words.
QUANTITIES: Mapping[Change, str] = {Change.TIME: "time", Change.MEMORY: "memory"}


def told(cell: Cell) -> str:
    """A cell in a few words."""
    told = {key: cell.options.get(key) for key in ("data", "mode", "resolution", "seed")}
    return " ".join([cell.kind, cell.model, *(f"{key}={value}" for key, value in told.items() if value is not None)])


def digits(value: float | None) -> str:
    """A value with as many digits as can matter."""
    return "nothing" if value is None else f"{value:.9g}"


def value_of(record: Record, key: MetricKey) -> float | None:
    """A record's number, None where it has none."""
    return record.metrics[key].value if key in record.metrics else None


def plain_of(*records: Record) -> str:
    """The network that ratios refer to: the one that was measured twice.

    Raises:
        ValueError: There is none.
    """
    for record in records:
        for key in (*record.samples, *record.metrics):
            if key.of.endswith(TWIN):
                return key.of.removesuffix(TWIN)
    raise ValueError(f"{told(records[0].cell)} has no network that was measured twice, so its ratios mean nothing")


def kind_of(cell: Cell) -> Kind:
    """A cell's kind of work.

    Raises:
        ValueError: There is none of that name.
    """
    if cell.kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(
            f"the record of {cell} is of an unknown kind of work, {cell.kind!r}, not one of {known}; remove it"
        )
    return KINDS[cell.kind]


# ---------------------------------------------------------------- one number


def exact(number: Number) -> Comparison:
    """Alike but for rounding, and neither missing nor new; the reference's notes may tell a tolerance."""
    allowed = float(number.reference.notes.get("tolerance", 0))
    return alike(number, ROUNDING, max(allowed, ROUNDING), f"within {allowed:g}" if allowed else "exact")


def near(number: Number) -> Comparison:
    """Alike within the tolerance that is declared, and neither missing nor new."""
    return alike(number, number.spec.tolerance, 0.0, f"{number.spec.tolerance:.0%} allowed")


def alike(number: Number, relative: float, absolute: float, words: str) -> Comparison:
    """Whether a number is as it was, within tolerances that ``words`` tell."""
    before, after = number.values()
    if before is None or after is None:
        same = number.unknown()
    else:
        same = math.isclose(before, after, rel_tol=relative, abs_tol=absolute)
    return number.compared(State.SAME if same else State.CHANGED, digits(before), digits(after), words)


def share(number: Number) -> Comparison:
    """A share of images: changed only if chance would hardly make it so apart; and of as many images."""
    before, after = (share_of(record, number.key) for record in (number.reference, number.now))
    if before is None or after is None:
        state = State.SAME if number.unknown() else State.ABSENT
        return number.compared(state, shown_share(before), shown_share(after), "a share of images")
    (old, n), (new, as_many) = before, after
    if n != as_many:
        return number.compared(State.CHANGED, f"{n} images", str(as_many), "as many images")
    apart = allowed_difference(old, new, n)
    state = State.SAME if abs(old - new) <= apart else State.CHANGED
    return number.compared(state, shown_share(before), shown_share(after), f"{apart:.1f} points allowed at n={n}")


def share_of(record: Record, key: MetricKey) -> tuple[float, int] | None:
    """A record's share in percent, and of how many images; None where one of them is unknown."""
    metric = record.metrics.get(key, Metric(None, "%"))
    return None if metric.value is None or not metric.n else (metric.value, metric.n)


def shown_share(known: tuple[float, int] | None) -> str:
    """A share in words."""
    return "nothing" if known is None else f"{known[0]:.2f} %"


def allowed_difference(before: float, after: float, n: int) -> float:
    """Points by which two shares in percent of n images may differ by chance."""
    pooled = min(max((before + after) / 200, 0.5 / n), 1 - 0.5 / n)
    return 100 * float(norm.isf(CHANCE / 2)) * math.sqrt(2 * pooled * (1 - pooled) / n)


def ratio_of_times(number: Number) -> Comparison:
    """Whether a network has become slower beside the plain one of its own run."""
    plain = plain_of(number.reference, number.now)
    expected, measured = (times(record, number.key, plain) for record in (number.reference, number.now))
    if expected is None or measured is None:
        return number.compared(State.ABSENT, shown_ratio(expected), shown_ratio(measured), "several rounds")
    (before, noise_before), (after, noise_after) = expected, measured
    change, noise = after / before, math.hypot(noise_before, noise_after)
    slower = change * (1 - noise) > SLOWER
    unclear = change * (1 + noise) > SLOWER
    state = State.CHANGED if slower else State.NOISY if unclear else State.SAME
    tolerance = f"slower from {SLOWER:.2f} times that on, noise {noise:.0%}"
    return number.compared(state, shown_ratio(expected), shown_ratio(measured), tolerance)


def shown_ratio(known: tuple[float, float] | None) -> str:
    """A ratio of times in words."""
    return "nothing" if known is None else f"{known[0]:.3f}"


def times(record: Record, key: MetricKey, plain: str) -> tuple[float, float] | None:
    """Ratio of a network's time to the plain one's and its relative noise; None without samples of two rounds.

    The median over rounds, for a machine that does something else meanwhile disturbs single rounds; its noise is the
    half-width of the median's 95 % interval, or what the plain network's twin differs by where that is more.
    """
    keys = [key._replace(of=one) for one in (key.of, plain, f"{plain}{TWIN}")]
    if any(len(record.samples.get(one, [])) < 2 for one in keys):
        return None
    mine, own, twin = (record.samples[one] for one in keys)
    ratio, low, high = median_interval([a / b for a, b in zip(mine, own, strict=True)])
    apart = abs(statistics.median(a / b for a, b in zip(twin, own, strict=True)) - 1)
    return ratio, max((high - low) / (2 * ratio), apart)


def ratio_of_memory(number: Number) -> Comparison:
    """Whether a network needs other memory beside the plain one of its own run."""
    plain = plain_of(number.reference, number.now)
    before, after = (memory_ratio(record, number.key, plain) for record in (number.reference, number.now))
    if before is None or after is None:
        state = State.SAME if number.unknown() else State.ABSENT
    else:
        state = State.SAME if math.isclose(before, after, rel_tol=MEMORY) else State.CHANGED
    return number.compared(state, digits(before), digits(after), f"{MEMORY:.0%} allowed")


def memory_ratio(record: Record, key: MetricKey, plain: str) -> float | None:
    """Peak memory of a network over the plain one's; None where one of them is unknown."""
    mine, own = value_of(record, key), value_of(record, key._replace(of=plain))
    return mine / own if mine and own else None


RULES: Mapping[Change, Rule] = {
    Change.EXACT: exact,
    Change.NEAR: near,
    Change.SHARE: share,
    Change.TIME: ratio_of_times,
    Change.MEMORY: ratio_of_memory,
}
