"""Code is hashed by what it does, under every Python alike, and the lock keeps hashes and versions together."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.core.code import ROOT, code_hash, reached
from benchmarks.core.lock import Locked, differences, read_lock, write_lock

PYTHONS = [f"python3.{minor}" for minor in range(10, 15)]
MODULES = ["benchmarks.work.training", "benchmarks.work.accuracy", "tdam", "baselines"]

PAPER = {
    "__init__.py": '"""A paper."""\n',
    "top.py": "from paper.middle import twice\n\n\ndef run():\n    return twice(1)\n",
    "middle.py": "from .tools import factor\n\n\ndef twice(x):\n    return factor() * x\n",
    "tools/__init__.py": "from paper.tools.numbers import factor\n",
    "tools/numbers.py": "SCALE = 2\n\n\ndef factor():\n    return SCALE\n",
}

# All that Pythons are known to parse into different trees, and literals that are easily taken for each other.
TRICKY = (
    r'''
"""A module."""
import asyncio

u = u"kind"
numbers = [1, 1.0, True, "1", b"1", 1j, 1e999, 1e-320, 0x1 if (p := 0) else 0xFFFFFFFFFFFFFFFFFFFFFFFF, ...]
wide = "é ࢠ 𞤀 \ud800 \N{BULLET}" "joined"
huge = 0x1'''
    + "0" * 5000
    + r'''
raw = b"\x00\xff" rb"\d"
text = f"" "a" f"{numbers!r:>{10}}" "b" f"{{}}{wide=}{ wide = !s:^{len(wide)}.{3}}" f"{f'{u}' + f'{{{u}'}" fr"\d{u:{u}}"
empty = f"", f"{u:}", f"{u!a}", f"""
{
    u
}
"""


class Empty:
    """Nothing."""


class Base(Empty, metaclass=type):
    field: "int" = 3
    (other): int


@(lambda f: f)
@staticmethod
def f(a, /, b: int = 1, *c, d, e=None, **g) -> "list[int]":
    """Nothing."""
    global p
    h = lambda x=1, *, y=(1, 2): (yield x)
    return {**g, None: a, b: [*c]}, {i: j async for i, j in d} if (n := 10) > 9 < 3 else a[1:2, ::3, ...]


async def g(x):
    async with x as y, x as (z, *w):
        await asyncio.sleep(0)
    with (x, y): pass
    with (x as y, z as w,): pass
    async for i in x:
        continue
    else:
        del y, z[0]
    try:
        return [k async for k in x if k if not k]
    except (ValueError, TypeError) as error:
        raise error from None
    finally:
        nonsense = -1 ** 2 // 3 @ 4


match numbers:
    case [1, 1.0, *_, "a" "b"] | {"k": None, **rest} if rest:
        """Nothing."""
    case Base(1 | 2 as x, field=-1 + 2j) | asyncio.Task():
        pass
    case True | None:
        print(*numbers, sep="")
    case _:
        pass
'''
)


def hashed(folder: Path, files: Mapping[str, str], *modules: str) -> str:
    """Hash of modules, by default ``paper.top``, of a package of these files, written to a folder of its own."""
    return code_hash(modules or ["paper.top"], {"paper": written(folder, files)})


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A new folder below ``folder`` with these files."""
    package = Path(tempfile.mkdtemp(dir=folder))
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def single(folder: Path, text: str) -> str:
    """Hash of a package of one file."""
    return hashed(folder, {"__init__.py": text}, "paper")


def names(folder: Path, files: Mapping[str, str], *modules: str) -> list[str]:
    """Files that modules reach, relative to their package."""
    package = written(folder, files)
    return [file.relative_to(package).as_posix() for file in reached(modules, {"paper": package})]


