"""What experiments cost in hours, GPU-hours and disk, and what of them decides most claims within so many GPU-hours."""

import contextlib
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.records import Cell
from benchmarks.data.errors import DataError
from benchmarks.report.claims import Claim
from benchmarks.report.evidence import SEEDS, Evidence, Query
from benchmarks.report.paper import Paper
from benchmarks.work.cluster.jobs import jobs_of
from benchmarks.work.demand import demand, in_bytes
from benchmarks.work.forecast import in_words, spread
from benchmarks.work.hours import How, Price, Prices, device_seconds, makespan
from benchmarks.work.kinds import KINDS
from benchmarks.work.preparation import image_sets
from benchmarks.work.rows import FEWEST_SEEDS
from benchmarks.work.runner import in_order, plan
from benchmarks.work.session import Session
from benchmarks.work.training import TrainingKind, held_out_of

if TYPE_CHECKING:
    from benchmarks.data.images import ImageSet

HOUR = 3600.0
# Choices looked at, at most, in search of the best one.
MOST_LOOKED_AT = 5_000
WIDTH = 14


@dataclass(frozen=True)
class Setting:
    """How cells are to be run, which decides how long they take.

    Attributes:
        jobs: That run at a time; None where one process runs all.
        gpus: Of each job whose work processes share.
        shares: Jobs that share a pass over images.
        told: Options of the commands that run them, besides those that are told by the cells and the session.
    """

    jobs: int | None = None
    gpus: int = 1
    shares: int = 1
    told: tuple[str, ...] = ()


