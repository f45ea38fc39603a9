"""Table 7 (right), figure 8, the supplement and selectivity from the command line, on small trees and on smoke."""

import csv
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from benchmarks.cli import main
from benchmarks.core.records import MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.data.imagenet import open_training
from benchmarks.networks.models import create
from benchmarks.papers.tdam import PAPER
from benchmarks.report.asked import Chosen, cells_of
from benchmarks.work import loop
from benchmarks.work.training import HELD_OUT
from tests.sessions import TWO_PROCESSES, make_session
from tests.trees import draw_coco, draw_cub, draw_dogs, draw_imagenet

MODEL = "mobilenet_v3_large"
TUNED = "resnet50-td-joint-t2-m1"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three data sets, one of CUB's test images missing, and weights to start from."""
    root = tmp_path_factory.mktemp("data")
    draw_dogs(root, classes=2)
    draw_coco(root, images=4)
    cub = draw_cub(root, classes=2)
    (cub / "images" / "001.Bird_0" / "Bird_0_0002.jpg").unlink()
    torch.manual_seed(0)
    torch.save(create(MODEL, 10).state_dict(), root / f"{MODEL}.pth")
    return root


def run(tree: Path, results: Path, *more: str, experiment: str = "table7-tasks") -> Result:
    arguments = ["--profile", "full", "--data-root", str(tree), "--weights", str(tree), "--num-classes", "10"]
    arguments += ["--models", MODEL, "--epochs", "1", "--results", str(results), "--out", str(results / "report")]
    return CliRunner().invoke(main, ["run", experiment, *arguments, *more])


@pytest.fixture(scope="module")
def finished(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder after one epoch of each fine-tuning."""
    results = tmp_path_factory.mktemp("results")
    result = run(tree, results)
    assert result.exit_code == 0, result.output
    assert "cub/test lacks 1 of the images that its lists name" in result.output
    return results


def transfers(results: Path) -> dict[str, Record]:
    """Evaluations by target."""
    records = [record for record in Store(results).records() if record.cell.kind == "transfer"]
    return {str(record.cell.options["target"]): record for record in records}


def test_each_data_set_is_tuned_on_and_evaluated(finished: Path) -> None:
    by_target = transfers(finished)
    assert set(by_target) == {"cub", "dogs", "coco"}
    assert by_target["dogs"].metrics[MetricKey("top1")].n == 2
    assert by_target["coco"].metrics[MetricKey("map")].n == 3
    assert by_target["coco"].cell.options["threshold"] == 0.8
    assert set(by_target["coco"].metrics) == {
        MetricKey(name) for name in ("map", "f1_overall", "f1_class", "f1_class_mean")
    }
    assert "leaves out 1 images without objects" in by_target["coco"].notes["remarks"][0]
    tuned = [record for record in Store(finished).records() if record.cell.kind == "finetune"]
    assert all((finished / "weights" / record.notes["weights"]).is_file() for record in tuned)


def test_a_missing_image_makes_the_cell_partial(finished: Path) -> None:
    record = transfers(finished)["cub"]
    assert record.metrics[MetricKey("top1")].n == 1
    assert record.metrics[MetricKey("top1")].status == "partial: 1 of 5,794 images; 1 of 2 images missing or unreadable"
    assert [Path(path).name for path in record.notes["missing"]] == ["Bird_0_0002.jpg"]


def test_other_categories_are_refused(tree: Path, tmp_path: Path) -> None:
    """COCO's val with another category than train: its labels would be wrong."""
    root = Path(shutil.copytree(tree, tmp_path / "data"))
    path = root / "coco" / "annotations" / "instances_val2014.json"
    path.write_text(path.read_text().replace("thing 90", "thing 91"))
    result = run(root, tmp_path / "results", "--tasks", "finetune,transfer")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("failed")]
    assert "coco-train and coco-val differ in their classes (thing 90, thing 91)" in line


def test_probabilities_are_kept_per_image(finished: Path) -> None:
    record = transfers(finished)["coco"]
    with np.load(finished / "scores" / record.notes["scores"]) as file:
        assert file["ids"].tolist() == [f"COCO_val2014_{i:012d}.jpg" for i in range(3)]
        assert file["scores"].shape == file["targets"].shape == (3, 3)
        assert ((file["scores"] >= 0) & (file["scores"] <= 1)).all()


