"""The declared versions of a paper's kinds of work and rules, beside hashes of the code that each reaches."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.code import code_hash
from benchmarks.core.files import short_hash
from benchmarks.core.lock import Locked
from benchmarks.report.paper import ROOT, Paper
from benchmarks.work.kinds import KINDS

if TYPE_CHECKING:
    from benchmarks.metrics.rules import BoxRule, StepRule

RULES = "rules"
PACKAGES = ("baselines", "tdam")


def current_lock(paper: Paper) -> tuple[dict[str, Locked], dict[str, str]]:
    """Version and code of every kind of work and of the paper's rules, and the file that declares each.

    Returns:
        What would be locked now, and for each name the file in which its version stands, below the repository.
    """
    # Networks are found by their names, so none of their modules may be left out.
    modules = {name: {type(kind).__module__, *network_modules()} for name, kind in KINDS.items()}
    current = {name: Locked(kind.version, code_hash(sorted(modules[name]))) for name, kind in KINDS.items()}
    where = {name: file_of(type(kind).__module__) for name, kind in KINDS.items()}
    return {**current, RULES: locked_rules(paper)}, {**where, RULES: f"the Rules of {paper.package}"}


def locked_rules(paper: Paper) -> Locked:
    """The version of a paper's rules beside a hash of what they are and of the code that their functions reach."""
    rules = paper.rules()
    listed: list[StepRule | BoxRule] = [*rules.steps, rules.step_box, *rules.boxes]
    modules = {value.__module__ for rule in listed for value in vars(rule).values() if callable(value)}
    # The paper itself lies on the way to its rules and leads to all its tables, which no rule reads.
    code = code_hash(sorted(modules), without={paper.package} - modules)
    made_of = [[str(getattr(value, "__qualname__", value)) for value in vars(rule).values()] for rule in listed]
    return Locked(rules.version, short_hash([code, made_of]))


def network_modules() -> list[str]:
    """The modules of the packages that networks are built from."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).glob("*.py")) if file.stem != "__init__"]
    return [f"{file.parent.name}.{file.stem}" for file in files]


def file_of(module: str) -> str:
    """A module's file, below the repository."""
    return Path(str(sys.modules[module].__file__)).resolve().relative_to(ROOT).as_posix()
