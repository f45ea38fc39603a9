"""A paper's number against a measured one: what word it earns, and what the plain network would have earned.

A word is earned only where the measurement could have failed: equality is shown by two one-sided tests at 5 %, within a
margin that keeps the plain network out. Where the plain network's own number would pass as well, the measurement does
not tell, and says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from benchmarks.metrics.statistics import LEVEL, Effect, least

# Numbers nearer to each other than this are the same.
EXACT = 1e-9


class Verdict(Enum):
    """How a measured value stands to the paper's; ``NEW``: of a row that the paper does not have."""

    REPRODUCED = "REPRODUCED"
    CONSISTENT = "CONSISTENT"
    DIFFERS = "DIFFERS"
    UNDECIDED = "UNDECIDED"
    NOT_COMPARABLE = "NOT COMPARABLE"
    NOT_RUN = "NOT RUN"
    NEW = "NEW"

    def __str__(self) -> str:
        return self.value

    @property
    def sign(self) -> str:
        """What stands for it where there is no room for the word."""
        return SIGNS[self]


SIGNS = {
    Verdict.REPRODUCED: "✓",
    Verdict.CONSISTENT: "≈",
    Verdict.DIFFERS: "✗",
    Verdict.UNDECIDED: "?",
    Verdict.NOT_COMPARABLE: "·",
    Verdict.NOT_RUN: "○",
    Verdict.NEW: "+",
}


@dataclass(frozen=True)
class Judgement:
    """A verdict and the reason for it, in a few words.

    Attributes:
        verdict: The verdict.
        reason: What was compared with what.
        plain: What the plain network's own number would have earned here, None where that is no question.
        off: Distance from the paper's number over what the wider margin and half of the interval allow together, above
            1 where it DIFFERS; 0 where nothing tells.
        compared: The reason without why equality is no more than CONSISTENT; empty where it says no such thing.
        own: Whether the number is the plain network's own.
    """

    verdict: Verdict
    reason: str
    plain: Verdict | None = None
    off: float = 0.0
    compared: str = ""
    own: bool = False

    def of_plain(self) -> "Judgement":
        """The same where the number is the plain network's own, which there is nothing to tell from."""
        alone = "this is the plain network, from which others are told: agreement is all that its number can show"
        return replace(self, reason=f"{self.compared}; {alone}" if self.compared else self.reason, plain=None, own=True)


def earned_by_plain(judgements: Sequence[Judgement]) -> str:
    """How much of what agrees with the paper the plain network would have earned too; its own numbers are told apart.

    Empty where no other row agrees.
    """
    counted = []
    for word in (Verdict.REPRODUCED, Verdict.CONSISTENT):
        earned = [one for one in judgements if one.verdict is word and not one.own]
        alike = sum(one.plain is word for one in earned)
        counted += [f"{alike} of the {len(earned)} {word}"] if earned else []
    own = sum(one.own and one.verdict in (Verdict.REPRODUCED, Verdict.CONSISTENT) for one in judgements)
    besides = f", beside {own} of its own" if own else ""
    return f"The plain network's own numbers would have earned {' and '.join(counted)}{besides}." if counted else ""


@dataclass(frozen=True)
class Target:
    """A number of the paper that a measured one is held against, on the scale of the measured one.

    Attributes:
        paper: The paper's number.
        plain: The paper's number of the plain network, None where it prints none: then nothing can be told from it.
        wide: The wider margin, either way.
        others: The paper's numbers of other rows that this one is to be told from.
    """

    paper: float
    plain: float | None
    wide: float
    others: Sequence[float] = ()

    @property
    def narrow(self) -> float:
        """The margin that could have failed: half of the paper's difference to the plain network."""
        return 0.0 if self.plain is None else min(abs(self.paper - self.plain) / 2, self.wide)


