"""What became of processes."""

import signal


def ending(code: int) -> str:
    """How a process ended, from its exit code (negative for a signal), to follow "ended"."""
    if code >= 0:
        return f"with exit status {code}"
    return f"by signal {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
