"""Evaluations: kinds of work that show an image set to networks, each once for all cells that see it alike."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from benchmarks.core.processes import one_line
from benchmarks.core.records import Cell, Record, identity
from benchmarks.work.kind import Advance, Amount, Kind, Trouble, evaluated_images
from benchmarks.work.session import WHOLE, Session
from benchmarks.work.weights import known_inputs, loaded_network, weights_name
from benchmarks.work.workers import HERE

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.work.passes import Collected, Collector, Passing


NetworkT = TypeVar("NetworkT", bound="nn.Module")
ResultT = TypeVar("ResultT")


class Evaluation(Kind, Generic[NetworkT]):
    """A kind of work whose cells are evaluated in one pass, part by part, and recorded one by one.

    One network's trouble is its own: its cells end without a record, the others go on. A pass that was cut off goes on
    from its last part.
    """

    shared = True
    divisible = True

    @abstractmethod
    def collectors(self, networks: Mapping[Cell, NetworkT], session: Session) -> "dict[Cell, Collector]":
        """What is asked of each cell's network."""

    @abstractmethod
    def record(self, cell: Cell, collected: "Collected", session: Session) -> Record:
        """The numbers of a cell.

        Raises:
            DataError: No image could be used.
        """

    def network_name(self, cell: Cell) -> str:
        """Cells of equal names share a network."""
        return weights_name(cell)

    def network(self, cell: Cell, session: Session) -> NetworkT:
        """The network of a cell with its weights.

        Raises:
            DataError: There are none.
        """
        return cast(NetworkT, loaded_network(cell, session))

    def amount(self, cells: Sequence[Cell], session: Session) -> Amount:
        """Images; all networks see each of them in one go."""
        return evaluated_images(images_of(cells[0]), session)

    def run(self, cells: Sequence[Cell], session: Session, advance: Advance) -> Iterator[Record | Trouble]:
        """One pass over one image set."""
        from benchmarks.core import distributed
        from benchmarks.work.passes import Passing, evaluated, pass_over
        from benchmarks.work.shelves import clear_recorded, shelf_of

        if distributed.rank() == 0:
            clear_recorded(session.store)
        networks: dict[Cell, NetworkT] = {}
        for cell, loaded in self.loaded(cells, session):
            if isinstance(loaded, Trouble):
                yield loaded
            else:
                networks[cell] = loaded
        passed = {
            cell: Passing(collector, shelf_of(cell, known_inputs(self, cell, session), session))
            for cell, collector in self.collectors(networks, session).items()
        }
        if not passed:
            return
        split = images_of(cells[0])
        how = evaluated(split, session)
        pass_over(list(passed.values()), replace(how, decode=decoded_on(split, session)), advance)
        # Records are the first process's matter; it alone needs all parts.
        for cell, one in passed.items() if distributed.rank() == 0 else ():
            if one.trouble is not None:
                yield Trouble(cell, one.trouble)
            elif session.share == WHOLE or one.complete(how.total):
                yield from self.joined(cell, one, session)

    def joined(self, cell: Cell, passing: "Passing", session: Session) -> Iterator[Record | Trouble]:
        """The record of a cell whose parts are all there; nothing where another run that shares the pass was first."""
        from benchmarks.core import distributed

        try:
            result = tried(cell, partial(self.finished, cell, passing, session))
        except FileNotFoundError:
            # It has cleared the parts away after writing the record that they make.
            if session.store.holds(identity(cell, known_inputs(self, cell, session))):
                return
            raise
        if isinstance(result, Record):
            here = passing.seen * distributed.size() / max(1, sum(map(len, passing.shelf.covered())))
            result = replace(result, notes={**result.notes, **({HERE: round(here, 6)} if here < 1 else {})})
        yield result
        # The record is written when the next one is asked for.
        if isinstance(result, Record):
            passing.shelf.clear()

    def finished(self, cell: Cell, passing: "Passing", session: Session) -> Record:
        """The record of a cell whose parts are all there."""
        return self.record(cell, passing.collected(), session)

    def loaded(self, cells: Sequence[Cell], session: Session) -> Iterator[tuple[Cell, NetworkT | Trouble]]:
        """Each cell's network, loaded once for all cells that share it, or why it cannot be."""
        known: dict[str, NetworkT | Trouble] = {}
        for cell in cells:
            name = self.network_name(cell)
            if name not in known:
                known[name] = tried(cell, partial(self.network, cell, session))
            one = known[name]
            yield cell, Trouble(cell, one.reason) if isinstance(one, Trouble) else one


def decoded_on(split: str, session: Session) -> str:
    """Where the pictures of an image set are decoded."""
    return "device" if session.decodes_on_device(split) else "cpu"


def images_of(cell: Cell) -> str:
    """The image set that a cell's network is shown."""
    return str(cell.options["data"])


def tried(cell: Cell, work: Callable[[], ResultT]) -> ResultT | Trouble:
    """What a piece of work for one cell gives, or its trouble.

    Raises:
        OSError: The disk is full, or another fault that is no cell's own.
    """
    try:
        return work()
    except OSError:
        raise
    except Exception as error:
        return Trouble(cell, one_line(error))
