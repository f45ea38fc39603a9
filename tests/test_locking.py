"""The lock of versions: what it covers, and that a change of code without a new version is seen."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.core.code import PACKAGES, code_hash, reached
from benchmarks.core.lock import Locked, differences, read_lock, write_lock
from benchmarks.metrics.rules import GRADCAM
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.rules import RULES
from benchmarks.report import locking
from benchmarks.report import paper as papers
from benchmarks.report.locking import current_lock
from benchmarks.work.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def copied(tmp_path: Path) -> dict[str, Path]:
    """Copies of the repository's packages, by name, to be edited."""
    folders = {name: tmp_path / name for name in PACKAGES}
    for name, folder in folders.items():
        shutil.copytree(ROOT / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folders


def test_the_committed_lock_is_up_to_date() -> None:
    """Where this fails, its lines say what to do."""
    assert PAPER.lock is not None
    assert differences(read_lock(PAPER.lock), *current_lock(PAPER)) == []


def test_every_kind_and_the_rules_are_locked() -> None:
    current, where = current_lock(PAPER)
    assert set(current) == {*KINDS, "rules"}
    for name, kind in KINDS.items():
        assert current[name].version == kind.version
        assert f"    version = {kind.version}\n" in (ROOT / where[name]).read_text()
    assert current["rules"].version == PAPER.rules().version


@pytest.mark.parametrize(
    ("file", "old", "new", "kinds"),
    [
        ("benchmarks/metrics/boxes.py", "KEPT_SHARE = 0.15", "KEPT_SHARE = 0.16", {"localization", "attention"}),
        ("benchmarks/measure/memory.py", 'OK = "ok"', 'OK = "fine"', {"efficiency"}),
        ("baselines/widths.py", "channels // reduction", "channels * reduction", {"cost", "train", "efficiency"}),
        ("tdam/attention.py", "dict[str, Callable", "dict[object, Callable", {"cost", "train", "transfer"}),
    ],
)
def test_a_constant_far_below_counts(copied: dict[str, Path], file: str, old: str, new: str, kinds: set[str]) -> None:
    """A constant in a helper that kinds reach through others changes their hashes, and those of no other."""
    modules = {name: type(kind).__module__ for name, kind in KINDS.items()}
    before = {name: code_hash([module], copied) for name, module in modules.items()}
    assert before == {name: code_hash([module]) for name, module in modules.items()}
    path = copied["benchmarks"].parent / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    changed = {name for name, module in modules.items() if code_hash([module], copied) != before[name]}
    assert changed == {name for name, module in modules.items() if path in reached([module], copied)}
    assert kinds <= changed
    assert "probe" not in changed


def test_the_lock_covers_all_modules_of_networks(copied: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are found by their names, which imports do not tell; a constant in one changes every kind's lock."""
    before, _ = current_lock(PAPER)
    monkeypatch.setattr(locking, "code_hash", lambda modules, without=(): code_hash(modules, copied, without))
    assert current_lock(PAPER)[0] == before
    with (copied["tdam"] / "convnext.py").open("a") as file:
        file.write("\nCHANGED = 1\n")
    after, where = current_lock(PAPER)
    assert {name for name in before if before[name] != after[name]} == set(KINDS)
    lines = differences(before, after, where)
    assert len(lines) == len(KINDS)
    assert all("has changed and its version has not: raise `version` in benchmarks/work/" in line for line in lines)


@pytest.mark.parametrize(
    ("file", "old", "new", "locked"),
    [
        ("benchmarks/papers/tdam/steps.py", "return set(", "return 1 + set(", {"rules"}),
        ("benchmarks/papers/tdam/boxes.py", "NO_BOX", "SOME_BOX", {"rules"}),
        ("benchmarks/papers/tdam/table1.py", "TITLE = ", "HEADING = TITLE = ", set()),
        ("benchmarks/report/evidence.py", 'ANY = "any"', 'ANY = "all"', set()),
    ],
)
def test_rules_are_locked_without_the_tables(
    copied: dict[str, Path], monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, locked: set[str]
) -> None:
    """A paper's functions count, what it shows does not: another column of a table gives no other number."""
    before, _ = current_lock(PAPER)
    path = copied["benchmarks"].parent / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    monkeypatch.setattr(locking, "code_hash", lambda modules, without=(): code_hash(modules, copied, without))
    after, _ = current_lock(PAPER)
    assert {name for name in before if before[name] != after[name]} == locked


@pytest.mark.parametrize(
    "change",
    [
        {"step_box": GRADCAM},
        {"step_box": replace(RULES.step_box, side=64)},
        {"steps": RULES.steps[::-1]},
        {"boxes": RULES.boxes[:1]},
        {"steps": (replace(RULES.steps[0], name="final"), *RULES.steps[1:])},
    ],
)
def test_which_rules_there_are_is_locked(change: dict[str, object]) -> None:
    rules = replace(RULES, **change)
    assert locking.locked_rules(replace(PAPER, rules=lambda: rules)).code != locking.locked_rules(PAPER).code


def test_check_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, _ = current_lock(PAPER)
    stale = {**current, "accuracy": Locked(current["accuracy"].version, "0" * 16)}
    write_lock(tmp_path / "lock.json", stale)
    monkeypatch.setattr(papers, "load_paper", lambda where: replace(PAPER, lock=tmp_path / "lock.json"))
    result = CliRunner().invoke(main, ["lock", "--check"])
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(
        "the code of accuracy has changed and its version has not: raise `version` in benchmarks/work/"
    )
    assert "tdam-bench check" in line
    assert read_lock(tmp_path / "lock.json") == stale
    assert CliRunner().invoke(main, ["lock"]).exit_code == 0
    assert CliRunner().invoke(main, ["lock", "--check"]).exit_code == 0


def test_a_paper_without_a_lock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "load_paper", lambda where: replace(PAPER, lock=None))
    result = CliRunner().invoke(main, ["lock", "--check"])
    assert result.exit_code == 1
    assert result.stderr.strip() == "Error: the paper tdam keeps no lock; name one in its PAPER"
