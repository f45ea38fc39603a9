"""What a run says first: what it will do, what it cannot and why, and what that takes. Planning needs no torch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.core.records import Cell, Record
from benchmarks.data.errors import DataError
from benchmarks.report.paper import CLAIMS, Paper
from benchmarks.work.demand import Rates, demand, shows_images
from benchmarks.work.forecast import Forecast, Took, forecast, of_its_device, spread
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import Planned, in_order, plan
from benchmarks.work.session import Session
from benchmarks.work.weights import data_command

# The name in whose place a reason or command holds for several networks.
ANY_MODEL = "MODEL"
FEW = 4


@dataclass(frozen=True)
class Opening:
    """What a run says before its first cell.

    Attributes:
        lines: The plan.
        refused: Whether nothing of what was asked for can be run.
    """

    lines: Sequence[str]
    refused: bool


def opening(paper: Paper, names: Sequence[str], cells: Sequence[Cell], session: Session) -> Opening:
    """The plan of a run.

    Nothing is run where every cell that looks at images is blocked, unless an experiment without such cells was named.

    Args:
        paper: The paper.
        names: The experiments that the user named, none for all.
        cells: Their cells, of the chosen kinds of work.
        session: The run's settings.
    """
    cells = in_order(cells)
    shown, others = [cell for cell in cells if shows_images(cell)], [cell for cell in cells if not shows_images(cell)]
    looked = with_idle_waits(plan(shown, session))
    blocked = [one for one in looked if one.state == "blocked"]
    if is_idle(paper, names, looked, session):
        return Opening(refusal(paper, names, blocked, others, session), refused=True)
    planned = [*looked, *plan(others, session)]
    lines = [f"{len(cells)} cells: {', '.join(counted(planned)) or 'nothing to do'}", *reasons(blocked, session)]
    return Opening([*lines, *needs(paper, names, planned, session)], refused=False)


def needs(paper: Paper, names: Sequence[str], planned: Sequence[Planned], session: Session) -> list[str]:
    """Time, disk and memory of a run, a line each; none where it does nothing.

    Args:
        paper: The paper.
        names: The experiments that the user named, none for all.
        planned: Their cells.
        session: The run's settings.

    Raises:
        DataError: Images are needed that are not there, of which a cell that waits for another one tells nothing.
    """
    planned = with_idle_waits(planned)
    left = [one.cell for one in planned if one.state in ("run", "wait")]
    if not left or is_idle(paper, names, [one for one in planned if shows_images(one.cell)], session):
        return []
    records = of_its_device(session.store.records(), session)
    told = [paper.experiment(name).time for name in names if name != CLAIMS]
    # Of jobs that run side by side `plan --gpu-hours` tells.
    what = "time, one job after the other" if session.elsewhere else "time"
    return [f"{what}: {time_of(left, records, told, session)}", *demand(left, records, session).lines()]


def is_idle(paper: Paper, names: Sequence[str], looked: Sequence[Planned], session: Session) -> bool:
    """Whether a run is refused: all of its cells that look at images are blocked, and no others were asked for."""
    blocked = bool(looked) and all(one.state == "blocked" for one in looked)
    return blocked and not asked_alone(paper, names, session)


def with_idle_waits(planned: Sequence[Planned]) -> list[Planned]:
    """A plan in which what waits for networks is blocked, where the run trains none: by its choice of kinds of work."""
    if any(one.state == "run" and KINDS[one.cell.kind].longer is not None for one in planned):
        return list(planned)
    return [replace(one, state="blocked") if one.state == "wait" else one for one in planned]


def asked_alone(paper: Paper, names: Sequence[str], session: Session) -> bool:
    """Whether an experiment was named that looks at no image."""
    named = [paper.experiment(name).cells(session) for name in names if name != CLAIMS]
    return any(not any(map(shows_images, cells)) for cells in named)


def refusal(
    paper: Paper, names: Sequence[str], blocked: Sequence[Planned], others: Sequence[Cell], session: Session
) -> list[str]:
    """Why nothing is run, and what mends it."""
    lines = [f"none of the {len(blocked)} cells that look at images can run:", *reasons(blocked, session)]
    if others:
        kinds = Counter(cell.kind for cell in others)
        what = " and ".join(f"{count} of {kind}" for kind, count in kinds.items())
        wanted = " ".join([paper.program, "run", *names, "--profile", session.profile.name, "--tasks", ",".join(kinds)])
        lines.append(f"{len(others)} other cells ({what}) need neither data nor weights: `{wanted}` runs them alone")
    return lines


def counted(planned: Sequence[Planned]) -> list[str]:
    """How many cells are in each state, by kind of work."""
    said = []
    for state, words in (("run", "to run"), ("wait", "to run after others"), ("done", "done"), ("blocked", "blocked")):
        kinds = Counter(one.cell.kind for one in planned if one.state == state)
        if kinds:
            by_kind = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            said.append(f"{kinds.total()} {words} ({by_kind})")
    return said


def reasons(blocked: Sequence[Planned], session: Session) -> list[str]:
    """Why cells are blocked, one line for each reason with the command that mends it."""
    grouped: dict[tuple[str, str], list[Cell]] = {}
    for one in blocked:
        why = [(one.reason, one.command), *lacking_data(one, session)]
        for reason, command in dict.fromkeys(why):
            key = general(reason, one.cell.model), general(command, one.cell.model)
            grouped.setdefault(key, []).append(one.cell)
    return [reason_line(*key, cells) for key, cells in grouped.items()]


def lacking_data(one: Planned, session: Session) -> list[tuple[str, str]]:
    """What a blocked cell lacks of data, where its reason is another; with the command that names their folder."""
    if "data" not in one.cell.options:
        return []
    try:
        session.image_set(str(one.cell.options["data"]))
    except DataError as error:
        return [(str(error), data_command(one.cell, session))]
    return []


def general(text: str, model: str) -> str:
    """A text that holds for any network: the name of this one, as a whole word, becomes ``ANY_MODEL``."""
    return " ".join(ANY_MODEL if word == model else word for word in text.split())


def reason_line(reason: str, command: str, cells: Sequence[Cell]) -> str:
    """A reason, how many cells it blocks, and what mends it."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    if len(models) == 1:
        reason, command = reason.replace(ANY_MODEL, models[0]), command.replace(ANY_MODEL, models[0])
    of = f", {ANY_MODEL} each of {several(models)}" if ANY_MODEL in reason and len(models) > 1 else ""
    kinds = Counter(cell.kind for cell in cells)
    count = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    mend = f": {command}" if command else ""
    return f"  blocked: {count}: {reason}{of}{mend}"


def several(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    shown = names if len(names) <= FEW + 1 else names[:FEW]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more


def time_of(left: Sequence[Cell], records: Sequence[Record], told: Sequence[str], session: Session) -> str:
    """How long cells will take: as long as like ones took, else by speed, else what their experiment says of itself.

    Args:
        left: What is to be run.
        records: What was measured before.
        told: What the experiments say of their time.
        session: The run's settings.
    """
    took = Took(records)
    unlike = [cell for cell in left if took.of(cell) is None]
    rates = Rates(records, session)
    by_speed = {cell: seconds for cell in unlike if (seconds := rates.seconds(cell)) is not None}
    predicted = forecast([cell for cell in left if cell not in by_speed], records, session)
    untold = f" ({told[0]})" if predicted.unknown and len(told) == 1 else ""
    rest = f"{predicted + Forecast(spread(by_speed, session), 0)}{untold}"
    measured = any(rates.speed(cell) is not None for cell in by_speed)
    how = "the speed measured here" if measured else f"a guess, {rates.guesses()}"
    return f"{rest}; {len(by_speed)} cells by {how}" if by_speed else rest
