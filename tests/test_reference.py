"""The README shows what the committed reference renders to, and every number there has its record."""

from pathlib import Path

import pytest

from benchmarks.experiments import find
from benchmarks.profiles import PROFILES
from benchmarks.records import Store
from benchmarks.render.comparison import to_csv
from benchmarks.session import Session

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)
SHOWN = ("table1", "table4", "table7-wsol", "fig5")


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(PROFILES["mini"], Store(ROOT / "results/reference"), ROOT / "results/cache", seeds=SEEDS)


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_reference(session: Session, name: str) -> None:
    """After a new reference: tdam-bench show NAME --seeds 0,1,2 --results results/reference, between the marks."""
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition(f"<!-- {name}:begin -->\n")[2].partition(f"\n<!-- {name}:end -->")[0]
    assert shown.strip() == find(name).table_text(session, session.store.records()).strip()


@pytest.mark.parametrize("name", SHOWN)
def test_the_reference_is_complete(session: Session, name: str) -> None:
    """No cell of the shown tables is missing, and none has been measured twice."""
    records = session.store.records()
    assert set(find(name).cells(session)) <= {record.cell for record in records}
    assert len({record.cell for record in records}) == len(records)


def test_table1_is_measured_on_three_seeds(session: Session) -> None:
    rows = to_csv(find("table1").table(session, session.store.records())).splitlines()  # type: ignore[attr-defined]
    accuracies = [row for row in rows if ",v1_last/top1," in row]
    assert len(accuracies) == 14
    assert all(len(row.rpartition(",")[2].split()) == len(SEEDS) for row in accuracies)
