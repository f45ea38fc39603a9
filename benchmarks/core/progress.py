"""The progress bar: what is being done, how fast, and how long it will take."""

from types import TracebackType
from typing import Any, Protocol, TextIO

from tqdm import tqdm


class Progress(Protocol):
    """Where a run tells how far it is."""

    def start(self, what: str, total: int, unit: str) -> None:
        """Begin a stretch of work of ``total`` units."""

    def advance(self, count: int) -> None:
        """So much more is done."""


class Bar:
    """One bar at a time; a :class:`Progress`.

    Args:
        stream: Where to draw; None draws nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.bar: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the present bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def start(self, what: str, total: int, unit: str) -> None:
        """Begin a stretch of work of ``total`` units."""
        self.close()
        if self.stream is not None:
            self.bar = tqdm(
                total=total, desc=what, unit=f" {unit}", file=self.stream, mininterval=0.5, dynamic_ncols=True
            )

    def advance(self, count: int) -> None:
        """So much more is done."""
        if self.bar is not None:
            self.bar.update(count)
