"""How long work takes by the clock on the wall, for predictions; what tables show is measured elsewhere."""

import time


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()

    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self.begin
