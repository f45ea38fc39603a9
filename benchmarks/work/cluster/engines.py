"""Where jobs run: Slurm, or processes of this machine. Both are submitit's executors.

submitit writes the batch files, starts the work, and at a job's time limit lets it write what it has and puts it back
in the queue. What became of a job is asked of ``squeue``, which every Slurm has: accounting, which submitit asks, may
be off.
"""

import contextlib
import functools
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.measure.device import cuda_devices
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.work.cluster.board import Board
from benchmarks.work.cluster.task import NOTICE, Task
from benchmarks.work.session import Session

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "sinfo")
# Time limit of a job where none is given, minutes; and how often it may meet it: it goes on where it was each time.
TIME_LIMIT, RESTARTS = 24 * 60, 1000
# A controller that does not answer is asked again for so long, every so often, seconds; and so long jobs may take to
# leave the queue after they were cancelled: Slurm lets them write, and gives up on their processes after minutes.
PATIENCE, PAUSE, LEAVING = 15 * 60.0, 5.0, 5 * 60.0
NAME = "tdam-bench"
# What Slurm says of a job that a host could not begin: it stays in the queue and never runs.
HELD = "launch failed requeued held"
# Options of sbatch that the suite sets itself, and what to say instead.
OWN = {
    "partition": "name it by --partition",
    "gpus-per-node": "say it by --gpus-per-job",
    **dict.fromkeys(("array", "dependency", "job-name", "output", "error", "open-mode", "signal"), "leave it out"),
}


class EngineError(ValueError):
    """Jobs cannot be submitted, or nothing is known of them; in one line why."""


@dataclass(frozen=True)
class Place:
    """When and where jobs that are alike may run.

    Attributes:
        gpus: Of each.
        alone: Whether nothing else may run on the host meanwhile.
        after: Ids of the attempts that must have ended.
        avoided: A host that they must not run on; empty for any.
    """

    gpus: int = 0
    alone: bool = False
    after: tuple[str, ...] = ()
    avoided: str = ""


class Engine(ABC):
    """What runs jobs.

    Attributes:
        name: As the command line has it.
        slots: How many run at a time, where jobs cannot be submitted before those that they need have ended; None
            where the engine has a queue that knows what comes after what.
        notice: How long before its time limit a job is told, seconds.
    """

    name: ClassVar[str]
    slots: int | None = None
    notice: int = NOTICE

    def check(self) -> None:  # noqa: B027 - an engine may have nothing to ask
        """See that jobs can be submitted as they are asked for.

        Raises:
            EngineError: They cannot.
        """

    @abstractmethod
    def submit(self, word: str, tasks: Sequence[Task], place: Place) -> list[str]:
        """Submit tasks that are alike.

        Args:
            word: Names the submission in the queue.
            tasks: What is to be run.
            place: When and where.

        Returns:
            The id of each, in their order.

        Raises:
            EngineError: The engine refuses.
        """

    @abstractmethod
    def alive(self, ids: Sequence[str]) -> dict[str, str]:
        """Those attempts that wait or run, with the state in the engine's words.

        Raises:
            EngineError: It does not answer.
        """

    @abstractmethod
    def cancel(self, ids: Sequence[str]) -> None:
        """Stop attempts; each is told first, and writes what it has."""

    def drop(self, attempt: str) -> None:  # noqa: B027 - an engine without a queue has nothing in it
        """Take an attempt that is not alive out of the queue, where it may still lie."""

    def take_back(self, word: str) -> None:  # noqa: B027 - an engine without a queue has nothing in it
        """Stop whatever a submission that was cut off brought into the queue, and wait until it is gone.

        Raises:
            EngineError: It does not go.
        """


def submitit_of(executor: str) -> Any:
    """The package submitit.

    Raises:
        ModuleNotFoundError: It is not installed; the message has the command.
        ValueError: This system has not the signals that jobs are told by.
    """
    if os.name != "posix":
        raise ValueError(f"--executor {executor} needs Linux or macOS, this is {platform.system()}; leave it out")
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"--executor {executor} needs submitit: pip install submitit, or pip install '.[cluster]' in a checkout"
        ) from error
    return submitit


# ---------------------------------------------------------------- Slurm


