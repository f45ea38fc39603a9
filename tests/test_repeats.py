"""What an epoch shows is made once for all networks of a seed, and training on it gives the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.data.mini import open_mini
from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import MINI_RECIPE
from benchmarks.work import runner
from benchmarks.work.kinds import KINDS
from benchmarks.work.loop import Classification, Trained, Training, TrainingData, TrainingImages, train
from benchmarks.work.profiles import Recipe
from benchmarks.work.repeats import Batch, Repeats
from benchmarks.work.runner import run_kinds
from benchmarks.work.session import Session
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


def test_the_oldest_epochs_make_room(tmp_path: Path) -> None:
    shown = {"seed": 0}
    all_of_it = Repeats(tmp_path / "all", shown)
    for epoch in range(4):
        assert len(list(all_of_it.epoch(epoch, lambda: iter(batches()), 3))) == 3
    size = next((tmp_path / "all").iterdir()).stat().st_size
    few = Repeats(tmp_path / "few", shown, room=2.5 * size)
    for epoch in range(4):
        list(few.epoch(epoch, lambda: iter(batches()), 3))
    newest = sorted((tmp_path / "all").iterdir(), key=lambda file: file.stat().st_mtime_ns)[2:]
    assert {file.name for file in (tmp_path / "few").iterdir()} == {file.name for file in newest}


def test_a_disk_without_room_costs_no_training(tmp_path: Path) -> None:
    """Here the folder's place is taken by a file."""
    (tmp_path / "taken").write_text("")
    alone = trained(tmp_path, "resnet50", None)
    assert trained(tmp_path, "resnet50", tmp_path / "taken") == alone


def test_a_run_keeps_what_it_shows_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, that its trainings share and that goes with it."""
    seen: list[tuple[Path, int]] = []

    def looking(cells: list[object], session: Session, progress: object) -> object:
        result = run_kinds(cells, session, progress)  # type: ignore[arg-type]
        assert session.scratch is not None
        seen.append((session.scratch, len(list(session.scratch.iterdir()))))
        return result

    monkeypatch.setattr(runner, "run_kinds", looking)
    session = make_session(tmp_path, "smoke", jobs=2)
    kind = KINDS["train"]
    cells = [kind.cell(model, 0, session) for model in ("resnet50", "resnet50-se")]  # type: ignore[attr-defined]
    summary = runner.run(cells, session, Silent())
    assert summary.ran == 2
    [(scratch, epochs)] = seen
    assert epochs == kind.recipe(cells[0], session).epochs  # type: ignore[attr-defined]
    assert not scratch.exists()