def edited(name: str, old: str, new: str) -> dict[str, str]:
    assert old in PAPER[name]
    return {**PAPER, name: PAPER[name].replace(old, new)}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(edited("tools/numbers.py", "SCALE = 2", "SCALE  =  (  0x2 )  # two"), id="layout"),
        pytest.param(edited("middle.py", "    return", '    """Twice it."""\n\n    return'), id="docstring"),
        pytest.param(edited("top.py", "def run", '"""Top."""\n\n\ndef run'), id="text that stands alone"),
        pytest.param(edited("top.py", "    return", "    import math, os\n    return"), id="unused import"),
        pytest.param({**PAPER, "unreached.py": "SCALE = 3\n"}, id="unreached file"),
        pytest.param(
            {
                **{name: text for name, text in PAPER.items() if not name.startswith("tools/")},
                "middle.py": "from .deep.renamed import factor\n\n\ndef twice(x):\n    return factor() * x\n",
                "deep/renamed.py": PAPER["tools/numbers.py"],
            },
            id="renamed",
        ),
        pytest.param(
            {
                **PAPER,
                "middle.py": "from .tools import factor\n",
                "tools/numbers.py": "def factor():\n    return SCALE\n\n\nSCALE = 2\n",
                "tools/__init__.py": "from .numbers import factor\n\n\ndef twice(x):\n    return factor() * x\n",
            },
            id="moved",
        ),
    ],
)
def test_what_does_the_same_has_the_same_hash(tmp_path: Path, files: dict[str, str]) -> None:
    assert hashed(tmp_path, files) == hashed(tmp_path, PAPER)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(edited("tools/numbers.py", "SCALE = 2", "SCALE = 3"), id="constant"),
        pytest.param(edited("tools/numbers.py", "SCALE = 2", "SCALE = 2.0"), id="type"),
        pytest.param(edited("middle.py", "*", "+"), id="operator"),
        pytest.param({**PAPER, "__init__.py": "SEED = 1\n"}, id="package on the way"),
        pytest.param(edited("tools/numbers.py", "SCALE = 2", "SCALE = 2\nSCALE = 2"), id="twice"),
    ],
)
def test_what_does_something_else_has_another_hash(tmp_path: Path, files: dict[str, str]) -> None:
    assert hashed(tmp_path, files) != hashed(tmp_path, PAPER)


def test_easily_confused_code_differs(tmp_path: Path) -> None:
    confusable = [
        *("x = 1", "x = 1.0", "x = True", "x = '1'", "x = b'1'", "x = None", "x = 'None'", "x = ...", "x = ()"),
        *("x = {None: y}", "x = {**y}", "def f(*, a): ...", "def f(*, a=None): ...", "def f(a): ...", "x = 1j"),
        *("return_ = a, b", "return_ = [a, b]", "def f(): return", "def f(): return None", "def f(): return ''"),
        *("x = f'a{b}c'", "x = f'a{b!r}c'", "x = f'a{b:c}'", "x = f'a{b}' 'd'", "x = 'a{b}c'", "x: int", "(x): int"),
        *("if a: b()\nelse: c()", "if a: c()\nelse: b()", "if a:\n  b()\n  c()", "while a: b()\nelse: c()"),
    ]
    assert len({single(tmp_path, text) for text in confusable}) == len(confusable)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f():\n    '''Nothing.'''", "def f(): pass"),
        ("class A:\n    '''Nothing.'''\n    x = 1\n    '''Its x.'''", "class A:\n    x = 1"),
        ("async def f():\n    '''Nothing.'''\n    import os", "async def f(): pass"),
        ("x = 'a' 'b'", "x = u'ab'"),
        ("x = f'a' 'b' f'{c:}' ''", "x = f'ab{c}'"),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 2", "x = 2"),
        ("if not typing.TYPE_CHECKING:\n    x = 2", "x = 2"),
        ("if TYPE_CHECKING:\n    x = 1\nelif y:\n    x = 2", "if y:\n    x = 2"),
        ("# -*- coding: latin-1 -*-\r\nx = 1\r\n", "x = 1"),
    ],
)
def test_equal_code_is_equal(tmp_path: Path, one: str, other: str) -> None:
    assert single(tmp_path, one) == single(tmp_path, other)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import paper.a.b", ["a/__init__.py", "a/b.py"]),
        ("import paper.a as other, os.path", ["a/__init__.py"]),
        ("from paper.a import b", ["a/__init__.py", "a/b.py"]),
        ("from paper.a import NAME", ["a/__init__.py"]),
        ("from paper.a import *", ["a/__init__.py", "a/b.py"]),
        ("from .a.b import NAME", ["a/__init__.py", "a/b.py"]),
        ("from . import c", ["c.py"]),
        ("from paper.bare import d", ["bare/d.py", "c.py"]),
        ("def f():\n    def g():\n        from .c import NAME", ["c.py"]),
        ("class A:\n    try:\n        from .c import NAME\n    except ImportError:\n        from .a import NAME",
         ["a/__init__.py", "c.py"]),
        ("match x:\n    case 1:\n        from .c import NAME", ["c.py"]),
        ("if TYPE_CHECKING:\n    from .c import NAME", []),
        ("if typing.TYPE_CHECKING:\n    from .c import NAME\nelse:\n    from .a import NAME", ["a/__init__.py"]),
        ("def f():\n    if not TYPE_CHECKING:\n        from .c import NAME", ["c.py"]),
        ("import torch, papers\nfrom torch.nn import functional", []),
    ],
)  # fmt: skip
def test_imports_are_followed(tmp_path: Path, statement: str, expected: list[str]) -> None:
    files = {"__init__.py": "", "start.py": statement, "a/__init__.py": "NAME = 1", "a/b.py": "NAME = 2"}
    files |= {"c.py": "NAME = 3", "bare/d.py": "from ..c import NAME"}
    assert names(tmp_path, files, "paper.start") == sorted(["__init__.py", "start.py", *expected])


