"""A run's plan becomes jobs that lose nothing and do nothing twice, whatever befalls them or who submits them."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from benchmarks import cli
from benchmarks.cli import main
from benchmarks.core.hosts import StoreOfHosts
from benchmarks.core.records import Cell, new_record
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.cluster import engines
from benchmarks.work.cluster.board import Attempt, Board, Posted
from benchmarks.work.cluster.engines import Engine, EngineError, Local, Place, Slurm, engine_of, minutes_of, nodes_of
from benchmarks.work.cluster.follow import LOOKS, Followed, Following, Submission, command_of
from benchmarks.work.cluster.jobs import Job, gpus_of, jobs_of, waves
from benchmarks.work.cluster.task import Task, grace_of
from benchmarks.work.cost import COST
from benchmarks.work.kinds import KINDS
from benchmarks.work.runner import plan_cell
from benchmarks.work.session import Session
from benchmarks.work.training import TRAIN
from tests.cluster_and_back import documented
from tests.sessions import make_session
from tests.trees import draw_imagenet

TD, PLAIN = "resnet50-td-joint-t2-m1", "resnet50"
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(tmp_path, models=(PLAIN, TD))


@pytest.fixture
def cells(session: Session) -> list[Cell]:
    """Table 1 of two networks, without speed."""
    planned = [cell for name in ("table1", "table7-wsol", "fig5") for cell in PAPER.experiment(name).cells(session)]
    return list(dict.fromkeys(cell for cell in planned if cell.kind != "efficiency"))


# ---------------------------------------------------------------- from cells to jobs


def test_evaluations_come_after_the_trainings_of_their_networks(cells: list[Cell], session: Session) -> None:
    jobs, blocked = jobs_of(cells, session, gpus=4)
    assert blocked == []
    assert sorted(str(cell) for job in jobs for cell in job.cells) == sorted(map(str, cells))
    trainings = {job.name for job in jobs if job.cells[0].kind == "train"}
    assert len(trainings) == 2
    (accuracy,) = (job for job in jobs if job.cells[0] == ACCURACY.cell(PLAIN, "val", 0, session))
    assert set(accuracy.needs) == trainings
    assert {job.cells[0].kind: job.gpus for job in jobs} == {
        "cost": 0, "train": 4, "accuracy": 4, "localization": 4, "attention": 4}  # fmt: skip
    # Of speed one process is measured, on one GPU.
    assert gpus_of(KINDS["efficiency"], 4) == 1
    # What maps are drawn of is chosen by localizations, whoever trained the networks.
    by_kind = {job.cells[0].kind: job for job in jobs}
    assert by_kind["localization"].name in by_kind["attention"].needs


def test_a_pass_is_shared_and_all_shares_are_awaited(cells: list[Cell], session: Session) -> None:
    jobs, _ = jobs_of(cells, session, shares=3)
    shared = [job for job in jobs if job.cells[0].kind == "localization"]
    assert [job.share for job in shared] == [(0, 3), (1, 3), (2, 3)]
    assert len({job.name for job in jobs}) == len(jobs)
    (attention,) = (job for job in jobs if job.cells[0].kind == "attention")
    assert {job.name for job in shared} < set(attention.needs)
    assert shared[1].title.endswith(", share 2 of 3")


def test_what_can_never_run_is_told_and_no_job(session: Session) -> None:
    """A network's accuracy without its training, and what an earlier run has under way."""
    alone = ACCURACY.cell(PLAIN, "val", 0, session)
    jobs, blocked = jobs_of([alone], session)
    assert (jobs, [one.cell for one in blocked]) == ([], [alone])
    training = TRAIN.cell(PLAIN, 0, session)
    jobs, blocked = jobs_of([alone], session, under_way={training: ("train-abc",)})
    assert blocked == []
    assert jobs[0].needs == ("train-abc",)


def test_jobs_that_are_alike_are_one_array(cells: list[Cell], session: Session) -> None:
    jobs, _ = jobs_of(cells, session)
    together = waves(jobs)
    assert sorted(len(wave) for wave in together if wave[0].cells[0].kind == "train") == [2]
    assert sum(map(len, together)) == len(jobs)
    assert all(len({(job.needs, job.gpus) for job in wave}) == 1 for wave in together)


