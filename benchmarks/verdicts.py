"""A paper's number against a measured one."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a measured value stands to the paper's."""

    REPRODUCED = "REPRODUCED"
    DIFFERS = "DIFFERS"
    UNDECIDED = "UNDECIDED"
    NOT_RUN = "NOT RUN"

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


def judge_within(measured: float, paper: float, tolerance: float) -> Judgement:
    """Reproduced if the measured value lies within ``tolerance`` of the paper's (same unit)."""
    difference = measured - paper
    verdict = Verdict.REPRODUCED if abs(difference) <= tolerance else Verdict.DIFFERS
    return Judgement(verdict, f"off by {difference:+.3g}, allowed {tolerance:g}")
