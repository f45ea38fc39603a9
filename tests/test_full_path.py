"""The profile full from the command line, on small trees of real JPEG files: train, evaluate, render, and bad input."""

import csv
import os
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import tdam
from benchmarks.cli import main
from benchmarks.core.records import MetricKey, Record, new_record
from benchmarks.core.store import Store
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.kind import Blocked
from benchmarks.work.training import HELD_OUT, TRAIN, TrainingChoices
from benchmarks.work.weights import weights_of
from tests.sessions import TWO_PROCESSES, make_session
from tests.test_checkpoints import released_layout
from tests.trees import draw_imagenet, draw_imagenet_v2

MODEL = "mobilenet_v3_large"
TOP1 = MetricKey("top1", steps="last")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten classes; 29 validation images, which two processes cannot share evenly."""
    root = tmp_path_factory.mktemp("imagenet")
    draw_imagenet(root, classes=10, per_class=3)
    draw_imagenet_v2(root, classes=10, per_class=1)
    next((root / "val").rglob("*.JPEG")).unlink()
    return root


def options(tree: Path, results: Path, *more: str) -> list[str]:
    common = ["--profile", "full", "--data-root", str(tree), "--num-classes", "10", "--results", str(results)]
    return [
        *common,
        "--epochs",
        "1",
        "--models",
        MODEL,
        "--tasks",
        "train,accuracy",
        "--out",
        str(results / "report"),
        *more,
    ]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", "table1", *arguments])


@pytest.fixture(scope="module")
def trained(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a network trained for one epoch."""
    results = tmp_path_factory.mktemp("results")
    arguments = [a for a in options(tree, results) if a not in ("--tasks", "train,accuracy", "--models", MODEL)]
    result = CliRunner().invoke(main, ["train", MODEL, *arguments[:-2]])
    assert result.exit_code == 0, result.output
    assert "sha256" in result.output
    return results


def accuracies(results: Path) -> dict[str, Record]:
    """Accuracy records by image set."""
    records = [record for record in Store(results).records() if record.cell.kind == "accuracy"]
    return {str(record.cell.options["data"]): record for record in records}