def test_a_job_is_named_by_its_work(cells: list[Cell], session: Session) -> None:
    first, second = (jobs_of(list(order), session)[0] for order in (cells, cells))
    assert [job.name for job in first] == [job.name for job in second]
    assert replace(first[0], share=(1, 2)).name != first[0].name


# ---------------------------------------------------------------- on the board


def test_the_board_gives_back_what_was_posted(tmp_path: Path, session: Session) -> None:
    board = Board(tmp_path)
    assert (board.posted(), board.unsent(), board.is_stopped()) == ([], {}, False)
    job = Job((TRAIN.cell(PLAIN, 0, session), COST.cell(TD)), (1, 2), ("train-1",), 2)
    posted = Posted(job, ("python", "-m", "x"), "slurm").tried(Attempt("7_0")).tried(Attempt("8", "n1"))
    board.post(posted)
    board.sending("abcd", [job.name])
    board.begin(job.name, "8")
    assert board.posted() == [posted]
    assert board.unsent() == {"abcd": [job.name]}
    assert (board.ending(job.name, "8"), bool(board.began(job.name, "8"))) == (None, True)
    board.end(job.name, "8", 3, "no")
    ending = board.ending(job.name, "8")
    assert ending is not None
    assert (ending.code, ending.reason) == (3, "no")
    board.begin(job.name, "8")  # put back in the queue, it has not ended
    assert board.ending(job.name, "8") is None


# ---------------------------------------------------------------- followed to the end


@dataclass
class Scripted(Engine):
    """An engine whose jobs end as a script says: by name and attempt, ``0`` or another code, or gone without a word.

    Each look lets the jobs that wait for nothing end.
    """

    name = "scripted"
    board: Board
    session: Session
    script: dict[tuple[str, int], int | None] = field(default_factory=dict)
    slots: int | None = None
    sent: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    running: dict[str, str] = field(default_factory=dict)
    taken_back: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notices: list[float] = field(default_factory=list)
    most: int = 0

    def submit(self, word: str, tasks: Sequence[Task], place: Place) -> list[str]:
        assert self.board.unsent().keys() == {word}
        ids = []
        for task in tasks:
            self.sent.append((task.name, place.after, place.avoided))
            self.notices.append(task.notice)
            ids.append(str(len(self.sent)))
            self.running[ids[-1]] = task.name
        self.most = max(self.most, len(self.running))
        return ids

    def alive(self, ids: Sequence[str]) -> dict[str, str]:
        return {one: "running" for one in ids if one in self.running}

    def cancel(self, ids: Sequence[str]) -> None:
        for one in ids:
            self.running.pop(one, None)

    def drop(self, attempt: str) -> None:
        self.dropped.append(attempt)

    def take_back(self, word: str) -> None:
        self.taken_back.append(word)

    def step(self) -> None:
        """Let jobs end."""
        for one, name in list(self.running.items()):
            if set(self.sent[int(one) - 1][1]) & self.running.keys():
                continue
            tries = sum(name == other for other, _, _ in self.sent[: int(one)])
            code = self.script.get((name, tries), 0)
            self.board.begin(name, one)
            if code == 0:
                (job,) = (posted.job for posted in self.board.posted() if posted.job.name == name)
                for cell in job.cells:
                    self.session.store.write(new_record(cell, KINDS[cell.kind].versioned(self.session), {}))
            if code is not None:
                self.board.end(name, one, code, "it failed" if code else "")
            del self.running[one]


def following(engine: Scripted, shares: int = 1) -> tuple[Following, list[str]]:
    """A run's jobs, and what is said of them."""
    said: list[str] = []
    submission = Submission(lambda processes: ("python",), shares=shares, every=0.0)
    return Following(engine.board, engine, submission, said.append), said


def name_of(cell: Cell, one: Following) -> str:
    """The job that begins with a cell."""
    (name,) = (name for name, followed in one.jobs.items() if followed.job.cells[0] == cell)
    return name