class Slurm(Engine):
    """Jobs of Slurm.

    Args:
        logs: Folder of what jobs print, on a disk that all hosts share.
        at_a_time: Jobs of an array that run at a time.
        partition: Slurm's, None for the default one.
        options: More of ``sbatch``'s options by their long names, such as ``time`` or ``account``.

    Raises:
        EngineError: There is no Slurm here, or an option is none or the suite's own matter.
        ModuleNotFoundError: submitit is missing.
    """

    name = "slurm"

    def __init__(self, logs: Path, at_a_time: int, partition: str | None, options: Mapping[str, str]) -> None:
        self.submitit = submitit_of("slurm")
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise EngineError(f"there is no {missing[0]} on the path; run where Slurm is, or use --executor local")
        self.logs, self.at_a_time, self.partition = logs, at_a_time, partition
        self.options = dict(options)
        own = sorted(OWN.keys() & self.options.keys())
        if own:
            raise EngineError(f"--slurm {own[0]} is the suite's own matter; {OWN[own[0]]}")
        self.minutes = minutes_of(self.options.pop("time", str(TIME_LIMIT)))
        self.notice = seconds_of(self.options.pop("signal-delay", str(NOTICE)))
        self.excluded = self.options.pop("exclude", "")

    @functools.cached_property
    def nodes(self) -> list[str]:
        """The partition's hosts.

        Raises:
            EngineError: There is no such partition.
        """
        return nodes_of(self.partition)

    def check(self) -> None:
        assert self.nodes

    def submit(self, word: str, tasks: Sequence[Task], place: Place) -> list[str]:
        watch = Stopwatch()
        while True:
            try:
                executor = self.executor(word, place)
                with executor.batch():
                    jobs = [executor.submit(task) for task in tasks]
                return [str(job.job_id) for job in jobs]
            except (self.submitit.core.utils.FailedJobError, self.submitit.core.utils.FailedSubmissionError) as error:
                if not is_away(str(error)) or watch.seconds() > PATIENCE:
                    raise EngineError(f"Slurm refuses the jobs: {' '.join(str(error).split())}") from error
            # The controller may have taken the jobs and gone before it said so.
            time.sleep(PAUSE)
            self.take_back(word)

    def executor(self, word: str, place: Place) -> Any:
        """What submits jobs of a place."""
        executor = self.submitit.SlurmExecutor(folder=self.logs, max_num_timeout=RESTARTS)
        # Options without a value are switches.
        more: dict[str, Any] = {name: value or True for name, value in self.options.items()}
        # Where there is but one host it must do.
        avoided = place.avoided if len(self.nodes) > 1 else ""
        cores = self.options.get("cpus-per-task")
        facts: dict[str, Any] = {
            "job_name": job_name(word),
            "partition": self.partition,
            "time": self.minutes,
            "signal_delay_s": self.notice,
            "gpus_per_node": place.gpus or None,
            "exclusive": True if place.alone else None,
            "array_parallelism": self.at_a_time,
            "stderr_to_stdout": True,
            "dependency": f"afterany:{':'.join(place.after)}" if place.after else None,
            "exclude": ",".join(filter(None, (self.excluded, avoided))) or None,
            # Newer ones do not hand a job's cores on to what runs in it.
            "srun_args": [f"--cpus-per-task={cores}"] if cores else None,
            "additional_parameters": more,
        }
        executor.update_parameters(**{name: value for name, value in facts.items() if value is not None})
        return executor

    def alive(self, ids: Sequence[str]) -> dict[str, str]:
        lines = asked(["squeue", "--noheader", "--me", "--array", "--format", "%i|%T|%r"]).splitlines()
        told = {
            one: said(state, reason) for one, state, reason in (line.split("|") for line in lines) if reason != HELD
        }
        return {one: told[one] for one in ids if one in told}

    def cancel(self, ids: Sequence[str]) -> None:
        if ids:
            # To a job's processes, too: submitit passes the signal on to nobody.
            asked(["scancel", "--full", *ids])

    def drop(self, attempt: str) -> None:
        # Most are gone, which is what it complains of.
        subprocess.run(["scancel", attempt], capture_output=True, check=False)

    def take_back(self, word: str) -> None:
        name, watch = job_name(word), Stopwatch()
        asked(["scancel", "--me", "--name", name])
        while asked(["squeue", "--noheader", "--me", "--name", name]).strip():
            if watch.seconds() > LEAVING:
                raise EngineError(
                    f"the jobs {name} of a submission that was cut off are still in the queue {LEAVING / 60:g} minutes "
                    f"after scancel; look at `squeue --me --name {name}`, and run the same command when they are gone"
                )
            time.sleep(1)


