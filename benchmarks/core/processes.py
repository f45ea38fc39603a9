"""Which process this is, and what became of others. Without torch."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Any


def is_first() -> bool:
    """Whether this process is the only one, or the first of those that torchrun starts, before they join."""
    return os.environ.get("RANK", "0") == "0"


def ending(code: int) -> str:
    """How a process ended, from its exit code (negative for a signal), to follow "ended"."""
    if code >= 0:
        return f"with exit status {code}"
    name = signal.Signals(-code).name
    return f"by signal {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def one_line(error: BaseException) -> str:
    """An error in words, which unlike the error itself pass between processes."""
    return " ".join(f"{type(error).__name__}: {error}".split())


class Terminated(KeyboardInterrupt):
    """SIGTERM, which clusters send a while before they kill: what is under way is written, as at Ctrl-C."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise :class:`Terminated` in the main thread where SIGTERM comes meanwhile; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def terminate(number: int, frame: FrameType | None) -> None:
    """A handler of SIGTERM. A second signal while the first is dealt with changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


class Deferred:
    """Signals that end a run, held back until it is a good moment: inside, the first one only leaves its mark.

    A second one acts at once, unless both are SIGTERM: clusters tell a job several times, by its steps and by what has
    started them, and kill it when its time is over. In a thread, or where nobody deals with signals, nothing is held
    back.

    Attributes:
        asked: The error that the signal would have raised, None while there was none.
    """

    def __init__(self) -> None:
        self.asked: type[KeyboardInterrupt] | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Deferred":
        if threading.current_thread() is threading.main_thread():
            for number, error in ENDINGS.items():
                handler = signal.getsignal(number)
                if callable(handler):
                    self.before[number] = signal.signal(number, partial(self.mark, error))
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def mark(self, error: type[KeyboardInterrupt], number: int, frame: FrameType | None) -> None:
        """Remember the first signal; act on the second, but for SIGTERM again."""
        if self.asked is Terminated and error is Terminated:
            return
        if self.asked is not None:
            raise error
        self.asked = error


def leave_endings(worker: int = 0) -> None:
    """In a process that serves another: a signal that ends a run reaches all of its processes, and that one answers it.

    Args:
        worker: Its number, which processes that load images are told.
    """
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


ENDINGS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