def run_through(one: Following, engine: Scripted, looks: int = 40) -> None:
    """As :meth:`Following.to_the_end`, letting jobs end between two looks."""
    one.board.start()
    one.submit()
    for _ in range(looks):
        if all(job.state != "open" for job in one.jobs.values()):
            return
        engine.step()
        one.look()
        one.submit()
    raise AssertionError("it never ends")


@pytest.mark.parametrize("slots", [None, 2])
def test_every_job_is_submitted_once_after_those_that_it_needs(
    cells: list[Cell], session: Session, slots: int | None
) -> None:
    """Into a queue at once; or, where there is none, when they may begin, so many at a time."""
    engine = Scripted(Board(session.store.folder), session, slots=slots)
    one, said = following(engine)
    assert one.take_up(cells, session) == []
    run_through(one, engine)
    names = [name for name, _, _ in engine.sent]
    assert len(names) == len(set(names)) == len(one.jobs)
    for name, after, _ in engine.sent:
        needed = [names.index(other) for other in one.jobs[name].job.needs]
        assert all(place < names.index(name) for place in needed)
        assert slots is not None or len(after) == len(needed)
    assert slots is None or engine.most <= slots
    assert all(line.startswith("done: ") for line in said)
    assert engine.board.unsent() == {}


def test_a_failed_job_comes_once_more_on_another_host(cells: list[Cell], session: Session) -> None:
    engine = Scripted(Board(session.store.folder), session)
    one, said = following(engine)
    one.take_up(cells, session)
    (training,) = (
        job.name for job in (two.job for two in one.jobs.values()) if job.cells[0] == TRAIN.cell(TD, 0, session)
    )
    engine.script = {(training, 1): 1}
    run_through(one, engine)
    (again,) = (sent for sent in engine.sent[1:] if sent[0] == training and sent[2])
    assert again[2] == engine.board.began(training, one.jobs[training].attempt)
    assert any(line.startswith("failed on ") and "once more" in line and "_0_log.out" in line for line in said)
    assert {followed.state for followed in one.jobs.values()} == {"done"}


def test_a_job_that_fails_twice_is_noted_with_its_log(cells: list[Cell], session: Session) -> None:
    """Killed without a word, then failing; and what needs it is tried and noted too."""
    engine = Scripted(Board(session.store.folder), session)
    one, _ = following(engine)
    one.take_up(cells, session)
    (training,) = (
        job.name for job in (two.job for two in one.jobs.values()) if job.cells[0] == TRAIN.cell(TD, 0, session)
    )
    engine.script = {(training, 1): None, (training, 2): 1}
    run_through(one, engine)
    assert one.jobs[training].state == "failed"
    reasons = one.note_failures(session)
    (told,) = reasons.values()
    assert told.startswith("failed (its job ended before it); log: ")
    (note,) = session.store.absences()
    assert (note.cell, note.reason) == (TRAIN.cell(TD, 0, session), told)


def test_what_failed_for_what_it_needs_does_not_count(cells: list[Cell], session: Session) -> None:
    """An evaluation begins when its training has failed for the first time; it has its two tries after the second."""
    engine = Scripted(Board(session.store.folder), session)
    one, _ = following(engine)
    one.take_up(cells, session)
    training = name_of(TRAIN.cell(TD, 0, session), one)
    accuracy = name_of(ACCURACY.cell(PLAIN, "val", 0, session), one)
    engine.script = {(training, 1): 1, (accuracy, 1): 1, (accuracy, 2): 1}
    run_through(one, engine)
    assert {followed.state for followed in one.jobs.values()} == {"done"}
    assert [name for name, _, _ in engine.sent].count(accuracy) == 3


def test_a_new_run_follows_what_is_under_way(cells: list[Cell], session: Session) -> None:
    """The submitting process is gone after the trainings began: nothing of them is submitted again."""
    engine = Scripted(Board(session.store.folder), session, slots=4)
    first, _ = following(engine)
    first.take_up(cells, session)
    first.submit()
    begun = {name for name, _, _ in engine.sent}
    assert begun
    second, said = following(engine)
    second.take_up(cells, session)
    assert said == [f"{len(begun)} jobs of an earlier run are under way; following them"]
    run_through(second, engine)
    names = [name for name, _, _ in engine.sent]
    assert len(names) == len(set(names))
    every = {str(cell) for name in names for cell in second.jobs[name].job.cells}
    assert every == set(map(str, cells))


