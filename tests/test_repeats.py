"""What an epoch shows is made once for all networks of a seed, and training on it gives the same bits."""

import errno
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from benchmarks.data.mini import open_mini
from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import MINI_RECIPE
from benchmarks.work import runner
from benchmarks.work.loop import Classification, Trained, Training, TrainingData, TrainingImages, train
from benchmarks.work.profiles import Recipe
from benchmarks.work.repeats import Batch, Repeats
from benchmarks.work.session import SHOWN
from benchmarks.work.training import TRAIN
from tests.sessions import make_session
from tests.test_runner import Silent

RECIPE = replace(MINI_RECIPE, epochs=2, batch=8, resolution=32)
IMAGES = 44  # the last batch is left out
MADE = 5 * 8 * RECIPE.epochs


class Drawing(nn.Module):
    """A network that draws random numbers of its own in training."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = create("resnet50", 10, "mini")
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner(self.drop(x))
        return logits


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The images that were augmented, by their places."""
    places: list[int] = []
    own = TrainingImages.__getitem__

    def noting(self: TrainingImages, index: int) -> object:
        places.append(index)
        return own(self, index)

    monkeypatch.setattr(TrainingImages, "__getitem__", noting)
    return places


def trained(folder: Path, network: str, repeats: Path | None, recipe: Recipe = RECIPE, seed: int = 3) -> Trained:
    torch.manual_seed(0)
    inner = Drawing() if network == "drawing" else create(network, 10, "mini")
    images = open_mini("train", folder / "cache", IMAGES)
    data = TrainingData(images, torch.device("cpu"), repeats=repeats)
    training = Training(Classification(inner, "last", 0.1), recipe, seed, data)  # type: ignore[arg-type]
    return train(training, folder / "weights.safetensors", lambda count: None)


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, mixup=0.5, random_erasing=0.5)], ids=["crop", "mixed"])
def test_the_second_network_makes_no_image_and_ends_at_the_same_bits(
    tmp_path: Path, made: list[int], recipe: Recipe
) -> None:
    alone = trained(tmp_path, "resnet50-se", None, recipe)
    made.clear()
    trained(tmp_path, "resnet50", tmp_path / "repeats", recipe)
    assert len(made) == MADE
    made.clear()
    assert trained(tmp_path, "resnet50-se", tmp_path / "repeats", recipe) == alone
    assert made == []


def test_a_network_that_draws_by_itself_makes_its_own_images(tmp_path: Path, made: list[int]) -> None:
    """It could see the first batch of an epoch as others did, and no other one."""
    alone = trained(tmp_path, "drawing", None)
    trained(tmp_path, "resnet50", tmp_path / "repeats")
    made.clear()
    assert trained(tmp_path, "drawing", tmp_path / "repeats") == alone
    assert len(made) == MADE - 8 * RECIPE.epochs
    made.clear()
    plain = trained(tmp_path, "resnet50", tmp_path / "repeats")
    assert plain == trained(tmp_path, "resnet50", None)


@pytest.mark.parametrize("other", [{"seed": 4}, {"recipe": replace(RECIPE, resolution=40)}], ids=["seed", "recipe"])
def test_another_seed_or_recipe_makes_its_own_images(tmp_path: Path, made: list[int], other: dict[str, object]) -> None:
    alone = trained(tmp_path, "resnet50", None, **other)  # type: ignore[arg-type]
    trained(tmp_path, "resnet50", tmp_path / "repeats")
    made.clear()
    assert trained(tmp_path, "resnet50", tmp_path / "repeats", **other) == alone  # type: ignore[arg-type]
    assert len(made) == MADE


