"""A training that is cut off inside an epoch goes on to the bits of an undisturbed one, and signals wait for a step."""

import multiprocessing
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from benchmarks.core.processes import Deferred, Terminated
from benchmarks.data.mini import open_mini
from benchmarks.networks.models import create
from benchmarks.papers.tdam.recipes import MINI_RECIPE
from benchmarks.work.loop import Classification, Diverged, Training, TrainingData, train
from benchmarks.work.profiles import Recipe
from benchmarks.work.saving import Keeping, Saver

RECIPE = replace(MINI_RECIPE, epochs=2, batch=8, resolution=32)
MIXED = replace(RECIPE, mixup=0.5, cutmix=1.0, random_erasing=0.5, averaging=0.9)
# Recipe, loader processes, and whether what is shown was kept by another training.
VARIANTS = {
    "feedback": (RECIPE, 0, False),
    "mixed": (MIXED, 0, False),
    "loaders": (replace(RECIPE, mixup=0.5), 2, False),
    "repeated": (RECIPE, 0, True),
    "mixed, repeated": (MIXED, 0, True),
}
STEPS = 6  # of 48 images in an epoch


def training(folder: Path, recipe: Recipe, workers: int, repeats: Path | None = None) -> Training:
    """A training of a small network with feedback."""
    images = open_mini("train", folder / "cache", STEPS * 8)
    torch.manual_seed(0)
    objective = Classification(create("resnet50-td-joint-t2-m1", 10, "mini"), "highest", 0.1)
    return Training(objective, recipe, 3, TrainingData(images, torch.device("cpu"), workers, repeats=repeats))


def weights_of(path: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def ignored(count: int) -> None:
    """Progress that nobody looks at."""


class Send:
    """Sends a signal to this process after so many steps, and to its loaders before, as clusters and terminals do."""

    def __init__(self, sent: signal.Signals, after: int) -> None:
        self.sent, self.left = sent, after

    def __call__(self, count: int) -> None:
        self.left -= 1
        if self.left == 0:
            for loader in multiprocessing.active_children():
                # Not by this process: loaders take its word for their end, and go without one.
                subprocess.run(["kill", f"-{self.sent.value}", str(loader.pid)], check=True)
                time.sleep(0.3)  # if it dies, that is heard of
            signal.raise_signal(self.sent)


@pytest.fixture
def handled() -> None:
    """SIGTERM as the command line has it."""
    from benchmarks.core.processes import terminable

    with terminable():
        yield


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("sent", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_in_an_epoch_costs_nothing(
    tmp_path: Path, handled: None, variant: str, sent: signal.Signals, error: type[KeyboardInterrupt]
) -> None:
    """Saved after the step under way; resumed, every image is shown once, and weights and curve are the same bits."""
    recipe, workers, repeated = VARIANTS[variant]
    whole = train(training(tmp_path, recipe, workers), tmp_path / "whole.safetensors", ignored)
    repeats = tmp_path / "repeats" if repeated else None
    if repeated:
        train(training(tmp_path, recipe, workers, repeats), tmp_path / "other.safetensors", ignored)
    with pytest.raises(error) as raised:
        train(training(tmp_path, recipe, workers, repeats), tmp_path / "cut.safetensors", Send(sent, STEPS + 2))
    assert raised.type is error
    shown: list[int] = []
    resumed = training(tmp_path, recipe, workers, repeats)
    cut = train(resumed, tmp_path / "cut.safetensors", shown.append)
    assert shown == [8 * (STEPS + 2), *[8] * (STEPS - 2)]
    assert cut.history == whole.history
    # What it took before is known, and counts.
    assert whole.before == 0 < cut.before < resumed.seconds
    one, other = weights_of(cut.weights), weights_of(whole.weights)
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    """With no minutes between checkpoints it is saved after every step; nothing after that step is lost."""
    whole = train(training(tmp_path, RECIPE, 0), tmp_path / "whole.safetensors", ignored)

    class Killed(BaseException):
        pass

    left = iter(range(4))

    def kill(count: int) -> None:
        if next(left) == 3:
            raise Killed

    with pytest.raises(Killed):
        train(training(tmp_path, RECIPE, 0), tmp_path / "cut.safetensors", kill, Keeping(minutes=0))
    shown: list[int] = []
    cut = train(training(tmp_path, RECIPE, 0), tmp_path / "cut.safetensors", shown.append)
    assert shown[0] == 3 * 8  # the fourth step was not saved
    assert cut.history == whole.history
    one, other = weights_of(cut.weights), weights_of(whole.weights)
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_what_loaders_draw_does_not_depend_on_their_number(tmp_path: Path) -> None:
    """One or two, the weights are the same; without loaders images draw in turn, and the weights are others."""
    recipe = replace(RECIPE, epochs=1)
    files = {number: tmp_path / f"{number}.safetensors" for number in (0, 1, 2)}
    hashes = [train(training(tmp_path, recipe, number), file, ignored).sha256 for number, file in files.items()]
    assert hashes[1] == hashes[2] != hashes[0]


def test_a_second_signal_acts_at_once(handled: None) -> None:
    """The first leaves its mark only; afterwards signals act as before."""
    with Deferred() as signals:
        signal.raise_signal(signal.SIGINT)
        assert signals.asked is KeyboardInterrupt
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_sigterm_again_is_the_same_request(handled: None) -> None:
    """As clusters send it; Ctrl-C after it still acts at once."""
    with Deferred() as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert signals.asked is Terminated
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_time_between_checkpoints() -> None:
    """Saved when the minutes are over, not before; asked for the end it saves and ends."""
    saved: list[int] = []
    with Deferred() as signals:
        saver = Saver(lambda: saved.append(1), signals, minutes=1000)
        saver.after_step()
        assert saved == []
        saver.minutes = 0
        saver.after_step()
        assert saved == [1]
        saver.minutes = 1000
        signals.asked = KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            saver.after_step()
        assert saved == [1, 1]


@pytest.mark.parametrize("unwatched", [1, 4, 50])
def test_a_loss_that_is_no_number_ends_the_training_with_its_images(tmp_path: Path, unwatched: int) -> None:
    """Named by step, epoch and ids, also where losses are looked at a few steps later."""
    own = training(tmp_path, RECIPE, 0)
    own.unwatched = unwatched
    step, steps = own.step, iter(range(100))
    own.step = lambda images, targets: step(images, targets) * (torch.nan if next(steps) == STEPS + 1 else 1)  # type: ignore[method-assign]
    own.run_epoch(ignored)
    with pytest.raises(Diverged) as raised:
        own.run_epoch(ignored)
    own.batches.epoch = 1
    ids = [own.shown.images.ids[place] for place in list(own.batches.whole)[1]]
    assert "the training loss is nan at step 2 of epoch 2;" in str(raised.value)
    assert str(raised.value).endswith(f"its images: {', '.join(ids)}")
