"""A run on a real Slurm to which everything happens, compared with an undisturbed run on this machine.

    make cluster-test            # or with less of the table: make cluster-test ARGS="--models resnet50,resnet50-se"

Slurm is started here, with two hosts, in a folder of its own. Of table 1 by the smoke profile one job is cancelled, one
killed, one comes to its time limit; the controller is restarted, and the submitting process killed and started again.
Then all that docs/cluster.md says to type is typed, with the smoke profile.
Checks: the same records with equal numbers where no clock made them, each made once; nothing is left in the queue; and
one line, before anything is submitted, for what cannot be. Ends with exit code 1 if a check fails.
"""

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.core.store import Store
from benchmarks.work.cluster.board import Board, Posted
from tests.kill_and_resume import same_records
from tests.slurm import Slurm, running, why_not

ROOT = Path(__file__).resolve().parents[1]
WHOLE = ("table1", "--profile", "smoke")
# What of a documented command is otherwise where it is tried.
SMALL = ("--models", "resnet50", "--tasks", "cost,train,accuracy")
SMALLER = {
    "--profile full": "--profile smoke",
    "--device cuda": "--device cpu",
    "--data-root /shared/data": "",
    "--partition gpu": "--partition main",
    "cpus-per-task=32": "cpus-per-task=1",
    "--gpus-per-job 4": "",
}
PATIENCE = 600.0