def test_a_submission_that_was_cut_off_is_taken_back(cells: list[Cell], session: Session) -> None:
    """Between the queue's answer and the board: what is in the queue nobody knows the ids of."""
    engine = Scripted(Board(session.store.folder), session)
    first, _ = following(engine)
    first.take_up(cells, session)
    name = next(iter(first.jobs))
    engine.board.post(first.jobs[name].posted)
    engine.board.sending("beef", [name])
    second, _ = following(engine)
    second.take_up(cells, session)
    assert (engine.taken_back, engine.board.unsent()) == (["beef"], {})
    run_through(second, engine)
    assert [sent for sent, _, _ in engine.sent].count(name) == 1


def test_cancelled_jobs_do_not_come_again(cells: list[Cell], session: Session) -> None:
    engine = Scripted(Board(session.store.folder), session)
    one, _ = following(engine)
    one.take_up(cells, session)
    one.submit()
    engine.board.stop()
    engine.cancel(list(engine.running))
    before = len(engine.sent)
    for _ in range(LOOKS + 1):
        one.look()
    assert {followed.state for followed in one.jobs.values()} == {"stopped"}
    assert len(engine.sent) == before
    assert one.note_failures(session) == {}


def test_jobs_on_their_way_while_all_are_cancelled_are_stopped_too(cells: list[Cell], session: Session) -> None:
    """``cancel`` knows of no job that the queue has taken and the board does not tell of yet."""

    class Cancelled(Scripted):
        def submit(self, word: str, tasks: Sequence[Task], place: Place) -> list[str]:
            ids = super().submit(word, tasks, place)
            self.board.stop()
            return ids

    engine = Cancelled(Board(session.store.folder), session)
    one, _ = following(engine)
    one.take_up(cells, session)
    one.submit()
    assert engine.running == {}
    for _ in range(LOOKS + 1):
        one.look()
        one.submit()
    assert {followed.state for followed in one.jobs.values()} == {"stopped"}


# ---------------------------------------------------------------- in a job


