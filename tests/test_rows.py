"""What tells whether trainings had ended: which cells, and what they measure, by a run of profile smoke."""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.cli import main
from benchmarks.core.records import Cell, MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.recipes import SMOKE
from benchmarks.report.endings import AT_THE_END
from benchmarks.report.evidence import read_evidence
from benchmarks.work.rows import ending_cells, training_cells, tuned_ending_cells
from benchmarks.work.training import ENDED
from tests.sessions import make_session

MODEL, TARGET = "resnet50", "cub"


def kinds_of(cells: list[Cell]) -> Counter[tuple[str, object]]:
    """How many cells of each kind of work there are, by the images that they are evaluated on."""
    return Counter((cell.kind, cell.options.get("data")) for cell in cells)


def test_as_many_seeds_as_a_verdict_needs_bring_what_tells_of_their_ends(tmp_path: Path) -> None:
    few = make_session(tmp_path, "mini", seeds=(0, 1, 2, 3))
    assert kinds_of(training_cells(MODEL, few)) == {("train", None): 4}
    enough = make_session(tmp_path, "mini", seeds=(0, 1, 2, 3, 4))
    ends = {("train_longer", None): 1, ("accuracy", "tune"): 5}
    assert kinds_of(training_cells(MODEL, enough)) == {("train", None): 5, **ends}
    assert kinds_of(ending_cells(MODEL, enough)) == ends
    tuned = {("finetune_longer", None): 1, ("transfer", "dots/tune"): 5}
    assert kinds_of(tuned_ending_cells(MODEL, TARGET, enough)) == tuned


def test_where_no_more_images_are_held_out_the_curve_tells(tmp_path: Path) -> None:
    session = make_session(tmp_path, "full", seeds=(0, 1, 2, 3, 4))
    assert kinds_of(ending_cells(MODEL, session)) == {("train_longer", None): 1}
    assert kinds_of(tuned_ending_cells(MODEL, TARGET, session)) == {("finetune_longer", None): 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder after a training, a fine-tuning for each task, longer ones, and how far all of them came."""
    folder = tmp_path_factory.mktemp("ends")
    where = ["--results", str(folder / "runs"), "--cache", str(folder / "cache"), "--out", str(folder / "out")]
    result = CliRunner().invoke(main, ["run", "endings", "--profile", "smoke", "--models", MODEL, *where])
    assert result.exit_code == 0, result.output
    return folder


def one_of(folder: Path, kind: str, data: str | None = None, target: str | None = None) -> Record:
    """The record of a kind of work, on an image set, at a task."""
    told = {"data": data, "target": target}
    records = (one for one in Store(folder / "runs").records() if one.cell.kind == kind)
    (record,) = (one for one in records if {name: one.cell.options.get(name) for name in told} == told)
    return record


@pytest.mark.parametrize(
    ("kind", "judged_by", "data", "target", "key"),
    [
        ("train", "accuracy", "tune", None, AT_THE_END),
        ("finetune", "transfer", "dots/tune", "cub", MetricKey("top1")),
        ("finetune", "transfer", "many/tune", "coco", MetricKey("map")),
    ],
)
def test_longer_and_usual_networks_are_judged_on_the_same_images(
    finished: Path, kind: str, judged_by: str, data: str, target: str | None, key: MetricKey
) -> None:
    """All of the held-out ones; what they come to is what the table says more epochs bring."""
    images = make_session(finished).image_set(data)
    longer, usual = one_of(finished, f"{kind}_longer", target=target), one_of(finished, judged_by, data, target)
    assert longer.inputs["ended_on"] == usual.inputs["data"] == images.manifest_hash
    assert longer.metrics[ENDED].n == usual.metrics[key].n == len(images) == SMOKE.val_count
    evidence = read_evidence(Store(finished / "runs"), PAPER.profiles, "smoke", (MODEL,))
    (line,) = (
        line
        for line in PAPER.experiment("endings").table(evidence).lines
        if usual.id in str(line.values["judged"].record)
    )
    gain = line.values["gain"]
    reached, before = longer.metrics[ENDED].value, usual.metrics[key].value
    assert reached is not None
    assert before is not None
    assert gain.measured == pytest.approx(reached - before)
    assert gain.record == longer.id
    # The longer network is not kept, the usual one is.
    assert "weights" not in longer.notes
