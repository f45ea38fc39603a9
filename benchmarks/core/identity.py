"""What a record's validity rests on besides its cell: versions of code, of networks and of libraries."""

import ast
import functools
import hashlib
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent
MODEL_PACKAGES = ("baselines", "tdam")
# Not followed: the registry knows all attentions, and a network is made of one, which is found by its class; reading
# weights is no part of a network.
NOT_FOLLOWED = ("baselines.attentions", "baselines.checkpoints")


@functools.cache
def code_version(*parts: str) -> str:
    """Hash of what source files do, 12 hexadecimal digits: comments, docstrings and layout do not count.

    Args:
        parts: Files or folders, relative to ``benchmarks/``; ``..`` reaches the model packages.
    """
    paths = [PACKAGE / part for part in parts]
    return digest_of([file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))])


@functools.cache
def network_version(name: str, size: str) -> str:
    """Hash of what decides a network: its name, its size's options, and the code that it is made of, 12 digits.

    Only files of its own parts count, so a new attention or a change in another backbone leaves records valid.

    Args:
        name: As ``benchmarks.networks.models.create`` takes it.
        size: Likewise.

    Raises:
        ValueError: As ``create``.
    """
    from benchmarks.networks.models import attention_modules, constructor_of, parse, size_options

    backbone = parse(name)["backbone"]
    modules = with_imports([constructor_of(name).__module__, *attention_modules(name)])
    options = repr(sorted(size_options(backbone, size).items()))
    packages = foreign_packages(modules)
    return digest_of([source_of(module) for module in sorted(modules)], name, options, *packages)


def foreign_packages(modules: Iterable[str]) -> list[str]:
    """Name and version of the installed packages, other than the suite, that modules belong to."""
    roots = sorted({module.partition(".")[0] for module in modules} - set(MODEL_PACKAGES))
    # Asking for all installed packages takes a second.
    installed = metadata.packages_distributions() if roots else {}
    return [f"{root} {metadata.version(installed[root][0])}" for root in roots if root in installed]


def with_imports(modules: Iterable[str]) -> set[str]:
    """Modules of the model packages and, of these packages, all that they import, directly or not."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or module in NOT_FOLLOWED:
            continue
        found.add(module)
        waiting += imports(source_of(module))
    return found


@functools.cache
def imports(file: Path) -> tuple[str, ...]:
    """Modules of the model packages that a file imports from."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    return tuple(str(node.module) for node in nodes if (node.module or "").partition(".")[0] in MODEL_PACKAGES)


def source_of(module: str) -> Path:
    """A model package's file by its module's name; a plug-in's by where it was imported from."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    return path if path.exists() else Path(str(sys.modules[module].__file__))


def digest_of(files: Iterable[Path], *texts: str) -> str:
    """Hash of what files do and of texts, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(what_it_does(file).encode())
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()[:12]


@functools.cache
def what_it_does(file: Path) -> str:
    """A source file's syntax tree without comments, docstrings and layout."""
    return ast.dump(without_docstrings(ast.parse(file.read_text())))


def without_docstrings(tree: ast.Module) -> ast.Module:
    """A module's syntax tree without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages."""
    return {package: metadata.version(package) for package in packages}