class Budget:
    """A plan with its prices.

    Args:
        paper: The paper.
        cells: Those of its experiments, of the kinds of work that were chosen, by the experiment's name.
        session: The run's settings.
        setting: How they are to be run.
    """

    def __init__(self, paper: Paper, cells: Mapping[str, Sequence[Cell]], session: Session, setting: Setting) -> None:
        self.paper, self.session, self.setting = paper, session, setting
        self.by_name = cells
        self.cells = in_order(cell for own in cells.values() for cell in own)
        self.sized = with_expected(self.cells, session)
        self.records = session.store.records()
        planned = plan(self.cells, self.sized)
        self.awaits = {one.cell: one.awaits for one in planned}
        self.blocked = {one.cell: one.reason for one in planned if one.state == "blocked"}
        self.left = [one.cell for one in planned if one.state in ("run", "wait")]
        prices = Prices(self.records, self.sized)
        self.prices: dict[Cell, Price] = {cell: prices.of(cell) for cell in self.left}
        self.guesses = prices.rates.guesses()

    def hours(self, cells: Iterable[Cell]) -> float:
        """GPU-hours of those of some cells that are left."""
        return device_seconds([cell for cell in cells if cell in self.prices], self.prices) / HOUR

    def seconds(self, cells: Sequence[Cell]) -> float:
        """How long those of some cells that are left take, as they are to be run."""
        left = [cell for cell in cells if cell in self.prices]
        if self.setting.jobs is not None:
            jobs, _ = jobs_of(self.closed(left), self.sized, self.setting.gpus, self.setting.shares)
            return makespan(jobs, self.prices, self.setting.jobs)
        return spread({cell: self.prices[cell].seconds for cell in left}, self.session)

    def line(self, name: str, cells: Sequence[Cell]) -> str:
        """One experiment, or all of them."""
        left = [cell for cell in cells if cell in self.prices]
        blocked = sum(cell in self.blocked for cell in cells)
        if not left:
            return f"{name:<{WIDTH}} nothing to run{f', {blocked} cells blocked' if blocked else ''}"
        disk = in_bytes(demand(left, self.records, self.sized).disk)
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(cell.kind for cell in left).items())
        more = f"; {blocked} blocked" if blocked else ""
        hours = f"{in_words(self.seconds(left))}, {self.hours(left):,.2f} GPU-hours"
        return f"{name:<{WIDTH}} {hours}, disk {disk}: {kinds}{more}"

    def lines(self) -> list[str]:
        """Each experiment by itself, all of them together, and what that rests on."""
        said = [self.line(name, in_order(cells)) for name, cells in self.by_name.items()]
        said.append(self.line("in all", self.cells) + " (what experiments share is counted once)")
        rests = Counter(price.how for price in self.prices.values())
        on = "; ".join(f"{rests[how]} cells {how.value}" for how in How if rests[how])
        guess = f" ({self.guesses})" if rests[How.GUESS] else ""
        device = "a GPU" if self.session.device_kind == "cuda" else "this machine's CPU, in place of a GPU"
        return [*said, f"GPU-hours are those of {device}; {on}{guess}" if rests else "nothing is left to run"]

    # ------------------------------------------------------------ what decides claims

    def closed(self, cells: Iterable[Cell]) -> list[Cell]:
        """Cells with all that they rest on: trainings, longer ones that tell whether these had ended, and others."""
        found: dict[Cell, None] = {}
        open_ones = list(cells)
        while open_ones:
            cell = open_ones.pop()
            if cell in found:
                continue
            found[cell] = None
            if cell in self.prices:
                open_ones += [one for one in (*self.awaited(cell), *self.endings(cell)) if one in self.prices]
        return in_order(found)

    def awaited(self, cell: Cell) -> list[Cell]:
        """What a cell waits for, directly."""
        return [*self.awaits[cell], *KINDS[cell.kind].rests_on(cell, self.sized)]

    def endings(self, cell: Cell) -> list[Cell]:
        """What tells whether a training had ended: longer ones of its row, and its accuracy where that is judged."""
        kind = KINDS[cell.kind]
        if not isinstance(kind, TrainingKind) or kind.longer is None:
            return []
        same = [one for one in self.cells if (one.kind, one.model) == (kind.longer, cell.model)]
        longer = [one for one in same if but_seeds(one) == but_seeds(cell)]
        split = self.session.profile.ended_on_after(kind.images_of(cell))
        judged = Query(str(kind.judged_by), cell.model, {**cell.options, "data": split})
        return longer if split is None else [*longer, *(one for one in self.cells if judged.matches(one))]

    def needed(self, claim: Claim) -> frozenset[Cell]:
        """The cells that are left to run for a verdict on a claim.

        Raises:
            Undecidable: The plan has not all that it needs, or what is planned cannot decide it.
        """
        evidence = Evidence(self.session.profile, Path(), ())
        wanted: dict[Cell, None] = {}
        for query in (ask(evidence) for part in claim.parts for ask in part.asks):
            matching = [cell for cell in self.cells if query.matches(cell)]
            if not matching:
                raise Undecidable(f"no {query.kind} of {query.model} is planned")
            for cell in matching:
                if cell in self.blocked:
                    raise Undecidable(self.blocked[cell])
            require_verdict(matching, self.session)
            wanted |= dict.fromkeys(matching)
        return frozenset(cell for cell in self.closed(wanted) if cell in self.prices)

    def needs(self) -> tuple[dict[Claim, frozenset[Cell]], dict[Claim, str]]:
        """What is left to run for each claim that the plan can decide, and why it cannot decide the others."""
        needs, reasons = {}, {}
        for claim in self.paper.claims():
            try:
                needs[claim] = self.needed(claim)
            except Undecidable as error:
                reasons[claim] = str(error)
        return needs, reasons

    def within(self, hours: float) -> list[str]:
        """What decides most claims within so many GPU-hours, with the commands that run it."""
        needs, reasons = self.needs()
        cost = {cell: self.hours([cell]) for cell in self.prices}
        chosen = most(list(needs.values()), cost, hours)
        claims = [claim for place, claim in enumerate(needs) if place in chosen]
        cells = frozenset[Cell]().union(*(needs[claim] for claim in claims))
        said = [
            f"within {hours:g} GPU-hours: {len(claims)} of {len(needs) + len(reasons)} claims can be decided"
            f"{f' ({numbers(claims)})' if claims else ''}, by {len(cells)} cells, {self.hours(cells):,.2f} GPU-hours",
            *self.commands(claims, cells),
        ]
        dear = [claim for claim in needs if claim not in claims]
        for claim in dear:
            more = self.hours(needs[claim] | cells) - self.hours(cells)
            said.append(f"too dear: {numbers([claim])}, {more:,.2f} GPU-hours more")
        for reason in dict.fromkeys(reasons.values()):
            said.append(
                f"not by this plan: {numbers([one for one, why in reasons.items() if why == reason])}: {reason}"
            )
        return said

    def commands(self, claims: Sequence[Claim], cells: frozenset[Cell]) -> list[str]:
        """What runs cells: for each experiment that claims rest on a command, of its kinds of work and networks."""
        named = [name for claim in claims for name in claim.experiments or self.by_name if name in self.by_name]
        said, left = [], set(cells)
        for name in dict.fromkeys(named):
            own = in_order(cell for cell in self.by_name[name] if cell in left)
            left -= set(own)
            # Networks of which the same is asked share a command; of speed an experiment's networks are one cell.
            asked: dict[str, dict[str, None]] = {}
            for cell in own:
                asked.setdefault("" if KINDS[cell.kind].alone else cell.model, {})[cell.kind] = None
            alike: dict[tuple[str, ...], list[str]] = {}
            for model, kinds in asked.items():
                alike.setdefault(tuple(kinds), []).append(model)
            said += [f"  {self.paper.program} run {name} {self.options(*one)}" for one in alike.items()]
        return [*said, *(f"  besides: {cell}" for cell in sorted(left, key=str))]

    def options(self, kinds: Sequence[str], models: Sequence[str]) -> str:
        """The options of a run of some kinds of work on networks; on all that were asked for where none has a name."""
        session = self.session
        trains = any(KINDS[kind].longer is not None for kind in kinds) and session.profile.papers_data
        options = ["--profile", session.profile.name, "--device", session.device, "--tasks", ",".join(kinds)]
        named = models if any(models) else session.models or ()
        options += ["--models", ",".join(named)] if named else []
        first = session.seeds == tuple(range(len(session.seeds)))
        options += ["--seeds", str(len(session.seeds)) if first else f"{','.join(map(str, session.seeds))},"]
        options += [*session.limit_told.split(), *(["--train"] if trains else []), *self.setting.told]
        lacks_data = session.profile.papers_data and session.data_root is None and any(map(needs_images, kinds))
        return shlex.join([*options, *(["--data-root", "DIR"] if lacks_data else [])])


