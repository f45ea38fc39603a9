"""Recipes may average the weights over steps: that copy is followed, saved, and survives an interruption."""

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from benchmarks.data.mini import open_mini
from benchmarks.papers.tdam.recipes import MINI_RECIPE
from benchmarks.work.loop import Objective, Training, TrainingData, train

DECAY = 0.8
RECIPE = replace(MINI_RECIPE, epochs=2, batch=8, averaging=DECAY)


class Slope(Objective):
    """A network of one layer with running statistics, and a loss that moves it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 10))

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.network(images), targets)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    return TrainingData(open_mini("train", tmp_path, 24), torch.device("cpu"))


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's weights and statistics."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def test_the_average_is_that_of_its_formula(data: TrainingData) -> None:
    """After the first step it is the network; then decay times itself plus the rest of the network, statistics too."""
    training = Training(Slope(), RECIPE, 0, data)
    expected: dict[str, Tensor] = {}
    for images, targets in training.loader:
        training.step(images, targets)
        now = state_of(training.objective.network)
        for name, value in now.items():
            expected[name] = DECAY * expected[name] + (1 - DECAY) * value if name in expected else value
    for name, value in training.result.state_dict().items():
        if value.is_floating_point():  # how many batches there were is a count
            torch.testing.assert_close(value, expected[name])
    assert not torch.equal(
        training.result.state_dict()["3.weight"], training.objective.network.state_dict()["3.weight"]
    )


def test_the_average_is_saved_and_goes_on(data: TrainingData, tmp_path: Path) -> None:
    """The weights that a training leaves are the average's, to the bit, resumed after its first epoch too."""
    whole = Training(Slope(), RECIPE, 0, data)
    kept = safetensors.torch.load_file(train(whole, tmp_path / "whole.safetensors", lambda done: None).weights)
    stopped = Training(Slope(), RECIPE, 0, data)
    stopped.run_epoch(lambda done: None)
    stopped.save(tmp_path / "stopped.unfinished")
    resumed = train(Training(Slope(), RECIPE, 0, data), tmp_path / "stopped.safetensors", lambda done: None)
    for name, value in safetensors.torch.load_file(resumed.weights).items():
        assert torch.equal(value, kept[name])
        assert torch.equal(value, whole.result.state_dict()[name])


def test_held_out_images_are_shown_to_the_average(data: TrainingData) -> None:
    """And to the network itself where the recipe averages nothing."""
    seen: list[nn.Module] = []

    def follow(network: nn.Module) -> float:
        seen.append(network)
        return 0.0

    for recipe in (RECIPE, replace(RECIPE, averaging=0.0)):
        training = Training(Slope(), recipe, 0, replace(data, held_out=follow))
        training.run_epoch(lambda done: None)
        assert seen.pop() is training.result
        assert (training.result is training.objective.network) == (not recipe.averaging)