def test_circles_end_and_order_does_not_count(tmp_path: Path) -> None:
    files = {"a.py": "from paper import b\nX = 1", "b.py": "from paper import a\nY = 1", "c.py": "Z = 1"}
    assert names(tmp_path, files, "paper.a") == ["a.py", "b.py"]
    assert hashed(tmp_path, files, "paper.a", "paper.c") == hashed(tmp_path, files, "paper.c", "paper.b", "paper.b")


def test_a_given_folder_replaces_the_repositorys_package(tmp_path: Path) -> None:
    package = written(tmp_path, {"__init__.py": "X = 1"})
    assert reached(["tdam"], {"tdam": package}) == [package / "__init__.py"]
    assert ROOT / "tdam" / "__init__.py" in reached(["tdam"])


def test_modules_that_are_left_out_lead_nowhere(tmp_path: Path) -> None:
    files = {"__init__.py": "from . import a", "a.py": "from . import b\nX = 1", "b.py": "Y = 1", "c.py": "Z = 1"}
    package = written(tmp_path, files)
    folders = {"paper": package}
    assert reached(["paper.c"], folders, without=["paper"]) == [package / "c.py"]
    assert reached(["paper.c"], folders, without=["paper.a"]) == [package / "__init__.py", package / "c.py"]
    assert code_hash(["paper.c"], folders, without=["paper"]) != code_hash(["paper.c"], folders)


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    package = written(tmp_path, {"__init__.py": "X = 1"})
    before = code_hash(["paper"], {"paper": package})
    (package / "__init__.py").write_text("X = 100")
    assert code_hash(["paper"], {"paper": package}) != before