def needs_images(kind: str) -> bool:
    """Whether cells of a kind of work look at images, or are trained on them."""
    return KINDS[kind].trains_on is not None or "data" in {one.name for one in fields(KINDS[kind].options)}


class Undecidable(Exception):
    """What is planned cannot decide a claim, in one line why."""


def require_verdict(cells: Sequence[Cell], session: Session) -> None:
    """Refuse evaluations of networks that are trained here, where these are too few or not followed to their end.

    Raises:
        Undecidable: They are.
    """
    trained = [cell for cell in cells if any(cell.options.get(name) is not None for name in SEEDS)]
    seeds = {tuple(cell.options.get(name) for name in SEEDS) for cell in trained}
    for cell in trained:
        target, split = cell.options.get("target"), str(cell.options["trained_on"])
        followed = held_out_of(split, session) if target is None else session.profile.transfers[str(target)].held_out
        if followed is None:
            name = session.profile.name
            what = f"trainings of {name}" if target is None else f"fine-tunings of {name} for {target}"
            # Networks that are fine-tuned from given weights are fine-tuned here all the same.
            instead = "; as --weights networks count" if target is None else ""
            raise Undecidable(f"{what} keep no images back that tell whether they had ended{instead}")
    if trained and len(seeds) < FEWEST_SEEDS:
        raise Undecidable(f"{len(seeds)} of the {FEWEST_SEEDS} seeds that a statement about a method needs; --seeds")


def with_expected(cells: Sequence[Cell], session: Session) -> Session:
    """A session in which data that are not named yet are as large as they were published."""
    if session.data_root is not None or not session.profile.papers_data:
        return session
    from benchmarks.data.expected import expected

    opened: dict[str, ImageSet] = dict(session.opened)
    for split in image_sets(cells)[0] | session.followed_on:
        with contextlib.suppress(DataError):
            opened[split] = expected(*session.located(split), session.source_of(split))
    return replace(session, opened=opened)


def most(needs: Sequence[frozenset[Cell]], cost: Mapping[Cell, float], budget: float) -> set[int]:
    """Which of several sets of cells to have, so that most of them are had for a budget, and for least among those.

    The cheapest next one is tried first, so that what comes first is good; then all others that may be better, up to a
    number of looks.

    Args:
        needs: The sets; they share cells, which are paid for once.
        cost: Of each cell.
        budget: For all.

    Returns:
        Their places.
    """
    shared: dict[frozenset[int], float] = {}
    for cell in frozenset[Cell]().union(*needs):
        # Cells that the same sets have are paid for together.
        holders = frozenset(place for place, own in enumerate(needs) if cell in own)
        shared[holders] = shared.get(holders, 0.0) + cost[cell]
    best, least, looks = set[int](), 0.0, 0
    open_ones = [(set[int](), 0.0, list(range(len(needs))))]
    while open_ones and looks < MOST_LOOKED_AT:
        taken, spent, left = open_ones.pop()
        looks += 1
        unpaid = [(holders, price) for holders, price in shared.items() if not holders & taken]
        more = {place: sum(price for holders, price in unpaid if place in holders) for place in left}
        fitting = sorted((place for place in left if spent + more[place] <= budget), key=lambda place: more[place])
        if (len(taken), -spent) > (len(best), -least):
            best, least = taken, spent
        if fitting and (len(taken) + len(fitting), -spent) > (len(best), -least):
            first, *others = fitting
            if more[first] > 0:
                open_ones.append((taken, spent, others))
            open_ones.append((taken | {first}, spent + more[first], others))
    return best


def numbers(claims: Sequence[Claim]) -> str:
    """Claims by their numbers."""
    return ", ".join(str(claim.number) for claim in claims)


def but_seeds(cell: Cell) -> dict[str, object]:
    """What a cell says besides its seeds."""
    return {name: value for name, value in cell.options.items() if name not in SEEDS}
