"""Decoding on a device: batches are those of the usual pass."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.data.images import ImageFiles
from benchmarks.suite.loading import device_decoding, draw_tree
from benchmarks.work import decoding
from benchmarks.work.decoding import decoded, decoded_batches
from benchmarks.work.passes import Batch, Show, View, batches
from tests.sessions import make_session

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


def flat(made: list[Batch]) -> tuple[list[object], list[np.ndarray]]:
    """Positions, sizes and reasons; and all pixels."""
    facts: list[object] = [(one.positions, one.sizes, one.reasons) for one in made]
    return facts, [view.numpy() for one in made for view in one.views]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_pass(images: ImageFiles, workers: int) -> None:
    """With the CPU in the device's place: the same images in the same batches, to the last bit; the same unreadable."""
    chosen = [[0, 1, 2], [3, 4, 5, 7], [8, 6]]
    facts, pixels = flat(list(decoded_batches(Show(images, CPU, 4, workers), VIEWS, chosen)))
    usual, of_usual = flat(list(batches(Show(images, CPU, 4), VIEWS, chosen)))
    assert facts == usual
    assert all(np.array_equal(*pair) for pair in zip(pixels, of_usual, strict=True))
    assert sum(len(reasons) for _, _, reasons in facts) == 2  # type: ignore[attr-defined]


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


def test_embedded_images_are_refused(tmp_path: Path) -> None:
    scenes = make_session(tmp_path).image_set("val")
    with pytest.raises(ValueError, match="are no files that a device could decode; leave --decode out"):
        next(decoded_batches(Show(scenes, CPU, 4), VIEWS, [[0]]))


def test_how_far_pixels_differ_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device_decoding(draw_tree(tmp_path, 3, (60, 45)), CPU)
    expected = "decoding on cpu: 0.0% of the values differ, by 0 levels at most, 0.000 in the mean"
    assert capsys.readouterr().out.strip() == expected
