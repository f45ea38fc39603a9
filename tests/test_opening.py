"""What a run says first: what it will do, what it cannot and why, time, disk and memory; and where it ends at once."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import Cell, MetricKey
from benchmarks.networks.models import create
from benchmarks.papers.tdam import PAPER
from benchmarks.papers.tdam.rules import RULES
from benchmarks.report import opening
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.collectors.accuracy import UNKNOWN, AccuracyCollector
from benchmarks.work.collectors.localization import LocalizationCollector, Truths
from benchmarks.work.cost import PARAMETERS
from benchmarks.work.demand import FLOAT, GUESSED_INFERENCE, KEPT, Rates, demand, in_bytes
from benchmarks.work.finetuning import FINETUNE
from benchmarks.work.localization import LOCALIZATION
from benchmarks.work.passes import Collector, Show, View, run_pass
from benchmarks.work.profiles import PIXELS_ON_CPU
from benchmarks.work.runner import Planned
from benchmarks.work.shelves import Disk, Stretch
from benchmarks.work.training import TRAIN, TrainingChoices
from tests.recorded import recorded
from tests.sessions import make_session
from tests.trees import draw_imagenet, draw_imagenet_v2

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_TORCH = """
import sys
from benchmarks.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("code", end.code, sorted({"torch", "torchvision", "pandas"} & set(sys.modules)))
"""


def run(folder: Path, *arguments: str) -> Result:
    places = ["--results", str(folder / "runs"), "--cache", str(folder / "cache"), "--out", str(folder / "report")]
    return CliRunner().invoke(main, ["run", *arguments, *places])


def test_without_data_and_weights_a_run_ends_with_what_mends_it_and_no_torch(tmp_path: Path) -> None:
    """Both are named, each on one line with its command, and how to measure the rest; nothing is written."""
    command = [sys.executable, "-c", WITHOUT_TORCH, "run", "table1", "--profile", "full", "--results"]
    ended = subprocess.run([*command, str(tmp_path / "runs")], capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "code 1 []"
    first, weights, data, others = ended.stderr.strip().splitlines()
    assert first == "none of the 28 cells that look at images can run:"
    assert weights.startswith("  blocked: 28 accuracy: no weights of MODEL, MODEL each of resnet50, resnet50-se, ")
    assert weights.endswith(" and 10 more: tdam-bench train MODEL --profile full --data-root DIR (or --weights DIR)")
    assert data.startswith("  blocked: 28 accuracy: the profile full needs the paper's data")
    assert data.endswith(": tdam-bench run --profile full --data-root DIR")
    assert "`tdam-bench run table1 --profile full --tasks cost,efficiency` runs them alone" in others
    assert not (tmp_path / "runs").exists()


def test_an_empty_data_folder_needs_no_torch_either(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", WITHOUT_TORCH, "run", "table1", "table7-wsol", "--profile", "full"]
    command += ["--data-root", str(tmp_path / "data"), "--results", str(tmp_path / "runs")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.stdout.strip() == "code 1 []"
    assert "imagenet-val is missing: no folder val" in ended.stderr


def test_what_looks_at_no_image_runs_where_it_was_asked_for(tmp_path: Path) -> None:
    """By its kind, where the networks' weights and the data are missing."""
    result = run(tmp_path, "table1", "--tasks", "cost", "--profile", "full", "--models", "resnet50")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 cells: 2 to run (2 cost)\ntime: ")


def test_a_named_experiment_without_images_goes_on_beside_a_blocked_one(tmp_path: Path) -> None:
    session = make_session(tmp_path, "full", models=("resnet18",))
    assert opening.asked_alone(PAPER, ("table1", "efficiency"), session)
    assert not opening.asked_alone(PAPER, ("table1",), session)
    # All experiments, of which none was named.
    assert not opening.asked_alone(PAPER, (), session)


