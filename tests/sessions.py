"""The settings of a run, for tests."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.core.store import Store
from benchmarks.papers.tdam.recipes import PROFILES
from benchmarks.papers.tdam.rules import RULES
from benchmarks.work.session import Session

# The suite in two processes; they meet on a port that is free, for tests run beside each other.
TWO_PROCESSES = (
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    *("-m", "benchmarks"),
)


def make_session(folder: Path, profile: str = "smoke", **changes: Any) -> Session:
    """A session whose results and embedded data lie below a folder.

    Args:
        folder: Where ``runs`` and ``cache`` are made.
        profile: Name of the profile.
        changes: Other settings, see :class:`benchmarks.work.session.Session`.
    """
    return Session(PROFILES[profile], Store(folder / "runs"), folder / "cache", RULES, **changes)
