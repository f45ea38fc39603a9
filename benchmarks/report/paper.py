"""A paper as a value: its experiments, numbers, claims, profiles, rules and names.

The suite is given one and knows none.
"""

import csv
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell
from benchmarks.work.profiles import Profile
from benchmarks.work.session import Session

if TYPE_CHECKING:
    from benchmarks.metrics.rules import Rules
    from benchmarks.report.claims import Claim
    from benchmarks.report.evidence import Evidence
    from benchmarks.report.layout import Table
    from benchmarks.report.plots import Captioned
    from benchmarks.report.sources import Source
    from benchmarks.work.probe import Probe

# Of a checkout, or of the installed package, which has the same folders.
ROOT = Path(__file__).resolve().parents[2]
PAPERS = "benchmarks.papers"
CLAIMS = "claims"


def require_checkout(path: Path) -> None:
    """Refuse to change the project's own files where they are those of an installed package.

    Args:
        path: What would be changed; elsewhere it may.

    Raises:
        ValueError: It belongs to an installed package.
    """
    if path.is_relative_to(ROOT) and not (ROOT / "pyproject.toml").is_file():
        raise ValueError(f"{path} belongs to an installed package and stays as it is; do this in a checkout")


@dataclass(frozen=True)
class Experiment:
    """One table or figure of a paper.

    Attributes:
        title: One line.
        time: How long it takes, on named hardware.
        cells: All cells under a session's settings.
        table: Its numbers from records.
        figures: Draws its figures, also those that nothing is measured of; None where it has none.
    """

    title: str
    time: str
    cells: Callable[[Session], list[Cell]]
    table: "Callable[[Evidence], Table]"
    figures: "Callable[[Evidence], Iterable[Captioned]] | None" = None


@dataclass(frozen=True)
class Gate:
    """What the gate of a paper runs.

    Attributes:
        profile: Its settings.
        cells: Its cells, under a session of that profile.
        reference: Folder of the records that it compares with.
        weights: Folder of the trained networks that it looks at, ``<model>.safetensors``; None where it looks at none.
        networks: Their names.
        trained_by: Name of the profile that they are trained by.
        on_disk: The cells of a session's models, of given weights, under a session of a profile of data on disk; None
            where there are none.
    """

    profile: Profile
    cells: Callable[[Session], list[Cell]]
    reference: Path
    weights: Path | None = None
    networks: tuple[str, ...] = ()
    trained_by: str = ""
    on_disk: Callable[[Session], list[Cell]] | None = None


@dataclass(frozen=True)
class Part:
    """A part of a reference.

    Attributes:
        experiment: Name of the experiment.
        seeds: How many, from 0.
        models: Those of the experiment's that are measured, None for all.
    """

    experiment: str
    seeds: int
    models: tuple[str, ...] | None = None

    def __str__(self) -> str:
        models = f", {len(self.models)} models" if self.models is not None else ""
        return f"{self.experiment}, {self.seeds} seeds{models}"


@dataclass(frozen=True)
class Reference:
    """What is measured of a paper to stand behind it.

    Attributes:
        profile: Name of its profile.
        folder: Of its records, below the repository.
        parts: In the order in which they are measured.
    """

    profile: str
    folder: str
    parts: Callable[[], Sequence[Part]]


