"""What runs in a job: the suite's own command on the job's cells, in a process that may be told to stop."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.core.processes import ending
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.work.cluster.board import Board

# How long before its time limit a job is told, where nothing else is asked for, and what of that is left for the job to
# be put back into the queue, seconds.
NOTICE, LEFT = 120, 20
# Where engines tell a job its id: of an array and its place in it, of a single job, of a process of this machine.
ARRAY, PLACE, SINGLE, LOCAL = "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID", "SUBMITIT_LOCAL_JOB_ID"


class Task:
    """A job's work. It passes between processes, and through submitit's files.

    Args:
        name: The job's.
        results: Its results folder.
        command: What is run, in the folder that it was submitted from.
        notice: How long before its time limit the job is told, seconds.
    """

    def __init__(self, name: str, results: Path, command: Sequence[str], notice: float = NOTICE) -> None:
        self.name, self.results, self.command, self.notice = name, results, tuple(command), notice
        self.process: subprocess.Popen[bytes] | None = None
        self.is_told = False

    def __call__(self) -> None:
        """Run the command to its end, and say on the board how it ended.

        Raises:
            RuntimeError: It failed; for the engine, which sees its exit code only.
        """
        if is_local():
            # Slurm tells all processes of a job itself; a second signal would end them before they have written.
            signal.signal(signal.SIGTERM, self.pass_on)
        board, attempt = Board(self.results), attempt_id()
        board.begin(self.name, attempt)
        self.process = subprocess.Popen(self.command, preexec_fn=deaf)
        if self.is_told:
            # The signal came before there was a process to pass it on to.
            self.process.terminate()
        code = self.process.wait()
        how = "" if code == 0 else f"its process ended {ending(code)}"
        board.end(self.name, attempt, code if code >= 0 else 128 - code, how)
        if code:
            raise RuntimeError(how)

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """A handler of SIGTERM: what runs is told, or will be when it has begun."""
        if self.process is None:
            self.is_told = True
        else:
            self.process.terminate()

    def checkpoint(self) -> Any:
        """Called at the job's time limit, and where it is preempted: what there is is written, and the job comes again.

        The process is told as clusters do; what it has finished is on disk when it ends.
        """
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            self.process.terminate()
            watch = Stopwatch()
            while not has_ended(self.process.pid) and watch.seconds() < grace_of(self.notice):
                time.sleep(0.1)
            self.process.kill()
        return DelayedSubmission(Task(self.name, self.results, self.command, self.notice))


def grace_of(notice: float) -> float:
    """How long a command has to write what it has, of a job that is told so long before its end, seconds."""
    return max(notice - LEFT, notice / 2)


def has_ended(number: int) -> bool:
    """Whether a child has ended. A signal's handler asks, which waiting for the child itself would wait for in vain."""
    try:
        return os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def deaf() -> None:
    """In the new process: the signal that engines tell of a time limit by is for the task alone."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def is_local() -> bool:
    """Whether this process is a job of this machine, and not of Slurm."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "local"


def attempt_id() -> str:
    """The engine's id of the job that this process is."""
    if is_local():
        return os.environ[LOCAL]
    place = os.environ.get(PLACE)
    return f"{os.environ[ARRAY]}_{place}" if place else os.environ[SINGLE]
