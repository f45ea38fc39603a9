"""Localization and its figure from the command line: a drawn ILSVRC tree with XML files, its mistakes, and pictures."""

import csv
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import save_file

from benchmarks.cli import main
from benchmarks.core.records import MetricKey, Record
from benchmarks.core.store import Store
from benchmarks.networks.models import create
from tests.trees import draw_imagenet, write_voc

PLAIN, TD = "resnet50", "resnet50-td-joint-t2-m1"
CLASSES = 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a plain network and of one with feedback, in one folder."""
    folder = tmp_path_factory.mktemp("weights")
    for name in (PLAIN, TD):
        torch.manual_seed(0)
        save_file(create(name, CLASSES).state_dict(), folder / f"{name}.safetensors")
    return folder


def draw_tree(root: Path) -> list[Path]:
    """Non-square images, each with a box of its class; every third one has two boxes. Returns the XML files."""
    names = draw_imagenet(root, classes=CLASSES, per_class=3)
    files = []
    for number, path in enumerate(sorted((root / "val").rglob("*.JPEG"))):
        with Image.open(path) as image:
            width, height = image.size
        own = path.parent.name
        objects = [(own, width * 0.2, height * 0.1, width * 0.9, height * 0.8)]
        objects += [(own, 0, 0, width * 0.4, height * 0.4)] if number % 3 == 0 else []
        files.append(root / "ILSVRC/Annotations/CLS-LOC/val" / f"{path.stem}.xml")
        write_voc(files[-1], objects)
    assert names
    return files


def run(root: Path, weights: Path, results: Path, *more: str) -> Result:
    arguments = ["run", "table7-wsol", "fig5", "--profile", "full", "--num-classes", str(CLASSES)]
    arguments += ["--data-root", str(root), "--weights", str(weights), "--models", f"{PLAIN},{TD}"]
    return CliRunner().invoke(main, [*arguments, "--results", str(results), "--out", str(results / "report"), *more])


def localized(results: Path) -> dict[str, Record]:
    return {r.cell.model: r for r in Store(results).records() if r.cell.kind == "localization"}


def test_the_full_path(weights: Path, tmp_path: Path) -> None:
    """Localization, attention and both renderings; one image has no annotation, one a box outside, one none inside."""
    missing, outside, empty = (draw_tree(tmp_path / "tree"))[3:6]
    missing.unlink()
    write_voc(outside, [("n01440764", 5, 5, 5000, 50)])
    write_voc(empty, [])
    result = run(tmp_path / "tree", weights, tmp_path / "runs", "--tasks", "localization,attention")
    assert "Traceback" not in result.output
    assert result.exit_code == 0, result.output
    records = localized(tmp_path / "runs")
    assert set(records) >= {PLAIN, TD}
    for record in records.values():
        metric = record.metrics[MetricKey("top1_loc", "last", "gradcam")]
        assert (metric.n, metric.status) == (9, "partial: 12 of 50,000 images; 3 of 12 images left out")
        lines = record.notes["unreadable"]
        assert [sum(path.stem in line for line in lines) for path in (missing, outside, empty)] == [1, 1, 1]
    table = (tmp_path / "runs/report/tables/table7-wsol.csv").read_text()
    rows = [row for row in csv.DictReader(table.splitlines()) if row["measured"]]
    assert {row["record"] for row in rows} == {record.id for record in records.values()}
    assert (tmp_path / "runs/report/figures/fig5-shift.png").stat().st_size > 1000


def test_without_boxes_the_cells_say_what_to_fetch(weights: Path, tmp_path: Path) -> None:
    draw_imagenet(tmp_path / "tree", classes=CLASSES, per_class=3)
    result = run(tmp_path / "tree", weights, tmp_path / "runs")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "no bounding boxes below" in line]
    assert "unpack ILSVRC2012_bbox_val_v3.tgz" in line
    assert localized(tmp_path / "runs") == {}


def test_a_model_that_the_table_does_not_have_gets_its_row(weights: Path, tmp_path: Path) -> None:
    """Also where it could not be run: the row says why, and how to fill it."""
    draw_tree(tmp_path / "tree")
    result = run(tmp_path / "tree", weights, tmp_path / "runs", "--models", "resnet18")
    assert result.exit_code == 1
    with (tmp_path / "runs/report/tables/table7-wsol.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"resnet18"}
    assert all(
        "no weights of resnet18" in row["missing"] and "tdam-bench train resnet18" in row["missing"] for row in rows
    )


def picture(path: Path) -> Path:
    Image.new("RGB", (90, 60), (200, 30, 60)).save(path)
    return path


def visualize(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["visualize", *map(str, arguments), "--num-classes", str(CLASSES)])


def test_visualize(weights: Path, tmp_path: Path) -> None:
    """One unreadable picture is named; the others are drawn, with the names of the classes."""
    names = tmp_path / "names.txt"
    names.write_text("ant\nbee\ncat\ndog\n")
    (tmp_path / "text.png").write_text("no picture")
    pictures = [picture(tmp_path / "a.png"), tmp_path / "text.png", picture(tmp_path / "b.jpg")]
    file = weights / f"{TD}.safetensors"
    result = visualize(*pictures, "--model", TD, "--weights", file, "--out", tmp_path / "out", "--class-names", names)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: unreadable image {tmp_path / 'text.png'}")
    drawn = {path.suffix: path for path in (tmp_path / "out").iterdir()}
    assert set(drawn) == {".svg", ".pdf", ".png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--model": PLAIN}, "the checkpoint does not fit this network"),
        ({"--model": "resnet51"}, "unknown model 'resnet51'"),
        ({"--weights": "nowhere.pth"}, "nowhere.pth"),
        ({"--class-names": "names.txt"}, "names.txt has 1 lines for 4 classes"),
        ({"--device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("ant\n")
    options = {"--model": TD, "--weights": str(weights / f"{TD}.safetensors"), **change}
    result = visualize(picture(tmp_path / "a.png"), *(part for pair in options.items() for part in pair))
    assert result.exit_code == (2 if "--weights" in change else 1)
    (line,) = result.stderr.splitlines()
    assert message in line
