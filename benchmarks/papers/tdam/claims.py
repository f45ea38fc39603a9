"""The paper's testable statements, by their numbers."""

from benchmarks.papers.tdam.claims_counted import COUNTED, MEASURED
from benchmarks.papers.tdam.claims_trained import ABLATED, ACCURACY, LOOKING, TRANSFERRED
from benchmarks.report.claims import Claim

CLAIMS: tuple[Claim, ...] = tuple(
    sorted((*COUNTED, *MEASURED, *ACCURACY, *LOOKING, *TRANSFERRED, *ABLATED), key=lambda claim: claim.number)
)