def test_every_number_names_its_record(finished: Path) -> None:
    with (finished / "report" / "tables" / "table7-tasks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["measured"]]
    assert len(rows) == 6
    assert {row["record"] for row in rows} == {record.id for record in transfers(finished).values()}


def test_what_differs_from_the_methods_papers_stands_beside_the_table(finished: Path) -> None:
    """Each point that the table's note names is an entry of the full list too."""
    table = (finished / "report" / "tables" / "table7-tasks.md").read_text()
    listed = (Path(__file__).resolve().parents[1] / "tdam" / "DEVIATIONS.md").read_text()
    for here, entry in {
        "one for each class": "centers of the attention regularization",
        "by the mean of a batch's images": "how centers move",
        "margins around crops": "margin around a crop",
        "the object's threshold": "object in testing",
        "guides crop and drop": "map that guides crop and drop",
        "Nesterov momentum and a cosine": "Nesterov momentum and a cosine",
        "the epoch that counts": "epoch that counts",
        "number of maps": "the number of maps",
        "which step's map": "with feedback that of the last step",
    }.items():
        assert here in table
        assert entry in listed


def test_a_second_run_does_nothing(tree: Path, finished: Path) -> None:
    assert "0 cells run, 6 done before" in run(tree, finished).output


def test_another_threshold_is_another_cell(tree: Path, finished: Path) -> None:
    """Where a threshold counts: the fine-tunings stay valid, and so do accuracies."""
    result = run(tree, finished, "--threshold", "0.3", "--tasks", "finetune,transfer")
    assert "1 cells run, 5 done before" in result.output


def test_two_processes_tune_and_evaluate_every_image_once(tree: Path, tmp_path: Path) -> None:
    """Their number belongs to the record: they draw other random numbers than one process."""
    command = [*TWO_PROCESSES, "run"]
    given = ["--profile", "full", "--data-root", str(tree), "--weights", str(tree), "--num-classes", "10"]
    given += ["--models", MODEL, "--epochs", "1", "--results", str(tmp_path), "--out", str(tmp_path / "report")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "table7-tasks", *given], check=True, env=environment, capture_output=True)
    by_target = transfers(tmp_path)
    assert {target: record.metrics[name].n for target, record in by_target.items() for name in record.metrics} == {
        "cub": 1,
        "dogs": 2,
        "coco": 3,
    }
    tuned = [record for record in Store(tmp_path).records() if record.cell.kind == "finetune"]
    assert [record.inputs["processes"] for record in tuned] == [2, 2, 2]


