"""What is left to do with a batch when the networks have seen it, on the CPU: at once, or in processes meanwhile.

Cheap to import, as each of these processes does: what they are given must not need torch either.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from benchmarks.core.processes import leave_endings

if TYPE_CHECKING:
    from benchmarks.work.shelves import Part

Finish = Callable[["Part"], "Part"]
# Batches that wait for each process: enough that none is idle, and few, so that memory does not grow.
AHEAD = 2


class Finishing:
    """Finishes batches in their order.

    Args:
        processes: How many share the work while the next batches are shown to networks; 0 for this one, at once.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.pool: ProcessPoolExecutor | None = None
        self.waiting: deque[Future[Part]] = deque()

    def __enter__(self) -> "Finishing":
        return self

    def __exit__(self, *raised: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def finish(self, work: Finish, part: "Part") -> "Future[Part]":
        """A batch's part as it is when the work is done.

        Args:
            work: Goes with the part to a process, if there are any: a function of a module, or a partial one.
            part: Of the batch.
        """
        if not self.processes:
            done: Future[Part] = Future()
            done.set_result(work(part))
            return done
        if self.pool is None:
            # Not fork: torch's threads do not survive it.
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.processes, context, initializer=begin)
        if len(self.waiting) >= AHEAD * self.processes:
            self.waiting.popleft().exception()  # whoever asks for the part hears of it
        self.waiting.append(self.pool.submit(work, part))
        return self.waiting[-1]


def begin() -> None:
    """A process begins: signals are dealt with by the one that started it, and it ends with that one."""
    leave_endings()
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, and end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
