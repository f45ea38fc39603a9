"""The README shows what the committed reference renders to, and every number there has its record."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.core.records import Record, Store
from benchmarks.papers.tdam import find
from benchmarks.report.comparison import to_csv
from benchmarks.work.profiles import PROFILES
from benchmarks.work.session import Session

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (0, 1, 2)
SHOWN = {
    **dict.fromkeys(("table1", "table4", "table7-wsol", "fig5"), SEEDS),
    **dict.fromkeys(("table7-tasks", "fig8", "supplement", "selectivity"), SEEDS[:1]),
}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return Store(ROOT / "results/reference").records()


def session_of(seeds: tuple[int, ...]) -> Session:
    return Session(PROFILES["mini"], Store(ROOT / "results/reference"), ROOT / "results/cache", seeds=seeds)


@pytest.mark.parametrize("name", SHOWN)
def test_the_readme_shows_the_reference(records: list[Record], name: str) -> None:
    """After a new reference: tdam-bench show NAME --seeds ... --results results/reference, between the marks."""
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition(f"<!-- {name}:begin -->\n")[2].partition(f"\n<!-- {name}:end -->")[0]
    assert shown.strip() == find(name).table_text(session_of(SHOWN[name]), records).strip()


@pytest.mark.parametrize("name", SHOWN)
def test_the_reference_is_complete(records: list[Record], name: str) -> None:
    """No cell of the shown tables is missing, and none has been measured twice."""
    assert set(find(name).cells(session_of(SHOWN[name]))) <= {record.cell for record in records}
    assert len({record.cell for record in records}) == len(records)


def test_table1_is_measured_on_three_seeds(records: list[Record]) -> None:
    rows = to_csv(find("table1").table(session_of(SEEDS), records)).splitlines()  # type: ignore[attr-defined]
    accuracies = [row for row in rows if ",v1_last/top1," in row and "-reduced," not in row]
    assert len(accuracies) == 14
    assert all(len(row.rpartition(",")[2].split()) == len(SEEDS) for row in accuracies)


@pytest.mark.parametrize("name", SHOWN)
def test_records_alone_render(tmp_path: Path, records: list[Record], name: str) -> None:
    """A fresh clone has neither weights nor maps: every table and figure is drawn, and says what it lacks."""
    shutil.copytree(ROOT / "results/reference/records", tmp_path / "records")
    session = replace(session_of(SHOWN[name]), store=Store(tmp_path))
    files = find(name).render(session, records, tmp_path / "report")
    assert files
    assert all(path.stat().st_size for path in files)