def test_a_job_knows_how_long_before_its_limit_it_is_told(
    cells: list[Cell], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as Slurm was asked to; the task is told by its engine, again after each submission."""
    monkeypatch.setattr(shutil, "which", lambda program: program)
    assert Slurm(tmp_path, 1, None, {"signal-delay": "30"}).notice == 30
    engine = Scripted(Board(session.store.folder), session)
    engine.notice = 30
    one, _ = following(engine)
    one.take_up(cells[:1], session)
    one.submit()
    assert engine.notices == [30]


@pytest.mark.parametrize(("notice", "grace"), [(120, 100), (600, 580), (30, 15), (1, 0.5)])
def test_what_a_job_is_told_before_its_limit_is_left_in_part_for_the_queue(notice: float, grace: float) -> None:
    assert grace_of(notice) == grace < notice


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(100)
"""


def test_a_command_that_does_not_end_is_killed_before_its_job_is(tmp_path: Path) -> None:
    """Told a second before the limit; the job comes again, and will be told as late."""
    task = Task("train-a", tmp_path, ("true",), notice=1)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        task.process = process
        again = task.checkpoint().function
    assert process.returncode == -signal.SIGKILL
    assert (again.name, again.command, again.notice) == ("train-a", ("true",), 1)


def test_a_job_that_is_told_before_its_command_runs_comes_again(tmp_path: Path) -> None:
    assert Task("train-a", tmp_path, ("true",)).checkpoint().function.command == ("true",)


TOLD_EARLY = """
import signal, subprocess, sys
from pathlib import Path
from benchmarks.work.cluster.task import Task

popen = subprocess.Popen

def told_meanwhile(*arguments, **facts):
    process = popen(*arguments, **facts)
    signal.raise_signal(signal.SIGTERM)
    return process

subprocess.Popen = told_meanwhile
signal.signal(signal.SIGTERM, lambda number, frame: None)  # as submitit has it
Task("train-a", Path(sys.argv[1]), ("sleep", "5"))()
"""


def test_a_signal_while_the_command_is_started_is_not_lost(tmp_path: Path) -> None:
    """It comes after the process is there, and before anybody could pass it on."""
    env = {**os.environ, "SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": "7"}
    command = [sys.executable, "-c", TOLD_EARLY, str(tmp_path)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("RuntimeError: its process ended by signal SIGTERM")
    ending = Board(tmp_path).ending("train-a", "7")
    assert ending is not None
    assert ending.code == 143


# ---------------------------------------------------------------- engines


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("1:30", 2),
        ("2:00:00", 120),
        ("0:0:1", 1),
        ("1-0", 1440),
        ("2-3:30", 2 * 1440 + 210),
        ("1-0:0:1", 1441),
    ],
)
def test_times_are_those_of_sbatch(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "0", "1:2:3:4", "-5", "1-", "a-1"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(EngineError, match="--slurm time"):
        minutes_of(text)


def test_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a Slurm with two hosts, one of them in two partitions."""
    monkeypatch.setattr(engines, "asked", lambda command: "main*|n1\nmain*|n2\ngpu|n2\n")
    assert (nodes_of(None), nodes_of("main"), nodes_of("gpu")) == (["n1", "n2"], ["n1", "n2"], ["n2"])
    with pytest.raises(EngineError, match="no partition 'big'; choose one of gpu, main"):
        nodes_of("big")
    monkeypatch.setattr(engines, "asked", lambda command: "gpu|n2\n")
    with pytest.raises(EngineError, match="no default partition; name one by --partition, of gpu"):
        nodes_of(None)


def test_a_job_that_no_host_could_begin_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm holds it in the queue for ever; another one that waits is alive, and says for what."""
    queue = f"7|PENDING|{engines.HELD}\n8|PENDING|Resources\n9_0|RUNNING|None\n"
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(engines, "asked", lambda command: queue)
    alive = Slurm(tmp_path, 1, None, {}).alive(["7", "8", "9_0", "10"])
    assert alive == {"8": "pending (Resources)", "9_0": "running"}


def test_without_slurm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="there is no sbatch on the path; run where Slurm is"):
        Slurm(tmp_path, 1, None, {})


def test_without_submitit_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    how = r"pip install submitit, or pip install '\.\[cluster\]' in a checkout"
    with pytest.raises(ModuleNotFoundError, match=f"--executor local needs submitit: {how}"):
        Local(tmp_path, 1)


def test_a_controller_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(1, "", "slurm_load_jobs error: Unable to contact slurm controller"), (0, "12|RUNNING|None\n", "")]

    def run(command: Sequence[str], **facts: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, *answers.pop(0))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(engines, "PAUSE", 0.0)
    assert engines.asked(["squeue"]) == "12|RUNNING|None\n"
    answers.append((1, "", "squeue: error: you are nobody"))
    with pytest.raises(EngineError, match="squeue does not work here: squeue: error: you are nobody"):
        engines.asked(["squeue"])


def test_jobs_that_do_not_leave_the_queue_are_waited_for_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(engines, "asked", lambda command: "7_0 COMPLETING\n" if "squeue" in command else "")
    monkeypatch.setattr(engines, "LEAVING", 0.0)
    told = (
        "the jobs tdam-bench-word of a submission that was cut off are still in the queue 0 minutes after scancel; "
        "look at `squeue --me --name tdam-bench-word`, and run the same command when they are gone"
    )
    with pytest.raises(EngineError, match=f"^{re.escape(told)}$"):
        Slurm(tmp_path, 1, None, {}).take_back("word")


def test_the_command_of_a_job() -> None:
    """Several processes where it has several GPUs."""
    assert command_of("tdam", ["table1", "--seeds", "3"], 1)[1:] == (
        "-m", "benchmarks", "--paper", "tdam", "run", "table1", "--seeds", "3", "--job")  # fmt: skip
    assert "--nproc-per-node=4" in command_of("tdam", ["table1"], 4)


# ---------------------------------------------------------------- hosts


