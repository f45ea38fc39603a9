"""On a real Slurm, where one can be started: the short form of `make cluster-test`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.core.store import Store
from benchmarks.work.cluster.board import Board
from tests.cluster_and_back import Run, here, made
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
