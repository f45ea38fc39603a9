"""What was submitted, what began and how it ended: one small file for each, on the disk that all hosts share.

Nothing is locked: a file is renamed into place or its name must be new, and each is written by one process only.

    jobs/<name>.json             a job, its attempts with the engine's ids     by whoever submits
    jobs/<name>-<id>.began.json  where and when an attempt began               by the attempt
    jobs/<name>-<id>.ended.json  its exit code, where it ran                   by the attempt
    jobs/sent-<word>.json        what is being submitted at this moment        by whoever submits
    jobs/stopped                 that no job is to come again                  by whoever cancels
    jobs/logs/                   what attempts printed                         by the attempts
"""

import json
import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.core.files import write_text
from benchmarks.core.records import Cell
from benchmarks.work.cluster.jobs import Job

FOLDER, LOGS = "jobs", "logs"


@dataclass(frozen=True)
class Attempt:
    """A job's way through the engine.

    Attributes:
        id: The engine's.
        avoided: The host that it must not run on, where an earlier attempt failed; empty for any.
    """

    id: str
    avoided: str = ""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended by its own account.

    Attributes:
        code: Exit code; 0 where every cell has its record.
        host: Where.
        reason: Why it failed, in a line.
    """

    code: int
    host: str
    reason: str = ""


@dataclass(frozen=True)
class Posted:
    """A job on the board.

    Attributes:
        job: The job.
        command: What runs it, from the folder that it was submitted in.
        engine: Name of what runs it.
        attempts: The last one last.
    """

    job: Job
    command: tuple[str, ...]
    engine: str
    attempts: tuple[Attempt, ...] = ()

    def tried(self, attempt: Attempt) -> "Posted":
        """With one more attempt."""
        return replace(self, attempts=(*self.attempts, attempt))


class Board:
    """The jobs of a results folder.

    Args:
        results: The results folder.
    """

    def __init__(self, results: Path) -> None:
        self.folder = results.absolute() / FOLDER

    def require_writable(self) -> None:
        """See that jobs can leave something here, before any is submitted.

        Raises:
            ValueError: They cannot.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.logs) as file:
                file.write(b"here")
        except OSError as error:
            raise ValueError(
                f"jobs cannot write to {self.folder.parent} ({error.strerror}); name a folder that you may write to, "
                "on a disk that all hosts share, with --results"
            ) from error

    @property
    def logs(self) -> Path:
        """Where attempts print to."""
        return self.folder / LOGS

    def log_of(self, attempt: str) -> Path:
        """What an attempt printed."""
        return self.logs / f"{attempt}_0_log.out"

    def path(self, name: str) -> Path:
        """Where a job stands."""
        return self.folder / f"{name}.json"

    def post(self, posted: Posted) -> None:
        """Write a job anew, with its attempts."""
        job = posted.job
        content = {
            "cells": [cell.as_dict() for cell in job.cells],
            "share": job.share,
            "needs": job.needs,
            "gpus": job.gpus,
            "command": posted.command,
            "engine": posted.engine,
            "attempts": [[one.id, one.avoided] for one in posted.attempts],
        }
        write_text(self.path(job.name), json.dumps(content, indent=1, sort_keys=True))

    def posted(self) -> list[Posted]:
        """All jobs, by name."""
        names = sorted(path for path in self.folder.glob("*.json") if path.stem.count(".") == 0)
        return [read_posted(path) for path in names if not path.stem.startswith(("sent-", "."))]

    def sending(self, word: str, names: Sequence[str]) -> None:
        """Say that jobs are being submitted under a word; gone again when their attempts are written."""
        write_text(self.folder / f"sent-{word}.json", json.dumps(list(names)))

    def unsent(self) -> dict[str, list[str]]:
        """What a submitting process that was killed left in the middle, by its word."""
        return {
            path.stem.partition("-")[2]: json.loads(path.read_text(encoding="utf-8"))
            for path in self.folder.glob("sent-*.json")
        }

    def sent(self, word: str) -> None:
        """What was being submitted has its attempts written, or was taken back."""
        (self.folder / f"sent-{word}.json").unlink(missing_ok=True)

    def stop(self) -> None:
        """Say that jobs are cancelled on purpose, so that nobody submits them anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "stopped").touch()

    def start(self) -> None:
        """Say that jobs may be submitted."""
        (self.folder / "stopped").unlink(missing_ok=True)

    def is_stopped(self) -> bool:
        """Whether jobs were cancelled on purpose."""
        return (self.folder / "stopped").exists()

    def begin(self, name: str, attempt: str) -> None:
        """Say, in an attempt, that it begins here; one that was put back in the queue says so again."""
        self.ending_path(name, attempt).unlink(missing_ok=True)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_text(self.mark(name, attempt, "began"), json.dumps({"host": host(), "time": now}))

    def end(self, name: str, attempt: str, code: int, reason: str = "") -> None:
        """Say, in an attempt, how it ended."""
        write_text(self.ending_path(name, attempt), json.dumps({"code": code, "host": host(), "reason": reason}))

    def ending(self, name: str, attempt: str) -> Ending | None:
        """How an attempt ended, None where it has not, or was killed."""
        told = read(self.ending_path(name, attempt))
        return None if told is None else Ending(**told)

    def began(self, name: str, attempt: str) -> str:
        """The host on which an attempt began last, empty where it has not."""
        told = read(self.mark(name, attempt, "began"))
        return "" if told is None else str(told["host"])

    def ending_path(self, name: str, attempt: str) -> Path:
        """Where an attempt tells its end."""
        return self.mark(name, attempt, "ended")

    def mark(self, name: str, attempt: str, what: str) -> Path:
        """Where an attempt says something of itself."""
        return self.folder / f"{name}-{attempt}.{what}.json"


def read(path: Path) -> Any:
    """A file's content; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_posted(path: Path) -> Posted:
    """A job as it stands on the board."""
    told = json.loads(path.read_text(encoding="utf-8"))
    own, all_of_them = told["share"]
    cells = tuple(Cell(**one) for one in told["cells"])
    job = Job(cells, (own, all_of_them), tuple(told["needs"]), told["gpus"])
    return Posted(job, tuple(told["command"]), told["engine"], tuple(Attempt(*one) for one in told["attempts"]))


def host() -> str:
    """This host's name, as Slurm has it where it runs the job."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def board_of(results: Path) -> Board:
    """The board of a results folder that jobs were submitted for.

    Raises:
        ValueError: None were.
    """
    board = Board(results)
    if not board.posted():
        raise ValueError(f"no jobs were submitted for {results}; `tdam-bench run --executor slurm` submits some, or "
                         "name another folder with --results")  # fmt: skip
    return board
