"""The arrows between the folders, the words of each and the size of functions hold."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
STANDARD = sys.stdlib_module_names
# torch itself brings typing_extensions; safetensors is an optional format, imported where such a file is read.
ALLOWED = {
    "baselines": {"torch", "torchvision", "typing_extensions", "baselines", "safetensors"},
    "tdam": {"torch", "torchvision", "typing_extensions", "baselines", "tdam"},
}
# What one file alone may import besides: timm's users get the networks as timm models.
ALONE = {"tdam/timm.py": {"timm"}}
# From below: a file may import its own folder and those before it. A new folder has its place here.
ORDER = ("core", "data", "metrics", "networks", "measure", "work", "report", "papers", "suite")
LOOSE = {"__init__.py", "__main__.py", "cli.py"}
MAY_IMPORT_PAPERS = {"papers", "suite"}
WITHOUT_TORCH = ("report", "metrics")
# Words that only some folders may say, but for docstrings.
WORDS = {
    "the paper's": (re.compile(r"table\d|fig\d|searchlight|released|confident"), {"papers"}),
    "networks'": (re.compile(r"resnet\d|mobilenet|convnext"), {"papers", "networks"}),
    "data sets'": (re.compile(r"\b(cub|dogs|coco|imagenet)\b"), {"papers", "data"}),
}
SPOKEN = (tokenize.NAME, tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
CLOCKS = re.compile(r"perf_counter|process_time|monotonic|time\.time\b|time_ns\(|\.synchronize\(")
MOST_LINES, MOST_PARAMETERS, MOST_FOLDERS = 50, 6, 9
EVERYTHING = ("baselines", "benchmarks", "examples", "tdam", "tests")


def sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def folder_of(path: Path) -> str:
    """The folder of a file of benchmarks; empty for a loose one."""
    return path.relative_to(BENCHMARKS).parts[0] if path.parent != BENCHMARKS else ""


def imported(path: Path) -> set[str]:
    """Full names of what a file imports, anywhere in it, for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports relatively; name the whole module"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


# ---------------------------------------------------------------- arrows


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_stand_alone(package: str) -> None:
    """``tdam`` and ``baselines`` need torch and torchvision, and nothing of the suite."""
    for path in sources(package):
        roots = {name.partition(".")[0] for name in imported(path)} - STANDARD
        assert roots <= ALLOWED[package] | ALONE.get(path.relative_to(ROOT).as_posix(), set()), path


def test_nothing_of_a_package_imports_what_one_file_alone_may() -> None:
    """Not through that file either: whoever wants it names it."""
    alone = {name.removesuffix(".py").replace("/", ".") for name in ALONE}
    for path in sources("baselines", "tdam", "benchmarks"):
        named = imported(path) | {name.rpartition(".")[0] for name in imported(path)}
        assert not named & alone, path


def test_every_folder_has_its_place() -> None:
    folders = {path.name for path in BENCHMARKS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ORDER)
    assert len(folders) <= MOST_FOLDERS
    assert {path.name for path in BENCHMARKS.iterdir() if path.is_file()} == LOOSE


def test_imports_run_downwards() -> None:
    """A file imports its own folder and those below; papers are named by ``suite`` only, else loaded by their name."""
    for path in sources("benchmarks"):
        own = folder_of(path)
        below = ORDER[: ORDER.index(own) + 1] if own else ORDER
        allowed = {one for one in below if one != "papers" or own in MAY_IMPORT_PAPERS}
        for name in imported(path):
            package, _, rest = name.partition(".")
            if package != "benchmarks":
                continue
            folder = rest.partition(".")[0]
            assert folder in allowed or (path.name, folder) == ("__main__.py", "cli"), f"{path} imports {name}"


def test_papers_are_loaded_by_name_in_one_place() -> None:
    naming = [path for path in sources("benchmarks") if any("benchmarks.papers" in text for text in spoken(path))]
    assert [path.relative_to(BENCHMARKS).as_posix() for path in naming if folder_of(path) not in MAY_IMPORT_PAPERS] == [
        "report/paper.py"
    ]


def test_no_torch_where_it_is_not_needed() -> None:
    for path in sources(*(f"benchmarks/{folder}" for folder in WITHOUT_TORCH)):
        assert not {name.partition(".")[0] for name in imported(path)} & {"torch", "torchvision"}, path


def modules_after(code: str) -> set[str]:
    """The modules that a Python process has loaded after a piece of code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(done.stdout.split())


def test_help_needs_no_torch() -> None:
    """The command line imports torch only where a command needs it."""
    assert not modules_after("import benchmarks.cli") & {"torch", "pandas", "matplotlib"}


def test_kinds_of_work_are_cheap_to_import() -> None:
    """The command line makes its options from them."""
    heavy = {"torch", "torchvision", "numpy", "pandas", "PIL", "scipy", "matplotlib"}
    assert not modules_after("import benchmarks.work.kinds") & heavy


# ---------------------------------------------------------------- words


def docstring_lines(tree: ast.AST) -> set[int]:
    """The lines that docstrings begin at."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, owners) and node.body]
    texts = [one for one in first if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)]
    return {one.lineno for one in texts if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)}


def spoken(path: Path) -> Iterator[str]:
    """A file's names, strings and comments, without its docstrings."""
    text = path.read_text()
    docstrings = docstring_lines(ast.parse(text))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in SPOKEN and not (token.type == tokenize.STRING and token.start[0] in docstrings):
            yield token.string


@pytest.mark.parametrize("whose", WORDS)
def test_words_stay_in_their_folders(whose: str) -> None:
    """The suite works for any paper: what it is on stands in ``papers``, networks and data where they are made."""
    words, allowed = WORDS[whose]
    said = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources("benchmarks")
        if folder_of(path) not in allowed
        for text in spoken(path)
        if words.search(text.lower())
    ]
    assert not said


def test_templates_know_no_paper() -> None:
    """The page's frame, its style and its script are any paper's."""
    words, _ = WORDS["the paper's"]
    files = sorted((BENCHMARKS / "report" / "templates").iterdir())
    assert len(files) == 3
    assert [
        (path.name, words.findall(path.read_text().lower())) for path in files if words.search(path.read_text().lower())
    ] == []


def test_clocks_stay_in_measure() -> None:
    """Only ``measure/``, and ``suite/`` of its own code, time anything or synchronise a device."""
    for path in sources("baselines", "tdam", "benchmarks"):
        if not {"measure", "suite"} & set(path.parts):
            assert not CLOCKS.search(path.read_text()), path


# ---------------------------------------------------------------- functions


def functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """The functions of a file, and where each stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of a function's parameters but ``self`` and ``cls``."""
    every = (*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg)
    return [one.arg for one in every if one is not None and one.arg not in ("self", "cls")]


def test_functions_are_short() -> None:
    for path in sources(*EVERYTHING):
        for node, where in functions(path):
            assert (node.end_lineno or 0) - node.lineno < MOST_LINES, where


def test_functions_take_few_parameters() -> None:
    """Constructors may take more; what belongs together is one."""
    for path in sources(*EVERYTHING):
        for node, where in functions(path):
            assert node.name == "__init__" or len(parameters(node)) <= MOST_PARAMETERS, where