def test_blocked_cells_stop_no_other(tmp_path: Path) -> None:
    """Weights of one network of two: its cells run, those of the other are told with the command."""
    draw_imagenet(tmp_path / "data", classes=4, per_class=2)
    draw_imagenet_v2(tmp_path / "data", classes=4, per_class=1)
    torch.manual_seed(0)
    torch.save(create("resnet18", 4).state_dict(), tmp_path / "resnet18.pth")
    arguments = ["supplement", "--profile", "full", "--num-classes", "4", "--models", "resnet18,resnet18-se"]
    arguments += ["--data-root", str(tmp_path / "data"), "--weights", str(tmp_path), "--tasks", "accuracy"]
    result = run(tmp_path, *arguments)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "4 cells: 2 to run (2 accuracy), 2 blocked (2 accuracy)"
    assert lines[1].startswith(f"  blocked: 2 accuracy: no weights of resnet18-se in {tmp_path}: tdam-bench train resn")
    assert lines[2] == (
        "time: about 1 min; 2 cells by a guess, 10 images of 224 pixels a second shown to a network, 3 in training"
    )
    assert lines[3].startswith("disk: ")
    assert lines[4].startswith("memory: about ")
    assert lines[4].endswith("(guessed: no record here tells what these networks hold)")
    assert len(list((tmp_path / "runs" / "records").glob("accuracy-resnet18-*.json"))) == 2
    again = run(tmp_path, *arguments).stdout.splitlines()
    assert again[0] == "4 cells: 2 done (2 accuracy), 2 blocked (2 accuracy)"
    assert not any(line.startswith(("time", "disk", "memory")) for line in again)


def test_of_several_processes_the_first_alone_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plans by itself before they join, so that all of them end."""
    for rank, said in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        result = run(tmp_path, "table1", "--profile", "full")
        assert result.exit_code == 1
        assert ("none of the 28 cells" in result.output) is said


def test_what_waits_for_networks_that_the_run_does_not_train_is_blocked(tmp_path: Path) -> None:
    """With trainings among the kinds of work it waits; without them nothing could run."""
    arguments = ["table1", "--profile", "smoke", "--models", "resnet50"]
    result = run(tmp_path, *arguments, "--tasks", "accuracy")
    assert result.exit_code == 1
    first, why, *rest = result.stderr.splitlines()
    assert (first, rest) == ("none of the 2 cells that look at images can run:", [])
    assert why.startswith("  blocked: 2 accuracy: waits for: train resnet50 smoke ")
    session = make_session(tmp_path, models=("resnet50",))
    cells = [one for one in PAPER.experiment("table1").cells(session) if one.kind in ("train", "accuracy")]
    said = opening.opening(PAPER, ("table1",), cells, session)
    assert said.lines[0] == "3 cells: 1 to run (1 train), 2 to run after others (2 accuracy)"


def test_one_line_for_each_reason(tmp_path: Path) -> None:
    """Networks' names within words stay; a reason of one network names it; few networks are all named."""
    session = make_session(tmp_path, "smoke")

    def blocked(model: str, reason: str) -> Planned:
        return Planned(Cell("accuracy", model, "full", {}), "blocked", reason=reason, command=f"train {model} x")

    planned = [blocked(name, f"no weights of {name} in /w/resnet50/") for name in ("resnet50", "resnet18", "resnet34")]
    assert opening.reasons([*planned, blocked("resnet50", "it is broken")], session) == [
        "  blocked: 3 accuracy: no weights of MODEL in /w/resnet50/, MODEL each of resnet50, resnet18, resnet34: "
        "train MODEL x",
        "  blocked: 1 accuracy: it is broken: train resnet50 x",
    ]


# ---------------------------------------------------------------- disk and memory


def like(array: np.ndarray, name: str, count: int) -> np.ndarray:
    """So many rows of an array's shape and type, with the values that real images would give."""
    dice = np.random.default_rng(0)
    shape = (count, *array.shape[1:])
    if name == "max_box":  # hits lie between two of the levels
        ends = np.sort(dice.integers(0, 256, (*shape[:-1], 4, 2)), axis=-1)
        levels = np.arange(256)
        hits = (levels >= ends[..., :1]) & (levels < ends[..., 1:])
        words: np.ndarray = np.packbits(hits, axis=-1, bitorder="little").view("<u8").reshape(shape)
        return words
    if array.dtype.kind == "f":
        return dice.random(shape).astype(array.dtype)
    highest = {"position": count, "objects": 3, "classes": 1000}.get(name, 224)
    drawn = np.arange(count) if name == "position" else dice.integers(0, highest, shape)
    if name == "boxes" and array.dtype == np.int16:  # those of predictions are made where steps differ
        drawn = np.where(dice.random((count, 1, 1)) < 0.2, drawn, UNKNOWN)
    return drawn.astype(array.dtype)


