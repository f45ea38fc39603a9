"""Hashes what code does: all source files that modules reach by imports, whatever their names, folders and layout.

The hash is taken over the sorted hashes of all top-level statements of these files. So a function may move from one
file to another, and a file may be renamed or reformatted, without a change; a constant that changes in a helper of a
helper changes it. Import statements are left out: what they bring in counts by its own file, and other packages count
by their versions, which a record's inputs name. Modules that are imported by a computed name are not seen.

Needs the standard library only, and gives the same hash under every Python from 3.10 on:
``python -m benchmarks.core.code MODULE...``
"""

import argparse
import ast
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "tdam", "baselines")
# Not what code does: whether a name is read or written follows from its place, the others are remarks.
REMARKS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
BODIES = frozenset({"body", "orelse", "finalbody"})


@dataclass(frozen=True)
class Import:
    """One module that a file imports, as it is written there.

    Attributes:
        module: Name after ``import`` or ``from``; empty in ``from . import name``.
        level: How many dots lead the name.
        names: What is taken out of the module, each a name in it or a module below it.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """What counts of one file.

    Attributes:
        statements: Hash of each top-level statement, imports excepted.
        imports: All imports that can run, those inside functions too.
    """

    statements: tuple[str, ...]
    imports: tuple[Import, ...]


def code_hash(modules: Iterable[str], folders: Mapping[str, Path] | None = None, without: Iterable[str] = ()) -> str:
    """Hash of what modules and all that they import do, 16 hexadecimal digits.

    Args:
        modules: Full names.
        folders: As :func:`reached` takes them.
        without: Likewise.

    Returns:
        Equal for code that differs in comments, docstrings, layout, file names and folders only.

    Raises:
        ValueError: As :func:`reached`.
        SyntaxError: Likewise.
    """
    statements = [statement for file in reached(modules, folders, without) for statement in source_at(file).statements]
    return hashlib.sha256("\n".join(sorted(statements)).encode()).hexdigest()[:16]


def reached(
    modules: Iterable[str], folders: Mapping[str, Path] | None = None, without: Iterable[str] = ()
) -> list[Path]:
    """Source files that run when modules are imported or when a function in them imports more.

    Args:
        modules: Full names of modules of the repository's packages or of those in ``folders``.
        folders: More top-level packages to follow, folders by package name; one of a name that the repository has
            takes its place.
        without: Full names of modules that are neither counted nor followed.

    Returns:
        Their files in order of their paths, with the ``__init__`` of every package on the way.

    Raises:
        ValueError: No such module in these packages, or no such folder.
        SyntaxError: A file is not valid Python.
    """
    packages = {**{name: ROOT / name for name in PACKAGES}, **(folders or {})}
    known: dict[str, Path | None] = {}
    for package, folder in packages.items():
        known.update(modules_in(package, folder))
    left_out, seen = set(without), set[str]()
    waiting = [(module, "asked for") for module in modules]
    while waiting:
        module, why = waiting.pop()
        if module in seen or module in left_out:
            continue
        if module not in known:
            raise ValueError(
                f"no module {module!r} ({why}) in the packages {', '.join(packages)}: "
                "correct the name, or pass its package's folder"
            )
        seen.add(module)
        if "." in module:
            waiting.append((module.rpartition(".")[0], why))
        waiting += [(name, f"imported by {module}") for name in imported(module, known)]
    return sorted({file for file in (known[module] for module in seen) if file is not None})


def modules_in(package: str, folder: Path) -> dict[str, Path | None]:
    """All modules of a package.

    Args:
        package: Its name.
        folder: Where it lies.

    Returns:
        Files by full module name, the package's own first; None for a folder without ``__init__``.

    Raises:
        ValueError: No such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"package {package!r} was said to lie in {folder}, which is no folder: pass the folder it has")
    modules: dict[str, Path | None] = {}
    for place, below, files in os.walk(folder):
        below[:] = [name for name in below if name.isidentifier()]
        here = ".".join([package, *Path(place).relative_to(folder).parts])
        # As Python has it: a package goes before a module, which goes before a folder without __init__.
        modules.setdefault(here, None)
        for name in files:
            stem, suffix = os.path.splitext(name)
            if suffix == ".py":
                modules[here if stem == "__init__" else f"{here}.{stem}"] = Path(place, name)
    return modules


def imported(module: str, known: Mapping[str, Path | None]) -> Iterator[str]:
    """Modules of known packages that one of them imports, before it is asked whether they exist.

    Args:
        module: Full name, a known one.
        known: Files by full module name.

    Yields:
        Full names.

    Raises:
        ValueError: A relative import leaves the top-level package.
        SyntaxError: The file is not valid Python.
    """
    file = known[module]
    if file is None:
        return
    for statement in source_at(file).imports:
        base = absolute(statement, module, file.stem == "__init__")
        if base.partition(".")[0] not in known:
            continue
        yield base
        for name in statement.names:
            if name == "*":  # what a star takes is settled at run time, so all that it could take counts
                yield from (other for other in known if other.rpartition(".")[0] == base)
            elif f"{base}.{name}" in known:
                yield f"{base}.{name}"


def absolute(statement: Import, module: str, is_package: bool) -> str:
    """Full name of the module that an import names.

    Args:
        statement: The import.
        module: Full name of the module that holds it.
        is_package: Whether that is an ``__init__``.

    Returns:
        The name; it need not be one of ours, nor exist.

    Raises:
        ValueError: More leading dots than packages around the module.
    """
    if statement.level == 0:
        return statement.module
    parts = module.split(".")
    length = len(parts) - statement.level + is_package
    if length < 1:
        dots = "." * statement.level
        raise ValueError(f"{module} imports from {dots}{statement.module}, outside its package: use fewer dots")
    return ".".join([*parts[:length], *([statement.module] if statement.module else [])])