@dataclass(frozen=True)
class Paper:
    """A paper. Importing it costs little; whatever needs numpy or torch is behind a callable.

    Attributes:
        name: Its folder's name.
        title: What the page asks.
        cited: Name, venue and year.
        program: How the suite is called on it, for the commands that gaps name.
        package: Where its modules are.
        numbers: Folder of the paper's numbers, CSV as printed.
        experiments: Names of its tables and figures, each a module of the package (with ``_`` for ``-``) that offers an
            ``EXPERIMENT``.
        profiles: By name, the one that is run by default first.
        rules: Its step and box rules.
        families: Color and marker of each method family in plots.
        claims: Its testable statements.
        claim_rules: Names of the step rule that claims are judged by and of the one that is told beside it.
        probes: Small computations that the gate compares, by name.
        gate: What the gate runs, None where there is none.
        reference: What is measured of it to stand behind it, None where nothing is.
        lock: File of the locked versions of the kinds of work, None where the paper keeps none.
        costs: Its printed parameters and FLOPs (``params_m``, ``flops_g``) by model.
        fitted: Networks of which a choice of ours was fitted to the printed counts, and which choice.
        units: What it means by M and G.
        convention: The counter of FLOPs that stands against them.
        deviations: Markdown on what the paper, its authors' code and the suite do differently, or None.
        sources: Papers that its networks come from, by the part of a network's name that tells it: the module of the
            backbone, the attention, ``feedback``.
    """

    name: str
    title: str
    cited: str
    package: str
    numbers: Path
    experiments: tuple[str, ...]
    profiles: Mapping[str, Profile]
    rules: "Callable[[], Rules]"
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    claims: "Callable[[], tuple[Claim, ...]]" = tuple
    claim_rules: tuple[str, str] = ("last", "last")
    probes: "Callable[[], Mapping[str, Probe]]" = dict
    gate: Gate | None = None
    reference: Reference | None = None
    lock: Path | None = None
    costs: Callable[[], Mapping[str, Mapping[str, str]]] = dict
    fitted: Callable[[], Mapping[str, str]] = dict
    units: tuple[float, float] = (1e6, 1e9)
    convention: str = "fvcore"
    deviations: Path | None = None
    program: str = "tdam-bench"
    sources: "Callable[[], Mapping[str, Source]]" = dict

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be shown: the experiments, and the claims."""
        return (*self.experiments, CLAIMS) if self.claims is not tuple else self.experiments

    def experiment(self, name: str) -> Experiment:
        """An experiment by its name.

        Raises:
            ValueError: There is none of that name.
        """
        if name not in self.experiments:
            raise ValueError(f"unknown experiment {name!r}; choose one of {', '.join(self.names)}")
        module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        experiment: Experiment = module.EXPERIMENT
        return experiment


def load_paper(where: str) -> Paper:
    """A paper by the name of its folder in ``benchmarks/papers``, or by the path of a folder elsewhere.

    Raises:
        ValueError: There is none, and the message says which there are; or its modules cannot be imported.
    """
    folder = Path(where)
    known = sorted(path.parent.name for path in (ROOT / "benchmarks" / "papers").glob("*/__init__.py"))
    if where in known:
        module = importlib.import_module(f"{PAPERS}.{where}")
    elif (folder / "__init__.py").is_file():
        # Child processes take over the path, and find the paper's modules by it.
        parent, name = str(folder.resolve().parent), folder.resolve().name
        forget_namesake(name, folder.resolve())
        sys.path[:] = [parent, *(one for one in sys.path if one != parent)]
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise ValueError(
                f"the paper {where} cannot be loaded ({type(error).__name__}: {error}); mend it"
            ) from error
    else:
        raise ValueError(
            f"unknown paper {where!r}; choose one of {', '.join(known)}, or a folder whose __init__.py has a PAPER"
        )
    paper = getattr(module, "PAPER", None)
    if not isinstance(paper, Paper):
        raise ValueError(f"{where} has no PAPER; its __init__.py must hold one, see benchmarks/report/paper.py")
    return paper


def forget_namesake(name: str, folder: Path) -> None:
    """Let a paper that was loaded from a folder of the same name elsewhere, such as a copy, be none of this one.

    Raises:
        ValueError: What has the name is no paper.
    """
    namesake = sys.modules.get(name)
    if namesake is None or Path(namesake.__file__ or "").parent == folder:
        return
    if not hasattr(namesake, "PAPER"):
        raise ValueError(f"the paper {folder} has the name of a module of Python, {name}; give its folder another")
    for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()


def read_numbers(folder: Path, table: str) -> list[dict[str, str]]:
    """Rows of one of a paper's tables, values as printed; an empty string where the paper prints none.

    Raises:
        FileNotFoundError: There is no such table.
    """
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
