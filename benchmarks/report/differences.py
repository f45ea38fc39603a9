"""How a difference that was seen is decided: that it is of a stated size, above zero, or none.

What is decided here knows no record: it is what the calibration tries.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.core.records import MetricKey
from benchmarks.metrics.statistics import LEVEL, Design, Effect, least
from benchmarks.report.claims import Finding, Outlook


def no_way(units: int) -> str:
    """How to have so many units, where that is not known."""
    return ""


@dataclass(frozen=True)
class Quantity:
    """What a difference is one of.

    Attributes:
        unit: In words.
        decimals: That are shown.
    """

    unit: str
    decimals: int


POINTS, INDEX = Quantity("points", 2), Quantity("of the index", 3)


@dataclass(frozen=True)
class Seen:
    """A difference between networks, in points or another quantity, or in logarithms of a ratio.

    Attributes:
        effect: The difference.
        records: Ids behind it.
        barred: Why it decides nothing, with what to run, or nothing.
        way: How to have so many units in all, with the price, in words.
        p_none: Two-sided p against no difference, where another test than Student's gives it.
        quantity: What it is a difference of.
        keys: Which of the records' numbers.
    """

    effect: Effect
    records: tuple[str, ...] = ()
    barred: str = ""
    way: Callable[[int], str] = no_way
    p_none: float | None = None
    quantity: Quantity = POINTS
    keys: tuple[MetricKey, ...] = ()

    @property
    def text(self) -> str:
        """The difference with its interval."""
        value, low, high = (
            f"{end:+.{self.quantity.decimals}f}" for end in (self.effect.value, *self.effect.interval())
        )
        between = f"{low} to {high}" if self.effect.n > 1 else "its spread is unknown"
        return f"{value} {self.quantity.unit} ({between}), {self.effect.n:,} {self.effect.unit}"


@dataclass(frozen=True)
class Side:
    """A way in which a test can come out.

    Attributes:
        p: Of the numbers if it were wrong.
        favors: Whether it is the claim's.
        reason: What is shown.
        test: Name of the test.
    """

    p: float
    favors: bool
    reason: str
    test: str


def finding(one: Seen, side: Side, needed: Callable[[Design], int | None]) -> Finding:
    """What a test of a difference found, with what would decide it.

    Args:
        one: The difference.
        side: The nearer one.
        needed: Units that would decide by a test of a level and a power, None where none would.
    """

    def outlook(design: Design) -> Outlook:
        unit, units = one.effect.unit, needed(design)
        if units is None:
            most = one.effect.most
            near = "for what lies so near to the bound"
            return Outlook(None, f"more than {most:,} {unit} would be needed, {near}{one.way(most)}")
        units = max(units, one.effect.n + 1)
        count = f"about {units:,} {unit} ({units - one.effect.n:,} more)"
        power = f"at {100 * design.power:.0f} % power, if what was measured is so"
        return Outlook(units, f"{count} would decide {power}{one.way(units)}")

    p = min(1.0, side.p)
    return Finding(one.text, side.favors, p, side.test, side.reason, outlook, one.barred, one.records, one.keys)


def sized(one: Seen, size: float) -> Finding:
    """Whether a difference is of a size above zero: its interval lies within half to one and a half times the size.

    It fails if the interval lies wholly outside; the size is never merely not ruled out.
    """
    effect, low, high = one.effect, size / 2, 1.5 * size
    test = "Student's t, 95 % interval"
    sides = (
        Side(2 * effect.p_within(low, high), True, f"within {low:.4g} to {high:.4g} points", test),
        Side(2 * effect.p_below(low), False, f"below {low:.4g} points", test),
        Side(2 * effect.p_above(high), False, f"above {high:.4g} points", test),
    )

    def needed(design: Design) -> int | None:
        halved = replace(design, level=design.level / 2)
        return least(effect.to_equate(low, high, halved), effect.to_leave(low, high, design))

    return finding(one, min(sides, key=lambda side: side.p), needed)


def above_zero(one: Seen, paper: float | None) -> Finding:
    """Whether a difference is above zero; it fails below zero, or where equality is shown.

    Args:
        one: The difference.
        paper: The paper's; equality is shown within half of it. None where it prints none.
    """
    effect, margin = one.effect, abs(paper or 0.0) / 2
    test = "Student's t" if one.p_none is None else "McNemar, exact"
    greater = 2 * effect.p_above(0.0) if one.p_none is None or effect.value <= 0 else one.p_none
    smaller = 2 * effect.p_below(0.0) if one.p_none is None or effect.value >= 0 else one.p_none
    equal = effect.p_within(-margin, margin) if margin else 1.0
    holds = Side(greater, True, "above zero", test)
    none = Side(equal, False, f"no difference: within {margin:.2g} {one.quantity.unit}", "two one-sided t tests")

    def needed(design: Design) -> int | None:
        equated = effect.to_equate(-margin, margin, design) if margin else None
        return least(effect.to_tell(0.0, design), equated)

    # A difference that is above zero and small is above zero, unless that is taken back for being one of several tests.
    if greater < LEVEL and equal < LEVEL:
        return replace(finding(one, holds, needed), otherwise=finding(one, none, needed))
    return finding(one, min((holds, Side(smaller, False, "below zero", test), none), key=lambda side: side.p), needed)


def similar(one: Seen, gain: float) -> Finding:
    """Whether there is hardly a difference: equality within half of a gain is shown (two one-sided tests).

    Args:
        one: The difference.
        gain: The paper's over the plain network.
    """
    effect, margin = one.effect, gain / 2
    test = "two one-sided t tests"
    sides = (
        Side(effect.p_within(-margin, margin), True, f"equal within {margin:.2g} points", test),
        Side(2 * effect.p_below(-margin), False, f"more than {margin:.2g} points below", test),
        Side(2 * effect.p_above(margin), False, f"more than {margin:.2g} points above", test),
    )

    def needed(design: Design) -> int | None:
        return least(effect.to_equate(-margin, margin, design), effect.to_leave(-margin, margin, design))

    return finding(one, min(sides, key=lambda side: side.p), needed)