def source_at(file: Path) -> Source:
    """What counts of a file; one that has not changed is read once.

    Args:
        file: A source file.

    Returns:
        Its statements' hashes and its imports.

    Raises:
        SyntaxError: The file is not valid Python.
    """
    stat = file.stat()
    return source_of_content(file, stat.st_mtime_ns, stat.st_size)


@functools.cache
def source_of_content(file: Path, modified: int, size: int) -> Source:
    """What counts of a file as it was at that time.

    Args:
        file: A source file.
        modified: When it was written, in nanoseconds.
        size: Its size in bytes.

    Returns:
        Its statements' hashes and its imports.

    Raises:
        SyntaxError: The file is not valid Python.
    """
    tree = ast.parse(file.read_bytes(), str(file))  # bytes: the parser knows encodings
    imports: list[Import] = []
    statements = []
    for statement in what_runs(tree.body, imports):
        pieces: list[str] = []
        write(statement, pieces, imports)
        statements.append(hashlib.sha256("".join(pieces).encode()).hexdigest())
    return Source(tuple(statements), tuple(imports))


def what_runs(body: Iterable[ast.stmt], imports: list[Import]) -> list[ast.stmt]:
    """Statements of a body that do something, imports excepted.

    Args:
        body: Statements.
        imports: Where the body's imports are noted.

    Returns:
        The others, without docstrings, ``pass`` and what only type checkers read.
    """
    kept: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Import):
            imports += [Import(alias.name) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            names = tuple(alias.name for alias in statement.names)
            imports.append(Import(statement.module or "", statement.level, names))
        elif isinstance(statement, ast.If) and (checked := is_type_checking(statement.test)) is not None:
            kept += what_runs(statement.orelse if checked else statement.body, imports)
        elif not does_nothing(statement):
            kept.append(statement)
    return kept


def does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is ``pass`` or a text that stands alone: a docstring, or a remark in the form of one."""
    return isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and is_text(statement.value))


def is_text(node: ast.AST) -> bool:
    """Whether an expression is a literal text, without anything to fill in."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_type_checking(test: ast.expr) -> bool | None:
    """Whether a condition holds for type checkers only.

    Args:
        test: The condition of an ``if``.

    Returns:
        True for ``TYPE_CHECKING``, False for ``not TYPE_CHECKING``, None for any other.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = is_type_checking(test.operand)
        return None if inner is None else not inner
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return True if name == "TYPE_CHECKING" else None


def write(value: object, pieces: list[str], imports: list[Import]) -> None:
    """Write a syntax tree as text that equal code shares under every Python: classes, fields and plain values.

    A field that is None or empty is left out, for later Pythons add such fields.

    Args:
        value: A node, or what a field of one holds.
        pieces: Where the text goes, piece by piece.
        imports: Where imports below the node are noted.
    """
    if isinstance(value, ast.Constant):
        # In brackets, for a bare None means that there is nothing: {None: a} is not {**a}.
        pieces.append(f"({plain(value.value)})")
    elif isinstance(value, ast.AST):
        pieces.append(f"{type(value).__name__}(")
        for field in that_count(value._fields):
            content = content_of(value, field, imports)
            if content is not None and content != []:
                pieces.append(f"{field}=")
                write(content, pieces, imports)
        pieces.append(")")
    elif isinstance(value, list):
        pieces.append("[")
        for item in value:
            write(item, pieces, imports)
            pieces.append(",")
        pieces.append("]")
    else:
        pieces.append(f"{plain(value)};")


@functools.cache
def that_count(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a class's fields that count, sorted, for their order is each Python's own."""
    return tuple(sorted(set(fields) - REMARKS))


def content_of(node: ast.AST, field: str, imports: list[Import]) -> object:
    """What a node's field holds, in the one form that all Pythons share.

    Args:
        node: The node.
        field: One of its fields.
        imports: Where imports below the node are noted.

    Returns:
        A node, a list, a plain value, or None for nothing.
    """
    content: object = getattr(node, field, None)
    if isinstance(content, list):
        if field in BODIES:
            return what_runs(content, imports)
        if isinstance(node, ast.JoinedStr):
            return merged(content)
    elif field == "format_spec" and isinstance(content, ast.JoinedStr) and not merged(content.values):
        return None
    return content


def merged(values: Iterable[ast.expr]) -> list[ast.expr]:
    """Parts of an f-string, whose texts each Python splits in its own way.

    Args:
        values: Texts and what is filled in.

    Returns:
        The same without empty texts, and with no two texts side by side.
    """
    parts: list[ast.expr] = []
    for value in values:
        last = parts[-1] if parts else None
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            parts.append(value)
        elif isinstance(last, ast.Constant):
            parts[-1] = ast.Constant(f"{last.value!s}{value.value}")
        elif value.value:
            parts.append(value)
    return parts


def plain(value: object) -> str:
    """A plain value with its type as ASCII text: 1, 1.0, True and '1' all differ.

    Args:
        value: A name, or what a literal stands for.

    Returns:
        The text; which characters count as printable, and how long a decimal number may be, differs among Pythons, so
        neither matters to it.
    """
    text = hex(value) if isinstance(value, int) else ascii(value)
    return f"{type(value).__name__} {text}"


def main() -> None:
    """Print the hash of the modules that the command line names, and their names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.core.code", description="Hash what modules do.")
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="full name, such as benchmarks.work.training")
    modules = parser.parse_args().modules
    try:
        print(code_hash(modules), *modules)
    except (ValueError, SyntaxError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