def test_a_record_counts_wherever_it_was_made(tmp_path: Path, session: Session) -> None:
    """Of two that differ by the processor alone the older one, whether loose or packed; of other inputs none."""
    cell, store = TRAIN.cell(PLAIN, 0, session), Store(tmp_path / "shared")
    first = new_record(cell, {"version": 1, "computes_with": "one"}, {})
    second = replace(new_record(cell, {"version": 1, "computes_with": "other"}, {}), created="9999")
    hosts = StoreOfHosts(store.folder)
    assert hosts.find(cell, {"version": 1}) is None
    store.write(second)
    assert hosts.find(cell, {"version": 1, "computes_with": "a third"}) == second
    store.write(first)
    store.pack()
    # What was found once stands, whatever comes later.
    assert hosts.find(cell, {"version": 1}) == second
    packed = StoreOfHosts(store.folder)
    assert packed.find(cell, {"version": 1, "computes_with": "other"}) == first
    assert packed.find(cell, {"version": 2}) is None
    other = TRAIN.cell(TD, 0, session)
    assert packed.find(other, {"version": 1}) is None
    late = new_record(other, {"version": 1, "computes_with": "one"}, {})
    # While it is written there is a file of another name in its place.
    unfinished = store.record_path(other, late.id).with_name(".unfinished.tmp.json")
    unfinished.touch()
    assert packed.find(other, {"version": 1}) is None
    unfinished.unlink()
    store.write(late)
    assert packed.find(other, {"version": 1}) == late


def test_a_host_without_the_device_plans_for_those_that_have_it(tmp_path: Path) -> None:
    """What four processes on a GPU have trained is found where there is none; another number of them is another."""
    planning = make_session(tmp_path, device="cuda", processes=4, elsewhere=True)
    cell = TRAIN.cell(PLAIN, 0, planning)
    told = TRAIN.inputs(cell, planning)
    assert isinstance(told, Mapping)
    assert (told["processes"], "computes_with" in told) == (4, False)
    Store(planning.store.folder).write(new_record(cell, {**told, "computes_with": "a GPU"}, {}))
    shared = replace(planning, store=StoreOfHosts(planning.store.folder))
    assert plan_cell(cell, shared).state == "done"
    assert plan_cell(cell, replace(shared, processes=8)).state == "run"


def test_evaluations_at_other_tasks_come_after_their_fine_tunings(session: Session) -> None:
    """They rest on it while that itself waits for a training."""
    jobs, blocked = jobs_of(PAPER.experiment("table7-tasks").cells(session), session)
    assert blocked == []
    kinds = {job.name: job.cells[0].kind for job in jobs}
    evaluations = [job for job in jobs if job.cells[0].kind == "transfer"]
    assert evaluations
    assert all({kinds[name] for name in job.needs} >= {"finetune"} for job in evaluations)


def test_parts_that_nobody_joined_are_joined_by_one_more_job(session: Session) -> None:
    """Two jobs that share a pass have both ended well, and neither saw that it was last; a third one is tried once."""
    engine = Scripted(Board(session.store.folder), session)
    one, said = following(engine, shares=2)
    training = TRAIN.cell(PLAIN, 0, session)  # in the place of a pass whose record is not there
    shared = [Job((training,), (share, 2)) for share in range(2)]
    for job in shared:
        posted = Posted(job, ("python",), engine.name, (Attempt(f"of {job.name}"),))
        one.jobs[job.name] = Followed(posted, state="done")
    one.join_left(session)
    assert [sent[0] for sent in engine.sent] == [shared[1].name]
    assert "whoever came last did not see all parts" in said[0]
    one.jobs[shared[1].name].state = "done"
    one.join_left(session)
    assert one.jobs[shared[1].name].state == "failed"
    assert len(engine.sent) == 1