def job_name(word: str) -> str:
    """The name of a submission's jobs in the queue."""
    return f"{NAME}-{word}"


def said(state: str, reason: str) -> str:
    """A job's state with what it waits for."""
    return f"{state.lower()} ({reason})" if reason not in ("None", "") else state.lower()


def nodes_of(partition: str | None) -> list[str]:
    """The hosts of a partition, of the default one for None.

    Raises:
        EngineError: There is no such partition; the message names those that there are.
    """
    table = [line.split("|") for line in asked(["sinfo", "--noheader", "--Node", "--format", "%P|%N"]).splitlines()]
    partitions = sorted({name for name, _ in table})  # sinfo lists them by the state of their hosts, too
    default = next((name for name in partitions if name.endswith("*")), None)
    if partition is None and default is None:
        raise EngineError(f"Slurm has no default partition; name one by --partition, of {', '.join(partitions)}")
    wanted = partition or str(default).rstrip("*")
    nodes = [node for name, node in table if name.rstrip("*") == wanted]
    if not nodes:
        names = ", ".join(name.rstrip("*") for name in partitions)
        raise EngineError(f"Slurm has no partition {wanted!r}; choose one of {names}")
    return nodes


def minutes_of(text: str) -> int:
    """A time as ``sbatch`` takes it, in whole minutes: minutes, h:m:s, days-hours, and so on.

    Raises:
        EngineError: It is none, or less than a minute.
    """
    days, dash, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in parts) or len(parts) > 3 or (dash and not days.isdecimal()):
        raise EngineError(f"--slurm time takes minutes, hours:minutes:seconds or days-hours:minutes, got {text!r}")
    numbers = [int(part) for part in parts]
    if days:  # hours, minutes, seconds, as far as they are given
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:  # minutes; minutes and seconds; hours, minutes, seconds
        hours, minutes, seconds = (0, *numbers, 0)[:3] if len(numbers) < 3 else numbers
    total = int(days or 0) * 24 * 60 + hours * 60 + minutes + (seconds > 0)
    if total < 1:
        raise EngineError(f"--slurm time is a minute at least, got {text!r}")
    return total


def seconds_of(text: str) -> int:
    """How long before its time limit a job is told, in whole seconds.

    Raises:
        EngineError: It is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise EngineError(f"--slurm signal-delay takes whole seconds, 1 at least, got {text!r}")
    return int(text)


def asked(command: Sequence[str]) -> str:
    """What one of Slurm's programs answers; a controller that is away for a while is asked again.

    Raises:
        EngineError: It stays away, or refuses.
    """
    watch = Stopwatch()
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        if not is_away(done.stderr) or watch.seconds() > PATIENCE:
            raise EngineError(f"{command[0]} does not work here: {' '.join(done.stderr.split())}")
        time.sleep(PAUSE)


def is_away(told: str) -> bool:
    """Whether what one of Slurm's programs says is that its controller does not answer."""
    return any(word in told for word in ("ontact", "onnect", "timed out"))


# ---------------------------------------------------------------- this machine


