"""What tables and claims rest on: which seeds a table's notes name."""

from pathlib import Path

import pytest

from benchmarks.core.records import Cell, Record, new_record
from benchmarks.papers.tdam import PAPER
from benchmarks.report.evidence import Evidence, Query
from tests.recorded import recorded_all
from tests.sessions import make_session

SEEDED = {*PAPER.experiments} - {"efficiency", "endings"}


def evidence(records: list[Record]) -> Evidence:
    return Evidence(PAPER.profiles["mini"], Path("results"), records)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({}, "none"),
        ({"a": [None], "b": [None]}, "none (given weights)"),
        ({"a": [0]}, "0"),
        ({"a": [1, 0], "b": [0, 1]}, "0, 1"),
        ({"a": [0, 1], "b": [1], "c": []}, "0, 1, not of every row"),
        ({"a": [0], "other": [7]}, "0"),
    ],
)
def test_the_seeds_of_a_tables_rows(seeds: dict[str, list[int | None]], said: str) -> None:
    """Of rows that are recorded; what other tables were measured with is theirs to tell."""
    records = [
        new_record(Cell("accuracy", model, "mini", {"seed": seed}), {}, {}) for model in seeds for seed in seeds[model]
    ]
    assert evidence(records).seeds_of(Query("accuracy", model) for model in "abc") == said


def test_each_table_names_its_own_seeds() -> None:
    """Localization was run with other seeds than figure 8, which shares some of its networks."""
    runs = {"fig8": (0,), "table7-wsol": (1, 2)}
    sessions = {name: make_session(Path("results"), "mini", seeds=seeds) for name, seeds in runs.items()}
    both = evidence([one for name, session in sessions.items() for one in recorded_all(session, [name])])
    notes = {name: " ".join(PAPER.experiment(name).table(both).notes) for name in PAPER.experiments}
    assert "Seeds recorded: 1, 2." in notes["table7-wsol"]
    assert "Seeds recorded: 0;" in notes["fig8"]
    assert "Seeds recorded: none" in notes["selectivity"]
    assert {name for name, said in notes.items() if "eeds recorded: " in said} == SEEDED
