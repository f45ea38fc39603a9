"""What became of processes."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


def ending(code: int) -> str:
    """How a process ended, from its exit code (negative for a signal), to follow "ended"."""
    if code >= 0:
        return f"with exit status {code}"
    return f"by signal {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


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
