"""What is asked of a paper: which experiments, kinds of work, image sets and tasks, and the cells that these have."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.core.records import Cell
from benchmarks.report.paper import CLAIMS, Paper
from benchmarks.work.kinds import KINDS
from benchmarks.work.session import Session


@dataclass(frozen=True)
class Chosen:
    """Which cells of experiments are meant.

    Attributes:
        tasks: Kinds of work, None for all.
        splits: Which of the paper's image sets networks are evaluated on, by the paper's columns; None for all.
        targets: What networks are fine-tuned for, by the profile's names; None for all.
    """

    tasks: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None


def chosen_names(paper: Paper, names: Sequence[str]) -> tuple[str, ...]:
    """The experiments named, or all, and the claims.

    Raises:
        ValueError: There is none of a name.
    """
    for name in names:
        if name not in paper.names:
            raise ValueError(f"unknown experiment {name!r}; choose one of {', '.join(paper.names)}")
    return tuple(names) or paper.names


def cells_of(paper: Paper, names: Sequence[str], chosen: Chosen, session: Session) -> list[Cell]:
    """The cells of experiments, of the chosen kinds of work, image sets and targets.

    Raises:
        ValueError: There is no such kind, image set or target.
    """
    sets, targets = session.profile.splits, session.profile.transfers
    asked = (
        ("kind of work", chosen.tasks, KINDS),
        ("image set", chosen.splits, sets),
        ("target", chosen.targets, targets),
    )
    for what, given, known in asked:
        unknown = [name for name in given or () if name not in known]
        if unknown:
            among = ", ".join(known) or "none: the profile has none"
            raise ValueError(f"unknown {what} {unknown[0]!r}; choose of {among}")
    left_out = {data for name, data in sets.items() if chosen.splits is not None and name not in chosen.splits}
    left_out |= {session.profile.looks} if sets.get("v1") in left_out else set()
    cells = [cell for name in names if name != CLAIMS for cell in paper.experiment(name).cells(session)]
    wanted = [cell for cell in cells if chosen.tasks is None or cell.kind in chosen.tasks]
    if chosen.targets is not None:
        wanted = [cell for cell in wanted if cell.options.get("target") in (None, *chosen.targets)]
    return [cell for cell in wanted if cell.options.get("data") not in left_out]


def profile_on_disk(paper: Paper, uses: Sequence[str]) -> str:
    """Name of the profile of data on disk, if all uses are experiments of the paper or kinds of work.

    Raises:
        ValueError: One is neither, or no profile is of data on disk.
    """
    allowed = [*(name for name in paper.names if name != CLAIMS), *KINDS]
    unknown = next((use for use in uses if use not in allowed), None)
    if unknown is not None:
        raise ValueError(f"nothing is known of {unknown!r}; choose of {', '.join(allowed)}")
    profile = next((name for name, one in paper.profiles.items() if one.papers_data), None)
    if profile is None:
        raise ValueError(f"no profile of the paper {paper.name} is of data on disk; leave --for out")
    return profile


def cells_for(paper: Paper, uses: Sequence[str], chosen: Chosen, session: Session) -> list[Cell]:
    """The cells of experiments and, of whatever experiment, of kinds of work.

    The reduced data set is asked for by the experiments that have one alone.

    Raises:
        ValueError: As :func:`cells_of`.
    """
    experiments = [name for name in paper.names if name != CLAIMS]
    named = cells_of(paper, [use for use in uses if use in experiments], chosen, session)
    reduced = {session.profile.reduced.train, session.profile.reduced.val}
    every = cells_of(paper, experiments, chosen, session)
    return [*named, *(cell for cell in every if cell.kind in uses and reduced.isdisjoint(cell.options.values()))]
