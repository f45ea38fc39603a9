"""Decoding on a device: batches are those of the usual pass, it is part of the identity, refused without CUDA."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.io import decode_jpeg

from benchmarks.cli import main
from benchmarks.core.records import Record
from benchmarks.data.images import ImageFiles
from benchmarks.networks.models import create
from benchmarks.suite.loading import device_decoding, draw_tree
from benchmarks.work import decoding
from benchmarks.work.accuracy import ACCURACY
from benchmarks.work.decoding import decoded, decoded_batches
from benchmarks.work.passes import Batch, Show, View, batches
from benchmarks.work.training import TRAIN
from tests.sessions import make_session
from tests.trees import draw_imagenet

CPU = torch.device("cpu")
VIEWS = [View(32, 0.875), View(16, 1.0)]


@pytest.fixture
def images(tmp_path: Path) -> ImageFiles:
    """JPEGs, and what a device may not take: a grey one, one of four colors, a PNG, one cut short, an empty file."""
    drawn = draw_tree(tmp_path, 9, (60, 45))
    grey, four, png, cut, empty = (drawn.path(at) for at in range(2, 7))
    Image.open(grey).convert("L").save(grey)
    Image.open(four).convert("CMYK").save(four)
    Image.open(png).convert("RGB").save(png, format="png")
    cut.write_bytes(cut.read_bytes()[:700])
    empty.write_bytes(b"")
    return drawn


def flat(made: list[Batch]) -> tuple[list[Batch], list[np.ndarray]]:
    """What is known of the images, and all pixels."""
    facts = [one._replace(views=[]) for one in made]
    return facts, [view.numpy() for one in made for view in one.views]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_pass(images: ImageFiles, workers: int) -> None:
    """With the CPU in the device's place: the same images in the same batches, to the last bit; the same unreadable."""
    chosen = [[0, 1, 2], [3, 4, 5, 7], [8, 6]]
    facts, pixels = flat(list(decoded_batches(Show(images, CPU, 4, workers), VIEWS, chosen)))
    usual, of_usual = flat(list(batches(Show(images, CPU, 4), VIEWS, chosen)))
    assert facts == usual
    assert all(np.array_equal(*pair) for pair in zip(pixels, of_usual, strict=True))
    assert sum(len(one.reasons) for one in facts) == 2


def test_what_the_device_does_not_take_pillow_decodes(images: ImageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """But a device that has no memory left is an error of its own, not an image that it does not take."""
    one = decoding.Stored(0, decoding.stored(images.path(0)))
    whole = decoded(one, images, CPU).pixels

    def refuses(error: Exception) -> None:
        def refuse(*arguments: object, **named: object) -> None:
            raise error

        monkeypatch.setattr(decoding, "decode_jpeg", refuse)

    refuses(RuntimeError("unsupported"))
    again = decoded(one, images, CPU).pixels
    assert whole is not None
    assert again is not None
    assert torch.equal(whole, again)
    refuses(torch.OutOfMemoryError("full"))
    with pytest.raises(torch.OutOfMemoryError):
        decoded(one, images, CPU)


def test_it_is_an_input_only_where_it_is_used(tmp_path: Path) -> None:
    """Of evaluations on files; trainings and embedded data are as without it."""
    draw_imagenet(tmp_path / "data", classes=4, per_class=2)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "resnet18.pth").write_bytes(b"weights")
    common = {"data_root": tmp_path / "data", "num_classes": 4, "weights": tmp_path / "w", "models": ("resnet18",)}
    usual, asked = (make_session(tmp_path, "full", decode=decode, **common) for decode in ("cpu", "device"))
    cell = ACCURACY.cell("resnet18", "val", 0, usual)
    before, after = ACCURACY.inputs(cell, usual), ACCURACY.inputs(cell, asked)
    assert isinstance(before, dict)
    assert after == {**before, "decode": "device"}
    training = TRAIN.cell("resnet18", 0, usual)
    assert TRAIN.inputs(training, usual) == TRAIN.inputs(training, asked)
    assert not make_session(tmp_path, decode="device").decodes_on_device("val")


def test_without_cuda_it_is_refused_in_one_line(tmp_path: Path) -> None:
    arguments = ["run", "table1", "--profile", "full", "--results", str(tmp_path), "--decode", "device"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line == "Error: --decode device needs a CUDA device, got --device cpu; name one, or leave --decode out"


def test_embedded_images_are_refused(tmp_path: Path) -> None:
    scenes = make_session(tmp_path).image_set("val")
    with pytest.raises(ValueError, match="are no files that a device could decode; leave --decode out"):
        next(decoded_batches(Show(scenes, CPU, 4), VIEWS, [[0]]))


def test_how_far_pixels_differ_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_decoding(draw_tree(tmp_path, 3, (60, 45)), CPU)
    expected = "decoding on cpu: 0.0% of the values differ, by 0 levels at most, 0.000 in the mean"
    assert capsys.readouterr().out.strip() == expected


def test_an_evaluation_decodes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU as the device: the numbers of the usual pass in records of their own, and every image went there."""
    draw_imagenet(tmp_path / "data", classes=4, per_class=2)
    torch.manual_seed(0)
    torch.save(create("resnet18", 4).state_dict(), tmp_path / "resnet18.pth")
    seen: list[torch.device] = []

    def watched(data: torch.Tensor, mode: object, device: torch.device) -> torch.Tensor:
        seen.append(device)
        pixels: torch.Tensor = decode_jpeg(data, mode=mode, device=device)
        return pixels

    monkeypatch.setattr(decoding, "decode_jpeg", watched)
    common = {"data_root": tmp_path / "data", "num_classes": 4, "weights": tmp_path, "models": ("resnet18",)}
    made = []
    for decode in ("cpu", "device"):
        session = make_session(tmp_path, "full", decode=decode, **common)
        (record,) = ACCURACY.run([ACCURACY.cell("resnet18", "val", 0, session)], session, lambda count: None)
        assert isinstance(record, Record)
        made.append(record)
        assert len(seen) == (0 if decode == "cpu" else 8)
    usual, own = made
    assert own.metrics == usual.metrics
    assert (own.inputs["decode"], usual.inputs.get("decode")) == ("device", None)
    assert own.id != usual.id