def test_a_new_run_takes_on_what_is_missing_of_a_pass_under_way(session: Session) -> None:
    """Of its three shares one runs, one has ended well, and one has failed while nobody followed it."""
    engine = Scripted(Board(session.store.folder), session)
    first, _ = following(engine)
    training = TRAIN.cell(PLAIN, 0, session)  # in the place of a pass
    shares = [Job((training,), (share, 3)) for share in range(3)]
    for job in shares:
        first.add(job)
    first.submit()
    for job, code in zip(shares[1:], (0, 1), strict=True):
        attempt = first.jobs[job.name].attempt
        engine.board.end(job.name, attempt, code)
        engine.cancel([attempt])
    second, said = following(engine)
    assert second.take_up([training], session) == []
    assert said == ["1 jobs of an earlier run are under way; following them"]
    second.submit()
    assert [name for name, _, _ in engine.sent] == [*(job.name for job in shares), shares[2].name]


def test_after_cancelling_nothing_more_is_submitted(cells: list[Cell], session: Session) -> None:
    """Of an engine with two places, what waited for one of them."""
    engine = Scripted(Board(session.store.folder), session, slots=2)
    one, _ = following(engine)
    one.take_up(cells, session)
    one.submit()
    assert any(not followed.attempt for followed in one.jobs.values())
    engine.board.stop()
    before = len(engine.sent)
    one.submit()
    assert len(engine.sent) == before
    assert {followed.state for followed in one.jobs.values() if not followed.attempt} == {"stopped"}


def test_more_jobs_of_an_earlier_run_than_places_leave_none_free(cells: list[Cell], session: Session) -> None:
    engine = Scripted(Board(session.store.folder), session, slots=4)
    first, _ = following(engine)
    first.take_up(cells, session)
    first.submit()
    engine.slots = 1
    second, _ = following(engine)
    second.take_up(cells, session)
    before = len(engine.sent)
    assert before > 1
    second.submit()
    assert len(engine.sent) == before


def test_an_attempt_that_never_began_tells_where_to_look(cells: list[Cell], session: Session) -> None:
    engine = Scripted(Board(session.store.folder), session)
    one, said = following(engine)
    one.take_up(cells[:1], session)
    one.submit()
    engine.running.clear()
    for _ in range(LOOKS + 1):
        one.look()
    assert f"it never began; can its host write to {session.store.folder.absolute()}?" in said[0]
    assert engine.dropped == ["1"]


def test_a_folder_that_jobs_cannot_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"jobs cannot write to .*file \(Not a directory\); name a folder"):
        Board(tmp_path / "file").require_writable()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"time": "soon"}, "--slurm time takes minutes"),
        ({"signal-delay": "x"}, "--slurm signal-delay takes whole seconds"),
        ({"array": "1-3"}, "--slurm array is the suite's own matter; leave it out"),
        ({"partition": "x"}, "--slurm partition is the suite's own matter; name it by --partition"),
    ],
)
def test_options_of_slurm_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: program)
    with pytest.raises(EngineError, match=told):
        Slurm(tmp_path, 1, None, options)


def test_a_submission_whose_answer_was_lost_is_taken_back_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller took the jobs and went before it said so: they are stopped before they are submitted again."""
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(engines, "PAUSE", 0.0)

    def answer(command: Sequence[str]) -> str:
        asked.append(command)
        return "main*|n1\n" if "sinfo" in command else ""

    monkeypatch.setattr(engines, "asked", answer)
    slurm = Slurm(tmp_path, 1, None, {"exclude": "n3", "cpus-per-task": "4"})
    answers: list[Exception | str] = [
        slurm.submitit.core.utils.FailedJobError("Unable to contact slurm controller"),
        "7",
    ]
    given: dict[str, object] = {}

    class Executor:
        def __init__(self, **facts: object) -> None: ...

        def update_parameters(self, **facts: object) -> None:
            given.update(facts)

        def batch(self) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

        def submit(self, task: Task) -> object:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(job_id=answer)

    monkeypatch.setattr(slurm.submitit, "SlurmExecutor", Executor)
    assert slurm.submit("word", [Task("a", tmp_path, ("true",))], Place()) == ["7"]
    assert ["scancel", "--me", "--name", "tdam-bench-word"] in asked
    assert (given["exclude"], given["srun_args"]) == ("n3", ["--cpus-per-task=4"])
    answers.append(slurm.submitit.core.utils.FailedJobError("invalid account"))
    with pytest.raises(EngineError, match=r"Slurm refuses the jobs: .*invalid account"):
        slurm.submit("word", [Task("a", tmp_path, ("true",))], Place())


# ---------------------------------------------------------------- processes of this machine

SLEEPS = """
import os, signal, sys, time
from pathlib import Path
def told(number, frame):
    Path(sys.argv[1]).write_text("told")
    sys.exit(143)
