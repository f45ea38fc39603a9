"""From the cells of a run to jobs: what runs in one go, on how many GPUs, after which others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.core.files import short_hash
from benchmarks.core.records import Cell
from benchmarks.work.kind import Kind
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import Planned, describe, in_order, plan
from benchmarks.work.session import WHOLE, Session

# Names of the jobs that run a cell, by the cell.
Makers = Mapping[Cell, tuple[str, ...]]
NONE: Makers = {}


@dataclass(frozen=True)
class Job:
    """Cells that run in one go.

    Attributes:
        cells: Of one kind of work and group.
        share: Which share of a pass's images it shows, of how many; ``WHOLE`` where it shows all, or is no pass.
        needs: Names of the jobs that train what it rests on.
        gpus: How many it takes.
    """

    cells: tuple[Cell, ...]
    share: tuple[int, int] = WHOLE
    needs: tuple[str, ...] = ()
    gpus: int = 0

    @property
    def name(self) -> str:
        """The same for the same work, whoever plans it and when."""
        return f"{self.cells[0].kind}-{short_hash([[cell.as_dict() for cell in self.cells], self.share])}"

    @property
    def alone(self) -> bool:
        """Whether nothing else may run on its host meanwhile."""
        return KINDS[self.cells[0].kind].alone

    @property
    def title(self) -> str:
        """For people."""
        own, all_of_them = self.share
        return describe(self.cells) + (f", share {own + 1} of {all_of_them}" if self.share != WHOLE else "")


def jobs_of(
    cells: Sequence[Cell], session: Session, gpus: int = 0, shares: int = 1, under_way: Makers = NONE
) -> tuple[list[Job], list[Planned]]:
    """The jobs of a run, in an order in which each comes after those that it needs.

    Args:
        cells: What the run is about.
        session: Its settings.
        gpus: Of each job that uses the session's device and whose work processes share.
        shares: Jobs that a pass over images is shared by.
        under_way: Names of the jobs that run some cells already.

    Returns:
        The jobs, and the cells that nothing of the run can make possible.
    """
    planned = plan(in_order(cells), session)
    blocked = [one for one in planned if one.state == "blocked"]
    makers, jobs = dict(under_way), list[Job]()
    for name, kind in KINDS.items():
        left = [one for one in planned if one.cell.kind == name and one.state in ("run", "wait")]
        awaited = {one.cell: one.awaits for one in left}
        blocked += [one for one in left if any(cell not in makers for cell in awaited[one.cell])]
        grouped: dict[object, list[Cell]] = {}
        for cell in (one.cell for one in left if one not in blocked):
            grouped.setdefault(kind.group(cell), []).append(cell)
        for group in grouped.values():
            resting = [cell for one in group for cell in (*awaited[one], *kind.rests_on(one, session))]
            needs = tuple(dict.fromkeys(job for cell in resting for job in makers.get(cell, ())))
            parts = shares if kind.divisible else 1
            own = [Job(tuple(group), (part, parts), needs, gpus_of(kind, gpus)) for part in range(parts)]
            jobs += own
            makers |= dict.fromkeys(group, tuple(job.name for job in own))
    return jobs, blocked


def gpus_of(kind: Kind, gpus: int) -> int:
    """How many GPUs a kind's jobs take of those that a job may have: one where its work is not shared by processes."""
    return (gpus if kind.shared else min(gpus, 1)) if kind.on_device else 0


def waves(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that are alike in what they need, are of one kind and take equally much, together: each is an array."""
    alike: dict[object, list[Job]] = {}
    for job in jobs:
        alike.setdefault((job.cells[0].kind, job.needs, job.gpus), []).append(job)
    return list(alike.values())
