"""On a real Slurm, where one can be started: the short form of `make cluster-test`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.core.store import Store
from benchmarks.work.cluster.board import Board
from tests.cluster_and_back import Run, here, made, refused, through_the_docs
from tests.kill_and_resume import same_records
from tests.slurm import Slurm, running, why_not

SMALL = ("table1", "--profile", "smoke", "--models", "resnet50", "--tasks", "cost,train,accuracy")

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with running(tmp_path_factory.mktemp("s")) as one:
        yield one


def test_a_cancelled_job_and_a_killed_submitter_change_nothing(slurm: Slurm, tmp_path: Path) -> None:
    """The training is cancelled in the middle and comes again; who submitted it is killed, and follows it again."""
    here(tmp_path / "here", SMALL)
    run = Run(slurm, tmp_path / "there", (*SMALL, "--shares", "2"))
    run.cancel_one()
    again, _ = run.job_in("RUNNING,PENDING", "train")
    run.kill_submitter()
    said = run.said()
    assert run.process.returncode == 0, said
    assert "jobs of an earlier run are under way; following them" in said
    assert same_records(tmp_path / "there", tmp_path / "here")
    assert made(tmp_path / "there") == len(Store(tmp_path / "there").records())
    (training,) = (one for one in Board(tmp_path / "there").posted() if one.job.name == again.job.name)
    assert len(training.attempts) == 2
    assert training.attempts[1].avoided in ("n1", "n2")
    assert slurm.call("squeue", "--noheader").strip() == ""


def test_cancelling_stops_all_and_what_was_done_is_kept(slurm: Slurm, tmp_path: Path) -> None:
    """The training writes its checkpoint, nothing comes again, and no failure is noted; the next run goes on."""
    folder = tmp_path / "runs"
    run = Run(slurm, folder, (*SMALL, "--epochs", "6"))
    run.job_in("RUNNING", "train")
    assert run.waits_for(lambda: any(folder.glob("logs/train-*.csv")))  # from here on signals wait for a step
    told = run.call("cancel")
    said = run.said()
    assert run.process.returncode == 1
    assert re.search(r"^\d+ jobs stopped$", told, re.MULTILINE), told
    assert "stopped: train resnet50" in said
    assert len(list(folder.glob("weights/*.unfinished"))) == 1
    assert Store(folder).absences() == []
    assert slurm.call("squeue", "--noheader").strip() == ""
    assert re.search(r"^failed +train resnet50 .*exit status 143; log: .*_0_log.out$", run.call("status"), re.MULTILINE)
    run.process = run.submit()
    said = run.said()
    assert run.process.returncode == 0, said
    (training,) = (record for record in Store(folder).records() if record.cell.kind == "train")
    assert training.notes["seconds_before"] > 0


def test_what_cannot_be_submitted_is_said_in_one_line(slurm: Slurm, tmp_path: Path) -> None:
    """A partition that does not exist, times and options that are none, no Slurm on the path, a file as folder."""
    lines = refused(slurm, tmp_path / "refused")
    assert [line.partition(":")[0] for line in lines] == ["Error"] * len(lines)
    wanted = (
        "no partition 'big'; choose one of main, one",
        "--slurm time takes",
        "--slurm array is the suite's own",
        "there is no sbatch on the path",
        "--results takes a folder",
    )
    for said in wanted:
        assert any(said in line for line in lines), said
    assert slurm.call("squeue", "--noheader").strip() == ""


def test_all_that_the_documentation_says_to_type_works(slurm: Slurm, tmp_path: Path) -> None:
    """From the plan to a verified report, and on to networks as weights from outside."""
    run = through_the_docs(slurm, tmp_path / "docs")
    for word in ("plan", "run", "status", "cancel", "show", "report", "verify"):
        assert any(f" -m benchmarks {word} " in line for line in run), word
    assert sum("--executor slurm" in line for line in run) == 3
    assert {one.cell.kind for one in Store(tmp_path / "docs" / "results").records()} == {"cost", "train", "accuracy"}
    given = Store(tmp_path / "docs" / "given").records()
    assert {one.cell.options["weights"] for one in given if one.cell.kind == "accuracy"} == {"given"}
    assert slurm.call("squeue", "--noheader").strip() == ""
