"""Records stay valid exactly as long as what they were made with does the same."""

import ast
from pathlib import Path

import pytest

from benchmarks.core import identity
from benchmarks.core.identity import code_version, network_version, with_imports, without_docstrings
from benchmarks.papers.tdam.numbers import TABLE1


def test_comments_and_docstrings_do_not_count() -> None:
    one = ast.parse('"""A."""\ndef f():\n    """B."""\n    return 1  # c\n')
    two = ast.parse("def f():\n    return 1\n")
    assert ast.dump(without_docstrings(one)) == ast.dump(two)
    assert code_version("core/records.py") != code_version("work/runner.py")


def test_every_row_has_its_own_version() -> None:
    """Table 1's networks differ from each other, and each from its small version."""
    found = [network_version(name, size) for name in TABLE1.values() for size in ("paper", "mini")]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("edited", "model", "changes"),
    [
        ("baselines/se.py", "resnet50-se", True),
        ("baselines/widths.py", "resnet50-se", True),
        ("baselines/se.py", "resnet50", False),
        ("baselines/mobilenet.py", "resnet50-td-joint-t2-m1", False),
        ("baselines/attentions.py", "resnet50-se", False),
        ("baselines/resnet.py", "resnet50-td-joint-t2-m1", True),
        ("tdam/feedback.py", "resnet50-td-joint-t2-m1", True),
        ("tdam/resnet.py", "resnet50-td-joint-t2-m1", True),
        ("tdam/mobilenet.py", "resnet50-td-joint-t2-m1", False),
        ("tdam/resnet.py", "resnet50-se", False),
    ],
)
def test_only_a_networks_own_files_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, edited: str, model: str, changes: bool
) -> None:
    before = network_version.__wrapped__(model, "mini")
    copy = tmp_path / "edited.py"
    copy.write_text((identity.ROOT / edited).read_text() + "\nEDITED = True\n")
    real = identity.source_of

    def source_of(module: str) -> Path:
        return copy if real(module) == identity.ROOT / edited else real(module)

    monkeypatch.setattr(identity, "source_of", source_of)
    assert (network_version.__wrapped__(model, "mini") != before) is changes


def test_imports_are_followed() -> None:
    assert with_imports(["baselines.se"]) == {"baselines.se", "baselines.widths"}