signal.signal(signal.SIGTERM, told)
Path(sys.argv[2]).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
time.sleep(100)
"""


@pytest.mark.parametrize("named", ["GPU-8932f937-d72c", "0, GPU-8932f937", "MIG-GPU-8932f937/1/0"])
def test_gpus_that_are_named_by_uuid_are_refused(session: Session, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Handed out by number, another one would be taken than those that were named."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(engines, "cuda_devices", lambda: [0, 1])
    told = f"CUDA_VISIBLE_DEVICES={named} names GPUs by UUID, and --executor local hands them out by number; set it"
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        engine_of("local", replace(session, device="cuda"), None, {})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    engine = engine_of("local", replace(session, device="cuda"), None, {})
    assert isinstance(engine, Local)
    assert engine.gpus == [0, 1]


def waited(holds: Callable[[], bool]) -> bool:
    """Whether something comes true in time."""
    for _ in range(1200):
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_processes_here_have_a_gpu_each_and_outlive_who_started_them(tmp_path: Path) -> None:
    """The next run sees them, and which GPU they have; cancelled, they are told and write what they have."""
    board = Board(tmp_path)
    board.require_writable()
    first = Local(board.logs, 8, [2, 5])
    assert first.slots == 2
    files = [tmp_path / name for name in ("first", "second")]
    tasks = [
        Task(f"train-{file.name}", tmp_path, (sys.executable, "-c", SLEEPS, f"{file}.told", str(file)))
        for file in files
    ]
    ids = first.submit("", tasks[:1], Place(gpus=1))
    assert waited(files[0].exists)
    second = Local(board.logs, 8, [2, 5])
    assert second.alive([*ids, "1"]) == {ids[0]: "running"}
    ids += second.submit("", tasks[1:], Place(gpus=1))
    assert waited(files[1].exists)
    assert waited(lambda: [file.read_text() for file in files] == ["2", "5"])
    second.cancel(ids)
    assert waited(lambda: not first.alive(ids[:1]) and not second.alive(ids))
    assert [Path(f"{file}.told").read_text() for file in files] == ["told", "told"]
    ending = board.ending("train-first", ids[0])
    assert ending is not None
    assert ending.code == 143


# ---------------------------------------------------------------- the documentation


def test_commands_of_the_documentation_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the suite's, those that are not run for want of data too."""
    monkeypatch.setattr(cli.Place, "convert", lambda place, value, *where: Path(value))
    lines = [line for line in documented() if "tdam-bench " in line and "pip install" not in line]
    assert len(lines) >= 9
    for line in lines:
        name, *arguments = shlex.split(line.partition("tdam-bench ")[2])
        command = main.commands[name]
        command.make_context(name, arguments, parent=click.Context(main, obj="tdam"))


def test_a_profile_that_does_not_train_by_itself_trains_where_asked(tmp_path: Path) -> None:
    """Of full, a network without weights; without ``--train`` the plan says what would train it."""
    draw_imagenet(tmp_path / "data", classes=3)
    options = ["table1", "--profile", "full", "--num-classes", "3", "--models", PLAIN, "--splits", "v1"]
    where = ["--data-root", str(tmp_path / "data"), "--results", str(tmp_path / "runs"), "--tasks", "train,accuracy"]
    states = {}
    for more in ([], ["--train"]):
        done = CliRunner().invoke(main, ["plan", *options, *where, *more])
        assert done.exit_code == 0, done.output
        words = [line.split()[:2] for line in done.output.splitlines()]
        states[bool(more)] = [pair for pair in words if pair[0] in ("blocked", "run", "wait")]
    assert states == {False: [["blocked", "accuracy"]], True: [["run", "train"], ["wait", "accuracy"]]}