class Run:
    """A run on Slurm by a process of its own.

    Args:
        slurm: Where.
        folder: Of its results.
        arguments: Of ``run``.
    """

    def __init__(self, slurm: Slurm, folder: Path, arguments: Sequence[str]) -> None:
        self.slurm, self.folder, self.board = slurm, folder, Board(folder)
        self.arguments = (*arguments, "--executor", "slurm", "--jobs", "2")
        self.process = self.submit()

    def submit(self, *more: str) -> "subprocess.Popen[str]":
        """Start the submitting process."""
        return subprocess.Popen(
            command(self.folder, *self.arguments, *more), cwd=ROOT, env=self.slurm.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def job_in(self, states: str, kind: str, but: Sequence[str] = ()) -> tuple[Posted, str]:
        """A job of a kind of work that is in one of Slurm's states, with its id; waits for it.

        Raises:
            TimeoutError: There is none for long.
        """
        since = time.monotonic()
        while time.monotonic() - since < PATIENCE:
            queue = self.slurm.call("squeue", "--noheader", "--array", "--states", states, "--format", "%i").split()
            for one in self.board.posted():
                attempt = one.attempts[-1].id if one.attempts else ""
                begun = self.board.began(one.job.name, attempt) or states != "RUNNING"
                if attempt in queue and begun and one.job.name not in but and one.job.cells[0].kind == kind:
                    return one, attempt
            if self.process.poll() is not None:
                raise TimeoutError(f"the run ended before a {kind} job was {states}:\n{self.said()}")
            time.sleep(0.1)
        raise TimeoutError(f"no {kind} job was ever {states}")

    def waits_for(self, holds: Callable[[], bool]) -> bool:
        """Whether something comes true while the submitting process goes on."""
        since = time.monotonic()
        while time.monotonic() - since < PATIENCE and self.process.poll() is None:
            if holds():
                return True
            time.sleep(0.1)
        return False

    def call(self, name: str) -> str:
        """What one of the suite's commands on the results folder prints."""
        asked = [sys.executable, "-m", "benchmarks", name, "--results", str(self.folder)]
        return subprocess.run(asked, cwd=ROOT, env=self.slurm.env, check=True, capture_output=True, text=True).stdout

    def said(self) -> str:
        """What the submitting process says, to its end."""
        return self.process.communicate(timeout=PATIENCE)[0]

    def cancel_one(self) -> str:
        """Cancel a running training; its name."""
        one, attempt = self.job_in("RUNNING", "train")
        self.slurm.call("scancel", attempt)
        return one.job.name

    def kill_one(self, but: Sequence[str]) -> str:
        """Kill what a running training runs, as where memory is short; its name."""
        one, _ = self.job_in("RUNNING", "train", but)
        subprocess.run(["pkill", "-KILL", "-f", "--", f"--job {self.board.path(one.job.name)}"], check=True)
        return one.job.name

    def kill_submitter(self) -> None:
        """Kill the submitting process, and start it again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = self.submit()


def command(folder: Path, *arguments: str) -> list[str]:
    """The suite's ``run``."""
    where = ["--results", str(folder), "--out", f"{folder}-report", "--cache", str(folder.parent / "cache")]
    return [sys.executable, "-m", "benchmarks", "run", *arguments, *where]


def here(folder: Path, arguments: Sequence[str]) -> None:
    """The same run on this machine."""
    subprocess.run(command(folder, *arguments), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def made(folder: Path) -> int:
    """Records that all jobs of a results folder say that they made."""
    logs = Board(folder).logs.glob("*_log.out")
    return sum(int(count) for log in logs for count in re.findall(r"^(\d+) cells run", log.read_text(), re.MULTILINE))


def through_everything(slurm: Slurm, folder: Path, whole: Sequence[str]) -> str:
    """Table 1 while everything happens; what the submitting process says in the end."""
    run = Run(slurm, folder, whole)
    cancelled = run.cancel_one()
    print("cancelled a job", flush=True)
    killed = run.kill_one([cancelled])
    print("killed a job", flush=True)
    slurm.stop_controller()
    print("the controller is gone", flush=True)
    time.sleep(5)
    slurm.start_controller()
    print("the controller is back", flush=True)
    run.job_in("RUNNING", "train", [cancelled, killed])
    run.kill_submitter()
    print("killed the submitting process, started it again", flush=True)
    return run.said()


def through_a_time_limit(slurm: Slurm, folder: Path) -> str:
    """A training that takes longer than a job may: told in time, it writes what it has, and goes on in the queue."""
    arguments = ("table1", "--profile", "mini", "--models", "resnet50", "--tasks", "train")
    run = Run(slurm, folder, (*arguments, "--slurm", "time=1", "--slurm", "signal-delay=20"))
    said = run.said()
    (one,) = Board(folder).posted()
    (attempt,) = one.attempts
    told = slurm.call("scontrol", "show", "job", attempt.id)
    restarts = int(re.findall(r"Restarts=(\d+)", told)[0])
    print(f"a training of {restarts + 1} times a minute", flush=True)
    if not restarts:
        raise AssertionError(f"the time limit was never met:\n{said}")
    return said


def documented() -> list[str]:
    """The commands of docs/cluster.md, in their order."""
    fenced = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "cluster.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].strip() for block in fenced for line in block.splitlines() if line.strip()]


def tried(line: str, folder: Path) -> str:
    """A documented command on one network of the smoke profile, on the CPU, in a folder; empty where it needs data."""
    if not line.startswith(("tdam-bench", "mkdir", "for ")) or "preflight" in line:
        return ""
    line = re.sub(r"tdam-bench (run|plan) .*?(?= --profile)", rf"tdam-bench \1 table1 {' '.join(SMALL)}", line)
    for full, small in SMALLER.items():
        line = line.replace(full, small)
    return line.replace("tdam-bench", f"{sys.executable} -m benchmarks").replace("/shared", str(folder))


def through_the_docs(slurm: Slurm, folder: Path) -> list[str]:
    """All that docs/cluster.md says to type, one after the other; which commands were run.

    Raises:
        AssertionError: One of them fails.
    """
    folder.mkdir(parents=True)
    done = []
    for line in filter(None, (tried(one, folder) for one in documented())):
        told = subprocess.run(line, shell=True, cwd=ROOT, env=slurm.env, capture_output=True, text=True, check=False)
        if told.returncode:
            raise AssertionError(f"{line}: exit code {told.returncode}:\n{told.stdout}{told.stderr}")
        done.append(line)
    return done


def refused(slurm: Slurm, folder: Path) -> list[str]:
    """What is said where jobs cannot be submitted: each must be one line, and leave nothing in the queue."""
    folder.mkdir(parents=True)
    (folder / "file").touch()
    wrong: list[tuple[Sequence[str], Path, dict[str, str]]] = [
        (["--partition", "big"], folder / "a", slurm.env),
        (["--slurm", "time=soon"], folder / "b", slurm.env),
        (["--slurm", "array=1-3"], folder / "b", slurm.env),
        ([], folder / "c", {**slurm.env, "PATH": str(folder)}),
        ([], folder / "file", slurm.env),
    ]
    lines = []
    for more, results, env in wrong:
        asked = command(results, *WHOLE, "--executor", "slurm", *more)
        done = subprocess.run(asked, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        told = [line for line in done.stderr.splitlines() if line]
        if done.returncode not in (1, 2) or len(told) != 1 or Board(results).posted():
            raise AssertionError(f"{more}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        lines += told
    return lines


def main() -> None:
    """Run all, and say what came of it."""
    if why_not():
        sys.exit(f"cannot be run here: {why_not()}")
    whole = (*WHOLE, *sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("an undisturbed run here", flush=True)
        here(folder / "here", whole)
        with running(folder / "slurm") as slurm:
            print("\n".join(refused(slurm, folder / "refused")), flush=True)
            print(through_everything(slurm, folder / "there", whole))
            print(through_a_time_limit(slurm, folder / "long"))
            print("\n".join(through_the_docs(slurm, folder / "docs")), flush=True)
            left = slurm.call("squeue", "--noheader")
        once = made(folder / "there") == len(Store(folder / "there").records())
        checks: dict[str, Callable[[], bool] | bool] = {
            "the same records": same_records(folder / "there", folder / "here"),
            "each made once": once,
            "one training": len(Store(folder / "long").records()) == 1,
            "nothing left in the queue": not left.strip(),
        }
    for what, holds in checks.items():
        print(f"{'ok' if holds else 'FAILED'}: {what}")
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
