"""The paper's testable statements, by their numbers."""

from dataclasses import replace

from benchmarks.papers.tdam.claims_counted import COUNTED, MEASURED
from benchmarks.papers.tdam.claims_trained import ABLATED, ACCURACY, LOOKING, TRANSFERRED
from benchmarks.report.claims import Claim

# Which experiments run what claims rest on: by family, and for some claims by themselves.
BY_FAMILY = {
    "counts": ("table1",),
    "speed": ("efficiency",),
    "accuracy": ("table1",),
    "resolution": ("table4",),
    "localization": ("table7-wsol",),
    "transfer": ("table7-tasks",),
    "ablation": ("fig8",),
}
BY_NUMBER = {
    7: ("table1", "fig8"),
    8: ("supplement",),
    9: ("table1", "fig8"),
    32: ("supplement",),
    # Their control is the same loop without attention.
    24: ("table7-wsol", "controls"),
    33: ("table4", "controls"),
    34: ("table7-wsol", "selectivity", "controls"),
}


def with_experiments(claim: Claim) -> Claim:
    """A claim that names what runs its records."""
    return replace(claim, experiments=BY_NUMBER.get(claim.number, BY_FAMILY[claim.family]))


CLAIMS: tuple[Claim, ...] = tuple(
    with_experiments(claim)
    for claim in sorted(
        (*COUNTED, *MEASURED, *ACCURACY, *LOOKING, *TRANSFERRED, *ABLATED), key=lambda claim: claim.number
    )
)
