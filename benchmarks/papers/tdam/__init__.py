"""TDAM: Top-Down Attention Module for Contextually Guided Feature Selection in CNNs (Jaiswal et al., ECCV 2022).

One file for each table and figure (each offers an ``EXPERIMENT``), beside what they share: the paper's numbers, what is
asked of records, recipes, step rules, box rules, claims, and the gate's cells and probes.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell
from benchmarks.papers.tdam.recipes import GATE, GATE_NETWORKS, MINI, PROFILES
from benchmarks.report.paper import ROOT, Gate, Paper, Part, Reference
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from benchmarks.metrics.rules import Rules
    from benchmarks.report.claims import Claim
    from benchmarks.report.sources import Source
    from benchmarks.work.probe import Probe


# Not by the names of the modules, which take the place of functions of theirs once they are imported.
def load_rules() -> "Rules":
    """Its step and box rules."""
    from benchmarks.papers.tdam.rules import RULES

    return RULES


def load_claims() -> "tuple[Claim, ...]":
    """Its 34 testable statements."""
    from benchmarks.papers.tdam.claims import CLAIMS

    return CLAIMS


def load_probes() -> "Mapping[str, Probe]":
    """Its probes."""
    from benchmarks.papers.tdam.probes import PROBES

    return PROBES


def load_sources() -> "Mapping[str, Source]":
    """Papers that its networks come from."""
    from benchmarks.papers.tdam.sources import SOURCES

    return SOURCES


def printed_costs() -> Mapping[str, Mapping[str, str]]:
    """Its printed parameters and FLOPs."""
    from benchmarks.papers.tdam.numbers import paper_rows

    return paper_rows()


def fitted_counts() -> Mapping[str, str]:
    """Networks of which a choice was read off the printed counts."""
    from benchmarks.papers.tdam.numbers import FITTED

    return FITTED


def reference_parts() -> "Sequence[Part]":
    """What its reference measures."""
    from benchmarks.papers.tdam.reference import PARTS

    return PARTS


def gate_cells(session: Session) -> list[Cell]:
    """What the gate runs."""
    from benchmarks.papers.tdam.gate import cells

    return cells(session)


def gate_cells_on_disk(session: Session) -> list[Cell]:
    """What the gate runs of released weights on ImageNet."""
    from benchmarks.papers.tdam.gate import on_disk

    return on_disk(session)


GATE_FOLDER = ROOT / "results" / "reference" / "gate"
PAPER = Paper(
    name="tdam",
    title="Does TDAM reproduce, here?",
    cited="TDAM (ECCV 2022)",
    package=__name__,
    numbers=ROOT / "results" / "paper",
    experiments=(
        "table1",
        "costs",
        "efficiency",
        "table4",
        "fig4",
        "table7-wsol",
        "table7-tasks",
        "fig5",
        "fig8",
        "supplement",
        "selectivity",
        "endings",
        "controls",
    ),
    profiles=PROFILES,
    rules=load_rules,
    # Okabe and Ito's palette without its yellow, which white paper swallows. Each color has its own marker, so that
    # nothing is told by color alone.
    families={
        "ResNet": ("#000000", "o"),
        "SE": ("#56B4E9", "s"),
        "CBAM": ("#009E73", "^"),
        "ECA": ("#CC79A7", "v"),
        "FCA": ("#E69F00", "D"),
        "TDjoint": ("#D55E00", "*"),
        "TDtop": ("#0072B2", "P"),
    },
    claims=load_claims,
    claim_rules=("last", "released"),
    probes=load_probes,
    gate=Gate(GATE, gate_cells, GATE_FOLDER, GATE_FOLDER / "weights", GATE_NETWORKS, MINI.name, gate_cells_on_disk),
    reference=Reference("mini", "results/reference", reference_parts),
    lock=ROOT / "benchmarks" / "papers" / "tdam" / "lock.json",
    costs=printed_costs,
    fitted=fitted_counts,
    convention="ptflops-0.6",
    deviations=ROOT / "tdam" / "DEVIATIONS.md",
    sources=load_sources,
)
