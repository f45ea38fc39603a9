"""The paper's testable statements as data, and their verdicts from records."""

from benchmarks.claims.claim import Claim, ClaimResult, ClaimVerdict, Finding, Part, PartResult, judge
from benchmarks.claims.counted import COUNTED, MEASURED
from benchmarks.claims.evidence import Evidence, Missing
from benchmarks.claims.trained import ABLATED, ACCURACY, LOOKING, TRANSFERRED

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