@pytest.mark.parametrize(
    ("modules", "text", "message"),
    [
        (["paper.absent"], "", r"no module 'paper\.absent' \(asked for\) in .*, paper: correct the name"),
        (["torch"], "", r"no module 'torch' \(asked for\)"),
        (["paper"], "import paper.absent", r"no module 'paper\.absent' \(imported by paper\)"),
        (["paper"], "from tdam.absent import x", r"no module 'tdam\.absent' \(imported by paper\)"),
        (["paper"], "from .. import x", r"paper imports from \.\., outside its package: use fewer dots"),
    ],
)
def test_unknown_modules_are_refused(tmp_path: Path, modules: list[str], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        hashed(tmp_path, {"__init__.py": text}, *modules)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'paper' was said to lie in .*, which is no folder"):
        reached(["paper"], {"paper": tmp_path / "absent"})


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python, by its name or path, that has this repository and its own standard library only."""
    # Where a manager of Pythons puts a stand-in on the path, this asks it for the one of that name.
    chosen = {"PYENV_VERSION": Path(python).name.removeprefix("python")}
    environment = {**os.environ, **chosen, "PYTHONPATH": str(ROOT)}
    command = [python, "-S", "-s", "-B", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@functools.cache
def interpreters() -> dict[str, str]:
    """Every Python to be had, the running one among them, by its version."""
    paths = [path for path in map(shutil.which, PYTHONS) if path is not None]
    asked = {path: run(path, "-c", "import sys; print(sys.version_info[:2])") for path in [*paths, sys.executable]}
    return {answer.stdout: path for path, answer in asked.items() if answer.returncode == 0}


def outputs(*arguments: str) -> set[str]:
    """What all Pythons print, where there are at least two."""
    if len(interpreters()) < 2:
        pytest.skip(f"only {sys.version.split()[0]} is here, of all the Pythons to compare ({', '.join(PYTHONS)})")
    runs = [run(python, *arguments) for python in interpreters().values()]
    assert not any(process.returncode for process in runs), [process.stderr for process in runs]
    return {process.stdout.strip() for process in runs}


def test_all_pythons_agree_on_the_repository() -> None:
    assert outputs("-m", "benchmarks.core.code", *MODULES) == {f"{code_hash(MODULES)} {' '.join(MODULES)}"}


def test_all_pythons_agree_on_tricky_code(tmp_path: Path) -> None:
    package = written(tmp_path, {"__init__.py": TRICKY})
    code = f"from benchmarks.core.code import *; print(code_hash(['paper'], {{'paper': Path({str(package)!r})}}))"
    assert outputs("-c", code) == {code_hash(["paper"], {"paper": package})}


def test_the_command_refuses_unknown_modules_in_one_line() -> None:
    process = run(sys.executable, "-m", "benchmarks.core.code", "tdam.absent")
    assert process.returncode == 1
    assert process.stderr.startswith("no module 'tdam.absent' (asked for)")
    assert process.stderr.count("\n") == 1


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    assert read_lock(path) == {}
    current = {"training": Locked(2, "b" * 16), "accuracy": Locked(1, "a" * 16)}
    write_lock(path, current)
    assert read_lock(path) == current
    entries = [
        f' "{name}": {{\n  "code": "{letter * 16}",\n  "version": {version}\n }}'
        for name, letter, version in [("accuracy", "a", 1), ("training", "b", 2)]
    ]
    assert path.read_text() == "{\n" + ",\n".join(entries) + "\n}\n"


def test_a_lock_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock.json"
    write_lock(path, {"accuracy": Locked(1, "a")})

    def failing(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="full"):
        write_lock(path, {"accuracy": Locked(2, "b")})
    assert read_lock(path) == {"accuracy": Locked(1, "a")}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<<<<<<< ours", "is not readable as JSON"),
        (b"\xff", "is not readable as JSON"),
        (b"[]", "holds a list"),
        (b'{"accuracy": 1}', "has 1 for accuracy"),
        (b'{"accuracy": {"code": "a"}}', r"has \{.*\} for accuracy"),
        (b'{"accuracy": {"code": "a", "version": true}}', r"has \{.*\} for accuracy"),
        (b'{"accuracy": {"code": 1, "version": 1}}', r"has \{.*\} for accuracy"),
        (b'{"accuracy": {"code": "a", "version": 1, "more": 1}}', r"has \{.*\} for accuracy"),
    ],
)
def test_a_malformed_lock_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lock.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"lock\.json {message}.*: take it back .* `tdam-bench lock`$"):
        read_lock(path)


@pytest.mark.parametrize(
    ("kept", "current", "line"),
    [
        (Locked(1, "a"), Locked(1, "a"), None),
        (
            Locked(1, "a"),
            Locked(1, "b"),
            "the code of accuracy has changed and its version has not: raise `version` in benchmarks/work/accuracy.py "
            "if numbers change; if not, show it by `tdam-bench check` and lock anew by `tdam-bench lock`",
        ),
        (Locked(1, "a"), Locked(2, "b"), "version 2 of accuracy is not locked (1 is): `tdam-bench lock`"),
        (Locked(1, "a"), Locked(2, "a"), "version 2 of accuracy is not locked (1 is): `tdam-bench lock`"),
        (
            Locked(2, "a"),
            Locked(1, "b"),
            "version 1 of accuracy is lower than the locked 2, and versions only rise: "
            "set `version` in benchmarks/work/accuracy.py to 2 or more",
        ),
        (None, Locked(1, "a"), "accuracy is not in the lock: `tdam-bench lock`"),
        (Locked(1, "a"), None, "accuracy is in the lock but no longer in the code: `tdam-bench lock`"),
    ],
)
def test_each_difference_says_what_to_do(kept: Locked | None, current: Locked | None, line: str | None) -> None:
    before = {} if kept is None else {"accuracy": kept}
    now = {} if current is None else {"accuracy": current}
    where = dict.fromkeys(now, "benchmarks/work/accuracy.py")
    assert differences(before, now, where) == ([] if line is None else [line])


def test_differences_are_in_order_of_names() -> None:
    lines = differences({"b": Locked(1, "b")}, {"c": Locked(1, "c"), "a": Locked(1, "a")}, {"a": "a.py", "c": "c.py"})
    assert [line[0] for line in lines] == ["a", "b", "c"]
