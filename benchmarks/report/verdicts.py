"""A paper's number against a measured one."""

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

FLOPS_TOLERANCE = 0.02  # G


class Verdict(Enum):
    """How a measured value stands to the paper's; ``NEW``: of a plug-in, which the paper does not have."""

    REPRODUCED = "REPRODUCED"
    DIFFERS = "DIFFERS"
    UNDECIDED = "UNDECIDED"
    NOT_RUN = "NOT RUN"
    NEW = "NEW"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Judgement:
    """A verdict and the reason for it, in a few words.

    Attributes:
        verdict: The verdict.
        reason: What was compared with what.
    """

    verdict: Verdict
    reason: str


def judge_printed(measured: float, printed: str) -> Judgement:
    """Exact quantities (counts): reproduced if the measured value rounds to the printed digits.

    Args:
        measured: In the printed value's unit.
        printed: The paper's digits, such as ``27.65``.
    """
    decimals = len(printed.partition(".")[2])
    rounded = f"{measured:.{decimals}f}"
    verdict = Verdict.REPRODUCED if rounded == printed else Verdict.DIFFERS
    return Judgement(verdict, f"{rounded} against {printed}")


def judge_ratio(measured: float, paper: float, noise: float, tolerance: float = 0.1) -> Judgement:
    """A ratio to the plain network against the paper's ratio.

    Args:
        measured: Ratio measured in one run.
        paper: Ratio of the paper's figures.
        noise: Relative uncertainty of the measured ratio, at least what the plain network's twin differed by.
        tolerance: Relative difference that counts as reproduced: the devices are not the same.
    """
    if math.isinf(noise):
        return Judgement(Verdict.UNDECIDED, f"{measured:.2f} against {paper:.2f}: a single round, its noise is unknown")
    difference = abs(measured / paper - 1)
    reason = f"{measured:.2f} against {paper:.2f} of the plain network, {tolerance:.0%} allowed, noise {noise:.1%}"
    if difference + noise <= tolerance:
        return Judgement(Verdict.REPRODUCED, reason)
    if difference - noise > tolerance:
        return Judgement(Verdict.DIFFERS, reason)
    return Judgement(Verdict.UNDECIDED, f"{reason}: a difference below {noise:.1%} cannot be told here")


def judge_share(low: float, high: float, printed: str) -> Judgement:
    """An accuracy in percent: reproduced if its 95 % interval holds the printed value.

    Args:
        low: Lower end of the interval.
        high: Upper end.
        printed: The paper's digits; half a unit of the last one belongs to them.

    An interval wider than 2 points that holds the value decides nothing.
    """
    half = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    paper = float(printed)
    reason = f"95 % interval {low:.2f} to {high:.2f} against {printed}"
    if not low - half <= paper <= high + half:
        return Judgement(Verdict.DIFFERS, reason)
    if high - low > 2:
        return Judgement(Verdict.UNDECIDED, f"{reason}: a difference below {(high - low) / 2:.1f} cannot be told here")
    return Judgement(Verdict.REPRODUCED, reason)


def judge_flops(measured: float, plain: float, printed: str, printed_plain: str) -> Judgement:
    """FLOPs in G, by what a network adds to its plain one; a plain network by its total.

    Counters differ by what they leave out. What a network adds differs between the conventions, the paper's included,
    by up to ``FLOPS_TOLERANCE``.

    Args:
        measured: The network's.
        plain: The plain network's under the same convention.
        printed: The paper's digits for the network.
        printed_plain: The paper's digits for the plain network.
    """
    if printed == printed_plain and measured == plain:
        return judge_within(measured, float(printed), FLOPS_TOLERANCE)
    return judge_within(measured - plain, float(Decimal(printed) - Decimal(printed_plain)), FLOPS_TOLERANCE)


def judge_within(measured: float, paper: float, tolerance: float) -> Judgement:
    """Reproduced if the measured value lies within ``tolerance`` of the paper's (same unit)."""
    difference = measured - paper
    verdict = Verdict.REPRODUCED if abs(difference) <= tolerance else Verdict.DIFFERS
    return Judgement(verdict, f"off by {difference:+.3g}, allowed {tolerance:g}")
