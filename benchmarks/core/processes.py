"""What became of processes."""

import signal


def ending(code: int) -> str:
    """How a process ended, from its exit code (negative for a signal), to follow "ended"."""
    if code >= 0:
        return f"with exit status {code}"
    return f"by signal {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


def one_line(error: BaseException) -> str:
    """An error in words, which unlike the error itself pass between processes."""
    return " ".join(f"{type(error).__name__}: {error}".split())