def test_an_epoch_that_was_cut_off_is_not_kept(tmp_path: Path) -> None:
    """Nor is one that was resumed in its middle: a file holds an epoch from its first batch to its last."""
    folder = tmp_path / "repeats"

    class Cut(BaseException):
        pass

    def cut(count: int) -> None:
        raise Cut

    torch.manual_seed(0)
    images = open_mini("train", tmp_path / "cache", IMAGES)
    data = TrainingData(images, torch.device("cpu"), repeats=folder)
    training = Training(Classification(create("resnet50", 10, "mini"), "last", 0.1), RECIPE, 3, data)
    with pytest.raises(Cut):
        training.run_epoch(cut)
    training.random = torch.get_rng_state()
    training.run_epoch(lambda count: None)
    assert not folder.exists()
    training.run_epoch(lambda count: None)
    assert len(list(folder.iterdir())) == 1


def batches() -> list[Batch]:
    return [(torch.full((2, 3, 4, 4), step, dtype=torch.uint8), torch.tensor([step, step])) for step in range(3)]


def shown_by(repeats: Repeats, epoch: int) -> list[Batch]:
    torch.manual_seed(epoch)
    return list(repeats.epoch(epoch, lambda: iter(batches()), 3))


def test_the_oldest_epochs_make_room(tmp_path: Path) -> None:
    """A file's age is set here: a disk's clock may not tell two files of one moment apart."""
    names: list[str] = []
    repeats = Repeats(tmp_path, {"seed": 0}, room=0)
    for epoch in range(4):
        repeats.room = math.inf if epoch < 3 else 2.5 * (tmp_path / names[0]).stat().st_size
        assert len(shown_by(repeats, epoch)) == 3
        (new,) = {file.name for file in tmp_path.iterdir()} - set(names)
        names.append(new)
        os.utime(tmp_path / new, ns=(epoch, epoch))
    assert {file.name for file in tmp_path.iterdir()} == set(names[2:])


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"no tensors")], ids=["gone", "damaged"])
def test_an_epoch_that_cannot_be_read_is_made_anew(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    repeats = Repeats(tmp_path, {"seed": 0})
    shown_by(repeats, 0)
    (file,) = tmp_path.iterdir()
    spoil(file)
    again = shown_by(repeats, 0)
    assert [int(images[0, 0, 0, 0]) for images, _ in again] == [0, 1, 2]


@pytest.mark.parametrize(
    "trouble", [OSError(errno.ENOSPC, "full"), SafetensorError("No space left on device")], ids=repr
)
def test_a_disk_without_room_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Whether the system tells of it or safetensors, by an error of its own."""
    alone = trained(tmp_path, "resnet50", None)

    def full(*arguments: object) -> None:
        raise trouble

    monkeypatch.setattr("benchmarks.work.repeats.write", full)
    assert trained(tmp_path, "resnet50", tmp_path / "repeats") == alone
    assert list((tmp_path / "repeats").iterdir()) == []


def test_a_run_makes_what_it_shows_once_and_keeps_it_until_it_ends(tmp_path: Path, made: list[int]) -> None:
    """Three networks of two seeds, seed by seed whatever the order of the cells; what a killed run left goes, too."""
    session = make_session(tmp_path, "smoke")
    shown = session.store.folder / SHOWN
    shown.mkdir(parents=True)
    (shown / "left.safetensors").write_bytes(b"")
    cells = [
        TRAIN.cell(model, seed, session) for model in ("resnet50", "resnet50-se", "resnet50-eca") for seed in (1, 0)
    ]
    assert runner.run(cells, session, Silent()).ran == 6
    recipe = TRAIN.recipe(cells[0], session)
    images = min(len(session.image_set("train")), session.profile.train_count or math.inf)
    assert len(made) == 2 * recipe.epochs * (images // recipe.batch) * recipe.batch
    assert not shown.exists()
    order = [record.cell.options["seed"] for record in session.store.records() if record.cell.kind == "train"]
    assert order == [0, 0, 0, 1, 1, 1]


def test_a_single_training_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would be shown it."""
    monkeypatch.setattr("benchmarks.work.repeats.write", lambda *arguments: pytest.fail("written"))
    session = make_session(tmp_path, "smoke")
    assert runner.run([TRAIN.cell("resnet50", 0, session)], session, Silent()).ran == 1
