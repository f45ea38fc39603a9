"""The arrows between the folders, and the size of functions, hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDARD = sys.stdlib_module_names
# torch itself brings typing_extensions; safetensors is an optional format, imported where such a file is read.
ALLOWED = {
    "baselines": {"torch", "torchvision", "typing_extensions", "baselines", "safetensors"},
    "tdam": {"torch", "torchvision", "typing_extensions", "baselines", "tdam"},
}
WITHOUT_TORCH = ["benchmarks/report"]


def sources(*folders: str) -> list[Path]:
    files = [ROOT / folder for folder in folders]
    return [file for path in files for file in ([path] if path.suffix == ".py" else sorted(path.rglob("*.py")))]


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_stand_alone(package: str) -> None:
    """``tdam`` and ``baselines`` need torch and torchvision, and nothing of the suite."""
    for path in sources(package):
        roots = {name.partition(".")[0] for name in imported(path)} - STANDARD
        assert roots <= ALLOWED[package], path


def test_rendering_imports_no_torch() -> None:
    for path in sources(*WITHOUT_TORCH):
        assert not {name.partition(".")[0] for name in imported(path)} & {"torch", "torchvision"}, path


def test_clocks_stay_in_measure() -> None:
    """Only ``measure/``, and ``suite/`` of its own code, time anything or synchronise a device."""
    for path in sources("baselines", "tdam", "benchmarks"):
        if not {"measure", "suite"} & set(path.parts):
            assert "perf_counter" not in path.read_text(), path
            assert "cuda.synchronize" not in path.read_text(), path


def test_listed_packages_are_the_tracked_ones() -> None:
    """A folder that git does not carry would break the install of a fresh clone."""
    listed = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert listed is not None
    found = {
        str(p.parent.relative_to(ROOT)).replace("/", ".")
        for p in sources("baselines", "tdam", "benchmarks")
        if p.name == "__init__.py"
    }
    assert set(re.findall(r'"([\w.]+)"', listed[1])) == found


def test_functions_are_short() -> None:
    for path in sources("baselines", "tdam", "benchmarks", "tests"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}:{node.lineno} {node.name}"


def test_help_needs_no_torch() -> None:
    """The command line imports torch only where a command needs it."""
    code = "import sys, benchmarks.cli; sys.exit(bool({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