class Local(Engine):
    """Processes of this machine, so many at a time, one GPU each where there are any.

    Args:
        logs: Folder of what jobs print.
        slots: How many run at a time; no more than there are GPUs where they use one.
        gpus: Numbers of the GPUs that they may use, none where they use none.

    Raises:
        ModuleNotFoundError: submitit is missing.
    """

    name = "local"

    def __init__(self, logs: Path, slots: int, gpus: Sequence[int] = ()) -> None:
        self.submitit = submitit_of("local")
        self.logs, self.gpus = logs, gpus
        self.slots = min(slots, len(gpus)) if gpus else slots
        self.own: dict[str, Any] = {}
        # Which GPU an attempt has, those of an earlier run too.
        self.taken: dict[str, int] = {}

    def submit(self, word: str, tasks: Sequence[Task], place: Place) -> list[str]:
        ids = []
        for task in tasks:
            executor = self.submitit.LocalExecutor(folder=self.logs, max_num_timeout=RESTARTS)
            taken = {self.taken[one] for one in self.alive(list(self.taken))}
            visible = [one for one in self.gpus if one not in taken][:1] if place.gpus else []
            executor.update_parameters(
                timeout_min=60 * 24 * 365, signal_delay_s=self.notice,
                visible_gpus=visible, gpus_per_node=len(visible), stderr_to_stdout=True,
            )  # fmt: skip
            with ignored(signal.SIGINT):
                job = executor.submit(task)
            self.own[str(job.job_id)] = job
            self.taken |= dict.fromkeys([str(job.job_id)], visible[0]) if visible else {}
            ids.append(str(job.job_id))
        return ids

    def alive(self, ids: Sequence[str]) -> dict[str, str]:
        return {one: "running" for one in ids if self.runs(one)}

    def runs(self, attempt: str) -> bool:
        """Whether a process is there, and is a job: of this run, or of one before, whose GPU is taken then."""
        if attempt in self.own:
            return not self.own[attempt].done()
        # What it was started with, and its environment.
        told = subprocess.run(["ps", "eww", "-o", "args=", "-p", attempt], capture_output=True, text=True, check=False)
        visible = re.search(r" CUDA_VISIBLE_DEVICES=(\d+) ", told.stdout)
        self.taken |= {attempt: int(visible[1])} if visible else {}
        return "submitit" in told.stdout

    def cancel(self, ids: Sequence[str]) -> None:
        for one in ids:
            if self.runs(one):
                # It is passed on to what the job runs, see ``Task``.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(one), signal.SIGTERM)


@contextlib.contextmanager
def ignored(number: int) -> Iterator[None]:
    """What is started meanwhile does not hear a signal: Ctrl-C leaves the run and not its jobs."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


# ---------------------------------------------------------------- by name


def engine_of(name: str, session: Session, partition: str | None, slurm: Mapping[str, str]) -> Engine:
    """What runs jobs, by its name.

    Args:
        name: As the command line has it.
        session: The run's settings.
        partition: Slurm's, None for the default one.
        slurm: More of ``sbatch``'s options.

    Raises:
        ValueError: It is not here, or does not take its options.
    """
    logs = Board(session.store.folder).logs
    if session.device not in ("cpu", "cuda"):
        raise ValueError(f"jobs are given their GPUs: name --device cuda, or cpu, got {session.device}")
    if name == Slurm.name:
        return Slurm(logs, session.jobs, partition, slurm)
    require_for_local(session, partition, slurm)
    return Local(logs, session.jobs, gpus_here() if session.device_kind == "cuda" else [])


def require_for_local(session: Session, partition: str | None = None, slurm: Mapping[str, str] | None = None) -> None:
    """Refuse what processes of this machine have no use for.

    Args:
        session: The run's settings.
        partition: Slurm's, None where none is named.
        slurm: More of ``sbatch``'s options, None for none.

    Raises:
        ValueError: Something is for Slurm alone.
    """
    if partition or slurm or (session.processes or 1) > 1:
        raise ValueError("--partition, --slurm and --gpus-per-job are for --executor slurm; leave them out")


def gpus_here() -> list[int]:
    """Numbers of the GPUs that jobs of this machine may use.

    Raises:
        ValueError: There is none, or they are named otherwise than by numbers, which is how submitit hands them out:
            a job would be given another one than it may use.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if any(one.strip().startswith(("GPU-", "MIG-")) for one in named.split(",")):
        raise ValueError(
            f"CUDA_VISIBLE_DEVICES={named} names GPUs by UUID, and --executor local hands them out by number; "
            "set it to numbers as `nvidia-smi -L` has them (0,1), or leave --executor out"
        )
    gpus = cuda_devices()
    if not gpus:
        raise ValueError("PyTorch sees no CUDA device here; choose --device cpu, or --executor slurm")
    return gpus


def engines_of(board: Board) -> dict[str, Engine]:
    """The engines that the jobs of a results folder were submitted to, by name.

    Raises:
        ValueError: One is not here.
    """
    makes: dict[str, Callable[[], Engine]] = {
        Slurm.name: lambda: Slurm(board.logs, 1, None, {}),
        Local.name: lambda: Local(board.logs, 1),
    }
    return {name: makes[name]() for name in dict.fromkeys(one.engine for one in board.posted())}