@pytest.mark.parametrize("kind", sorted(KEPT))
def test_parts_on_disk_are_as_large_as_stated(tmp_path: Path, kind: str) -> None:
    """A part of 2000 images, of the arrays that a pass over a few gives, against the statement: within 20 %."""
    session = make_session(tmp_path)
    images = session.image_set("val")
    network, view = create("resnet50-td-joint-t2-m1", 10, "mini"), View(32, 1.0)
    if kind == "accuracy":
        collector: Collector = AccuracyCollector(view, network, RULES)
    else:
        collector = LocalizationCollector(network, Truths(images, session.boxes("val"), view), RULES)
    (collected,) = run_pass([collector], Show(images, torch.device("cpu"), 8, count=8), lambda count: None)
    part = {name: like(array, name, 2000) for name, array in collected.part.items()}
    Disk(tmp_path / "parts").put(Stretch(0, 2000, part, []))
    (path,) = (tmp_path / "parts").iterdir()
    assert path.stat().st_size == pytest.approx(2000 * (KEPT[kind].image + 2 * KEPT[kind].step), rel=0.2)


def test_disk_by_hand(tmp_path: Path) -> None:
    """Two passes of smoke's images by networks of one step and of two."""
    session = make_session(tmp_path)
    cells = [ACCURACY.cell(name, "val", 0, session) for name in ("resnet50", "resnet50-td-joint-t2-m1")]
    images = session.profile.val_count
    assert images
    needed = demand(cells, [], session)
    assert needed.parts == images * (9 + 38 + 9 + 2 * 38)
    assert needed.tables == {"predictions": images * (19 + 38 + 19 + 2 * 38)}
    assert needed.weights == needed.shown == 0
    assert needed.disk == needed.parts + needed.tables["predictions"]
    # The parts of one pass have gone when the next begins.
    localization = LOCALIZATION.cell("resnet50", "val", 0, session)
    assert demand([*cells, localization], [], session).parts == needed.parts
    assert demand([*cells[:1], localization], [], session).parts == images * (10 + 68)


def test_disk_of_trainings_by_hand(tmp_path: Path) -> None:
    """What networks of one recipe and seed are shown is kept once; one alone keeps nothing; there is an end to it."""
    session = make_session(tmp_path)
    both = [TRAIN.cell(name, 0, session) for name in ("resnet50", "resnet50-td-joint-t2-m1")]
    recipe, images = session.profile.recipe, session.profile.train_count
    assert recipe
    assert images
    shown = images * recipe.epochs * (3 * recipe.resolution**2 + 2 * 5056 / recipe.batch)
    assert demand(both, [], session).shown == demand([*both, *both], [], session).shown == shown
    assert demand(both[:1], [], session).shown == 0
    assert demand([*both, TRAIN.cell("resnet50", 1, session)], [], session).shown == 2 * shown
    many = [TRAIN.cell("resnet50", seed, session) for seed in range(int(2e9 / shown) + 2)]
    assert demand(many, [], session).shown == 2e9
    assert demand(both, [], replace(session, processes=2)).shown == 0


def test_parameters_and_memory_from_records(tmp_path: Path) -> None:
    """At the paper's size records count; of the small networks no record tells, and that is said."""
    session = make_session(tmp_path, "full", models=("resnet50", "resnet50-se"))
    records = [recorded(cell) for cell in PAPER.experiment("table1").cells(session) if cell.kind != "accuracy"]
    by_cell = {(record.cell.kind, record.cell.options.get("mode")): record for record in records}
    rates = Rates(records, session)
    counts = [
        one.metrics[PARAMETERS].value
        for one in records
        if one.cell.model == "resnet50-se" and PARAMETERS in one.metrics
    ]
    assert rates.parameters("resnet50-se") == counts[-1]
    run_ = by_cell["efficiency", "inference"]
    pixels = int(str(run_.cell.options["batch"])) * 224**2
    held = next(metric.value for key, metric in run_.metrics.items() if (key.name, key.of) == ("memory", "resnet50-se"))
    assert held is not None
    assert rates.by_pixel("resnet50-se", "inference") == held / pixels
    cell = ACCURACY.cell("resnet50-se", "val", 0, session)
    assert session.profile.batch * 224**2 > PIXELS_ON_CPU
    expected = FLOAT * rates.parameters("resnet50-se") + held / pixels * PIXELS_ON_CPU
    assert rates.memory([cell]) == pytest.approx(expected)
    assert not rates.guessed
    # Of what is fine-tuned at 448 pixels a batch is that of its own recipe.
    tuned = FINETUNE.cell("resnet50-se", "coco", 0, session)
    recipe = FINETUNE.recipe(tuned, session)
    held = rates.by_pixel("resnet50-se", "training") * recipe.batch * recipe.resolution**2
    assert rates.memory([tuned]) == pytest.approx(held + 4 * FLOAT * rates.parameters("resnet50-se"))
    assert recipe.resolution == 448
    small = Rates(records, replace(session, profile=make_session(tmp_path).profile))
    assert small.by_pixel("resnet50-se", "inference") == GUESSED_INFERENCE
    assert small.guessed


