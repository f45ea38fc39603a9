"""The paper's tables and figures, one file each; a new one adds a line here."""

import ast
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from benchmarks.core.records import Cell, Record
from benchmarks.work.session import Session


class Experiment(Protocol):
    """What an experiment's module offers."""

    TITLE: str
    TIME: str

    def cells(self, session: Session) -> list[Cell]:
        """All cells of the experiment under the session's profile."""

    def render(self, session: Session, records: Sequence[Record], folder: Path) -> list[Path]:
        """Write the experiment's tables and figures; returns the files."""

    def table_text(self, session: Session, records: Sequence[Record]) -> str:
        """The experiment's table for a terminal."""


EXPERIMENTS = (
    "table1",
    "efficiency",
    "table4",
    "fig4",
    "table7-wsol",
    "table7-tasks",
    "fig5",
    "fig8",
    "supplement",
    "selectivity",
    "claims",
)


def module_name(name: str) -> str:
    """The file of an experiment: its name, in which Python allows no hyphen."""
    return name.replace("-", "_")


def describe(name: str) -> tuple[str, str]:
    """Title and time of an experiment, read from its source: listing must not wait for plotting libraries."""
    tree = ast.parse((Path(__file__).parent / f"{module_name(name)}.py").read_text())
    found = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("TITLE", "TIME")
    }
    return found["TITLE"], found["TIME"]


def find(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}; choose one of {', '.join(EXPERIMENTS)}")
    return cast(Experiment, importlib.import_module(f"benchmarks.papers.tdam.{module_name(name)}"))