def judge_printed(measured: float, printed: str, plain: float, fitted: str = "") -> Judgement:
    """Exact quantities (counts): whether the measured value rounds to the printed digits.

    What was fitted to a printed number cannot reproduce it.

    Args:
        measured: In the printed value's unit.
        printed: The paper's digits, such as ``27.65``.
        plain: The plain network's measured value.
        fitted: Which choice was fitted to the printed value, in words; empty where none was.
    """
    decimals = len(printed.partition(".")[2])
    rounded, plain_rounded = (f"{value:.{decimals}f}" for value in (measured, plain))
    reason = f"{rounded} against {printed}"
    plain_earns = Verdict.CONSISTENT if plain_rounded == printed else Verdict.DIFFERS
    if rounded != printed:
        return Judgement(Verdict.DIFFERS, reason, plain_earns, abs(measured - float(printed)) / (0.5 * 10**-decimals))
    if plain_rounded == printed:
        told = f"{reason}, as the plain network has it too"
        return Judgement(Verdict.CONSISTENT, told, plain_earns, compared=reason)
    if fitted:
        return Judgement(Verdict.CONSISTENT, f"{reason}; {fitted}", plain_earns)
    return Judgement(Verdict.REPRODUCED, reason, plain_earns)


def judge(effect: Effect, target: Target, show: Callable[[float], str]) -> Judgement:
    """A measured quantity that varies, against the paper's.

    Args:
        effect: The measured one.
        target: The paper's.
        show: Writes a number of this scale.
    """
    verdict = word(effect, target)
    low, high = effect.interval()
    between = f"{show(low)} to {show(high)}" if math.isfinite(low) else f"one of {effect.unit}, its spread is unknown"
    reason = numbers = f"{show(effect.value)} ({between}) against {show(target.paper)}"
    if verdict is Verdict.CONSISTENT:
        reason += f"; {why_not_told(effect, target)}"
    if verdict is Verdict.UNDECIDED:
        reason += f"; {what_would_decide(effect, target)}"
    plain = None if target.plain is None else word(moved(effect, target.plain), target)
    compared = numbers if verdict is Verdict.CONSISTENT else ""
    return Judgement(verdict, reason, plain, off(effect, target), compared)


def off(effect: Effect, target: Target) -> float:
    """How far a measured quantity is from the paper's, see :class:`Judgement`."""
    low, high = effect.interval()
    return abs(effect.value - target.paper) / (target.wide + (high - low) / 2) if math.isfinite(high - low) else 0.0


def word(effect: Effect, target: Target) -> Verdict:
    """The verdict alone."""
    low, high = effect.interval()
    narrow = equal_within(effect, target, target.narrow)
    if narrow and told(effect, target):
        return Verdict.REPRODUCED
    if high < target.paper - target.wide or low > target.paper + target.wide:
        return Verdict.DIFFERS
    # Equal within the wider margin only, where the plain network's number would not be: nothing is shown yet.
    alike = equal_within(effect, target, target.wide) and (narrow or passed_by_plain(effect, target))
    return Verdict.CONSISTENT if alike else Verdict.UNDECIDED


def told(effect: Effect, target: Target) -> bool:
    """Whether the numbers of the rows that a quantity is to be told from lie outside its interval."""
    low, high = effect.interval()
    # An interval without width, of seeds that all gave one number, must not miss that number by a rounding error.
    return not any(low - EXACT <= other <= high + EXACT for other in target.others)


def passed_by_plain(effect: Effect, target: Target) -> bool:
    """Whether the plain network's own number would be equal within the wider margin; also where the paper has none."""
    return target.plain is None or equal_within(moved(effect, target.plain), target, target.wide)


def equal_within(effect: Effect, target: Target, margin: float) -> bool:
    """Whether equality with the paper's number within a margin is shown; never within none."""
    return margin > 0 and effect.p_within(target.paper - margin, target.paper + margin) < LEVEL


def moved(effect: Effect, value: float) -> Effect:
    """An effect of the same spread around another mean."""
    return replace(effect, values=effect.values - effect.value + value)


def why_not_told(effect: Effect, target: Target) -> str:
    """Why equality within the wider margin is no more than that."""
    if target.plain is None:
        return "the paper prints no plain network to tell it from"
    if passed_by_plain(effect, target):
        return "the plain network's own number would pass as well"
    return "another row's number would pass as well"


def what_would_decide(effect: Effect, target: Target) -> str:
    """How many units would decide at 80 % power, if the measured mean is the true one."""
    # Within the wider margin something is shown only where the plain network's number would be too.
    margin = target.wide if passed_by_plain(effect, target) else target.narrow
    equated = effect.to_equate(target.paper - margin, target.paper + margin)
    needed = least(equated, effect.to_leave(target.paper - target.wide, target.paper + target.wide))
    if needed is None:
        return f"more than {effect.most:,} {effect.unit} would be needed: the number lies at the margin"
    return f"about {max(needed, effect.n + 1):,} {effect.unit} would decide at 80 % power, if the measured mean is so"
