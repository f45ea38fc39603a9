"""When a training is saved: every so many minutes, and before it ends because a signal asks it to. Cheap to import."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.core.processes import Deferred
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.work.training_log import LogFiles

MINUTES = 10.0
# Several processes agree on a moment; asking each other takes time, so they do not ask at every step.
STEPS_BETWEEN = 20


@dataclass(frozen=True)
class Keeping:
    """What is kept of a training on its way.

    Attributes:
        minutes: Between two checkpoints.
        log: Where it is logged, None for nowhere.
    """

    minutes: float = MINUTES
    log: LogFiles | None = None


class Saver:
    """Looks after each step whether it is time to save.

    Args:
        save: Saves the training; every process calls it at the same step.
        signals: Held back, see :class:`benchmarks.core.processes.Deferred`.
        minutes: Between two times.
    """

    def __init__(self, save: Callable[[], None], signals: Deferred, minutes: float) -> None:
        self.write, self.signals, self.minutes = save, signals, minutes
        self.since = Stopwatch()
        self.steps = 0

    def save(self) -> None:
        """Save now, and wait for the full time again."""
        self.write()
        self.since = Stopwatch()

    def after_step(self) -> None:
        """Save if it is time to, or if a signal asks for the end, and end then.

        Raises:
            KeyboardInterrupt: A signal asked, in whichever process.
        """
        from benchmarks.core import distributed

        self.steps += 1
        if distributed.size() > 1 and self.steps % STEPS_BETWEEN:
            return
        own = self.signals.asked, self.since.seconds() > 60 * self.minutes
        told = distributed.gather(own)
        asked = next((error for error, _ in told if error is not None), None)
        if asked is not None or any(late for _, late in told):
            self.save()
        if asked is not None:
            raise asked
