"""Nothing at import needs a POSIX system, and no text depends on the encoding of the place."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("baselines", "benchmarks", "examples", "tdam")
# What Windows' Python does not have: modules, and names in those that it has.
MODULES = ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty")
NAMES = {
    "os": ("fork", "getuid", "getpgid", "killpg", "setsid", "sched_getaffinity", "uname", "waitid", "WNOHANG", "nice"),
    "signal": ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP", "alarm", "setitimer", "pthread_sigmask"),
    "time": ("tzset",),
}
# Of the development tools, which the quick tests do without.
NEEDS = {"benchmarks.suite.maps": "pytorch_grad_cam"}
# Libraries are imported first, with all that they want of this system; then our modules alone, without it.
WITHOUT = """
import importlib, sys
sys.path.insert(0, "examples")
names = {names!r}
for name in names:
    importlib.import_module(name)
ours = [name for name in sys.modules if name.partition(".")[0] in {packages!r}]
for name in ours:
    del sys.modules[name]
for name in {modules!r}:
    sys.modules[name] = None
for module, attributes in {attributes!r}.items():
    for attribute in attributes:
        if hasattr(sys.modules[module], attribute):
            delattr(sys.modules[module], attribute)
for name in names:
    importlib.import_module(name)
from benchmarks.core.processes import ending
print(len(names), ending(-15))
"""


def files() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def without_posix(names: list[str]) -> subprocess.CompletedProcess[str]:
    """Import modules in a process that lacks what Windows lacks."""
    code = WITHOUT.format(names=names, packages=(*PACKAGES, "eca_net"), modules=MODULES, attributes=NAMES)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_module_imports_without_posix() -> None:
    names = [module_of(file) for file in files() if file.stem != "__main__"]
    names = [name for name in names if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
    done = without_posix(names)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(names)} by signal SIGTERM\n"
    assert len(names) > 150


@pytest.mark.parametrize("statement", ["import fcntl", "import os, signal\nsignal.SIGKILL", "import os\nos.getuid()"])
def test_what_needs_posix_is_found(statement: str, tmp_path: Path) -> None:
    """The test above sees a module that does: here, one that takes the place of an example."""
    code = WITHOUT.format(names=["posix_only"], packages=("posix_only",), modules=MODULES, attributes=NAMES)
    (tmp_path / "posix_only.py").write_text(statement, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", f"import signal, sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert statement.split()[-1].partition("(")[0].rpartition(".")[2] in done.stderr


def test_jobs_are_refused_where_their_signals_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import platform

    from benchmarks.work.cluster.engines import submitit_of

    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    with pytest.raises(ValueError, match="--executor local needs Linux or macOS, this is Windows; leave it out"):
        submitit_of("local")


def text_without_encoding(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text in whatever encoding the place has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        if isinstance(node.func, ast.Attribute):  # a path's
            texts = node.func.attr in {"read_text", "write_text"}
            opens, modes = node.func.attr == "open", node.args[:1]
        else:
            texts, opens, modes = False, getattr(node.func, "id", "") == "open", node.args[1:2]
        mode = modes[0] if modes else ast.Constant("r")
        if texts or (opens and isinstance(mode, ast.Constant) and "b" not in str(mode.value)):
            yield node.lineno


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("path.read_text()", [1]),
        ("path.read_text(encoding='utf-8')\npath.open('rb')\nwrite_text(path, text)", []),
        ("path.write_text(text)\npath.open()\nopen(path)\npath.open('a')", [1, 2, 3, 4]),
    ],
)
def test_text_without_encoding_is_seen(code: str, lines: list[int]) -> None:
    assert list(text_without_encoding(ast.parse(code))) == lines


def test_text_names_its_encoding() -> None:
    """Windows' own is not UTF-8."""
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files()
        for line in text_without_encoding(ast.parse(file.read_bytes()))
    ]
    assert found == []