def test_train_evaluate_render(tree: Path, trained: Path) -> None:
    """Every image counts once, every number of the CSV names its record."""
    result = run(*options(tree, trained))
    assert result.exit_code == 0, result.output
    by_set = accuracies(trained)
    assert by_set["val"].metrics[TOP1].n == 29
    assert by_set["v2"].metrics[TOP1].n == 10
    with (trained / "report" / "tables" / "table1.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["measured"]]
    # Of the training is told how soon it came near its end.
    assert {row["record"] for row in rows} == {record.id for record in (training_in(trained), *by_set.values())}


def test_a_training_is_followed_on_images_that_it_does_not_see(tree: Path, trained: Path) -> None:
    """One of the three of each class; their accuracy stands in record and log, both manifests in its identity."""
    session = make_session(trained, "full", data_root=tree, num_classes=10)
    seen, followed = (session.image_set(split) for split in ("train", "tune"))
    assert Counter(seen.labels) == dict.fromkeys(range(10), 2)
    assert Counter(followed.labels) == dict.fromkeys(range(10), 1)
    record = training_in(trained)
    assert record.inputs["data"] == seen.manifest_hash
    assert record.inputs["held_out"] == followed.manifest_hash
    assert record.notes["chance"] == 10.0
    (share,) = record.samples[HELD_OUT]
    assert share in [10.0 * hits for hits in range(11)]
    (log,) = (trained / "logs").glob("train-*.csv")
    assert float(list(csv.DictReader(log.read_text().splitlines()))[-1]["held_out"]) == share
    (kept,) = (trained / "manifests").glob("imagenet-train-*.csv")
    assert {row["id"] for row in csv.DictReader(kept.read_text().splitlines())} == set(seen.ids)


def training_in(results: Path) -> Record:
    """The one training that a results folder has."""
    (record,) = (record for record in Store(results).records() if record.cell.kind == "train")
    return record


def test_two_processes_follow_a_training_together(tree: Path, tmp_path: Path) -> None:
    """What they leave is found by one process that evaluates."""
    command = [*TWO_PROCESSES, "train"]
    given = ["--profile", "full", "--data-root", str(tree), "--num-classes", "10", "--epochs", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = [*command, MODEL, *given, "--results", str(tmp_path)]
    subprocess.run(told, check=True, env=environment, capture_output=True)
    record = training_in(tmp_path)
    (share,) = record.samples[HELD_OUT]
    assert share in [10.0 * hits for hits in range(11)]
    assert record.inputs["processes"] == 2
    result = run(*options(tree, tmp_path))
    assert result.exit_code == 0, result.output
    assert {one.inputs["weights"] for one in accuracies(tmp_path).values()} == {record.notes["sha256"]}


def test_weights_of_another_training_are_not_taken(tree: Path, trained: Path, tmp_path: Path) -> None:
    """Where it was made may differ, and which libraries; not the images, nor the version of what trains."""
    results = Path(shutil.copytree(trained, tmp_path / "results"))
    record = training_in(results)
    session = make_session(results, "full", data_root=tree, num_classes=10)
    session = replace(session, store=Store(results), choices={TrainingChoices: TrainingChoices(epochs=1)})
    source = TRAIN.cell(MODEL, 0, session)
    assert source == record.cell
    shown = ACCURACY.cell(MODEL, "val", 0, session)
    for name, value, found in (
        ("device", "cuda", True),
        ("processes", 4, True),
        ("torch", "2.4.0", True),
        ("data", "other", False),
        ("version", 1, False),
        ("network", "other", False),
    ):
        Store(results).clear()
        Store(results).write(new_record(source, {**record.inputs, name: value}, {}, notes=record.notes))
        for packed in (False, True):
            if packed:
                Store(results).pack()
            assert isinstance(weights_of(shown, session), Blocked) is not found, name


def test_two_processes_give_the_same_accuracy(tree: Path, trained: Path, tmp_path: Path) -> None:
    weights = next((trained / "weights").glob("*.safetensors"))
    given = ["--weights", str(weights)]
    assert run(*options(tree, tmp_path / "one", *given)).exit_code == 0
    command = [*TWO_PROCESSES, "run", "table1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, *options(tree, tmp_path / "two", *given)], check=True, env=environment, capture_output=True
    )
    one, two = accuracies(tmp_path / "one"), accuracies(tmp_path / "two")
    assert {name: record.metrics for name, record in one.items()} == {
        name: record.metrics for name, record in two.items()
    }
    assert two["val"].metrics[TOP1].n == 29


def test_flat_validation_folder_gives_the_same_accuracy(tree: Path, trained: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    draw_imagenet(flat, classes=10, per_class=3, flat_val=True)
    draw_imagenet_v2(flat, classes=10, per_class=1)
    foldered = tmp_path / "foldered"
    draw_imagenet(foldered, classes=10, per_class=3)
    draw_imagenet_v2(foldered, classes=10, per_class=1)
    given = ["--weights", str(next((trained / "weights").glob("*.safetensors")))]
    for name, root in (("a", flat), ("b", foldered)):
        assert run(*options(root, tmp_path / name, *given)).exit_code == 0
    a, b = accuracies(tmp_path / "a")["val"], accuracies(tmp_path / "b")["val"]
    assert a.metrics == b.metrics
    assert a.metrics[TOP1].n == 30


def test_released_checkpoint_from_the_command_line(tree: Path, tmp_path: Path) -> None:
    """A file in the authors' layout, found by its model's name in a folder."""
    name = "resnet18-td-joint-t2-m2"
    torch.manual_seed(0)
    state = {
        f"module.{key}": value for key, value in released_layout(tdam.resnet18(distance=2, num_classes=10)).items()
    }
    torch.save({"state_dict": state}, tmp_path / f"{name}.pth")
    result = run(*options(tree, tmp_path / "runs", "--weights", str(tmp_path), "--models", name))
    assert result.exit_code == 0, result.output
    record = accuracies(tmp_path / "runs")["val"]
    assert record.notes["steps"] == 2
    assert {key.steps for key in record.metrics} == {"last", "confident", "released"}


def test_a_corrupt_image_makes_the_cell_partial(tree: Path, trained: Path, tmp_path: Path) -> None:
    """It is named, the run goes on, and the numbers say of how many images they are."""
    root = tmp_path / "tree"
    draw_imagenet(root, classes=10, per_class=3)
    draw_imagenet_v2(root, classes=10, per_class=1)
    victim = sorted((root / "val").rglob("*.JPEG"))[12]
    victim.write_bytes(victim.read_bytes()[:60])
    given = ["--weights", str(next((trained / "weights").glob("*.safetensors")))]
    assert run(*options(root, tmp_path / "runs", *given)).exit_code == 0
    record = accuracies(tmp_path / "runs")["val"]
    assert record.metrics[TOP1].n == 29
    assert record.metrics[TOP1].status == "partial: 30 of 50,000 images; 1 of 30 images unreadable"
    assert victim.name in record.notes["unreadable"][0]
    assert "1 of 30 images unreadable" in (tmp_path / "runs" / "report" / "tables" / "table1.md").read_text()


def test_the_manifest_is_kept(tree: Path, trained: Path) -> None:
    """Its hash stands in the records, its rows name every image."""
    assert run(*options(tree, trained)).exit_code == 0
    record = accuracies(trained)["val"]
    (path,) = (trained / "manifests").glob("imagenet-val-*.csv")
    assert path.stem.endswith(str(record.inputs["data"])[:12])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 29
    assert all((tree / "val" / row["id"]).stat().st_size == int(row["bytes"]) for row in rows)


def test_a_corrupt_training_image_is_named_before_training(tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tree, root)
    victim = sorted((root / "train").rglob("*.JPEG"))[5]
    victim.write_bytes(victim.read_bytes()[:60])
    arguments = ["train", MODEL, "--profile", "full", "--data-root", str(root), "--num-classes", "10"]
    result = CliRunner().invoke(main, [*arguments, "--results", str(tmp_path / "runs")])
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert "preflight found 1 errors" in line
    assert str(victim) in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--data-root": "/nowhere"}, "there is no /nowhere (--data-root); name a folder that exists"),
        ({"--weights": "/nowhere"}, "there is no /nowhere (--weights); name a file or a folder that exists"),
        ({"--models": "resnet18"}, "no weights of resnet18"),
        ({"--models": "resnet50-sse"}, "unknown model 'resnet50-sse'"),
        ({"--seeds": "a"}, "--seeds takes how many seeds"),
        (
            {"--tasks": "speed"},
            "unknown kind of work 'speed'; choose of cost, train, train_longer, accuracy, localization",
        ),
        ({"--device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line(tree: Path, tmp_path: Path, change: dict[str, str], message: str) -> None:
    arguments = options(tree, tmp_path / "runs", *[part for pair in change.items() for part in pair])
    result = run(*arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_missing_data_are_said_in_one_line(tree: Path, trained: Path, tmp_path: Path) -> None:
    """What a folder lacks is no crash: nothing of what was asked for can run, and why; it ends there."""
    given = ["--weights", str(next((trained / "weights").glob("*.safetensors")))]
    (tmp_path / "empty").mkdir()
    result = run(*options(tree, tmp_path / "runs", *given, "--data-root", str(tmp_path / "empty")))
    assert result.exit_code == 1
    assert "none of the 2 cells that look at images can run" in result.stderr
    assert "imagenet-val is missing" in result.stderr
    assert not (tmp_path / "runs").exists()
    assert "Traceback" not in result.output


def test_a_reduced_networks_weights_are_not_those_of_the_reduced_data(tmp_path: Path) -> None:
    """Networks have ``-reduced`` in their names; weights trained on the reduced data have its name behind ``@``."""
    name = "resnet50-td-joint-t2-m1"
    session = make_session(tmp_path, "full", weights=tmp_path)
    data = session.profile.reduced.train
    network = tmp_path / f"{name}-reduced.pth"
    network.touch()
    assert session.given_weights(f"{name}-reduced") == network
    assert session.given_weights(name, data) is None
    assert session.given_weights(name) is None
    reduced = tmp_path / f"{name}@imagenet-reduced.pth"
    reduced.touch()
    assert session.given_weights(name, data) == reduced
    assert session.given_weights(name) is None
    assert session.given_weights(f"{name}-reduced", data) is None


def test_loader_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the CPU's cores for images on disk that a GPU waits for, else none; or the user's number."""
    splits = {"smoke": ("val", "dots/test", "mini-reduced/val"), "full": ("val", "cub/test", "imagenet-reduced/val")}

    def processes(profile: str, **changes: Any) -> set[int]:
        session = make_session(tmp_path, profile, **changes)
        return {session.loaders(split) for split in splits[profile]}

    for cores, expected in ((5, 5), (None, 1), (400, 16)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert processes("full", device="cuda:1") == {expected}
        assert processes("full", device="cpu") == {0}
        assert processes("smoke", device="cuda") == processes("smoke") == {0}
    for workers in (0, 3):
        assert processes("full", workers=workers) == processes("full", device="cuda", workers=workers) == {workers}
        assert processes("smoke", workers=workers) == {workers}


def test_an_interrupted_training_goes_on(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first of two epochs, a run resumes and ends with the weights of an undisturbed one."""
    from benchmarks.work.loop import Training

    arguments = ["train", MODEL, "--profile", "full", "--data-root", str(tree), "--num-classes", "10", "--epochs", "2"]

    def stop(training: Training, path: Path) -> None:
        save(training, path)
        raise KeyboardInterrupt

    save = Training.save
    monkeypatch.setattr(Training, "save", stop)
    stopped = CliRunner().invoke(main, [*arguments, "--results", str(tmp_path / "stopped")])
    assert stopped.exit_code == 130
    monkeypatch.setattr(Training, "save", save)
    lines = [
        CliRunner().invoke(main, [*arguments, "--results", str(tmp_path / name)]).stdout.strip().splitlines()[-1]
        for name in ("stopped", "whole")
    ]
    hashes = {line.split(" sha256 ")[1].split()[0] for line in lines}
    assert len(hashes) == 1


# ---------------------------------------------------------------- with a part of the data


@pytest.fixture
def val_alone(tree: Path, tmp_path: Path) -> Path:
    """What most people have: the validation images, and nothing else."""
    shutil.copytree(tree / "val", tmp_path / "data" / "val")
    return tmp_path / "data"


def looked_for(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["preflight", str(root), "--num-classes", "10", *arguments])


def test_preflight_asks_only_for_what_is_needed(val_alone: Path, tree: Path) -> None:
    """Val alone is enough for accuracy on it, not for V2, for boxes or for training."""
    alone = looked_for(val_alone, "--for", "accuracy", "--splits", "v1")
    assert alone.exit_code == 0, alone.output
    assert "val has 29 images of 10 classes" in alone.output
    both = looked_for(val_alone, "--for", "accuracy")
    assert both.exit_code == 1
    assert "error: ImageNetV2 is missing" in both.output or "v2" in both.output
    located = looked_for(val_alone, "--for", "localization")
    assert located.exit_code == 1
    assert "boxes" in located.output
    assert looked_for(tree, "--for", "table1").exit_code == 0
    assert looked_for(tree).output.count("train has 30 images of 10 classes") == 1
    plain = looked_for(val_alone)
    assert plain.exit_code == 1
    assert "train" in plain.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--for", "speed"], "nothing is known of 'speed'; choose of table1"),
        (["--for", "accuracy", "--data", "cub"], "give one of the two"),
        (["--splits", "v1"], "--splits goes with --for"),
        (["--for", "accuracy", "--splits", "v3"], "unknown image set 'v3'; choose of v1, v2"),
    ],
)
def test_preflight_for_what_is_none(tree: Path, arguments: list[str], told: str) -> None:
    result = looked_for(tree, *arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_accuracy_on_one_of_the_image_sets(val_alone: Path, trained: Path, tmp_path: Path) -> None:
    """Who has no V2 gets V1's column without a failure; the other says what is missing."""
    (weights,) = (trained / "weights").glob("*.safetensors")
    given = ["--weights", str(weights), "--tasks", "accuracy"]
    result = run(*options(val_alone, tmp_path / "results", *given, "--splits", "v1"))
    assert result.exit_code == 0, result.output
    assert list(accuracies(tmp_path / "results")) == ["val"]
    both = run(*options(val_alone, tmp_path / "results", *given))
    assert both.exit_code == 1
    assert "v2" in both.output
    refused = run(*options(val_alone, tmp_path / "results", *given, "--splits", "v3"))
    assert refused.exit_code == 1
    assert "unknown image set 'v3'; choose of v1, v2" in refused.stderr