def test_a_fine_tuning_that_diverges_leaves_a_record_and_no_weights(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seed is not passed over, and what would have looked at its network says why it cannot."""

    def diverging(*arguments: Any) -> None:
        raise loop.Diverged("the loss is nan")

    monkeypatch.setattr(loop, "train", diverging)
    result = run(tree, tmp_path, "--tasks", "finetune,transfer", "--jobs", "1")
    assert result.exit_code == 1
    tuned = [record for record in Store(tmp_path).records() if record.cell.kind == "finetune"]
    assert [record.notes["diverged"] for record in tuned] == ["the loss is nan"] * 3
    assert not list((tmp_path / "weights").glob("*"))
    assert f"the fine-tuning of {MODEL} left no weights: the loss is nan" in result.output


def test_missing_data_are_told_with_the_reason(tree: Path, tmp_path: Path) -> None:
    draw_cub(tmp_path / "data", classes=2)
    torch.save(torch.load(tree / f"{MODEL}.pth"), tmp_path / "data" / f"{MODEL}.pth")
    result = run(tmp_path / "data", tmp_path, "--tasks", "transfer")
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("  blocked: 1 transfer: ")]
    assert any("waits for: finetune" in line for line in lines)
    assert any("Stanford Dogs is missing" in line for line in lines)
    assert any("MS-COCO 2014 is missing" in line for line in lines)
    assert "Traceback" not in result.output


def test_preflight_looks_at_each_data_set(tree: Path) -> None:
    arguments = [part for name in ("cub", "dogs", "coco") for part in ("--data", name)]
    result = CliRunner().invoke(main, ["preflight", str(tree), *arguments])
    assert result.exit_code == 0, result.output
    assert "info: dogs/train has 4 images of 2 classes" in result.output
    assert "warning: cub/test lacks 1 of the images" in result.output
    assert "warning: coco/val leaves out 1 images without objects" in result.output
    failing = CliRunner().invoke(main, ["preflight", str(tree / "coco"), "--data", "cub"])
    assert failing.exit_code == 1
    assert "error: CUB-200-2011 is missing" in failing.output


def test_training_on_the_reduced_imagenet(tmp_path: Path) -> None:
    """Two of four classes by the user's list, one image of each held out; an unknown id is one clear line."""
    names = draw_imagenet(tmp_path / "data", classes=4, per_class=2)
    listed = tmp_path / "classes.txt"
    listed.write_text(f"{names[1]}\n{names[3]}\n")
    arguments = ["--profile", "full", "--data-root", str(tmp_path / "data"), "--num-classes", "4", "--epochs", "1"]
    arguments += ["--results", str(tmp_path), "--class-list", str(listed)]
    trained = CliRunner().invoke(main, ["train", MODEL, "--reduced", *arguments])
    assert trained.exit_code == 0, trained.output
    (training,) = Store(tmp_path).records()
    assert training.samples[HELD_OUT][0] in (0.0, 50.0, 100.0)
    more = ["--models", MODEL, "--tasks", "accuracy", "--out", str(tmp_path / "report")]
    assert CliRunner().invoke(main, ["run", "fig8", *arguments, *more]).exit_code == 0
    (record,) = [one for one in Store(tmp_path).records() if one.cell.kind == "accuracy"]
    assert (record.cell.options["classes"], record.metrics[MetricKey("top1", "last")].n) == (2, 4)
    listed.write_text("n99999999\n")
    unknown = CliRunner().invoke(main, ["train", MODEL, "--reduced", *arguments])
    assert unknown.exit_code == 1
    assert unknown.output.splitlines()[-1].startswith("Error: 1 classes that imagenet-train does not have (n99999999)")


def test_a_corrupt_held_out_image_of_the_reduced_imagenet_is_named_before_training(tmp_path: Path) -> None:
    names = draw_imagenet(tmp_path / "data", classes=4, per_class=2)
    (tmp_path / "classes.txt").write_text("\n".join(names[:2]))
    victim = tmp_path / "data" / "train" / open_training(tmp_path / "data", "tune", 4).ids[0]
    victim.write_bytes(victim.read_bytes()[:60])
    arguments = ["--profile", "full", "--data-root", str(tmp_path / "data"), "--num-classes", "4", "--epochs", "1"]
    arguments += ["--results", str(tmp_path / "runs"), "--class-list", str(tmp_path / "classes.txt")]
    trained = CliRunner().invoke(main, ["train", MODEL, "--reduced", *arguments])
    assert trained.exit_code == 1
    assert "preflight found 1 errors" in trained.stderr
    assert str(victim) in trained.stderr


def test_a_network_that_figure_8_does_not_have(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["run", "fig8", "--models", "resnet50-se", "--results", str(tmp_path)])
    assert result.exit_code == 1
    assert "figure 8 does not have resnet50-se; choose of resnet50-td-top-t2-m0" in result.output


def test_one_task_alone_is_planned(tmp_path: Path) -> None:
    """Its fine-tunings and evaluations, with the pretraining that they start from; none of the others'."""
    session = make_session(tmp_path, "mini", seeds=(0, 1, 2, 3, 4), models=(TUNED,))
    every = cells_of(PAPER, ["table7-tasks"], Chosen(), session)
    alone = cells_of(PAPER, ["table7-tasks"], Chosen(targets=("cub",)), session)
    assert {cell.options.get("target") for cell in every} == {None, "cub", "dogs", "coco"}
    assert alone == [cell for cell in every if cell.options.get("target") in (None, "cub")]
    assert {cell.kind for cell in alone} == {cell.kind for cell in every}


def test_figure_8_says_how_to_train_what_it_lacks(tmp_path: Path) -> None:
    draw_imagenet(tmp_path / "data", classes=4, per_class=2, flat_val=True)
    arguments = ["--profile", "full", "--data-root", str(tmp_path / "data"), "--num-classes", "4"]
    arguments += ["--results", str(tmp_path), "--models", "resnet18-td-joint-t2-m2", "--tasks", "accuracy"]
    result = CliRunner().invoke(main, ["run", "fig8", *arguments, "--out", str(tmp_path / "report")])
    assert result.exit_code == 1
    assert "tdam-bench train resnet18-td-joint-t2-m2 --profile full --data-root DIR --reduced" in result.output


def test_smoke_runs_every_new_experiment(tmp_path: Path) -> None:
    """One model of each: trained, tuned, evaluated, rendered; figures and tables of all that was measured are there."""
    chosen = {
        "table7-tasks": "resnet50-td-joint-t2-m1",
        "fig8": "resnet50-td-joint-t2-m1,resnet50-td-joint-t2-m1-spatial,resnet18",
        "supplement": "resnet18-se",
        "selectivity": "resnet50-td-joint-t2-m1",
    }
    figures: set[str] = set()
    for experiment, models in chosen.items():
        arguments = ["--profile", "smoke", "--models", models, "--results", str(tmp_path), "--jobs", "1"]
        arguments += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "report")]
        result = CliRunner().invoke(main, ["run", experiment, *arguments])
        assert result.exit_code == 0, result.output
        assert (tmp_path / "report" / "tables" / f"{experiment}.md").exists()
        figures |= {path.name for path in (tmp_path / "report" / "figures").glob(f"{experiment}*.png")}
    assert figures == {"fig8.png", "fig8-training.png", "selectivity.png"}
    steps = [record for record in Store(tmp_path).records() if record.cell.kind == "selectivity"]
    assert {len(record.samples) for record in steps} == {1, 2}
