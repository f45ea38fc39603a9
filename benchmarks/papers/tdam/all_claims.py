"""The paper's testable statements as data, and their verdicts from records."""

from benchmarks.papers.tdam.claims_counted import COUNTED, MEASURED
from benchmarks.papers.tdam.claims_trained import ABLATED, ACCURACY, LOOKING, TRANSFERRED
from benchmarks.report.claims import Claim, ClaimResult, ClaimVerdict, Finding, Part, PartResult, judge
from benchmarks.report.evidence import Evidence, Missing

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "ClaimVerdict",
    "Evidence",
    "Finding",
    "Missing",
    "Part",
    "PartResult",
    "judge",
]

CLAIMS: tuple[Claim, ...] = tuple(
    sorted((*COUNTED, *MEASURED, *ACCURACY, *LOOKING, *TRANSFERRED, *ABLATED), key=lambda claim: claim.number)
)