def test_time_by_speed_where_nothing_like_it_was_timed(tmp_path: Path) -> None:
    """Images over images a second, as measured or guessed; of small networks, whose speed is not measured, guessed."""
    draw_imagenet(tmp_path / "data", classes=4, per_class=5)
    session = make_session(tmp_path, "full", data_root=tmp_path / "data", num_classes=4, models=("resnet50",))
    cell = ACCURACY.cell("resnet50", "val", 0, session)
    assert Rates([], session).seconds(cell) == 20 / 10
    records = [recorded(one) for one in PAPER.experiment("efficiency").cells(session)]
    (run_,) = [one for one in records if one.cell.options["mode"] == "inference"]
    speed = run_.metrics[MetricKey("fps", of="resnet50")].value
    assert speed
    assert Rates(records, session).seconds(cell) == 20 / speed
    training = TRAIN.cell("resnet50", 0, session)
    epochs = TRAIN.recipe(training, session).epochs
    # One image of the five of each class is held out.
    assert Rates([], session).seconds(training) == pytest.approx(3 * 16 * epochs / 10)
    assert Rates([], session).seconds(run_.cell) is None
    small = make_session(tmp_path)
    shown, trained = ACCURACY.cell("resnet50", "val", 0, small), TRAIN.cell("resnet50", 0, small)
    for known in ([], records):
        assert Rates(known, small).seconds(shown) == 250 / 2000
        assert Rates(known, small).seconds(trained) == pytest.approx(3 * 384 / 2000)


def test_time_by_speed_counts_what_is_trained_side_by_side(tmp_path: Path) -> None:
    """1,200 epochs of 384 images, 2000 / 3 a second: 11.5 minutes one after the other, 5.8 two at a time."""
    for jobs, minutes in ((1, 12), (2, 6)):
        session = make_session(tmp_path, jobs=jobs, models=("resnet50", "resnet50-se"))
        session = replace(session, choices={TrainingChoices: TrainingChoices(epochs=600)})
        cells = [TRAIN.cell(model, 0, session) for model in session.models or ()]
        said = opening.time_of(cells, [], [], session)
        guess = "a guess, 2,000 images a second shown to a network, 667 in training"
        assert said == f"about {minutes} min; 2 cells by {guess}"


def test_a_plan_says_what_a_run_takes_as_the_run_says_it(tmp_path: Path) -> None:
    """The same lines, of a network that is trained, shown and counted; none where a run would be refused."""
    what = ["table1", "--profile", "smoke", "--models", "resnet50", "--tasks", "cost,train,accuracy"]
    places = ["--results", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache")]
    planned = CliRunner().invoke(main, ["plan", *what, *places])
    assert planned.exit_code == 0, planned.output
    lines = planned.stdout.splitlines()
    session = make_session(tmp_path, models=("resnet50",), jobs=os.cpu_count())
    cells = [one for one in PAPER.experiment("table1").cells(session) if one.kind != "efficiency"]
    said = opening.opening(PAPER, ("table1",), cells, session)
    assert lines[-4] == "0 done, 3 run, 2 wait, 0 blocked"
    assert lines[-3:] == list(said.lines[-3:])
    assert [line.partition(":")[0] for line in lines[-3:]] == ["time", "disk", "memory"]
    blocked = CliRunner().invoke(main, ["plan", "table1", "--profile", "full", *places])
    assert blocked.exit_code == 0, blocked.output
    assert blocked.stdout.splitlines()[-1].endswith(" 28 blocked")


def test_a_plan_goes_on_where_images_are_missing_of_what_waits(tmp_path: Path) -> None:
    """ImageNet-V2's, of a network that is to be trained first."""
    draw_imagenet(tmp_path / "data", classes=4, per_class=5)
    what = ["table1", "--profile", "full", "--num-classes", "4", "--models", "resnet50", "--tasks", "train,accuracy"]
    where = ["--data-root", str(tmp_path / "data"), "--results", str(tmp_path / "runs"), "--train"]
    planned = CliRunner().invoke(main, ["plan", *what, *where])
    assert planned.exit_code == 0, planned.output
    assert planned.stdout.splitlines()[-2] == "0 done, 1 run, 2 wait, 0 blocked"
    assert planned.stdout.splitlines()[-1].startswith("time, disk and memory are not known: imagenet-v2 is missing: ")


def test_bytes_in_words() -> None:
    assert [in_bytes(size) for size in (0, 5e6, 3.21e9)] == ["less than 1 MB", "about 5.0 MB", "about 3.2 GB"]
